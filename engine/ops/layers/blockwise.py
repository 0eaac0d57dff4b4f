"""Attention computed block by block, on the way there and back: what the operation's body and a device's kernel share.

The scores are never held all at once. They are computed for a block of queries (and of heads) against all keys, used and forgotten,
and computed again on the way back, so that memory grows with the length and not with its square (an idea of Rabe and Staats, 2021, and
Dao et al., 2022). A block's rows are whole, so the softmax is the ordinary one and nothing of it needs to be kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from ...device import product
from ...dtype import Array, accumulator
from ...errors import ShapeError
from .attention_operands import check_attention, check_heads, check_packed, parts_in_heads
from .dropping import masks_of_blocks
from .heads import address_of, in_rows

SCORES = 1 << 19
"""Scores per block: 2 MB. Smaller blocks stay in the second-level caches, but wake other threads more often, which costs as much again."""
SCORES_OF_GPU = 1 << 26
"""The same on a GPU, where a block must keep all processors busy: 256 MB."""
FEWEST_ROWS = 16
"""Queries that a block has at least, so that products stay products of matrices."""
MASKS = 1 << 21
"""Booleans of dropout's masks that a CPU draws at a time: 2 MB."""
KEYS_STEP = 512
"""Causal blocks see keys in multiples of this many: few different shapes, for which kernels are prepared once."""

SETTINGS = {"scale": 1.0, "causal": False, "dropout": 0.0, "seed": (0, 0)}
"""The settings of an attention in the order in which they are passed on here, and what they are where nobody says."""

Key = tuple[int, int]
Block = tuple[int, Any, slice, int]
"""Its number, the index of its batch entries and heads (two slices at the end), its queries, and how many keys it sees."""


Empty = Callable[[tuple[int, ...], Any], Array]
"""What makes new memory of a shape and a dtype."""


class Memory(Protocol):
    """Where results go."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """New memory."""

    def result(self, operand: Array) -> Any:
        """The dtype of results."""


class Tools(Memory, Protocol):
    """How a block is computed: the library's way, or a kernel's."""

    def product(
        self, x: Array, y: Array, out: Array | None = None, *, scale: float = 1.0, bias: Array | None = None
    ) -> Array:
        """scale x y + bias over the last two of four axes, in float32 at least, or in ``out``."""

    def drop(self, weights: Array, mask: Array, out: Array) -> Array:
        """weights mask, in ``out``, which may be ``weights``."""

    def softmax(self, scores: Array) -> Array:
        """The softmax along the last axis, perhaps in place."""

    def softmax_backward(self, weights: Array, flow: Array) -> Array:
        """weights (flow - sum of weights flow), perhaps in place of ``flow``."""


class Plain:
    """The tools of an array library."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        return self.xp.empty(shape, dtype)

    def result(self, operand: Array) -> Any:
        return operand.dtype

    def product(
        self, x: Array, y: Array, out: Array | None = None, *, scale: float = 1.0, bias: Array | None = None
    ) -> Array:
        wide = accumulator(x.dtype)
        result = product(self.xp, x.astype(wide, copy=False), y.astype(wide, copy=False))
        if scale != 1.0:
            result *= result.dtype.type(scale)
        if bias is not None:
            result += bias
        if out is None:
            return result
        out[...] = result
        return out

    def drop(self, weights: Array, mask: Array, out: Array) -> Array:
        return self.xp.multiply(weights, mask, out=out)

    def softmax(self, scores: Array) -> Array:
        if not scores.shape[-1]:
            return scores  # no keys: every query gets 0
        scores -= scores.max(-1, keepdims=True)
        self.xp.exp(scores, out=scores)
        scores /= scores.sum(-1, keepdims=True)
        return scores

    def softmax_backward(self, weights: Array, flow: Array) -> Array:
        flow -= (weights * flow).sum(-1, keepdims=True)
        flow *= weights
        return flow


