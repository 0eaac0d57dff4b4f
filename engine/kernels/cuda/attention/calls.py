"""Attention: by cuDNN's fused engines (see ``fused``) or in float32 by tiles (see ``tiled``) where they serve, else block by block with the scores held.

Between the two products of a block lies one kernel: scale, bias, mask and softmax in one pass over the scores.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ....dtype import Array, Dtype, accumulator, float32
from ....ops.layers import attention_operands, blockwise
from ....ops.layers import heads as layouts
from ..algebra import matrix
from ..machine import Machine, machine
from ..shapes.joining import cat_along
from . import few_queries, fused, held_scores, in_rows, tiled
from .launches import drawn_mask, dropped_from, kernels, threads_for
from .operands import is_one_attention

__all__ = ["attend", "attend_backward", "mask_of"]

Key = tuple[int, int]


def attend(
    query: Array, key: Array | None = None, value: Array | None = None, bias: Array | None = None, *, scale: float, causal: bool = False,
    dropout: float = 0.0, seed: Key = (0, 0), heads: int = 0, keep: bool = False,
) -> Any:  # fmt: skip
    """softmax(scale query key^T + bias) value."""
    here = machine()
    if heads or key is None or value is None:
        return _attend_in_heads(here, query, key, value, bias, heads, scale, causal, dropout, seed, keep)
    if query.ndim == 4 and query.shape[2] <= few_queries.MOST_QUERIES and not causal and not dropout and not keep:
        found = few_queries.attend(here, query, key, value, bias, scale)
        if found is not NotImplemented:
            return found
    if query.dtype.itemsize == 2:
        found = fused.attend(here, query, key, value, bias, scale, causal, dropout, seed, keep)
        if found is not NotImplemented:
            return found[0] if not keep and type(found) is tuple else found
    if query.dtype.itemsize == 4:
        found = tiled.attend(here, query, key, value, bias, scale, causal, dropout, seed, keep)
        if found is not NotImplemented:
            return found
    if query.ndim == 4:
        found = held_scores.attend(here, query, key, value, bias, scale, causal, dropout, seed)
        if found is not NotImplemented:
            return found
    if not is_one_attention(query, key, value, bias):
        return NotImplemented
    call = _Call(here, query, key, value, bias, scale, causal, dropout, seed)
    out = blockwise.like(call, query, (*call.batch, call.queries, value.shape[-1]), query.dtype)
    for block in call.blocks():
        _, place, rows, seen = block
        weights = call.weights(block)
        if weights is None:
            return NotImplemented
        if dropout:
            weights = dropped_from(weights, call.mask(block, weights.shape), scale=1.0)
        values = call.value[place][..., :seen, :]
        if not call.product(call.narrow(weights), values, out[place][..., rows, :], scale=1 / (1 - dropout)):
            return NotImplemented
    return out[call.added]


def _attend_in_heads(
    here: Machine, query: Array, key: Array | None, value: Array | None, bias: Array | None, heads: int, scale: float, causal: bool,
    dropout: float, seed: Key, keep: bool,
) -> Any:  # fmt: skip
    """The same of heads that lie side by side: by what reads them so, else of views that cut them apart."""
    found: Any = NotImplemented
    if query.ndim == 3 and query.shape[1] > few_queries.MOST_QUERIES:
        if query.dtype.itemsize == 2:
            found = fused.attend_in_heads(here, query, key, value, bias, heads, scale, causal, dropout, seed, keep)
            if found is not NotImplemented and not keep and type(found) is tuple:
                return found[0]
        elif query.dtype.itemsize == 4:
            found = tiled.attend_in_heads(here, query, key, value, bias, heads, scale, causal, dropout, seed, keep)
    if found is not NotImplemented:
        return found
    parts = attention_operands.parts_in_heads(query, key, value, heads)
    if parts is None:
        return NotImplemented
    found = attend(*parts, bias, scale=scale, causal=causal, dropout=dropout, seed=seed, keep=keep)
    if type(found) is tuple:
        return layouts.in_rows(found[0]), *found[1:]
    return found if found is NotImplemented else layouts.in_rows(found)


def attend_backward(
    flow: Array, query: Array, key: Array, value: Array, bias: Array | None = None, *, scale: float, causal: bool = False,
    dropout: float = 0.0, seed: Key = (0, 0), heads: int = 0, kept: tuple[Any, Any] | None = None,
) -> Any:  # fmt: skip
    """The gradients of attend for query, key and value."""
    here = machine()
    if heads:
        if kept is not None:
            found = in_rows.attend_backward(
                here, flow, query, key, value, bias, *kept, heads, scale, causal, dropout, seed
            )
            if found is not NotImplemented:
                return found
        parts = attention_operands.parts_in_heads(query, key, value, heads)
        if parts is None or flow.ndim != 3 or flow.shape[2] % heads:
            return NotImplemented
        if kept is not None and kept[0].ndim == 3:
            kept = layouts.in_heads(kept[0], heads), kept[1]
        found = attend_backward(
            layouts.in_heads(flow, heads),
            *parts,
            bias,
            scale=scale,
            causal=causal,
            dropout=dropout,
            seed=seed,
            kept=kept,
        )
        return found if found is NotImplemented else tuple(map(layouts.in_rows, found))
    if kept is not None:
        way = tiled if kept[0].dtype == float32 else fused
        found = way.attend_backward(here, flow, query, key, value, bias, *kept, scale, causal, dropout, seed)
        if found is not NotImplemented:
            return found
    if query.ndim == 4 and (kept is None or not dropout):
        found = held_scores.attend_backward(here, flow, query, key, value, bias, scale, causal, dropout, seed)
        if found is not NotImplemented:
            return found
    if not is_one_attention(query, key, value, bias) or flow.dtype != query.dtype:
        return NotImplemented
    call = _Call(here, query, key, value, bias, scale, causal, dropout, seed)
    if kept is not None and dropout:
        drawn = mask_of(kept[0], query, key, value, bias, scale, causal, dropout, seed)
        call.drawn = drawn.reshape((*call.batch, call.queries, call.keys))
    query, key, value, grown = call.query, call.key, call.value, 1 / (1 - dropout)
    flow = blockwise.batched(here.xp, flow, call.batch)
    dquery, dkey, dvalue = blockwise.three_like(call, query, key, value)
    whole = all(rows == slice(0, call.queries) and seen == call.keys for _, _, rows, seen in call.blocks())
    sums = (dkey, dvalue) if whole else tuple(here.zeros(a.shape, call.wide) for a in (key, value))
    for block in call.blocks():
        _, place, rows, seen = block
        weights = call.weights(block)
        if weights is None:
            return NotImplemented
        arrived, queries, keys = flow[place][..., rows, :], query[place][..., rows, :], key[place][..., :seen, :]
        flows = here.empty(weights.shape, call.wide)
        if not call.product(arrived, value[place][..., :seen, :].swapaxes(-1, -2), flows, scale=grown):
            return NotImplemented
        dropped = weights
        if dropout:
            mask = call.mask(block, weights.shape)
            dropped, flows = (dropped_from(each, mask, scale=1.0) for each in (weights, flows))
        by_value, by_key = (each[place][..., :seen, :] for each in (sums[1], sums[0]))
        done = call.product(
            call.narrow(dropped).swapaxes(-1, -2), arrived, by_value, scale=grown, accumulates=not whole
        )
        call.softmax_backward(weights, flows)
        scores = call.narrow(flows)
        done = done and call.product(scores, keys, dquery[place][..., rows, :], scale=scale)
        if not done or not call.product(scores.swapaxes(-1, -2), queries, by_key, scale=scale, accumulates=not whole):
            return NotImplemented
    if not whole:
        dkey[...], dvalue[...] = sums
    return dquery[call.added], dkey[call.added], dvalue[call.added]


def attend_packed_backward(
    flow: Array, packed: Array, bias: Array | None = None, *, scale: float, heads: int, causal: bool = False, dropout: float = 0.0,
    seed: Key = (0, 0), kept: tuple[Any, Any] | None = None,
) -> Any:  # fmt: skip
    """The gradient of attend for what holds queries, keys and values side by side."""
    if kept is not None:
        here = machine()
        found = in_rows.attend_backward(
            here, flow, packed, None, None, bias, *kept, heads, scale, causal, dropout, seed
        )
        if found is not NotImplemented:
            return found
    if packed.ndim != 3 or packed.shape[2] % 3:
        return NotImplemented
    settings: dict[str, Any] = {"scale": scale, "causal": causal, "dropout": dropout, "seed": seed}
    found = attend_backward(flow, *layouts.thirds(packed), bias, **settings, heads=heads, kept=kept)
    if found is NotImplemented:
        return found
    whole = layouts.whole_of_thirds(*found)
    return cat_along(*found, axis=2) if whole is None else whole


def mask_of(
    own: Array, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool, dropout: float, seed: Key
) -> Array:  # fmt: skip
    """What dropout left of the weights of an attention whose kept result is ``own``: (entries, heads, queries, keys)."""
    if own.dtype == float32:
        return tiled.mask(query, key, dropout, seed)
    return fused.mask(own, query, key, value, bias, scale, causal, dropout, seed)


class _Call:
    """One attention whose scores are held: operands with all batch axes, and the steps of a block."""

    def __init__(
        self, here: Machine, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool, dropout: float,
        seed: Key,
    ) -> None:  # fmt: skip
        others = () if bias is None else bias.shape[:-2]
        batch = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2], others)
        self.here, self.batch = here, blockwise.whole(batch)
        self.added = (0,) * (2 - len(batch))
        self.query, self.key, self.value = (blockwise.batched(here.xp, a, self.batch) for a in (query, key, value))
        self.queries, self.keys = query.shape[-2], key.shape[-2]
        self.bias = None if bias is None else here.xp.broadcast_to(bias, (*self.batch, self.queries, self.keys))
        self.scale, self.causal, self.dropout, self.seed = scale, causal, dropout, seed
        self.drawn: Array | None = None
        """The mask of the whole attention, where it was another's."""
        self.wide = accumulator(query.dtype)
        self._kernels = kernels(query.dtype)

    def empty(self, shape: tuple[int, ...], dtype: Dtype) -> Array:
        """New memory, as ``blockwise`` asks for it."""
        return self.here.empty(shape, dtype)

    def result(self, operand: Array) -> Any:
        """The dtype of results."""
        return operand.dtype

    def blocks(self) -> list[blockwise.Block]:
        """The blocks of scores, in order."""
        most = blockwise.most_scores(self.here.xp)
        return list(blockwise.blocks(self.batch, self.queries, self.keys, self.causal, most))

    def product(self, x: Array, y: Array, out: Array, *, scale: float, accumulates: bool = False) -> bool:
        """scale x y in ``out``, or added to it; False where no library multiplies them."""
        return matrix.multiply(self.here, x, y, out, scale=scale, accumulates=accumulates)

    def narrow(self, array: Array) -> Array:
        """The array in the operands' dtype."""
        return array if array.dtype == self.query.dtype else array.astype(self.query.dtype)

    def weights(self, block: blockwise.Block) -> Array | None:
        """The weights that the queries of a block give to the keys, in a wide dtype."""
        _, place, rows, seen = block
        queries, keys = self.query[place][..., rows, :], self.key[place][..., :seen, :]
        scores = self.here.empty((*queries.shape[:-1], seen), self.wide)
        if not self.product(queries, keys.swapaxes(-1, -2), scores, scale=self.scale):
            return None
        bias, steps = 0, (0, 0, 0, 0)
        if self.bias is not None:
            part = self.bias[place][..., rows, :seen]
            bias, steps = self.here.address(part), tuple(step // part.itemsize for step in part.strides)
        count = scores.size // seen
        # fmt: off
        self._kernels["softmax"](
            min(count, self.here.processors * 16), threads_for(seen), self.here.address(scores), bias, count, seen, scores.shape[1],
            scores.shape[2], *steps, rows.start, int(self.causal),
        )
        # fmt: on
        return scores

    def softmax_backward(self, weights: Array, flow: Array) -> None:
        """weights (flow - sum of weights flow), in place of ``flow``."""
        width = weights.shape[-1]
        count = weights.size // width
        grid = min(count, self.here.processors * 16)
        self._kernels["gradient"](
            grid, threads_for(width), self.here.address(weights), self.here.address(flow), count, width
        )

    def mask(self, block: blockwise.Block, shape: tuple[int, ...]) -> Array:
        """What dropout leaves of a block's weights."""
        if self.drawn is not None:
            return self.drawn[block[1]][..., block[2], : block[3]]
        return drawn_mask(self.seed, block[0], shape, self.dropout)
