"""Names that PyTorch's users look for first: the same thing by its name there, or a word on where it is here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import ArgumentError, GradientError, ShapeError, familiar, nn, optim

DTYPES = {
    "bool": "bool", "half": "float16", "float": "float32", "double": "float64", "short": "int16", "int": "int32", "long": "int64",
    "cfloat": "complex64", "cdouble": "complex128",
}  # fmt: skip


@pytest.mark.parametrize(("name", "meant"), DTYPES.items())
def test_a_dtype_has_its_name_of_c(name: str, meant: str) -> None:
    assert engine.zeros(2, dtype=getattr(engine, name)).dtype == meant


@pytest.mark.parametrize("name", [*familiar.NAMES, *familiar.FILES])
def test_a_familiar_name_is_there_and_hides_nothing_of_pythons(name: str) -> None:
    assert hasattr(engine, name)
    assert name not in engine.__all__


@pytest.mark.parametrize("name", familiar.ELSEWHERE)
def test_a_name_that_means_nothing_here_says_what_serves(name: str) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{name}'; "):
        getattr(engine, name)


def test_a_misspelt_name_is_known_to_pythons_suggestions() -> None:
    with pytest.raises(AttributeError) as caught:
        engine.flaot16  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("flaot16", engine)


@pytest.mark.parametrize(
    ("given", "meant"),
    [(("cpu",), "cpu"), (("cuda",), "cuda:0"), (("cuda:1",), "cuda:1"), (("cuda", 2), "cuda:2"), ((3,), "cuda:3")],
)
def test_a_device_is_made_by_calling_device(given: Any, meant: str) -> None:
    assert str(engine.device(*given)) == meant  # type: ignore[operator]


def test_a_tensor_tells_where_and_how_large_it_is() -> None:
    x = engine.zeros(2, 3, dtype="float64")
    assert (x.is_cpu, x.is_cuda, x.get_device(), x.nbytes, x.itemsize, x.type()) == (True, False, -1, 48, 8, "float64")
    assert x.data_ptr() == x.array.ctypes.data
    assert [str(y.dtype) for y in (x.type("int32"), x.short(), x.char(), x.byte())] == [
        "int32",
        "int16",
        "int8",
        "uint8",
    ]


def test_a_number_is_printed_as_numbers_are() -> None:
    assert f"{engine.tensor(1.2345):.2f} {engine.tensor(7):03d}" == "1.23 007"
    assert f"{engine.tensor([1.0])}" == "tensor([1.])"


def test_data_can_be_exchanged_and_a_graph_that_kept_the_old_refuses() -> None:
    w = engine.tensor([1.0, 2.0], requires_grad=True)
    w.data -= 1
    assert w.is_leaf
    np.testing.assert_array_equal(w.numpy(), [0, 1])
    loss = (w * w).sum()
    w.data = engine.ones(2)
    with pytest.raises(GradientError, match="was written to"):
        loss.backward()


def test_randint_with_one_bound_begins_at_0() -> None:
    drawn = engine.randint(3, (200,))
    assert sorted(set(drawn.tolist())) == [0, 1, 2]


def test_gradients_stand_under_pytorchs_module_too() -> None:
    x = engine.tensor([2.0], requires_grad=True, dtype=None)
    (slope,) = engine.autograd.grad(x**3, [x])
    assert slope.item() == 12
    assert engine.autograd.gradcheck(lambda x: x.sin(), (x,))


def test_parameters_go_into_one_vector_and_back() -> None:
    layer = nn.Linear(2, 3)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    assert vector.requires_grad
    nn.utils.vector_to_parameters(vector.detach() * 2 + 1, layer.parameters())
    np.testing.assert_array_equal(nn.utils.parameters_to_vector(layer.parameters()).numpy(), vector.numpy() * 2 + 1)
    with pytest.raises(ShapeError, match="hold 9 numbers, and the vector has shape"):
        nn.utils.vector_to_parameters(engine.zeros(8), layer.parameters())


def test_clipping_is_found_beside_layers() -> None:
    assert nn.utils.clip_grad_norm_ is optim.clip_grad_norm_
    with pytest.raises(AttributeError, match=r"parametrizations\.weight_norm"):
        nn.utils.weight_norm  # noqa: B018


def test_what_did_not_fit_a_module_is_unpacked_as_in_pytorch() -> None:
    report = nn.Linear(2, 3).load_state_dict({"weight": engine.ones(3, 2), "other": engine.ones(1)}, strict=False)
    missing, unexpected = report
    assert (missing, unexpected) == (report.missing_keys, report.unexpected_keys) == (["bias"], ["other"])


ONE = engine.ones(2, 3)
WORDS: dict[str, tuple[Any, Any]] = {
    "sum's input and dim": (lambda: engine.sum(input=ONE, dim=1), [3, 3]),
    "softmax's dim": (lambda: engine.softmax(input=ONE, dim=0), [[0.5] * 3] * 2),
    "clip's limits": (lambda: engine.clip(engine.tensor([-1.0, 3.0]), min=0, max=1), [0, 1]),
    "pow's exponent": (lambda: engine.pow(engine.tensor([2.0]), exponent=3), [8]),
    "flip's dims": (lambda: engine.flip(engine.arange(3), dims=(0,)), [2, 1, 0]),
    "permute's dims": (lambda: engine.permute(engine.tensor([[1, 2]]), dims=(1, 0)), [[1], [2]]),
    "mul's other": (lambda: engine.mul(engine.tensor([2.0]), other=3), [6]),
    "matmul's input": (lambda: engine.matmul(input=engine.ones(2), other=engine.ones(2)), 2),
    "full's fill_value": (lambda: engine.full(size=(2,), fill_value=7), [7, 7]),
    "full_like's fill_value": (lambda: engine.full_like(engine.ones(2), fill_value=7, dtype="int64"), [7, 7]),
    "zeros' size": (lambda: engine.zeros(size=(1, 2)), [[0, 0]]),
    "a size that is a tensor": (lambda: engine.zeros(engine.tensor(1), 2), [[0, 0]]),
    "arange's end": (lambda: engine.arange(end=3), [0, 1, 2]),
    "arange's start and end": (lambda: engine.arange(start=1, end=4, step=2), [1, 3]),
    "linspace's end": (lambda: engine.linspace(start=0, end=1, steps=3), [0, 0.5, 1]),
    "eye's n and m": (lambda: engine.eye(n=1, m=2), [[1, 0]]),
    "randperm's n and dtype": (lambda: engine.randperm(n=1, dtype=engine.int, device="cpu"), [0]),
    "randint's size": (lambda: engine.randint(1, size=(2,)), [0, 0]),
    "normal's size": (lambda: engine.normal(3.0, 0.0, size=(2,)), [3, 3]),
    "softmax in another dtype": (lambda: nn.functional.softmax(engine.ones(2), dim=-1, dtype=engine.double), [0.5, 0.5]),
    "another norm": (lambda: nn.functional.normalize(engine.tensor([[1.0, 3.0]]), 1, 1), [[0.25, 0.75]]),
    "new zeros elsewhere": (lambda: engine.ones(2).new_zeros(2, dtype=engine.long, device="cpu"), [0, 0]),
    "the same of a list": (lambda: engine.ones(2).new_tensor([1, 2], device="cpu"), [1, 2]),
}  # fmt: skip


@pytest.mark.parametrize("case", WORDS)
def test_arguments_have_pytorchs_names_too(case: str) -> None:
    make, wanted = WORDS[case]
    assert make().tolist() == wanted


@pytest.mark.parametrize("given", [{"input": ONE, "x": ONE}, {"x": ONE, "dim": 0, "axis": 1}, {"x": ONE, "low": 1}])
def test_an_argument_that_is_given_twice_or_not_there_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="sum: has no argument"):
        engine.sum(**given)


MADE: dict[str, Any] = {
    "zeros_like": lambda **k: engine.zeros_like(engine.ones(2), **k), "ones_like": lambda **k: engine.ones_like(engine.ones(2), **k),
    "empty_like": lambda **k: engine.empty_like(engine.ones(2), **k), "full_like": lambda **k: engine.full_like(engine.ones(2), 1.0, **k),
    "rand_like": lambda **k: engine.rand_like(engine.ones(2), **k), "arange": lambda **k: engine.arange(2.0, **k),
    "linspace": lambda **k: engine.linspace(0, 1, 2, **k), "logspace": lambda **k: engine.logspace(0, 1, 2, **k), "eye": lambda **k: engine.eye(2, **k),
    "new_zeros": lambda **k: engine.ones(2).new_zeros(2, **k), "new_tensor": lambda **k: engine.ones(2).new_tensor([1.0], **k),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_may_want_a_gradient_and_a_device(name: str) -> None:
    made = MADE[name](requires_grad=True, device="cpu")
    assert made.requires_grad
    assert made.is_leaf
    assert not MADE[name]().requires_grad


def test_a_modules_parts_are_found_by_their_names() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model.register_module("last", nn.ReLU())
    assert model.get_parameter("0.weight") is model[0].weight
    assert model.get_buffer("1.running_mean") is model[1].running_mean
    assert [name for name, _ in model.named_children()] == ["0", "1", "last"]
    assert list(model.buffers(recurse=False)) == []
    assert list(model.state_dict(prefix="a."))[:2] == ["a.0.weight", "a.0.bias"]
    with pytest.raises(ArgumentError, match=r"Sequential has no parameter '0\.gain'; named_parameters"):
        model.get_parameter("0.gain")
    with pytest.raises(ArgumentError, match=r"no buffer '0\.weight'"):
        model.get_buffer("0.weight")


def test_gradients_are_forgotten_or_set_to_zero() -> None:
    layer = nn.Linear(2, 1)
    layer(ONE[:, :2]).sum().backward()
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad.tolist() == [[0, 0]]
    layer.zero_grad(set_to_none=True)
    assert layer.weight.grad is None


def test_several_tensors_go_backward_together() -> None:
    x = engine.tensor([1.0, 2.0], requires_grad=True)
    shared = x * 3
    engine.autograd.backward([shared.sum(), shared], [None, engine.tensor([1.0, 10.0])])
    assert x.grad.tolist() == [6, 33]


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (4, 2, 3)])
def test_an_orthogonal_weight_is_a_turn(shape: tuple[int, ...]) -> None:
    matrix = nn.init.orthogonal_(engine.zeros(shape), gain=2.0).reshape(shape[0], -1).numpy()
    square = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(square, 4 * np.eye(len(square)), atol=1e-5)


def test_an_identity_is_a_matrix() -> None:
    assert nn.init.eye_(nn.Parameter(engine.zeros(2, 3))).tolist() == [[1, 0, 0], [0, 1, 0]]
    with pytest.raises(ShapeError, match="wants a matrix"):
        nn.init.eye_(engine.zeros(2))
    with pytest.raises(ShapeError, match="two axes or more"):
        nn.init.orthogonal_(engine.zeros(2))


@pytest.mark.parametrize("kind", [optim.Adam, optim.AdamW, optim.SGD, optim.Adagrad, optim.RMSprop])
def test_how_a_step_is_fused_needs_no_saying(kind: Any) -> None:
    assert (
        kind(nn.Linear(2, 2).parameters(), lr=0.1, foreach=True, fused=True)
        .defaults.keys()
        .isdisjoint({"fused", "foreach"})
    )
