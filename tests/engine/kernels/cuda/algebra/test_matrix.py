"""Products on a GPU: what the operations ask a library for, held to NumPy, with a model of cublasLt in its place."""

from __future__ import annotations

from typing import Any

import emulated_libraries
import numpy as np
import pytest

import numzoo.engine as engine
from numzoo.engine import Tensor, device
from numzoo.engine.kernels.cuda.algebra import matrix
from numzoo.engine.kernels.cuda.libraries.gemm import Gemm
from numzoo.engine.ops.algebra.matrix import linear_weight

GENERATOR = np.random.default_rng(0)
FLOATS = ["float32", "float64", "float16", "bfloat16"]
TOLERANCE = {"float32": 1e-5, "float64": 1e-12, "float16": 4e-3, "bfloat16": 3e-2}


def drawn(*shape: int) -> Any:
    return GENERATOR.standard_normal(shape)


@pytest.fixture
def asked(gpu: Any) -> list[Any]:
    """What the library is asked for from now on."""
    matrix.PLANS.clear()
    emulated_libraries.ASKED.clear()
    return emulated_libraries.ASKED


SHAPES = [
    ((3, 4), (4, 5)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (5, 4, 2)), ((2, 3, 4), (4,)), ((4,), (2, 4, 3)), ((1, 1), (1, 1)), ((0, 4), (4, 5)), ((3, 0), (0, 5)), ((2, 0, 4), (4, 0)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS)
def test_products_are_the_body_s_in_every_shape(asked: list[Any], dtype: str) -> None:
    for left, right in SHAPES:
        x, y = (Tensor(drawn(*shape)).to(dtype=getattr(engine, dtype)) for shape in (left, right))
        found = engine.matmul(x.to("cuda"), y.to("cuda"))
        wanted = engine.matmul(x.double(), y.double())
        assert (found.shape, found.dtype, str(found.device)) == (wanted.shape, x.dtype, "cuda:0")
        np.testing.assert_allclose(
            found.cpu().double().numpy(), wanted.numpy(), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
        )
    assert all(isinstance(each, Gemm) and each.dtype == each.result == dtype for each in asked)
    assert asked


VIEWS = {
    "transposed": lambda t: t.mT.contiguous().mT, "cut": lambda t: engine.cat([t, t], -1)[..., : t.shape[-1]],
    "every other": lambda t: engine.stack([t, t], -1).flatten(-2)[..., ::2], "flipped": lambda t: t.flip(-1).contiguous().flip(-1),
    "repeated": lambda t: t[..., :1, :].expand(t.shape), "batch turned": lambda t: t.transpose(0, 1).contiguous().transpose(0, 1),
}  # fmt: skip


@pytest.mark.parametrize("left", VIEWS)
@pytest.mark.parametrize("right", VIEWS)
def test_products_take_arrays_as_they_lie(asked: list[Any], left: str, right: str) -> None:
    x, y = VIEWS[left](Tensor(drawn(3, 2, 5)).to("cuda")), VIEWS[right](Tensor(drawn(3, 5, 4)).to("cuda"))
    found = engine.matmul(x, y).cpu().numpy()
    np.testing.assert_allclose(found, x.cpu().numpy() @ y.cpu().numpy(), rtol=1e-12)
    flow, weight = VIEWS[left](Tensor(drawn(3, 2, 4)).to("cuda")), Tensor(drawn(6, 4)).to("cuda")
    np.testing.assert_allclose(
        engine.linear(flow, weight).cpu().numpy(), flow.cpu().numpy() @ weight.cpu().numpy().T, rtol=1e-12
    )
    side = VIEWS[right](Tensor(drawn(3, 2, 5)).to("cuda"))
    gradient = linear_weight(flow, side).cpu().numpy()
    np.testing.assert_allclose(gradient, np.einsum("bio,bij->oj", flow.cpu().numpy(), side.cpu().numpy()), rtol=1e-12)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5), (0, 5)])
