"""An emulated GPU for the engine's tests: a machine that runs the CUDA sources on the CPU, and the devices on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from emulated_gpu import EmulatedMachine, compiler

from numzoo.engine import device
from numzoo.engine.kernels.cuda import machine


@pytest.fixture(params=["ascending", "descending"])
def gpu(request: Any, monkeypatch: Any) -> Iterator[EmulatedMachine]:
    """An emulated GPU that kernels, tensors and ``.to("cuda")`` use; threads run in one order, then in the other."""
    if compiler() is None:
        pytest.skip("no C++ compiler (g++ or clang++) is on the path, which the emulated GPU needs")
    here = EmulatedMachine(descending=request.param == "descending")
    monkeypatch.setattr(device, "cupy", lambda: here.xp)
    machine.use(here)
    yield here
    machine.use(None)
