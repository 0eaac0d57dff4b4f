"""Batches on a GPU, copied while the one before is computed with."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .. import device as devices
from ..device import CPU, Device, DeviceLike
from ..errors import ArgumentError
from ..tensor import Tensor, tensor_of
from .collate import walk

__all__ = ["OnDevice", "is_pinned", "on_device", "pinned_copy"]


class OnDevice:
    """The batches of a loader with their tensors on a device; what else a loader has is the loader's. ``on_device`` makes it.

    ``state_dict()`` is that of the batch that was given last, though the loader is one ahead.
    """

    def __init__(self, loader: Iterable[Any], device: Device) -> None:
        self.loader, self.device = loader, device
        self._state: Any = None

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        if name == "loader":
            raise AttributeError(name)
        found = getattr(self.loader, name)
        return (lambda: self._state or found()) if name == "state_dict" else found

    def __iter__(self) -> Iterator[Any]:
        if self.device.type == "cpu":
            return (walk(batch, lambda value: _moved(value, CPU)) for batch in self.loader)
        return self._prefetched()

    def _prefetched(self) -> Iterator[Any]:
        """Each batch is copied on a stream of its own, from page-locked memory, while the one before is in use.

        The memory it is copied to comes from the computing stream, so that what is freed there is not overwritten before the
        kernels that read it have run; and the page-locked memory is held until its copy has arrived.
        """
        cupy = devices.cupy()
        state = getattr(self.loader, "state_dict", None)
        with cupy.cuda.Device(self.device.index):
            copying = cupy.cuda.Stream(non_blocking=True)
            under_way: deque[_Copy] = deque()
            last: _Copy | None = None
            try:
                for batch in self.loader:
                    ready, last = last, _Copy(cupy, batch, copying, state and state())
                    under_way.append(last)
                    if ready is not None:
                        yield self._given(cupy, ready)
                    while under_way[0] is not last and under_way[0].event.done:
                        under_way.popleft()
                if last is not None:
                    ready, last = last, None
                    yield self._given(cupy, ready)
            finally:
                self._state = None
                if last is not None:  # nobody wants it, but its memory must not be used again before it has arrived
                    cupy.cuda.get_current_stream().wait_event(last.event)
                copying.synchronize()

    def _given(self, cupy: Any, copy: _Copy) -> Any:
        cupy.cuda.get_current_stream().wait_event(copy.event)
        self._state = copy.state
        return copy.batch


class _Copy:
    """A batch on its way: where it goes, what it comes from, when it has arrived, and where the loader stands after it."""

    def __init__(self, cupy: Any, batch: Any, stream: Any, state: Any) -> None:
        self.state = state
        self.sources: list[tuple[Any, Any]] = []
        self.batch = walk(batch, lambda value: _placed(cupy, value, self.sources))
        stream.wait_event(cupy.cuda.get_current_stream().record())
        for place, source in self.sources:
            place.set(source, stream=stream)
        self.event = stream.record()


def _placed(cupy: Any, value: Any, sources: list[tuple[Any, Any]]) -> Any:
    """A tensor of the same shape on the GPU, noted with the page-locked memory that it is to be copied from."""
    if isinstance(value, np.ndarray):
        value = tensor_of(value)
    if not isinstance(value, Tensor) or value.device != CPU:
        return value
    array = value.array if value.array.flags.c_contiguous else np.ascontiguousarray(value.array)
    if not is_pinned(cupy, array):
        array = pinned_copy(array)
    place = cupy.empty(array.shape, array.dtype)
    sources.append((place, array))
    return tensor_of(place)


def is_pinned(cupy: Any, array: Any) -> bool:
    """Whether an array's memory is page-locked: it came from CuPy."""
    root = array
    while isinstance(root, np.ndarray) and root.base is not None:
        root = root.base
    return isinstance(getattr(root, "obj", root), cupy.cuda.PinnedMemoryPointer)


def pinned_copy(array: Any) -> Any:
    """A copy of a NumPy array in page-locked memory, which GPUs copy from faster and meanwhile."""
    pool = devices.cupy().cuda
    memory = pool.alloc_pinned_memory(max(array.nbytes, 1))
    copy = np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)
    copy[...] = array
    return copy


def _moved(value: Any, device: Device) -> Any:
    if isinstance(value, np.ndarray):
        value = tensor_of(value)
    return value.to(device=device) if isinstance(value, Tensor) else value


def on_device(loader: Iterable[Any], device: DeviceLike = "cuda") -> OnDevice:
    """The batches of ``loader`` with their tensors and arrays on ``device``: ``for images, labels in on_device(loader)``.

    On a GPU the next batch is copied while this one is computed with, so the copies cost a training step nothing; a loader
    with ``pin_memory=True`` spares one copy on the CPU. Whatever is no tensor or array stays as it is.
    """
    if not hasattr(loader, "__iter__"):
        raise ArgumentError(f"on_device: wants a loader, or batches one after another, not a {type(loader).__name__}")
    where = devices.as_device(device)
    if where.type == "cuda":
        devices.cupy()  # what is missing is told here, and not at the first batch
    return OnDevice(loader, where)
