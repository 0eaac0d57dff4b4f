"""Many arrays to a GPU at the link's speed: a model's weights, mapped from a file or in memory.

A copy from ordinary memory goes through a small page-locked buffer, one after the other. Here several threads fill
page-locked buffers of their own and send them, each filling one while its other one is fetched, so that neither the disk's
cache nor the link waits. What lies on a mapping that was not written to is read from its file, for the first touch of a
mapped page costs as much as its copy, and giving pages back costs as much again.

Between the bytes stand numbers alone, not arrays: the threads share Python's lock, and a slice of an array costs as long as a
hundred kilobytes on their way.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import local
from typing import Any, NamedTuple

import numpy as np

from .. import device as devices
from ..device import Device
from ..dtype import Array
from ..errors import OutOfMemoryError
from .memory import out_of_memory

__all__ = ["ahead", "to_gpu"]

PIECE = 4 << 20
"""Bytes of one buffer: long enough that Python's lock is seldom asked for, short enough that the first ones are soon on their way, and that
locking the pages of all buffers, once in a process, takes some milliseconds."""
BUFFERS = 2
"""Of each thread."""
THREADS = 8
"""One copies up to 9 GB/s out of the disk's cache, and links carry up to 60; more of them wait for Python's lock."""
UNIT = 512
"""The pool gives whole ones of so many bytes."""


class Part(NamedTuple):
    """Bytes that belong together on both sides."""

    target: int
    """Where they belong on the GPU."""
    length: int
    source: Array
    """What holds them: bytes, of which these begin at ``start``."""
    start: int
    descriptor: int | None
    """Of a file that has the same bytes, beginning at ``place``."""
    place: int


Load = list[Part]
"""Parts that one buffer holds together."""


def to_gpu(arrays: Sequence[Array], device: Device) -> list[Array]:
    """Copies of NumPy arrays on a GPU, in C order; they may be used at once on the current stream.

    Raises OutOfMemoryError where it has no room for all of them.
    """
    begun = _begun.sending
    found = [None if begun is None else begun.take(array, device) for array in arrays]
    rest = [array for array, place in zip(arrays, found, strict=True) if place is None]
    sending = _Sending(rest, device) if rest or begun is None else begun
    try:
        if begun is not None and begun is not sending:
            begun.finish()
        sending.finish()
    finally:
        sending.stop()
    places = iter(sending.places)
    return [next(places) if place is None else place for place in found]


@contextmanager
def ahead(arrays: Sequence[Array], device: Device) -> Iterator[None]:
    """Begin to send these arrays, which ``to_gpu`` will be asked for within the block, by this thread and as the very same arrays.

    Nothing is sent where there is no room for them: then ``to_gpu`` says so.
    """
    try:
        _begun.sending = _Sending(arrays, device)
    except OutOfMemoryError:
        yield
        return
    try:
        yield
    finally:
        sending, _begun.sending = _begun.sending, None
        sending.stop()


class _Begun(local):
    sending: _Sending | None = None


_begun = _Begun()


class _Sending:
    """Arrays on their way to a GPU: their places there, and the threads that fill these."""

    def __init__(self, arrays: Sequence[Array], device: Device) -> None:
        cupy = devices.cupy()
        self._device = device
        self._team: ThreadPoolExecutor | None = None
        self._sent: list[Future[None]] = []
        with cupy.cuda.Device(device.index):
            self.places = _places(cupy, arrays, device)
            self._untaken = {id(array): (array, place) for array, place in zip(arrays, self.places, strict=True)}
            self._stream = cupy.cuda.Stream(non_blocking=True)
            self._stream.wait_event(cupy.cuda.get_current_stream().record())
            self._loads = deque(_loads(self.places, arrays))
            threads = min(THREADS, _processors(), len(self._loads))
            if threads > 1:
                self._team = ThreadPoolExecutor(threads, "numzoo-transfer")
                self._sent = [self._team.submit(_send, self._loads, device, self._stream) for _ in range(threads)]

    def take(self, array: Array, device: Device) -> Array | None:
        """The place of an array, once; None where it was not asked for, or for another GPU."""
        return self._untaken.pop(id(array), (None, None))[1] if device == self._device else None

    def finish(self) -> None:
        """Until they are there, for the current stream too."""
        if self._team is None:
            _send(self._loads, self._device, self._stream)
        for sent in self._sent:
            sent.result()
        cupy = devices.cupy()
        with cupy.cuda.Device(self._device.index):
            cupy.cuda.get_current_stream().wait_event(self._stream.record())

    def stop(self) -> None:
        """Send no more, and wait until nothing is on its way."""
        self._loads.clear()
        if self._team is not None:
            self._team.shutdown()


def _places(cupy: Any, arrays: Sequence[Array], device: Device) -> list[Array]:
    """Memory on the GPU for each array."""
    whole = sum(-(-array.nbytes // UNIT) * UNIT for array in arrays)
    try:
        if whole >= PIECE and cupy.get_default_memory_pool().free_bytes() < whole:
            with suppress(MemoryError):  # in one piece
                cupy.cuda.alloc(
                    whole
                )  # free again at once, to be cut up: the driver is asked once, and not for each array
        return [cupy.empty(array.shape, array.dtype) for array in arrays]
    except MemoryError as error:
        raise out_of_memory("to", error, device) from None


def _loads(places: Sequence[Any], arrays: Sequence[Array]) -> Iterator[Load]:
    """All bytes of the arrays beside where they go, in loads of a buffer's length: small arrays share one."""
    load: Load = []
    room = PIECE
    for place, array in zip(places, arrays, strict=True):
        if not array.size:
            continue
        source = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        target, size = place.data.ptr, source.size
        descriptor, begin = _file_of(source)
        start = 0
        while start < size:
            count = min(room, size - start)
            load.append(Part(target + start, count, source, start, descriptor, begin + start))
            start, room = start + count, room - count
            if not room:
                yield load
                load, room = [], PIECE
    if load:
        yield load


