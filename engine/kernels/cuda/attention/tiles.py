"""How attention by tiles is cut for a size (``source/tiles.cuh``): the rows of a block, the columns it walks over at a time, and the memory for both.

The columns are eight times those of a lane. Of rows a thread takes as many as registers and shared memory hold for two blocks on a
multiprocessor, or fewer: so that the last block of each head is full, and that a small attention reaches many processors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ..machine import Machine
from ..program import Kernel

__all__ = ["LEAST_WIDTH", "MOST_WIDTH", "THREADS", "Cut", "cut", "cuts_back"]

LEAST_WIDTH, MOST_WIDTH = 20, 128
"""Of heads: narrower ones would be zeros for the most part, wider ones find no room in registers."""
MOST_AT_ONCE = 96
"""The width up to which registers hold the gradients of keys and values and a part of the queries'."""
THREADS, BLOCKS_EACH = 128, 2
"""Threads of a block, and blocks for which a multiprocessor has room."""
ROOM = 113 << 10
"""Bytes of shared memory for each of them."""
BESIDE = 2
"""What a block does beside its products, counted in the rows that a thread could take meanwhile."""

WAYS = {"forward": 2, "queries": 3, "keys": 4, "heads": 5}
"""What a block's rows are, on the way there and on the way back (see the sources), and how many products it makes of each tile."""
FORWARD = "P" * 7 + "qiiii" + "qqi" * 4 + "qqqqffIi"
BACKWARD = "P" * 12 + "qiiii" + "qqi" * 8 + "qqqqfffIi"


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
        rows, columns, pitch = 16 * self.rows, 8 * self.columns, self.width + 4
        lines = 4 * columns if self.way in ("keys", "heads") else rows
        behind = 8 * columns * pitch + 4 * rows * (columns + 8) + 8 * lines
        if self.way == "heads":  # where four warps add up what they have for a tile of queries
            behind = max(behind, 16 * columns * pitch)
        return 4 * (1 if self.way == "forward" else 2) * rows * pitch + behind

    def parts(self, count: int) -> int:
        """Tiles of so many rows."""
        return -(-count // (16 * self.rows))

    def cost(self, here: Machine, heads: int, count: int, others: int) -> float:
        """About how long it takes, for so many rows of each of so many heads and so many others that a block walks over."""
        slots, parts = here.processors * BLOCKS_EACH, self.parts(count)
        turns = -(-heads // slots) * parts if self.way == "heads" else -(-heads * parts // slots)
        return turns * (self.rows + BESIDE) * WAYS[self.way] * others

    def kernel(self, drops: bool) -> Kernel:
        """What computes so."""
        return _kernel(self, drops)


def cut(here: Machine, way: str, width: int, heads: int, count: int, others: int) -> Cut:
    """The cut for so many rows (queries, or keys) of each of so many heads of a width, which meet so many others."""
    whole = -(-width // 16) * 16
    columns = 8 if way == "forward" and whole <= 64 else 4
    most = 7 if way == "forward" and whole > 96 else 8
    room = min(ROOM, here.shared_memory)
    ways = [Cut(way, whole, rows, columns) for rows in range(1, most + 1)]
    fitting = [each for each in ways[1:] if each.shared <= room] or ways[:1]
    return min(fitting, key=lambda each: each.cost(here, heads, count, others))


def cuts_back(here: Machine, width: int, heads: int, queries: int, keys: int) -> tuple[Cut, ...]:
    """The launches of the way back: one whose blocks have whole heads where there are enough of them, else one for queries and one for keys."""
    two = (cut(here, "queries", width, heads, queries, keys), cut(here, "keys", width, heads, keys, queries))
    if width > MOST_AT_ONCE:
        return two
    one = cut(here, "heads", width, heads, keys, queries)
    apart = two[0].cost(here, heads, queries, keys) + two[1].cost(here, heads, keys, queries)
    return (one,) if one.cost(here, heads, keys, queries) <= apart else two


@cache
def _kernel(each: Cut, drops: bool) -> Kernel:
    definitions = {"WIDTH": each.width, "ROWS": each.rows, "COLUMNS": each.columns, "DROPS": int(drops)}
    if each.way == "forward":
        return Kernel("attention_tiled.cu", "attention_tiled", FORWARD, **definitions)
    definitions["WAY"] = list(WAYS).index(each.way) - 1
    return Kernel("attention_tiled_backward.cu", "attention_tiled_backward", BACKWARD, **definitions)
