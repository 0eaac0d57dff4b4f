"""The walk back where hooks wait for gradients, or somebody watches."""

from __future__ import annotations

from heapq import heappush
from typing import Any

from .debug.watch import watchers
from .gradient import Walk, owner_of
from .hooks import registered
from .node import Node, Output
from .tensor import Tensor


class CarefulWalk(Walk):
    """A backward pass that calls hooks: on a node when all gradients of its results are there, on a leaf likewise.

    A leaf that has hooks stands in the queue like a node, right behind the first operation that used it: once its turn
    comes, nothing can add to its gradient any more.
    """

    def run(self, roots: list[tuple[Tensor, Tensor]]) -> None:
        self.roots = [root.node for root, _ in roots]
        self.turns: dict[int, int] | None = None
        self.direct = self.direct and not watchers
        self.late = None  # hooks see gradients as they will be
        watching = list(watchers)
        try:
            for watcher in watching:
                watcher.before_walk()
            super().run(roots)
        finally:
            for watcher in watching:
                watcher.after_walk()

    def _step(self, node: Any, arrived: Any) -> None:
        hooks = registered.get(id(node))
        if hooks is not None:
            if hooks.before:
                arrived = self._shown(arrived)
            arrived = hooks.apply(arrived, self.create_graph)
            self.given.update(id(owner_of(each.array)) for each in _each(arrived))
            if hooks.after and self._is_on_its_way(arrived):
                # They may write to the leaf's gradient.
                self.given.add(id(owner_of(arrived.array)))
        if isinstance(node, Tensor):
            super()._accumulate(node, arrived)
            if hooks is not None and self.targets is None:
                hooks.finish(node)
        else:
            super()._step(node, arrived)

    def _shown(self, arrived: Any) -> Any:
        """The gradients that hooks see and may keep: no leaf has that very memory, nor will one be given it."""
        if isinstance(arrived, list):
            return [None if each is None else self._shown(each) for each in arrived]
        if id(owner_of(arrived.array)) in self.given:
            arrived = arrived.clone()
        self.given.add(id(owner_of(arrived.array)))
        return arrived

    def _is_on_its_way(self, gradient: Tensor) -> bool:
        """Whether something that waits for its turn was brought the same memory."""
        owner = owner_of(gradient.array)
        return any(owner_of(each.array) is owner for arrived in self.arrived.values() for each in _each(arrived))

    def _gradients(self, node: Node, arrived: Any) -> Any:
        watching = list(watchers)
        gradients = None
        for watcher in watching:
            watcher.before_rules(node, arrived)
        try:
            gradients = super()._gradients(node, arrived)
        finally:
            for watcher in watching:
                watcher.after_rules(node, gradients)
        return gradients

    def _accumulate(self, leaf: Tensor, gradient: Tensor) -> None:
        if id(leaf) not in registered or (self.targets is not None and leaf not in self.targets):
            super()._accumulate(leaf, gradient)
            return
        queue: dict[Any, Any] = self.arrived
        held = queue.get(leaf)
        if held is None:
            if self.turns is None:
                self.turns = self._first_uses()
            # A fraction of its own for each leaf: nodes have whole numbers, and no two entries may be equal.
            place = 0.5 - 0.25 / (1 + len(self.turns))
            self.turns[-len(self.turns) - 1] = 0
            heappush(self.heap, (place - self.turns.get(id(leaf), 0), leaf))  # type: ignore[misc]
            queue[leaf] = gradient
        else:
            queue[leaf] = held + gradient

    def _first_uses(self) -> dict[int, int]:
        """The number of the first node that used each leaf with hooks, by the leaf's identity."""
        first: dict[int, int] = {}
        seen: set[int] = set()
        stack = [edge.node if isinstance(edge, Output) else edge for edge in self.roots if edge is not None]
        while stack:
            node = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            for edge in node.edges:
                if isinstance(edge, Tensor):
                    if id(edge) in registered:
                        first[id(edge)] = min(first.get(id(edge), node.sequence), node.sequence)
                elif edge is not None:
                    stack.append(edge.node if isinstance(edge, Output) else edge)
        return first


def _each(arrived: list[Tensor | None] | Tensor) -> list[Tensor]:
    """The gradients that flow to a node or a leaf."""
    return [each for each in arrived if each is not None] if isinstance(arrived, list) else [arrived]
