"""The engine against PyTorch: result dtypes, values and gradients on random shapes, trajectories of training."""

from __future__ import annotations

import importlib.util
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim

if importlib.util.find_spec("torch") is None:
    pytest.skip(
        "the engine is compared with PyTorch where torch is installed (the parity extra)", allow_module_level=True
    )

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch
    import torch.nn.functional as TF

from conformance.compare import agree, close, ours, theirs

F = nn.functional
NAMES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
REAL = NAMES[:-2]
KINDS = ("dims", "zero")


def draw(seed: int, *shape: int, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# ---- dtypes -----------------------------------------------------------------------------------------------------


def operand(name: str, kind: str) -> tuple[Any, Any]:
    shape = (2,) if kind == "dims" else ()
    return engine.ones(shape, dtype=name), torch.ones(shape, dtype=getattr(torch, name))


def dtype_name(tensor: Any) -> str:
    """A tensor's dtype; complex numbers of two halves, which PyTorch has and NumPy has not, are complex64 here."""
    return str(tensor.dtype).removeprefix("torch.").replace("complex32", "complex64")


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "eq": lambda x, y: x == y,
}


@pytest.mark.parametrize("kinds", list(itertools.product(KINDS, KINDS)), ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_two_tensors_make_the_dtype_that_pytorch_gives(name: str, kinds: tuple[str, str]) -> None:
    for other in NAMES:
        if {name, other} & {"float16", "bfloat16"} and {name, other} & {"complex64", "complex128"}:
            continue  # PyTorch's complex numbers of two halves have no counterpart
        x, tx = operand(name, kinds[0])
        y, ty = operand(other, kinds[1])
        assert str(engine.result_type(x, y)) == dtype_name(torch.zeros((), dtype=torch.result_type(tx, ty))), other
        for label, call in OPERATIONS.items():
            assert dtype_name(call(x, y)) == dtype_name(call(tx, ty)), (label, other)


@pytest.mark.parametrize("number", [True, 2, 2.0, 2j], ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_python_number_makes_the_dtype_that_pytorch_gives(name: str, kind: str, number: Any) -> None:
    if number == 2j and name == "float16":
        pytest.skip("PyTorch's complex numbers of two halves have no counterpart")
    x, tx = operand(name, kind)
    assert str(engine.result_type(x, number)) == dtype_name(torch.zeros((), dtype=torch.result_type(tx, number)))
    for label, call in OPERATIONS.items():
        assert dtype_name(call(x, number)) == dtype_name(call(tx, number)), label
        assert dtype_name(call(number, x)) == dtype_name(call(number, tx)), label


@pytest.mark.parametrize("number", [np.float32(2), np.float64(2), np.int32(2), np.bool_(True), np.float16(2)], ids=repr)
@pytest.mark.parametrize("name", REAL)
def test_a_numpy_number_counts_as_a_python_number(name: str, number: Any) -> None:
    for kind in KINDS:
        x, tx = operand(name, kind)
        for label, call in OPERATIONS.items():
            assert dtype_name(call(x, number)) == dtype_name(call(tx, number.item())), label
            assert dtype_name(call(number, x)) == dtype_name(call(number.item(), tx)), label


@pytest.mark.parametrize("method", ["sum", "mean", "prod", "argmax", "amax", "any", "all"])
@pytest.mark.parametrize("name", NAMES)
def test_reductions_give_the_dtypes_that_pytorch_gives(name: str, method: str) -> None:
    x, tx = operand(name, "dims")
    try:
        wanted = dtype_name(getattr(tx, method)())
    except (RuntimeError, TypeError):
        if method == "mean":
            with pytest.raises(engine.DtypeError, match="mean"):
                x.mean()
        return
    if method in ("any", "all") and name == "uint8":
        wanted = "bool"  # PyTorch keeps uint8 here for old programs
    assert dtype_name(getattr(x, method)()) == wanted


@pytest.mark.parametrize("method", ["exp", "sqrt", "sin", "tanh", "sigmoid", "log", "floor", "ceil", "round", "abs"])
@pytest.mark.parametrize("name", NAMES[1:-2])
def test_functions_of_each_element_give_the_dtypes_that_pytorch_gives(name: str, method: str) -> None:
    x, tx = operand(name, "dims")
    assert dtype_name(getattr(engine, method)(x)) == dtype_name(getattr(torch, method)(tx))


# ---- values and gradients ---------------------------------------------------------------------------------------

BROADCAST = [((3, 4), (4,)), ((2, 1, 4), (3, 1)), ((), (2, 3)), ((1,), (5,)), ((0, 3), (1, 3)), ((2, 3), (2, 3))]


@pytest.mark.parametrize("shapes", BROADCAST, ids=str)
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow", "maximum", "minimum", "remainder"])
def test_operands_broadcast_as_in_pytorch(name: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    arrays = [np.abs(draw(i, *shape)) + 0.3 for i, shape in enumerate(shapes)]
    agree(getattr(engine, name), getattr(torch, name), *arrays, second=name != "remainder")


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2), (-1, 1), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "var", "std", "norm"])
def test_reductions_are_pytorchs(name: str, axis: Any, keepdim: bool) -> None:
    x = draw(3, 3, 4, 5)
    if name == "norm" and axis == (0, 1, 2):
        x, axis = x[0], (0, 1)  # PyTorch's takes two axes at most
    agree(
        lambda t: getattr(t, name)(dim=axis, keepdim=keepdim),
        lambda t: getattr(t, name)(dim=axis, keepdim=keepdim),
        x,
        second=name != "std",
    )


