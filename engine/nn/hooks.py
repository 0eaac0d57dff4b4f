"""Hooks on modules: called before and after forward, and around what backward makes of a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ArgumentError
from ..function import Context, Function
from ..hooks import RemovableHook, check_replacement
from ..tensor import Tensor

if TYPE_CHECKING:
    from .module import Module

__all__ = [
    "RemovableHook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
]

Hook = Callable[..., Any]


class _Entry(NamedTuple):
    hook: Hook
    with_kwargs: bool


class ModuleHooks:
    """The hooks of one module, or those of all modules."""

    def __init__(self) -> None:
        self.before: list[_Entry] = []
        self.after: list[_Entry] = []
        self.backward_before: list[_Entry] = []
        self.backward_after: list[_Entry] = []

    def __bool__(self) -> bool:
        return bool(self.before or self.after or self.backward_before or self.backward_after)

    def add(
        self, kind: str, hook: Hook, with_kwargs: bool = False, prepend: bool = False, emptied: Hook = lambda: None
    ) -> RemovableHook:
        """Put a hook at the end (or the beginning) of its kind; ``emptied`` is called once none of any kind is left."""
        if not callable(hook):
            raise ArgumentError(f"hooks are functions, and {hook!r:.60} is none")
        held: list[_Entry] = getattr(self, kind)
        entry = _Entry(hook, with_kwargs)
        held.insert(0 if prepend else len(held), entry)

        def remove() -> None:
            # By identity: the same function may have been registered twice.
            held[:] = [other for other in held if other is not entry]
            if not self:
                emptied()

        return RemovableHook(remove)


everywhere: list[ModuleHooks] = []
"""The hooks of all modules, called before a module's own: one collection, or none, which is cheap to ask."""


def call(module: Module, own: ModuleHooks | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The call of a module with its hooks."""
    groups = [hooks for hooks in (*everywhere, own) if hooks]
    for hooks in groups:
        for hook, with_kwargs in list(hooks.before):
            changed = hook(module, args, kwargs) if with_kwargs else hook(module, args)
            if changed is None:
                continue
            if with_kwargs:
                if not isinstance(changed, tuple) or len(changed) != 2:
                    raise ArgumentError(
                        f"register_forward_pre_hook: a hook with_kwargs gives None or (args, kwargs), not {changed!r:.60}"
                    )
                args, kwargs = changed
            else:
                args = changed if isinstance(changed, tuple) else (changed,)
    passing = _Passing(module, groups) if any(h.backward_before or h.backward_after for h in groups) else None
    if passing is not None:
        args = passing.arguments(args)
    result = module.forward(*args, **kwargs)
    for hooks in groups:
        for hook, with_kwargs in list(hooks.after):
            changed = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
            result = result if changed is None else changed
    return result if passing is None else passing.results(result)


class _Passing:
    """One call of a module that backward will pass: gates of identity before and behind it, where hooks are called."""

    def __init__(self, module: Module, groups: list[ModuleHooks]) -> None:
        self.module, self.groups = module, groups
        self.count = 0  # of positional arguments
        self.places: list[int] = []  # of those that are tensors
        self.gated = False  # whether some argument takes part in a graph
        self.grad_output: tuple[Tensor | None, ...] = ()

    def arguments(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, the tensors among them through a gate."""
        self.count = len(args)
        self.places = [i for i, value in enumerate(args) if isinstance(value, Tensor)]
        passed = list(args)
        if self.places:
            outs = _ArgumentGate.apply(self, *[args[i] for i in self.places])
            for place, out in zip(self.places, outs, strict=True):
                passed[place] = out
                self.gated = self.gated or out.requires_grad
        return tuple(passed)

    def results(self, result: Any) -> Any:
        """A tensor, or the tensors of a tuple or a list, through a gate; other results have no hooks."""
        if isinstance(result, Tensor):
            return _ResultGate.apply(self, result)[0]
        if not isinstance(result, (tuple, list)):
            return result
        places = [i for i, value in enumerate(result) if isinstance(value, Tensor)]
        passed = list(result)
        if places:
            outs = _ResultGate.apply(self, *[result[i] for i in places])
            for place, out in zip(places, outs, strict=True):
                passed[place] = out
        if isinstance(result, list):
            return passed
        return type(result)(*passed) if hasattr(result, "_fields") else tuple(passed)

    def enter(self, grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        """The gradients of the results, after the hooks that may change them."""
        shown = seen = _copied(grads)
        for hooks in self.groups:
            for hook, _ in list(hooks.backward_before):
                seen = _replaced("register_full_backward_pre_hook", hook(self.module, seen), seen)
        self.grad_output = seen
        grads = grads if seen is shown else _copied(seen)
        if not self.gated:
            self.leave((None,) * len(self.places))
        return grads

    def leave(self, grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        """The gradients of the arguments, likewise."""
        for hooks in self.groups:
            for hook, _ in list(hooks.backward_after):
                grad_input: list[Tensor | None] = [None] * self.count
                for place, grad in zip(self.places, _copied(grads), strict=True):
                    grad_input[place] = grad
                changed = hook(self.module, tuple(grad_input), self.grad_output)
                if changed is not None:
                    given = _replaced("register_full_backward_hook", changed, tuple(grad_input))
                    grads = _copied(tuple(given[place] for place in self.places))
        return grads


def _copied(grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    """Gradients in memory of their own: hooks may keep theirs, and those that flow on become the leaves', to which optimisers write."""
    return tuple(None if grad is None else grad.clone() for grad in grads)


def _replaced(who: str, changed: Any, grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    if changed is None:
        return grads
    given = changed if isinstance(changed, tuple) else (changed,)
    if len(given) != len(grads):
        raise ArgumentError(f"{who}: a hook gave {len(given)} gradients in the place of {len(grads)}")
    for new, old in zip(given, grads, strict=True):
        if new is not None and old is not None:
            check_replacement(who, new, old)
    return given


class _Gate(Function):
    @staticmethod
    def forward(ctx: Context, passing: _Passing, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.passing = passing  # type: ignore[attr-defined]
        return tensors


class _ArgumentGate(_Gate):
    """Before the module: the last that backward passes."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        return None, *ctx.passing.leave(grads)


class _ResultGate(_Gate):
    """Behind the module: the first that backward passes."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        return None, *ctx.passing.enter(grads)


def register_module_forward_pre_hook(hook: Hook) -> RemovableHook:
    """Call ``hook(module, args)`` before the forward of every module."""
    return _add_everywhere("before", hook)


def register_module_forward_hook(hook: Hook) -> RemovableHook:
    """Call ``hook(module, args, result)`` after the forward of every module."""
    return _add_everywhere("after", hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHook:
    """Call ``hook(module, grad_input, grad_output)`` when backward has passed a module, for every module."""
    return _add_everywhere("backward_after", hook)


def _add_everywhere(kind: str, hook: Hook) -> RemovableHook:
    hooks = everywhere[0] if everywhere else ModuleHooks()
    handle = hooks.add(kind, hook, emptied=everywhere.clear)
    everywhere[:] = [hooks]
    return handle
