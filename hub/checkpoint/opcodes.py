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
from numzoo.hub.checkpoint.objects import GLOBALS, REFUSED, build, cost, new, reduce, take_key, take_mapping
from numzoo.hub.errors import FormatError, HubError, UnsafeFileError

__all__ = ["Machine", "read_pickle"]

PROTO, STOP = 0x80, 0x2E

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
            at_end = self.position >= len(self.data)
            what = "ends in the middle" if at_end else "takes more from the stack than is there, or is cut short"
            raise FormatError(f"{self.label} is not a whole pickle: at byte {self.opcode_at} it {what}.") from None

    def _run(self) -> object:
        data, handlers, start = self.data, _HANDLERS, self.position
        if data[start] != PROTO or data[start + 1] != 2:
            if data[start] == PROTO:
                raise UnsafeFileError(
                    f"{self.label} is a pickle of protocol {data[start + 1]} at byte {start}; only protocol 2, which "
                    "torch.save writes, is read."
                )
            raise FormatError(f"{self.label} is not a pickle: byte {start} is {data[start]:#04x}, not PROTO.")
        self.position = start + 2
        stack_limit, code = limits.STACK, PROTO
        for _ in range(limits.OPCODES):
            self.opcode_at = position = self.position
            code = data[position]
            self.position = position + 1
            if code == STOP:
                break
            handler = handlers.get(code)
            if handler is None:
                self._refuse_opcode(code)
            handler(self)
            if len(self.stack) > stack_limit:
                self.fail(f"the stack grows beyond {stack_limit} values")
        if code != STOP:
            self.fail(f"the stream has more than {limits.OPCODES} opcodes")
        if len(self.stack) != 1 or self.marks:
            self.fail(f"STOP finds {len(self.stack)} values and {len(self.marks)} open marks in place of one value")
        return self.stack[0]

    def fail(self, why: str, kind: type[HubError] = FormatError) -> NoReturn:
        """Raise `kind` with the byte of the opcode at work."""
        raise kind(f"{self.label}, byte {self.opcode_at}: {why}.")

    def take(self, size: int) -> memoryview:
        """Give the next `size` bytes."""
        begin = self.position
        end = begin + size
        if end > len(self.data):
            self.fail(f"{size} bytes should follow, but only {len(self.data) - begin} are left")
        self.position = end
        return self.data[begin:end]

    def pop_mark(self) -> list[object]:
        """Give what was pushed since the last MARK and go back to the stack before it."""
        if not self.marks:
            self.fail("no MARK is open")
        items, self.stack = self.stack, self.marks.pop()
        return items

    def apply(self, action: Callable[[object, object], object], first: object, second: object) -> object:
        """Run one of the actions of objects.py and name the byte if it refuses."""
        try:
            return action(first, second)
        except HubError as error:
            self.fail(str(error), type(error))

    def _refuse_opcode(self, code: int) -> NoReturn:
        name = _FORBIDDEN.get(code)
        if name is None:
            self.fail(f"{code:#04x} is no opcode of a pickle")
        self.fail(f"the opcode {name} is not on the list of what a checkpoint may use", UnsafeFileError)


def _global(machine: Machine) -> None:
    begin = machine.position
    window = bytes(machine.data[begin : begin + 2 * limits.GLOBAL_NAME + 2])
    lines = window.split(b"\n", 2)
    if len(lines) < 3 or len(lines[0]) > limits.GLOBAL_NAME or len(lines[1]) > limits.GLOBAL_NAME:
        machine.fail(f"a global's name has no end within {limits.GLOBAL_NAME} characters")
    machine.position = begin + len(lines[0]) + len(lines[1]) + 2
    name = b" ".join(lines[:2]).decode("latin-1")
    found = GLOBALS.get(name)
    if found is None:
        hint = REFUSED.get(name, "what it names was neither imported nor called")
        shown = ascii(name.replace(" ", "."))[1:-1]
        machine.fail(
            f"the global {shown} is not on the list of what a checkpoint may name ({hint})",
            UnsafeFileError,
        )
    machine.stack.append(found)


def _reduce(machine: Machine) -> None:
    arguments = machine.stack.pop()
    machine.copied += cost(arguments)
    if machine.copied > limits.COPIED:
        machine.fail(f"copies of what stands in the file would take more than {limits.COPIED} bytes")
    machine.stack.append(machine.apply(reduce, machine.stack.pop(), arguments))


def _newobj(machine: Machine) -> None:
    arguments = machine.stack.pop()
    machine.stack.append(machine.apply(new, machine.stack.pop(), arguments))


def _build(machine: Machine) -> None:
    state = machine.stack.pop()
    machine.apply(build, machine.stack[-1], state)


def _binpersid(machine: Machine) -> None:
    if machine.persistent is None:
        machine.fail("a persistent id stands where none may be", UnsafeFileError)
    try:
        machine.stack.append(machine.persistent(machine.stack.pop()))
    except HubError as error:
        machine.fail(str(error), type(error))


def _mark(machine: Machine) -> None:
    if len(machine.marks) >= limits.MARKS:
        machine.fail(f"more than {limits.MARKS} marks are open")
    machine.marks.append(machine.stack)
    machine.stack = []


def _tuple(machine: Machine) -> None:
    items = machine.pop_mark()
    machine.stack.append(tuple(items))


def _tuple1(machine: Machine) -> None:
    machine.stack[-1] = (machine.stack[-1],)


def _tuple2(machine: Machine) -> None:
    last = machine.stack.pop()
    machine.stack[-1] = (machine.stack[-1], last)


