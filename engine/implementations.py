"""What computes an operation on arrays of a kind: its kernel, its body behind it, and who watches around them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from . import device
from .debug.watch import watchers
from .dtype import Array
from .errors import ArgumentError
from .operands import with_numbers

__all__ = ["Implementations", "with_body"]


class Implementations:
    """The part of an operation that knows what computes it where; ``body``, ``name`` and ``count`` are the operation's own."""

    body: Callable[..., Any]
    name: str
    count: int

    def __init__(self) -> None:
        self.kernels: dict[str, Callable[..., Any]] = {}
        self.complete: dict[str, bool] = {}
        self.narrow_kernels: dict[str, Callable[..., Any]] = {}
        self.implementations: dict[type, Callable[..., Any]] = {}
        self.bodies: dict[type, Callable[..., Any]] = {}
        self.composed: dict[type, Callable[..., Any]] = {}
        """What never answers ``NotImplemented``, for those who call it themselves."""
        self.narrow_implementations: dict[type, Callable[..., Any] | None] = {}

    def kernel(self, device_type: str, *, complete: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a faster implementation for ``"cpu"`` or ``"cuda"``: the body's parameters without ``xp``.

        It may answer ``NotImplemented``, then the body computes; one that is ``complete`` never does.
        """

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self.kernels[device_type] = function
            self.complete[device_type] = complete
            self.implementations.clear()
            return function

        return register

    def narrow_kernel(self, device_type: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register what computes in a narrower ``dtype`` on operands that are still float32, where nothing is recorded: a kernel's parameters and ``dtype``.

        It may answer ``NotImplemented``; then the operands are narrowed one by one and the ordinary implementation computes.
        """

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self.narrow_kernels[device_type] = function
            self.implementations.clear()
            return function

        return register

    def compute(self, *arrays: Any, **settings: Any) -> Any:
        """The result for arrays of one kind, with all settings: nothing is promoted, narrowed, explained or recorded."""
        kind = type(arrays[0])
        result = (self.implementations.get(kind) or self.prepare(kind))(*arrays, **settings)
        return self.bodies[kind](*arrays, **settings) if result is NotImplemented else result

    def prepare(self, array_type: type) -> Callable[..., Any]:
        """What computes on arrays of this type, with everyone who watches around it; on NotImplemented the body is asked."""
        if not (issubclass(array_type, np.ndarray) or array_type.__module__.startswith("cupy")):
            raise ArgumentError(f"{self.name}: wants tensors or arrays, not {array_type.__name__}")
        place, library = device.load_kernels(array_type), device.namespace_of_type(array_type)
        body: Callable[..., Any] = partial(self.body, library)
        if place != "cpu" and self.count > 1:
            body = partial(with_numbers, body, library)
        kernel, narrow = self.kernels.get(place), self.narrow_kernels.get(place)
        implementation = kernel or body
        composed = implementation if kernel is None or self.complete[place] else with_body(kernel, body)
        for watcher in watchers:
            implementation = composed = watcher.around(self, composed)  # type: ignore[arg-type]
            narrow = narrow and watcher.around(self, narrow)  # type: ignore[arg-type]
        self.bodies[array_type] = body
        self.composed[array_type] = composed
        self.narrow_implementations[array_type] = narrow
        self.implementations[array_type] = implementation
        return implementation


def with_body(kernel: Callable[..., Any], body: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel with the body behind it."""

    def implementation(*arrays: Array, **settings: Any) -> Any:
        result = kernel(*arrays, **settings)
        return body(*arrays, **settings) if result is NotImplemented else result

    return implementation
