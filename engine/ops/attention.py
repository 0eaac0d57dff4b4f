"""Attention: each query takes the mean of the values, weighted by how well their keys fit it."""

from __future__ import annotations

import math
from typing import Any

from ..dtype import kind
from ..errors import SettingError, ShapeError
from ..tensor import Tensor, tensor_like, tensor_of
from .activation import softmax
from .arithmetic import where
from .matrix import matmul

__all__ = [
    "scaled_dot_product_attention",
]


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *,
    dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
) -> Tensor:  # fmt: skip
    """softmax(query key^T scale + mask) value (Vaswani et al., 2017).

    query (..., queries, width), key and value (..., keys, width) to (..., queries, width of value). A boolean mask lets through where it is
    True, another is added. ``scale`` is 1 / sqrt(width) unless given; ``is_causal`` hides later keys from each query.
    """
    query, key, value = (tensor_like("attention", t) for t in (query, key, value))
    if (
        min(query.ndim, key.ndim, value.ndim) < 2
        or query.shape[-1] != key.shape[-1]
        or key.shape[-2] != value.shape[-2]
    ):
        raise ShapeError(
            f"attention: query {tuple(query.shape)} and key {tuple(key.shape)} must agree in their last axis, "
            f"key and value {tuple(value.shape)} in the one before"
        )
    if not 0.0 <= dropout_p <= 1.0:
        raise SettingError(f"attention: dropout_p must lie between 0 and 1, not {dropout_p}")
    scores = matmul(query * (1.0 / math.sqrt(query.shape[-1]) if scale is None else scale), key.mT)
    if is_causal:
        scores = where(_causal(query, scores.shape[-2], scores.shape[-1]), scores, -math.inf)
    if attn_mask is not None:
        scores = where(attn_mask, scores, -math.inf) if kind(attn_mask.dtype) == 0 else scores + attn_mask
    weights = softmax(scores, axis=-1)
    if dropout_p:
        from ..nn.functional import dropout

        weights = dropout(weights, dropout_p)
    return matmul(weights, value)


def _causal(like: Tensor, queries: int, keys: int) -> Tensor:
    from ..device import namespace

    xp: Any = namespace(like.array)
    return tensor_of(xp.tril(xp.ones((queries, keys), bool)))
