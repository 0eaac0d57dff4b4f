"""A machine that runs the CUDA sources on a CPU: for tests of kernels where there is no GPU.

Its arrays are NumPy's behind a type of their own, which the engine takes for CuPy's. Memory that `empty` gives is
filled with NaN and has a guard on either side: a kernel that writes past an array's ends, or leaves an element out,
is found. Threads run in ascending and, by a second machine, in descending order, which shows most missing barriers.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import shutil
import subprocess
import tempfile
import time
import weakref
from functools import cache, partial
from pathlib import Path
from struct import Struct
from types import SimpleNamespace
from typing import Any

import numpy as np
from emulated_capture import Guarded, Recording, at, owner_of
from emulated_cupy import DeviceArray as DeviceArray
from emulated_cupy import Namespace

HERE = Path(__file__).resolve().parents[1] / "engine" / "kernels" / "cuda" / "emulator"
_ENTRY = re.compile(r'extern "C" __global__ void(?:\s+__launch_bounds__\([^)]*\))?\s+(\w+)\s*\(')
_folder = tempfile.TemporaryDirectory(prefix="numzoo-emulated-")


_FLAGS = ("-std=c++17", "-O1", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing", "-w")


def compiler() -> str | None:
    """A C++ compiler on this machine."""
    return shutil.which("g++") or shutil.which("clang++")


@cache
def _header() -> Path:
    """The emulator's header where g++ finds it compiled, which halves the time that a source takes."""
    place = Path(_folder.name) / "emulator.h"
    shutil.copy(HERE / "emulator.h", place)
    command = [str(compiler()), *_FLAGS, "-x", "c++-header", str(place), "-o", f"{place}.gch"]
    subprocess.run(command, capture_output=True, check=False)
    return place


