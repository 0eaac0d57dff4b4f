"""The kernels of ``attention.cu``, and dropout's numbers and masks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from ....capturing import before_each_replay, in_capture, keep_in_capture, lasting_memory
from ....dtype import Array, Dtype
from ....ops.layers.dropping import threshold
from ....random import default_generator
from ..elementwise.operations import elementwise_kernel
from ..layout import THREADS, blocks_for
from ..machine import Machine, machine
from ..program import Kernel, scalars

__all__ = ["drawn_mask", "dropped_from", "kernels", "seed_memory", "threads_for"]

Key = tuple[int, int]
WORD, SINGLE = np.dtype(np.uint64), np.dtype(np.float32)
WRITTEN: dict[tuple[Machine, int, Key], Array] = {}
"""Dropout's numbers that lie on a GPU, written on a stream, and wait for the way back."""
MOST_WRITTEN = 256
WRITERS: dict[int, Callable[..., None]] = {}
dropped_from = elementwise_kernel("drop")


def drawn_mask(seed: Key, block: int, shape: tuple[int, ...], p: float) -> Array:
    """The mask of a block: booleans, each False with probability p, from Philox's stream with this key and the block for a counter."""
    here = machine()
    mask = here.empty(shape, np.dtype(np.bool_))
    bits, limit = threshold(p)
    memory = seed_memory(here, seed)
    grid = blocks_for(here, mask.size, 256 // bits)
    launch = kernels(SINGLE)["mask"]
    launch(grid, THREADS, here.address(mask), mask.size, here.address(memory), block, limit, bits)
    return mask


def threads_for(keys: int) -> int:
    """Threads for a row of so many scores: few for a short one."""
    return min(THREADS, -(-keys // 32) * 32)


def seed_memory(here: Machine, seed: Key) -> Array:
    """Two numbers on the GPU that say what dropout drops. In a capture each replay writes new ones there first."""
    if not in_capture():
        place = (here, here.stream(), seed)
        memory = WRITTEN.pop(place, None)
        if memory is None:
            memory = here.empty((2,), WORD)
            write = WRITERS.get(id(here))
            if write is None:
                write = WRITERS[id(here)] = kernels(SINGLE)["seed"].prepared(here, 1, 1, None, None, None)
            write(here.address(memory), *seed)
            if len(WRITTEN) >= MOST_WRITTEN:
                WRITTEN.clear()
            WRITTEN[place] = memory  # the way back asks for the same
        return memory
    write = kernels(SINGLE)["seed"]

    def make() -> Array:
        with lasting_memory():
            memory = here.empty((2,), WORD)

        def draw() -> None:
            # By a launch: a copy from ordinary memory may wait for the GPU.
            first, second = default_generator().numpy.bit_generator.random_raw(2)
            write(1, 1, here.address(memory), int(first), int(second))

        before_each_replay(draw)
        return memory

    return keep_in_capture(f"attention {seed}", make)


@cache
def kernels(dtype: Dtype) -> dict[str, Kernel]:
    """The kernels of ``attention.cu`` for operands of a dtype, by what they do."""
    signatures = {
        "softmax": "PPqqqqqqqqqi", "gradient": "PPqq", "mask": "PqPQIi", "seed": "PQQ", "bias": "PPqqqqqqqqW", "hidden": "PPP" + "q" * 16,
    }  # fmt: skip
    names = scalars(dtype)
    wide = "d" if names["WIDE"] == "double" else "f"
    return {
        name: Kernel("attention.cu", f"attention_{name}", signature.replace("W", wide), **names)
        for name, signature in signatures.items()
    }
