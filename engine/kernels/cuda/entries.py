"""Entry points of compiled modules: launches whose arguments are packed anew each time, and ones for the most part prepared.

A prepared launch keeps its packed arguments. What changes from call to call, mostly addresses, is written over them. One in use
belongs to whoever launches; another thread takes another one meanwhile.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Callable
from struct import Struct
from typing import Any

__all__ = ["MOST_BYTES", "Arguments", "Entry", "open_runs"]

MOST_BYTES = 4096
"""What the arguments of one launch may take."""
ORDINARY = 48 << 10
"""Bytes of shared memory that any launch may ask for; for more the driver must be told before."""

Three = tuple[int, int, int]
Arguments = tuple["int | float | None", ...]
"""Of a prepared launch: None stands for what each call gives."""


class _Packed:
    """Memory for packed arguments, and the driver's description of it: five words."""

    def __init__(self, filled: bytes) -> None:
        self.buffer = ctypes.create_string_buffer(filled, len(filled))
        self.size = ctypes.c_size_t(len(filled))
        self._words = (ctypes.c_void_p * 5)(1, ctypes.addressof(self.buffer), 2, ctypes.addressof(self.size), 0)
        self.description = ctypes.addressof(self._words)


class Entry:
    """An entry point on one device."""

    def __init__(
        self, function: int, launch: Callable[..., None], current: Callable[[], Any], thread: threading.local, enter: Callable[[], Any],
        allow: Callable[[int], None],
    ) -> None:  # fmt: skip
        """``current`` gives the current stream, ``thread`` holds what belongs to a thread.

        ``enter`` makes the device's context the thread's own, which launches by the driver need. ``allow`` tells the driver that launches
        may ask for so much shared memory.
        """
        self._allow, self._allowed = allow, ORDINARY
        self._function, self._launch, self._current, self._thread, self._enter = (
            function,
            launch,
            current,
            thread,
            enter,
        )

    def __call__(
        self, grid: Three, block: Three, shared: int, layout: Struct, arguments: tuple[int | float, ...]
    ) -> None:
        """Launch so many blocks of so many threads on the current stream."""
        try:
            packed = self._thread.packed
        except AttributeError:
            packed = self._enters()
        layout.pack_into(packed.buffer, 0, *arguments)
        packed.size.value = layout.size
        self._launch(self._function, *grid, *block, shared, self._current().ptr, 0, packed.description)

    def _enters(self) -> _Packed:
        self._enter()
        made = self._thread.packed = _Packed(bytes(MOST_BYTES))
        return made

    def prepared(
        self, grid: Three, block: Three, shared: int, layout: Struct, arguments: Arguments
    ) -> Callable[..., None]:
        """A launch that takes the open arguments alone, those that are None, in their order."""
        runs = open_runs(layout.format, arguments)
        filled = layout.pack(*(0 if value is None else value for value in arguments))
        function, run, current, thread, enters = self._function, self._launch, self._current, self._thread, self._enters
        (across, down, deep), (wide, high, thick) = grid, block
        if shared > self._allowed:
            enters()
            self._allow(shared)
            self._allowed = shared
        spare: list[_Packed] = []

        def mine() -> _Packed:
            try:
                packed = spare.pop()
            except IndexError:  # the first call, or another thread has it now
                packed = _Packed(filled)
            try:
                thread.packed  # noqa: B018
            except AttributeError:
                enters()
            return packed

        if len(runs) != 1:
            writes = [(Struct(letters).pack_into, place, first, last) for letters, place, first, last in runs]

            def launch_parts(*given: int | float) -> None:
                packed = mine()
                for pack_into, place, first, last in writes:
                    pack_into(packed.buffer, place, *given[first:last])
                run(function, across, down, deep, wide, high, thick, shared, current().ptr, 0, packed.description)
                spare.append(packed)

            return launch_parts
        letters, place, _, _ = runs[0]
        pack_into = Struct(letters).pack_into

        def launch(*given: int | float) -> None:
            # ``mine`` written out, to spare a call: nearly every launch of a step passes here, and the host is what small steps wait for.
            try:
                packed = spare.pop()
            except IndexError:
                packed = _Packed(filled)
            try:
                thread.packed  # noqa: B018
            except AttributeError:
                enters()
            pack_into(packed.buffer, place, *given)
            run(function, across, down, deep, wide, high, thick, shared, current().ptr, 0, packed.description)
            spare.append(packed)

        def launch_five(a: int, b: int, c: int, d: int, e: int) -> None:
            # The same for the five addresses of elementwise operations, without a tuple of them: a third of its time.
            try:
                packed = spare.pop()
            except IndexError:
                packed = _Packed(filled)
            try:
                thread.packed  # noqa: B018
            except AttributeError:
                enters()
            pack_into(packed.buffer, place, a, b, c, d, e)
            run(function, across, down, deep, wide, high, thick, shared, current().ptr, 0, packed.description)
            spare.append(packed)

        return launch_five if arguments.count(None) == 5 else launch


def open_runs(layout: str, arguments: Arguments) -> list[tuple[str, int, int, int]]:
    """Open arguments that follow one another: their own layout, the byte where they begin, and their places among all open ones."""
    letters = letters_of(layout)
    if len(letters) != len(arguments):
        raise TypeError(f"{layout} has {len(letters)} arguments, not {len(arguments)}")
    found: list[tuple[str, int, int, int]] = []
    follows, count = False, 0
    for place, letter in enumerate(letters):
        if arguments[place] is not None:
            follows = False
            continue
        begins = struct.calcsize("@" + "".join(letters[: place + 1])) - struct.calcsize("@" + letter)
        if follows:
            own, begin, first, _ = found[-1]
            # Together only where they lie so on their own, too.
            if begin + struct.calcsize(own + letter) - struct.calcsize("@" + letter) == begins:
                found[-1] = own + letter, begin, first, count + 1
            else:
                follows = False
        if not follows:
            found.append(("@" + letter, begins, count, count + 1))
        follows, count = True, count + 1
    return found


def letters_of(layout: str) -> list[str]:
    """The letters of a layout, one for each argument: "@2Pq" is P, P and q."""
    letters, count = [], ""
    for letter in layout.lstrip("@"):
        if letter.isdigit():
            count += letter
        else:
            letters += [letter] * int(count or 1)
            count = ""
    return letters
