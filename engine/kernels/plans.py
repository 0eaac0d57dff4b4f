"""Prepared computations by what they depend on: found in one look-up, and forgotten when long unused."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

__all__ = ["Plans"]

Plan = TypeVar("Plan", bound=Callable[..., Any])


class Plans(dict[Hashable, Plan], Generic[Plan]):
    """A dictionary of plans in two generations: ``plans.get(key) or plans.make(key, build, ...)``.

    When the young generation is full it becomes the old one, and what is used again moves back. So what was not used
    during the last ``most`` new combinations is forgotten, and a hit costs one look-up.
    """

    def __init__(self, most: int = 2048) -> None:
        super().__init__()
        self.most = most
        self._old: dict[Hashable, Plan] = {}

    def make(self, key: Hashable, build: Callable[..., Plan], *arguments: Any) -> Plan:
        """The plan for ``key``: an old one, or the one that ``build(*arguments)`` makes."""
        found = self._old.pop(key, None)
        if found is None:
            found = build(*arguments)
        if len(self) >= self.most:
            self._old = dict(self)
            super().clear()
        self[key] = found
        return found

    def clear(self) -> None:
        """Forget all of them."""
        super().clear()
        self._old.clear()
