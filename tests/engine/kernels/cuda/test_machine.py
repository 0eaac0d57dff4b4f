"""How the driver is called on a real machine, by stand-ins that note each call: threads, contexts and what a kernel holds."""

from __future__ import annotations

import struct
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from numzoo.engine.kernels.cuda import machine, store
from numzoo.engine.kernels.cuda.machine import CudaMachine
from numzoo.engine.kernels.cuda.program import Kernel


@pytest.fixture
def calls(monkeypatch: Any) -> list[str]:
    monkeypatch.setattr(store, "compiled", lambda *_: b"code")
    return []


def noting(calls: list[str]) -> Any:
    here: Any = CudaMachine.__new__(CudaMachine)
    here.architecture, here.stream, here._local = "sm_90a", lambda: 7, threading.local()
    here.xp = SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(free=lambda _: calls.append("context"))))
    here._driver = SimpleNamespace(
        moduleLoadData=lambda code: calls.append("load") or "module",
        moduleGetFunction=lambda module, name: name,
        launchKernel=lambda *given: calls.append(f"{given[0]} {given[1:8]} on {given[8]}"),
    )
    return here


def test_a_thread_has_the_context_before_it_loads_and_before_it_launches(calls: list[str]) -> None:
    here = noting(calls)
    launch = here.entry(here.load("source", "name.cu", {}, ()), "entry")
    assert calls == ["context", "load"]
    calls.clear()

    def twice() -> None:
        for _ in range(2):
            launch((3, 1, 1), (32, 1, 1), 16, struct.Struct("@i"), (5,))

    thread = threading.Thread(target=twice)
    thread.start()
    thread.join()
    assert calls == ["context", *["entry (3, 1, 1, 32, 1, 1, 16) on 7"] * 2]


def test_a_kernel_is_loaded_anew_for_another_device_and_launches_there(calls: list[str]) -> None:
    first, second = noting(calls), noting([])
    kernel = Kernel("running.cu", "move_statistics", "i", SCALAR="float", WIDE="float")
    try:
        for here in (first, second, first):
            machine.use(here)
            kernel(1, 32, 4)
    finally:
        machine.use(None)
    assert [call for call in calls if call.startswith("move")] == ["move_statistics (1, 1, 1, 32, 1, 1, 0) on 7"] * 2
    assert calls.count("load") == 1
