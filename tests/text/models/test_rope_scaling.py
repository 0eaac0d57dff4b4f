"""Stretched rotary positions against their definition by wavelengths, as the authors of Llama 3.1 wrote it down."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from numzoo.text.models.llama import LlamaConfig
from numzoo.text.models.rope_scaling import frequencies


def test_plain_and_linear_are_powers_of_theta() -> None:
    plain = frequencies(8, 16.0)
    np.testing.assert_allclose(plain, [1, 0.5, 0.25, 0.125], rtol=1e-15)
    np.testing.assert_allclose(frequencies(8, 16.0, "linear", factor=4.0), plain / 4, rtol=1e-15)


def test_llama_3_stretches_long_waves_and_blends_the_middle() -> None:
    settings = {"factor": 8.0, "low": 1.0, "high": 4.0, "places": 48}
    found = frequencies(16, 100.0, "llama3", **settings)
    kinds = set()
    for number, turn in enumerate(100.0 ** (-np.arange(0, 16, 2) / 16)):
        wave = 2 * math.pi / turn
        if wave < 48 / 4.0:
            kind, wanted = "kept", turn
        elif wave > 48 / 1.0:
            kind, wanted = "stretched", turn / 8
        else:
            smooth = (48 / wave - 1.0) / (4.0 - 1.0)
            kind, wanted = "blended", (1 - smooth) * turn / 8 + smooth * turn
        kinds.add(kind)
        assert math.isclose(found[number], wanted, rel_tol=1e-12), (number, kind)
    assert kinds == {"kept", "stretched", "blended"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rope_type": "yarn"}, "rope_type must be one of default, linear, llama3, not 'yarn'"),
        ({"rope_type": "linear", "rope_factor": 0.0}, "rope_factor and rope_places must be above 0"),
        ({"rope_type": "llama3", "rope_low": 4.0}, "rope_low below rope_high"),
        ({"rope_places": 0}, "rope_places"),
    ],
)
def test_a_stretch_that_is_none_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LlamaConfig(**settings)
