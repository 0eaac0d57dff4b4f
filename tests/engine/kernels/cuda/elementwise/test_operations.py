"""Elementwise kernels give what the bodies give: every expression, the ways to walk, dtypes, numbers, and gradients through them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from emulated_gpu import EmulatedMachine

from numzoo import engine
from numzoo.engine import ops
from numzoo.engine.dtype import as_dtype
from numzoo.engine.kernels.cuda import layout
from numzoo.engine.kernels.cuda.elementwise import operations as elementwise
from numzoo.engine.kernels.cuda.elementwise.expressions import EXPRESSIONS
from numzoo.engine.kernels.cuda.elementwise.operations import divider
from numzoo.engine.op import TABLE

SETTINGS: dict[str, dict[str, Any]] = {
    "clip": {"low": -0.75, "high": 1.25},
    "softplus": {"beta": 1.5, "threshold": 4.0},
    "softplus_input": {"beta": 1.5, "threshold": 4.0},
    "leaky_relu": {"negative_slope": 0.1},
    "leaky_relu_input": {"negative_slope": 0.1},
    "elu": {"alpha": 1.5, "scale": 1.25, "stretch": 0.5},
    "elu_input": {"alpha": 1.5, "scale": 1.25, "stretch": 0.5},
    "hardtanh": {"low": -0.5, "high": 0.75},
    "hardtanh_input": {"low": -0.5, "high": 0.75},
    "hardshrink": {"width": 0.5},
    "softshrink": {"width": 0.5},
    "shrink_input": {"width": 0.5},
    "threshold": {"least": 0.25, "value": -3.0},
    "threshold_input": {"least": 0.25},
    "drop": {"scale": 1.25},
    "huber_error": {"delta": 0.75},
    "addcmul": {"value": 0.5},
    "addcdiv": {"value": 0.5},
    "logit": {"eps": 0.125},
    "nan_to_num": {"nan": 7.0},
}
"""Settings other than the defaults."""
UNDER_MASKS = {"either": (0,), "drop": (1,)}
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.5, 88.0, -88.0, 1e-3, 30.0, np.inf, -np.inf, np.nan)
NO_INFINITY = {
    "lgamma",
    "sin",
    "cos",
    "tan",
    "sinc",
    "lerp",
    "pow",
    "silu_input",
    "logsigmoid_input",
    "mish_input",
    "softplus_input",
}
"""Where libraries differ at infinities or in the last places of large angles, or the body's sigmoid is 0 sooner; held to the body elsewhere."""


def numbers(name: str, count: int, dtype: Any, size: int = 77) -> list[Any]:
    """Operands of an operation: random numbers, then special ones against one another."""
    generator = np.random.default_rng(sum(map(ord, name)))
    kind = as_dtype(dtype)
    if kind.kind in "iub":
        low = 1 if name in ("floor_divide", "remainder", "div_floor") else 0 if kind.kind in "ub" else -9
        return [generator.integers(low, 2 if kind.kind == "b" else 9, size).astype(kind) for _ in range(count)]
    special = [value for value in SPECIAL if name not in NO_INFINITY or abs(value) < 50]
    arrays = []
    for position in range(count):
        tail = np.resize(np.repeat(special, len(special) ** position), len(special) ** min(count, 2))
        arrays.append(np.concatenate([generator.uniform(-3, 3, size), tail]).astype(kind))
    return arrays


def operands(name: str, dtype: Any) -> list[Any]:
    count = len(TABLE[name].tensors)
    given = numbers(name, count, dtype)
    for position in UNDER_MASKS.get(name, ()):
        given[position] = np.arange(given[position].size) % 3 != 0
    return given


