"""Many arrays to a GPU at the link's speed: a model's weights, mapped from a file or in memory.

A copy from ordinary memory goes through a small page-locked buffer, one after the other. Here several threads fill
page-locked buffers while the GPU fetches those that are full, so that neither the disk's cache nor the link waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from .. import device as devices
from ..device import Device
from ..dtype import Array

__all__ = ["to_gpu"]

PIECE = 16 << 20
"""Bytes of one buffer: long enough for the link's full speed, short enough for several to take turns."""
BUFFERS = 6
THREADS = 4


def to_gpu(arrays: Sequence[Array], device: Device) -> list[Array]:
    """Copies of NumPy arrays on a GPU, in C order; they may be used at once on the current stream."""
    cupy = devices.cupy()
    with cupy.cuda.Device(device.index):
        places = [cupy.empty(array.shape, array.dtype) for array in arrays]
        stream = cupy.cuda.Stream(non_blocking=True)
        stream.wait_event(cupy.cuda.get_current_stream().record())
        pieces = [piece for place, array in zip(places, arrays, strict=True) for piece in _pieces(place, array)]
        buffers = [cupy.cuda.alloc_pinned_memory(PIECE) for _ in range(min(BUFFERS, len(pieces)))]
        free: deque[tuple[Any, Any]] = deque((np.frombuffer(buffer, np.uint8, PIECE), None) for buffer in buffers)
        with ThreadPoolExecutor(THREADS, "numzoo-transfer") as team:
            filling: deque[tuple[Any, Any, Future[Any]]] = deque()
            for place, source in pieces:
                if not free:
                    free.append(_sent(filling.popleft(), stream))
                buffer, event = free.popleft()
                if event is not None:
                    event.synchronize()
                filling.append((buffer, place, team.submit(_fill, buffer, source)))
            while filling:
                _sent(filling.popleft(), stream)
        cupy.cuda.get_current_stream().wait_event(stream.record())
        stream.synchronize()  # the buffers go back to their pool now
    return places


def _pieces(place: Any, array: Array) -> list[tuple[Any, Any]]:
    """An array and the memory it goes to, as bytes, cut into pieces of a buffer's length."""
    if not array.size:
        return []
    source = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    target = place.reshape(-1).view(np.uint8)
    return [(target[start : start + PIECE], source[start : start + PIECE]) for start in range(0, source.size, PIECE)]


def _fill(buffer: Any, source: Any) -> Any:
    filled = buffer[: source.size]
    np.copyto(filled, source)
    return filled


def _sent(item: tuple[Any, Any, Future[Any]], stream: Any) -> tuple[Any, Any]:
    """Send a buffer once it is full; gives it, and what tells when it may be filled again."""
    buffer, place, filled = item
    place.set(filled.result(), stream=stream)
    return buffer, stream.record()
