"""A small machine for the pickle opcodes that PyTorch's state dicts use, and no others.

It is not an unpickler: it has no way to import, to look an attribute up or to call what a stream names. A GLOBAL is a
key of the fixed table in objects.py; everything else that comes out is a plain Python value or a description of a
tensor, and nothing is built from it before the stream has ended well. Opcodes outside the list, and names outside the
table, raise UnsafeFileError; a stream that is damaged or asks for too much raises FormatError. Both name the byte.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NoReturn

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.pytorch.objects import GLOBALS, REFUSED, build, cost, new, reduce, set_items
from numzoo.hub.checkpoint.pytorch.opcode_table import ARGUMENTS, PROTO, STOP
from numzoo.hub.errors import FormatError, HubError, UnsafeFileError

__all__ = ["HANDLERS", "Machine", "read_pickle"]

_UINT16 = struct.Struct("<H").unpack_from
_INT32 = struct.Struct("<i").unpack_from
_UINT32 = struct.Struct("<I").unpack_from
_FLOAT64 = struct.Struct(">d").unpack_from


def read_pickle(data: memoryview, label: str, persistent: Callable[[object], object] | None = None) -> object:
    """Give the value of the one pickle that fills `data`; bytes after its STOP raise UnsafeFileError."""
    machine = Machine(data, label, persistent=persistent)
    value = machine.run()
    if machine.position != len(data):
        raise UnsafeFileError(
            f"{label} goes on for {len(data) - machine.position} bytes after the pickle's STOP at byte "
            f"{machine.position - 1}; nothing may follow it."
        )
    return value


class Machine:
    """Runs one pickle of `data` from `position` to its STOP; afterwards `position` is the first byte behind it.

    `label` names the bytes in messages; `persistent` turns a persistent id into a storage or tensor.
    """

    __slots__ = ("copied", "data", "label", "marks", "memo", "opcode_at", "persistent", "position", "stack")

    def __init__(
        self,
        data: memoryview,
        label: str,
        position: int = 0,
        persistent: Callable[[object], object] | None = None,
    ) -> None:
        self.data = data
        self.label = label
        self.position = self.opcode_at = position
        self.persistent = persistent
        self.copied = 0
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}

    def run(self) -> object:
        """Give the value that the stream describes. Raises FormatError or UnsafeFileError; runs nothing of the file."""
        try:
            return self._run()
        except (IndexError, struct.error):
            self.fail("the pickle is cut short here, or takes more from the stack than is there")

    def _run(self) -> object:
        data, handlers, position = self.data, HANDLERS, self.position
        if data[position] != PROTO:
            raise FormatError(f"{self.label} is not a pickle: byte {position} is {data[position]:#04x}, not PROTO.")
        if data[position + 1] != 2:
            raise UnsafeFileError(
                f"{self.label} is a pickle of protocol {data[position + 1]} at byte {position}; only protocol 2, which "
                "torch.save writes, is read."
            )
        position, code, stack_limit = position + 2, PROTO, limits.STACK
        for _ in range(limits.OPCODES):
            self.opcode_at = position
            code = data[position]
            if code == STOP:
                break
            position = handlers.get(code, _refuse)(self, data, position + 1)
            if len(self.stack) > stack_limit:
                self.fail(f"the stack grows beyond {stack_limit} values")
        if code != STOP:
            self.fail(f"the stream has more than {limits.OPCODES} opcodes")
        if len(self.stack) != 1 or self.marks:
            self.fail(f"STOP finds {len(self.stack)} values and {len(self.marks)} open marks in place of one value")
        self.position = position + 1
        return self.stack[0]

    def fail(self, why: str, kind: type[HubError] = FormatError) -> NoReturn:
        """Raise `kind` with the byte of the opcode at work."""
        raise self.failure(why, kind) from None

    def failure(self, why: str, kind: type[HubError]) -> HubError:
        """Make the error that names the byte of the opcode at work."""
        return kind(f"{self.label}, byte {self.opcode_at}: {why}.")

    def slice(self, begin: int, size: int) -> memoryview:
        """Give `size` bytes at `begin`."""
        if begin + size > len(self.data):
            self.fail(f"{size} bytes should follow, but only {len(self.data) - begin} are left")
        return self.data[begin : begin + size]

    def pop_mark(self) -> list[object]:
        """Give what was pushed since the last MARK and go back to the stack before it."""
        if not self.marks:
            self.fail("no MARK is open")
        items, self.stack = self.stack, self.marks.pop()
        return items

    def apply(self, action: Callable[..., object], *values: object) -> object:
        """Run one of the actions of objects.py and name the byte if it refuses."""
        try:
            return action(*values)
        except HubError as error:
            raise self.failure(str(error), type(error)) from None


Handler = Callable[[Machine, memoryview, int], int]
"""One opcode: it gets the position behind the opcode's byte and gives the position of the next."""