@pytest.mark.parametrize("name", ["prod", "max", "min", "argmax", "argmin"])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_reductions_along_one_axis_are_pytorchs(name: str, axis: Any) -> None:
    x = draw(4, 3, 5)
    agree(
        lambda t: getattr(t, name)() if axis is None else getattr(t, name)(axis),
        lambda t: getattr(t, name)() if axis is None else getattr(t, name)(axis),
        x,
    )


def test_equal_extremes_share_the_gradient_as_in_pytorch() -> None:
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    for name in ("amax", "amin"):
        agree(lambda t, n=name: getattr(t, n)(1), lambda t, n=name: getattr(t, n)(1), x)
        agree(lambda t, n=name: getattr(t, n)(), lambda t, n=name: getattr(t, n)(), x)
    agree(lambda t: t.max(), lambda t: t.max(), x)
    agree(engine.maximum, torch.maximum, x, x[:, ::-1].copy())


INDICES: list[Any] = [
    0, -1, slice(1, None), slice(None, None, 2), (slice(None), 1), (Ellipsis, 0), (None, 1), (1, None, slice(None)),
    (slice(None), [0, 2, 2]), ([0, 1], [1, 3]), (np.array([[0, 1], [2, 2]]),), (slice(None), np.array([True, False, True, True])),
    np.arange(60).reshape(3, 4, 5) % 7 == 0, (np.array([0, 2]), slice(None), np.array([1, 1])), (0, 1, 2), (Ellipsis, None),
    (slice(0, 0),), np.zeros((3,), bool), (np.array([-1, 0]), -2),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=lambda i: str(i).replace("\n", "")[:50])
def test_indexing_is_pytorchs(index: Any) -> None:
    def turned(make: Callable[[Any], Any]) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        made = tuple(make(p) if isinstance(p, np.ndarray) else p for p in parts)
        return made if isinstance(index, tuple) else made[0]

    agree(lambda t: t[turned(ours)], lambda t: t[turned(torch.tensor)], draw(5, 3, 4, 5), second=True)


