"""Many arrays to a GPU at the link's speed: a model's weights, mapped from a file or in memory.

A copy from ordinary memory goes through a small page-locked buffer, one after the other. Here several threads fill
page-locked buffers of their own and send them, each filling one while its other one is fetched, so that neither the disk's
cache nor the link waits. What lies on a mapping that was not written to is read from its file, for the first touch of a
mapped page costs as much as its copy, and giving pages back costs as much again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .. import device as devices
from ..device import Device
from ..dtype import Array

__all__ = ["to_gpu"]

PIECE = 8 << 20
"""Bytes of one buffer: long enough that Python's lock is seldom asked for, short enough that the first ones are soon on their way."""
BUFFERS = 2
"""Of each thread."""
THREADS = 8
"""One copies up to 9 GB/s out of the disk's cache, and links carry up to 60; more of them wait for Python's lock."""

Parts = list[tuple[Any, Any, tuple[int, int] | None]]
"""Memory on the GPU, the bytes that belong there, and the descriptor and place of a file that has them; together of a buffer's length at most."""


def to_gpu(arrays: Sequence[Array], device: Device) -> list[Array]:
    """Copies of NumPy arrays on a GPU, in C order; they may be used at once on the current stream."""
    cupy = devices.cupy()
    with cupy.cuda.Device(device.index):
        places = [cupy.empty(array.shape, array.dtype) for array in arrays]
        stream = cupy.cuda.Stream(non_blocking=True)
        stream.wait_event(cupy.cuda.get_current_stream().record())
        loads = deque(_loads(places, arrays))
        threads = min(THREADS, _processors(), len(loads))
        if threads < 2:
            _send(loads, device, stream)
        else:
            with ThreadPoolExecutor(threads, "numzoo-transfer") as team:
                for sent in [team.submit(_send, loads, device, stream) for _ in range(threads)]:
                    sent.result()
        cupy.cuda.get_current_stream().wait_event(stream.record())
        stream.synchronize()  # the buffers went back to their pool
    return places


def _loads(places: Sequence[Any], arrays: Sequence[Array]) -> Iterator[Parts]:
    """All bytes of the arrays beside where they go, in loads of a buffer's length: small arrays share one."""
    load: Parts = []
    room = PIECE
    for place, array in zip(places, arrays, strict=True):
        if not array.size:
            continue
        source = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        target = place.reshape(-1).view(np.uint8)
        file = _file_of(source)
        start = 0
        while start < source.size:
            count = min(room, source.size - start)
            origin = None if file is None else (file[0], file[1] + start)
            load.append((target[start : start + count], source[start : start + count], origin))
            start, room = start + count, room - count
            if not room:
                yield load
                load, room = [], PIECE
    if load:
        yield load


def _send(loads: deque[Parts], device: Device, stream: Any) -> None:
    """Send loads until none is left, from buffers of this thread's own."""
    cupy = devices.cupy()
    with cupy.cuda.Device(device.index):
        free: deque[tuple[Any, Any]] = deque()
        while True:
            try:
                load = loads.popleft()
            except IndexError:
                break
            if len(free) < BUFFERS:
                buffer, fetched = np.frombuffer(cupy.cuda.alloc_pinned_memory(PIECE), np.uint8, PIECE), None
            else:
                buffer, fetched = free.popleft()
                fetched.synchronize()
            at = 0
            for place, source, origin in load:
                filled = buffer[at : at + source.size]
                if origin is None or not _read(filled, *origin):
                    np.copyto(filled, source)
                place.set(filled, stream=stream)
                at += source.size
            free.append((buffer, stream.record(fetched)))
        for _, fetched in free:
            fetched.synchronize()


def _file_of(source: Array) -> tuple[int, int] | None:
    """The descriptor of the file that holds the same bytes, and where; None where there is none.

    A mapping says so by ``unwritten``: its file's descriptor, as long as nothing was written to it.
    """
    base: Any = source
    while isinstance(base, np.ndarray):
        base = base.base
    while isinstance(base, memoryview):
        base = base.obj
    descriptor: int | None = getattr(base, "unwritten", None)
    if descriptor is None or not hasattr(os, "preadv"):
        return None
    return descriptor, source.ctypes.data - np.frombuffer(base, np.uint8, 1).ctypes.data


def _read(filled: Array, descriptor: int, place: int) -> bool:
    """Fill memory from a file; False where that cannot be done."""
    done, memory = 0, memoryview(filled)
    while done < filled.size:
        try:
            count = os.preadv(descriptor, [memory[done:]], place + done)
        except OSError:
            return False
        if not count:
            return False
        done += count
    return True


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
