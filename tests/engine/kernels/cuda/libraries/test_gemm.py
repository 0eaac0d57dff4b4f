"""Which product cuBLAS is asked for: every way in which matrices may lie, against a model of what it computes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from emulated_libraries import prepare_product
from hypothesis import given, settings
from hypothesis import strategies as st

from numzoo.engine.kernels.cuda.libraries import gemm
from numzoo.engine.kernels.cuda.libraries.gemm import Gemm, Matrices

SIZES = (1, 2, 3)
GENERATOR = np.random.default_rng(0)
COPIED = "copied"


def laid(shape: tuple[int, ...], how: str) -> Any:
    """An array of whole numbers, its last two axes stored by rows or by columns, with or without gaps."""
    *batch, rows, columns = shape
    values = GENERATOR.integers(-4, 5, shape).astype(np.float32)
    memory = {
        "rows": (*batch, rows, columns),
        "columns": (*batch, columns, rows),
        "wide rows": (*batch, rows, columns + 3),
        "wide columns": (*batch, columns, rows + 2),
        "every other": (*batch, rows, 2 * columns),
        "backwards": (*batch, rows, columns),
        "heads": (batch[0] if batch else 1, rows, *batch[1:], columns),
    }[how]
    held = np.full(memory, 99, np.float32)
    if "columns" in how:
        view = held.swapaxes(-1, -2)[..., :rows, :columns]
    elif how == "every other":
        view = held[..., ::2]
    elif how == "backwards":
        view = held[..., ::-1, :]
    elif how == "heads":
        view = np.moveaxis(held, 1, -2) if batch else held[0]
    else:
        view = held[..., :columns]
    view[...] = values
    return view


def matrices(array: Any, batch: tuple[int, ...]) -> Matrices:
    """As kernels describe an operand."""
    wide = np.broadcast_to(array, (*batch, *array.shape[-2:]))
    return Matrices(
        wide.shape, tuple(0 if n == 1 else s // wide.itemsize for n, s in zip(wide.shape, wide.strides, strict=True))
    )


def computed(x: Any, y: Any, **more: Any) -> Any:
    """The product by the model, or COPIED where an operand cannot be read as it lies."""
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    out = np.full((*batch, x.shape[-2], y.shape[-1]), np.nan, np.float32)
    found = gemm.arrange(matrices(x, batch), matrices(y, batch), matrices(out, batch))
    if found is None:
        return COPIED
    run = prepare_product(Gemm(*found[:7], "float32", "float32", alignment=4, **more))
    for first, second, third in found.starts:
        run(y.ctypes.data + 4 * first, x.ctypes.data + 4 * second, out.ctypes.data + 4 * third, 0)
    return out


LAYOUTS = ("rows", "columns", "wide rows", "wide columns")


@pytest.mark.parametrize(("left", "right"), list(itertools.product(LAYOUTS, LAYOUTS)))
def test_matrices_stored_by_rows_or_columns_are_never_copied(left: str, right: str) -> None:
    for rows, inner, columns in itertools.product(SIZES, SIZES, SIZES):
        for batch in ((), (2,), (2, 3)):
            x, y = laid((*batch, rows, inner), left), laid((*batch, inner, columns), right)
            np.testing.assert_array_equal(computed(x, y), x @ y, err_msg=f"{rows} {inner} {columns} {batch}")


@pytest.mark.parametrize(("left", "right"), list(itertools.product(("rows", "columns", "heads"), repeat=2)))
@pytest.mark.parametrize(
    ("first", "second"), [((2, 3), (3,)), ((3,), (2, 3)), ((2, 1), (1, 3)), ((2, 3), ()), ((), (2, 3)), ((2, 1), (3,)), ((1,), (4,))]
)  # fmt: skip
def test_repeated_matrices_are_never_copied(
    left: str, right: str, first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    for rows, inner, columns in ((2, 3, 4), (1, 3, 2), (3, 1, 2), (2, 3, 1), (1, 1, 1)):
        x, y = laid((*first, rows, inner), left), laid((*second, inner, columns), right)
        found = computed(x, y)
        np.testing.assert_array_equal(found, x @ y)


@pytest.mark.parametrize("odd", ["every other", "backwards"])
def test_what_no_leading_size_describes_is_copied(odd: str) -> None:
    assert computed(laid((3, 4), odd), laid((4, 5), "rows")) is COPIED
    assert computed(laid((3, 4), "rows"), laid((4, 5), odd)) is COPIED


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_views_give_the_product_or_ask_for_a_copy(data: Any) -> None:
    batch = data.draw(st.lists(st.integers(1, 3), max_size=3).map(tuple))
    rows, inner, columns = (data.draw(st.integers(1, 4)) for _ in range(3))
    operands = []
    for shape in ((rows, inner), (inner, columns)):
        lead = tuple(data.draw(st.sampled_from((n, 1))) for n in batch)
        full = (*lead, *shape)
        order = data.draw(st.permutations(range(len(full))))
        held = GENERATOR.integers(-4, 5, [full[a] + data.draw(st.integers(0, 1)) for a in order]).astype(np.float32)
        view = held.transpose(np.argsort(order))[tuple(slice(0, n) for n in full)]
        operands.append(view)
    x, y = operands
    x = np.broadcast_to(x, (*batch, rows, inner))
    found = computed(x, y)
    if found is not COPIED:
        np.testing.assert_array_equal(found, x @ y)


def test_a_batch_that_shares_its_right_side_is_one_large_product() -> None:
    x, y = laid((4, 5, 3), "rows"), laid((3, 2), "columns")
    found = gemm.arrange(matrices(x, (4,)), matrices(y, (4,)), Matrices((4, 5, 2), (10, 2, 1)))
    assert found is not None
    assert (found.batch, found.columns, found.starts) == (1, 20, ((0, 0, 0),))


def test_heads_beside_each_other_are_one_batch_for_each_entry() -> None:
    x = laid((2, 4, 5, 3), "heads")
    found = gemm.arrange(
        matrices(x, (2, 4)), matrices(laid((2, 4, 3, 5), "rows"), (2, 4)), Matrices((2, 4, 5, 5), (100, 25, 5, 1))
    )
    assert found is not None
    assert found.batch == 4
    assert len(found.starts) == 2


def test_scaling_and_adding_to_the_result() -> None:
    x, y = laid((2, 3), "rows"), laid((3, 4), "rows")
    found = gemm.arrange(matrices(x, ()), matrices(y, ()), Matrices((2, 4), (4, 1)))
    assert found is not None
    out = np.ones((2, 4), np.float32)
    run = prepare_product(Gemm(*found[:7], "float32", "float32", scale=0.5, accumulates=True, alignment=4))
    run(y.ctypes.data, x.ctypes.data, out.ctypes.data, 0)
    np.testing.assert_array_equal(out, 1 + 0.5 * (x @ y))


@pytest.mark.parametrize(
    ("shape", "strides", "rows"),
    [
        ((2, 3, 4), (12, 4, 1), (6, 4)), ((2, 3, 4), (24, 8, 1), (6, 8)), ((2, 3, 4), (4, 8, 1), None), ((1, 3, 4), (99, 4, 1), (3, 4)),
        ((4,), (1,), (1, 0)), ((2, 1, 4), (4, 77, 1), (2, 4)), ((5, 4), (-4, 1), (5, -4)),
    ],
)  # fmt: skip
def test_leading_axes_are_rows_where_one_step_leads_through_them(shape: Any, strides: Any, rows: Any) -> None:
    assert gemm.flat_rows(shape, strides) == rows
