"""The walk back from results to inputs: each node's rules are called once, in the reverse of the order of computing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from . import writes
from .capturing import in_capture
from .debug.watch import watchers
from .device import copy, namespace, ones_like, write_into
from .dtype import is_differentiable
from .errors import GradientError
from .explaining import lack
from .fitting import fitted
from .hooks import registered
from .keeping import Plan
from .late import Late
from .methods.gradient import bind
from .modes import modes
from .node import Node, Output
from .tensor import Tensor, tensor_of


def backward(
    tensor: Tensor, gradient: Tensor | Any = None, *, retain_graph: bool | None = None, create_graph: bool = False
) -> None:
    """Add the gradient of ``tensor`` to ``.grad`` of every leaf tensor that it was computed from.

    ``gradient`` has the shape of ``tensor``; without it ``tensor`` must hold a single number. The graph's saved arrays
    are freed on the way unless ``retain_graph`` (by default the value of ``create_graph``).
    """
    walk = _walk(create_graph, create_graph if retain_graph is None else retain_graph)
    walk.run([(tensor, _seed(tensor, gradient))])


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    *,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``, leaving every ``.grad`` alone.

    ``create_graph`` records the computation, so that the results can be differentiated again.
    """
    outputs = [outputs] if isinstance(outputs, Tensor) or not isinstance(outputs, Iterable) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) or not isinstance(inputs, Iterable) else list(inputs)
    for value in (*outputs, *inputs):
        if not isinstance(value, Tensor):
            raise GradientError(f"grad: outputs and inputs are tensors, not {type(value).__name__} ({value!r:.60})")
    seeds = (
        [None] * len(outputs)
        if grad_outputs is None
        else [grad_outputs]
        if isinstance(grad_outputs, Tensor)
        else list(grad_outputs)
    )
    if len(seeds) != len(outputs):
        raise GradientError(
            f"grad: {len(outputs)} outputs were given, but {len(seeds)} grad_outputs; give one for each"
        )
    for position, value in enumerate(inputs):
        if not value.requires_grad:
            raise GradientError(
                f"grad: input {position} ({_describe(value)}) does not require a gradient; set requires_grad=True before computing"
            )
    walk = _walk(create_graph, create_graph if retain_graph is None else retain_graph)
    walk.aim([o.node for o in outputs], [_key(value) for value in inputs])
    walk.run([(o, _seed(o, s)) for o, s in zip(outputs, seeds, strict=True)])
    assert walk.targets is not None
    results = tuple(walk.targets[_key(value)] for value in inputs)
    if not allow_unused:
        for position, result in enumerate(results):
            if result is None:
                raise GradientError(
                    f"grad: input {position} ({_describe(inputs[position])}) was not used for the outputs; pass allow_unused=True to get None for it"
                )
    return results


def _key(value: Tensor) -> Any:
    node = value.node
    if node is None:
        return value
    return (node.node, node.index) if isinstance(node, Output) else (node, 0)


def _describe(value: Tensor) -> str:
    return f"{value.dtype} {tuple(value.shape)}"


def _seed(tensor: Tensor, gradient: Any) -> Tensor:
    """The gradient that the walk starts with, checked."""
    if not tensor.requires_grad:
        raise GradientError(
            f"backward: the tensor {_describe(tensor)} was computed from nothing that requires a gradient; "
            "set requires_grad=True on an input, or compute outside no_grad"
        )
    if gradient is None:
        if tensor.array.size != 1:
            raise GradientError(
                f"backward: starts from a single number, but the tensor has shape {tuple(tensor.shape)}; "
                "reduce it first (.sum(), .mean()) or pass gradient="
            )
        return tensor_of(ones_like(tensor.array))
    if not isinstance(gradient, Tensor):
        gradient = tensor_of(namespace(tensor.array).asarray(gradient, tensor.array.dtype))
    value: Tensor = gradient
    if value.array.shape != tensor.array.shape:
        raise GradientError(
            f"backward: gradient has shape {tuple(value.shape)}, but the tensor has shape {tuple(tensor.shape)}; they must be equal"
        )
    return value


def _walk(create_graph: bool, retain_graph: bool) -> Walk:
    """The plain walk, or the careful one where something waits for gradients or watches."""
    if registered or watchers:
        from .careful import CarefulWalk

        return CarefulWalk(create_graph, retain_graph)
    return Walk(create_graph, retain_graph)


GATHERED = 1 << 24
"""Bytes of a gradient up to which it waits for others of the same result, four at most, where an operation adds them up on its way.

Larger ones would hold memory for longer than the launches are worth.
"""


