"""Embedding layers."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from ..device import DeviceLike
from ..dtype import DtypeLike
from ..errors import SettingError, ShapeError
from ..tensor import Tensor, tensor_like
from . import functional as F
from .functional.lookup import MODES, padding_row
from .module import Module
from .parameter import Parameter
from .settings import whole

__all__ = [
    "Embedding",
    "EmbeddingBag",
]

Self = TypeVar("Self", bound="_Table")


class _Table(Module):
    """A table of vectors, drawn from the normal distribution; the padding row is 0 at first."""

    weight: Parameter

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None, max_norm: float | None, norm_type: float,
        scale_grad_by_freq: bool, sparse: bool, weight: Any, device: DeviceLike | None, dtype: DtypeLike | None,
    ) -> None:  # fmt: skip
        super().__init__()
        who = type(self).__name__
        whole(who, 0, num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_row(who, padding_idx, num_embeddings)
        if max_norm is not None and not max_norm > 0:
            raise SettingError(f"{who}: max_norm must be above 0, not {max_norm}")
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        if weight is None:
            self.weight = Parameter.of(num_embeddings, embedding_dim, device=device, dtype=dtype)
            self.reset_parameters()
            return
        given = tensor_like(who, weight)
        if tuple(given.shape) != (num_embeddings, embedding_dim):
            raise ShapeError(
                f"{who}: the given weight {tuple(given.shape)} must have the shape {(num_embeddings, embedding_dim)}"
            )
        self.weight = Parameter(given.to(device=device, dtype=dtype).array)

    def reset_parameters(self) -> None:
        """Draw the initial values."""
        padding = self.padding_idx

        def fill(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
            values = generator.standard_normal(shape, np.float32)
            if padding is not None:
                values[padding] = 0
            return values

        self.weight.set_fill(fill)

    @classmethod
    def _made_of(cls: type[Self], embeddings: Any, freeze: bool, settings: dict[str, Any]) -> Self:
        given = tensor_like(f"{cls.__name__}.from_pretrained", embeddings)
        if given.ndim != 2:
            raise ShapeError(f"{cls.__name__}.from_pretrained: wants (numbers, width), not {tuple(given.shape)}")
        make: Any = cls
        made: Self = make(*given.shape, _weight=given, **settings)
        made.weight.requires_grad_(not freeze)
        return made

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.padding_idx is not None:
            parts.append(f"padding_idx={self.padding_idx}")
        if self.max_norm is not None:
            parts.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            parts.append(f"norm_type={self.norm_type}")
        if self.scale_grad_by_freq:
            parts.append("scale_grad_by_freq=True")
        return ", ".join(parts)


class Embedding(_Table):
    """Vectors looked up by number: integers (...) to (..., embedding_dim). See ``functional.embedding``."""

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, max_norm: float | None = None, norm_type: float = 2.0,
        scale_grad_by_freq: bool = False, sparse: bool = False, _weight: Any = None, *, device: DeviceLike | None = None, dtype: DtypeLike | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight,
            device,
            dtype,
        )

    @classmethod
    def from_pretrained(
        cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None, max_norm: float | None = None, norm_type: float = 2.0,
        scale_grad_by_freq: bool = False, sparse: bool = False,
    ) -> Embedding:  # fmt: skip
        """The layer around given vectors (numbers, width), whose memory it shares; not trained while ``freeze``."""
        settings = {
            "padding_idx": padding_idx,
            "max_norm": max_norm,
            "norm_type": norm_type,
            "scale_grad_by_freq": scale_grad_by_freq,
            "sparse": sparse,
        }
        return cls._made_of(embeddings, freeze, settings)

    def forward(self, x: Tensor) -> Tensor:
        return F.embedding(x, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)


class EmbeddingBag(_Table):
    """The sum, mean or maximum of vectors looked up by number. See ``functional.embedding_bag``."""

    def __init__(
        self, num_embeddings: int, embedding_dim: int, max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        mode: str = "mean", sparse: bool = False, _weight: Any = None, include_last_offset: bool = False, padding_idx: int | None = None,
        *, device: DeviceLike | None = None, dtype: DtypeLike | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight,
            device,
            dtype,
        )
        if mode not in MODES:
            raise SettingError(f"EmbeddingBag: mode must be one of {', '.join(MODES)}, not {mode!r}")
        self.mode, self.include_last_offset = mode, include_last_offset

    @classmethod
    def from_pretrained(
        cls, embeddings: Any, freeze: bool = True, max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        mode: str = "mean", sparse: bool = False, include_last_offset: bool = False, padding_idx: int | None = None,
    ) -> EmbeddingBag:  # fmt: skip
        """The layer around given vectors (numbers, width), whose memory it shares; not trained while ``freeze``."""
        settings = {
            "max_norm": max_norm,
            "norm_type": norm_type,
            "scale_grad_by_freq": scale_grad_by_freq,
            "mode": mode,
            "sparse": sparse,
            "include_last_offset": include_last_offset,
            "padding_idx": padding_idx,
        }
        return cls._made_of(embeddings, freeze, settings)

    def forward(self, x: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        return F.embedding_bag(
            x,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, mode={self.mode!r}"