def test_linear_adds_its_bias_in_the_same_call_where_the_library_can(asked: list[Any], dtype: str, shape: Any) -> None:
    kind = getattr(engine, dtype)
    x, weight, bias = (Tensor(drawn(*s)).to(dtype=kind) for s in (shape, (4, 5), (4,)))
    found = engine.linear(x.to("cuda"), weight.to("cuda"), bias.to("cuda"))
    wanted = x.double().numpy() @ weight.double().numpy().T + bias.double().numpy()
    np.testing.assert_allclose(found.cpu().double().numpy(), wanted, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    assert found.dtype == kind
    if 0 not in shape:
        assert any(each.epilogue == "bias" for each in asked) == (dtype != "float64")


def test_a_bias_that_is_cut_out_of_another_array_is_read_from_an_aligned_copy(asked: list[Any]) -> None:
    x, weight, long = (Tensor(drawn(*s).astype(np.float32)).to("cuda") for s in ((3, 5), (4, 5), (9,)))
    for first, step in ((0, 1), (1, 1), (0, 2), (5, 1)):
        bias = long[first::step][:4]
        wanted = x.cpu().numpy() @ weight.cpu().numpy().T + bias.cpu().numpy()
        np.testing.assert_allclose(engine.linear(x, weight, bias).cpu().numpy(), wanted, rtol=1e-5)


def test_gradients_pass_through_products_on_a_gpu(asked: list[Any]) -> None:
    values = [drawn(2, 3, 4), drawn(5, 4), drawn(5), drawn(2, 5, 2)]

    def gradients(place: str) -> list[Any]:
        leaves = [Tensor(v).to(place).requires_grad_() for v in values]
        x, weight, bias, y = leaves
        out = engine.matmul(engine.linear(x, weight, bias), y)
        (out * out).sum().backward()
        return [leaf.grad.cpu().numpy() for leaf in leaves]  # type: ignore[union-attr]

    for found, wanted in zip(gradients("cuda"), gradients("cpu"), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-11)


@pytest.mark.parametrize(
    "equation",
    [
        "ij,jk->ik",
        "bij,bjk->bik",
        "bij,bik->jk",
        "bhqd,bhkd->bhqk",
        "i,j->ij",
        "bqhd,bkhd->bhqk",
        "bij,ij->b",
        "abc,cd,de->abe",
    ],
)
def test_einsum_goes_through_the_library(asked: list[Any], equation: str) -> None:
    sizes = dict(zip("abcdehijkq", (2, 2, 3, 4, 3, 2, 3, 4, 5, 3), strict=True))
    operands = [drawn(*(sizes[letter] for letter in term)) for term in equation.partition("->")[0].split(",")]
    found = engine.einsum(equation, *(Tensor(x).to("cuda") for x in operands))
    np.testing.assert_allclose(found.cpu().numpy(), np.einsum(equation, *operands), rtol=1e-10)


def test_precisions_reach_the_library(asked: list[Any]) -> None:
    x, y = (Tensor(drawn(4, 4).astype(np.float32)).to("cuda").requires_grad_() for _ in range(2))
    engine.matmul(x, y)
    with engine.precision("tf32"):
        out = engine.matmul(x, y)
    with engine.precision("bf16"):
        narrow = engine.matmul(x, y)
    assert [(each.dtype, each.result, each.tf32) for each in asked] == [
        ("float32", "float32", False), ("float32", "float32", True), ("bfloat16", "bfloat16", False),
    ]  # fmt: skip
    assert narrow.dtype == engine.bfloat16
    asked.clear()
    narrow.float().sum().backward()  # gradients of float32 tensors are given in float32 at once
    assert [(each.dtype, each.result) for each in asked] == [("bfloat16", "float32")] * 2
    asked.clear()
    out.sum().backward()  # outside the block, in the block's precision
    assert asked
    assert all(each.tf32 for each in asked)


def test_doubles_are_never_computed_in_tf32(asked: list[Any]) -> None:
    x = Tensor(drawn(4, 4)).to("cuda")
    with engine.precision("tf32"):
        engine.matmul(x, x)
    assert not any(each.tf32 for each in asked)


def test_plans_know_how_addresses_are_aligned(asked: list[Any]) -> None:
    long = Tensor(drawn(65).astype(np.float32)).to("cuda")
    y = Tensor(drawn(4, 4).astype(np.float32)).to("cuda")
    for first in (0, 1, 2, 4, 1):
        x = long[first : first + 16].reshape(4, 4)
        np.testing.assert_allclose(engine.matmul(x, y).cpu().numpy(), x.cpu().numpy() @ y.cpu().numpy(), rtol=1e-5)
    assert [each.alignment for each in asked] == [256, 4, 8, 16]


def test_many_entries_whose_heads_lie_apart_are_copied_and_few_are_not(asked: list[Any]) -> None:
    for entries, calls in ((2, 2), (12, 1)):
        asked.clear()
        x = Tensor(drawn(entries, 3, 12, 4)).to("cuda").transpose(1, 2)
        y = Tensor(drawn(entries, 12, 4, 2)).to("cuda")
        found = engine.matmul(x, y)
        np.testing.assert_allclose(found.cpu().numpy(), x.cpu().numpy() @ y.cpu().numpy(), rtol=1e-12)
        assert [each.batch * (entries if calls > 1 else 1) for each in asked] == [entries * 12]


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.bool_, np.complex64, np.complex128])
def test_products_of_other_dtypes_never_meet_cupy_s_batched_one(
    asked: list[Any], gpu: Any, dtype: Any, monkeypatch: Any
) -> None:
    x, y = (GENERATOR.integers(0, 3, shape).astype(dtype) for shape in ((2, 3, 4), (4, 5)))
    met: list[Any] = []
    real = gpu.xp.matmul
    monkeypatch.setattr(gpu.xp, "matmul", lambda a, b: met.append((a.ndim, b.ndim)) or real(a, b))  # type: ignore[func-returns-value]
    found = device.product(gpu.xp, gpu.put(x), gpu.put(y))
    np.testing.assert_array_equal(found.get(), x @ y)
    assert all(max(ndims) <= 2 for ndims in met)