class Walk:
    """One backward pass."""

    def __init__(self, create_graph: bool, retain_graph: bool) -> None:
        self.create_graph = create_graph
        # Whether gradients may be computed on arrays: where nobody records, aims or watches.
        self.direct = not create_graph
        self.retain_graph = retain_graph
        self.heap: list[tuple[int, Node]] = []
        self.arrived: dict[Node, list[Tensor | None] | Tensor] = {}
        self.given: set[int] = set()
        # In a capture, the leaves whose gradient began with this walk: its memory may still be on its way elsewhere.
        self.begun: set[int] = set()
        self.late = None if create_graph else Late()
        # Of ``grad`` alone: what was found for each input (and, as ``ways``, the nodes on the way to them). Others are left alone.
        self.targets: dict[Any, Tensor | None] | None = None

    def aim(self, roots: list[Any], targets: list[Any]) -> None:
        """Walk to these leaves and nodes only."""
        self.targets = dict.fromkeys(targets)
        self.ways: set[Any] = set()
        self.direct, self.late = False, None
        self.stops = {target[0] if isinstance(target, tuple) else target for target in targets}
        seen: set[Any] = set()
        stack = [(_node_of(root), False) for root in roots if root is not None]
        while stack:
            node, finished = stack.pop()
            if finished:
                if any(edge is not None and self._is_wanted(_node_of(edge)) for edge in node.edges):
                    self.ways.add(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((_node_of(e), False) for e in node.edges if e is not None and not isinstance(e, Tensor))

    def _is_wanted(self, place: Any) -> bool:
        return place in self.ways or place in self.stops

    def run(self, roots: list[tuple[Tensor, Tensor]]) -> None:
        previous, modes.recording = modes.recording, self.create_graph
        try:
            # Infinities and NaN are results like others here; NumPy need not warn of them.
            with np.errstate(all="ignore"):
                for root, seed in roots:
                    self.given.add(id(owner_of(seed.array)))
                    self._deliver(root.node or root, seed)
                heap, arrived, step = self.heap, self.arrived, self._step
                while heap:
                    node = heappop(heap)[1]
                    step(node, arrived.pop(node))
                if self.late is not None:
                    for leaf, gradient in self.late.widened():
                        self._accumulate(leaf, gradient)
        finally:
            modes.recording = previous

    def _step(self, node: Node, arrived: list[Tensor | None] | Tensor) -> None:
        if self.targets is not None:
            self._capture(node, arrived)
            if node not in self.ways:
                return
        plan = node.plan
        if plan.__class__ is not Plan:
            plan = _revived(node)
        if node.sequence < writes.last:
            _refuse_changed(node)
        try:
            if arrived.__class__ is Tensor and arrived.array.dtype.kind == "c" and node.op.holomorphic:
                gradients = [None if g is None else g.conj() for g in self._gradients(node, arrived.conj())]
            elif node.precision is None:
                gradients = self._gradients(node, arrived)
            else:
                before, modes.precision = modes.precision, node.precision
                try:
                    gradients = self._gradients(node, arrived)
                finally:
                    modes.precision, modes.wanted = before, None
        except Exception as error:
            raise _failed(node, error) from error
        if not self.retain_graph and plan.keeps:
            node.release()
        edges, deliver = node.edges, self._deliver
        try:
            for position, gradient in enumerate(gradients):
                if gradient is not None and edges[position] is not None:
                    deliver(edges[position], gradient)
        except Exception as error:
            raise _failed(node, error) from error

    def _gradients(self, node: Node, arrived: Any) -> Any:
        """What flows along each edge: the rules of a node, called."""
        op, plan = node.op, node.plan
        if op.direct is not None and self.direct:
            try:
                arrays = op.direct(node, arrived)
            except MemoryError as error:
                first = arrived
                while first.__class__ is not Tensor:
                    first = next(value for value in first if value is not None)
                raise lack(op.name, error, first.array) from None
            if arrays is not None:
                return [None if array is None else tensor_of(array) for array in arrays]
        if plan.joint is not None:
            function, picked = plan.joint
            found = (
                function(arrived) if picked is None else function(*picked(plan.gather(node, arrived, self._results)))
            )
            return found[: len(node.edges)] if self.targets is None else self._wanted(node, found)
        gradients: list[Tensor | None] = []
        gathered: list[Any] | None = None
        for position, flow in enumerate(plan.flows):
            if flow is None or (self.targets is not None and not self._is_wanted(_node_of(node.edges[position]))):
                gradients.append(None)
                continue
            if node.precision is not None:
                edge = node.edges[position]
                modes.wanted = edge.array.dtype if isinstance(edge, Tensor) else edge.dtype
            function, picked = flow
            if picked is None:
                gradients.append(function(arrived))
                continue
            if gathered is None:
                gathered = plan.gather(node, arrived, self._results)
            gradients.append(function(*picked(gathered if not plan.positions else plan.at(position, gathered))))
        return gradients

    def _wanted(self, node: Node, gradients: Any) -> list[Tensor | None]:
        """Of gradients that one rule gave, those on the way to what is aimed at."""
        return [
            g if e is not None and self._is_wanted(_node_of(e)) else None
            for e, g in zip(node.edges, gradients, strict=False)
        ]

    def _results(self, node: Node) -> tuple[Tensor | None, ...]:
        """The results of a node as tensors that lead back to it; None for those that it did not keep."""
        if not self.create_graph:
            return tuple([None if array is None else tensor_of(array) for array in node.outs or ()])
        results: list[Tensor | None] = []
        for index, array in enumerate(node.outs or ()):
            if array is None:
                results.append(None)
                continue
            out = tensor_of(array)
            if is_differentiable(array.dtype):
                out.requires_grad = True
                out.node = node if node.op.outputs == 1 else Output(node, index, array.shape, array.dtype)
            results.append(out)
        return tuple(results)

    def _deliver(self, edge: Any, gradient: Tensor) -> None:
        """Bring a gradient to the node or leaf that an edge leads to, in that one's shape and dtype."""
        array = gradient.array
        # A leaf's array says the same as the leaf, faster.
        like: Any = edge.array if isinstance(edge, Tensor) else edge
        if array.dtype is not like.dtype or array.shape != like.shape:
            if like is not edge and self.late is not None and self.late.takes(edge, gradient):
                return
            gradient = fitted(gradient, like)
        if like is not edge:
            self._accumulate(edge, gradient)
            return
        arrived = self.arrived
        if edge.__class__ is Output:
            node = edge.node
            slots = arrived.get(node)
            if slots is None:
                heappush(self.heap, (-node.sequence, node))
                slots = arrived[node] = [None] * node.op.outputs
            held: Any = slots[edge.index]
            if held is None:
                slots[edge.index] = gradient
            elif self.late is None or not node.op.gathers or gradient.array.nbytes > GATHERED:
                slots[edge.index] = held + gradient
            elif held.__class__ is not list:
                slots[edge.index] = [held, gradient]  # type: ignore[call-overload]
            elif len(held) < 4:
                held.append(gradient)
            else:
                held[3] = held[3] + gradient
            return
        before: Any = arrived.get(edge)
        if before is None:
            heappush(self.heap, (-edge.sequence, edge))
            arrived[edge] = gradient
        else:
            arrived[edge] = before + gradient

    def _accumulate(self, leaf: Tensor, gradient: Tensor) -> None:
        if self.targets is not None:
            if leaf in self.targets:
                held = self.targets[leaf]
                self.targets[leaf] = gradient if held is None else held + gradient
            return
        held = leaf.grad
        if held is not None:
            # NumPy adds small arrays at once; a GPU has a kernel for it.
            plain = isinstance(held.array, np.ndarray) and not self.create_graph and not held.requires_grad
            plain = plain and held.array.dtype is gradient.array.dtype
            total = tensor_of(held.array + gradient.array) if plain else held + gradient
            if in_capture() and not self.create_graph and id(leaf) not in self.begun:
                write_into(held.array, total.array)  # a replay adds to what is there, and there the next one looks
            else:
                leaf.grad = total
            return
        array = gradient.array
        owner = id(array if array.base is None else owner_of(array))
        # CuPy marks no array as read-only, not even one number that stands for many.
        fixed = not array.flags.writeable if isinstance(array, np.ndarray) else 0 in array.strides
        if fixed or owner in self.given or (gradient.requires_grad and not self.create_graph):
            # Another leaf or a hook may hold this very memory, and an optimiser may write to it.
            gradient = gradient.clone() if self.create_graph else tensor_of(copy(array))
        self.given.add(owner)
        if in_capture():
            self.begun.add(id(leaf))
        leaf.grad = gradient

    def _capture(self, node: Node, arrived: list[Tensor | None] | Tensor) -> None:
        assert self.targets is not None
        for index, value in enumerate(arrived if isinstance(arrived, list) else [arrived]):
            if (node, index) in self.targets:
                self.targets[(node, index)] = value


def _node_of(edge: Any) -> Any:
    """The node that an edge or a result leads to; a leaf is its own."""
    return edge.node if isinstance(edge, Output) else edge


def _revived(node: Node) -> Any:
    """The plan of a node whose arrays are to be computed again; an error where they are gone."""
    if node.plan is None:
        raise GradientError(
            f"backward: the arrays kept for {node!r} were freed by an earlier backward; pass retain_graph=True to that one"
        )
    while not isinstance(node.plan, Plan):  # a checkpoint may hold another
        node.plan.restore()
    return node.plan


def _refuse_changed(node: Node) -> None:
    """An error if something that the node keeps was written to since."""
    name = writes.changed(node)
    if name is not None:
        raise GradientError(
            f"backward of {node.op.name}: {name} was written to after the forward call (by an optimiser's step, an assignment or "
            "load_state_dict), so the gradient would be wrong; call backward first, or compute again\n"
            f"  the forward call was made at {node.origin()}"
        )


def _failed(node: Node, error: Exception) -> GradientError:
    """What to raise when a rule fails: it names the line of the program that made the node."""
    return GradientError(f"backward of {node.op.name} failed: {error}\n  the forward call was made at {node.origin()}")


def owner_of(array: Any) -> Any:
    """The array whose memory this one views."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


bind(backward)

__all__ = ["backward", "grad"]
