"""Functions that make functions: their values against formulas, nesting, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import (
    ArgumentError,
    EngineError,
    GradientError,
    SettingError,
    ShapeError,
    StateError,
    Tensor,
    func,
    nn,
)

F = nn.functional
RANDOM = np.random.default_rng(0)
A = RANDOM.standard_normal((3, 3))
X = RANDOM.standard_normal(3)
MATRIX = engine.tensor(A)


def vector(array: Any = X, requires_grad: bool = False) -> Tensor:
    return engine.tensor(np.asarray(array), dtype="float64", requires_grad=requires_grad)


def quadratic(x: Tensor) -> Tensor:
    return (x * engine.matmul(MATRIX, x)).sum()


def close(given: Tensor, wanted: Any) -> None:
    assert not given.requires_grad
    np.testing.assert_allclose(given.numpy(), wanted, rtol=1e-9, atol=1e-12)


def test_gradients_values_and_products_of_a_quadratic_form() -> None:
    x, t = vector(), vector([1.0, -2.0, 0.5])
    symmetric = A + A.T
    close(func.grad(quadratic)(x), symmetric @ X)
    value, gradient = func.value_and_grad(quadratic)(x)
    close(value, X @ A @ X)
    close(gradient, symmetric @ X)
    assert func.grad_and_value(quadratic)(x)[1].item() == value.item()
    close(func.hessian(quadratic)(x), symmetric)
    value, (product,) = func.hvp(quadratic, (x,), (t,))
    close(value, X @ A @ X)
    close(product, symmetric @ t.numpy())
    out, moved = func.jvp(lambda v: engine.matmul(MATRIX, v).exp(), (x,), (t,))
    close(out, np.exp(A @ X))
    close(moved, np.exp(A @ X) * (A @ t.numpy()))
    out, pull = func.vjp(lambda v: engine.matmul(MATRIX, v), x)
    close(out, A @ X)
    for _ in range(2):
        close(pull(t)[0], A.T @ t.numpy())
    close(func.jacobian(lambda v: engine.matmul(MATRIX, v))(x), A)
    assert x.grad is None
    assert not x.requires_grad


def test_transforms_nest() -> None:
    x = vector([0.5])

    def power(v: Tensor) -> Tensor:
        return (v**4).sum()

    close(func.grad(lambda v: func.grad(power)(v).sum())(x), [12 * 0.5**2])
    close(func.grad(lambda u: func.grad(lambda v: func.grad(power)(v).sum())(u).sum())(x), [24 * 0.5])
    close(func.jacobian(func.jacobian(func.grad(power)))(x), [[[24 * 0.5]]])
    close(func.jvp(func.grad(power), (x,), (vector([2.0]),))[1], [2 * 12 * 0.5**2])
    # The derivative of a derivative by something that the inner function only sees.
    close(func.grad(lambda w: func.grad(lambda v: (w * v * v).sum())(x).sum())(vector([3.0])), [2 * 0.5])


def test_what_is_recorded_outside_stays_recorded() -> None:
    w = vector([3.0], requires_grad=True)
    gradient = func.grad(lambda v: (w * v * v).sum())(vector([0.5]))
    assert gradient.requires_grad
    gradient.sum().backward()
    assert w.grad is not None
    assert w.grad.item() == 1.0
    with engine.no_grad():
        close(func.grad(quadratic)(vector()), (A + A.T) @ X)


def test_arguments_of_any_form() -> None:
    params = {"a": vector([1.0, 2.0]), "b": [vector([3.0]), vector([4.0])]}

    def loss(p: dict[str, Any], x: Tensor, scale: float = 1.0) -> Any:
        return ((p["a"] * x).sum() * p["b"][0].sum()) * scale, "aux"

    x = vector([5.0, 6.0])
    gradient, aux = func.grad(loss, has_aux=True)(params, x, scale=2.0)
    assert aux == "aux"
    close(gradient["a"], [30, 36])
    close(gradient["b"][0], [34])
    close(gradient["b"][1], [0])
    (value, aux), (first, second) = func.value_and_grad(loss, argnums=(0, 1), has_aux=True)(params, x)
    assert value.item() == 51
    close(second, [3, 6])
    close(first["b"][0], [17])
    _out, pull, aux = func.vjp(lambda v: ({"s": v.sum(), "v": v * 2}, 7), x, has_aux=True)
    assert aux == 7
    close(pull({"s": engine.tensor(1.0, dtype="float64"), "v": vector([1.0, 0.0])})[0], [3, 1])
    first, second = func.jacobian(lambda v: (v * 2, v.sum()))(x)
    close(first, np.eye(2) * 2)
    close(second, [1, 1])
    assert func.jacobian(lambda v: v[:0])(x).shape == (0, 2)


REFUSED: list[tuple[Callable[[], Any], type[EngineError], str]] = [
    (lambda: func.grad(lambda v: v * 2)(vector()), ShapeError, r"single number, not a tensor of shape \(3,\)"),
    (lambda: func.grad(quadratic, argnums=1)(vector()), ArgumentError, "no argument 1 among 1"),
    (lambda: func.grad(quadratic)(3.0), GradientError, "not 3.0"),
    (lambda: func.grad(quadratic)(()), ArgumentError, "no tensor"),
    (lambda: func.grad(quadratic, has_aux=True)(vector()), ArgumentError, "pair"),
    (lambda: func.jvp(quadratic, (vector(),), (vector([1.0]),)), ShapeError, r"shapes of the primals \[\(3,\)\]"),
    (lambda: func.hvp(lambda v: v, (vector(),), (vector(),)), ShapeError, "single number"),
    (lambda: func.vjp(quadratic, vector())[1]((vector(), vector())), ArgumentError, "1 outputs"),
    (lambda: func.grad(lambda v: engine.floor_divide(v, 1.0).sum().long())(vector().long()), GradientError, "floating"),
]


@pytest.mark.parametrize(("act", "error", "says"), REFUSED)
def test_what_cannot_be_transformed_says_why(act: Callable[[], Any], error: type[EngineError], says: str) -> None:
    with pytest.raises(error, match=says):
        act()


# ---- functional_call --------------------------------------------------------------------------------------------


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.second = nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight
        self.register_buffer("shift", engine.zeros(2))

    def forward(self, x: Tensor, *, scale: float = 1.0) -> Tensor:
        return self.second(self.first(x)) * scale + self.shift


def test_a_module_runs_with_other_parameters_and_keeps_its_own() -> None:
    model = Tied()
    before = dict(model.state_dict())
    eye = engine.eye(2) * 3.0
    x = engine.ones(1, 2)
    state = {"first.weight": eye, "shift": engine.ones(2)}
    assert func.functional_call(model, state, (x,), {"scale": 2.0}).tolist() == [[19, 19]]
    assert func.functional_call(model, (state, {"shift": engine.zeros(2)}), x).tolist() == [[9, 9]]
    untied = func.functional_call(model, {"first.weight": eye}, x, tie_weights=False)
    np.testing.assert_allclose(untied.numpy(), model.second(x * 3.0).numpy(), rtol=1e-6)
    with pytest.raises(ShapeError):
        func.functional_call(model, state, engine.ones(1, 5))
    for name, value in model.state_dict().items():
        assert value is before[name]


def test_gradients_by_parameters_as_a_dictionary() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    x = engine.tensor(RANDOM.standard_normal((5, 3)))
    params = {name: p.detach() for name, p in model.named_parameters()}
    gradient = func.grad(lambda p: func.functional_call(model, p, x).sum())(params)
    model(x).sum().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None
        close(gradient[name], p.grad.numpy())


@pytest.mark.parametrize(
    ("state", "strict", "says"),
    [
        ({"third.weight": engine.ones(2, 2)}, False, "no parameter or buffer 'third.weight'"),
        ({"first.weight": 3}, False, "must be a tensor, not int"),
        ({"first.weight": engine.ones(2, 2)}, True, "wants '.*' too"),
    ],
)
def test_states_that_do_not_fit_are_refused(state: Any, strict: bool, says: str) -> None:
    with pytest.raises(StateError, match=says):
        func.functional_call(Tied(), state, engine.ones(1, 2), strict=strict)


# ---- examples ---------------------------------------------------------------------------------------------------


class Mixing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x - x.mean(0, keepdim=True) * 0.5)


def image_model() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, stride=2), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2, bias=False), nn.Flatten(), nn.Linear(16, 4)
    )  # fmt: skip


MODELS: list[tuple[str, Callable[[], nn.Module], tuple[int, ...], bool]] = [
    ("linear", lambda: nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4, bias=False)), (6, 3), True),
    ("images", image_model, (6, 2, 7, 7), True),
    ("mixing", Mixing, (6, 3), False),
    ("shared", lambda: shared(), (6, 3), True),
]


def shared() -> nn.Module:
    layer = nn.Linear(3, 3)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.Linear(3, 4))


@pytest.mark.parametrize(("make", "shape", "apart"), [m[1:] for m in MODELS], ids=[m[0] for m in MODELS])
def test_the_gradients_of_each_example(make: Callable[[], nn.Module], shape: tuple[int, ...], apart: bool) -> None:
    engine.manual_seed(0)
    model = make().double()
    x, y = engine.tensor(RANDOM.standard_normal(shape)), engine.tensor(RANDOM.integers(0, 4, shape[0]))
    rows = func.per_example_gradients(F.cross_entropy, model, x, y)
    for i in range(shape[0]):
        model.zero_grad()
        F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]).backward()
        for name, p in model.named_parameters():
            assert p.grad is not None
            assert rows[name].shape == (shape[0], *p.shape)
            np.testing.assert_allclose(rows[name].numpy()[i], p.grad.numpy(), rtol=1e-9, atol=1e-12)
    model.zero_grad()
    each = func.per_example_gradients(F.cross_entropy, model, x, y, method="each")
    for name in each:
        np.testing.assert_allclose(each[name].numpy(), rows[name].numpy(), rtol=1e-9, atol=1e-12)
    if not apart:
        with pytest.raises(ArgumentError, match="may mix examples; use method='each'"):
            func.per_example_gradients(F.cross_entropy, model, x, y, method="batch")
    assert all(p.grad is None for p in model.parameters())
    assert all(m._hooks is None for m in model.modules())
    none = func.per_example_gradients(F.cross_entropy, model, x[:0], y[:0])
    assert all(none[name].shape == (0, *p.shape) for name, p in model.named_parameters())


def normed() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 2), nn.Softmax(0))


@pytest.mark.parametrize(
    ("act", "error", "says"),
    [
        (lambda: func.per_example_gradients(F.cross_entropy, nn.ReLU(), engine.ones(2, 2), [0, 1]), ArgumentError, "no parameter"),
        (lambda: func.per_example_gradients(F.cross_entropy, nn.Linear(2, 2), engine.ones(2, 2), [0]), ShapeError, "as many examples"),
        (lambda: func.per_example_gradients(F.cross_entropy, nn.Linear(2, 2), engine.ones(2, 2), [0, 1], method="x"), SettingError, "each"),
        (lambda: func.per_example_gradients(lambda a, b: a, nn.Linear(2, 2), engine.ones(2, 2), [0, 1]), ShapeError, "single number"),
        (lambda: func.per_example_gradients(F.cross_entropy, normed(), engine.ones(2, 2), [0, 1], method="batch"), ArgumentError, "may mix"),
    ],
)  # fmt: skip
def test_examples_that_cannot_be_told_apart(act: Callable[[], Any], error: type[EngineError], says: str) -> None:
    with pytest.raises(error, match=says):
        act()
