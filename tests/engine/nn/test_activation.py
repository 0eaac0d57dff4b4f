"""Activations as layers: how they are made, printed and saved, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn

F = nn.functional
SETTINGS = [
    (nn.ELU, {"alpha": 1.5}), (nn.CELU, {"alpha": 1.5}), (nn.SELU, {}), (nn.GELU, {"approximate": "tanh"}), (nn.GLU, {"dim": 0}),
    (nn.Hardshrink, {"lambd": 0.3}), (nn.Softshrink, {"lambd": 0.3}), (nn.Hardtanh, {"min_val": -2.0, "max_val": 0.5}),
    (nn.LeakyReLU, {"negative_slope": 0.2}), (nn.RReLU, {"lower": 0.1, "upper": 0.2}), (nn.PReLU, {"num_parameters": 4}),
    (nn.Softplus, {"beta": 2.0, "threshold": 3.0}), (nn.Threshold, {"threshold": 0.1, "value": 7.0}), (nn.Softmin, {"dim": 1}),
    (nn.Softmax, {"dim": 1}), (nn.LogSoftmax, {"dim": 1}), (nn.LogSigmoid, {}), (nn.Mish, {}), (nn.Softsign, {}), (nn.Tanhshrink, {}),
    (nn.ReLU6, {}), (nn.ReLU, {}), (nn.SiLU, {}), (nn.Hardswish, {}), (nn.Hardsigmoid, {}),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "settings"), SETTINGS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_layer_is_its_function(layer: Any, settings: dict[str, Any]) -> None:
    x = engine.randn(2, 4)
    made = layer(**settings).eval()
    name = {"LogSoftmax": "log_softmax", "LeakyReLU": "leaky_relu"}.get(layer.__name__, layer.__name__.lower())
    wanted = F.prelu(x, made.weight) if layer is nn.PReLU else getattr(F, name)(x, **settings)
    np.testing.assert_array_equal(made(x).numpy(), wanted.numpy())
    assert all(str(value) in repr(made) for value in settings.values())


@pytest.mark.parametrize("layer", [nn.ReLU, nn.ReLU6, nn.SELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardsigmoid])
def test_inplace_is_taken_and_the_input_stays(layer: Any) -> None:
    x = engine.tensor([-1.0, 2.0])
    layer(inplace=True)(x)
    layer(True)(x)
    assert x.tolist() == [-1.0, 2.0]


def test_a_learned_slope_is_saved_under_pytorchs_name() -> None:
    layer = nn.PReLU(3, init=0.1)
    assert {name: value.tolist() for name, value in layer.state_dict().items()} == {"weight": pytest.approx([0.1] * 3)}
    layer(engine.full((2, 3), -2.0)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [-4.0] * 3


def test_prelu_takes_what_a_convolution_gave_in_a_narrower_precision() -> None:
    layer = nn.PReLU(3)
    narrow = engine.tensor([[1.0, -2.0, -4.0]]).bfloat16()
    with engine.precision("bf16"):
        out = layer(narrow)
        out.float().sum().backward()
    assert out.tolist() == [[1.0, -0.5, -1.0]]
    assert layer.weight.grad.tolist() == [0.0, -2.0, -4.0]
    with pytest.raises(engine.DtypeError, match="bfloat16 but weight float32"):
        layer(narrow)


def test_random_slopes_lie_within_their_limits() -> None:
    layer, x = nn.RReLU(0.2, 0.4), engine.full((1000,), -1.0, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), -y.numpy())
    assert 0.2 <= x.grad.numpy().min() < 0.21
    assert 0.39 < x.grad.numpy().max() <= 0.4
    assert layer.eval()(x).numpy()[0] == pytest.approx(-0.3)


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax_draws_each_class_as_often_as_softmax_says(hard: bool) -> None:
    logits = engine.log(engine.tensor([0.2, 0.3, 0.5])).expand((20000, 3)).clone().requires_grad_()
    drawn = F.gumbel_softmax(logits, tau=0.5, hard=hard)
    np.testing.assert_allclose(drawn.numpy().sum(-1), 1, rtol=1e-5)
    share = np.bincount(drawn.numpy().argmax(-1), minlength=3) / 20000
    np.testing.assert_allclose(share, [0.2, 0.3, 0.5], atol=0.02)
    if hard:
        assert set(np.unique(drawn.numpy().round(5))) == {0.0, 1.0}
    (drawn * engine.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert logits.grad is not None
    assert np.abs(logits.grad.numpy()).max() > 0.01


def test_softmax2d_is_over_the_channels() -> None:
    for shape in ((2, 3, 4, 5), (3, 4, 5)):
        np.testing.assert_allclose(nn.Softmax2d()(engine.randn(*shape)).numpy().sum(-3), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: F.glu(engine.zeros(3)), engine.ShapeError, "even"),
        (lambda: F.glu(engine.zeros((2, 2)), dim=2), engine.ShapeError, "axis"),
        (lambda: F.prelu(engine.zeros((2, 3)), engine.zeros(2)), engine.ShapeError, "3 channels"),
        (lambda: F.prelu(engine.zeros(3), engine.zeros(3)), engine.ShapeError, "one number"),
        (lambda: F.prelu(engine.zeros(3), engine.zeros(1).double()), engine.DtypeError, "to\\(dtype\\)"),
        (lambda: F.celu(engine.zeros(3), 0), engine.SettingError, "alpha"),
        (lambda: F.elu(engine.zeros(3), float("nan")), engine.SettingError, "alpha"),
        (lambda: F.softplus(engine.zeros(3), 0), engine.SettingError, "beta"),
        (lambda: F.softshrink(engine.zeros(3), -1), engine.SettingError, "lambd"),
        (lambda: F.hardtanh(engine.zeros(3), 2, 1), engine.SettingError, "above"),
        (lambda: nn.Hardtanh(1, 1), engine.SettingError, "above"),
        (lambda: nn.RReLU(0.5, 0.1), engine.SettingError, "above"),
        (lambda: F.rrelu(engine.tensor([1]), training=True), engine.DtypeError, "float"),
        (lambda: F.gumbel_softmax(engine.zeros(3), tau=0), engine.SettingError, "tau"),
        (lambda: F.gumbel_softmax(engine.tensor([1])), engine.DtypeError, "float"),
        (lambda: F.gelu(engine.zeros(3), "fast"), engine.SettingError, "approximate"),
        (lambda: F.leaky_relu(engine.zeros(3), "steep"), engine.SettingError, "negative_slope"),  # type: ignore[arg-type]
        (lambda: nn.Softmax2d()(engine.zeros(3)), engine.ShapeError, "Softmax2d"),
        (lambda: nn.PReLU(0), engine.SettingError, "num_parameters"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()
