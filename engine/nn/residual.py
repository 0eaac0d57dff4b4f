"""Shortcuts past a layer, with the normalisation that stands behind them: module by module, or in one operation where nobody could tell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..tensor import Tensor
from . import functional as F
from .dropout import Dropout
from .module import Module
from .norm import LayerNorm, RMSNorm
from .plain import is_plain

__all__ = ["add_and_normalise", "normalised_sum", "through_blocks", "undropped"]


def normalised_sum(x: Tensor, residual: Tensor, norm: Module, dropout: Module | None = None) -> Tensor:
    """norm(dropout(x) + residual), as where normalisation comes after the sum."""
    return _added(x, residual, norm, dropout, False)[1]


def add_and_normalise(
    x: Tensor, residual: Tensor, norm: Module, dropout: Module | None = None
) -> tuple[Tensor, Tensor]:
    """The sum dropout(x) + residual, and what norm makes of it, as where normalisation comes before the next layer."""
    return _added(x, residual, norm, dropout, True)


def _added(x: Tensor, residual: Tensor, norm: Any, dropout: Any, both: bool) -> tuple[Tensor, Tensor]:
    """The sum, which need not be there unless ``both`` are wanted, and the sum normalised."""
    chance, training = 0.0, False
    if dropout is not None:
        if is_plain(dropout, Dropout):
            chance, training = dropout.p, dropout.training
        else:
            x = dropout(x)
    if is_plain(norm, LayerNorm):
        out, total = F.add_layer_norm(
            x, residual, norm.normalized_shape, norm.weight, norm.bias, norm.eps, p=chance, training=training, both=both
        )
    elif is_plain(norm, RMSNorm):
        out, total = F.add_rms_norm(
            x, residual, norm.normalized_shape, norm.weight, norm.eps, p=chance, training=training, both=both
        )
    else:
        total = F.dropout(x, chance, training) + residual
        out = norm(total)
    return total, out


def undropped(module: Any, kind: type[Module], *given: Any) -> tuple[Tensor, Module | None]:
    """What a module of this kind gives before the dropout that ends it, and that dropout, as its own ``undropped`` tells them.

    Where somebody could tell, what it gives when it is called, and None.
    """
    if is_plain(module, kind):
        found: tuple[Tensor, Module | None] = module.undropped(*given)
        return found
    return module(*given), None


def through_blocks(
    blocks: Iterable[Any], x: Tensor, kind: type[Module], first: str, last: Module, *given: Any
) -> Tensor:
    """What the normalisation ``last`` gives of x after blocks that normalise what they are given, by the module called ``first``.

    A block of this ``kind`` says by ``parts(x, normalised x, *given)`` what x becomes and what is still to be added to it, with the dropout of the
    latter; it is added together with the next normalisation. Other blocks, and those that somebody watches, are called.
    """
    dropout = None
    held = [
        x
    ]  # and what is to be added to it. A list can be emptied into calls, so that a block frees what it no longer needs.
    del x
    for block in blocks:
        if not is_plain(block, kind):
            if len(held) > 1:
                part = held.pop()
                held = [(part if dropout is None else dropout(part)) + held.pop()]
                del part
            held = [block(held.pop(), *given)]
            continue
        norm = getattr(block, first)
        if len(held) > 1:
            held.extend(add_and_normalise(held.pop(), held.pop(), norm, dropout))
        else:
            held.append(norm(held[0]))
        if given:
            *both, dropout = block.parts(*held, *given)
        else:
            *both, dropout = block.parts(held.pop(0), held.pop())
        held, both = both, []
    out: Tensor = last(held[0]) if len(held) == 1 else normalised_sum(held.pop(), held.pop(), last, dropout)
    return out