def test_shapes_change_as_in_pytorch() -> None:
    x = draw(6, 2, 3, 4)
    table: list[Callable[[Any], Any]] = [
        lambda t: t.reshape(4, -1), lambda t: t.permute(2, 0, 1), lambda t: t.transpose(0, -1), lambda t: t.flatten(1),
        lambda t: t.unsqueeze(-2), lambda t: t[:, :1].squeeze(1), lambda t: t[:, :1].expand(-1, 5, -1), lambda t: t.split(2, 1),
        lambda t: t.split([1, 2], 1), lambda t: t.chunk(3, -1), lambda t: t.unbind(1), lambda t: t.flip(0, 2), lambda t: t.mT,
        lambda t: t.roll((1, -2), (0, 2)), lambda t: t.roll(3), lambda t: t.squeeze(), lambda t: t[:0].split(1), lambda t: t[:0].unbind(0),
    ]  # fmt: skip
    for call in table:
        agree(call, call, x)
    agree(lambda *t: engine.cat(t, 1), lambda *t: torch.cat(t, 1), x, draw(1, 2, 1, 4), draw(2, 2, 0, 4))
    agree(lambda *t: engine.stack(t, -1), lambda *t: torch.stack(t, -1), x, draw(1, 2, 3, 4))


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("pads", [(1, 2), (2, 0, 1, 1), (0, 3, 2, 1)], ids=str)
def test_padding_is_pytorchs(mode: str, pads: tuple[int, ...]) -> None:
    x = draw(7, 2, 3, 4, 5) if len(pads) == 4 else draw(7, 2, 3, 5)
    agree(lambda t: F.pad(t, pads, mode), lambda t: TF.pad(t, pads, mode), x, second=True)


def test_negative_padding_cuts_as_in_pytorch() -> None:
    agree(lambda t: F.pad(t, (-1, 2, 1, -2), value=0.5), lambda t: TF.pad(t, (-1, 2, 1, -2), value=0.5), draw(8, 3, 4))


