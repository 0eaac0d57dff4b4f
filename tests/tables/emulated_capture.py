"""CUDA graphs and the memory of a GPU, emulated: what was recorded runs again on addresses, as a graph's launches do.

A recording holds no array. What a capture's pool was given back it gives again at once, to whoever asks for about as much; and memory
from elsewhere that was given back before a replay is noticed. So a step that needs what it does not hold computes wrongly here, or fails.
"""

from __future__ import annotations

import ctypes
import weakref
from bisect import bisect_right
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emulated_gpu import EmulatedMachine

GUARD = 256
UNIT = 512
"""CuPy's pool gives whole ones of so many bytes."""


class Guarded:
    """Bytes between two guards, as an array's memory; fresh they are NaN."""

    def __init__(self, size: int) -> None:
        raw = np.full(size + 3 * GUARD, 0xFF, np.uint8)
        self.raw, self.start, self.size = raw, GUARD + -(raw.ctypes.data + GUARD) % GUARD, size
        self.inner = raw[self.start : self.start + size]
        self.ptr = int(raw.ctypes.data) + self.start
        self.__array_interface__ = self.inner.__array_interface__

    def whole(self) -> bool:
        """Whether nobody wrote to the guards."""
        before, after = self.raw[: self.start], self.raw[self.start + self.size :]
        return bool((before == 0xFF).all() and (after == 0xFF).all())


class Block:
    """Memory of a pool, which goes back there."""

    def __init__(self, piece: Guarded, size: int, home: Home) -> None:
        self.piece, self.size, self.ptr, self._home = piece, size, piece.ptr, home
        self.inner = piece.inner[:size]
        self.__array_interface__ = self.inner.__array_interface__

    @property
    def mem(self) -> Block:
        """What stands for it in CuPy, and takes attributes."""
        return self

    def __del__(self) -> None:
        self._home.take(self.piece)


class Home:
    """What lies free in a pool, by size; of a pool that is gone it is lost, as with CuPy's."""

    lost: list[Guarded] = []  # noqa: RUF012

    def __init__(self) -> None:
        self.free: dict[int, list[Guarded]] = {}
        self.is_gone = False

    def take(self, piece: Guarded) -> None:
        """Back again."""
        (self.lost if self.is_gone else self.free.setdefault(piece.size, [])).append(piece)


