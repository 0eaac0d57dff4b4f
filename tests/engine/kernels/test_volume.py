"""Convolution of volumes by oneDNN is what the body computes, in every direction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine.kernels.cpu import onednn, volume

SETTINGS = [
    {"stride": (1, 1, 1), "padding": (1, 1, 1), "dilation": (1, 1, 1), "groups": 1},
    {"stride": (2, 1, 2), "padding": (1, 0, 2), "dilation": (1, 2, 1), "groups": 2},
    {"stride": (1, 1, 1), "padding": (1, 1, 1), "dilation": (1, 1, 1), "groups": 8},
]


@pytest.mark.skipif(not onednn.status()[0], reason="oneDNN does not load here")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("settings", SETTINGS)
def test_the_three_directions_are_the_bodies(settings: dict[str, Any], dtype: str) -> None:
    generator = np.random.default_rng(0)
    kind = engine.dtype.as_dtype(dtype)
    x = generator.standard_normal((2, 8, 7, 9, 10)).astype(kind)
    weight = generator.standard_normal((16, 8 // settings["groups"], 3, 3, 3)).astype(kind)
    bias = generator.standard_normal(16).astype(kind)
    out = volume.conv3d(x, weight, bias, **settings)
    assert out is not NotImplemented
    _equal(out, engine.ops.conv3d.body(np, x, weight, bias, **settings), dtype)
    flow = generator.standard_normal(out.shape).astype(kind)
    for given, body, arrays, shape in (
        (volume.conv3d_input, engine.ops.conv3d_input, (flow, weight), x.shape),
        (volume.conv3d_weight, engine.ops.conv3d_weight, (flow, x), weight.shape),
    ):
        result = given(*arrays, shape=shape, **settings)
        if given is volume.conv3d_weight and settings["dilation"] != (1, 1, 1):
            assert result is NotImplemented  # oneDNN's would be wrong
            continue
        assert result is not NotImplemented
        _equal(result, body.body(np, *arrays, shape=shape, **settings), dtype)


def test_a_window_longer_than_narrow_images_is_left_to_the_body() -> None:
    settings = {"stride": (2, 2, 1), "padding": (2, 0, 0), "dilation": (1, 1, 1), "groups": 2}
    kind = engine.dtype.as_dtype("bfloat16")
    x, flow = np.ones((1, 8, 1, 5, 8), kind), np.ones((1, 24, 2, 3, 8), kind)
    assert volume.conv3d_weight(flow, x, shape=(24, 4, 3, 1, 1), **settings) is NotImplemented


def _equal(given: Any, wanted: Any, dtype: str) -> None:
    assert given.dtype == wanted.dtype
    tolerance = {"float32": 1e-4, "bfloat16": 2e-1}[dtype]
    np.testing.assert_allclose(given.astype(float), wanted.astype(float), rtol=tolerance / 10, atol=tolerance)