def body_of(name: str, *arrays: Any, **settings: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.asarray(TABLE[name].body(np, *arrays, **settings))


def assert_same(given: Any, wanted: Any, tolerance: float) -> None:
    assert given.dtype == wanted.dtype
    assert given.shape == wanted.shape
    if wanted.dtype.kind in "iub":
        np.testing.assert_array_equal(given, wanted)
        return
    np.testing.assert_allclose(given.astype(float), wanted.astype(float), rtol=tolerance, atol=tolerance)


def check(here: EmulatedMachine, name: str, dtype: Any) -> None:
    arrays = operands(name, dtype)
    settings = {**TABLE[name].setting_defaults, **SETTINGS.get(name, {})}
    kernel = TABLE[name].kernels["cuda"]
    given = kernel(*[here.put(a) for a in arrays], **settings)
    assert given is not NotImplemented, f"{name} leaves {dtype} to the body"
    tolerance = {"float32": 4e-6, "float64": 1e-12, "float16": 4e-3, "bfloat16": 3e-2}.get(str(as_dtype(dtype)), 0)
    wide = np.float64 if tolerance and np.dtype(as_dtype(dtype)).itemsize == 2 else as_dtype(dtype)
    wanted = body_of(name, *[a.astype(wide) if a.dtype == as_dtype(dtype) else a for a in arrays], **settings)
    if wanted.dtype.kind == "f":
        with np.errstate(all="ignore"):
            wanted = wanted.astype(as_dtype(dtype))
    assert_same(given.get(), wanted, tolerance)


@pytest.mark.parametrize("name", [name for name, expression in EXPRESSIONS.items() if expression.floats])
def test_an_expression_gives_what_the_body_gives(one_order: EmulatedMachine, name: str) -> None:
    check(one_order, name, "float32")


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("mul", "int64"), ("bitwise_and", "int32"), ("bitwise_left_shift", "int8"), ("remainder", "int16"), ("lt", "uint8"), ("add", "bool"),
        ("either", "int64"), ("abs", "int8"), ("gelu", "float64"), ("gelu_input", "bfloat16"), ("silu", "float16"), ("sub", "bfloat16"),
    ],
)  # fmt: skip
def test_other_dtypes_are_computed_as_by_the_body(one_order: EmulatedMachine, name: str, dtype: str) -> None:
    if name == "remainder":
        x = numbers(name, 1, dtype)[0] - 5
        given = TABLE[name].kernels["cuda"](one_order.put(x), np.asarray(-3, dtype)).get()
        assert_same(given, x % np.asarray(-3, dtype), 0)
        return
    check(one_order, name, dtype)


def laid(here: EmulatedMachine, shape: tuple[int, ...], how: str, dtype: Any = np.float32) -> Any:
    """An array on the emulated GPU of this shape that lies in memory in a certain way."""
    wide = here.put(
        np.random.default_rng(len(how)).standard_normal(tuple(2 * size + 1 for size in shape)).astype(dtype)
    )
    view = wide[tuple(slice(1, size + 1) for size in shape)]
    if how == "cut":
        return view
    if how == "turned":
        return wide[tuple(slice(size, 0, -1) for size in shape)]
    if how == "sparse":
        return wide[tuple(slice(0, 2 * size, 2) for size in shape)]
    values = np.ascontiguousarray(view.get())
    if how == "last":
        return here.put(np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 1, -1)), -1, 1))
    if how == "behind":  # in one piece, but where 16 bytes cannot be read at once
        flat = here.put(np.concatenate([values.reshape(-1)[:1], values.reshape(-1)]))
        return flat[1:].reshape(shape)
    return here.put(values)


@pytest.mark.parametrize(
    ("shape", "first", "second", "path"),
    [
        ((2, 3, 4, 5), "plain", "plain", "flat"),
        ((4, 8, 3, 4), "last", "last", "flat"),
        ((37, 129), "plain", "plain", "flat"),
        ((2, 3, 4, 5), "behind", "plain", "strided"),
        ((2, 3, 4, 5), "plain", "last", "strided"),
        ((2, 3, 4, 5), "cut", "turned", "strided"),
        ((2, 3, 1, 5), "sparse", "plain", "strided"),
        ((1, 1, 1), "plain", "last", "flat"),
        ((3, 0, 2), "plain", "cut", None),
        ((), "plain", "plain", "flat"),
        ((2, 1, 2, 1, 2, 1, 2, 1, 3), "sparse", "turned", "strided"),
    ],
)
def test_arrays_may_lie_anyhow(
    one_order: EmulatedMachine, shape: tuple[int, ...], first: str, second: str, path: str | None
) -> None:
    x, y = laid(one_order, shape, first), laid(one_order, shape, second)
    before = len(one_order.launched)
    given = TABLE["sub"].kernels["cuda"](x, y)
    np.testing.assert_array_equal(given.get(), x.get() - y.get())
    assert one_order.launched[before:] == ([] if path is None else [path])
    if first == "last":
        assert given.strides == x.strides


