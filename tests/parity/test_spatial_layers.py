"""Convolution, pooling, resampling and padding layers beside PyTorch's: descriptions, state and results from shared weights."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn

if importlib.util.find_spec("torch") is None:
    pytest.skip("layers are compared with PyTorch where torch is installed (the parity extra)", allow_module_level=True)

from conformance.compare import torch

LINE, IMAGE, VOLUME = (2, 4, 9), (2, 4, 8, 9), (2, 4, 6, 7, 8)
LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    *((name, (4, 6, 3), settings, shape)
      for name, shape in (("Conv1d", LINE), ("Conv2d", IMAGE), ("Conv3d", VOLUME))
      for settings in ({}, {"stride": 2, "padding": 1, "groups": 2, "bias": False}, {"padding": "same", "dilation": 2},
                       {"padding": "valid"}, {"padding": 2, "padding_mode": "reflect"}, {"padding": 2, "padding_mode": "circular"},
                       {"padding": "same", "padding_mode": "replicate"})),
    *((name, (4, 6, 3), settings, shape)
      for name, shape in (("ConvTranspose1d", LINE), ("ConvTranspose2d", IMAGE), ("ConvTranspose3d", VOLUME))
      for settings in ({}, {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2, "bias": False}, {"dilation": 2})),
]  # fmt: skip
SHAPES = {1: LINE, 2: IMAGE, 3: VOLUME}
for axes, shape in SHAPES.items():
    LAYERS += [
        (f"MaxPool{axes}d", (3,), {}, shape),
        (f"MaxPool{axes}d", (3, 2, 1, 2), {"ceil_mode": True}, shape),
        (f"MaxPool{axes}d", (2, 1, 1, 1, True), {}, shape),
        (f"AvgPool{axes}d", (2,), {}, shape),
        (f"AvgPool{axes}d", (3, 2, 1), {"ceil_mode": True, "count_include_pad": False}, shape),
        (f"LPPool{axes}d", (2, 2, 2), {}, shape),
        (f"AdaptiveAvgPool{axes}d", (4,), {}, shape),
        (f"AdaptiveMaxPool{axes}d", (4,), {}, shape),
        (f"AdaptiveMaxPool{axes}d", (3, True), {}, shape),
    ]
LAYERS += [
    ("AvgPool2d", (3, 2), {"divisor_override": 4}, IMAGE),
    ("AdaptiveAvgPool2d", ((None, 3),), {}, IMAGE),
    ("AdaptiveAvgPool3d", ((None, 3, 2),), {}, VOLUME),
]


@pytest.mark.parametrize(
    ("name", "arguments", "settings", "shape"), LAYERS, ids=[f"{n}-{i}" for i, (n, *_) in enumerate(LAYERS)]
)
def test_a_layer_is_pytorchs(
    name: str, arguments: tuple[Any, ...], settings: dict[str, Any], shape: tuple[int, ...]
) -> None:
    mine, other = getattr(nn, name)(*arguments, **settings), getattr(torch.nn, name)(*arguments, **settings)
    assert repr(mine) == repr(other)
    state = other.state_dict()
    assert {k: tuple(v.shape) for k, v in mine.state_dict().items()} == {k: tuple(v.shape) for k, v in state.items()}
    mine.load_state_dict({k: engine.Tensor(v.numpy()) for k, v in state.items()})
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    for given in (x, x[0]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = other(torch.tensor(given))
        result = mine(engine.Tensor(given))
        for a, b in zip(*(r if isinstance(r, tuple) else (r,) for r in (result, wanted)), strict=True):
            assert a.dtype == b.detach().numpy().dtype
            np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_unpooling_puts_maxima_back_as_pytorch_does(axes: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, 4, *(7,) * axes)).astype(np.float32)
    pool, other = getattr(nn, f"MaxPool{axes}d")(3, 2, return_indices=True), getattr(torch.nn, f"MaxPool{axes}d")
    back, wanted = getattr(nn, f"MaxUnpool{axes}d")(3, 2), getattr(torch.nn, f"MaxUnpool{axes}d")(3, 2)
    assert repr(back) == repr(wanted)
    values, places = other(3, 2, return_indices=True)(torch.tensor(x))
    for size in (None, [*x.shape[2:]]):
        result = back(*pool(engine.Tensor(x)), output_size=size)
        np.testing.assert_array_equal(result.numpy(), wanted(values, places, output_size=size).numpy())
    one = back(*pool(engine.Tensor(x[0])))
    np.testing.assert_array_equal(one.numpy(), wanted(values[0], places[0]).numpy())
