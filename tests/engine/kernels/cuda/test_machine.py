"""How the driver is called on a real machine, by stand-ins that note each call: threads, contexts and what a kernel holds."""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from numzoo.engine.kernels.cuda import machine
from numzoo.engine.kernels.cuda.entries import Entry, open_runs
from numzoo.engine.kernels.cuda.libraries import store
from numzoo.engine.kernels.cuda.machine import CudaMachine, laid
from numzoo.engine.kernels.cuda.program import Kernel


@pytest.fixture
def calls(monkeypatch: Any) -> list[str]:
    monkeypatch.setattr(store, "compiled", lambda *_: b"code")
    return []


def noting(calls: list[str]) -> Any:
    here: Any = CudaMachine.__new__(CudaMachine)
    here.architecture, here._current, here._local = "sm_90a", lambda: SimpleNamespace(ptr=7), threading.local()
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
    kernel = Kernel("waiting.cu", "wait_cycles", "q")
    try:
        for here in (first, second, first):
            machine.use(here)
            kernel(1, 32, 4)
    finally:
        machine.use(None)
    assert [call for call in calls if call.startswith("wait")] == ["wait_cycles (1, 1, 1, 32, 1, 1, 0) on 7"] * 2
    assert calls.count("load") == 1


def entry(
    seen: list[bytes], meanwhile: Callable[[], None] = lambda: None, allow: Callable[[int], None] = lambda shared: None
) -> Entry:
    """An entry point that notes the packed arguments when its launch ends."""

    def launch(function: int, *given: int) -> None:
        words = (ctypes.c_int64 * 5).from_address(given[-1])
        assert (words[0], words[2], words[4]) == (1, 2, 0)
        meanwhile()
        seen.append(ctypes.string_at(words[1], ctypes.c_size_t.from_address(words[3]).value))

    return Entry(1, launch, lambda: SimpleNamespace(ptr=7), threading.local(), lambda: None, allow)


def test_the_driver_is_told_before_a_launch_asks_for_much_shared_memory() -> None:
    told: list[int] = []
    given = entry([], allow=told.append)
    for shared in (0, 48 << 10, 90 << 10, 60 << 10, 110 << 10):
        given.prepared((1, 1, 1), (32, 1, 1), shared, struct.Struct("@P"), (None,))
    assert told == [90 << 10, 110 << 10]


ARGUMENTS = (
    ("@PPqf", (None, None, 5, 0.5)),
    ("@PqP", (None, 5, None)),
    ("@2Pi2d?", (7, None, -3, None, 1.5, True)),
    ("@ifPq", (3, None, None, None)),
    ("@ii8qP", (*range(10), 9)),
)


@pytest.mark.parametrize(("letters", "arguments"), ARGUMENTS)
def test_a_prepared_launch_packs_what_is_open_among_what_stays(letters: str, arguments: Any) -> None:
    seen: list[bytes] = []
    layout = struct.Struct(letters)
    launch = entry(seen).prepared((1, 1, 1), (32, 1, 1), 0, layout, arguments)
    for times in (3, 5):
        given = iter(range(times, 99, times))
        filled = [next(given) if value is None else value for value in arguments]
        launch(*(new for new, old in zip(filled, arguments, strict=True) if old is None))
        assert seen.pop() == layout.pack(*filled)


def test_a_prepared_launch_wants_an_argument_for_each_that_is_open() -> None:
    assert open_runs("@P2qP", (None, None, 3, None)) == [("@Pq", 0, 0, 2), ("@P", 24, 2, 3)]
    with pytest.raises(TypeError, match="has 2 arguments, not 1"):
        open_runs("@Pq", (None,))
    with pytest.raises(struct.error):
        entry([]).prepared((1, 1, 1), (32, 1, 1), 0, struct.Struct("@PPq"), (None, None, 3))(1)


def test_a_thread_that_launches_meanwhile_has_packed_arguments_of_its_own() -> None:
    seen: list[bytes] = []
    layout = struct.Struct("@Pq")

    def another() -> None:
        if threading.current_thread() is threading.main_thread():
            thread = threading.Thread(target=launch, args=(9,))
            thread.start()
            thread.join()

    launch = entry(seen, another).prepared((1, 1, 1), (32, 1, 1), 0, layout, (None, 4))
    launch(8)
    assert seen == [layout.pack(9, 4), layout.pack(8, 4)]


FORMS = (((), None), ((3,), None), ((2, 0), None), ((2, 3, 4), (48, 4, 12)), ((2, 1, 3), None))


@pytest.mark.parametrize(("shape", "strides"), FORMS)
def test_an_array_of_cupy_made_directly_is_as_one_that_its_class_makes(shape: Any, strides: Any) -> None:
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    cuda, dtype = cupy.cuda, np.dtype(np.float32)
    asked: list[int] = []

    def memory(size: int) -> Any:
        asked.append(size)
        return cuda.MemoryPointer(cuda.UnownedMemory(512, 4096, None, 0), 0)

    size = 4 * int(np.prod(shape))
    array, other = laid(cupy, memory)(size, shape, dtype, strides), cupy.ndarray(shape, dtype, memory(size), strides)
    assert asked == [size, size]
    assert type(array) is cupy.ndarray
    for name in ("shape", "strides", "dtype", "size", "nbytes", "base"):
        assert getattr(array, name) == getattr(other, name), name
    assert array.data.ptr == other.data.ptr
    assert array.flags.c_contiguous == other.flags.c_contiguous
    assert array.flags.f_contiguous == other.flags.f_contiguous


def test_arrays_are_made_by_their_class_where_cupy_makes_them_otherwise() -> None:
    class Array:
        def __init__(self, *given: Any) -> None:
            self.given = given

    nowhere = SimpleNamespace(UnownedMemory=lambda *_: None, MemoryPointer=lambda *_: None)
    make = laid(SimpleNamespace(ndarray=Array, cuda=nowhere), lambda size: f"{size} bytes")
    made: Any = make(8, (2,), np.dtype(np.float32), None)
    assert made.given == ((2,), np.dtype(np.float32), "8 bytes", None)
