"""Memory shared with other libraries by DLPack: the same bytes, both ways, for as long as either side looks at them."""

from __future__ import annotations

import gc
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import ArgumentError, DeviceError, DtypeError, ExchangeError, exchange

DTYPES = ("int8", "int16", "int32", "int64", "uint8", "bool", "float16", "float32", "float64", "complex64")


class Foreign:
    """Another library's array: it speaks DLPack through NumPy, and is nothing else."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **_: Any) -> Any:
        return self.array.__dlpack__()

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_reads_a_tensor_without_a_copy(dtype: str) -> None:
    tensor = engine.tensor(np.arange(6).reshape(2, 3).astype(dtype))
    shared = np.from_dlpack(tensor)
    assert shared.dtype == dtype
    assert np.shares_memory(shared, tensor.array)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["rows", "columns", "every other", "one", "none"])
def test_a_tensor_reads_another_librarys_array_without_a_copy(dtype: str, layout: str) -> None:
    array = np.arange(24).reshape(4, 6).astype(dtype)
    array = {
        "rows": array,
        "columns": array.T,
        "every other": array[::2, 1::3],
        "one": array[:1, :1].reshape(()),
        "none": array[:0],
    }[layout]
    tensor = engine.from_dlpack(Foreign(array))
    assert np.array_equal(tensor.numpy(), array)
    assert tensor.dtype == dtype
    assert not array.size or np.shares_memory(tensor.array, array)


@pytest.mark.parametrize("layout", ["rows", "columns", "every other", "one", "backwards"])
def test_bfloat16_goes_both_ways(layout: str) -> None:
    array = np.arange(24).reshape(4, 6).astype(ml_dtypes.bfloat16)
    array = {
        "rows": array,
        "columns": array.T,
        "every other": array[::2, 1::3],
        "one": array[:1, :1].reshape(()),
        "backwards": array[::-1],
    }[layout]
    tensor = engine.tensor(0.0, dtype="bfloat16")
    tensor.array = array
    held = len(exchange._alive)
    shared = exchange._imported(tensor.__dlpack__())
    assert np.array_equal(shared.astype("f4"), array.astype("f4"))
    assert np.shares_memory(shared, array)
    assert len(exchange._alive) == held + 1
    del shared
    gc.collect()
    assert len(exchange._alive) == held


def test_a_capsule_that_nobody_takes_lets_go() -> None:
    tensor = engine.zeros(3, dtype="bfloat16")
    held = len(exchange._alive)
    capsule = tensor.__dlpack__()
    assert len(exchange._alive) == held + 1
    del capsule
    gc.collect()
    assert len(exchange._alive) == held


def test_memory_lives_as_long_as_its_reader() -> None:
    tensor = engine.tensor(np.full(1000, 7.0, ml_dtypes.bfloat16))
    shared = exchange._imported(tensor.__dlpack__())
    del tensor
    gc.collect()
    assert (shared.astype("f4") == 7).all()


def test_a_write_is_seen_on_the_other_side() -> None:
    array = np.zeros(3, np.float32)
    tensor = engine.from_dlpack(Foreign(array))
    array[1] = 5
    assert tensor.tolist() == [0.0, 5.0, 0.0]


def test_a_tensor_is_its_own_memory() -> None:
    tensor = engine.zeros(3)
    assert engine.from_dlpack(tensor).array is tensor.array


class Elsewhere(Foreign):
    def __dlpack_device__(self) -> Any:
        return (8, 0)


class Odd(Foreign):
    """An array of a dtype that the engine has not: 4 lanes of floats."""

    def __dlpack__(self, **_: Any) -> Any:
        capsule = self.array.__dlpack__()
        exchange._Managed.from_address(exchange._pointer(capsule, b"dltensor")).tensor.lanes = 4
        return capsule


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: engine.from_dlpack([1.0]), ArgumentError, "list does not speak DLPack"),
        (lambda: engine.from_dlpack(Elsewhere(np.zeros(2))), DeviceError, "type 8"),
        (lambda: engine.from_dlpack(Odd(np.zeros(2))), DtypeError, "4 lanes"),
        (lambda: engine.zeros(2, requires_grad=True).__dlpack__(), ExchangeError, "detach"),
        (lambda: read_only().__dlpack__(), ExchangeError, "read-only"),
        (lambda: engine.zeros(2, dtype="bfloat16").__dlpack__(dl_device=(2, 0)), ExchangeError, "move it"),
    ],
    ids=["no array", "elsewhere", "lanes", "gradient", "read-only", "device"],
)
def test_what_cannot_be_shared_is_refused(act: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        act()


def read_only() -> Any:
    tensor = engine.zeros(2, dtype="bfloat16")
    tensor.array.flags.writeable = False
    return tensor
