"""The tiles of Winograd's convolutions (winograd.py says what they are): how they are cut from images, and put back."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import pool, threads
from .library import Library
from .memory import BYTE, FLOAT32, Array, Layout, address, dense_strides, element_strides
from .primitive import DESTINATION, SOURCE, WEIGHTS, Description, Primitive, describe, describe_reorder

Pair = tuple[int, int]
Shape = tuple[int, ...]

# What a block needs on its way should stay in the third-level cache, and reading all weights once a block should pay.
BLOCK_BYTES = 6 << 20  # for each thread
CHANNELS_PER_TILE = 8
ALIGNMENT = 4096  # bytes

TILE = 4  # results along an axis of a tile
SPAN = 6  # pixels that they see
PLACES = SPAN * SPAN
FLOATS_OF_TILE = 72  # for each channel: what a step reads and what it writes
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)

Run = Callable[..., None]
Copy = tuple[Run, int, int]  # with the offsets of what is read and what is written, in bytes


class CannotError(Exception):
    """oneDNN has no fast implementation of one of the steps."""


@dataclass(frozen=True)
class Sight:
    """The first steps for some rows of tiles, of one image or of several small ones: what they see, (36, tiles, C)."""

    top: int  # rows of the frame that lie above the image,
    bottom: int  # and below it
    source: int  # offset of the first row that is copied into the frame, in bytes
    inside: int  # and of where it goes
    copy: Run
    gathers: list[Copy]
    transform: Run

    def look(self, image: int, frame: Array, start: int, seen: int) -> None:
        """Bring together, from the image at this address, through the frame at `start`, each tile's 36 places."""
        if self.top:
            frame[:, : self.top] = 0
        if self.bottom:
            frame[:, -self.bottom :] = 0
        self.copy(image + self.source, start + self.inside)
        for gather, read, written in self.gathers:
            gather(start + read, seen + written)


@dataclass(frozen=True)
class _Block:
    """All steps of a convolution for some rows of tiles."""

    sight: Sight
    multiply: Run
    untransform: Run
    ahead: int  # bytes that it adds up before the products: the bias, where there is one
    scatters: list[Copy]