class EmulatedMachine:
    """See above; `launched` lists what ran."""

    architecture = "sm_90a"
    processors = 4
    shared_memory = 227 << 10

    def __init__(self, *, descending: bool = False) -> None:
        self.xp = Namespace(self)
        self.descending = descending
        self.launched: list[str] = []
        self.allocator: Any = self.had
        self._guards: list[weakref.ref[Any]] = []

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        kind = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
        if not size:
            return DeviceArray(np.empty(shape, kind))
        return DeviceArray(np.asarray(self.allocator(size)).view(kind).reshape(shape))

    def had(self, size: int) -> Guarded:
        """Memory as from the driver, whoever allocates now."""
        held = Guarded(size)
        self._guards.append(weakref.ref(held))
        return held

    def like(self, model: Any) -> Any:
        """Memory for a NumPy array, in the same order, as a NumPy array."""
        order = sorted(range(model.ndim), key=lambda axis: -abs(model.strides[axis]))
        dense = self.empty(tuple(model.shape[axis] for axis in order), model.dtype).host
        return dense.transpose(tuple(np.argsort(order).tolist())) if order else dense

    def lying(self, size: int, shape: tuple[int, ...], dtype: Any, strides: tuple[int, ...] | None) -> Any:
        assert size == int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize, (
            f"{size} bytes for {shape} {dtype}"
        )
        if strides is None:
            return self.empty(shape, dtype)
        order = sorted(range(len(shape)), key=lambda axis: (-strides[axis], shape[axis] == 1, axis))
        dense = self.empty(tuple(shape[axis] for axis in order), dtype)
        array = dense.transpose(tuple(np.argsort(order).tolist()))
        for axis, count in enumerate(shape):
            assert count < 2 or array.strides[axis] == strides[axis], (
                f"{shape} {dtype} cannot have strides {strides} and no gaps"
            )
        return array

    def memory(self, size: int) -> Any:
        array = self.empty((size,), np.uint8)
        return SimpleNamespace(ptr=self.address(array), array=array)

    def lasting(self, size: int) -> Any:
        return DeviceArray(np.asarray(self.had(size)))

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        array = self.empty(shape, dtype)

        array.host[...] = 0
        if Recording.now is not None:  # as a graph does: a replay begins with zeros again
            Recording.now.steps.append(partial(at(array.host).fill, 0))
        return array

    def put(self, array: Any) -> Any:
        """A NumPy array on this machine, with the same strides (its memory starts where an allocation does)."""
        array = np.asarray(array)
        order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        dense = self.empty(tuple(array.shape[axis] for axis in order), array.dtype)
        back = dense.transpose(tuple(np.argsort(order).tolist())) if array.ndim else dense
        back.host[...] = array
        return back

    def address(self, array: Any) -> int:
        if Recording.now is not None:
            Recording.now.use(owner_of(array.host))
        return int(array.host.ctypes.data)

    def stream(self) -> int:
        return 0

    def shared_words(self, count: int) -> tuple[Any, int]:
        words = np.zeros(count, np.int64)
        return words, int(words.ctypes.data)

    def load(self, source: str, name: str, headers: dict[str, str], options: tuple[str, ...]) -> Any:
        texts = {**headers, "hardware.cuh": (HERE / "hardware.cuh").read_text()}
        whole = source
        for _ in range(4):
            for header, text in texts.items():
                whole = whole.replace(f'#include "{header}"', text, 1)
        whole += "\n" + "\n".join(f"EMULATE({entry})" for entry in _ENTRY.findall(source))
        key = hashlib.sha256("\0".join([whole, *options]).encode()).hexdigest()[:24]
        place = Path(_folder.name) / f"{key}.so"
        if not place.exists():
            unit = place.with_suffix(".cpp")
            unit.write_text(whole)
            command = [str(compiler()), *_FLAGS, "-shared", "-include", str(_header()), *options, str(unit)]
            ended = subprocess.run([*command, "-o", str(place)], capture_output=True, text=True, check=False)
            assert ended.returncode == 0, f"{name} {options}:\n{ended.stderr[:4000]}"
        return ctypes.CDLL(str(place))

    def entry(self, module: Any, name: str) -> Any:
        from numzoo.engine.kernels.cuda.entries import letters_of

        run, size = getattr(module, f"emulate_{name}"), getattr(module, f"bytes_of_{name}")
        run.restype, size.restype = ctypes.c_char_p, ctypes.c_size_t

        def launch(
            grid: Any, block: Any, shared: int, layout: Struct, arguments: Any, most_shared: int = 48 << 10
        ) -> None:
            assert layout.size == size(), f"{name} takes {size()} bytes of arguments, but {layout.size} are packed"
            assert shared <= most_shared, (
                f"{name} asks for {shared} bytes of shared memory, and such a launch gets {most_shared} at most"
            )
            packed, sizes = layout.pack(*arguments), (ctypes.c_uint * 6)(*grid, *block)

            def execute() -> None:
                complaint = run(packed, sizes, int(self.descending))
                assert not complaint, f"{name}: {complaint.decode()}"
                self.launched.append(name)
                self._check_guards(name)

            if Recording.now is not None:
                Recording.now.steps.append(execute)
                for letter, value in zip(letters_of(layout.format), arguments, strict=True):
                    if letter == "P" and value:
                        Recording.now.use_at(value)
            execute()

        launch.prepared = _prepared(launch)  # type: ignore[attr-defined]
        return launch

    def living(self) -> list[Any]:
        """The bytes of all arrays that live now, and of captured steps' pools."""
        return [held.inner for _, held in self.held()]

    def held(self) -> list[tuple[weakref.ref[Any], Any]]:
        """All memory that is held now."""
        found = [(reference, reference()) for reference in self._guards]
        return [(reference, held) for reference, held in found if held is not None]

    def milliseconds(self, work: Any, times: int) -> float:
        start = time.perf_counter()
        for _ in range(times):
            work()
        return (time.perf_counter() - start) * 1e3 / times

    def prepare(self, wanted: Any) -> Any:
        from emulated_libraries import prepare

        run = prepare(wanted)

        def checked(*addresses: int) -> None:
            def execute() -> None:
                run(*addresses)
                self._check_guards(type(wanted).__name__)

            if Recording.now is not None:
                Recording.now.steps.append(execute)
                for address in addresses:
                    Recording.now.use_at(address)
            execute()

        return None if run is None else checked

    def _check_guards(self, name: str) -> None:
        living = []
        for reference in self._guards:
            held = reference()
            if held is not None:
                assert held.whole(), f"{name} wrote outside of an array of {held.size} bytes"
                living.append(reference)
        self._guards = living


def _prepared(launch: Any) -> Any:
    """Launches to which the open arguments, those that are None, are given."""

    def prepare(grid: Any, block: Any, shared: int, layout: Struct, arguments: Any) -> Any:
        places = [place for place, value in enumerate(arguments) if value is None]
        layout.pack(*(0 if value is None else value for value in arguments))  # which a real one does here, too

        def run(*given: Any) -> None:
            filled = list(arguments)
            for place, value in zip(places, given, strict=True):
                filled[place] = value
            launch(grid, block, shared, layout, tuple(filled), EmulatedMachine.shared_memory)

        return run

    return prepare
