"""Convolution layers: what they hold, how they describe themselves, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn
from numzoo.engine.errors import DtypeError, SettingError, ShapeError
from numzoo.engine.nn import functional as F


def t(*shape: int, dtype: str = "float32") -> engine.Tensor:
    return engine.ones(*shape).to(dtype=dtype)


@pytest.mark.parametrize(("axes", "layer"), [(1, nn.Conv1d), (2, nn.Conv2d), (3, nn.Conv3d)])
def test_a_convolution_holds_weight_and_bias_within_the_usual_bounds(axes: int, layer: Any) -> None:
    made = layer(8, 16, 3, groups=2)
    assert [(n, p.shape) for n, p in made.named_parameters()] == [("weight", (16, 4, *(3,) * axes)), ("bias", (16,))]
    bound = 1 / math.sqrt(4 * 3**axes)
    for parameter in made.parameters():
        assert 0.5 * bound < np.abs(parameter.numpy()).max() <= bound


@pytest.mark.parametrize(("axes", "layer"), [(1, nn.ConvTranspose1d), (2, nn.ConvTranspose2d), (3, nn.ConvTranspose3d)])
def test_a_transposed_convolution_goes_back_to_the_size_that_is_asked_for(axes: int, layer: Any) -> None:
    made = layer(4, 6, 3, stride=2, padding=1, groups=2, bias=False)
    assert [(n, p.shape) for n, p in made.named_parameters()] == [("weight", (4, 3, *(3,) * axes))]
    x = t(2, 4, *(5,) * axes)
    assert made(x).shape == (2, 6, *(9,) * axes)
    assert made(x, output_size=[10] * axes).shape == (2, 6, *(10,) * axes)
    assert made(x, output_size=(2, 6, *[10] * axes)).shape == (2, 6, *(10,) * axes)
    assert made(x[0], output_size=[10] * axes).shape == (6, *(10,) * axes)
    with pytest.raises(ShapeError, match=r"out of reach.*between \(9"):
        made(x, output_size=[11] * axes)
    with pytest.raises(ShapeError, match="output_size"):
        made(x, output_size=[10] * (axes + 1))


def test_layers_say_what_they_are() -> None:
    assert repr(nn.Conv1d(2, 4, 3, padding="same", padding_mode="reflect")) == (
        "Conv1d(2, 4, kernel_size=(3,), stride=(1,), padding=same, padding_mode=reflect)"
    )
    assert repr(nn.ConvTranspose3d(2, 4, 3, 2, 1, 1, bias=False)) == (
        "ConvTranspose3d(2, 4, kernel_size=(3, 3, 3), stride=(2, 2, 2), padding=(1, 1, 1), output_padding=(1, 1, 1), bias=False)"
    )


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_one_example_needs_no_batch_axis(axes: int) -> None:
    x = engine.randn(3, *(6,) * axes)
    made = getattr(nn, f"Conv{axes}d")(3, 5, 3)
    np.testing.assert_allclose(made(x).numpy(), made(x.unsqueeze(0)).numpy()[0], rtol=1e-5)


@pytest.mark.parametrize("name", ["bf16", "fp16"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_layers_in_a_row_compute_in_a_narrow_precision(axes: int, name: str) -> None:
    pool = getattr(nn, f"AvgPool{axes}d")(2)
    layers = [getattr(nn, f"Conv{axes}d")(3, 8, 3), pool, getattr(nn, f"ConvTranspose{axes}d")(8, 4, 3, 2)]
    model = nn.Sequential(*layers, getattr(nn, f"Conv{axes}d")(4, 2, 3))
    x = engine.randn(2, 3, *(8,) * axes)
    wanted = model(x)
    with engine.precision(name):
        given = model(x)
        assert given.dtype == {"bf16": engine.bfloat16, "fp16": engine.float16}[name]
    np.testing.assert_allclose(given.numpy().astype(float), wanted.numpy(), atol=0.05 * np.abs(wanted.numpy()).max())
    given.float().sum().backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.dtype == engine.float32


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: F.conv1d(t(1, 3, 8), t(2, 4, 3)), ShapeError, r"conv1d: x has 3 channels but weight expects 4"),
        (lambda: F.conv1d(t(8), t(2, 4, 3)), ShapeError, r"conv1d: wants x \(batch, channels, length\).*unsqueeze"),
        (lambda: F.conv1d(t(1, 4, 8), t(2, 4, 3, dtype="float64")), DtypeError, "conv1d.*float32, float64"),
        (lambda: F.conv1d(t(1, 4, 2), t(2, 4, 3)), ShapeError, "spans 3 pixels but x has only 2"),
        (lambda: F.conv1d(t(1, 4, 9), t(2, 4, 3), stride=(1, 2)), SettingError, "stride"),
        (lambda: F.conv3d(t(1, 4, 5, 5, 5), t(2, 4, 3, 3, 3), t(3)), ShapeError, "conv3d: bias"),
        (lambda: F.conv3d(t(1, 4, 5, 5, 5), t(2, 4, 3, 3, 3), padding=-1), SettingError, "conv3d.*padding"),
        (lambda: F.conv_transpose1d(t(1, 3, 8), t(4, 2, 3)), ShapeError, "conv_transpose1d: x has 3 channels"),
        (lambda: F.conv_transpose1d(t(1, 4, 8), t(4, 2, 3), t(3)), ShapeError, "bias.*2 output channels"),
        (lambda: F.conv_transpose1d(t(8), t(4, 2, 3)), ShapeError, "length.*unsqueeze"),
        (lambda: F.conv_transpose2d(t(1, 4, 8, 8), t(4, 2, 3, 3), output_padding=1), SettingError, "output_padding"),
        (lambda: F.conv_transpose2d(t(1, 4, 1, 1), t(4, 2, 3, 3), padding=2), ShapeError, "nothing would be left"),
        (lambda: F.conv_transpose3d(t(1, 4, 3, 3, 3), t(4, 2, 3, 3, 3), groups=3), ShapeError, "groups=3"),
        (lambda: nn.Conv1d(2, 4, 3, padding_mode="mirror"), SettingError, "padding_mode.*reflect"),
        (lambda: nn.Conv3d(2, 4, (3, 3)), SettingError, "kernel_size must be a whole number or 3 of them"),
        (lambda: nn.Conv1d(2, 4, 3, stride=2, padding="same"), SettingError, "'same' wants stride 1"),
        (lambda: nn.Conv1d(2, 4, 3, groups=3), SettingError, "Conv1d: groups=3"),
        (lambda: nn.ConvTranspose1d(2, 4, 3, padding="same"), SettingError, "padding must be numbers"),
        (lambda: nn.ConvTranspose1d(2, 4, 3, padding_mode="reflect"), SettingError, "padding_mode 'zeros'"),
        (lambda: nn.ConvTranspose1d(2, 4, 3, output_padding=-1), SettingError, "output_padding"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
