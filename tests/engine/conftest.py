"""A GPU for the engine's tests: one that is emulated on the CPU, and the real one where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from emulated_gpu import EmulatedMachine, compiler

from numzoo import engine
from numzoo.engine import device
from numzoo.engine.kernels.cuda import machine
from numzoo.engine.random import default_generator

REAL = ["real"] if engine.cuda.is_available() else []


@pytest.fixture(params=["ascending", "descending", *REAL])
def gpu(request: Any, monkeypatch: Any) -> Iterator[Any]:
    """A GPU that kernels, tensors and ``.to("cuda")`` use: emulated, its threads in one order and in the other, and real."""
    yield from _used(request.param, monkeypatch)


@pytest.fixture(params=["ascending", *REAL])
def one_order(request: Any, monkeypatch: Any) -> Iterator[Any]:
    """The same with one order of threads, for kernels whose threads know nothing of one another."""
    yield from _used(request.param, monkeypatch)


def _used(kind: str, monkeypatch: Any) -> Iterator[Any]:
    if kind == "real":
        from real_gpu import real_machine

        here: Any = real_machine()
        here.launched.clear()
    else:
        if compiler() is None:
            pytest.skip("no C++ compiler (g++ or clang++) is on the path, which the emulated GPU needs")
        here = EmulatedMachine(descending=kind == "descending")
        monkeypatch.setattr(device, "cupy", lambda: here.xp)
    machine.use(here)
    yield here
    machine.use(None)
    default_generator()._gpu.clear()  # its memory was this machine's
