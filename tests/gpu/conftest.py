"""These tests want a GPU: ``python -m pytest tests/gpu``. Without one they are skipped, and say why.

With NUMZOO_TEST_EMULATED_GPU=1 they run on the emulated one, slowly, to try the tests themselves.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from emulated_gpu import EmulatedMachine

from numzoo import engine
from numzoo.engine import device
from numzoo.engine.errors import DeviceError
from numzoo.engine.kernels.cuda import machine

EMULATED = os.environ.get("NUMZOO_TEST_EMULATED_GPU") == "1"


@pytest.fixture(autouse=True, scope="session")
def _gpu() -> Iterator[None]:
    if EMULATED:
        here = EmulatedMachine()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(device, "cupy", lambda: here.xp)
            machine.use(here)
            yield
            machine.use(None)
        return
    try:
        device.cupy()
    except DeviceError as missing:
        pytest.skip(f"these tests want a GPU: {missing}")
    yield


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    engine.manual_seed(0)
