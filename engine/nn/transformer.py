"""The transformer's encoder and decoder (Vaswani et al., 2017), with PyTorch's names and arguments.

Masks are those of MultiheadAttention: boolean ones hide where they are True, float ones are added.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..device import DeviceLike
from ..dtype import DtypeLike, float32
from ..errors import SettingError, ShapeError
from ..tensor import Tensor, tensor_like, tensor_of
from . import functional as F
from . import init
from .attention import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .norm import LayerNorm
from .residual import add_and_normalise, normalised_sum
from .settings import whole

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation = str | Callable[[Tensor], Tensor]


class TransformerEncoderLayer(Module):
    """Attention of a sequence to itself, then two linear layers, each with dropout, a sum with its input, and layer normalisation.

    ``norm_first`` normalises what goes in instead of what comes out. ``activation`` is "relu", "gelu" or a function.
    """

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1, activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5, batch_first: bool = False, norm_first: bool = False, bias: bool = True,
        *, device: DeviceLike | None = None, dtype: DtypeLike | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, device=device, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, device=device, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, device=device, dtype=dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = function_of(activation)

    def forward(
        self, src: Tensor, src_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None, is_causal: bool = False
    ) -> Tensor:  # fmt: skip
        """src as MultiheadAttention takes it; ``src_mask`` is its ``attn_mask``."""
        masks = (src_mask, src_key_padding_mask, is_causal)
        if self.norm_first:
            part = self._attend(self.norm1(src), *masks)
            src, normalised = add_and_normalise(part, src, self.norm2, self.dropout1)
            return src + self.dropout2(self._feed(normalised))
        src = normalised_sum(self._attend(src, *masks), src, self.norm1, self.dropout1)
        return normalised_sum(self._feed(src), src, self.norm2, self.dropout2)

    def _attend(self, x: Tensor, mask: Tensor | None, padding: Tensor | None, causal: bool) -> Tensor:
        return attended(self.self_attn, x, x, mask, padding, causal)

    def _feed(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoder(Module):
    """Copies of an encoder layer, one after another, and a normalisation at the end if there is one."""

    def __init__(
        self, encoder_layer: Module, num_layers: int, norm: Module | None = None, enable_nested_tensor: bool = True, mask_check: bool = True
    ) -> None:  # fmt: skip
        super().__init__()
        whole("TransformerEncoder", 0, num_layers=num_layers)
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self, src: Tensor, mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None, is_causal: bool | None = None
    ) -> Tensor:  # fmt: skip
        """``is_causal`` None looks whether ``mask`` is the causal one, which costs less than a mask."""
        causal = is_causal if is_causal is not None else is_causal_mask(mask)
        for layer in self.layers:
            src = layer(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=causal)
        return src if self.norm is None else self.norm(src)


class TransformerDecoderLayer(Module):
    """As the encoder's, with attention to ``memory``, the encoder's result, in between."""

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1, activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5, batch_first: bool = False, norm_first: bool = False, bias: bool = True,
        *, device: DeviceLike | None = None, dtype: DtypeLike | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, device=device, dtype=dtype
        )
        self.multihead_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, device=device, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, device=device, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, device=device, dtype=dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = function_of(activation)

    def forward(
        self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None, tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """tgt and memory as MultiheadAttention takes them."""
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory_mask, memory_key_padding_mask, memory_is_causal)
        if self.norm_first:
            tgt, x = add_and_normalise(self._attend(self.norm1(tgt), *own), tgt, self.norm2, self.dropout1)
            tgt, x = add_and_normalise(self._look(x, memory, *other), tgt, self.norm3, self.dropout2)
            return tgt + self.dropout3(self._feed(x))
        tgt = normalised_sum(self._attend(tgt, *own), tgt, self.norm1, self.dropout1)
        tgt = normalised_sum(self._look(tgt, memory, *other), tgt, self.norm2, self.dropout2)
        return normalised_sum(self._feed(tgt), tgt, self.norm3, self.dropout3)

    def _attend(self, x: Tensor, mask: Tensor | None, padding: Tensor | None, causal: bool) -> Tensor:
        return attended(self.self_attn, x, x, mask, padding, causal)

    def _look(self, x: Tensor, memory: Tensor, mask: Tensor | None, padding: Tensor | None, causal: bool) -> Tensor:
        return attended(self.multihead_attn, x, memory, mask, padding, causal)

    def _feed(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerDecoder(Module):
    """Copies of a decoder layer, one after another, and a normalisation at the end if there is one."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        whole("TransformerDecoder", 0, num_layers=num_layers)
        self.layers = ModuleList([copy.deepcopy(decoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None, tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """``tgt_is_causal`` None looks whether ``tgt_mask`` is the causal one."""
        causal = tgt_is_causal if tgt_is_causal is not None else is_causal_mask(tgt_mask)
        for layer in self.layers:
            tgt = layer(
                tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, causal, memory_is_causal
            )  # fmt: skip
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder of one sequence, and a decoder of another that looks at what the encoder made of the first."""

    def __init__(
        self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6, num_decoder_layers: int = 6, dim_feedforward: int = 2048,
        dropout: float = 0.1, activation: Activation = F.relu, custom_encoder: Any = None, custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5, batch_first: bool = False, norm_first: bool = False, bias: bool = True,
        *, device: DeviceLike | None = None, dtype: DtypeLike | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        settings: Any = (
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            activation,
            layer_norm_eps,
            batch_first,
            norm_first,
            bias,
        )
        if custom_encoder is not None:
            self.encoder = custom_encoder
        else:
            last = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
            self.encoder = TransformerEncoder(
                TransformerEncoderLayer(*settings, device=device, dtype=dtype), num_encoder_layers, last
            )
        if custom_decoder is not None:
            self.decoder = custom_decoder
        else:
            last = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
            self.decoder = TransformerDecoder(
                TransformerDecoderLayer(*settings, device=device, dtype=dtype), num_decoder_layers, last
            )
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self, src: Tensor, tgt: Tensor, src_mask: Tensor | None = None, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None, tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None, tgt_is_causal: bool | None = None, memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """src and tgt (length, batch, d_model), or (batch, length, d_model) with ``batch_first``, or (length, d_model)."""
        src, tgt = tensor_like("Transformer", src), tensor_like("Transformer", tgt)
        batch = 0 if self.batch_first else 1
        if src.ndim == tgt.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise ShapeError(
                f"Transformer: src {tuple(src.shape)} and tgt {tuple(tgt.shape)} must have equally many examples"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise ShapeError(
                f"Transformer: src {tuple(src.shape)} and tgt {tuple(tgt.shape)} must have {self.d_model} features"
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, tgt_is_causal, memory_is_causal
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, dtype: DtypeLike = float32) -> Tensor:
        """The causal mask: minus infinity above the diagonal, 0 elsewhere."""
        whole("generate_square_subsequent_mask", 0, sz=sz)
        mask = np.triu(np.full((sz, sz), -math.inf, np.float32), 1)
        return tensor_of(mask).to(dtype=dtype)


def attended(
    layer: MultiheadAttention, x: Tensor, memory: Tensor, mask: Tensor | None, padding: Tensor | None, causal: bool
) -> Tensor:
    """The layer's result alone."""
    return layer(x, memory, memory, padding, False, mask, True, causal)[0]


def function_of(activation: Activation) -> Callable[[Tensor], Tensor]:
    """What "relu", "gelu" or a function means."""
    if activation == "relu":
        return F.relu
    if activation == "gelu":
        return F.gelu
    if callable(activation):
        return activation
    raise SettingError(f"Transformer: activation must be 'relu', 'gelu' or a function, not {activation!r:.60}")


def is_causal_mask(mask: Tensor | None) -> bool:
    """Whether a mask hides the keys after each query, and nothing else."""
    if mask is None or mask.ndim != 2 or mask.shape[0] != mask.shape[1] or not isinstance(mask.array, np.ndarray):
        return False
    later = np.triu(np.ones(mask.shape, bool), 1)
    array = mask.array
    return bool(np.array_equal(array, later if array.dtype.kind == "b" else np.where(later, -math.inf, 0.0)))
