"""How attention by tiles is cut for a size (``source/tiles.cuh``): the rows of a block, the columns it walks over at a time, and the memory for both.

The columns are eight times those of a lane. Of rows a thread takes as many as registers and shared memory hold for two blocks on a
multiprocessor, or fewer: so that the last block of each head is full, and that a small attention reaches many processors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ..machine import Machine
from ..program import Kernel

__all__ = ["LEAST_WIDTH", "MOST_WIDTH", "THREADS", "Cut", "cut"]

LEAST_WIDTH, MOST_WIDTH = 20, 128
"""Of heads: narrower ones would be zeros for the most part, wider ones find no room in registers."""
THREADS, BLOCKS_EACH = 128, 2
"""Threads of a block, and blocks for which a multiprocessor has room."""
ROOM = 113 << 10
"""Bytes of shared memory for each of them."""
BESIDE = 2
"""What a block does beside its products, counted in the rows that a thread could take meanwhile."""

FORWARD = "P" * 7 + "qiiii" + "qqi" * 4 + "qqqqffIi"
BACKWARD = "P" * 11 + "qiiii" + "qqi" * 7 + "qqqqfffIi"


@dataclass(frozen=True)
class Cut:
    """One way of cutting: columns of tiles (the width of a head, made whole), and what a thread has of rows and of columns."""

    way: str
    width: int
    rows: int
    columns: int

    @property
    def shared(self) -> int:
        """Bytes of shared memory: tiles of rows and of columns (two of each, of rows one on the way there), weights, and bits of what is dropped."""
        rows, columns = 16 * self.rows, 8 * self.columns
        tiles = (1 if self.way == "forward" else 2) * rows + 2 * columns
        lines = 4 * columns if self.way == "keys" else rows
        return 4 * tiles * (self.width + 4) + 4 * rows * (columns + 8) + 8 * lines

    def parts(self, count: int) -> int:
        """Blocks for so many rows."""
        return -(-count // (16 * self.rows))

    def kernel(self, drops: bool) -> Kernel:
        """What computes so: ``forward``, or backward with a block's rows being ``queries`` or ``keys``."""
        return _kernel(self, drops)


def cut(here: Machine, way: str, width: int, heads: int, count: int) -> Cut:
    """The cut for so many rows (queries, or keys) of each of so many heads of a width."""
    whole = -(-width // 16) * 16
    columns = 8 if way == "forward" and whole <= 64 else 4
    most = 7 if way == "forward" and whole > 96 else 8
    room = min(ROOM, here.shared_memory)
    ways = [Cut(way, whole, rows, columns) for rows in range(1, most + 1)]
    fitting = [each for each in ways[1:] if each.shared <= room] or ways[:1]

    def cost(each: Cut) -> float:
        waves = heads * each.parts(count) / (here.processors * BLOCKS_EACH)
        return max(1.0, waves) * (each.rows + BESIDE)

    return min(fitting, key=cost)


@cache
def _kernel(each: Cut, drops: bool) -> Kernel:
    definitions = {"WIDTH": each.width, "ROWS": each.rows, "COLUMNS": each.columns, "DROPS": int(drops)}
    if each.way == "forward":
        return Kernel("attention_tiled.cu", "attention_tiled", FORWARD, **definitions)
    definitions["KEYS_ARE_ROWS"] = int(each.way == "keys")
    return Kernel("attention_tiled_backward.cu", "attention_tiled_backward", BACKWARD, **definitions)
