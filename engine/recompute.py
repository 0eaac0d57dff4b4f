"""Gradient checkpointing: what backward needs of a stretch of the graph is dropped, and computed again when backward comes there.

(Chen et al., "Training deep nets with sublinear memory cost", 2016.) The graph itself is recorded as always, so everything
that walks it (``grad``, hooks, gradients of gradients) works as without; only the kept arrays are missing until they are needed.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from . import writes
from .errors import ArgumentError, GradientError, SettingError
from .modes import Recording, modes, precision_of
from .node import Node, Output, next_sequence
from .random import default_generator
from .tensor import Tensor


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    preserve_rng_state: bool = True,
    use_reentrant: bool = False,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, whose inner results are not kept for backward but computed again then.

    The second run sees the same precision and, with ``preserve_rng_state``, the same random numbers (dropout drops the same). It must
    do the same operations; what it does besides (a batch norm moving its statistics) happens twice. Tensors among the results may
    lie in tuples, lists and dictionaries. ``use_reentrant`` is there for PyTorch's users and changes nothing.

    Backward raises a GradientError where an argument or a parameter was written to since, or the second run did something else.
    """
    if not callable(function):
        raise ArgumentError(f"checkpoint: wants a function or a module, not {type(function).__name__}")
    if not modes.recording:
        return function(*args, **kwargs)
    segment = Segment(function, args, kwargs, preserve_rng_state)
    result = function(*args, **kwargs)
    segment.drop(result)
    return result


def checkpoint_sequential(
    functions: Any, segments: int, x: Any, use_reentrant: bool = False, preserve_rng_state: bool = True
) -> Any:
    """Modules one after another (a Sequential or a list), in ``segments`` stretches of which all but the last are checkpointed."""
    layers = list(functions.children()) if hasattr(functions, "children") else list(functions)
    if isinstance(segments, bool) or not isinstance(segments, int) or not 1 <= segments <= max(len(layers), 1):
        raise SettingError(
            f"checkpoint_sequential: segments must be a whole number from 1 to {len(layers)}, not {segments!r:.40}"
        )
    size = max(len(layers) // segments, 1)
    for first in range(0, size * (segments - 1), size):
        x = checkpoint(_in_turn, layers[first : first + size], x, preserve_rng_state=preserve_rng_state)
    return _in_turn(layers[size * (segments - 1) :], x)


def _in_turn(layers: Sequence[Callable[[Any], Any]], x: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


class Segment:
    """One checkpointed call: it stands in its nodes in the place of what they would keep."""

    keeps = True

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], preserve_rng_state: bool
    ) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.precision = modes.precision
        self.random = default_generator().mark() if preserve_rng_state else None
        self.started = next_sequence()
        self.nodes: list[weakref.ref[Node]] = []
        self.places: dict[int, int] = {}
        self.forms: list[Any] = []

    def drop(self, result: Any) -> None:
        """Let go of what the nodes of the call keep."""
        nodes = _nodes_since(self.started, result)
        self.forms = [_form(node) for node in nodes]
        self.nodes = [weakref.ref(node) for node in nodes]
        self.places = {id(node): place for place, node in enumerate(nodes)}
        for node in nodes:
            if node.plan.keeps:
                node.release()
                node.plan, node.settings = self, {}

    def restore(self) -> None:
        """Run the function again, and give every node that still waits what its new likeness keeps."""
        self._refuse_changed()
        since = next_sequence()
        generator = default_generator()
        after = generator.mark() if self.random is not None else None
        inference, modes.inference = modes.inference, False
        try:
            if self.random is not None:
                generator.set_state(self.random)
            with Recording(True), precision_of(self.precision):
                result = self.function(*self.args, **self.kwargs)
        finally:
            modes.inference = inference
            if after is not None:
                generator.set_state(after)
        fresh = _nodes_since(since, result)
        if [_form(node) for node in fresh] != self.forms:
            raise GradientError(
                f"checkpoint: computed again for backward, {self.name} made {len(fresh)} operations that differ from the {len(self.forms)} "
                "of the first run; it must do the same each time"
            )
        for reference, likeness in zip(self.nodes, fresh, strict=True):
            node = reference()
            if node is not None and node.plan is self:
                node.adopt(likeness)
                if isinstance(likeness.plan, Segment):
                    likeness.plan.exchange(likeness, node)

    def exchange(self, old: Node, new: Node) -> None:
        """Serve another node in the place of one: of a checkpoint within a checkpoint."""
        place = self.places[id(old)]
        self.nodes[place] = weakref.ref(new)

    @property
    def name(self) -> str:
        """The function's name, for messages."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def _refuse_changed(self) -> None:
        """An error if a leaf that the function used, or an argument, was written to since."""
        if writes.last <= self.started:
            return
        leaves = list(_tensors((self.args, self.kwargs)))
        for reference in self.nodes:
            node = reference()
            leaves += [] if node is None else [edge for edge in node.edges if isinstance(edge, Tensor)]
        for leaf in leaves:
            if writes.is_written(leaf, self.started):
                raise GradientError(
                    f"checkpoint: a tensor that {self.name} used, {leaf.dtype} {tuple(leaf.shape)}, was written to after the forward call; "
                    "computing again would give something else; call backward first"
                )


def _form(node: Node) -> Any:
    """What a node and its likeness have in common."""
    return node.op.name, getattr(node, "shape", None)


def _nodes_since(number: int, result: Any) -> list[Node]:
    """The nodes behind a result that are younger than a number, in the order in which they were made."""
    found: dict[int, Node] = {}
    stack = [tensor.node for tensor in _tensors(result)]
    while stack:
        edge = stack.pop()
        node = edge.node if isinstance(edge, Output) else edge
        if isinstance(node, Node) and node.sequence > number and node.sequence not in found:
            found[node.sequence] = node
            stack += node.edges
    return [found[sequence] for sequence in sorted(found)]


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)
