"""Leased memory: right shapes, never two owners, used again, and given back."""

from __future__ import annotations

import gc
import threading
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo.engine.kernels.cpu import pool
from numzoo.engine.kernels.cpu.memory import address

LARGE = (64, 1024)


@pytest.mark.parametrize("shape", [(), (3,), (0, 5), LARGE, (1, 7, 300, 100)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, bool, ml_dtypes.bfloat16])
def test_an_array_is_what_was_asked_for(shape: Any, dtype: Any) -> None:
    array = pool.empty(shape, dtype)
    assert array.shape == shape
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    assert array.flags.writeable
    array[...] = 1
    assert (array == 1).all()


@pytest.mark.parametrize("shape", [(100, 1000), (2, 3, 4)])
def test_strides_give_other_layouts(shape: Any) -> None:
    reverse = np.empty(shape[::-1], np.float32).T
    array = pool.empty(shape, np.float32, reverse.strides)
    assert array.strides == reverse.strides
    array[...] = np.arange(array.size).reshape(shape)
    assert np.array_equal(array, np.arange(array.size).reshape(shape))
    like = pool.empty_like(reverse)
    assert like.strides == reverse.strides
    assert pool.empty_like(reverse, np.uint8).dtype == np.uint8


def test_empty_like_a_gap_is_dense() -> None:
    spread = np.zeros((200, 400, 3), np.float32)[::2, ::2, 1:2]
    assert pool.empty_like(spread).nbytes == spread.size * 4
    assert pool.empty_like(spread).flags.c_contiguous


def test_large_arrays_begin_at_a_cache_line() -> None:
    assert all(address(pool.empty((n, 20_000), np.float32)) % 64 == 0 for n in range(1, 8))


def test_memory_comes_back_when_the_last_view_has_died() -> None:
    array = pool.empty(LARGE, np.float32)
    start, view = address(array), array[3:].T.reshape(-1)[10:]
    view = array[3:, 5:].T
    del array
    other = pool.empty(LARGE, np.float32)
    assert address(other) != start
    del view
    again = pool.empty(LARGE, np.float32)
    assert address(again) == start


def test_idle_blocks_side_by_side_serve_a_larger_array() -> None:
    pool.trim()
    parts = [pool.empty((256, 1024), np.float32) for _ in range(8)]
    held = pool.held_bytes()
    del parts
    whole = pool.empty((8 * 256, 1024), np.float32)
    whole[...] = 1
    assert pool.held_bytes() == held
    small = [pool.empty((256, 1024), np.float32) for _ in range(4)]
    assert pool.held_bytes() > held
    del whole
    held = pool.held_bytes()
    small += [pool.empty((512, 1024), np.float32) for _ in range(4)]
    for number, array in enumerate(small):
        array[...] = number
    assert all((array == number).all() for number, array in enumerate(small))
    assert pool.held_bytes() == held


def test_what_was_given_back_to_the_system_can_be_had_again() -> None:
    arrays = [pool.empty((256, 1024), np.float32) for _ in range(8)]
    before = pool.held_bytes()
    middle, arrays[3:5] = arrays[3:5], []
    del middle
    pool.trim()
    assert pool.idle_bytes() == 0
    assert pool.held_bytes() < before
    again = pool.empty((512, 1024), np.float32)
    again[...] = 7
    assert (again == 7).all()


def test_random_leases_keep_what_was_written_and_leave_no_crumbs() -> None:
    random = np.random.default_rng(0)
    living: dict[int, Any] = {}
    for turn in range(3000):
        if living and random.random() < 0.5:
            name = list(living)[random.integers(len(living))]
            array = living.pop(name)
            assert (array == name % 251).all()
            del array
        else:
            array = pool.empty((int(random.integers(70_000, 3_000_000)),), np.uint8)
            array[...] = turn % 251
            living[turn] = array
            del array
    living.clear()
    pool.trim()
    assert pool.idle_bytes() == 0


def test_living_arrays_never_share_memory() -> None:
    arrays = [pool.empty(LARGE, np.float32) for _ in range(8)]
    for number, array in enumerate(arrays):
        array[...] = number
    assert all((array == number).all() for number, array in enumerate(arrays))


def test_idle_memory_is_bounded_and_can_be_given_back(monkeypatch: Any) -> None:
    pool.trim()
    assert pool.idle_bytes() == 0
    monkeypatch.setattr(pool, "_limit", 1 << 20)
    for _ in range(20):
        arrays = [pool.empty(LARGE, np.float32) for _ in range(12)]
        del arrays
        gc.collect()
        assert pool.idle_bytes() <= (1 << 20) * 5 // 4
    pool.trim()
    assert pool.idle_bytes() == 0


def test_a_lowered_limit_takes_effect_at_once(monkeypatch: Any) -> None:
    monkeypatch.setattr(pool, "_limit", pool._limit)
    arrays = [pool.empty(LARGE, np.float32) for _ in range(6)]
    del arrays
    assert pool.idle_bytes() > 0
    pool.set_limit(0)
    assert pool.idle_bytes() == 0


def test_threads_never_get_the_same_block() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        for turn in range(200):
            array = pool.empty((40, 1024), np.float32)
            array[...] = number * 1000 + turn
            if not (array == number * 1000 + turn).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
