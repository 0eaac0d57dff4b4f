"""What a pickle would ask for, listed and never followed: every global, every opcode outside the list of what is read.

This knows the lengths of all opcodes and nothing of their meaning, so that it goes on where the machine in opcodes.py
stops, and shows what stands behind the first refusal. Layout: PEP 307, PEP 3154 and PEP 574.
"""

from __future__ import annotations

from dataclasses import dataclass

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.pytorch.objects import GLOBALS, REFUSED
from numzoo.hub.checkpoint.pytorch.opcode_table import ARGUMENTS, PROTO, STOP
from numzoo.hub.checkpoint.pytorch.opcodes import HANDLERS

__all__ = ["GlobalUse", "OpcodeUse", "PickleScan", "disassemble"]


@dataclass(frozen=True, slots=True)
class GlobalUse:
    """A name that the pickle asks for: `module.attribute`, the first byte where, how often, and whether it may."""

    name: str
    byte: int
    count: int
    allowed: bool
    why: str


@dataclass(frozen=True, slots=True)
class OpcodeUse:
    """An opcode that no checkpoint may use: its name, the first byte where, and how often."""

    name: str
    byte: int
    count: int


@dataclass(frozen=True, slots=True)
class PickleScan:
    """One pickle: `label` says where it stands, `bytes` how far it goes; `damage` says why it could not be followed."""

    label: str
    protocol: int
    bytes: int
    opcodes: int
    names: tuple[GlobalUse, ...]
    refused_opcodes: tuple[OpcodeUse, ...]
    damage: str = ""

    @property
    def safe(self) -> bool:
        """Whether everything in it is on the list of what is read."""
        refused = self.refused_opcodes or any(not use.allowed for use in self.names)
        return not refused and not self.damage and self.protocol == 2


_GLOBAL, _INST, _STACK_GLOBAL, _MEMOIZE, _FRAME = 0x63, 0x69, 0x93, 0x94, 0x95
_TEXTS = {0x58, 0x8C, 0x8D, 0x55, 0x54, 0x53, 0x56}
_PUTS, _GETS = {0x71: 1, 0x72: 4, 0x70: 0}, {0x68: 1, 0x6A: 4, 0x67: 0}
_UNKNOWN = "?"


def disassemble(data: memoryview, label: str, position: int = 0) -> tuple[PickleScan, int]:
    """List what the pickle at `position` asks for; give that and the first byte behind it.

    Never raises for what stands in the bytes: where they stop making sense, `damage` says so.
    """
    walk = _Walk(data, position)
    damage = walk.run()
    refused = tuple(OpcodeUse(name, *place) for name, place in walk.refused.items())
    named = tuple(_judge(name, *place) for name, place in walk.names.items())
    done = PickleScan(label, walk.protocol, walk.position - position, walk.opcodes, named, refused, damage)
    return done, walk.position


def _judge(name: str, byte: int, count: int) -> GlobalUse:
    module, _, attribute = name.partition(" ")
    shown = ascii(f"{module}.{attribute}" if attribute else name)[1:-1]
    if name in GLOBALS:
        return GlobalUse(shown, byte, count, True, "")
    return GlobalUse(shown, byte, count, False, REFUSED.get(name, "not on the list of what a checkpoint may name"))


class _Walk:
    """One pass over a pickle. Names are kept with the first byte and the count, within limits."""

    def __init__(self, data: memoryview, position: int) -> None:
        self.data = data
        self.start = self.position = position
        self.protocol = self.opcodes = 0
        self.names: dict[str, tuple[int, int]] = {}
        self.refused: dict[str, tuple[int, int]] = {}
        self.recent: list[str] = []  # the last two values that were texts, for STACK_GLOBAL
        self.memo: dict[int, str] = {}
        self.kept = 0
        self.on_text = False

    def run(self) -> str:
        while self.opcodes < limits.OPCODES:
            here = self.position
            if here >= len(self.data):
                return f"it is cut short at byte {here}"
            code = self.data[here]
            name, argument = ARGUMENTS.get(code, ("", 0))
            if not name:
                return f"byte {here} is {code:#04x}, which is no opcode"
            begin, end = self._argument(here + 1, argument)
            if end > len(self.data):
                return f"the argument of {name} at byte {here} leaves the file"
            self.opcodes += 1
            self.position = end
            if code not in HANDLERS and code != STOP and not (code == PROTO and here == self.start):
                byte, count = self.refused.get(name, (here, 0))
                self.refused[name] = (byte, count + 1)
            self._note(code, here, begin, end)
            if code == STOP:
                return ""
        return f"it has more than {limits.OPCODES} opcodes"

    def _argument(self, begin: int, kind: int | str) -> tuple[int, int]:
        """Give where the argument's content begins and ends; the end lies behind the data where it is cut short."""
        if isinstance(kind, int):
            return begin, begin + kind
        if kind[0] == "L":
            width = int(kind[1])
            length = int.from_bytes(self.data[begin : begin + width], "little")
            return begin + width, begin + width + length
        end = begin
        for _ in range(2 if kind == "lines" else 1):
            # Lines of a pickle are short; what is longer than the limit on texts is damage.
            found = bytes(self.data[end : end + limits.DISASSEMBLED_LINE]).find(b"\n")
            end = len(self.data) + 1 if found < 0 else end + found + 1
        return begin, end

    def _note(self, code: int, here: int, begin: int, end: int) -> None:
        """Keep protocol and names, and the texts that may become names."""
        if code in (_MEMOIZE, _FRAME) or code in _PUTS:
            if code != _FRAME:
                self._keep(self.kept if code == _MEMOIZE else self._index(begin, end, _PUTS[code]))
            return
        text = None
        if code == PROTO and here == self.start:
            self.protocol = self.data[begin]
        elif code in (_GLOBAL, _INST):
            lines = self._text(begin, end, 2 * limits.GLOBAL_NAME + 2).split("\n")
            self._name(f"{lines[0]} {lines[1] if len(lines) > 1 else _UNKNOWN}", here)
        elif code == _STACK_GLOBAL:
            module, attribute = ([_UNKNOWN, _UNKNOWN, *self.recent])[-2:]
            self._name(f"{module} {attribute}", here)
        elif code in _TEXTS:
            text = self._text(begin, end, limits.GLOBAL_NAME).strip("\n'\"")
        elif code in _GETS:
            text = self.memo.get(self._index(begin, end, _GETS[code]), _UNKNOWN)
        self.on_text = text is not None
        if text is not None:
            self.recent = [*self.recent[-1:], text]

    def _text(self, begin: int, end: int, most: int) -> str:
        return bytes(self.data[begin : min(end, begin + most)]).decode("utf-8", "replace")

    def _index(self, begin: int, end: int, width: int) -> int:
        """Give the memo index that an opcode names: `width` bytes, or a line of digits."""
        raw = bytes(self.data[begin : min(end, begin + 16)])
        if width:
            return int.from_bytes(raw[:width], "little")
        return int(raw) if raw.strip().isdigit() else -1

    def _keep(self, index: int) -> None:
        self.kept += 1
        if self.on_text and len(self.memo) < limits.MEMO_TEXTS:
            self.memo[index] = self.recent[-1]

    def _name(self, name: str, here: int) -> None:
        byte, count = self.names.get(name, (here, 0))
        if count or len(self.names) < limits.NAMES_LISTED:
            self.names[name] = (byte, count + 1)
