"""A batch normalisation and the activation behind it as one operation, which reads and writes the images once for both.

Only where nobody could tell but by the clock: for the engine's own layers themselves, not for classes made of them, without hooks on either
and while nobody watches all modules or operations. Whoever watches sees one layer after the other, as they stand in the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import ops
from ..debug.watch import watchers
from ..tensor import Tensor
from . import functional as F
from .activation import Hardswish, ReLU, ReLU6, SiLU
from .module import Module
from .norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .plain import is_plain

__all__ = ["in_a_row", "is_norm", "together"]

Activation = Callable[[Any], Any]

# The classes with the forward that they have here: somebody may have put another in its place.
_NORMS: dict[type, Any] = {kind: kind.forward for kind in (BatchNorm1d, BatchNorm2d, BatchNorm3d)}
_LAYERS: dict[type, tuple[str, Any]] = {
    ReLU: ("relu", ReLU.forward), ReLU6: ("relu6", ReLU6.forward), SiLU: ("silu", SiLU.forward), Hardswish: ("hardswish", Hardswish.forward),
}  # fmt: skip
_FUNCTIONS: tuple[tuple[Any, str], ...] = ((F.relu, "relu"), (F.relu6, "relu6"), (ops.relu, "relu"))


def in_a_row(modules: Iterable[Any], x: Any) -> Any:
    """``x`` through those of ``modules`` that are modules, one after another, each normalisation together with what follows it."""
    norm: Module | None = None  # not called yet, since an activation may follow
    for module in modules:
        kind = type(module)
        if norm is not None:
            held, norm = norm, None
            if kind in _LAYERS:
                x = together(held, x, module)
                continue
            x = held(x)
        if kind in _NORMS:
            norm = module
        elif isinstance(module, Module):
            x = module(x)
    return x if norm is None else norm(x)


def together(norm: Module, x: Any, activation: Activation | None = None, residual: Any = None) -> Any:
    """activation(norm(x) + residual), in one operation where that can be."""
    name = _name(activation)
    if (
        name is not NotImplemented
        and is_norm(norm)
        and is_plain(norm, type(norm))
        and (not watchers or not any(watcher.tells for watcher in watchers))
        and isinstance(x, Tensor)
        and (residual is None or _is_alike(residual, x))
    ):
        return norm.followed(x, residual, name)
    x = norm(x)
    if residual is not None:
        x = x + residual
    return x if activation is None else activation(x)


def is_norm(module: Module) -> bool:
    """Whether this is a batch normalisation as it stands here, and none of a class made of it."""
    return _NORMS.get(type(module)) is type(module).forward


def _name(activation: Activation | None) -> Any:
    """What the operation calls an activation, None for none; NotImplemented for what it does not know, or what somebody watches."""
    if activation is None:
        return None
    known = _LAYERS.get(type(activation))
    if known is not None:
        name, forward = known
        kind: Any = type(activation)
        return name if kind.forward is forward and is_plain(activation, kind) else NotImplemented  # type: ignore[arg-type]
    return next((name for function, name in _FUNCTIONS if activation is function), NotImplemented)


def _is_alike(residual: Any, x: Tensor) -> bool:
    """Whether adding the one to what is made of the other needs no thought: no broadcasting, no promotion, no other device."""
    if not isinstance(residual, Tensor):
        return False
    one, other = residual.array, x.array
    return one.shape == other.shape and one.dtype == other.dtype and type(one) is type(other)