def _send(loads: deque[Load], device: Device, stream: Any) -> None:
    """Send loads until none is left, from buffers of this thread's own."""
    cupy = devices.cupy()
    runtime = cupy.cuda.runtime
    copy, to_device, number = runtime.memcpyAsync, runtime.memcpyHostToDevice, stream.ptr
    free: deque[tuple[Array, memoryview, int, Any]] = deque()
    with cupy.cuda.Device(device.index):
        try:
            while True:
                try:
                    load = loads.popleft()
                except IndexError:
                    break
                if len(free) < BUFFERS:
                    buffer, fetched = np.frombuffer(cupy.cuda.alloc_pinned_memory(PIECE), np.uint8, PIECE), None
                    memory, begin = buffer.data, _address(buffer)
                else:
                    buffer, memory, begin, fetched = free.popleft()
                    fetched.synchronize()
                at = 0
                for target, count, source, start, descriptor, place in load:
                    end = at + count
                    if descriptor is None or not _read(memory[at:end], descriptor, place):
                        np.copyto(buffer[at:end], source[start : start + count])
                    copy(target, begin + at, count, to_device, number)
                    at = end
                free.append((buffer, memory, begin, stream.record(fetched)))
        except BaseException:
            loads.clear()  # the others need not go on
            stream.synchronize()  # what this load has sent has no event yet
            raise
        finally:
            for *_, fetched in free:
                fetched.synchronize()  # the buffers go back to their pool


def _file_of(source: Array) -> tuple[int | None, int]:
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
        return None, 0
    return descriptor, _address(source) - _address(np.frombuffer(base, np.uint8, 1))


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _read(filled: memoryview, descriptor: int, place: int) -> bool:
    """Fill memory from a file; False where that cannot be done."""
    done = 0
    while done < len(filled):
        try:
            count = os.preadv(descriptor, [filled[done:] if done else filled], place + done)
        except OSError:
            return False
        if not count:
            return False
        done += count
    return True


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
