"""When idle memory goes back to the driver: where much of it lies in pieces that are too short for what is asked."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import pytest

from numzoo.engine.capturing import Capturing, capturing
from numzoo.engine.cuda import growth

MIB = 1 << 20


@pytest.mark.parametrize(
    ("size", "idle", "total", "goes"),
    [
        (64 * MIB, 96 * MIB, 256 * MIB, True),
        (64 * MIB, 64 * MIB, 256 * MIB, True),
        (64 * MIB, 63 * MIB, 128 * MIB, False),
        (64 * MIB, 64 * MIB, 300 * MIB, False),
        (16 * MIB, 96 * MIB, 256 * MIB, False),
        (64 * MIB, 0, 0, False),
    ],
    ids=["much", "just enough", "too little", "a small part", "a short piece", "none"],
)
def test_much_idle_memory_goes_back_before_more_is_had(size: int, idle: int, total: int, goes: bool) -> None:
    assert growth.gives_back(size, idle, total) is goes


class Pool:
    """CuPy's pool and driver: pieces of 32 MiB that lie idle, beside so many bytes in use."""

    def __init__(self, idle: int, used: int) -> None:
        self.used, self.total, self.asked = used, idle + used, []  # type: ignore[var-annotated]

    def total_bytes(self) -> int:
        return self.total

    def free_bytes(self) -> int:
        return self.total - self.used

    def free_all_blocks(self) -> None:
        self.total = self.used + self.asked[-1]

    def grow(self, allocator: Any, size: int) -> Any:
        """As CuPy's pool does: it counts what it asks for first."""
        self.total += size
        self.asked.append(size)
        return allocator(size)


@pytest.mark.parametrize(("used", "left"), [(128 * MIB, 0), (512 * MIB, 96 * MIB)])
def test_a_pool_counts_what_it_asks_for_as_its_own(used: int, left: int) -> None:
    pool, had = Pool(96 * MIB, used), []
    allocator = growth._grown(pool, lambda size: had.append(size) or "memory")  # type: ignore[func-returns-value]
    assert pool.grow(allocator, 64 * MIB) == "memory"
    assert had == [64 * MIB]
    assert pool.total == used + left + 64 * MIB


def test_nothing_goes_back_to_the_driver_in_a_capture() -> None:
    pool = Pool(96 * MIB, 0)
    allocator = growth._grown(pool, lambda size: size)
    with capturing(Capturing()):
        pool.grow(allocator, 64 * MIB)
    assert pool.total == 160 * MIB


class Lender:
    """A pool that counts its memory, and forgets it when it is given an allocator, or does not."""

    def __init__(self, forgets: bool = False) -> None:
        self.had = 0 if getattr(self, "forgets", True) else self.had  # type: ignore[has-type]
        self.forgets = getattr(self, "forgets", forgets)

    def malloc(self, size: int) -> str:
        self.had += 512
        return "memory"

    def total_bytes(self) -> int:
        return self.had

    def free_all_blocks(self) -> None:
        """What is free goes back."""


@pytest.mark.parametrize("forgets", [False, True])
def test_a_pool_that_would_forget_what_arrays_hold_is_left_alone(forgets: bool) -> None:
    assert growth.keeps_what_it_has(Lender(forgets)) is not forgets
    touched: list[Any] = []
    pool = SimpleNamespace(__init__=touched.append)
    cuda = SimpleNamespace(MemoryPool=lambda: Lender(forgets))
    growth.install(SimpleNamespace(cuda=cuda, get_default_memory_pool=lambda: pool))
    assert len(touched) == (not forgets)


def test_cupy_s_own_pool_grows_so(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed, whose pool this is")
    monkeypatch.setattr(growth, "keeps_what_it_has", lambda pool: True)  # which asks a driver for memory
    pool = cupy.cuda.MemoryPool()  # one that nobody uses
    growth.install(SimpleNamespace(cuda=cupy.cuda, get_default_memory_pool=lambda: pool))
    assert [each.__module__ for each in gc.get_referents(pool) if callable(each)] == [growth.__name__]
