"""From items to batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numzoo import engine
from numzoo.engine import data
from numzoo.engine.errors import ArgumentError, DtypeError, EngineError, ShapeError

collate = data.default_collate


class Point(NamedTuple):
    x: Any
    y: Any


@dataclass(frozen=True)
class Example:
    image: Any
    label: Any


@pytest.mark.parametrize(
    ("items", "dtype", "values"),
    [
        ([1, 2], np.int64, [1, 2]),
        ([1.5, 2], np.float32, [1.5, 2.0]),
        ([True, False], np.bool_, [True, False]),
        ([np.float64(1), np.float64(2)], np.float64, [1.0, 2.0]),
        ([np.uint8(1), np.uint8(255)], np.uint8, [1, 255]),
        ([1j, 2], np.complex64, [1j, 2 + 0j]),
        ([np.zeros((0, 2), np.int16)] * 2, np.int16, [[], []]),
        ([np.array([1.0]), engine.tensor(np.array([2.0]))], np.float64, [[1.0], [2.0]]),
        ([engine.tensor(3.0), engine.tensor(4.0)], np.float32, [3.0, 4.0]),
        ([np.array([1, 2], ">i4")] * 2, np.int32, [[1, 2], [1, 2]]),
        ([engine.ones(2, dtype="bfloat16")] * 2, engine.bfloat16, [[1.0, 1.0], [1.0, 1.0]]),
    ],
)
def test_numbers_arrays_and_tensors_stack(items: Any, dtype: Any, values: Any) -> None:
    batch = collate(items)
    assert isinstance(batch, engine.Tensor)
    assert (batch.dtype, batch.tolist()) == (dtype, values)


def test_structures_are_followed_inwards() -> None:
    items = [
        {"pair": (i, [i / 2, "t"]), "point": Point(np.int8(i), b"b"), "example": Example(np.full(2, i), {"k": i})}
        for i in (1, 2)
    ]
    batch = collate(items)
    assert batch["pair"][0].tolist() == [1, 2]
    assert isinstance(batch["pair"], tuple)
    assert batch["pair"][1][0].tolist() == [0.5, 1.0]
    assert batch["pair"][1][1] == ["t", "t"]
    assert isinstance(batch["point"], Point)
    assert (batch["point"].x.tolist(), batch["point"].y) == ([1, 2], [b"b", b"b"])
    assert isinstance(batch["example"], Example)
    assert batch["example"].image.tolist() == [[1, 1], [2, 2]]
    assert batch["example"].label["k"].tolist() == [1, 2]


def test_conversion_keeps_structures_and_makes_no_batch() -> None:
    item = data.default_convert({"a": (np.zeros(2), 3, "s"), "p": Point(1, np.ones(1)), "e": Example(np.ones(1), None)})
    assert isinstance(item["a"][0], engine.Tensor)
    assert item["a"][1:] == (3, "s")
    assert isinstance(item["p"].y, engine.Tensor)
    assert isinstance(item["e"].image, engine.Tensor)


def test_a_gradient_passes_through() -> None:
    x = engine.tensor([1.0, 2.0], requires_grad=True)
    collate([x, x]).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 2.0]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=5), st.integers(1, 4))
def test_what_goes_in_comes_out(row: list[float], count: int) -> None:
    items = [(np.array(row, np.float32) + i, i) for i in range(count)]
    rows, numbers = collate(items)
    for i in range(count):
        assert np.array_equal(rows.numpy()[i], items[i][0])
    assert numbers.tolist() == list(range(count))


REFUSED: list[tuple[Any, type[EngineError], str]] = [
    ([], ValueError, "at least one item"),  # type: ignore[list-item]
    (
        [np.zeros(3), np.zeros((3, 1))],
        ShapeError,
        r"item 1 of the batch has the shape \(3, 1\) but item 0 of the batch \(3,\)",
    ),
    ([{"a": (1, np.zeros(2))}, {"a": (1, np.zeros(3))}], ShapeError, r"at \['a'\]\[1\] has the shape \(3,\)"),
    (
        [np.zeros(2, np.float32), np.zeros(2)],
        DtypeError,
        "item 1 of the batch is float64 but item 0 of the batch is float32",
    ),
    ([(1, 2), (1,)], ShapeError, "has 1 elements but item 0 of the batch 2"),
    ([{"a": 1}, {"b": 1}], ArgumentError, "different keys: 'a', 'b'"),
    ([1, None], ArgumentError, "item 1 of the batch is None; does"),
    ([None, None], ArgumentError, "is None; does"),
    ([object()], ArgumentError, "of the type object, which makes no tensor"),
    (["a", 1], ArgumentError, "of the type int.* but item 0 of the batch is a string"),
    ([1, "a"], ArgumentError, "but item 0 of the batch is a number"),
    ([1, True], DtypeError, "truth values"),
    ([2**70, 1], DtypeError, "make no tensor"),
    ([np.zeros(2), [0.0, 0.0]], ArgumentError, "is a list, but item 0 of the batch is a ndarray"),
    ([(1,), {"a": 1}], ArgumentError, "of the type dict"),
    ([Example(1, 2), 3], ArgumentError, "of the type int.* is a Example"),
    ([np.array(["a"])], DtypeError, "cannot be a tensor"),
    ([np.array([object()])], DtypeError, "cannot be a tensor"),
    ([{1, 2}], ArgumentError, "of the type set"),
]


@pytest.mark.parametrize(("items", "kind", "said"), REFUSED)
def test_items_that_do_not_fit_are_named(items: Any, kind: Any, said: str) -> None:
    with pytest.raises(EngineError, match=said) as caught:
        collate(items)
    assert isinstance(caught.value, kind)
