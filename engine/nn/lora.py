"""Low-rank adapters: W + (alpha / rank) B A in the place of W, of which only A and B are trained (Hu et al., 2021, arXiv:2106.09685).

An adapted layer stays the same object under the same names; ``lora_A``, ``lora_B`` and ``lora_scale`` come beside its ``weight``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from .. import ops
from ..device import namespace
from ..dtype import Array, float32
from ..errors import ArgumentError, SettingError, StateError
from ..tensor import Tensor, tensor_of
from . import functional as F
from . import init
from .conv import MODES, Conv2d
from .freezing import freeze, heads_of, matcher, unfreeze
from .functional.convolution import convolved
from .linear import Linear
from .module import Module
from .parameter import Parameter
from .settings import probability, whole

__all__ = ["LoRAConv2d", "LoRALinear", "add_lora", "merge_lora", "remove_lora", "unmerge_lora"]


class Adapted(Module):
    """What adapted layers share."""

    lora_A: Parameter  # noqa: N815 - the paper's names
    lora_B: Parameter  # noqa: N815
    lora_scale: Tensor
    lora_dropout: float
    unmerged: Array | None = None
    """The weight without the adapter, while the adapter is merged into it."""

    @property
    def weight(self) -> Any:
        """The weight that the layer computes with, for those who do not call the layer but use its weight."""
        own = self.__dict__["weight"]
        return own if self.unmerged is not None else own + self.difference()

    @weight.setter
    def weight(self, value: Any) -> None:
        self.__dict__["weight"] = value

    def difference(self) -> Tensor:
        """lora_scale B A, in the weight's shape."""
        own = self.__dict__["weight"]
        product = ops.matmul(self.lora_B.reshape(own.shape[0], -1), self.lora_A.reshape(self.lora_A.shape[0], -1))
        return (product * self.lora_scale.to(dtype=own.dtype)).reshape(*own.shape)

    def apply_weight(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer's computation with another weight; each kind says it."""
        raise ArgumentError(f"{type(self).__name__} defines no apply_weight()")

    def widen(self, x: Tensor) -> Tensor:
        """From rank channels to the layer's."""
        raise ArgumentError(f"{type(self).__name__} defines no widen()")

    def forward(self, x: Tensor) -> Tensor:
        bias: Tensor | None = self.__dict__["bias"]
        result = self.apply_weight(x, self.__dict__["weight"], bias)
        if self.unmerged is not None:
            return result
        narrow = self.apply_weight(F.dropout(x, self.lora_dropout, self.training), self.lora_A, None)
        return result + self.widen(narrow) * self.lora_scale.to(dtype=result.dtype)

    def _entries(self, prefix: str) -> Iterator[tuple[str, Module, str, Tensor]]:
        # While merged, the state is that of a plain layer: with the adapter beside it, the weight would get it twice.
        for entry in super()._entries(prefix):
            if self.unmerged is None or not entry[2].startswith("lora_"):
                yield entry

    def begin(self, rank: int, alpha: float, dropout: float, narrow: tuple[int, ...], wide: tuple[int, ...]) -> None:
        """Add an adapter that changes nothing yet: A drawn at random, B zero."""
        weight = self.__dict__["weight"]
        self.lora_A = Parameter.of(*narrow, dtype=weight.dtype)
        self.lora_B = Parameter.of(*wide, dtype=weight.dtype)
        init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        init.zeros_(self.lora_B)
        self.register_buffer("lora_scale", Tensor(float32.type(alpha / rank)))
        self.lora_dropout = dropout
        for name in ("lora_A", "lora_B"):
            self.__dict__[name].convert(None, weight.device)
        self.lora_scale = self.lora_scale.to(device=weight.device)

    def end(self) -> None:
        """Take the adapter off."""
        for name in ("lora_A", "lora_B", "lora_scale", "lora_dropout", "unmerged"):
            self.__dict__.pop(name, None)
        self._buffers = {name: kept for name, kept in self._buffers.items() if name != "lora_scale"}
        self.__class__ = PLAIN[type(self)]  # type: ignore[assignment]

    def extra_repr(self) -> str:
        merged = ", merged" if self.unmerged is not None else ""
        return f"{super().extra_repr()}, rank={self.lora_A.shape[0]}{merged}"


class LoRALinear(Adapted, Linear):
    """x W^T + bias + scale (x A^T) B^T; A is (rank, in_features), B (out_features, rank)."""

    def apply_weight(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return ops.linear(x, weight) if bias is None else ops.linear(x, weight, bias)

    def widen(self, x: Tensor) -> Tensor:
        return ops.linear(x, self.lora_B)


class LoRAConv2d(Adapted, Conv2d):
    """A convolution, and beside it one to rank channels (A) with a 1 x 1 convolution (B) after it."""

    def apply_weight(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self._widths is not None:
            x = ops.pad(x, self._widths, MODES[self.padding_mode])
        return convolved(self.axes, x, weight, bias, self.stride, self._around, self.dilation, self.groups)

    def widen(self, x: Tensor) -> Tensor:
        return ops.conv2d(x, self.lora_B, None)


ADAPTED: dict[type[Module], type[Adapted]] = {Linear: LoRALinear, Conv2d: LoRAConv2d}
PLAIN = {adapted: plain for plain, adapted in ADAPTED.items()}


def add_lora(
    model: Module, rank: int = 8, *, alpha: float | None = None, dropout: float = 0.0, targets: str | Iterable[str] = "*",
    train_head: bool = True,
) -> list[str]:  # fmt: skip
    """Put adapters beside the Linear and Conv2d layers (of one group) that ``targets`` name, and freeze everything else; the adapted layers' names.

    ``rank`` is at most what the layer's own sizes allow. ``alpha`` (by default the rank) over the rank is the adapter's scale; ``dropout`` is of its input.
    With ``train_head`` the head (``classifier_modules``) gets no adapter and is trained whole; a model that names none has only adapters to train.
    Patterns are as for ``freeze``. Layers whose weights a module holds itself (MultiheadAttention's in_proj) have no adapters.

    >>> from numzoo.engine import nn
    >>> model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
    >>> nn.add_lora(model, rank=4)
    ['0', '2']
    >>> sum(p.numel() for p in model.parameters() if p.requires_grad)
    1024
    """
    who = "add_lora"
    if not isinstance(model, Module):
        raise ArgumentError(f"{who}: wants an nn.Module, not a {type(model).__name__}")
    whole(who, 1, rank=rank)
    probability(who, dropout)
    scale = rank if alpha is None else alpha
    if isinstance(scale, bool) or not isinstance(scale, (int, float)) or not 0 < scale < math.inf:
        raise SettingError(f"{who}: alpha must be a number above 0, not {alpha!r:.60}")
    if any(isinstance(module, Adapted) for module in model.modules()):
        raise StateError(f"{who}: the model has adapters already; remove_lora(model) merges and takes them off")
    layers = {
        path: module
        for path, module in model.named_modules()
        if type(module) in ADAPTED and (not isinstance(module, Conv2d) or module.groups == 1)
    }
    if not layers:
        raise ArgumentError(f"{who}: {type(model).__name__} has no Linear and no Conv2d of one group to adapt")
    heads = heads_of(who, model) if train_head and model.classifier_modules else []
    fits = matcher(who, [targets] if isinstance(targets, str) else targets, layers)
    chosen = {
        path: layer
        for path, layer in layers.items()
        if fits(path) and not any(path == head or path.startswith(f"{head}.") for head in heads)
    }
    if not chosen:
        raise ArgumentError(
            f"{who}: {targets!r:.60} names only the head, which is trained whole; name other layers, or give train_head=False"
        )
    freeze(model, "*")
    if heads:
        unfreeze(model, *heads)
    for layer in chosen.values():
        out, into = layer.weight.shape[0], math.prod(layer.weight.shape[1:])
        own = min(rank, out, into)
        narrow = (own, *layer.weight.shape[1:])
        wide = (out, own) if isinstance(layer, Linear) else (out, own, 1, 1)
        layer.__class__ = ADAPTED[type(layer)]
        layer.begin(own, scale * own / rank, dropout, narrow, wide)
    return list(chosen)


def merge_lora(model: Module) -> None:
    """Add every adapter into its weight: the layers are then as fast as plain ones. ``unmerge_lora`` brings the weights back, to the bit."""
    for layer in _adapted("merge_lora", model):
        if layer.unmerged is None:
            own = layer.__dict__["weight"]
            merged = own.array + layer.difference().array.astype(own.dtype)
            layer.unmerged = own.array
            own.set_array(namespace(merged).ascontiguousarray(merged))


def unmerge_lora(model: Module) -> None:
    """Undo ``merge_lora``, so that the adapters can be trained on."""
    for layer in _adapted("unmerge_lora", model):
        if layer.unmerged is not None:
            layer.__dict__["weight"].set_array(layer.unmerged)
            layer.unmerged = None


def remove_lora(model: Module, *, merge: bool = True) -> None:
    """Make the model a plain one again, with the adapters added into its weights (or dropped with ``merge=False``). What is frozen stays frozen."""
    layers = _adapted("remove_lora", model)
    (merge_lora if merge else unmerge_lora)(model)
    for layer in layers:
        layer.end()


def _adapted(who: str, model: Any) -> list[Adapted]:
    if not isinstance(model, Module):
        raise ArgumentError(f"{who}: wants an nn.Module, not a {type(model).__name__}")
    layers = [module for module in model.modules() if isinstance(module, Adapted)]
    if not layers:
        raise StateError(f"{who}: the model has no adapters; add_lora(model) gives it some")
    return layers


def adapter_state(model: Module) -> dict[str, Tensor]:
    """The adapters alone: every entry of the state that belongs to one."""
    return {
        name: tensor_of(tensor.array)
        for name, holder, attribute, tensor in model.state_entries()
        if isinstance(holder, Adapted) and attribute.startswith("lora_")
    }
