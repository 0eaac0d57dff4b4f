"""Normalisation layers: their state, what they say of themselves, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn

F = nn.functional
BATCH = [
    (nn.BatchNorm1d, (4, 3)),
    (nn.BatchNorm1d, (4, 3, 5)),
    (nn.BatchNorm2d, (4, 3, 2, 2)),
    (nn.BatchNorm3d, (2, 3, 2, 2, 2)),
]
INSTANCE = [
    (nn.InstanceNorm1d, (3, 5)), (nn.InstanceNorm1d, (2, 3, 5)), (nn.InstanceNorm2d, (3, 4, 4)), (nn.InstanceNorm2d, (2, 3, 4, 4)),
    (nn.InstanceNorm3d, (3, 2, 2, 2)), (nn.InstanceNorm3d, (2, 3, 2, 2, 2)),
]  # fmt: skip


def test_the_state_stays_arrays_through_training() -> None:
    layer = nn.BatchNorm2d(3)
    for step in range(3):
        layer(engine.randn(4, 3, 2, 2))
        assert layer.num_batches_tracked is not None
        assert layer.num_batches_tracked.item() == step + 1
    for name, value in layer.state_dict().items():
        assert isinstance(value.array, np.ndarray), name
        assert value.numpy().shape == value.shape


@pytest.mark.parametrize(("layer", "shape"), BATCH)
def test_batch_normalisation_brings_channels_to_mean_0_and_variance_1(layer: Any, shape: tuple[int, ...]) -> None:
    made = layer(3, momentum=None)
    x = engine.randn(*shape) * 3.0 + 2.0
    around = (0, *range(2, len(shape)))
    out = made(x).numpy()
    np.testing.assert_allclose(out.mean(around), 0, atol=1e-5)
    np.testing.assert_allclose(out.var(around), 1, atol=1e-3)
    # The plain average of one batch is that batch.
    np.testing.assert_allclose(made.running_mean.numpy(), x.numpy().mean(around), rtol=1e-4)
    np.testing.assert_allclose(made.running_var.numpy(), x.numpy().var(around, ddof=1), rtol=1e-4)
    assert list(made.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    plain = layer(3, affine=False, track_running_stats=False).eval()
    assert not plain.state_dict()
    np.testing.assert_allclose(plain(x).numpy(), out, rtol=1e-5, atol=1e-6)
    assert repr(made) == f"{layer.__name__}(3, eps=1e-05, momentum=None, affine=True, track_running_stats=True)"


@pytest.mark.parametrize(("layer", "shape"), INSTANCE)
def test_instance_normalisation_is_of_each_channel(layer: Any, shape: tuple[int, ...]) -> None:
    x = engine.randn(*shape) * 3.0 + 2.0
    around = tuple(range(len(shape) - len(shape[1:] if len(shape) == min(layer.axes) else shape[2:]), len(shape)))
    out = layer(3)(x).numpy()
    assert out.shape == shape
    np.testing.assert_allclose(out.mean(around), 0, atol=1e-5)
    np.testing.assert_allclose(out.var(around), 1, atol=1e-3)
    assert not layer(3).state_dict()
    tracked = layer(3, affine=True, track_running_stats=True, momentum=1.0)
    tracked(x)
    assert list(tracked.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    lead = () if len(shape) == min(layer.axes) else (0,)
    means = x.numpy().mean(around).mean(lead) if lead else x.numpy().mean(around)
    np.testing.assert_allclose(tracked.running_mean.numpy(), means, rtol=1e-4)
    assert not np.allclose(tracked.eval()(x).numpy(), out)


def test_group_and_root_mean_square_layers_have_pytorchs_state() -> None:
    group, root = nn.GroupNorm(2, 4), nn.RMSNorm((3, 4), eps=1e-3)
    assert {k: tuple(v.shape) for k, v in group.state_dict().items()} == {"weight": (4,), "bias": (4,)}
    assert {k: tuple(v.shape) for k, v in root.state_dict().items()} == {"weight": (3, 4)}
    assert not nn.GroupNorm(2, 4, affine=False).state_dict()
    assert not nn.RMSNorm(3, elementwise_affine=False).state_dict()
    assert "2, 4, eps=1e-05, affine=True" in repr(group)
    assert "(3, 4), eps=0.001" in repr(root)
    assert list(nn.LayerNorm(3, bias=False).state_dict()) == ["weight"]


def test_gradients_of_layers_with_and_without_a_scale_agree_with_differences() -> None:
    x = engine.randn(2, 4, 3, 3, dtype="float64")
    for layer in (
        nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.GroupNorm(2, 4, affine=False), nn.InstanceNorm2d(4, affine=True), nn.RMSNorm(3),
        nn.LayerNorm(3, bias=False), nn.LocalResponseNorm(3, alpha=0.5),
    ):  # fmt: skip
        engine.check.gradients(layer.double(), x)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: nn.BatchNorm1d(3)(engine.zeros((2, 3, 4, 4))), engine.ShapeError, "BatchNorm1d.*length"),
        (lambda: nn.BatchNorm3d(3)(engine.zeros((2, 3, 4, 4))), engine.ShapeError, "BatchNorm3d.*depth"),
        (lambda: nn.BatchNorm1d(3)(engine.zeros((1, 3))), engine.ShapeError, "more than one value"),
        (lambda: nn.BatchNorm1d(3, eps=-1), engine.SettingError, "eps"),
        (lambda: nn.BatchNorm1d(3, momentum="fast"), engine.SettingError, "momentum"),  # type: ignore[arg-type]
        (lambda: nn.InstanceNorm2d(3)(engine.zeros((2, 4, 4, 4))), engine.ShapeError, "3 channels"),
        (lambda: nn.InstanceNorm1d(3)(engine.zeros((2, 3, 1))), engine.ShapeError, "more than one value"),
        (lambda: nn.InstanceNorm1d(3)(engine.zeros(3)), engine.ShapeError, "InstanceNorm1d"),
        (lambda: F.instance_norm(engine.zeros((2, 3, 4)), use_input_stats=False), engine.SettingError, "running_mean"),
        (lambda: nn.GroupNorm(3, 4), engine.SettingError, "multiple"),
        (lambda: F.group_norm(engine.zeros((2, 4, 3)), 3), engine.ShapeError, "multiple"),
        (lambda: F.group_norm(engine.zeros((2, 4, 3)), 2, engine.zeros(3)), engine.ShapeError, "4 channels"),
        (lambda: F.group_norm(engine.zeros((2, 4)), 4), engine.ShapeError, "more than one value"),
        (lambda: F.rms_norm(engine.zeros((2, 4)), 3), engine.ShapeError, "last axes"),
        (lambda: F.rms_norm(engine.zeros((2, 4)), 4, engine.zeros(3)), engine.ShapeError, "weight"),
        (lambda: nn.RMSNorm(4, eps=-1.0), engine.SettingError, "eps"),
        (lambda: nn.LocalResponseNorm(0), engine.SettingError, "size"),
        (lambda: F.local_response_norm(engine.zeros((2, 4)), 2), engine.ShapeError, "three axes"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()
