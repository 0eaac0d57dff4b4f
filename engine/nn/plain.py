"""Whether a module may be computed together with its neighbours."""

from __future__ import annotations

from .hooks import everywhere
from .module import Module

__all__ = ["is_plain"]


def is_plain(module: Module, kind: type[Module]) -> bool:
    """Whether a module is of our very class ``kind``, computes by its ``forward``, and nobody watches its calls.

    Then nobody can tell whether it was called, or what it computes was computed in another way.
    """
    return type(module) is kind and module._hooks is None and not everywhere and "forward" not in module.__dict__
