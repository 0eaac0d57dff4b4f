"""Attention in float32 by kernels of our own that never hold the scores: one launch, planned once for a way of lying.

cuDNN has none in whole float32. Products go tile by tile through registers and shared memory (``tiles.cuh``); how many queries a
block takes is chosen for each size.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ....dtype import Array, float32
from ....modes import TF32, modes
from ...plans import Plans
from ..machine import Machine
from ..program import Kernel
from .operands import is_one_attention, result_like

__all__ = ["attend"]

Plan = Callable[..., Any]
PLANS: Plans[Plan] = Plans()

LEAST_WIDTH, MOST_WIDTH = 20, 128
"""Of heads: narrower ones would be zeros for the most part, wider ones find no room in registers."""
THREADS, BLOCKS_EACH = 128, 2
"""Threads of a block, and blocks for which a multiprocessor has room."""
ROOM = 113 << 10
"""Bytes of shared memory for each of them."""
ALIGNED = 16
"""What addresses and steps are multiples of, in bytes."""
LOG2_E = 1.4426950408889634


def attend(
    here: Machine, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool
) -> Any:
    """The result of an attention, or NotImplemented."""
    if modes.precision is TF32:
        return NotImplemented
    address = here.address
    a, b, c = address(query), address(key), address(value)
    name = (
        here, query.shape, query.strides, query.dtype, key.shape, key.strides, key.dtype, value.shape, value.strides, value.dtype,
        None if bias is None else (bias.shape, bias.strides, bias.dtype), scale, causal, (a | b | c) % ALIGNED,
    )  # fmt: skip
    plan = PLANS.get(name) or PLANS.make(name, _plan, here, query, key, value, bias, scale, causal)
    return plan(a, b, c, 0 if bias is None else address(bias))


def _refuse(*_: Any) -> Any:
    return NotImplemented


def _plan(
    here: Machine, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool
) -> Plan:
    if not _is_served(here, query, key, value, bias):
        return _refuse
    entries, heads, queries, width = query.shape
    keys = key.shape[2]
    make, laid = result_like(here, query, width, grouped=False)
    address = here.address
    whole, columns, most = _tiles(width)
    rows = _rows(here, entries * heads, queries, most, lambda rows: _shared(whole, columns, rows))
    parts = -(-queries // (16 * rows))
    launch = _kernel(whole, rows, columns).prepared(
        here, entries * heads * parts, THREADS, None, None, None, None, None, 0, 0, heads, queries, keys, width, parts,
        *_steps(query), *_steps(key), *_steps(value), *laid.strides[:3], *_steps_of_bias(bias), scale * LOG2_E, 1.0, 0, int(causal),
        shared=_shared(whole, columns, rows),
    )  # fmt: skip

    def compute(a: int, b: int, c: int, added: int) -> Array:
        out = make()
        launch(a, b, c, added, address(out))
        return out

    return compute


def _is_served(here: Machine, query: Array, key: Array, value: Array, bias: Array | None) -> bool:
    """Whether they are one attention's operands in float32, with as many heads of keys as of queries, that 16 bytes at a time can be read of."""
    if query.dtype != float32 or not query.ndim == key.ndim == value.ndim == 4 or key.shape != value.shape:
        return False
    if not is_one_attention(query, key, value, bias) or key.shape[:2] != query.shape[:2]:
        return False
    width = query.shape[3]
    if (
        not LEAST_WIDTH <= width <= MOST_WIDTH
        or width % 4
        or not all(is_read_in_pieces(here, a) for a in (query, key, value))
    ):
        return False
    if bias is None:
        return True
    lead = bias.shape[:-2]
    return len(lead) <= 2 and all(n in (1, most) for n, most in zip(lead[::-1], query.shape[1::-1], strict=False))


def is_read_in_pieces(here: Machine, array: Array) -> bool:
    """Whether rows lie without gaps at multiples of 16 bytes, not too far from one another."""
    outer = zip(array.shape[:3], array.strides[:3], strict=True)
    near = abs(array.strides[2]) < array.itemsize << 31
    whole = near and array.strides[3] == array.itemsize and here.address(array) % ALIGNED == 0
    return whole and all(n == 1 or step % ALIGNED == 0 for n, step in outer)


def _tiles(width: int) -> tuple[int, int, int]:
    """The columns that tiles are compiled for, an eighth of the keys that one has, and the most rows of a thread: what registers hold."""
    whole = -(-width // 16) * 16
    return whole, 8 if whole <= 64 else 4, 8 if whole <= 96 else 7


def _shared(whole: int, columns: int, rows: int) -> int:
    """Bytes of shared memory of the kernel: queries, keys, values, weights, and bits of what is dropped."""
    return 4 * (16 * rows + 16 * columns) * (whole + 4) + 4 * 16 * rows * (8 * columns + 8) + 8 * 16 * rows


def _rows(here: Machine, heads: int, count: int, most: int, shared: Callable[[int], int]) -> int:
    """How many rows a thread takes: so that the last block of each head is full, and that small attentions reach many processors."""
    fitting = [rows for rows in range(2, most + 1) if shared(rows) <= min(ROOM, here.shared_memory)] or [1]

    def cost(rows: int) -> float:
        blocks = heads * -(-count // (16 * rows))
        return max(1.0, blocks / (here.processors * BLOCKS_EACH)) * (
            rows + 2
        )  # what does not hang on rows is about two of them

    return min(fitting, key=cost)


@cache
def _kernel(whole: int, rows: int, columns: int) -> Kernel:
    signature = "P" * 7 + "qiiii" + "qqi" * 4 + "qqqqffIi"
    return Kernel("attention_tiled.cu", "attention_tiled", signature, WIDTH=whole, ROWS=rows, COLUMNS=columns, DROPS=0)


def _steps(array: Array) -> list[int]:
    """Numbers from one entry, head and row to the next."""
    return [step // array.itemsize for step in array.strides[:3]]


def _steps_of_bias(bias: Array | None) -> list[int]:
    """The same of a bias, and from key to key; 0 where it is repeated."""
    if bias is None:
        return [0] * 4
    own = [0 if n == 1 else step // bias.itemsize for n, step in zip(bias.shape, bias.strides, strict=True)]
    return [0] * (4 - len(own)) + own
