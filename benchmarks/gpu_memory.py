"""What steps of models need of a GPU's memory, counted without one: every array that our Python asks for, and CuPy's pool.

    python benchmarks/gpu_memory.py --models resnet50 bert --modes training --batches 32 64
    python benchmarks/gpu_memory.py --models bert --modes training --batches 64 --lines    # which lines hold it when it is most

A GPU that computes nothing takes the work (``null_gpu.py``); what cuDNN borrows is missing. "weights" is what the model holds between
steps, "most" what arrays hold at once, "reserved" what a pool as CuPy's has had from the driver for it: the rest lies between pieces.
"""

from __future__ import annotations

import argparse
import bisect
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType, SimpleNamespace
from typing import Any

import gpu_cases
import null_gpu
import numpy as np
from rounds import CHECKOUT

MIB = 1 << 20
UNIT = 512
DEEP = 5
"""So many of our lines are told of each array."""


class Block:
    """A piece of a chunk that was had from the driver, where it begins, and its neighbours there."""

    def __init__(self, at: int, size: int, before: Block | None = None, after: Block | None = None) -> None:
        self.at, self.size, self.before, self.after, self.free = at, size, before, after, False


class Driver:
    """What gives chunks, and counts what is out."""

    def __init__(self) -> None:
        self.given = self.most = self.calls = 0
        self._place = 1 << 42

    def have(self, size: int) -> int:
        """Where a chunk begins."""
        here, self._place = self._place, self._place + size
        self.given += size
        self.calls += 1
        self.most = max(self.most, self.given)
        return here