@pytest.mark.parametrize("batch", [1, 2])
def test_sequences_come_back_into_rows_where_one_lies_so_and_images_lie_as_the_first(
    one_order: EmulatedMachine, batch: int
) -> None:
    add = TABLE["add"].kernels["cuda"]
    turned, rows = laid(one_order, (batch, 4, 5), "last"), laid(one_order, (batch, 4, 5), "plain")
    places = laid(one_order, (4, 5), "plain")
    for x, y in ((turned, rows), (rows, turned)):
        assert add(x, y).flags.c_contiguous
        np.testing.assert_array_equal(add(x, y).get(), x.get() + y.get())
    assert add(turned, turned).strides == turned.strides
    assert add(turned, places).flags.c_contiguous == (batch == 1)  # else nothing of the whole shape lies by rows
    image, other = laid(one_order, (batch, 3, 4, 5), "last"), laid(one_order, (batch, 3, 4, 5), "plain")
    assert add(image, other).strides == image.strides


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        ((6, 8), (8,), "rows"),
        ((6, 8), (6, 1), "rows"),
        ((2, 3, 4, 4), (3, 1, 1), "rows"),
        ((6, 7), (7,), "strided"),
        ((3, 1, 4), (2, 1), "strided"),
        ((8,), (5, 1), "strided"),
        ((), (4, 4), "rows"),
        ((2, 8, 4, 4), (1, 8, 1, 1), "rows"),
    ],
)
def test_operands_broadcast(
    one_order: EmulatedMachine, one: tuple[int, ...], other: tuple[int, ...], path: str
) -> None:
    x, y = laid(one_order, one, "plain"), laid(one_order, other, "plain")
    given = TABLE["sub"].kernels["cuda"](x, y)
    np.testing.assert_array_equal(given.get(), x.get() - y.get())
    assert one_order.launched[-1] in (path, "rows")
    back = TABLE["sub"].kernels["cuda"](y, x)
    np.testing.assert_array_equal(back.get(), y.get() - x.get())


@pytest.mark.parametrize("width", [7, 8])
def test_numbers_stand_anywhere_among_operands_that_broadcast(one_order: EmulatedMachine, width: int) -> None:
    condition = one_order.put(np.arange(6 * width).reshape(6, width) % 3 == 0)
    x = laid(one_order, (6, 1), "plain")
    either, number = TABLE["either"].kernels["cuda"], np.asarray(-np.inf, np.float32)
    for given, wanted in (
        (either(condition, number, x), np.where(condition.get(), -np.inf, x.get())),
        (either(condition, x, number), np.where(condition.get(), x.get(), -np.inf)),
        (either(condition, number, number), np.full((6, width), -np.inf)),
    ):
        np.testing.assert_array_equal(given.get(), wanted)


def test_several_blocks_share_a_long_array(one_order: EmulatedMachine) -> None:
    x = laid(one_order, (4 * 8 * 256 * 4 + 1003,), "plain")
    np.testing.assert_array_equal(TABLE["sub"].kernels["cuda"](x, x[::-1]).get(), x.get() - x.get()[::-1])
    np.testing.assert_array_equal(TABLE["sub"].kernels["cuda"](x, x).get(), 0 * x.get())


@pytest.mark.parametrize("path", ["rows", "strided"])
def test_walks_past_31_bits_divide_whole_numbers(one_order: EmulatedMachine, monkeypatch: Any, path: str) -> None:
    from numzoo.engine.kernels.cuda.elementwise import operations as elementwise

    found = elementwise._path
    monkeypatch.setattr(
        elementwise,
        "_path",
        lambda *given, **more: (
            f"{path}_long",
            found(*given, **more)[1] or elementwise.walk_numbers((24,), [(1,), (1,)]),
        ),
    )
    elementwise._plans.clear()
    x, y = laid(one_order, (6, 4), "plain"), laid(one_order, (6, 1), "plain")
    np.testing.assert_array_equal(TABLE["sub"].kernels["cuda"](x, y).get(), x.get() - y.get())
    assert one_order.launched[-1] == f"{path}_long"
    elementwise._plans.clear()


