"""Names that PyTorch's users look for first: the same thing by its name there, or a word on where it is here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import GradientError, ShapeError, familiar, nn, optim

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
