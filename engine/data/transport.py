"""Batches from process to process: their structure through a pipe, their arrays through shared memory.

A worker has a few slots, each a segment of shared memory that it fills again and again. The main process unlinks a
segment as soon as it has opened it, so that no name outlives the processes, and copies the arrays out of it.
"""

from __future__ import annotations

import io
import os
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

_ALIGNMENT = 64
_INLINE = 1 << 15  # bytes up to which the pipe alone is faster
_SHARED_FOLDER = "/dev/shm"


@dataclass(frozen=True)
class Parcel:
    """A value on its way: its structure, the sizes of its arrays in bytes, and where these are."""

    structure: bytes
    sizes: tuple[int, ...]
    slot: int
    name: str | None = None  # of the segment; None: the arrays are in `inline`
    inline: tuple[bytes, ...] = ()


class Outbox:
    """The worker's side: packs values into its slots."""

    def __init__(self, prefix: str, slots: int) -> None:
        self.prefix, self.slots = prefix, slots
        self._segments: dict[int, SharedMemory] = {}
        self._made = self._sent = 0

    def pack(self, value: Any) -> Parcel:
        """Put a value into the next slot; whoever sends more than ``slots`` parcels unread overwrites the first."""
        stream = io.BytesIO()
        buffers: list[memoryview] = []

        def keep(buffer: Any) -> None:
            buffers.append(buffer.raw())

        # Protocol 5 hands the memory of arrays, wherever they are in the value, to `keep`.
        ForkingPickler(stream, 5, True, keep).dump(value)
        slot = self._sent % self.slots
        sizes = tuple(buffer.nbytes for buffer in buffers)
        ends = _ends(sizes)
        self._sent += 1
        segment = self._segment(slot, ends[-1]) if sum(sizes) > _INLINE else None
        if segment is None:
            return Parcel(stream.getvalue(), sizes, slot, None, tuple(bytes(buffer) for buffer in buffers))
        memory = _memory(segment)
        for buffer, start in zip(buffers, ends, strict=False):
            memory[start : start + buffer.nbytes] = buffer
        return Parcel(stream.getvalue(), sizes, slot, segment.name)

    def _segment(self, slot: int, wanted: int) -> SharedMemory | None:
        """The slot's segment, a larger one if need be; None where shared memory is full."""
        held = self._segments.get(slot)
        if held is not None and held.size >= wanted:
            return held
        wanted += wanted // 4
        if _free() < wanted:
            return None
        self._made += 1
        try:
            segment = SharedMemory(_name(self.prefix, self._made), create=True, size=wanted)
        except OSError:
            return None
        if held is not None:
            held.close()
        self._segments[slot] = segment
        return segment


class Inbox:
    """The main process's side of one worker's slots."""

    def __init__(self, prefix: str, slots: int) -> None:
        self.prefix, self.slots = prefix, slots
        self._segments: dict[int, SharedMemory] = {}
        self._seen = 0

    def unpack(self, parcel: Parcel) -> Any:
        """The value; its arrays are this process's own, and the slot is free again."""
        if parcel.name is None:
            buffers: list[Any] = [bytearray(part) for part in parcel.inline]
            return ForkingPickler.loads(parcel.structure, buffers=buffers)
        memory = np.frombuffer(_memory(self._segment(parcel.slot, parcel.name)), np.uint8)
        starts = zip(_ends(parcel.sizes), parcel.sizes, strict=False)
        return ForkingPickler.loads(
            parcel.structure, buffers=[memory[start : start + size].copy() for start, size in starts]
        )

    def refuse(self, parcel: Parcel) -> None:
        """Free the slot of a value that nobody wants any more."""
        if parcel.name is not None:
            self._segment(parcel.slot, parcel.name)

    def _segment(self, slot: int, name: str) -> SharedMemory:
        held = self._segments.get(slot)
        if held is not None and held.name == name:
            return held
        segment = SharedMemory(name)
        segment.unlink()
        self._seen = max(self._seen, int(name.rpartition("_")[2]))
        self._segments[slot] = segment
        if held is not None:
            held.close()
        return segment

    def close(self) -> None:
        """Let go of all segments, also those that a worker made and never told of. The worker must have ended."""
        for segment in self._segments.values():
            segment.close()
        self._segments.clear()
        for number in range(self._seen + 1, self._seen + 1 + self.slots + 1):
            with suppress(OSError, ValueError):  # not there; or empty, its maker killed before giving it a size
                lost = SharedMemory(_name(self.prefix, number))
                lost.close()
                lost.unlink()


def _ends(sizes: tuple[int, ...]) -> list[int]:
    """Where each array starts, aligned, and where the last one ends."""
    places = [0]
    for size in sizes:
        places.append(-(-(places[-1] + size) // _ALIGNMENT) * _ALIGNMENT)
    return places


def _memory(segment: SharedMemory) -> memoryview:
    if segment.buf is None:
        raise ValueError(f"the shared memory {segment.name} is closed")
    return segment.buf


def _free() -> float:
    """Free bytes of shared memory. Filling it beyond kills the process, so it must be known before."""
    try:
        state = os.statvfs(_SHARED_FOLDER)
    except (AttributeError, OSError):
        return float("inf")
    return state.f_bavail * state.f_frsize


def _name(prefix: str, number: int) -> str:
    return f"{prefix}_{number}"