def _refuse(machine: Machine, data: memoryview, position: int) -> int:
    code = data[position - 1]
    name = "PROTO (a second one)" if code == PROTO else ARGUMENTS.get(code, ("", 0))[0]
    if not name:
        machine.fail(f"{code:#04x} is no opcode of a pickle")
    machine.fail(f"the opcode {name} is not on the list of what a checkpoint may use", UnsafeFileError)


_NOTHING_RAN = (
    "what it names was neither imported nor called; tensors are read, not whole models: save model.state_dict() instead"
)


def _global(machine: Machine, data: memoryview, position: int) -> int:
    window = bytes(data[position : position + 2 * limits.GLOBAL_NAME + 2])
    lines = window.split(b"\n", 2)
    if len(lines) < 3 or len(lines[0]) > limits.GLOBAL_NAME or len(lines[1]) > limits.GLOBAL_NAME:
        machine.fail(f"a global's name has no end within {limits.GLOBAL_NAME} characters")
    name = b" ".join(lines[:2]).decode("latin-1")
    found = GLOBALS.get(name)
    if found is None:
        hint = REFUSED.get(name, _NOTHING_RAN)
        shown = ascii(name.replace(" ", "."))[1:-1]
        machine.fail(
            f"the global {shown} is not on the list of what a checkpoint may name ({hint})",
            UnsafeFileError,
        )
    machine.stack.append(found)
    return position + len(lines[0]) + len(lines[1]) + 2


def _reduce(machine: Machine, data: memoryview, position: int) -> int:
    arguments = machine.stack.pop()
    machine.copied += cost(arguments)
    if machine.copied > limits.COPIED:
        machine.fail(f"copies of what stands in the file would take more than {limits.COPIED} bytes")
    machine.stack.append(machine.apply(reduce, machine.stack.pop(), arguments))
    return position


def _newobj(machine: Machine, data: memoryview, position: int) -> int:
    arguments = machine.stack.pop()
    machine.stack.append(machine.apply(new, machine.stack.pop(), arguments))
    return position


def _build(machine: Machine, data: memoryview, position: int) -> int:
    state = machine.stack.pop()
    machine.apply(build, machine.stack[-1], state)
    return position


def _binpersid(machine: Machine, data: memoryview, position: int) -> int:
    persistent = machine.persistent
    if persistent is None:
        machine.fail("a persistent id stands where none may be", UnsafeFileError)
    machine.stack.append(machine.apply(persistent, machine.stack.pop()))
    return position


def _mark(machine: Machine, data: memoryview, position: int) -> int:
    if len(machine.marks) >= limits.MARKS:
        machine.fail(f"more than {limits.MARKS} marks are open")
    machine.marks.append(machine.stack)
    machine.stack = []
    return position


def _tuple(machine: Machine, data: memoryview, position: int) -> int:
    items = machine.pop_mark()
    machine.stack.append(tuple(items))
    return position


def _tuple1(machine: Machine, data: memoryview, position: int) -> int:
    machine.stack[-1] = (machine.stack[-1],)
    return position


def _tuple2(machine: Machine, data: memoryview, position: int) -> int:
    last = machine.stack.pop()
    machine.stack[-1] = (machine.stack[-1], last)
    return position


def _tuple3(machine: Machine, data: memoryview, position: int) -> int:
    last = machine.stack.pop()
    middle = machine.stack.pop()
    machine.stack[-1] = (machine.stack[-1], middle, last)
    return position


def _append(machine: Machine, data: memoryview, position: int) -> int:
    item = machine.stack.pop()
    _list(machine).append(item)
    return position


def _appends(machine: Machine, data: memoryview, position: int) -> int:
    items = machine.pop_mark()
    _list(machine).extend(items)
    return position


def _list(machine: Machine) -> list[object]:
    target = machine.stack[-1]
    if type(target) is not list:
        machine.fail(f"APPEND would write into a {type(target).__name__}, not a list", UnsafeFileError)
    return target


