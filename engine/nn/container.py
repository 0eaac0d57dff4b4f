"""Modules that hold modules: in a row, in a list, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from ..errors import ArgumentError
from ..tensor import Tensor
from .module import Module

__all__ = [
    "Flatten",
    "Identity",
    "ModuleDict",
    "ModuleList",
    "Sequential",
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
    """Modules one after another, each fed with the result of the one before. Takes modules, or a mapping of names to modules."""

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
        for module in self.__dict__.values():
            if isinstance(module, Module):
                x = module(x)
        return x


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
        if name in dir(type(self)) or "." in name or not name:
            raise ArgumentError(
                f"ModuleDict: {name!r} cannot be a module's name; choose one that is no method and has no dot"
            )
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
        return x.flatten(self.start_dim, self.end_dim)
