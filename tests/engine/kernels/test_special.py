"""Special functions in blocks: what their bodies give, for any layout and size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo.engine.kernels.cpu import special
from numzoo.engine.op import TABLE

SETTINGS: dict[str, dict[str, Any]] = {"polygamma_of": {"n": 2}}
NAMES = ["erf", "erfc", "erfinv", "lgamma", "digamma", "polygamma_of", "logaddexp"]
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "rows": lambda x: x,
    "columns": np.asfortranarray,
    "turned": lambda x: np.ascontiguousarray(x.transpose(2, 0, 1)).transpose(1, 2, 0),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", NAMES)
def test_blocks_give_what_the_body_gives(name: str, layout: str, dtype: Any) -> None:
    generator = np.random.default_rng(5)
    low, high = (-0.9, 0.9) if name == "erfinv" else (-4.5, 12.0)
    count = 2 if name == "logaddexp" else 1
    arrays = [LAYOUTS[layout](generator.uniform(low, high, (5, 61, 257)).astype(dtype)) for _ in range(count)]
    settings = SETTINGS.get(name, {})
    given = getattr(special, name)(*arrays, **settings)
    assert given is not NotImplemented
    assert given.dtype == dtype
    assert given.strides == arrays[0].strides
    np.testing.assert_allclose(
        given, TABLE[name].body(np, *arrays, **settings), rtol=1e-6 if dtype != np.float64 else 1e-14
    )


def test_what_is_small_or_has_gaps_is_left_to_the_body() -> None:
    x = np.ones((300, 300), np.float32)
    assert special.erf(x[:10]) is NotImplemented
    assert special.erf(x[:, ::2]) is NotImplemented
    assert special.erf(np.broadcast_to(x[0], (300, 300))) is NotImplemented
    assert special.logaddexp(x, x[0]) is NotImplemented
    assert special.logaddexp(x, x.T) is NotImplemented
