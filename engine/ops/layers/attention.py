"""Attention: each query takes the mean of the values, weighted by how well their keys fit it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...device import gpu_kernels, namespace
from ...dtype import Array, Dtype, float32, is_floating, kind
from ...errors import DtypeError, SettingError, ShapeError
from ...modes import is_narrowing, modes
from ...narrowing import given_arrays
from ...node import Node
from ...op import op, op_with_results
from ...random import default_generator
from ...tensor import Tensor, tensor_like, tensor_of
from ...twins import Twin
from ..algebra.matrix import matmul
from ..elementwise.arithmetic import where
from ..shapes.shape import cat
from .activation import softmax
from .attention_operands import check_attention, check_heads, check_packed
from .blockwise import (
    Key,
    Plain,
    backward,
    blocks,
    forward,
    forward_in_heads,
    most_scores,
    whole,
)
from .dropping import drop, mask_of_block
from .heads import in_heads, in_rows, thirds

__all__ = [
    "attend",
    "attend_backward",
    "attend_packed_backward",
    "attention_in_heads",
    "scaled_dot_product_attention",
]


def _attend_joint(
    grad: Tensor, query: Tensor, key: Tensor | None, value: Tensor | None, bias: Tensor | None, own: Tensor | None, sums: Tensor | None,
    scale: float, causal: bool, dropout: float, seed: Key, heads: int,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    settings: dict[str, Any] = {"scale": scale, "causal": causal, "dropout": dropout, "seed": seed}
    at_once = not modes.recording and (bias is None or not bias.requires_grad)
    kept = None if own is None or sums is None else (own.array, sums.array)
    if key is None or value is None:  # the query holds all three
        if at_once:
            return attend_packed_backward(grad, query, bias, **settings, heads=heads, kept=kept), None, None, None
        query, key, value = query.chunk(3, -1)
        *flows, last = _attend_joint(grad, query, key, value, bias, own, sums, **settings, heads=heads)
        return cat([flow for flow in flows if flow is not None], -1), None, None, last
    if at_once:
        return (*attend_backward(grad, query, key, value, bias, **settings, heads=heads, kept=kept), None)
    if heads:
        parts = (each.reshape((*each.shape[:2], heads, -1)).permute(0, 2, 1, 3) for each in (grad, query, key, value))
        grad, query, key, value = parts
        *flows, last = _attend_joint(grad, query, key, value, bias, own, sums, **settings, heads=0)
        return (*[each.permute(0, 2, 1, 3).flatten(2) for each in flows if each is not None], last)
    # The plain formula, all scores at once: to be differentiated again, or where the scores' own gradient is asked for.
    weights = _weights(query, key, bias, scale, causal)
    flow = matmul(grad, value.mT)
    dropped = weights
    if dropout:
        if own is None:
            mask = tensor_of(_whole_mask(weights, causal, dropout, seed))
        else:  # a kernel of the GPU's attended, whose masks are its own
            operands = [None if each is None else each.array for each in (query, key, value, bias)]
            drawn = gpu_kernels("attention.calls").mask_of(own.array, *operands, scale, causal, dropout, seed)
            mask = tensor_of(drawn.reshape(weights.shape))
        dropped, flow = drop(weights, mask, scale=1 / (1 - dropout)), drop(flow, mask, scale=1 / (1 - dropout))
    weighted = weights * flow
    dscores = weighted - weights * weighted.sum(-1, True)
    dquery, dkey = matmul(dscores, key) * scale, matmul(dscores.mT, query) * scale
    return dquery, dkey, matmul(dropped.mT, grad), dscores


def _weights(query: Tensor, key: Tensor, bias: Tensor | None, scale: float, causal: bool) -> Tensor:
    """The weights of all keys for all queries."""
    scores = matmul(query * scale, key.mT)
    if causal:
        xp = namespace(query.array)
        scores = where(tensor_of(xp.tril(xp.ones(scores.shape[-2:], bool))), scores, -math.inf)
    if bias is None:
        return softmax(scores, axis=-1)
    scores, hidden = scores + bias, tensor_of((bias.array == -math.inf).all(-1, keepdims=True))
    return where(hidden, 0.0, softmax(where(hidden, 0.0, scores), axis=-1))


def _whole_mask(weights: Tensor, causal: bool, dropout: float, seed: Key) -> Array:
    """The masks of all blocks, put together."""
    *batch, queries, keys = weights.shape
    xp = namespace(weights.array)
    lead = whole(tuple(batch))
    mask = xp.ones((*lead, queries, keys), bool)
    for number, place, rows, seen in blocks(lead, queries, keys, causal, most_scores(xp)):
        part = mask[place][..., rows, :seen]
        part[...] = mask_of_block(xp, seed, number, part.shape, dropout)
    return mask.reshape(weights.shape)


@op(residuals=("own", "sums"), jointly=_attend_joint, narrows=True)
def attend(
    xp: Any, query: Array, key: Array | None = None, value: Array | None = None, bias: Array | None = None, *, scale: float,
    causal: bool = False, dropout: float = 0.0, seed: Key = (0, 0), heads: int = 0, keep: bool = False,
) -> Array:  # fmt: skip
    """softmax(scale query key^T + bias) value: (..., queries, width), (..., keys, width), (..., keys, width of value).

    Leading axes broadcast. ``causal`` hides keys that come after their query. A share ``dropout`` of the weights is left out; ``seed``
    says which. A query whose bias is minus infinity everywhere gives 0. With ``heads`` those of each place lie side by side, as projections
    give them: (batch, queries, heads width), and the result likewise; keys and values may then lie behind the queries, in one (batch,
    length, 3 heads width). A kernel may ``keep`` its result in the operands' dtype, in heads, and the logarithms of the rows' sums, which
    spare the way back a part of its work.
    """
    if heads or key is None:
        return forward_in_heads(xp, Plain(xp), query, key, value, bias, heads, scale, causal, dropout, seed)
    return forward(xp, Plain(xp), query, key, value, bias, scale, causal, dropout, seed)


@op_with_results(3, narrows=True)
def attend_backward(
    xp: Any, flow: Array, query: Array, key: Array, value: Array, bias: Array | None = None, *, scale: float, causal: bool = False,
    dropout: float = 0.0, seed: Key = (0, 0), heads: int = 0, kept: Any = None,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """The gradients of attend for query, key and value, with the scores computed again. ``kept`` is what attend kept, if it did."""
    if heads:
        flow, query, key, value = (in_heads(each, heads) for each in (flow, query, key, value))
    found = backward(xp, Plain(xp), flow, query, key, value, bias, scale, causal, dropout, seed)
    return (in_rows(found[0]), in_rows(found[1]), in_rows(found[2])) if heads else found


@op(narrows=True)
def attend_packed_backward(
    xp: Any, flow: Array, packed: Array, bias: Array | None = None, *, scale: float, heads: int, causal: bool = False,
    dropout: float = 0.0, seed: Key = (0, 0), kept: Any = None,
) -> Array:  # fmt: skip
    """The gradient of attend for what holds queries, keys and values side by side, likewise."""
    settings = {"scale": scale, "causal": causal, "dropout": dropout, "seed": seed, "heads": heads}
    found = attend_backward.body(xp, flow, *thirds(packed), bias, **settings)
    whole: Array = xp.concatenate(found, -1)
    return whole


@attend.directly
def _attend_directly(node: Node, arrived: Tensor) -> list[Any] | None:
    edges = node.edges
    if len(edges) > 3 and edges[3] is not None:
        return None  # the bias' own gradient is that of the scores
    saved = dict(zip(node.plan.inputs, node.saved or (), strict=True))
    operands = given_arrays(node.precision, arrived, *map(saved.get, range(4)))
    if operands is None:
        return None
    flow, query, key, value, bias = operands
    own, sums = node.residuals or (None, None)
    kept = None if own is None or sums is None else (own, sums)
    if key is None:
        whole = attend_packed_backward.compute(flow, query, bias, **node.settings, kept=kept)
        return [whole, *(None,) * (len(edges) - 1)]
    found = attend_backward.compute(flow, query, key, value, bias, **node.settings, kept=kept)
    return [gradient if edge is not None else None for gradient, edge in zip((*found, None), edges, strict=False)]


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0, is_causal: bool = False,
    *, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(query key^T scale + mask) value (Vaswani et al., 2017).

    query (..., queries, width), key and value (..., keys, width) to (..., queries, width of value). A boolean mask lets through where it is
    True, another is added; a query that may see no key gives 0. ``scale`` is 1 / sqrt(width) unless given; ``is_causal`` hides later keys from
    each query. With ``enable_gqa`` several heads of queries (the third axis from the end) share one of keys and values (Ainslie et al., 2023).
    Memory grows with the number of keys and queries, not with their product.
    """
    query, key, value = tensor_like("attention", query), tensor_like("attention", key), tensor_like("attention", value)
    shape = query.array.shape
    if attn_mask is not None or enable_gqa or not shape:  # else whoever computes looks at the shapes
        check_attention(query.array, key.array, value.array)
    if attn_mask is not None:
        attn_mask = _bias(tensor_like("attention", attn_mask), query, key)
    if not enable_gqa:
        return _attended(query, key, value, attn_mask, dropout_p, is_causal, scale, shape[-1])
    group = _size_of_groups(query, key, value)
    if (
        shape[-2] == 1 and attn_mask is None and not is_causal
    ):  # the one query of each head: those of a group side by side
        query = query.reshape((*shape[:-3], shape[-3] // group, group, shape[-1]))
    else:
        query, key, value, attn_mask = _grouped(query, key, value, attn_mask, group)
    out = _attended(query, key, value, attn_mask, dropout_p, is_causal, scale, shape[-1])
    return out.reshape((*shape[:-1], value.shape[-1]))


def attention_in_heads(
    query: Tensor, key: Tensor | None, value: Tensor | None, heads: int, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, *, scale: float | None = None,
) -> Tensor:  # fmt: skip
    """The same for projections as layers give them, the heads of each place side by side: one operation in the place of six.

    query (batch, queries, heads width), key (batch, keys, heads width) and value to (batch, queries, heads width of value). Where ``key`` and
    ``value`` are None the query holds all three side by side, (batch, length, 3 heads width). Masks broadcast to (batch, heads, queries, keys).
    """
    query = tensor_like("attention", query)
    if key is None or value is None:
        width = check_packed(query.array, heads, key is value)
    else:
        key, value = tensor_like("attention", key), tensor_like("attention", value)
        width = check_heads(query.array, key.array, value.array, heads)
    if attn_mask is not None:
        attn_mask = _bias(tensor_like("attention", attn_mask), query, query if key is None else key)
    return _attended(query, key, value, attn_mask, dropout_p, is_causal, scale, width, heads)


def _attended(
    query: Tensor, key: Tensor | None, value: Tensor | None, bias: Tensor | None, dropout: float, causal: bool, scale: float | None,
    width: int, heads: int = 0,
) -> Tensor:  # fmt: skip
    """What ``attend`` gives, for settings as PyTorch's users write them; ``width`` is that of a head."""
    chance, seed = 0.0, (0, 0)
    if dropout.__class__ is not float or dropout != 0.0:
        if not isinstance(dropout, (int, float)) or not 0.0 <= dropout <= 1.0:
            raise SettingError(f"attention: dropout_p must lie between 0 and 1, not {dropout!r:.60}")
        if 0.0 < dropout < 1.0:
            chance, seed = float(dropout), tuple(default_generator().numpy.bit_generator.random_raw(2).tolist())
    if scale is None:
        scale = 1.0 / math.sqrt(width) if width else 1.0
    settings = {"scale": scale, "causal": bool(causal), "dropout": chance, "seed": seed, "heads": heads}
    out: Tensor = attend.run((query, key, value, bias), settings)
    return out * 0.0 if dropout == 1.0 else out


def _bias(mask: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """A mask as what is added to the scores."""
    sizes = (query.shape[-2], key.shape[-2])
    if mask.ndim < 2:
        mask = mask.reshape((1,) * (2 - mask.ndim) + tuple(mask.shape))
    if any(m not in (1, size) for m, size in zip(mask.shape[-2:], sizes, strict=True)):
        raise ShapeError(
            f"attention: attn_mask {tuple(mask.shape)} must broadcast to the scores (..., {sizes[0]}, {sizes[1]})"
        )
    if kind(mask.dtype) == 0:
        return _bias_of_places(mask, query.dtype)
    if not is_floating(mask.dtype):
        raise DtypeError(f"attention: attn_mask must hold booleans or floating-point numbers, not {mask.dtype}")
    if mask.dtype not in (query.dtype, float32):
        raise DtypeError(f"attention: attn_mask is {mask.dtype} but query {query.dtype}; convert with .to(dtype)")
    if mask.dtype == query.dtype or is_narrowing():
        return mask  # where operands are narrowed, the attention does that itself, once for all layers
    return mask.to(dtype=query.dtype)


def _bias_of_places(mask: Tensor, dtype: Dtype) -> Tensor:
    """Minus infinity where a mask is False. On a GPU made once for all layers that are given it, until it is written to."""
    twin: Twin | None = mask.twin
    known = twin is not None and twin.source is mask.array and twin.array.dtype == dtype and twin.holds(mask)
    if known and twin is not None and twin.tensor is not None:
        return twin.tensor
    bias = where(mask, 0.0, -math.inf).to(dtype=dtype)
    if not isinstance(mask.array, np.ndarray):
        twin = mask.twin = Twin(mask.array, bias.array, None)
        twin.tensor = bias
    return bias


def _size_of_groups(query: Tensor, key: Tensor, value: Tensor) -> int:
    """How many heads of queries share one of keys."""
    if query.ndim < 3 or key.ndim < 3 or value.ndim < 3:
        raise ShapeError("attention: enable_gqa wants heads, the third axis from the end of query, key and value")
    heads, shared = query.shape[-3], key.shape[-3]
    if value.shape[-3] != shared or not shared or heads % shared:
        raise ShapeError(
            f"attention: the {heads} heads of query must be a multiple of those of key ({shared}) and value ({value.shape[-3]}), which must be equal"
        )
    return heads // shared


def _grouped(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, group: int
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Queries with their heads in groups, (..., heads of keys, group, queries, width); keys and values with an axis of one to meet it."""
    heads, shared = query.shape[-3], key.shape[-3]
    if bias is not None and bias.ndim > 2:
        own = bias.shape[-3] == heads
        bias = bias.reshape((*bias.shape[:-3], shared, group, *bias.shape[-2:])) if own else bias.unsqueeze(-3)
    grouped = query.reshape((*query.shape[:-3], shared, group, *query.shape[-2:]))
    return grouped, key.unsqueeze(-3), value.unsqueeze(-3), bias