def test_a_number_stays_with_the_host_and_travels_with_the_launch(one_order: EmulatedMachine) -> None:
    x = np.linspace(-2, 2, 24, dtype=np.float32).reshape(4, 6)
    t = engine.Tensor(x).to("cuda")
    for given, wanted in (
        (t * 0.5, x * 0.5),
        (1.0 - t, 1 - x),
        (ops.where(t > 0, t, 0.0), np.where(x > 0, x, 0)),
        (t**2, x * x),
    ):
        np.testing.assert_array_equal(given.numpy(), wanted.astype(np.float32))
        assert given.device.type == "cuda"
    assert set(one_order.launched) == {"flat"}
    whole = engine.Tensor(np.arange(-6, 6)).to("cuda")
    np.testing.assert_array_equal((whole // -4).numpy(), np.arange(-6, 6) // -4)
    np.testing.assert_array_equal((whole * (2**62 + 1)).numpy(), np.arange(-6, 6) * (2**62 + 1))


def test_what_a_kernel_does_not_serve_is_the_bodys(one_order: EmulatedMachine) -> None:
    z = engine.Tensor(np.array([1 + 2j, 3 - 1j])).to("cuda")
    np.testing.assert_array_equal((z * 2.0).numpy(), np.array([2 + 4j, 6 - 2j]))
    with pytest.raises(engine.errors.EngineError, match="on cpu and cuda:0"):
        engine.ones(2).to("cuda") + engine.ones(2)
    whole = engine.Tensor(np.arange(3)).to("cuda")
    assert (whole // 2).tolist() == [0, 0, 1]
    with pytest.raises(engine.errors.EngineError, match="divided by 0"):
        (whole // 0).numpy()
    assert (whole**2).tolist() == [0, 1, 4]
    with pytest.raises(engine.errors.EngineError, match="no negative powers"):
        whole**-1


@pytest.mark.parametrize("target", ["float16", "int8", "bool"])
@pytest.mark.parametrize("source", ["float64", "bfloat16", "int64"])
def test_a_cast_gives_what_numpy_gives(one_order: EmulatedMachine, source: str, target: str) -> None:
    values = (
        np.concatenate([np.arange(-130, 130), np.arange(-130, 130) / 7])
        if source != "int64"
        else np.arange(-3000, 3000, 7)
    )
    if target == "float16" and source == "float64":
        values = np.concatenate(
            [values, 1 + 2.0**-11 + np.array([-(2.0**-40), 0, 2.0**-40]), [6.2e-8, 1e5, np.nan, np.inf, 2049.0]]
        )
    x = values.astype(as_dtype(source))
    with np.errstate(all="ignore"):
        wanted = x.astype(as_dtype(target))
    given = TABLE["cast"].kernels["cuda"](one_order.put(x), dtype=as_dtype(target))
    assert_same(given.get(), wanted, 0)


def test_gradients_flow_through_the_kernels(one_order: EmulatedMachine) -> None:
    def run(x: Any, y: Any) -> Any:
        return (ops.gelu(x * y) + ops.where(x > y, x, 0.5) * ops.sigmoid(y - 1.0)).sum()

    generator = np.random.default_rng(5)
    arrays = [generator.standard_normal(shape).astype(np.float32) for shape in ((4, 3, 8), (3, 1))]
    grads = []
    for place in ("cpu", "cuda"):
        tensors = [engine.Tensor(a).to(place).requires_grad_() for a in arrays]
        run(*tensors).backward()
        grads.append([t.grad.numpy() for t in tensors])
    for given, wanted in zip(grads[1], grads[0], strict=True):
        np.testing.assert_allclose(given, wanted, rtol=2e-5, atol=2e-5)


def test_numbers_below_31_bits_are_divided_by_a_product() -> None:
    generator = np.random.default_rng(0)
    sizes = [1, 2, 3, 5, 7, 255, 256, 641, 65537, 2**30, 2**31 - 1, *generator.integers(1, 2**31, 200).tolist()]
    for size in sizes:
        factor, shift = divider(size)
        i = np.concatenate([generator.integers(0, 2**31, 300), [0, size - 1, size, 2 * size - 1, 2**31 - 1]]) % 2**31
        np.testing.assert_array_equal((((i * factor) >> 32) + i) >> shift, i // size)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64"])
def test_long_loops_take_several_elements_at_once(one_order: EmulatedMachine, dtype: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(layout, "BLOCKS_EACH", 1)  # 1024 threads in all
    elementwise._plans.clear()
    kind = as_dtype(dtype)
    values = (np.arange(3 * 23 * 130) % 61).reshape(3, 23, 130).astype(kind)
    other = (np.arange(3 * 23 * 130) % 7).reshape(3, 23, 130).astype(kind)
    x, y = one_order.put(values), one_order.put(other)
    for cut, entry in ((np.s_[:, :, :], "flat"), (np.s_[:, ::2, 1:128], "strided")):
        one_order.launched.clear()
        given = TABLE["add"].kernels["cuda"](x[cut], y[cut])
        np.testing.assert_array_equal(given.get(), values[cut] + other[cut])
        assert one_order.launched == [entry]
    elementwise._plans.clear()
