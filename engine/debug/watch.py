"""Watching operations while they run: for anomalies and for profiles.

A watcher is put around what operations call to compute, while it is active and not otherwise: no operation ever asks whether
somebody watches.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..node import Node
    from ..op import Op


class Watcher:
    """Somebody who watches every operation of the process from ``start`` to ``stop``."""

    tells = True
    """Whether people are told of the operations: then layers are computed one by one, as they stand in their models."""

    def start(self) -> None:
        """Begin to watch."""
        watchers.append(self)
        _renew()

    def stop(self) -> None:
        """End it."""
        watchers.remove(self)
        _renew()

    def around(self, op: Op[Any, Any], compute: Callable[..., Any]) -> Callable[..., Any]:
        """What is called, with arrays and settings, in the place of ``compute``."""
        return compute

    def before_walk(self) -> None:
        """Backward begins, in this thread."""

    def after_walk(self) -> None:
        """It has ended, by an error perhaps."""

    def before_rules(self, node: Node, arrived: Any) -> None:
        """Backward is about to call the rules of ``node`` with the gradients that arrived (a list for several results)."""

    def after_rules(self, node: Node, gradients: Any) -> None:
        """They gave these gradients, one for each edge or None; None where they failed."""


watchers: list[Watcher] = []
"""Who watches now, the innermost last."""

everyone: weakref.WeakSet[Any] = weakref.WeakSet()
"""Every operation that there is."""


def _renew() -> None:
    for operation in list(everyone):
        # What somebody watched through would hold what he held.
        operation.implementations.clear()
        operation.composed.clear()
        operation.narrow_implementations.clear()
