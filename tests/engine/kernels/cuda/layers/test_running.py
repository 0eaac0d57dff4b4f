"""Running statistics on a GPU move as on the CPU, in one launch and in their own memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("channels", [1, 5, 300])
def test_they_move_as_on_the_cpu(gpu: Any, dtype: str, channels: int) -> None:
    images = RNG.standard_normal((3, channels, 2, 2)).astype(np.float32)
    found = []
    for device in ("cpu", "cuda"):
        layer = nn.BatchNorm2d(channels, momentum=0.3).to(device, dtype=dtype)
        x = engine.tensor(images).to(device, dtype=dtype)
        layer(x)
        held = [layer.running_mean.array, layer.running_var.array, layer.num_batches_tracked.array]
        layer(x * 2.0)
        if device == "cuda":
            assert held[0] is layer.running_mean.array
            assert held[2] is layer.num_batches_tracked.array
            assert gpu.launched.count("channel_moments") == 2
            assert "move_statistics" not in gpu.launched
        found.append(
            [value.float().numpy() for value in (layer.running_mean, layer.running_var, layer.num_batches_tracked)]
        )
        found[-1].append(layer.eval()(x).float().numpy())
    tolerance = {"float64": 1e-7, "float32": 1e-5}.get(dtype, 4e-2)
    for wanted, other in zip(*found, strict=True):
        assert np.allclose(wanted, other, rtol=tolerance, atol=tolerance)


def test_statistics_of_another_dtype_than_the_weights_move_in_a_launch_of_their_own(gpu: Any) -> None:
    layer, same = nn.BatchNorm2d(5).to("cuda"), nn.BatchNorm2d(5).to("cuda")
    for name in ("weight", "bias"):
        setattr(same, name, nn.Parameter(getattr(same, name).bfloat16()))
    x = engine.tensor(RNG.standard_normal((3, 5, 2, 2)).astype(np.float32)).to("cuda").bfloat16()
    layer(x), same(x)
    assert gpu.launched.count("move_statistics") == 1
    assert same.num_batches_tracked.item() == layer.num_batches_tracked.item() == 1
    np.testing.assert_array_equal(layer.running_var.numpy(), same.running_var.numpy())


def test_what_one_launch_does_not_serve_still_moves(gpu: Any) -> None:
    layer = nn.BatchNorm1d(4).to("cuda")
    layer.running_mean = engine.zeros(4, 2, device="cuda")[:, 0]
    layer(engine.tensor(RNG.standard_normal((6, 4)).astype(np.float32)).to("cuda"))
    assert layer.num_batches_tracked.item() == 1
    assert (layer.running_mean.numpy() != 0).all()
    assert "move_statistics" not in gpu.launched