class Pool:
    """CuPy's memory pool, which takes no weak references: what was given back last is given first."""

    __slots__ = ("_allocator", "_home")

    def __init__(self, allocator: Any = None) -> None:
        self._allocator, self._home = allocator, Home()

    def malloc(self, size: int) -> Block:
        """Memory for so many bytes, of whatever it held."""
        room = max(UNIT, -(-size // UNIT) * UNIT)
        free = self._home.free.get(room)
        piece = free.pop() if free else self._allocator(room)
        recording = Recording.now
        if recording is not None:
            recording.use(piece)
            recording.steps.append(partial(piece.inner.fill, 0xFF))
        piece.inner.fill(0xFF)
        return Block(piece, size, self._home)

    def __del__(self) -> None:
        self._home.is_gone = True
        for pieces in self._home.free.values():
            Home.lost.extend(pieces)

    def used_bytes(self) -> int:
        """None."""
        return 0

    def total_bytes(self) -> int:
        """None."""
        return 0

    def free_bytes(self) -> int:
        """None."""
        return 0

    def free_all_blocks(self) -> None:
        """Let go of what nobody holds."""
        self._home.free.clear()


made: dict[int, weakref.ref[Any]] = {}
"""Arrays in NumPy's own memory that stand for the GPU's, by identity."""


def note(array: Any) -> None:
    """This array stands for memory of the GPU from now on."""
    root = owner_of(array)
    name = id(root)
    if isinstance(root, np.ndarray) and name not in made:
        made[name] = weakref.ref(root, lambda _: made.pop(name, None))


class Recording:
    """A CUDA graph: what was computed while it was captured, to be computed again in the same places.

    A real capture runs nothing; here everything runs once, and `end` puts all memory back as it was.
    """

    now: Recording | None = None

    def __init__(self, here: EmulatedMachine) -> None:
        self.steps: list[Any] = []
        self.here = here
        self.given: set[int] = set()
        """Of the call under way, the arrays of the GPU by identity. Others are the host's, which travel with a launch."""
        self._used: dict[int, weakref.ref[Any]] = {}
        self._before = [(raw, raw.copy()) for raw in here.living()]
        arrays = [reference() for reference in made.values()]
        self._before += [(array, array.copy()) for array in arrays if array is not None and array.flags.writeable]
        self._places: list[tuple[int, int, weakref.ref[Any]]] = []

    def use(self, memory: Any) -> None:
        """This memory must be there when the step is replayed."""
        memory = memory.piece if isinstance(memory, Block) else memory
        if memory is not None:
            self._used.setdefault(id(memory), weakref.ref(memory))

    def use_at(self, address: int) -> None:
        """So must the memory that has this address."""
        found = self._at(address)
        if found is None:
            known = [(held.ptr, held.size, reference) for reference, held in self.here.held()]
            arrays = [(reference(), reference) for reference in made.values()]
            known += [(array.ctypes.data, array.nbytes, reference) for array, reference in arrays if array is not None]
            self._places = sorted(known, key=lambda each: each[0])
            found = self._at(address)
        if found is not None:
            self.use(found)

    def _at(self, address: int) -> Any:
        place = bisect_right(self._places, address, key=lambda each: each[0]) - 1
        start, size, reference = self._places[place] if place >= 0 else (0, 0, None)
        return reference() if reference is not None and address < start + size else None

    def end(self) -> None:
        """Undo what happened meanwhile."""
        for memory, before in self._before:
            memory[...] = before
        self._before = []

    def launch(self, stream: Any = None) -> None:
        """Replay."""
        for reference in self._used.values():
            assert reference() is not None, "the recorded step uses memory that was given back meanwhile"
        with np.errstate(all="ignore"):
            for step in self.steps:
                step()


def owner_of(array: Any) -> Any:
    """What holds an array's memory: a block, a guarded piece, or the first of NumPy's arrays there."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array if array.base is None else array.base


def unowned(value: Any, given: set[int]) -> Any:
    """The same with arrays that hold no memory in the places of those given, in lists, tuples and dictionaries too."""
    if isinstance(value, np.ndarray):
        return at(value) if id(value) in given and value.size else value
    if type(value) in (list, tuple):
        return type(value)(unowned(item, given) for item in value)
    return {key: unowned(item, given) for key, item in value.items()} if type(value) is dict else value


def unbound(function: Any) -> Any:
    """A function whose own arrays hold no memory: a method of an array, or one of which some arguments are given."""
    if isinstance(function, partial):
        args = [at(value) if isinstance(value, np.ndarray) else value for value in function.args]
        return partial(function.func, *args)
    owner = getattr(function, "__self__", None)
    return getattr(at(owner), function.__name__) if isinstance(owner, np.ndarray) else function


def at(array: Any) -> Any:
    """An array in the same place that holds no memory."""
    if not array.size:
        return array
    low, high = np.lib.array_utils.byte_bounds(array)
    raw = np.frombuffer((ctypes.c_char * (high - low)).from_address(low), np.uint8)
    return np.ndarray(array.shape, array.dtype, raw, array.ctypes.data - low, array.strides)


def arrays_in(value: Any) -> list[Any]:
    """NumPy's arrays in a value, in what it is bound to, and in lists, tuples and dictionaries."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, (dict, list, tuple)):
        return [array for item in (value.values() if isinstance(value, dict) else value) for array in arrays_in(item)]
    own = value.args if isinstance(value, partial) else [getattr(value, "__self__", None)]
    return [array for array in own if isinstance(array, np.ndarray)]


def recorded(recording: Recording, function: Any, inputs: Any, settings: Any) -> Any:
    """What a NumPy function gives, computed again in each replay; new results lie in the recorded step's memory."""
    given, recording.given = recording.given, set()
    own, others = arrays_in(function), arrays_in([inputs, settings])
    for array in [*own, *(each for each in others if id(each) in given)]:
        recording.use(owner_of(array))
    owners = {id(owner_of(array)) for array in [*own, *others]}
    result = function(*inputs, **settings)
    several = isinstance(result, (list, tuple))
    found = [_placed(recording, each, owners) for each in (result if several else [result])]
    places = [at(each) if isinstance(each, np.ndarray) else each for each in found]
    again = partial(unbound(function), *unowned(inputs, given), **unowned(settings, given))

    def step() -> None:
        made = again()
        for place, value in zip(places, made if several else [made], strict=True):
            if isinstance(place, np.ndarray) and not np.may_share_memory(place, value):
                place[...] = value

    recording.steps.append(step)
    return type(result)(found) if type(result) in (list, tuple) else tuple(found) if several else found[0]


def _placed(recording: Recording, result: Any, owners: set[int]) -> Any:
    """A new array in memory of the step's own; a view, and what is no array, as it is."""
    if isinstance(result, np.generic):
        result = np.asarray(result)
    if not isinstance(result, np.ndarray) or id(owner_of(result)) in owners or not result.size:
        return result
    place = recording.here.like(result)
    place[...] = result
    return place