def _tuple3(machine: Machine) -> None:
    last = machine.stack.pop()
    middle = machine.stack.pop()
    machine.stack[-1] = (machine.stack[-1], middle, last)


def _append(machine: Machine) -> None:
    item = machine.stack.pop()
    _list(machine).append(item)


def _appends(machine: Machine) -> None:
    items = machine.pop_mark()
    _list(machine).extend(items)


def _list(machine: Machine) -> list[object]:
    target = machine.stack[-1]
    if type(target) is not list:
        machine.fail(f"APPEND would write into a {type(target).__name__}, not a list", UnsafeFileError)
    return target


def _setitem(machine: Machine) -> None:
    value = machine.stack.pop()
    key = machine.stack.pop()
    _set_items(machine, [key, value])


def _setitems(machine: Machine) -> None:
    _set_items(machine, machine.pop_mark())


def _set_items(machine: Machine, items: list[object]) -> None:
    if len(items) % 2:
        machine.fail("SETITEMS has a key without a value")
    try:
        target = take_mapping(machine.stack[-1])
        for index in range(0, len(items), 2):
            target[take_key(items[index])] = items[index + 1]
    except HubError as error:
        machine.fail(str(error), type(error))


def _binint(machine: Machine) -> None:
    machine.stack.append(_INT32(machine.data, machine.position)[0])
    machine.position += 4


def _binint1(machine: Machine) -> None:
    machine.stack.append(machine.data[machine.position])
    machine.position += 1


def _binint2(machine: Machine) -> None:
    machine.stack.append(_UINT16(machine.data, machine.position)[0])
    machine.position += 2


def _long1(machine: Machine) -> None:
    size = machine.data[machine.position]
    machine.position += 1
    machine.stack.append(int.from_bytes(machine.take(size), "little", signed=True))


def _binfloat(machine: Machine) -> None:
    machine.stack.append(_FLOAT64(machine.data, machine.position)[0])
    machine.position += 8


def _binunicode(machine: Machine) -> None:
    (size,) = _UINT32(machine.data, machine.position)
    machine.position += 4
    if size > limits.TEXT:
        machine.fail(f"a text of {size} bytes is longer than {limits.TEXT}")
    try:
        machine.stack.append(str(machine.take(size), "utf-8"))
    except UnicodeDecodeError:
        machine.fail("a text is not UTF-8")


def _short_binstring(machine: Machine) -> None:
    size = machine.data[machine.position]
    machine.position += 1
    raw = bytes(machine.take(size))
    try:  # Python 2 wrote its names as byte strings
        machine.stack.append(raw.decode("utf-8"))
    except UnicodeDecodeError:
        machine.stack.append(raw.decode("latin-1"))


def _binget(machine: Machine) -> None:
    _recall(machine, machine.data[machine.position])
    machine.position += 1


def _long_binget(machine: Machine) -> None:
    _recall(machine, _UINT32(machine.data, machine.position)[0])
    machine.position += 4


def _recall(machine: Machine, index: int) -> None:
    try:
        machine.stack.append(machine.memo[index])
    except KeyError:
        machine.fail(f"memo {index} is asked for before it was kept")


def _binput(machine: Machine) -> None:
    machine.memo[machine.data[machine.position]] = machine.stack[-1]
    machine.position += 1


def _long_binput(machine: Machine) -> None:
    machine.memo[_UINT32(machine.data, machine.position)[0]] = machine.stack[-1]
    machine.position += 4
    if len(machine.memo) > limits.MEMO:
        machine.fail(f"the memo grows beyond {limits.MEMO} values")


_EMPTY_SET: frozenset[object] = frozenset()  # no opcode of the list can add to a set

_HANDLERS: dict[int, Callable[[Machine], None]] = {
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
    ord(")"): lambda machine: machine.stack.append(()),
    ord("]"): lambda machine: machine.stack.append([]),
    ord("}"): lambda machine: machine.stack.append({}),
    0x8F: lambda machine: machine.stack.append(_EMPTY_SET),
    ord("a"): _append,
    ord("e"): _appends,
    ord("s"): _setitem,
    ord("u"): _setitems,
    ord("N"): lambda machine: machine.stack.append(None),
    0x88: lambda machine: machine.stack.append(True),
    0x89: lambda machine: machine.stack.append(False),
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

# The opcodes of the language that have no handler, by name, for the message.
_FORBIDDEN: dict[int, str] = {
    PROTO: "PROTO (a second one)",
    ord("0"): "POP",
    ord("1"): "POP_MARK",
    ord("2"): "DUP",
    ord("F"): "FLOAT",
    ord("I"): "INT",
    ord("L"): "LONG",
    ord("P"): "PERSID",
    ord("S"): "STRING",
    ord("T"): "BINSTRING",
    ord("V"): "UNICODE",
    ord("d"): "DICT",
    ord("g"): "GET",
    ord("i"): "INST",
    ord("l"): "LIST",
    ord("o"): "OBJ",
    ord("p"): "PUT",
    ord("B"): "BINBYTES",
    ord("C"): "SHORT_BINBYTES",
    0x82: "EXT1",
    0x83: "EXT2",
    0x84: "EXT4",
    0x8B: "LONG4",
    0x8C: "SHORT_BINUNICODE",
    0x8D: "BINUNICODE8",
    0x8E: "BINBYTES8",
    0x90: "ADDITEMS",
    0x91: "FROZENSET",
    0x92: "NEWOBJ_EX",
    0x93: "STACK_GLOBAL",
    0x94: "MEMOIZE",
    0x95: "FRAME",
    0x96: "BYTEARRAY8",
    0x97: "NEXT_BUFFER",
    0x98: "READONLY_BUFFER",
}
