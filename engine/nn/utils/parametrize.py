"""Weights that are computed from other parameters each time they are used, with PyTorch's names in the state."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError, ShapeError
from ...tensor import Tensor
from ..container import ModuleDict
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
]


class ParametrizationList(Module):
    """What a weight is computed from, ``original`` (or ``original0``, ``original1``, ...), and the modules that compute it, one after another."""

    def __init__(self, parametrization: Module, original: Parameter) -> None:
        super().__init__()
        inverse = getattr(type(parametrization), "right_inverse", None)
        values: Any = original if inverse is None else inverse(parametrization, original.detach())
        if isinstance(values, tuple):
            for place, value in enumerate(values):
                setattr(self, f"original{place}", Parameter(value.array))
        else:
            self.original = original if values is original else Parameter(values.array)
        self.originals = len(values) if isinstance(values, tuple) else 0
        self.steps = 0
        self.append(parametrization)

    def append(self, parametrization: Module) -> None:
        """Add a step at the end."""
        self.add_module(str(self.steps), parametrization)
        self.steps += 1

    def forward(self) -> Tensor:
        given = (
            [getattr(self, f"original{place}") for place in range(self.originals)]
            if self.originals
            else [self.original]
        )
        for step in self.children():
            given = [step(*given)]
        return given[0]


def register_parametrization(module: Module, name: str, parametrization: Module) -> Module:
    """Let ``module``'s parameter ``name`` be what ``parametrization`` makes of it; gives the module.

    The state has it as ``parametrizations.NAME.original``. A ``right_inverse`` of the parametrization says what the present value is made
    from; if that gives several tensors, they are ``original0``, ``original1``, ... A second one follows the first.
    """
    if is_parametrized(module, name):
        module.parametrizations[name].append(parametrization)
        return module
    original = module.__dict__.get(name)
    if not isinstance(original, Parameter):
        raise ArgumentError(
            f"register_parametrization: {type(module).__name__} has no parameter {name!r}; it has {[n for n, _ in module.named_parameters(recurse=False)]}"
        )
    held = ParametrizationList(parametrization, original)
    made = held()
    if tuple(made.shape) != tuple(original.shape):
        raise ShapeError(
            f"register_parametrization: {type(parametrization).__name__} makes {tuple(made.shape)} of {name!r}, whose shape is {tuple(original.shape)}"
        )
    del module.__dict__[name]
    if not is_parametrized(module):
        # A class of its own, whose properties compute; everything else is inherited.
        base = type(module)
        module.__class__ = type(f"Parametrized{base.__name__}", (base,), {})
        module.parametrizations = ModuleDict()
    setattr(type(module), name, property(lambda self: self.parametrizations[name]()))
    module.parametrizations[name] = held
    return module


def is_parametrized(module: Module, name: str | None = None) -> bool:
    """Whether a module has a computed parameter, or that one."""
    held = module.__dict__.get("parametrizations")
    return held is not None and (name is None or name in held)


def remove_parametrizations(module: Module, name: str, leave_parametrized: bool = True) -> Module:
    """Make ``name`` a plain parameter again, of its computed value, or of what it was computed from."""
    if not is_parametrized(module, name):
        raise ArgumentError(f"remove_parametrizations: {type(module).__name__} has no parametrized {name!r}")
    held = module.parametrizations[name]
    if not leave_parametrized and held.originals:
        raise ArgumentError(
            f"remove_parametrizations: {name!r} is computed from several tensors; leave it parametrized"
        )
    value = Parameter(held().detach().array.copy()) if leave_parametrized else held.original
    delattr(type(module), name)
    others = [(key, child) for key, child in module.parametrizations.items() if key != name]
    del module.__dict__["parametrizations"]
    if others:
        module.parametrizations = ModuleDict(dict(others))
    else:
        module.__class__ = type(module).__bases__[0]
    setattr(module, name, value)
    return module