MATMUL = [
    ((3, 4), (4, 5)),
    ((4,), (4,)),
    ((4,), (4, 2)),
    ((2, 3, 4), (4,)),
    ((2, 1, 3, 4), (5, 4, 2)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
]


@pytest.mark.parametrize("shapes", MATMUL, ids=str)
def test_matrix_products_are_pytorchs(shapes: tuple[tuple[int, ...], ...]) -> None:
    agree(engine.matmul, torch.matmul, *[draw(i, *s) for i, s in enumerate(shapes)], second=True)


def convolutions(count: int) -> list[dict[str, Any]]:
    generator, cases = np.random.default_rng(11), []
    while len(cases) < count:
        one = generator.integers
        groups = int(one(1, 4))
        case = {
            "x": (int(one(0, 3)), groups * int(one(1, 3)), int(one(3, 10)), int(one(3, 10))),
            "out": groups * int(one(1, 3)), "kernel": (int(one(1, 4)), int(one(1, 4))), "stride": (int(one(1, 4)), int(one(1, 4))),
            "padding": (int(one(0, 3)), int(one(0, 3))), "dilation": (int(one(1, 3)), int(one(1, 3))), "groups": groups, "bias": bool(one(0, 2)),
        }  # fmt: skip
        span = [d * (k - 1) + 1 for d, k in zip(case["dilation"], case["kernel"], strict=True)]
        if all(case["x"][2 + i] + 2 * case["padding"][i] >= span[i] for i in (0, 1)):
            cases.append(case)
    return cases


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", convolutions(24), ids=lambda c: "-".join(str(v).replace(" ", "") for v in c.values()))
def test_convolution_is_pytorchs(case: dict[str, Any], dtype: str) -> None:
    arrays = [
        draw(1, *case["x"], dtype=dtype),
        draw(2, case["out"], case["x"][1] // case["groups"], *case["kernel"], dtype=dtype),
    ]
    if case["bias"]:
        arrays.append(draw(3, case["out"], dtype=dtype))
    settings = {name: case[name] for name in ("stride", "padding", "dilation", "groups")}
    tolerance = 1e-9 if dtype == "float64" else 2e-4
    agree(
        lambda *t: F.conv2d(*t, **settings), lambda *t: TF.conv2d(*t, **settings), *arrays, tolerance=tolerance, second=dtype == "float64",
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # PyTorch's, of a copy it makes
@pytest.mark.parametrize("kernel", [(3, 3), (2, 3), (1, 4)], ids=str)
def test_same_padding_is_pytorchs(kernel: tuple[int, int]) -> None:
    for dilation in (1, 2):
        agree(
            lambda x, w, d=dilation: F.conv2d(x, w, padding="same", dilation=d),
            lambda x, w, d=dilation: TF.conv2d(x, w, padding="same", dilation=d),
            draw(1, 2, 3, 9, 8),
            draw(2, 4, 3, *kernel),
        )


POOLS = [
    {"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True}, {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True}, {"kernel_size": (2, 5), "stride": 4, "padding": (1, 2), "ceil_mode": True},
]  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 3, 7, 9), (1, 2, 8, 6), (0, 2, 8, 8)], ids=str)
@pytest.mark.parametrize("settings", POOLS, ids=str)
def test_pooling_is_pytorchs(settings: dict[str, Any], shape: tuple[int, ...]) -> None:
    for dtype, tolerance in (("float64", 1e-9), ("float32", 1e-5)):
        x = draw(12, *shape, dtype=dtype)
        second = dtype == "float64"
        agree(
            lambda t: F.max_pool2d(t, **settings),
            lambda t: TF.max_pool2d(t, **settings),
            x,
            tolerance=tolerance,
            second=second,
        )
        for counted in (True, False):
            agree(
                lambda t, c=counted: F.avg_pool2d(t, **settings, count_include_pad=c),
                lambda t, c=counted: TF.avg_pool2d(t, **settings, count_include_pad=c),
                x,
                tolerance=tolerance,
                second=second,
            )


def test_dilated_max_pooling_is_pytorchs() -> None:
    for settings in (
        {"dilation": 2},
        {"dilation": (1, 3), "stride": 1, "padding": 1},
        {"dilation": 2, "stride": 2, "ceil_mode": True},
    ):
        agree(
            lambda t, s=settings: F.max_pool2d(t, 3, **s),
            lambda t, s=settings: TF.max_pool2d(t, 3, **s),
            draw(13, 2, 3, 9, 10),
        )


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, (1, 4), (6, 7), (9, 11), (None, 3), (2, None)], ids=str)
def test_adaptive_pooling_to_any_size_is_pytorchs(size: Any) -> None:
    for shape in ((2, 3, 7, 7), (1, 2, 6, 14), (1, 2, 5, 4)):
        agree(
            lambda t: F.adaptive_avg_pool2d(t, size),
            lambda t: TF.adaptive_avg_pool2d(t, size),
            draw(14, *shape),
            second=True,
        )


ACTIVATIONS: list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = [
    ("relu", F.relu, TF.relu),
    ("gelu", F.gelu, TF.gelu),
    ("silu", F.silu, TF.silu),
    ("sigmoid", F.sigmoid, torch.sigmoid),
    ("gelu tanh", lambda x: F.gelu(x, "tanh"), lambda x: TF.gelu(x, approximate="tanh")),
    ("tanh", F.tanh, torch.tanh),
    ("hardswish", F.hardswish, TF.hardswish),
    ("hardsigmoid", F.hardsigmoid, TF.hardsigmoid),
    ("relu6", nn.ReLU6(), TF.relu6),
    ("leaky", lambda x: F.leaky_relu(x, negative_slope=0.2), lambda x: TF.leaky_relu(x, 0.2)),
    ("erf", engine.erf, torch.erf),
    ("softmax", lambda x: F.softmax(x, dim=0), lambda x: TF.softmax(x, 0)),
    ("log1p", lambda x: engine.log1p(x * x), lambda x: torch.log1p(x * x)),
    ("log softmax", lambda x: F.log_softmax(x, dim=-1), lambda x: TF.log_softmax(x, -1)),
    ("normalize", lambda x: F.normalize(x, 2, 1), lambda x: TF.normalize(x, 2, 1)),
    ("clip", lambda x: x.clamp(-0.5, 1.0), lambda x: x.clamp(-0.5, 1.0)),
    ("abs", engine.abs, torch.abs),
    ("sign", engine.sign, torch.sign),
]


