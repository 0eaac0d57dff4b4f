"""Kernels of our own: a source in CUDA C++, what it is compiled with, and how its arguments are packed.

    normalise = Kernel("layer_norm.cu", "layer_norm", "PPPPqf", SCALAR="bfloat", WIDE="float")
    normalise(rows, 256, address(x), address(weight), address(bias), address(result), columns, epsilon)

A source is compiled when one of its kernels first runs on a machine, once for each set of definitions.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from ...dtype import Dtype
from .machine import Launch, Machine, machine

__all__ = ["HEADERS", "SCALARS", "SOURCES", "Kernel", "scalars", "source_text"]

SOURCES = Path(__file__).parent / "source"
HEADERS = (
    "hardware.cuh",
    "ground.cuh",
    "gates.cuh",
    "rows.cuh",
    "norms.cuh",
    "images.cuh",
    "functions.cuh",
    "walking.cuh",
    "philox.cuh",
    "tiles.cuh",
)

SCALARS: dict[Dtype, tuple[str, str]] = {
    np.dtype(np.float32): ("float", "float"),
    np.dtype(np.float64): ("double", "double"),
    np.dtype(np.float16): ("half", "float"),
    np.dtype(ml_dtypes.bfloat16): ("bfloat", "float"),
}
"""How the sources call a floating dtype, and the type in which they compute with it."""


def scalars(dtype: Dtype) -> dict[str, str]:
    """The definitions SCALAR and WIDE for a floating dtype."""
    scalar, wide = SCALARS[dtype]
    return {"SCALAR": scalar, "WIDE": wide}


@cache
def source_text(name: str) -> str:
    """A source or header as it lies beside this file."""
    return (SOURCES / name).read_text(encoding="utf-8")


class Kernel:
    """An entry point of a source.

    ``signature`` has one letter of ``struct`` for each argument: P an address, q and i whole numbers of 64 and 32 bits, Q and
    I the same without a sign, f and d floating-point numbers, ? a bool. They are laid out as C lays them out.
    """

    __slots__ = ("_held", "_layout", "name", "options", "signature", "source")

    def __init__(self, source: str, name: str, signature: str, **definitions: str | int) -> None:
        self.source, self.name, self.signature = source, name, signature
        self.options = tuple(f"-D{key}={value}" for key, value in sorted(definitions.items()))
        self._layout = struct.Struct("@" + signature)
        self._held: tuple[Machine, Launch] | None = None

    def __repr__(self) -> str:
        return f"<kernel {self.name} of {self.source} {' '.join(self.options)}>"

    def __call__(
        self,
        grid: int | tuple[int, int, int],
        block: int | tuple[int, int, int],
        *arguments: int | float,
        shared: int = 0,
    ) -> None:
        """Launch so many blocks of so many threads on the current stream; an empty grid launches nothing."""
        here = machine()
        held = self._held  # both at once: another thread may launch on another device meanwhile
        if held is None or held[0] is not here:
            held = self._found(here)
        if type(grid) is int:
            grid = (grid, 1, 1)
        if type(block) is int:
            block = (block, 1, 1)
        if not (grid[0] and grid[1] and grid[2]):  # type: ignore[index]
            return
        try:
            held[1](grid, block, shared, self._layout, arguments)  # type: ignore[arg-type]
        except struct.error as problem:
            raise self._unfit(problem) from None

    def prepared(
        self,
        here: Machine,
        grid: int | tuple[int, int, int],
        block: int | tuple[int, int, int],
        *arguments: int | float | None,
        shared: int = 0,
    ) -> Callable[..., None]:
        """For a plan: a launch on this machine that is called with the arguments that are None here, in their order.

            run = kernel.prepared(here, 8, 256, None, None, count)
            run(address(x), address(out))

        The others are packed once. What is None had best be together, at the front.
        """
        grid = (grid, 1, 1) if isinstance(grid, int) else grid
        block = (block, 1, 1) if isinstance(block, int) else block
        if 0 in grid:
            return lambda *_: None
        try:
            return self._found(here)[1].prepared(grid, block, shared, self._layout, arguments)
        except struct.error as problem:
            raise self._unfit(problem) from None

    def _unfit(self, problem: struct.error) -> TypeError:
        """A setting that is no number of the wanted kind, for the operation to tell of."""
        return TypeError(f"a setting does not fit {self.name} of {self.source}: {problem}")

    def _found(self, here: Machine) -> tuple[Machine, Launch]:
        held = self._held
        if held is None or held[0] is not here:
            held = self._held = here, here.entry(_module(here, self.source, self.options), self.name)
        return held


_modules: dict[tuple[int, str, tuple[str, ...]], Any] = {}


def _module(here: Any, source: str, options: tuple[str, ...]) -> Any:
    key = (id(here), source, options)
    found = _modules.get(key)
    if found is None:
        headers = {name: source_text(name) for name in HEADERS}
        found = _modules[key] = here.load(source_text(source), source, headers, options)
    return found
