"""Scans by doubling, as a library without accumulate computes them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from numzoo.engine.ops.reductions.scan import accumulated


@pytest.mark.parametrize("function", [np.maximum, np.minimum, np.logaddexp], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("shape", "axis"), [((7,), 0), ((3, 8), 1), ((9, 2), 0), ((2, 1), 1), ((2, 0), 1), ((0,), 0)])
def test_rounds_give_what_accumulate_gives(function: Any, shape: tuple[int, ...], axis: int) -> None:
    x = np.random.default_rng(1).standard_normal(shape)
    kept = x.copy()
    np.testing.assert_allclose(accumulated(SimpleNamespace(), function, x, axis), function.accumulate(x, axis), 1e-12)
    assert np.array_equal(x, kept)