def _setitem(machine: Machine, data: memoryview, position: int) -> int:
    value = machine.stack.pop()
    key = machine.stack.pop()
    _set_items(machine, [key, value])
    return position


def _setitems(machine: Machine, data: memoryview, position: int) -> int:
    _set_items(machine, machine.pop_mark())
    return position


def _set_items(machine: Machine, items: list[object]) -> None:
    if len(items) % 2:
        machine.fail("SETITEMS has a key without a value")
    machine.apply(set_items, machine.stack[-1], items)


def _binint(machine: Machine, data: memoryview, position: int) -> int:
    machine.stack.append(_INT32(data, position)[0])
    return position + 4


def _binint1(machine: Machine, data: memoryview, position: int) -> int:
    machine.stack.append(data[position])
    return position + 1


def _binint2(machine: Machine, data: memoryview, position: int) -> int:
    machine.stack.append(_UINT16(data, position)[0])
    return position + 2


def _long1(machine: Machine, data: memoryview, position: int) -> int:
    size = data[position]
    machine.stack.append(int.from_bytes(machine.slice(position + 1, size), "little", signed=True))
    return position + 1 + size


def _binfloat(machine: Machine, data: memoryview, position: int) -> int:
    machine.stack.append(_FLOAT64(data, position)[0])
    return position + 8


def _binunicode(machine: Machine, data: memoryview, position: int) -> int:
    size: int = _UINT32(data, position)[0]
    if size > limits.TEXT:
        machine.fail(f"a text of {size} bytes is longer than {limits.TEXT}")
    try:
        machine.stack.append(str(machine.slice(position + 4, size), "utf-8"))
    except UnicodeDecodeError:
        machine.fail("a text is not UTF-8")
    return position + 4 + size


def _short_binstring(machine: Machine, data: memoryview, position: int) -> int:
    size = data[position]
    raw = bytes(machine.slice(position + 1, size))
    try:  # Python 2 wrote its names as byte strings
        machine.stack.append(raw.decode("utf-8"))
    except UnicodeDecodeError:
        machine.stack.append(raw.decode("latin-1"))
    return position + 1 + size


def _binget(machine: Machine, data: memoryview, position: int) -> int:
    _recall(machine, data[position])
    return position + 1


def _long_binget(machine: Machine, data: memoryview, position: int) -> int:
    _recall(machine, _UINT32(data, position)[0])
    return position + 4


def _recall(machine: Machine, index: int) -> None:
    try:
        machine.stack.append(machine.memo[index])
    except KeyError:
        machine.fail(f"memo {index} is asked for before it was kept")


def _binput(machine: Machine, data: memoryview, position: int) -> int:
    machine.memo[data[position]] = machine.stack[-1]
    return position + 1


def _long_binput(machine: Machine, data: memoryview, position: int) -> int:
    machine.memo[_UINT32(data, position)[0]] = machine.stack[-1]
    if len(machine.memo) > limits.MEMO:
        machine.fail(f"the memo grows beyond {limits.MEMO} values")
    return position + 4


def _constant(value: object) -> Handler:
    def push(machine: Machine, data: memoryview, position: int) -> int:
        machine.stack.append(value)
        return position

    return push


def _empty_list(machine: Machine, data: memoryview, position: int) -> int:
    machine.stack.append([])
    return position


def _empty_dict(machine: Machine, data: memoryview, position: int) -> int:
    machine.stack.append({})
    return position


HANDLERS: dict[int, Handler] = {
    ord("c"): _global,
    ord("R"): _reduce,
    0x81: _newobj,
    ord("b"): _build,
    ord("Q"): _binpersid,
    ord("("): _mark,
    ord("t"): _tuple,
    0x85: _tuple1,
    0x86: _tuple2,
    0x87: _tuple3,
    ord(")"): _constant(()),
    ord("]"): _empty_list,
    ord("}"): _empty_dict,
    0x8F: _constant(frozenset()),  # no opcode of the list can add to it
    ord("a"): _append,
    ord("e"): _appends,
    ord("s"): _setitem,
    ord("u"): _setitems,
    ord("N"): _constant(None),
    0x88: _constant(True),
    0x89: _constant(False),
    ord("J"): _binint,
    ord("K"): _binint1,
    ord("M"): _binint2,
    0x8A: _long1,
    ord("G"): _binfloat,
    ord("X"): _binunicode,
    ord("U"): _short_binstring,
    ord("h"): _binget,
    ord("j"): _long_binget,
    ord("q"): _binput,
    ord("r"): _long_binput,
}
