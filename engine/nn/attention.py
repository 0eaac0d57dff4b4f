"""Attention with several heads, as a layer."""

from __future__ import annotations

from ..dtype import DtypeLike, float32, kind
from ..errors import SettingError, ShapeError
from ..ops import arange, matmul, softmax, where
from ..tensor import Tensor
from . import functional as F
from . import init
from .linear import Linear
from .module import Module
from .parameter import Parameter
from .settings import probability, whole

__all__ = [
    "MultiheadAttention",
]


class MultiheadAttention(Module):
    """Vaswani et al., 2017, section 3.2.2; parameters named as PyTorch's (one ``in_proj`` for query, key and value).

    Inputs are (sequence, batch, width), or (batch, sequence, width) with ``batch_first``. Gives the result and, with
    ``need_weights``, the attention weights averaged over the heads (batch, queries, keys), else None.
    """

    in_proj_bias: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        batch_first: bool = False,
        *,
        dtype: DtypeLike = float32,
    ) -> None:
        super().__init__()
        whole("MultiheadAttention", 1, embed_dim=embed_dim, num_heads=num_heads)
        probability("MultiheadAttention", dropout)
        if embed_dim % num_heads:
            raise SettingError(f"MultiheadAttention: embed_dim {embed_dim} must be a multiple of num_heads {num_heads}")
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.in_proj_weight = Parameter.of(3 * embed_dim, embed_dim, dtype=dtype)
        self.in_proj_bias = Parameter.of(3 * embed_dim, dtype=dtype) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, dtype=dtype)
        init.xavier_uniform_(self.in_proj_weight)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None, need_weights: bool = True,
        attn_mask: Tensor | None = None, is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Masks follow PyTorch's layer: boolean ones hide where they are True, float ones are added."""
        if query.ndim != 3:
            raise ShapeError(f"MultiheadAttention: wants three axes, not {tuple(query.shape)}")
        same = key is query and value is query
        if not self.batch_first:
            query, key, value = (t.transpose(0, 1) for t in (query, key, value))
        queries, keys, values = self._project(query, key, value, same)
        if is_causal and attn_mask is None and (need_weights or key_padding_mask is not None):
            later, place = (arange(t.shape[1], device=query.device) for t in (key, query))
            attn_mask = later > place.unsqueeze(1)
        mask = self._mask(query, key, key_padding_mask, attn_mask)
        if need_weights:
            scores = matmul(queries * (queries.shape[-1] ** -0.5), keys.mT)
            weights = softmax(scores if mask is None else scores + mask, axis=-1)
            mixed = matmul(F.dropout(weights, self.dropout, self.training), values)
        else:
            mixed = F.scaled_dot_product_attention(
                queries,
                keys,
                values,
                mask,
                dropout_p=self.dropout if self.training else 0.0,
                is_causal=is_causal and mask is None,
            )
        batch, heads, length, width = mixed.shape
        result = self.out_proj(mixed.transpose(1, 2).reshape(batch, length, heads * width))
        result = result if self.batch_first else result.transpose(0, 1)
        return result, weights.mean(1) if need_weights else None

    def _project(self, query: Tensor, key: Tensor, value: Tensor, same: bool) -> list[Tensor]:
        """Queries, keys and values, (batch, heads, sequence, width of a head)."""
        if same:
            parts = list(F.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, -1))
        else:
            weights = self.in_proj_weight.chunk(3)
            biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
            parts = [F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]
        return [
            p.reshape(p.shape[0], p.shape[1], self.num_heads, self.embed_dim // self.num_heads).transpose(1, 2)
            for p in parts
        ]

    def _mask(
        self, query: Tensor, key: Tensor, key_padding_mask: Tensor | None, attn_mask: Tensor | None
    ) -> Tensor | None:
        """Both masks as one that is added to the scores."""
        total: Tensor | None = None
        if key_padding_mask is not None:
            total = _added(key_padding_mask, query).reshape(key.shape[0], 1, 1, key.shape[1])
        if attn_mask is not None:
            part = _added(attn_mask, query)
            if part.ndim == 3:
                part = part.reshape(-1, self.num_heads, *part.shape[1:])
            total = part if total is None else total + part
        return total

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, {self.num_heads}, dropout={self.dropout}, batch_first={self.batch_first}"


def _added(mask: Tensor, like: Tensor) -> Tensor:
    return where(mask, float("-inf"), 0.0).to(dtype=like.dtype) if kind(mask.dtype) == 0 else mask