class Geometry:
    """The sizes of one convolution, and the steps that it takes."""

    def __init__(self, library: Library, x: Array, out: Shape, padding: Pair, biased: bool) -> None:
        self.library, self.padding, self.biased = library, padding, biased
        self.batch, self.ins, self.height, self.width = x.shape
        strides = element_strides(x)
        if strides is None:
            raise CannotError
        self.strides = strides
        _, self.outs, self.out_height, self.out_width = out
        self.down, self.across = count_tiles(self.out_height), count_tiles(self.out_width)
        wanted = max(
            threads.current() * BLOCK_BYTES // (FLOATS_OF_TILE * 2 * (self.ins + self.outs)),
            self.fewest_tiles(),
        )
        # Images that go together, as many in each block as can be, or rows of tiles of one image that do.
        blocks = -(-self.batch // max(1, wanted // (self.down * self.across)))
        self.images = -(-self.batch // blocks)
        self.rows = -(-self.down // max(1, round(self.down * self.across / wanted)))
        self.most = self.padded(self.images * self.rows * self.across)
        self.frame = (self.images, TILE * self.rows + 2, TILE * self.across + 2, self.ins)
        self.weights: Description | None = None
        self.made: dict[object, Run] = {}

    def fewest_tiles(self) -> int:
        """How many tiles a block should have for reading all weights to pay."""
        channels: int = self.ins + self.outs
        return channels // CHANNELS_PER_TILE

    def padded(self, tiles: int) -> int:
        """Room for one more tile where the 36 places would lie a multiple of 4096 bytes apart, and share cache lines."""
        return tiles + any(tiles * channels % 1024 == 0 for channels in (self.ins, self.outs))

    def clear_sides(self, frame: Array) -> None:
        """Zeros left and right of the images in a frame; the rows above and below come and go."""
        frame[:, :, : self.padding[1]] = 0
        frame[:, :, self.padding[1] + self.width :] = 0

    def groups(self) -> list[tuple[int, int, list[Any]]]:
        """For images that go together: the offsets of the first one and of its result, in bytes, and their blocks."""
        blocks: dict[int, list[Any]] = {}
        result = []
        for image in range(0, self.batch, self.images):
            count = min(self.images, self.batch - image)
            if count not in blocks:
                starts = range(0, self.down, self.rows)
                blocks[count] = [self.block(count, row, min(self.rows, self.down - row)) for row in starts]
            step = self.out_height * self.out_width * self.outs
            result.append((image * self.strides[0] * 4, image * step * 4, blocks[count]))
        return result

    def block(self, images: int, row: int, rows: int) -> Any:
        """The steps for `rows` rows of tiles from `row` on, of so many images."""
        tiles = self.padded(images * rows * self.across)
        return _Block(
            self.sight(images, row, rows), self.multiply(tiles),
            self.product((TILE * TILE, PLACES + self.biased), tiles * self.outs),
            tiles * self.outs * 4 * self.biased,
            self.moves(images, row, rows),
        )  # fmt: skip

    def sight(self, images: int, row: int, rows: int) -> Sight:
        """Their first steps."""
        ins, tiles = self.ins, self.padded(images * rows * self.across)
        _, frame_height, frame_width, _ = self.frame
        line = frame_width * ins
        frame = (frame_height * line, line, ins, 1)
        begin = row * TILE - self.padding[0]
        end = min(begin + frame_height, self.height)
        top, begin = max(0, -begin), max(0, begin)
        batch_step, channel_step, *steps = self.strides
        copy = self.reorder((images, end - begin, self.width, ins), (batch_step, *steps, channel_step), frame)
        gathers = []
        for down, across in itertools.product((0, TILE), (0, TILE)):
            shape = (min(TILE, SPAN - down), min(TILE, SPAN - across), images, rows, self.across, ins)
            gather = self.reorder(
                shape, (line, ins, frame[0], TILE * line, TILE * ins, 1),
                (SPAN * tiles * ins, tiles * ins, *dense_strides(shape[2:])),
            )  # fmt: skip
            gathers.append((gather, (down * line + across * ins) * 4, (down * SPAN + across) * tiles * ins * 4))
        return Sight(
            top, frame_height - top - (end - begin), begin * steps[0] * 4,
            (top * line + self.padding[1] * ins) * 4, copy, gathers, self.product((PLACES, PLACES), tiles * ins),
        )  # fmt: skip

    def moves(self, images: int, row: int, rows: int, *, inward: bool = False) -> list[Copy]:
        """From (16, images, rows of tiles, tiles, K) to the result: whole tiles, and those that its edges cut. Or back."""
        outs, across = self.outs, self.across
        tiles, line = self.padded(images * rows * across), self.out_width * outs
        given = (TILE * tiles * outs, tiles * outs, rows * across * outs, across * outs, outs, 1)
        wanted = (line, outs, self.out_height * line, TILE * line, TILE * outs, 1)
        start = row * wanted[3]
        result = []
        for (down, height, many_rows), (right, width, many) in itertools.product(
            pieces(rows, self.out_height - row * TILE), pieces(across, self.out_width)
        ):
            shape = (height, width, images, many_rows, many, outs)
            tile, place = down * given[3] + right * given[4], start + down * wanted[3] + right * wanted[4]
            if inward:
                result.append((self.reorder(shape, wanted, given), place * 4, tile * 4))
            else:
                result.append((self.reorder(shape, given, wanted), tile * 4, place * 4))
        return result

    def reorder(self, shape: Shape, given: Shape, wanted: Shape) -> Run:
        """A copy from one set of strides to another."""
        key = (shape, given, wanted)
        if key not in self.made:
            source, result = (Layout(self.library, shape, FLOAT32, strides) for strides in key[1:])
            self.made[key] = self.compile(describe_reorder(self.library, source, result), (SOURCE, DESTINATION))
        return self.made[key]

    def product(self, matrix: Pair, columns: int) -> Run:
        """A constant matrix of this shape times one with so many columns."""
        key = (matrix, columns)
        if key not in self.made:
            rows, inner = matrix
            description = describe(
                self.library, "matmul", Layout(self.library, matrix, FLOAT32, (inner, 1)),
                Layout(self.library, (inner, columns), FLOAT32, (columns, 1)), None,
                Layout(self.library, (rows, columns), FLOAT32, (columns, 1)),
            )  # fmt: skip
            self.made[key] = self.compile(description, (SOURCE, WEIGHTS, DESTINATION))
        return self.made[key]

    def multiply(self, tiles: int) -> Run:
        """The 36 products (tiles, C) times (C, K)."""
        if tiles not in self.made:
            ins, outs = (PLACES, tiles, self.ins), (PLACES, tiles, self.outs)
            shape = (PLACES, self.ins, self.outs)
            weights = Layout(self.library, shape, FLOAT32) if self.weights is None else self.weights.layout(WEIGHTS)
            description = describe(
                self.library, "matmul", Layout(self.library, ins, FLOAT32, dense_strides(ins)), weights,
                None, Layout(self.library, outs, FLOAT32, dense_strides(outs)),
            )  # fmt: skip
            self.weights = self.weights or description  # all blocks take the weights in the layout of the first
            self.made[tiles] = self.compile(description, (SOURCE, WEIGHTS, DESTINATION))
        return self.made[tiles]

    @staticmethod
    def compile(description: Description | None, names: tuple[int, ...]) -> Run:
        if description is None:
            raise CannotError
        return Primitive(description, names).run


def pieces(tiles: int, length: int) -> list[tuple[int, int, int]]:
    """Whole tiles and a cut one along an axis of `length` results: first tile, results of each, how many."""
    whole = min(tiles, length // TILE)
    pieces = [(0, TILE, whole)] if whole else []
    return [*pieces, (whole, length % TILE, 1)] if whole < tiles else pieces


def count_tiles(length: int) -> int:
    return -(-length // TILE)


def scratch(*shapes: Shape) -> Callable[[], list[Array]]:
    """A function that gives uninitialised arrays of these shapes, one after another in a block of the pool.

    The block's size is a power of two, so that convolutions of many shapes use the same one, which is still in the cache.
    """
    starts = [0, *itertools.accumulate(-(-4 * math.prod(shape) // ALIGNMENT) * ALIGNMENT for shape in shapes)]
    allocate = pool.allocator((1 << starts[-1].bit_length(),), BYTE)

    def take() -> list[Array]:
        block = allocate()
        return [np.ndarray(shape, FLOAT32, block, start) for shape, start in zip(shapes, starts, strict=False)]

    return take


class Matrix:
    """A constant matrix at a fixed address."""

    def __init__(self, values: Array) -> None:
        self.array = np.ascontiguousarray(values, np.float32)
        self.start = address(self.array)


def transforms(results: int) -> tuple[Array, Array, Array]:
    """B^T (6, 6), A^T (results, 6) and G (6, 7 - results) of `results` sums along an axis, each over 7 - results pixels.

    By Toom and Cook's construction, transposed: A^T holds the powers of the points, G those of the kernel divided by the
    products of the differences between the points, B^T the coefficients of the polynomials that vanish at all other
    points. The last point is infinity.
    """
    points, taps = np.array(POINTS), SPAN + 1 - results
    into, out, kernel = np.zeros((SPAN, SPAN)), np.zeros((results, SPAN)), np.zeros((SPAN, taps))
    for place, point in enumerate(points):
        others = np.delete(points, place)
        into[place, : SPAN - 1] = np.poly(others)[::-1]
        out[:, place] = point ** np.arange(results)
        kernel[place] = point ** np.arange(taps) / np.prod(point - others)
    into[-1] = np.poly(points)[::-1]
    out[-1, -1] = kernel[-1, -1] = 1.0
    return into, out, kernel
