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

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from . import packs, pool, threads
from .library import Library
from .memory import BYTE, FLOAT32, Array, Layout, address
from .plans import Plan
from .primitive import DESTINATION, SOURCE, WEIGHTS, Primitive, describe, describe_reorder, signature
from .reorder import as_dense, channels_last_allocator
from .winograd_tiles import PLACES, TILE, CannotError, Geometry, Matrix, count_tiles, scratch, transforms

Pair = tuple[int, int]
Shape = tuple[int, ...]

# Where it is at least a tenth faster than oneDNN's direct sums, transforming the weights not counted. From 64 to 64
# channels one thread gains half, but two lose that at the ten starts of a team that a block takes, unless there are many.
FEWEST_CHANNELS = 64
FEWEST_PAIRS = 64 * 128  # of channels, where several threads compute
MANY_TILES = 1024  # from which on so many pairs are not asked for
FEWEST_TILES = 16
MOST_KEPT_BYTES = 512 << 20

# From so many tiles on the weights may be transformed for one convolution alone: in training, where they change.
FEWEST_TILES_FRESH = 128


def pays(x: Array, weight: Array, out: Shape, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> bool:
    """Whether this convolution can be computed here, and faster."""
    tiles, pairs = out[0] * count_tiles(out[2]) * count_tiles(out[3]), weight.shape[0] * weight.shape[1]
    return (
        x.dtype == FLOAT32
        and weight.shape[2:] == (3, 3)
        and stride == dilation == (1, 1)
        and groups == 1
        and max(padding) <= 2  # so that each tile sees something of the image
        and min(weight.shape[:2]) >= FEWEST_CHANNELS
        and (threads.current() == 1 or pairs >= FEWEST_PAIRS or tiles >= MANY_TILES)
        and tiles >= FEWEST_TILES
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
    most, outs = geometry.most, geometry.outs
    ahead, places = most * outs * biased, PLACES * most * max(geometry.ins, outs)
    take = scratch(geometry.frame, (ahead + places,), (places,))
    allocate = channels_last_allocator(out, x.dtype)
    into, back = (INPUT.start, _BIASED.start if biased else _OUTPUT.start)

    def compute(x: Array, weight: Array, bias: Array | None) -> Array:
        packed = pack(weight)
        if packed is None:
            return direct(x, weight, bias)  # type: ignore[no-any-return]
        result = allocate()
        frame, one, other = take()
        beginning, seen, tiles = address(frame), address(one) + 4 * ahead, address(other)
        geometry.clear_sides(frame)
        if bias is not None:
            one[:ahead].reshape(most, outs)[...] = bias
        weights = address(packed)
        for source, destination, blocks in groups:
            first, last = address(x) + source, address(result) + destination
            for block in blocks:
                block.sight.look(first, frame, beginning, seen)
                block.sight.transform(into, seen, tiles)
                # Products and results go where what they come from is of no use any more.
                block.multiply(tiles, weights, seen)
                block.untransform(back, seen - block.ahead, tiles)
                for scatter, start, end in block.scatters:
                    scatter(tiles + start, last + end)
        if not np.isfinite(total(result)).all():
            return direct(x, weight, bias)  # type: ignore[no-any-return]
        return result

    return compute


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
        _kept[name] = (weakref.ref(result, partial(_kept.pop, name)), size)
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