def whole(batch: tuple[int, ...]) -> tuple[int, ...]:
    """The axes before the last two, at least two of them: the last counts the heads, the one before the entries of the batch."""
    return (1,) * (2 - len(batch)) + batch


def most_scores(xp: Any) -> int:
    """Scores per block where this array library computes. Dropout's masks depend on it."""
    return SCORES if xp is np else SCORES_OF_GPU


def blocks(batch: tuple[int, ...], queries: int, keys: int, causal: bool, scores: int = SCORES) -> Iterator[Block]:
    """The blocks of so many ``scores``, in order; ``batch`` as ``whole`` gives it."""
    *lead, entries, heads = batch
    per_head = max(queries * keys, 1)
    together = _evenly(heads, scores // per_head)
    side_by_side = _evenly(entries, scores // (per_head * heads)) if together == heads else 1
    rows = queries if together > 1 or per_head <= scores else max(scores // max(keys, 1), FEWEST_ROWS)
    number = 0
    for outer in np.ndindex(*lead):
        for entry in range(0, entries, side_by_side):
            for first in range(0, heads, together):
                place = (
                    *outer,
                    slice(entry, min(entry + side_by_side, entries)),
                    slice(first, min(first + together, heads)),
                )
                for start in range(0, queries, max(rows, 1)):
                    stop = min(start + rows, queries)
                    seen = min(keys, -(-stop // KEYS_STEP) * KEYS_STEP) if causal else keys
                    yield number, place, slice(start, stop), seen
                    number += 1


def _evenly(count: int, most: int) -> int:
    """The size of the fewest parts of ``count`` things that have at most so many each, all of about one size."""
    most = min(max(most, 1), count)
    return -(-count // -(-count // most)) if count else 1


def batched(xp: Any, array: Array, batch: tuple[int, ...]) -> Array:
    """The array with all batch axes, repeated ones without copies."""
    return xp.broadcast_to(array, (*batch, *array.shape[-2:])) if array.shape[:-2] != batch else array


def like(tools: Memory, array: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """New memory of a shape, its axes in the order that the array's have in memory: then no heads need to be turned."""
    return maker_like(array, shape)(tools.empty, dtype)


def maker_like(array: Array, shape: tuple[int, ...]) -> Callable[[Empty, Any], Array]:
    """What makes such memory, for calls to come."""
    if array.ndim != len(shape) or any(step == 0 and n > 1 for n, step in zip(array.shape, array.strides, strict=True)):
        return lambda empty, dtype: empty(shape, dtype)
    order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    back = sorted(range(array.ndim), key=lambda position: order[position])
    turned = tuple(shape[axis] for axis in order)
    return lambda empty, dtype: empty(turned, dtype).transpose(back)


def three_like(tools: Memory, query: Array, key: Array, value: Array) -> tuple[Array, ...]:
    """Memory for three gradients: side by side where the three lie so, as parts of one projection (see ``heads``)."""
    return maker_of_three(query, key, value)(tools.empty, tools.result(query))


def maker_of_three(query: Array, key: Array, value: Array) -> Callable[[Empty, Any], tuple[Array, ...]]:
    """What makes such memory, for calls to come whose arrays lie as these do, and as far from one another."""
    if are_side_by_side(query, key, value):
        batch, heads, length, width = query.shape
        if query.strides[0] == length * query.strides[2]:
            return _parts_of((batch, length, 3, heads, width), (2, 0, 3, 1, 4))
        return _parts_of((length, batch, 3, heads, width), (2, 1, 3, 0, 4))
    makers = [maker_like(array, array.shape) for array in (query, key, value)]
    return lambda empty, dtype: tuple([make(empty, dtype) for make in makers])


def are_side_by_side(query: Array, key: Array, value: Array) -> bool:
    """Whether three arrays are the parts of one projection, as ``split_heads`` cuts it."""
    if query.ndim != 4 or not all(a.shape == query.shape and a.strides == query.strides for a in (key, value)):
        return False
    batch, heads, length, width = query.shape
    entry, head, row, column = query.strides
    step = heads * head
    if (column, head) != (query.itemsize, width * query.itemsize):
        return False
    if (row, entry) != (3 * step, length * 3 * step) and (entry, row) != (3 * step, batch * 3 * step):
        return False
    return bool(address_of(key) - address_of(query) == address_of(value) - address_of(key) == step)


def _parts_of(shape: tuple[int, ...], axes: tuple[int, ...]) -> Callable[[Empty, Any], tuple[Array, ...]]:
    def make(empty: Empty, dtype: Any) -> tuple[Array, ...]:
        turned = empty(shape, dtype).transpose(axes)
        return turned[0], turned[1], turned[2]

    return make


class _Call:
    """What both ways of one attention share: operands with all batch axes, and how the weights of a block are made."""

    def __init__(
        self, xp: Any, tools: Tools, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool,
        dropout: float, seed: Key,
    ) -> None:  # fmt: skip
        check_attention(query, key, value)
        try:
            batch = np.broadcast_shapes(
                query.shape[:-2], key.shape[:-2], value.shape[:-2], () if bias is None else bias.shape[:-2]
            )
        except ValueError:
            raise ShapeError(
                f"attention: the batch axes of query {tuple(query.shape)}, key {tuple(key.shape)} and value {tuple(value.shape)} "
                "do not broadcast; with fewer heads of keys than of queries give enable_gqa=True"
            ) from None
        self.xp, self.tools, self.batch = xp, tools, whole(batch)
        self.added = (0,) * (2 - len(batch))  # the index that takes away the axes that only this computation has
        self.query, self.key, self.value = (batched(xp, a, self.batch) for a in (query, key, value))
        self.queries, self.keys = query.shape[-2], key.shape[-2]
        self.scale, self.grown = float(scale), 1 / (1 - dropout)
        self.causal, self.dropout, self.seed = causal, dropout, seed
        self.bias = self.dead = None
        if bias is not None:
            self.bias = xp.broadcast_to(bias, (*self.batch, self.queries, self.keys))
            # A query that may see no key gets 0, as in PyTorch.
            hidden = (bias == -math.inf).all(-1, keepdims=True)
            if hidden.any():
                self.dead = xp.broadcast_to(hidden, (*self.batch, self.queries, 1))

    def blocks(self) -> Iterator[Block]:
        return blocks(self.batch, self.queries, self.keys, self.causal, most_scores(self.xp))

    def weights(self, block: Block) -> Array:
        """The weights that the queries of a block give to the keys."""
        _, place, rows, seen = block
        keys = self.key[place][..., :seen, :].swapaxes(-1, -2)
        bias = None if self.bias is None else self.bias[place][..., rows, :seen]
        scores = self.tools.product(self.query[place][..., rows, :], keys, scale=self.scale, bias=bias)
        if self.causal:
            scores[..., rows.start :] += self._later(rows, seen, scores.dtype)
        if self.dead is None:
            return self.tools.softmax(scores)
        dead = self.dead[place][..., rows, :]
        weights = self.tools.softmax(self.xp.where(dead, scores.dtype.type(0), scores))
        return self.xp.where(dead, scores.dtype.type(0), weights)

    def _later(self, rows: slice, seen: int, dtype: Any) -> Array:
        """Minus infinity where a key comes after its query: (queries of the block, keys from its first query on)."""
        xp = self.xp
        later = xp.arange(rows.start, seen) > xp.arange(rows.start, rows.stop)[:, None]
        return xp.where(later, dtype.type(-math.inf), dtype.type(0))

    def masked_blocks(self) -> Iterator[tuple[Block, Array | None]]:
        """The blocks, each with what dropout leaves of its weights; masks of several are drawn at once, for threads to share."""
        if not self.dropout:
            yield from ((block, None) for block in self.blocks())
            return
        bunch: list[Block] = []
        shapes: list[tuple[int, tuple[int, ...]]] = []
        room = MASKS if self.xp is np else 0
        for block in self.blocks():
            number, place, rows, seen = block
            bunch.append(block)
            shapes.append((number, (*(part.stop - part.start for part in (*place[-2:], rows)), seen)))
            room -= math.prod(shapes[-1][1])
            if room <= 0:
                yield from zip(bunch, masks_of_blocks(self.xp, self.seed, shapes, self.dropout), strict=True)
                bunch, shapes, room = [], [], MASKS if self.xp is np else 0
        yield from zip(bunch, masks_of_blocks(self.xp, self.seed, shapes, self.dropout), strict=True)


def forward(xp: Any, tools: Tools, *operands: Any) -> Array:
    """The result of ``attend``, block by block."""
    call = _Call(xp, tools, *operands)
    query, value = call.query, call.value
    out = like(tools, query, (*call.batch, call.queries, value.shape[-1]), tools.result(query))
    for block, mask in call.masked_blocks():
        _, place, rows, seen = block
        weights = call.weights(block)
        if mask is not None:
            tools.drop(weights, mask, weights)
        tools.product(weights, value[place][..., :seen, :], out[place][..., rows, :], scale=call.grown)
    return out[call.added]


def backward(xp: Any, tools: Tools, flow: Array, *operands: Any) -> tuple[Array, Array, Array]:
    """The gradients of ``attend`` for query, key and value, block by block."""
    call = _Call(xp, tools, *operands)
    query, key, value, scale, grown = call.query, call.key, call.value, call.scale, call.grown
    flow = batched(xp, flow, call.batch)
    dquery, dkey, dvalue = three_like(tools, query, key, value)
    once = all(rows == slice(0, call.queries) and seen == call.keys for _, _, rows, seen in call.blocks())
    sums = (dkey, dvalue) if once else tuple(xp.zeros(a.shape, accumulator(a.dtype)) for a in (key, value))
    for block, mask in call.masked_blocks():
        _, place, rows, seen = block
        weights = call.weights(block)
        arrived = flow[place][..., rows, :]
        dropped = weights
        dweights = tools.product(arrived, value[place][..., :seen, :].swapaxes(-1, -2), scale=grown)
        if mask is not None:
            dropped = tools.drop(weights, mask, tools.empty(weights.shape, weights.dtype))
            tools.drop(dweights, mask, dweights)
        _gather(tools, dropped, arrived, sums[1][place][..., :seen, :], once, grown)
        dscores = tools.softmax_backward(weights, dweights)
        tools.product(dscores, key[place][..., :seen, :], dquery[place][..., rows, :], scale=scale)
        _gather(tools, dscores, query[place][..., rows, :], sums[0][place][..., :seen, :], once, scale)
    if not once:
        dkey[...], dvalue[...] = sums
    return dquery[call.added], dkey[call.added], dvalue[call.added]


def _gather(tools: Tools, x: Array, y: Array, out: Array, once: bool, scale: float) -> None:
    """scale x^T y in ``out``, or added to it."""
    if once:
        tools.product(x.swapaxes(-1, -2), y, out, scale=scale)
    else:
        out += tools.product(x.swapaxes(-1, -2), y, scale=scale)


def forward_in_heads(
    xp: Any,
    tools: Tools,
    query: Array,
    key: Array | None,
    value: Array | None,
    bias: Array | None,
    heads: int,
    *settings: Any,
) -> Array:
    """The same where heads lie side by side."""
    if key is None or value is None:
        check_packed(query, heads, key is value)
    else:
        check_heads(query, key, value, heads)
    parts = parts_in_heads(query, key, value, heads)
    assert parts is not None
    return in_rows(forward(xp, tools, *parts, bias, *settings))