@pytest.mark.parametrize(("name", "call", "reference"), ACTIVATIONS, ids=[a[0] for a in ACTIVATIONS])
def test_activations_are_pytorchs(name: str, call: Any, reference: Any) -> None:
    tolerance = 1e-7 if name == "hardsigmoid" else 1e-9  # PyTorch's slope is a float32 sixth even for doubles
    agree(
        call,
        reference,
        draw(15, 6, 7) * 3,
        tolerance=tolerance,
        second=name not in ("relu", "hardswish", "hardsigmoid", "sign"),
    )
    agree(call, reference, draw(15, 6, 7, dtype=np.float32) * 3, tolerance=2e-5)
    agree(call, reference, draw(15, 0, 7))


SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 3.0, -3.0, np.inf, -np.inf, np.nan, 1e30, -1e30, 88.0, -104.0], np.float32)


@pytest.mark.parametrize(("name", "call", "reference"), ACTIVATIONS, ids=[a[0] for a in ACTIVATIONS])
def test_special_numbers_come_out_as_in_pytorch(name: str, call: Any, reference: Any) -> None:
    if name in ("softmax", "log softmax", "normalize", "sign"):
        return
    given, wanted = call(ours(SPECIAL)).numpy(), reference(torch.tensor(SPECIAL)).numpy().copy()
    if name == "gelu":
        wanted[np.isposinf(SPECIAL)] = np.inf  # where PyTorch gives NaN, or, without vector instructions, this
    np.testing.assert_allclose(given, wanted, rtol=2e-4, atol=1e-30)


@pytest.mark.parametrize(
    "row", [[np.inf, 0.0], [-np.inf, 0.0], [-np.inf, -np.inf], [np.nan, 1.0], [1e30, -1e30]], ids=str
)
def test_softmax_of_special_rows_is_pytorchs(row: list[float]) -> None:
    x = np.array([row, [0.5, 1.0]], np.float32)
    for call, reference in ((F.softmax, TF.softmax), (F.log_softmax, TF.log_softmax)):
        np.testing.assert_allclose(call(ours(x), dim=1).numpy(), reference(torch.tensor(x), 1).numpy(), rtol=1e-6)


@pytest.mark.parametrize(("call", "reference"), [
    (lambda x: engine.where(x > 0, x, 0.0), lambda x: torch.where(x > 0, x, 0.0)),
    (lambda x: x.clamp(-1.0, 2.0), lambda x: x.clamp(-1.0, 2.0)),
    (F.relu, TF.relu),
    (lambda x: x.amax(), lambda x: x.amax()),
], ids=["where", "clip", "relu", "amax"])  # fmt: skip
def test_an_infinite_gradient_stays_where_it_belongs(call: Any, reference: Any) -> None:
    x = np.array([-3.0, 0.5, 3.0, 1.0], np.float32)
    a, b = ours(x, True), theirs(x, True)
    out, wanted = call(a), reference(b)
    seed = np.full(wanted.shape, np.inf, np.float32)
    out.backward(ours(seed))
    wanted.backward(torch.tensor(seed))
    assert a.grad is not None
    np.testing.assert_array_equal(np.nan_to_num(a.grad.numpy(), nan=-7.0), np.nan_to_num(b.grad.numpy(), nan=-7.0))


