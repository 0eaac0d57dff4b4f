"""Stretches of address space: cut, joined, extended and released."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from numzoo.engine.kernels.cpu import ground
from numzoo.engine.kernels.cpu.ground import Ground

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _small_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground, "SMALLEST_REGION", 4 * MIB)
    monkeypatch.setattr(ground, "LARGEST_REGION", 16 * MIB)


def test_neighbours_are_joined_whatever_order_they_come_in() -> None:
    land = Ground()
    starts = [land.extend(MIB) for _ in range(4)]
    assert starts == [starts[0] + i * MIB for i in range(4)]
    land.give([(starts[2], MIB)])
    land.give([(starts[0], MIB), (starts[3], MIB), (starts[1], MIB)])
    assert land.free == [(starts[0], 4 * MIB)]
    assert land.take(4 * MIB) == starts[0]
    assert land.take(1) is None


def test_the_lowest_stretch_that_is_long_enough_is_cut() -> None:
    land = Ground()
    start = land.extend(8 * MIB)
    land.give([(start, MIB), (start + 2 * MIB, 3 * MIB), (start + 6 * MIB, 2 * MIB)])
    assert land.take(2 * MIB) == start + 2 * MIB
    assert land.take(MIB) == start
    assert land.free_bytes() == 3 * MIB


def test_what_is_free_at_the_edge_is_extended() -> None:
    land = Ground()
    first, second = land.extend(MIB), land.extend(MIB)
    land.give([(second, MIB)])
    assert land.extend(3 * MIB) == second
    assert land.held == 4 * MIB
    assert land.free == []
    assert land.top == first + 4 * MIB


def test_released_stretches_hold_no_memory_and_serve_again() -> None:
    land = Ground()
    starts = [land.extend(MIB) for _ in range(4)]
    land.give([(starts[1], MIB), (starts[3], MIB)])
    land.release(1)
    assert (land.held, land.free_bytes()) == (3 * MIB, MIB)
    assert land.top == starts[3]
    land.release(MIB)
    assert (land.held, land.free_bytes()) == (2 * MIB, 0)
    assert land.extend(MIB) == starts[1]
    assert land.extend(MIB) == starts[3]
    assert land.held == 4 * MIB


def test_a_full_region_is_followed_by_another() -> None:
    land = Ground()
    starts = [land.extend(5 * MIB) for _ in range(6)]
    starts.append(land.extend(40 * MIB))
    assert len(land.regions) > 2
    sizes = [5 * MIB] * 6 + [40 * MIB]
    ends = [start + size for start, size in zip(starts, sizes, strict=True)]
    order = sorted(range(7), key=lambda i: starts[i])
    assert all(ends[a] <= starts[b] for a, b in itertools.pairwise(order))
    land.give(list(zip(starts, sizes, strict=True)))
    land.release(land.free_bytes())
    assert land.held == 0


def test_a_system_that_refuses_gets_smaller_wishes(monkeypatch: pytest.MonkeyPatch) -> None:
    wishes: list[int] = []
    real = ground._mapped

    def reluctant(length: int) -> Any:
        wishes.append(length)
        if length > 5 * MIB:
            raise OSError
        return real(length)

    monkeypatch.setattr(ground, "_mapped", reluctant)
    Ground().extend(MIB)
    assert wishes == [16 * MIB, 8 * MIB, 4 * MIB]
    with pytest.raises(MemoryError, match="bytes of memory"):
        Ground().extend(6 * MIB)


def test_random_stretches_never_overlap() -> None:
    draw, land = random.Random(0), Ground()
    living: list[tuple[int, int]] = []
    for _ in range(2000):
        if living and draw.random() < 0.5:
            land.give([living.pop(draw.randrange(len(living)))])
            if draw.random() < 0.1:
                land.release(draw.randrange(4 * MIB))
            continue
        size = draw.randrange(1, 64) * 4096
        start = land.take(size) or land.extend(size)
        assert all(start + size <= other or other + length <= start for other, length in living)
        living.append((start, size))
        assert land.held == land.free_bytes() + sum(length for _, length in living)
