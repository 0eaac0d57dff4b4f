"""Attention with several heads, as a layer."""

from __future__ import annotations

from typing import Any

from ..device import DeviceLike
from ..dtype import Dtype, DtypeLike, kind
from ..errors import ArgumentError, SettingError, ShapeError
from ..ops import arange, attention_in_heads, cat, matmul, pad, softmax, split_heads, where, zeros
from ..tensor import Tensor, tensor_like
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
    """Vaswani et al., 2017, section 3.2.2; parameters named as PyTorch's.

    Queries, keys and values of one width share ``in_proj_weight``; with ``kdim`` or ``vdim`` each has a weight of its own. Inputs are (length,
    batch, width), or (batch, length, width) with ``batch_first``, or (length, width). ``add_bias_kv`` adds a learned key and value at the end,
    ``add_zero_attn`` ones of zeros.
    """

    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, add_bias_kv: bool = False, add_zero_attn: bool = False,
        kdim: int | None = None, vdim: int | None = None, batch_first: bool = False, *, device: DeviceLike | None = None, dtype: DtypeLike | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        kdim, vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        whole("MultiheadAttention", 1, embed_dim=embed_dim, num_heads=num_heads, kdim=kdim, vdim=vdim)
        probability("MultiheadAttention", dropout)
        if embed_dim % num_heads:
            raise SettingError(f"MultiheadAttention: embed_dim {embed_dim} must be a multiple of num_heads {num_heads}")
        self.embed_dim, self.num_heads, self.kdim, self.vdim = embed_dim, num_heads, kdim, vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        self.head_dim = embed_dim // num_heads
        shared = kdim == vdim == embed_dim
        self.in_proj_weight = Parameter.of(3 * embed_dim, embed_dim, device=device, dtype=dtype) if shared else None
        self.q_proj_weight = None if shared else Parameter.of(embed_dim, embed_dim, device=device, dtype=dtype)
        self.k_proj_weight = None if shared else Parameter.of(embed_dim, kdim, device=device, dtype=dtype)
        self.v_proj_weight = None if shared else Parameter.of(embed_dim, vdim, device=device, dtype=dtype)
        self.in_proj_bias = Parameter.of(3 * embed_dim, device=device, dtype=dtype) if bias else None
        self.bias_k = Parameter.of(1, 1, embed_dim, device=device, dtype=dtype) if add_bias_kv else None
        self.bias_v = Parameter.of(1, 1, embed_dim, device=device, dtype=dtype) if add_bias_kv else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values: Glorot's for the projections, 0 for their biases."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        for vector in (self.bias_k, self.bias_v):
            if vector is not None:
                init.xavier_normal_(vector)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None, need_weights: bool = True,
        attn_mask: Tensor | None = None, average_attn_weights: bool = True, is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """The result, and with ``need_weights`` the attention weights, (batch, queries, keys) averaged over the heads or of each, else None.

        Masks follow PyTorch's layer: boolean ones hide where they are True, float ones are added. ``key_padding_mask`` is (batch, keys),
        ``attn_mask`` (queries, keys) or (batch heads, queries, keys). ``is_causal`` hides later keys; beside it ``attn_mask`` is taken for just that.
        """
        same = key is query and value is query
        query = tensor_like("MultiheadAttention", query)
        key, value = (query, query) if same else (tensor_like("MultiheadAttention", t) for t in (key, value))
        single = query.ndim == 2
        if single:
            axis = 0 if self.batch_first else 1
            query, key, value = (t.unsqueeze(axis) for t in (query, key, value))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        self._check(query, key, value)
        more = (self.bias_k is not None) + self.add_zero_attn
        if is_causal and (need_weights or key_padding_mask is not None or more):
            # A mask is needed for what only the causal order of queries and keys says otherwise.
            later, place = (arange(t.shape[self._length], device=query.device) for t in (key, query))
            attn_mask, is_causal = later > place.unsqueeze(1), False
        whole = self.batch_first and not need_weights and not more  # then heads need not be cut apart
        queries, keys, values = (self._rows if whole else self._project)(query, key, value, same)
        mask = None
        if not is_causal and (key_padding_mask is not None or attn_mask is not None):
            shape = (query.shape[1 - self._length], query.shape[self._length], key.shape[self._length])
            mask = self._mask(shape, more, key_padding_mask, attn_mask, queries.dtype)
        dropout = self.dropout if self.training else 0.0
        weights: Tensor | None = None
        if whole:
            mixed = attention_in_heads(queries, keys, values, self.num_heads, mask, dropout, is_causal)
        else:
            mixed, weights = self._attend(queries, keys, values, mask, dropout, is_causal, need_weights)
        result = self.out_proj(mixed)
        if weights is not None and average_attn_weights:
            weights = weights.mean(1)
        if single:
            return result.squeeze(axis), None if weights is None else weights.squeeze(0)
        return result, weights

    def _attend(
        self, queries: Any, keys: Any, values: Any, mask: Tensor | None, dropout: float, is_causal: bool, need_weights: bool
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """What heads that were cut apart give, side by side, and their weights."""
        weights: Tensor | None = None
        if need_weights:
            scores = matmul(queries * (self.head_dim**-0.5), keys.mT)
            weights = F.dropout(softmax(scores if mask is None else scores + mask, axis=-1), dropout, self.training)
            mixed = matmul(weights, values)
        else:
            mixed = F.scaled_dot_product_attention(queries, keys, values, mask, dropout, is_causal)
        turned = mixed.permute((0, 2, 1, 3) if self.batch_first else (2, 0, 1, 3))
        return turned.reshape((*turned.shape[:2], self.embed_dim)), weights

    @property
    def _length(self) -> int:
        return 1 if self.batch_first else 0

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        sizes = (self.embed_dim, self.kdim, self.vdim)
        length = self._length
        batch = 1 - length
        first, second, third = query.shape, key.shape, value.shape
        if (
            not len(first) == len(second) == len(third) == 3
            or (first[2], second[2], third[2]) != sizes
            or not first[batch] == second[batch] == third[batch]
            or second[length] != third[length]
        ):
            form = "(batch, length, width)" if self.batch_first else "(length, batch, width)"
            raise ShapeError(
                f"MultiheadAttention: wants query, key and value {form} or (length, width) of widths {sizes}, key and value equally long, "
                f"not {tuple(query.shape)}, {tuple(key.shape)} and {tuple(value.shape)}"
            )

    def _project(self, query: Tensor, key: Tensor, value: Tensor, same: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, (batch, heads, length, width of a head)."""
        extended = self.bias_k is not None or self.add_zero_attn
        first, second, third = self._rows(query, key, value, same and not extended)
        if second is None or third is None:
            return split_heads(first, heads=self.num_heads, batch_first=self.batch_first)  # type: ignore[return-value]
        if extended:
            second, third = self._extended(second, self.bias_k), self._extended(third, self.bias_v)
        order = (0, 2, 1, 3) if self.batch_first else (1, 2, 0, 3)
        query, key, value = (
            t.reshape((*t.shape[:2], self.num_heads, self.head_dim)).permute(order) for t in (first, second, third)
        )
        return query, key, value

    def _rows(
        self, query: Tensor, key: Tensor, value: Tensor, same: bool
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """The projections with their heads side by side; of inputs that are the ``same`` all in one, if they may be."""
        if same and self.in_proj_weight is not None:
            return F.linear(query, self.in_proj_weight, self.in_proj_bias), None, None
        if self.in_proj_weight is not None:
            weights = list(self.in_proj_weight.chunk(3))
        else:
            weights = [w for w in (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight) if w is not None]
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        first, second, third = (F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))
        return first, second, third

    def _extended(self, projected: Tensor, vector: Tensor | None) -> Tensor:
        """Keys or values with a learned one, one of zeros, or both at the end."""
        shape = list(projected.shape)
        shape[self._length] = 1
        parts = [projected]
        if vector is not None:
            parts.append(vector.expand(tuple(shape)))
        if self.add_zero_attn:
            parts.append(zeros(tuple(shape), dtype=projected.dtype, device=projected.device))
        return cat(parts, self._length)

    def _mask(
        self, shape: tuple[int, int, int], more: int, key_padding_mask: Tensor | None, attn_mask: Tensor | None, dtype: Dtype
    ) -> Tensor | None:  # fmt: skip
        """Both masks as one that is added to scores of ``dtype``; the ``more`` that were added to the given keys are seen by all.

        ``shape`` is (batch, queries, given keys).
        """
        (batch, length, given), heads = shape, self.num_heads
        total: Tensor | None = None
        if key_padding_mask is not None:
            part = _added("key_padding_mask", key_padding_mask, dtype, [(batch, given)])
            total = _longer(part, more).reshape(batch, 1, 1, given + more)
        if attn_mask is not None:
            part = _added("attn_mask", attn_mask, dtype, [(length, given), (batch * heads, length, given)])
            part = _longer(part, more)
            if part.ndim == 3:
                part = part.reshape(batch, heads, length, given + more)
            total = part if total is None else total + part
        return total

    def extra_repr(self) -> str:
        parts = [f"{self.embed_dim}, {self.num_heads}, dropout={self.dropout}, batch_first={self.batch_first}"]
        parts += [
            f"{name}={size}" for name, size in (("kdim", self.kdim), ("vdim", self.vdim)) if size != self.embed_dim
        ]
        return ", ".join(parts)


def _added(name: str, mask: Tensor, dtype: Dtype, shapes: list[tuple[int, ...]]) -> Tensor:
    """A mask as what is added to scores, checked."""
    mask = tensor_like("MultiheadAttention", mask)
    if tuple(mask.shape) not in shapes:
        wanted = " or ".join(map(str, shapes))
        raise ShapeError(f"MultiheadAttention: {name} must have shape {wanted}, not {tuple(mask.shape)}")
    if kind(mask.dtype) == 0:
        return where(mask, float("-inf"), 0.0).to(dtype=dtype)
    if kind(mask.dtype) != 2:
        raise ArgumentError(
            f"MultiheadAttention: {name} must hold booleans or floating-point numbers, not {mask.dtype}"
        )
    return mask.to(dtype=dtype)


def _longer(mask: Tensor, more: int) -> Tensor:
    return pad(mask, (0, more)) if more else mask