def test_a_zero_vector_has_a_finite_length_gradient_as_in_pytorch() -> None:
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    agree(lambda t: t.norm(dim=1), lambda t: t.norm(dim=1), x)
    agree(lambda t: F.normalize(t), lambda t: TF.normalize(t, dim=1), x)
    agree(lambda t: t.std(1), lambda t: t.std(1), x)


# ---- norms and losses -------------------------------------------------------------------------------------------


def pair_of(ours_module: Any, theirs_module: Any) -> tuple[Any, Any]:
    """Two modules with the same random weights."""
    generator = np.random.default_rng(20)
    state = {k: generator.standard_normal(tuple(v.shape)) * 0.5 for k, v in theirs_module.state_dict().items()}
    state = {k: (np.abs(v) + 0.5 if "var" in k else v) for k, v in state.items()}
    state = {k: np.array(7) if "num_batches" in k else v.astype(np.float32) for k, v in state.items()}
    assert list(state) == list(ours_module.state_dict())
    ours_module.load_state_dict(state)
    theirs_module.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    return ours_module, theirs_module


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("tracked", [True, False])
@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
def test_batch_norm_and_its_running_statistics_are_pytorchs(momentum: Any, tracked: bool, affine: bool) -> None:
    settings = {"momentum": momentum, "track_running_stats": tracked, "affine": affine}
    mine, other = pair_of(nn.BatchNorm2d(3, **settings), torch.nn.BatchNorm2d(3, **settings))
    for step in range(3):
        agree(mine, other, draw(step, 4, 3, 5, 2, dtype=np.float32), tolerance=2e-5)
        for name, value in other.state_dict().items():
            np.testing.assert_allclose(mine.state_dict()[name].numpy(), value.numpy(), rtol=1e-5, atol=1e-6)
    mine.eval()
    other.eval()
    agree(mine, other, draw(9, 4, 3, 5, 2, dtype=np.float32), tolerance=2e-5)
    if tracked:
        agree(mine, other, draw(9, 0, 3, 5, 2, dtype=np.float32))
        agree(mine, other, draw(9, 1, 3, 1, 1, dtype=np.float32), tolerance=2e-5)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_has_pytorchs_second_gradients(training: bool) -> None:
    mean, var = draw(1, 3), np.abs(draw(2, 3)) + 1

    def call(x: Any, w: Any, b: Any) -> Any:
        return F.batch_norm(x, ours(mean), ours(var), w, b, training)

    def reference(x: Any, w: Any, b: Any) -> Any:
        return TF.batch_norm(x, theirs(mean), theirs(var), w, b, training)

    agree(call, reference, draw(3, 4, 3, 2, 3), draw(4, 3), draw(5, 3), tolerance=1e-8, second=True)


@pytest.mark.parametrize("shape", [(6,), (4, 6)], ids=str)
def test_layer_norm_is_pytorchs(shape: tuple[int, ...]) -> None:
    agree(
        lambda x, w, b: F.layer_norm(x, shape, w, b, 1e-3), lambda x, w, b: TF.layer_norm(x, shape, w, b, 1e-3),
        draw(1, 2, 4, 6), draw(2, *shape), draw(3, *shape), tolerance=1e-8, second=True,
    )  # fmt: skip
    agree(lambda x: F.layer_norm(x, shape), lambda x: TF.layer_norm(x, shape), draw(1, 0, 4, 6))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("shape", [(6, 5), (5,), (2, 5, 3), (2, 5, 2, 3), (0, 5)], ids=str)
