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
    *((f"{kind}Pad{axes}d", (2,), {}, shape) for axes, shape in SHAPES.items() for kind in ("Zero", "Reflection", "Replication", "Circular")),
    *((f"{kind}Pad{axes}d", (tuple(range(2 * axes)),), {}, (2, 4, *(7,) * axes)) for axes in SHAPES for kind in ("Zero", "Replication", "Circular")),
    *((f"ConstantPad{axes}d", (1, 3.5), {}, shape) for axes, shape in SHAPES.items()),
    ("ZeroPad2d", ((-1, 2, 0, -2),), {}, IMAGE),
]  # fmt: skip
BATCHED = [
    ("Upsample", (), {"scale_factor": 2}, LINE),
    ("Upsample", ((5, 12),), {"mode": "bilinear"}, IMAGE),
    ("Upsample", (), {"scale_factor": (1.5, 2), "mode": "bicubic", "align_corners": True}, IMAGE),
    ("Upsample", (), {"scale_factor": 1.3, "mode": "trilinear", "recompute_scale_factor": True}, VOLUME),
    ("UpsamplingNearest2d", (), {"scale_factor": 3}, IMAGE),
    ("UpsamplingBilinear2d", ((11, 3),), {}, IMAGE),
    ("PixelShuffle", (2,), {}, IMAGE),
    ("PixelUnshuffle", (2,), {}, (2, 3, 8, 6)),
    ("ChannelShuffle", (2,), {}, IMAGE),
    ("Unfold", (3,), {"dilation": 2, "padding": 1, "stride": 2}, IMAGE),
    ("Fold", ((5, 6), (2, 2)), {"stride": (1, 2)}, (2, 8, 12)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arguments", "settings", "shape"),
    LAYERS + BATCHED,
    ids=[f"{n}-{i}" for i, (n, *_) in enumerate(LAYERS + BATCHED)],
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
    for given in (x, x[0]) if (name, arguments, settings, shape) in LAYERS else (x,):
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
