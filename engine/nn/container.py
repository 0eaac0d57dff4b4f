"""Modules that hold modules or parameters: in a row, in a list, by name; and those that only change a shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from ..errors import ArgumentError
from ..tensor import Tensor, tensor_like
from .module import Module
from .pairs import in_a_row
from .parameter import Parameter

__all__ = [
    "Flatten",
    "Identity",
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
    "Sequential",
    "Unflatten",
]


class _Numbered(Module):
    """Children named 0, 1, 2, ..."""

    def _list(self) -> list[Module]:
        return list(self.children())

    def _renumber(self, modules: list[Module]) -> None:
        for name, _ in list(self.named_children()):
            del self.__dict__[name]
        for position, module in enumerate(modules):
            self.add_module(str(position), module)

    def append(self, module: Module) -> Any:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, position: int, module: Module) -> None:
        """Add a module before ``position``."""
        modules = self._list()
        modules.insert(position, module)
        self._renumber(modules)

    def __len__(self) -> int:
        return len(self._list())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Any: ...
    def __getitem__(self, index: int | slice) -> Any:
        modules = self._list()
        if isinstance(index, slice):
            return type(self)(*modules[index]) if isinstance(self, Sequential) else type(self)(modules[index])  # type: ignore[call-arg]
        try:
            return modules[index]
        except IndexError:
            raise IndexError(
                f"{type(self).__name__} holds {len(modules)} modules; there is no number {index}"
            ) from None

    def __setitem__(self, index: int, module: Module) -> None:
        name = [name for name, _ in self.named_children()][index]
        self.add_module(name, module)

    def __delitem__(self, index: int) -> None:
        modules = self._list()
        del modules[index]
        self._renumber(modules)


class Sequential(_Numbered):
    """Modules one after another, each fed with the result of the one before. Takes modules, or a mapping of names to modules.

    A batch normalisation and the ReLU, ReLU6, SiLU or Hardswish behind it are computed together while neither has hooks (see ``norm_activation``).
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, module)
            return
        for position, given in enumerate(modules):
            if not isinstance(given, Module):
                raise ArgumentError(f"Sequential: item {position} is a {type(given).__name__}, not a Module")
            self.add_module(str(position), given)

    def forward(self, x: Any) -> Any:
        return in_a_row(self.__dict__.values(), x)


class ModuleList(_Numbered):
    """A list of modules, whose parameters count. It computes nothing by itself."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)


class ModuleDict(Module):
    """Modules by name, whose parameters count. It computes nothing by itself."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        for name, module in (modules or {}).items():
            self[name] = module

    def __getitem__(self, name: str) -> Module:
        return self.get_submodule(name)

    def __setitem__(self, name: str, module: Module) -> None:
        _check_key("ModuleDict", name, self)
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        del self.__dict__[name]

    def __len__(self) -> int:
        return len(list(self.children()))

    def __iter__(self) -> Iterator[str]:
        return self.keys()

    def __contains__(self, name: str) -> bool:
        return isinstance(self.__dict__.get(name), Module)

    def keys(self) -> Iterator[str]:
        """The names."""
        return (name for name, _ in self.named_children())

    def values(self) -> Iterator[Module]:
        """The modules."""
        return self.children()

    def items(self) -> Iterator[tuple[str, Module]]:
        """Names and modules."""
        return self.named_children()


class ParameterList(Module):
    """A list of parameters, named 0, 1, 2, ...; tensors become parameters."""

    def __init__(self, values: Iterable[Any] = ()) -> None:
        super().__init__()
        self.extend(values)

    def append(self, value: Any) -> ParameterList:
        """Add a parameter at the end."""
        self.__dict__[str(len(self))] = _parameter("ParameterList", value)
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add parameters at the end."""
        for value in values:
            self.append(value)
        return self

    def __len__(self) -> int:
        return len(list(self.parameters(recurse=False)))

    def __iter__(self) -> Iterator[Parameter]:
        return iter([self.__dict__[str(position)] for position in range(len(self))])

    def __getitem__(self, index: int) -> Parameter:
        return list(self)[index]

    def __setitem__(self, index: int, value: Any) -> None:
        self.__dict__[str(range(len(self))[index])] = _parameter("ParameterList", value)

    def extra_repr(self) -> str:
        return ", ".join(str(tuple(value.shape)) for value in self)


class ParameterDict(Module):
    """Parameters by name; tensors become parameters."""

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        for name, value in (values or {}).items():
            self[name] = value

    def __getitem__(self, name: str) -> Parameter:
        if name not in self:
            raise KeyError(f"ParameterDict has no {name!r}; it has {', '.join(self) or 'nothing'}")
        value: Parameter = self.__dict__[name]
        return value

    def __setitem__(self, name: str, value: Any) -> None:
        _check_key("ParameterDict", name, self)
        self.__dict__[name] = _parameter("ParameterDict", value)

    def __delitem__(self, name: str) -> None:
        del self.__dict__[name]

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __iter__(self) -> Iterator[str]:
        return (name for name, value in self.__dict__.items() if isinstance(value, Parameter))

    def __contains__(self, name: object) -> bool:
        return isinstance(self.__dict__.get(str(name)), Parameter)

    def keys(self) -> Iterator[str]:
        """The names."""
        return iter(self)

    def values(self) -> Iterator[Parameter]:
        """The parameters."""
        return (self[name] for name in self)

    def items(self) -> Iterator[tuple[str, Parameter]]:
        """Names and parameters."""
        return ((name, self[name]) for name in self)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={tuple(value.shape)}" for name, value in self.items())


class Identity(Module):
    """Gives back what it is given."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x


class Flatten(Module):
    """The axes from ``start_dim`` to ``end_dim`` made one."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        return tensor_like("Flatten", x).flatten(self.start_dim, self.end_dim)


class Unflatten(Module):
    """One axis, ``dim``, made several, of sizes ``unflattened_size``; one of them may be -1."""

    def __init__(self, dim: int, unflattened_size: Iterable[int]) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: Tensor) -> Tensor:
        return tensor_like("Unflatten", x).unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


def _parameter(who: str, value: Any) -> Parameter:
    if not isinstance(value, Tensor):
        raise ArgumentError(f"{who}: holds parameters and tensors, not {type(value).__name__} ({value!r:.60})")
    return value if isinstance(value, Parameter) else Parameter(value)


def _check_key(who: str, name: Any, module: Module) -> None:
    if not isinstance(name, str) or name in dir(type(module)) or "." in name or not name:
        raise ArgumentError(
            f"{who}: {name!r} cannot be a name in it; choose a string that is no method's name and has no dot"
        )