def test_where_the_library_refuses_the_body_computes(gpu: Any, monkeypatch: Any) -> None:
    matrix.PLANS.clear()
    monkeypatch.setattr(gpu, "prepare", lambda wanted: None)
    x, y, bias = (Tensor(drawn(*s)).to("cuda") for s in ((2, 3, 4), (5, 4), (5,)))
    np.testing.assert_allclose(
        engine.linear(x, y, bias).cpu().numpy(), x.cpu().numpy() @ y.cpu().numpy().T + bias.cpu().numpy()
    )
    matrix.PLANS.clear()


def test_a_product_written_into_given_memory(asked: list[Any], gpu: Any) -> None:
    x, y = drawn(2, 3, 4), drawn(2, 4, 5)
    out = gpu.zeros((2, 3, 9), np.float64)
    part = out[:, :, 2:7]
    assert matrix.multiply(gpu, gpu.put(x), gpu.put(y), part, scale=2.0)
    assert matrix.multiply(gpu, gpu.put(x), gpu.put(y), part, accumulates=True)
    np.testing.assert_allclose(part.get(), 3 * (x @ y), rtol=1e-12)
    assert (out.get()[:, :, :2] == 0).all()


@pytest.mark.parametrize("place", ["cpu", "cuda"])
def test_the_gradient_of_a_weight_that_is_read_transposed_lies_as_the_weight_does(gpu: Any, place: str) -> None:
    generator = np.random.default_rng(4)
    x, kept = (Tensor(generator.standard_normal(shape)).to(place) for shape in ((2, 5, 16), (16, 24)))
    weight = kept.requires_grad_()
    out = engine.linear(x, weight.T)
    (gradient,) = engine.grad((out * out).sum(), weight, create_graph=True)
    assert gradient.array.flags.c_contiguous
    rows, values = x.cpu().numpy().reshape(-1, 16), weight.detach().cpu().numpy()
    np.testing.assert_allclose(gradient.detach().cpu().numpy(), 2 * rows.T @ (rows @ values), rtol=1e-10, atol=1e-12)
    (again,) = engine.grad((gradient * gradient).sum(), weight)
    square = rows.T @ rows
    np.testing.assert_allclose(again.cpu().numpy(), 8 * square @ square @ values, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.usefixtures("one_order")
def test_a_number_is_no_matrix(device: str) -> None:
    x = Tensor(drawn(3, 4)).to(device)
    with pytest.raises(engine.ShapeError, match="at least one axis"):
        x @ 2
    with pytest.raises(engine.ShapeError, match="weight expects none"):
        engine.nn.functional.linear(x, 1)
