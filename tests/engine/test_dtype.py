"""Dtypes: names, categories, and what two of them make."""

from __future__ import annotations

import itertools
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import DtypeError
from numzoo.engine import dtype as dtypes

NAMED: list[tuple[Any, str]] = [
    ("float32", "float32"),
    ("float", "float32"),
    ("half", "float16"),
    ("f16", "float16"),
    ("fp16", "float16"),
    ("bf16", "bfloat16"),
    ("f32", "float32"),
    ("long", "int64"),
    (float, "float32"),
    (int, "int64"),
    (bool, "bool"),
    (complex, "complex64"),
    (np.float64, "float64"),
    ("f8", "float64"),
    (">f4", "float32"),
    (np.dtype(">i8"), "int64"),
    (ml_dtypes.bfloat16, "bfloat16"),
    ("bfloat16", "bfloat16"),
    (np.uint16, "uint16"),
]


@pytest.mark.parametrize(("given", "name"), NAMED, ids=repr)
def test_names_and_types_stand_for_dtypes(given: Any, name: str) -> None:
    assert str(dtypes.as_dtype(given)) == name


@pytest.mark.parametrize(
    "given",
    [None, "float7", "object", "U3", "M8[s]", [1], {}, object(), "f4,f4", np.dtype("V4"), ml_dtypes.float8_e5m2],
    ids=repr,
)
def test_what_stands_for_no_dtype_of_numbers_is_refused(given: Any) -> None:
    with pytest.raises(DtypeError):
        dtypes.as_dtype(given)


# PyTorch's table, written out: what each pair makes together.
TABLE = """
         bool     uint8    int8     int16    int32    int64    float16  bfloat16 float32  float64
bool     bool     uint8    int8     int16    int32    int64    float16  bfloat16 float32  float64
uint8    uint8    uint8    int16    int16    int32    int64    float16  bfloat16 float32  float64
int8     int8     int16    int8     int16    int32    int64    float16  bfloat16 float32  float64
int16    int16    int16    int16    int16    int32    int64    float16  bfloat16 float32  float64
int32    int32    int32    int32    int32    int32    int64    float16  bfloat16 float32  float64
int64    int64    int64    int64    int64    int64    int64    float16  bfloat16 float32  float64
float16  float16  float16  float16  float16  float16  float16  float16  float32  float32  float64
bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 float32  bfloat16 float32  float64
float32  float32  float32  float32  float32  float32  float32  float32  float32  float32  float64
float64  float64  float64  float64  float64  float64  float64  float64  float64  float64  float64
"""
NAMES = TABLE.split("\n")[1].split()
PAIRS = {
    (row.split()[0], name): made
    for row in TABLE.split("\n")[2:-1]
    for name, made in zip(NAMES, row.split()[1:], strict=True)
}


@pytest.mark.parametrize(("pair", "made"), PAIRS.items(), ids=str)
def test_two_dtypes_make_what_the_table_says(pair: tuple[str, str], made: str) -> None:
    a, b = (dtypes.as_dtype(name) for name in pair)
    assert str(engine.promote(a, b)) == made
    assert str((engine.ones(2, dtype=a) + engine.ones(2, dtype=b)).dtype) == made
    # A number, and a tensor without axes, count only by their category.
    category = [("bool",), tuple(NAMES[1:6]), tuple(NAMES[6:])]
    ranks = [next(i for i, names in enumerate(category) if name in names) for name in pair]
    wanted = pair[0] if ranks[1] <= ranks[0] else pair[1]
    assert str((engine.ones(2, dtype=a) + engine.ones((), dtype=b)).dtype) == wanted


def test_promotion_is_symmetric_and_associative() -> None:
    every = [dtypes.as_dtype(name) for name in [*NAMES, "complex64", "complex128"]]
    for a, b in itertools.product(every, repeat=2):
        assert engine.promote(a, b) == engine.promote(b, a)
    for a, b, c in itertools.product(every, repeat=3):
        assert engine.promote(engine.promote(a, b), c) == engine.promote(a, engine.promote(b, c)) or engine.float16 in (
            a,
            b,
            c,
        )


RESULTS: list[tuple[tuple[Any, ...], str]] = [
    ((1, 2.0), "float32"),
    ((True, 1), "int64"),
    ((np.float64(1), engine.ones(2)), "float32"),
    ((engine.ones((), dtype="float64"), engine.ones(2)), "float32"),
    ((engine.ones(2, dtype="float64"), 1j), "complex128"),
    ((engine.ones(2), 1j), "complex64"),
    ((engine.ones(2, dtype="int64"), 1j), "complex64"),
    ((engine.ones((), dtype="complex128"), engine.ones(2)), "complex64"),
    ((engine.ones(2, dtype="bool"), engine.ones((), dtype="int8"), 2), "int8"),
]


@pytest.mark.parametrize(("operands", "made"), RESULTS, ids=str)
def test_ranks_decide_the_result(operands: tuple[Any, ...], made: str) -> None:
    assert str(engine.result_type(*operands)) == made


def test_what_is_no_operand_has_no_result_type() -> None:
    with pytest.raises(DtypeError, match="str"):
        engine.result_type(engine.ones(1), "a")


def test_division_makes_floats_and_floor_division_keeps_integers() -> None:
    x = engine.tensor([7, 8])
    assert (x / 2).dtype == engine.float32
    assert (x // 2).dtype == engine.int64
    assert (x / engine.ones(2, dtype="float64")).dtype == engine.float64
    assert x.float().sqrt().dtype == engine.float32
    assert engine.sqrt(x).dtype == engine.float32
    assert engine.round(engine.tensor([2**53 + 1])).item() == 2**53 + 1


@pytest.mark.parametrize("name", ["g", "G", "longdouble"])
def test_long_doubles_are_no_dtype_of_the_engine(name: str) -> None:
    """No operation or kernel is written for them, and their width differs from machine to machine."""
    with pytest.raises(DtypeError):
        dtypes.as_dtype(name)