def test_cross_entropy_is_pytorchs(shape: tuple[int, ...], smoothing: float, weighted: bool, reduction: str) -> None:
    generator = np.random.default_rng(31)
    weight = generator.uniform(0.2, 2.0, 5) if weighted else None
    settings = {"label_smoothing": smoothing, "reduction": reduction}
    places = shape[:1] + shape[2:] if len(shape) > 1 else ()
    labels = generator.integers(0, 5, places)
    targets = [
        (labels, {}),
        (np.where(labels == 2, -100, labels), {}),
        (labels, {"ignore_index": 1}),
        (labels * 0 + 1, {"ignore_index": 1}),
    ]
    targets.append(
        (
            generator.dirichlet(np.ones(5), places)
            if places == ()
            else np.moveaxis(generator.dirichlet(np.ones(5), places), -1, 1),
            {},
        )
    )
    for target, more in targets:
        if not places and not isinstance(target, np.ndarray):
            target = np.array(target)
        agree(
            lambda x, t=target, m=more: F.cross_entropy(
                x, ours(t), weight=None if weight is None else ours(weight), **settings, **m
            ),
            lambda x, t=target, m=more: TF.cross_entropy(
                x, torch.tensor(t), None if weight is None else torch.tensor(weight), **settings, **m
            ),
            draw(32, *shape),
        )


def test_cross_entropy_has_pytorchs_second_gradients() -> None:
    labels = np.array([0, 2, 1])
    agree(
        lambda x: F.cross_entropy(x, ours(labels)),
        lambda x: TF.cross_entropy(x, torch.tensor(labels)),
        draw(1, 3, 4),
        second=True,
    )


# ---- attention --------------------------------------------------------------------------------------------------

MASKS = ["none", "bool", "float", "padding", "both", "heads"]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_attention_with_several_heads_is_pytorchs(
    mask: str, need_weights: bool, batch_first: bool, same: bool, bias: bool
) -> None:
    settings = {"batch_first": batch_first, "bias": bias}
    mine, other = pair_of(nn.MultiheadAttention(8, 2, **settings), torch.nn.MultiheadAttention(8, 2, **settings))
    batch, queries, keys = 3, 4, 4 if same else 5
    generator = np.random.default_rng(40)
    given: dict[str, Any] = {}
    if mask in ("bool", "both"):
        given["attn_mask"] = np.triu(np.ones((queries, keys), bool), 2)
    if mask == "float":
        given["attn_mask"] = generator.standard_normal((queries, keys)).astype(np.float32)
    if mask == "heads":
        given["attn_mask"] = generator.standard_normal((batch * 2, queries, keys)).astype(np.float32)
    if mask in ("padding", "both"):
        given["key_padding_mask"] = np.arange(keys) >= np.array([[keys], [keys - 1], [keys - 2]])
    arrays = [draw(i, batch, n, 8, dtype=np.float32) for i, n in enumerate((queries, keys, keys))]
    if not batch_first:
        arrays = [a.swapaxes(0, 1).copy() for a in arrays]

    def run(module: Any, make: Any) -> Callable[..., Any]:
        def call(*t: Any) -> Any:
            t = (t[0],) * 3 if same else t
            out, weights = module(*t, need_weights=need_weights, **{k: make(v) for k, v in given.items()})
            assert (weights is not None) == need_weights
            return (out, weights) if need_weights else out

        return call

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agree(run(mine, ours), run(other, torch.tensor), *(arrays[:1] if same else arrays), tolerance=3e-5)


@pytest.mark.parametrize("need_weights", [True, False])
def test_causal_attention_hides_what_comes_later(need_weights: bool) -> None:
    mine, other = pair_of(
        nn.MultiheadAttention(8, 2, batch_first=True), torch.nn.MultiheadAttention(8, 2, batch_first=True)
    )
    x = draw(1, 2, 5, 8, dtype=np.float32)
    mask = torch.ones(5, 5, dtype=torch.bool).triu(1)
    wanted = other(*[torch.tensor(x)] * 3, attn_mask=mask, need_weights=need_weights)[0].detach().numpy()
    given = mine(*[ours(x)] * 3, need_weights=need_weights, is_causal=True)[0]
    np.testing.assert_allclose(given.numpy(), wanted, rtol=1e-5, atol=1e-6)
    padding = np.array([[False] * 5, [False] * 3 + [True] * 2])
    wanted = (
        other(
            *[torch.tensor(x)] * 3, attn_mask=mask, key_padding_mask=torch.tensor(padding), need_weights=need_weights
        )[0]
        .detach()
        .numpy()
    )
    given = mine(*[ours(x)] * 3, need_weights=need_weights, is_causal=True, key_padding_mask=ours(padding))[0]
    np.testing.assert_allclose(given.numpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"is_causal": True}, {"scale": 0.3}], ids=str)
