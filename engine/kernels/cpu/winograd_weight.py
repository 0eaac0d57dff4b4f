"""The gradient of a 3 x 3 convolution by its weight, by Winograd's F(3 x 3, 4 x 4): see winograd.py, whose tiles these are.

The 4 x 4 pixels g of what flows back that belong to a tile, and the 6 x 6 pixels d that it sees, give 3 x 3 sums:
A^T ((G g G^T) * (B^T d B)) A, with matrices for 3 results of 4 terms each. Over all tiles they are 36 products of matrices,
(K, tiles) times (tiles, C), added up block by block; the last step, back to 3 x 3, is taken once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import pool, winograd
from .library import Library
from .memory import FLOAT32, Array, Layout, address, dense_strides
from .plans import Plan
from .primitive import DESTINATION, SOURCE, WEIGHTS, describe, describe_reorder
from .reorder import as_channels_last
from .winograd_tiles import (
    PLACES,
    TILE,
    CannotError,
    Copy,
    Geometry,
    Matrix,
    Run,
    Sight,
    count_tiles,
    scratch,
    transforms,
)

Pair = tuple[int, int]
Shape = tuple[int, ...]

KERNEL = 9
CHANNELS_PER_TILE = 4  # so many tiles a block that adding its products to the sum costs little


def pays(grad: Array, x: Array, weight: Shape, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> bool:
    """Whether this gradient can be computed here, and faster than by oneDNN's direct sums."""
    return (
        x.dtype == FLOAT32
        and weight[2:] == (3, 3)
        and stride == dilation == (1, 1)
        and groups == 1
        and max(padding) <= 2
        and min(weight[:2]) >= winograd.FEWEST_CHANNELS
        and _tiles(grad.shape) >= winograd.FEWEST_TILES_FRESH
    )


def plan_weight(library: Library, grad: Array, x: Array, shape: Shape, padding: Pair, direct: Plan) -> Plan | None:
    """The plan of a gradient for which `pays` holds; `direct` computes what this cannot. None where oneDNN refuses."""
    outs, ins = shape[:2]
    pairs = outs * ins
    try:
        geometry = _Geometry(library, x, grad.shape, padding, False)
        groups = geometry.groups()
        finish = geometry.product((KERNEL, PLACES), pairs)
        arrange = Geometry.compile(
            describe_reorder(
                library, Layout(library, (pairs, KERNEL), FLOAT32, (1, pairs)),
                Layout(library, (pairs, KERNEL), FLOAT32, (KERNEL, 1)),
            ), (SOURCE, DESTINATION),
        )  # fmt: skip
    except CannotError:
        return None
    most = geometry.most
    take = scratch(geometry.frame, (PLACES, most, max(ins, outs)), (PLACES, most, ins), (TILE * TILE, most, outs))
    sums, last = pool.allocator((PLACES, outs, ins), FLOAT32), pool.allocator((KERNEL, pairs), FLOAT32)
    allocate, fetch = pool.allocator(shape, FLOAT32), as_channels_last(library, grad)

    def compute(grad: Array, x: Array) -> Array:
        upstream = fetch(grad)
        arrays = take()
        frame, seen, tiles, given = map(address, arrays)
        geometry.clear_sides(arrays[0])
        total = part = sums()
        first = True
        for source, flow, blocks in groups:
            for block in blocks:
                block.sight.look(address(x) + source, arrays[0], frame, seen)
                block.sight.transform(winograd.INPUT.start, seen, tiles)
                if block.cut:
                    arrays[3][...] = 0
                for gather, read, written in block.flows:
                    gather(address(upstream) + flow + read, given + written)
                block.spread(_FLOW.start, given, seen)  # over what the tiles come from
                block.multiply(seen, tiles, address(part))
                if first:
                    first, part = False, sums()
                else:
                    np.add(total, part, out=total)
        kernels, result = last(), allocate()
        finish(_BACK.start, address(total), address(kernels))
        arrange(address(kernels), address(result))
        # A tile mixes its pixels, so what is not finite would spread.
        return result if np.isfinite(result.sum()) else direct(grad, x)

    return compute


@dataclass(frozen=True)
class _Block:
    """All steps for some rows of tiles."""

    sight: Sight
    cut: bool  # whether some tiles hang over the edge, so that zeros stand there
    flows: list[Copy]
    spread: Run
    multiply: Run


class _Geometry(Geometry):
    """The steps of this gradient."""

    def fewest_tiles(self) -> int:
        channels: int = self.ins + self.outs
        return channels // CHANNELS_PER_TILE

    def block(self, images: int, row: int, rows: int) -> _Block:
        real = images * rows * self.across
        room = self.padded(real)
        cut = bool(self.out_width % TILE) or (row + rows) * TILE > self.out_height
        outs, ins = (PLACES, self.outs, real), (PLACES, real, self.ins)
        result = (PLACES, self.outs, self.ins)
        multiply = describe(
            self.library, "matmul", Layout(self.library, outs, FLOAT32, (room * self.outs, 1, self.outs)),
            Layout(self.library, ins, FLOAT32, (room * self.ins, self.ins, 1)), None,
            Layout(self.library, result, FLOAT32, dense_strides(result)),
        )  # fmt: skip
        return _Block(
            self.sight(images, row, rows), cut, self.moves(images, row, rows, inward=True),
            self.product((PLACES, TILE * TILE), room * self.outs),
            self.compile(multiply, (SOURCE, WEIGHTS, DESTINATION)),
        )  # fmt: skip


def _tiles(shape: Shape) -> int:
    return shape[0] * count_tiles(shape[2]) * count_tiles(shape[3])


def _matrices() -> tuple[Matrix, Matrix]:
    """G (x) G (36, 16) for 4 x 4 pixels, and A^T (x) A^T (9, 36)."""
    _, out, kernel = transforms(3)
    return Matrix(np.kron(kernel, kernel)), Matrix(np.kron(out, out))


_FLOW, _BACK = _matrices()
