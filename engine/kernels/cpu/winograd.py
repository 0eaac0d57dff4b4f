"""3 x 3 convolutions with a quarter of the multiplications: Winograd's F(4 x 4, 3 x 3).

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), arXiv:1509.09308. A tile of 4 x 4 results
sees 6 x 6 pixels d; with the kernel g it is A^T ((G g G^T) * (B^T d B)) A, where * is elementwise: 36 products for each
pair of channels instead of 144. Summed over channels they are 36 products of matrices, (tiles, C) times (C, K).

Every step is one of oneDNN's, and large: copies with strides bring each of a tile's 36 places together, (36, tiles, C);
the product with B^T (x) B^T transforms all places and channels at once; the 36 products of channels follow; the product
with A^T (x) A^T (and, as one more column, the bias) gives (16, tiles, K), and copies with strides put them in their
places. The tiles are taken in blocks whose 36-fold data stay in the cache.

Accuracy: with the points 0, +-3/4, +-3/2 and infinity the largest error is 2e-6 to 6e-6 of the largest result (direct
sums: 4e-7; the usual points 0, +-1, +-2 would give 1e-5). A tile mixes its 36 pixels, so that one NaN or infinity would
spread, and huge numbers could overflow on the way: a result that is not finite throughout is computed again, directly.

Memory: the transformed weights take four times the weights' own. They are kept like other packs, `MOST_KEPT_BYTES` of
them in all; weights beyond that, and those that change before they serve again, are transformed each time where there
are tiles enough, and convolved directly where not.

The gradient for the image is the same convolution of what flows back, with the kernel turned by half a turn and its
channels exchanged.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import packs, pool, threads
from .library import Library
from .memory import BYTE, FLOAT32, Array, Layout, address, dense_strides, element_strides
from .plans import Plan
from .primitive import DESTINATION, SOURCE, WEIGHTS, Description, Primitive, describe, describe_reorder, signature
from .reorder import as_dense, channels_last_allocator

Pair = tuple[int, int]
Shape = tuple[int, ...]

# Where it is at least a tenth faster than oneDNN's direct sums, transforming the weights not counted. From 64 to 64
# channels one thread gains half, but two lose that at the ten starts of a team that a block takes.
FEWEST_CHANNELS = 64
FEWEST_PAIRS = 64 * 128  # of channels, where several threads compute
FEWEST_TILES = 16
MOST_KEPT_BYTES = 512 << 20

# From so many tiles on the weights may be transformed for one convolution alone: in training, where they change.
FEWEST_TILES_FRESH = 128

# What a block needs on its way should stay in the third-level cache, and reading all weights once a block should pay.
BLOCK_BYTES = 6 << 20  # for each thread
CHANNELS_PER_TILE = 8

TILE = 4  # results along an axis of a tile
SPAN = 6  # pixels that they see
PLACES = SPAN * SPAN
FLOATS_OF_TILE = 142  # for each channel, on the way from the image to the result
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)


def pays(x: Array, weight: Array, out: Shape, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> bool:
    """Whether this convolution can be computed here, and faster."""
    return (
        x.dtype == FLOAT32
        and weight.shape[2:] == (3, 3)
        and stride == dilation == (1, 1)
        and groups == 1
        and max(padding) <= 2  # so that each tile sees something of the image
        and min(weight.shape[:2]) >= FEWEST_CHANNELS
        and (threads.current() == 1 or weight.shape[0] * weight.shape[1] >= FEWEST_PAIRS)
        and out[0] * count_tiles(out[2]) * count_tiles(out[3]) >= FEWEST_TILES
    )


def pays_input(
    grad: Array, weight: Array, shape: Shape, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> bool:
    """Whether the gradient for an image of this shape can be computed here, and faster."""
    tiles = shape[0] * count_tiles(shape[2]) * count_tiles(shape[3])
    return tiles >= FEWEST_TILES_FRESH and pays(grad, weight, shape, stride, padding, dilation, groups)


def plan_input(library: Library, grad: Array, weight: Array, shape: Shape, padding: Pair, direct: Plan) -> Plan | None:
    """The plan of a gradient for which `pays_input` holds."""
    beyond = (2 - padding[0], 2 - padding[1])
    found = plan_forward(library, grad, weight, None, shape, beyond, lambda grad, weight, _: direct(grad, weight), True)
    return None if found is None else lambda grad, weight: found(grad, weight, None)


def plan_forward(
    library: Library, x: Array, weight: Array, bias: Array | None, out: Shape, padding: Pair, direct: Plan,
    turned: bool = False,
) -> Plan | None:  # fmt: skip
    """The plan of a convolution for which `pays` holds; `direct` computes what this cannot. None where oneDNN refuses.

    With `turned` the kernel is turned by half a turn and its channels change places.
    """
    biased = bias is not None
    try:
        geometry = Geometry(library, x, out, padding, biased)
        groups = geometry.groups()
    except CannotError:
        return None
    pack = _packer(library, weight, geometry, turned)
    total = _totaller(library, out)
    if pack is None or total is None:
        return None
    frame_shape, products_shape = geometry.frame, (1 + PLACES, geometry.most, geometry.outs)
    sizes = (frame_shape, (PLACES, geometry.most, geometry.ins), (PLACES, geometry.most, geometry.ins), products_shape)
    rooms = [pool.allocator(shape, FLOAT32) for shape in (*sizes, (TILE * TILE, geometry.most, geometry.outs))]
    allocate = channels_last_allocator(out, x.dtype)
    into, back = (INPUT.start, _BIASED.start if biased else _OUTPUT.start)

    def compute(x: Array, weight: Array, bias: Array | None) -> Array:
        packed = pack(weight)
        if packed is None:
            return direct(x, weight, bias)  # type: ignore[no-any-return]
        result = allocate()
        arrays = [room() for room in rooms]
        frame, seen, tiles, products, spread = map(address, arrays)
        geometry.clear_sides(arrays[0])
        if bias is not None:
            arrays[3][0] = bias
        weights, sums = address(packed), address(arrays[3][1])
        for source, destination, blocks in groups:
            first, last = address(x) + source, address(result) + destination
            for block in blocks:
                block.sight.look(first, arrays[0], frame, seen)
                block.sight.transform(into, seen, tiles)
                block.multiply(tiles, weights, sums)
                block.untransform(back, products + block.summed, spread)
                for scatter, start, end in block.scatters:
                    scatter(spread + start, last + end)
        if not np.isfinite(total(result)).all():
            return direct(x, weight, bias)  # type: ignore[no-any-return]
        return result

    return compute


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
    summed: int  # offset of what that adds up: of the bias, which lies before the products, where there is one
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
            self.fewestcount_tiles(),
        )
        # Images that go together, or rows of tiles of one image that do.
        self.images = min(self.batch, max(1, wanted // (self.down * self.across)))
        self.rows = -(-self.down // max(1, round(self.down * self.across / wanted)))
        self.most = self.padded(self.images * self.rows * self.across)
        self.frame = (self.images, TILE * self.rows + 2, TILE * self.across + 2, self.ins)
        self.weights: Description | None = None
        self.made: dict[object, Run] = {}

    def fewestcount_tiles(self) -> int:
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
            (self.most - tiles * self.biased) * self.outs * 4,
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


def _matrices() -> list[Matrix]:
    """B^T (x) B^T (36, 36), A^T (x) A^T (16, 36), the same after a column of ones, and G (x) G (36, 9), there and back."""
    into, out, kernel = transforms(TILE)
    results, weights = np.kron(out, out), np.kron(kernel, kernel)
    biased = np.hstack((np.ones((TILE * TILE, 1)), results))
    return [Matrix(values) for values in (np.kron(into, into), results, biased, weights, weights[:, ::-1])]


INPUT, _OUTPUT, _BIASED, _KERNEL, _TURNED = _matrices()
_kept: dict[int, tuple[Any, int]] = {}  # of each pack that lives: the reference that tells of its end, and its bytes


def kept_bytes() -> int:
    """The bytes of all transformed weights."""
    return sum(size for _, size in list(_kept.values()))


def _packer(
    library: Library, weight: Array, geometry: Geometry, turned: bool
) -> Callable[[Array], Array | None] | None:
    """A function that gives the transformed weights in the layout of the products; None where that would not pay."""
    assert geometry.weights is not None
    ins, outs = geometry.ins, geometry.outs
    pairs, destination = outs * ins, geometry.weights.layout(WEIGHTS)
    transform = describe(
        library, "matmul", Layout(library, (PLACES, 9), FLOAT32, (9, 1)), Layout(library, (9, pairs), FLOAT32, (1, 9)),
        None, Layout(library, (PLACES, pairs), FLOAT32, (pairs, 1)),
    )  # fmt: skip
    given = (pairs, outs, 1) if turned else (pairs, 1, ins)
    rearrange = describe_reorder(library, Layout(library, (PLACES, ins, outs), FLOAT32, given), destination)
    if transform is None or rearrange is None:
        return None
    run_transform = Primitive(transform, (SOURCE, WEIGHTS, DESTINATION)).run
    run_rearrange = Primitive(rearrange, (SOURCE, DESTINATION)).run
    size = int(library.layout_bytes(destination))
    fetch, allocate, room = as_dense(weight), pool.allocator((PLACES, pairs), FLOAT32), pool.allocator((size,), BYTE)
    token = (plan_forward, weight.shape, weight.strides, weight.dtype, turned, *signature(library, destination))
    matrix = _TURNED.start if turned else _KERNEL.start
    fresh = geometry.batch * geometry.down * geometry.across >= FEWEST_TILES_FRESH

    def make(weight: Array) -> Array:
        dense, transformed = fetch(weight), allocate()
        run_transform(matrix, address(dense), address(transformed))
        result = room()
        run_rearrange(address(transformed), address(result))
        return result

    def make_to_keep(weight: Array) -> Array:
        result = make(weight)
        name = id(result)
        _kept[name] = (weakref.ref(result, lambda _: _kept.pop(name, None)), size)
        return result

    def pack(weight: Array) -> Array | None:
        found = packs.find(weight, token)
        if found is not None:
            return found  # type: ignore[no-any-return]
        if not turned and kept_bytes() + size <= MOST_KEPT_BYTES and packs.worth_keeping(weight, token):
            return packs.obtain(weight, token, make_to_keep)  # type: ignore[no-any-return]
        return make(weight) if fresh else None

    return pack


def _totaller(library: Library, out: Shape) -> Callable[[Array], Array] | None:
    """A function that adds up each channel of a channels-last result: finite sums come of finite numbers only."""
    rows, outs = out[0] * out[2] * out[3], out[1]
    description = describe(
        library, "matmul", Layout(library, (1, rows), FLOAT32, (rows, 1)),
        Layout(library, (rows, outs), FLOAT32, (outs, 1)), None, Layout(library, (1, outs), FLOAT32, (outs, 1)),
    )  # fmt: skip
    if description is None:
        return None
    run, ones = Primitive(description, (SOURCE, WEIGHTS, DESTINATION)).run, np.ones(rows, np.float32)

    def total(result: Array) -> Array:
        sums = np.empty(outs, np.float32)
        run(address(ones), address(result), address(sums))
        return sums

    return total