def test_scaled_dot_product_attention_is_pytorchs(settings: dict[str, Any]) -> None:
    arrays = [draw(1, 2, 3, 4, 6), draw(2, 2, 3, 5, 6), draw(3, 2, 3, 5, 7)]
    agree(
        lambda *t: F.scaled_dot_product_attention(*t, **settings), lambda *t: TF.scaled_dot_product_attention(*t, **settings), *arrays, second=True,
    )  # fmt: skip


# ---- training ---------------------------------------------------------------------------------------------------

SGD = [
    {"lr": 0.1}, {"lr": 0.05, "momentum": 0.9}, {"lr": 0.05, "momentum": 0.9, "nesterov": True}, {"lr": 0.05, "momentum": 0.8, "dampening": 0.3},
    {"lr": 0.1, "weight_decay": 0.05}, {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, {"lr": 0.0},
]  # fmt: skip


@pytest.mark.parametrize("settings", SGD, ids=str)
def test_sgd_takes_pytorchs_path(settings: dict[str, Any]) -> None:
    x, w, b = draw(1, 8, 3), draw(2, 3, 2), draw(3, 2)
    a, p = [ours(v, True) for v in (w, b)], [theirs(v, True) for v in (w, b)]
    mine = optim.SGD([{"params": [a[0]]}, {"params": [a[1]], "lr": 0.02}], **settings)
    other = torch.optim.SGD([{"params": [p[0]]}, {"params": [p[1]], "lr": 0.02}], **settings)
    for step in range(20):
        mine.zero_grad()
        other.zero_grad()
        ((ours(x) @ a[0] + a[1]).tanh() - 0.3).square().mean().backward()
        ((theirs(x) @ p[0] + p[1]).tanh() - 0.3).square().mean().backward()
        if step == 10:
            mine.param_groups[0]["lr"] *= 0.5
            other.param_groups[0]["lr"] *= 0.5
        mine.step()
        other.step()
        for left, right in zip(a, p, strict=True):
            close(left, right, 1e-12)


def test_a_small_network_trains_as_in_pytorch() -> None:
    def build(n: Any) -> Any:
        return n.Sequential(
            n.Conv2d(1, 8, 3, padding=1), n.BatchNorm2d(8), n.ReLU(), n.MaxPool2d(2), n.Conv2d(8, 16, 3, stride=2, groups=2, bias=False),
            n.BatchNorm2d(16), n.GELU(), n.AdaptiveAvgPool2d(1), n.Flatten(), n.Linear(16, 10), n.LayerNorm(10), n.Linear(10, 4),
        )  # fmt: skip

    mine, other = pair_of(build(nn), build(torch.nn))
    first = optim.SGD(mine.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    second = torch.optim.SGD(other.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    generator = np.random.default_rng(50)
    for _ in range(20):
        x, labels = generator.standard_normal((8, 1, 12, 12)).astype(np.float32), generator.integers(0, 4, 8)
        first.zero_grad()
        second.zero_grad()
        loss = F.cross_entropy(mine(ours(x)), ours(labels), label_smoothing=0.1)
        wanted = TF.cross_entropy(other(torch.tensor(x)), torch.tensor(labels), label_smoothing=0.1)
        assert abs(loss.item() - wanted.item()) < 1e-4
        loss.backward()
        wanted.backward()
        first.step()
        second.step()
    for name, value in other.state_dict().items():
        np.testing.assert_allclose(mine.state_dict()[name].numpy(), value.numpy(), rtol=2e-3, atol=2e-4, err_msg=name)
