"""A compiled oneDNN primitive, run from any thread.

ctypes releases the interpreter's lock while a primitive runs, so two threads may be inside the same primitive at once.
Each execution therefore borrows a context (memory objects and argument list) from the primitive's stack and puts it
back afterwards. What belongs to a thread, its stream, its team size and its scratch memory, is a lane.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence

import numpy as np

from . import threads
from .epilogue import Epilogue
from .library import (
    OUT_OF_MEMORY,
    QUERY_ARGUMENT,
    QUERY_AXES,
    QUERY_BLOCK_AXES,
    QUERY_BLOCK_LEVELS,
    QUERY_BLOCK_SIZES,
    QUERY_DATA_TYPE,
    QUERY_IMPLEMENTATION,
    QUERY_PADDED_SHAPE,
    QUERY_SCRATCHPAD,
    QUERY_STRIDES,
    UNIMPLEMENTED,
    ExecutionArgument,
    Library,
)
from .memory import Array, Layout, address, refusal

# Names of the arguments of an execution (DNNL_ARG_*).
SOURCE = 1
SOURCE_1 = 2
DESTINATION = 17
WEIGHTS = 33
BIAS = 41
MEAN = 49
VARIANCE = 50
SCALE = 51
SHIFT = 52
WORKSPACE = 64
SCRATCHPAD = 80
SOURCE_GRADIENT = 129
DESTINATION_GRADIENT = 145
WEIGHTS_GRADIENT = 161
SCALE_GRADIENT = 255
SHIFT_GRADIENT = 256


class Description:
    """A primitive descriptor: an operation on given layouts, for which oneDNN has chosen an implementation."""

    __slots__ = ("_library", "handle", "implementation")

    def __init__(self, library: Library, handle: int) -> None:
        self._library = library
        self.handle = handle
        name = ctypes.c_char_p()
        library.query(handle, QUERY_IMPLEMENTATION, 0, ctypes.byref(name))
        self.implementation = (name.value or b"").decode()

    def __del__(self) -> None:
        self._library.descriptor_destroy(self.handle)

    def layout(self, argument: int) -> int:
        """The layout of an execution argument; it lives as long as this description."""
        return int(self._library.query_memory(self.handle, QUERY_ARGUMENT, argument) or 0)

    def layout_bytes(self, argument: int) -> int:
        """The bytes that an execution argument takes."""
        return int(self._library.layout_bytes(self.layout(argument)))

    def same_layout(self, argument: int, layout: Layout) -> bool:
        """Whether the implementation takes the argument in just this layout."""
        return bool(self._library.layout_equal(self.layout(argument), layout.handle))


def signature(library: Library, layout: int) -> tuple[int, ...]:
    """The numbers that a layout is made of: equal ones mean the same bytes for the same contents."""

    def number(what: int) -> int:
        value = ctypes.c_int(0)
        library.layout_query(layout, what, ctypes.byref(value))
        return value.value

    def vector(what: int, count: int) -> tuple[int, ...]:
        start = ctypes.POINTER(ctypes.c_int64)()
        library.layout_query(layout, what, ctypes.byref(start))
        return tuple(start[:count])

    axes, levels = number(QUERY_AXES), number(QUERY_BLOCK_LEVELS)
    padded, strides = vector(QUERY_PADDED_SHAPE, axes), vector(QUERY_STRIDES, axes)
    blocks = vector(QUERY_BLOCK_SIZES, levels) + vector(QUERY_BLOCK_AXES, levels)
    return (number(QUERY_DATA_TYPE), levels, *padded, *strides, *blocks)


def describe(
    library: Library, operation: str, *arguments: object, epilogue: Epilogue | None = None
) -> Description | None:
    """The descriptor of an operation, or None where oneDNN has nothing but its slow reference code for it."""
    handle = ctypes.c_void_p()
    plain = [argument.handle if isinstance(argument, Layout | Description) else argument for argument in arguments]
    _lane(threads.current())  # the team size is compiled in, and this thread may not have said it yet
    attributes = library.attributes if epilogue is None else epilogue.handle
    code = library.creators[operation](ctypes.byref(handle), library.engine, *plain, attributes)
    return _described(library, code, handle, operation)


def describe_reorder(library: Library, source: Layout | int, destination: Layout | int) -> Description | None:
    """The descriptor of a copy from one layout to another."""
    handle = ctypes.c_void_p()
    _lane(threads.current())
    first, second = (side.handle if isinstance(side, Layout) else side for side in (source, destination))
    code = library.reorder_create(
        ctypes.byref(handle), first, library.engine, second, library.engine, library.attributes
    )
    return _described(library, code, handle, "reorder")


class Primitive:
    """A primitive and the contexts of its executions. `run` takes one address per argument, in the order given here."""

    __slots__ = ("_arguments", "_execute", "_idle", "_library", "_set", "description", "handle", "scratch", "threads")

    def __init__(self, description: Description, arguments: Sequence[int]) -> None:
        self.handle: int | None = None  # first: what fails further down leaves nothing to give back
        library = description._library
        self.description = description
        self.threads = threads.current()
        self._library = library
        self._execute = library.execute
        self._set = library.set_data_handle
        self._idle: list[_Context] = []
        self.scratch = int(library.layout_bytes(library.query_memory(description.handle, QUERY_SCRATCHPAD, 0)))
        self._arguments = (*arguments, SCRATCHPAD) if self.scratch else tuple(arguments)
        handle = ctypes.c_void_p()
        _lane(self.threads)  # the team size is compiled in
        code = library.primitive_create(ctypes.byref(handle), description.handle)
        if code:
            raise refusal(description.implementation, code)
        self.handle = handle.value

    def __del__(self) -> None:
        if self.handle is not None:
            self._library.primitive_destroy(self.handle)

    def run(self, *pointers: int) -> None:
        """Compute, with the arguments at these addresses."""
        try:
            lane = _local.lane
            if lane.threads != self.threads:
                lane = _lane(self.threads)
        except AttributeError:
            lane = _lane(self.threads)
        try:
            context = self._idle.pop()
        except IndexError:
            context = _Context(self._library, self.description, self._arguments)
        if self.scratch:
            if lane.scratch_bytes < self.scratch:
                lane.grow(self.scratch)
            pointers = (*pointers, lane.scratch_start)
        known = context.pointers
        if pointers != known:
            set_data_handle = self._set
            for memory, pointer, old in zip(context.memories, pointers, known, strict=True):
                if pointer != old:
                    set_data_handle(memory, pointer)
            context.pointers = pointers
        code = self._execute(self.handle, lane.stream, context.count, context.list)
        self._idle.append(context)
        if code:
            if code == OUT_OF_MEMORY:
                raise MemoryError(f"oneDNN ran out of memory in {self.description.implementation}")
            raise RuntimeError(f"oneDNN failed while running {self.description.implementation} (status {code})")


class _Context:
    """The memory objects and the argument list of one execution at a time."""

    __slots__ = ("_destroy", "count", "list", "memories", "pointers")

    def __init__(self, library: Library, description: Description, arguments: tuple[int, ...]) -> None:
        self._destroy = library.memory_destroy
        self.memories: list[int] = []
        self.count = len(arguments)
        self.pointers: tuple[int, ...] = (0,) * self.count
        self.list = (ExecutionArgument * self.count)()
        for slot, argument in zip(self.list, arguments, strict=True):
            memory = ctypes.c_void_p()
            code = library.memory_create(ctypes.byref(memory), description.layout(argument), library.engine, None)
            if code or memory.value is None:
                raise RuntimeError(f"oneDNN could not make a memory object for argument {argument} (status {code})")
            self.memories.append(memory.value)
            slot.argument, slot.memory = argument, memory.value

    def __del__(self) -> None:
        for memory in self.memories:
            self._destroy(memory)


class _Lane:
    """What one thread needs to run primitives: a stream, its team size, and scratch memory that grows."""

    __slots__ = ("_destroy", "_scratch", "scratch_bytes", "scratch_start", "stream", "threads")

    def __init__(self, library: Library) -> None:
        self._destroy = library.stream_destroy
        self.threads = 0
        self.scratch_bytes = 0
        self.scratch_start = 0
        self._scratch: Array | None = None
        stream = ctypes.c_void_p()
        self.stream: int | None = None
        code = library.stream_create(ctypes.byref(stream), library.engine, 1)
        if code:
            raise RuntimeError(f"oneDNN could not make a stream (status {code})")
        self.stream = stream.value

    def __del__(self) -> None:
        if self.stream is not None:
            self._destroy(self.stream)

    def grow(self, size: int) -> None:
        self._scratch = None  # first drop, then take
        self._scratch = np.empty(size + 4096, np.uint8)
        self.scratch_start = -(-address(self._scratch) // 4096) * 4096
        self.scratch_bytes = size


class _Local(threading.local):
    lane: _Lane


_local = _Local()


def _lane(team: int) -> _Lane:
    from .library import library

    found = library()
    assert found is not None  # a primitive exists only where the library does
    lane = getattr(_local, "lane", None)
    if lane is None:
        lane = _local.lane = _Lane(found)
    if lane.threads != team:
        found.omp_set_num_threads(team)
        lane.threads = team
    return lane


def join_team() -> None:
    """Let what this thread calls next use as many threads as the kernels are to use."""
    team = threads.current()
    try:
        if _local.lane.threads == team:
            return
    except AttributeError:
        pass
    _lane(team)


def _described(library: Library, code: int, handle: ctypes.c_void_p, operation: str) -> Description | None:
    if code == UNIMPLEMENTED:
        return None
    if code or handle.value is None:
        raise refusal(operation, code)
    description = Description(library, handle.value)
    return None if description.implementation.startswith("ref") else description