class Pool:
    """CuPy's memory pool: the smallest free block that fits, cut to size; neighbours that are free are joined."""

    def __init__(self, have: Callable[[int], int]) -> None:
        """``have`` gives a chunk."""
        self.held = self.most = 0
        self._have = have
        self._free: dict[int, dict[int, Block]] = {}
        self._sizes: list[int] = []

    def malloc(self, size: int) -> Block:
        """A block of at least so many bytes."""
        size = max(UNIT, -(-size // UNIT) * UNIT)
        place = bisect.bisect_left(self._sizes, size)
        if place < len(self._sizes):
            block = next(iter(self._free[self._sizes[place]].values()))
            self._take(block)
        else:
            block = Block(self._have(size), size)
        if block.size > size:
            rest = Block(block.at + size, block.size - size, block, block.after)
            if rest.after is not None:
                rest.after.before = rest
            block.after, block.size = rest, size
            self._give(rest)
        self.held += size
        self.most = max(self.most, self.held)
        return block

    def release(self, block: Block) -> None:
        """Let others have it."""
        self.held -= block.size
        after, before = block.after, block.before
        if after is not None and after.free:
            self._take(after)
            block.size, block.after = block.size + after.size, after.after
            if block.after is not None:
                block.after.before = block
        if before is not None and before.free:
            self._take(before)
            before.size, before.after = before.size + block.size, block.after
            if before.after is not None:
                before.after.before = before
            block = before
        self._give(block)

    def free_all_blocks(self) -> list[Block]:
        """Let go of whole chunks, and give them."""
        given = []
        for blocks in list(self._free.values()):
            for block in list(blocks.values()):
                if block.before is None and block.after is None:
                    self._take(block)
                    given.append(block)
        return given

    def _give(self, block: Block) -> None:
        block.free = True
        if block.size not in self._free:
            bisect.insort(self._sizes, block.size)
        self._free.setdefault(block.size, {})[id(block)] = block

    def _take(self, block: Block) -> None:
        block.free = False
        blocks = self._free[block.size]
        del blocks[id(block)]
        if not blocks:
            del self._free[block.size]
            del self._sizes[bisect.bisect_left(self._sizes, block.size)]


class Held:
    """One array's memory, as long as the array or a view of it lives."""

    living: dict[int, tuple[int, str]] | None = None
    """The bytes and lines of those that live, where that is asked for."""
    at_most: tuple[int, list[tuple[int, str]]] = (0, [])

    def __init__(self, pool: Pool, size: int) -> None:
        self._pool, self._block = pool, pool.malloc(size)
        self.at = self._block.at
        if Held.living is not None:
            Held.living[id(self)] = size, lines(sys._getframe(2))
            if pool.held > Held.at_most[0] + 16 * MIB:
                Held.at_most = pool.held, list(Held.living.values())

    def __del__(self) -> None:
        if Held.living is not None:
            Held.living.pop(id(self), None)
        self._pool.release(self._block)


class Lent(null_gpu.cupy.cuda.UnownedMemory):  # type: ignore[misc]
    """Memory that takes attributes, as that of CuPy's pools does."""


def lines(frame: FrameType | None) -> str:
    """The lines of ours, but for the kernels', that asked for memory."""
    found: list[str] = []
    while frame is not None and len(found) < DEEP:
        name = frame.f_code.co_filename.rpartition("/numzoo/")[2]
        if name != frame.f_code.co_filename and not name.startswith(
            ("engine/kernels", "engine/op.py", "engine/nn/module")
        ):
            found.append(f"{name}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(found)


class Memory:
    """What ``cupy.cuda`` has for memory: pools, and which of them serves now."""

    def __init__(self) -> None:
        self.driver = Driver()
        self.pool = Pool(self._have)
        self._now: Callable[[int], Any] = partial(self._from, self.pool)

    def _have(self, size: int) -> int:
        """What the engine lets CuPy's pool do when it grows."""
        from numzoo.engine.capturing import in_capture
        from numzoo.engine.cuda.growth import gives_back

        if not in_capture() and gives_back(size, self.driver.given - self.pool.held, self.driver.given):
            self.free_all_blocks()
        return self.driver.have(size)

    def had(self, size: int) -> Any:
        """Memory of the pool that serves now."""
        return self._now(size)

    def _from(self, pool: Pool, size: int) -> Any:
        held = Held(pool, size)
        return null_gpu.cupy.cuda.MemoryPointer(Lent(held.at, size, held, 0), 0)

    def private(self, allocator: Any) -> Any:
        """Another pool, as ``cupy.cuda.MemoryPool``, with chunks of this one."""
        chunks: dict[int, Any] = {}

        def have(size: int) -> int:
            chunk = allocator(size)
            chunks[chunk.ptr] = chunk
            return int(chunk.ptr)

        pool = Pool(have)

        def free_all_blocks() -> None:
            for block in pool.free_all_blocks():
                del chunks[block.at]

        return SimpleNamespace(malloc=partial(self._from, pool), free_all_blocks=free_all_blocks)

    def free_all_blocks(self) -> None:
        """Of the pool of everything but captured steps."""
        self.driver.given -= sum(block.size for block in self.pool.free_all_blocks())

    def again(self) -> None:
        """Count the most anew."""
        self.pool.most, self.driver.most = self.pool.held, self.driver.given

    @contextmanager
    def using(self, allocator: Any) -> Iterator[None]:
        """A pool's allocator serves."""
        before, self._now = self._now, allocator
        try:
            yield
        finally:
            self._now = before

    def install(self) -> None:
        """Let the GPU that computes nothing have its memory here."""

        def apart(shape: Any, dtype: Any) -> Any:
            return null_gpu.Array(shape, dtype, self.had(null_gpu.Array(shape, dtype, null_gpu._place).nbytes))

        def lasting(size: int) -> Any:
            return null_gpu.Array((size,), np.uint8, null_gpu._place)  # apart, and as long as the process

        null_gpu.apart = apart
        here = null_gpu.install()
        import cupy

        from numzoo.engine.kernels.cuda import machine

        here.memory = self.had
        here.lying = machine.laid(SimpleNamespace(ndarray=null_gpu.Array, cuda=cupy.cuda), self.had)
        here.lasting, pool, driver = lasting, self.pool, self.driver
        here.xp.get_default_memory_pool = lambda: SimpleNamespace(
            free_all_blocks=self.free_all_blocks, used_bytes=lambda: pool.held, total_bytes=lambda: driver.given,
            free_bytes=lambda: driver.given - pool.held,
        )  # fmt: skip
        cuda = here.xp.cuda
        cuda.MemoryPool, cuda.using_allocator = self.private, self.using
        cuda.get_allocator, cuda.alloc = lambda: self._now, self.had


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=gpu_cases.MODELS, choices=gpu_cases.MODELS)
    parser.add_argument("--modes", nargs="+", default=("training",), choices=("inference", "training"))
    parser.add_argument("--precisions", nargs="+", default=("f32", "bf16"), choices=gpu_cases.PRECISIONS)
    parser.add_argument("--batches", nargs="+", type=int, default=[32])
    parser.add_argument("--captured", action="store_true", help="captured steps beside plain ones")
    parser.add_argument("--lines", action="store_true", help="the lines that hold most of it when it is most")
    given = parser.parse_args()
    sys.path.insert(0, str(CHECKOUT))
    memory = Memory()
    memory.install()
    pool, driver = memory.pool, memory.driver
    import gpu_numzoo

    side = gpu_numzoo.Numzoo("cuda", measured=False)
    for name in given.models:
        for mode in given.modes:
            side.build(name, mode == "training")
            for precision in given.precisions:
                for batch in given.batches:
                    for way in ("plain", "captured") if given.captured else ("plain",):
                        side.empty()
                        memory.again()
                        step = side.step(precision, batch, way)
                        for _ in range(5):
                            step()
                        driver.calls = 0
                        step()
                        calls = f", {driver.calls} pieces in the last step" if driver.calls else ""
                        now, most, reserved = driver.given, pool.most, driver.most
                        told = largest(step) if given.lines and way == "plain" else []
                        del step
                        side.empty()
                        gc.collect()
                        print(
                            f"{name:<13}{mode:<10}{precision:<5}{batch:>4} {way:<9} weights {pool.held // MIB:6} MiB  "
                            f"most {most // MIB:6} MiB  reserved {now // MIB:6} MiB, at most {reserved // MIB:6} MiB{calls}",
                            *told, sep="\n", flush=True,
                        )  # fmt: skip
            side.drop()
            gc.collect()
            memory.free_all_blocks()
            if pool.held:
                print(f"{pool.held} bytes are held by what outlives the model")


def largest(step: Any) -> list[str]:
    """The lines whose arrays hold most of the memory when a step holds most."""
    Held.living, Held.at_most = {}, (0, [])
    step()
    step()
    sums: dict[str, tuple[int, int]] = {}
    for size, place in Held.at_most[1]:
        count, total = sums.get(place, (0, 0))
        sums[place] = count + 1, total + size
    Held.living = None
    ranked = sorted(sums.items(), key=lambda item: -item[1][1])[:12]
    return [f"  {total / MIB:9.1f} MiB in {count:4}  {place}" for place, (count, total) in ranked]


if __name__ == "__main__":
    main()
