"""Functions that are called with gradients as backward passes: on tensors, here; on modules, in ``nn``.

Most graphs have none. So they lie beside the graph, by the node or the leaf that they belong to, and a walk that finds none
registered anywhere never looks again.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from .errors import ArgumentError, GradientError
from .node import Output
from .tensor import Tensor, tensor_of

Hook = Callable[[Tensor], Any]


class RemovableHook:
    """A registered hook; ``remove``, or the end of a ``with`` block, takes it off again."""

    def __init__(self, remove: Callable[[], None]) -> None:
        self._remove: Callable[[], None] | None = remove

    def remove(self) -> None:
        """Take the hook off; a second time does nothing."""
        remove, self._remove = self._remove, None
        if remove is not None:
            remove()

    def __enter__(self) -> RemovableHook:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class Hooks:
    """The hooks of one node's results, or of one leaf: pairs of a result's place and a function."""

    __slots__ = ("after", "before", "owner", "retaining")

    def __init__(self, owner: Any) -> None:
        name = id(owner)

        def gone(_: Any) -> None:
            registered.pop(name, None)

        self.owner = weakref.ref(owner, gone)
        self.before: list[tuple[int, Hook]] = []
        self.after: list[tuple[int, Hook]] = []
        self.retaining: list[tuple[int, weakref.ref[Tensor]]] = []

    def apply(self, arrived: Any, create_graph: bool) -> Any:
        """The gradients of a node's results after every hook; several are changed in their list."""
        for index, hook in list(self.before):
            gradient = arrived[index] if isinstance(arrived, list) else arrived
            if gradient is None:
                continue
            changed = hook(gradient)
            if changed is None:
                continue
            check_replacement("register_hook", changed, gradient)
            if isinstance(arrived, list):
                arrived[index] = changed
            else:
                arrived = changed
        for index, reference in self.retaining:
            tensor, gradient = reference(), arrived[index] if isinstance(arrived, list) else arrived
            if tensor is not None and gradient is not None:
                held = tensor.grad
                kept = gradient.clone() if create_graph else tensor_of(gradient.array.copy())
                tensor.grad = kept if held is None else held + kept
        return arrived

    def finish(self, leaf: Tensor) -> None:
        """What is to happen once a leaf has its gradient."""
        for _, hook in list(self.after):
            hook(leaf)

    def place(self) -> None:
        """Keep this where walks look, unless no hook is left."""
        owner = self.owner()
        if self.before or self.after or self.retaining:
            registered[id(owner)] = self
        else:
            registered.pop(id(owner), None)


registered: dict[int, Hooks] = {}
"""By the identity of the node or leaf; it goes when that goes."""


def check_replacement(who: str, given: Any, gradient: Tensor) -> None:
    """Refuse what cannot take the place of a gradient."""
    if not isinstance(given, Tensor):
        raise GradientError(f"{who}: a hook gives a tensor or None, not {type(given).__name__} ({given!r:.60})")
    if given.array.shape != gradient.array.shape or given.array.dtype != gradient.array.dtype:
        raise GradientError(
            f"{who}: a hook gave a gradient of {given.dtype} {tuple(given.shape)} in the place of one of {gradient.dtype} "
            f"{tuple(gradient.shape)}; they must be equal"
        )


def register_hook(tensor: Tensor, hook: Hook) -> RemovableHook:
    """Call ``hook(gradient)`` when the gradient of ``tensor`` is complete; what it gives, if not None, takes its place."""
    return _add("register_hook", tensor, "before", hook)


def register_post_accumulate_grad_hook(leaf: Tensor, hook: Hook) -> RemovableHook:
    """Call ``hook(leaf)`` once backward has added to ``leaf.grad``: as soon as nothing that is to come can add more."""
    if leaf.node is not None:
        raise GradientError(
            "register_post_accumulate_grad_hook: only leaf tensors accumulate gradients, and this one was computed; use register_hook"
        )
    return _add("register_post_accumulate_grad_hook", leaf, "after", hook)


def retain_grad(tensor: Tensor) -> None:
    """Let backward fill ``.grad`` of a computed tensor too; a leaf's is filled anyway."""
    if not tensor.requires_grad:
        raise GradientError("retain_grad: the tensor takes part in no graph (requires_grad is False)")
    if tensor.node is None or retains_grad(tensor):
        return
    hooks, index = _hooks_of(tensor)
    hooks.retaining.append((index, weakref.ref(tensor)))
    hooks.place()


def retains_grad(tensor: Tensor) -> bool:
    """Whether ``retain_grad`` was called on a computed tensor."""
    if tensor.node is None:
        return False
    hooks, _ = _hooks_of(tensor)
    return any(reference() is tensor for _, reference in hooks.retaining)


def _add(who: str, tensor: Tensor, kind: str, hook: Hook) -> RemovableHook:
    if not callable(hook):
        raise ArgumentError(f"{who}: a hook is a function, not {type(hook).__name__}")
    if not tensor.requires_grad:
        raise GradientError(f"{who}: the tensor has no gradient to wait for (requires_grad is False)")
    hooks, index = _hooks_of(tensor)
    entry = (index, hook)
    getattr(hooks, kind).append(entry)
    hooks.place()

    def remove() -> None:
        held = getattr(hooks, kind)
        # By identity: the same function may have been registered twice.
        held[:] = [other for other in held if other is not entry]
        if hooks.owner() is not None:
            hooks.place()

    return RemovableHook(remove)


def _hooks_of(tensor: Tensor) -> tuple[Hooks, int]:
    """The hooks of what made the tensor (of itself, if a leaf), and which result it is."""
    edge = tensor.node or tensor
    owner, index = (edge.node, edge.index) if isinstance(edge, Output) else (edge, 0)
    found = registered.get(id(owner))
    return (found if found is not None and found.owner() is owner else Hooks(owner)), index
