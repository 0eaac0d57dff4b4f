"""The metadata of a GGUF file: keys with typed values, among them the tokenizer as long arrays of texts."""

from __future__ import annotations

import struct
from typing import Any

from numzoo.hub.checkpoint import limits
from numzoo.hub.errors import FormatError

__all__ = ["Cursor", "read_values"]

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_DEPTH = 4


class Cursor:
    """Reads numbers and texts one after another; past the end it raises FormatError."""

    __slots__ = ("_layouts", "items", "order", "position", "view")

    def __init__(self, view: memoryview, order: str, position: int) -> None:
        self.view = view
        self.order = order
        self.position = position
        self.items = 0
        self._layouts = {code: struct.Struct(order + code) for code in "BbHhIif?Qqd"}

    def number(self, code: str) -> Any:
        """The next number of the struct type `code`."""
        layout = self._layouts[code]
        try:
            (value,) = layout.unpack_from(self.view, self.position)
        except struct.error:
            raise FormatError(f"The GGUF file is cut short at byte {self.position}.") from None
        self.position += layout.size
        return value

    def text(self, what: str, most: int = limits.TEXT, errors: str = "strict") -> str:
        """The next text: a length of 64 bits and UTF-8."""
        size = self.number("Q")
        end = self.position + size
        if size > most or end > len(self.view):
            raise FormatError(f"The GGUF file has {what} of {size} bytes at byte {self.position - 8}.")
        try:
            text = str(self.view[self.position : end], "utf-8", errors)
        except UnicodeDecodeError:
            raise FormatError(f"The GGUF file has {what} at byte {self.position} that is not UTF-8.") from None
        self.position = end
        return text

    def count(self, items: int) -> None:
        """Take note of `items` further values; too many of them in all raise."""
        self.items += items
        if self.items > limits.GGUF_VALUES:
            raise FormatError(f"The GGUF file's metadata hold more than {limits.GGUF_VALUES} values.")


def read_values(cursor: Cursor, count: int) -> dict[str, Any]:
    """Give the metadata by key: numbers, booleans, texts, and lists of those.

    Bytes of a text that are not UTF-8 come as lone surrogates (Python's `surrogateescape`), since tokens may be any.
    """
    values: dict[str, Any] = {}
    for _ in range(count):
        key = cursor.text("a key", limits.NAME)
        if key in values:
            raise FormatError(f"The GGUF file gives the key {key[:100]!a} twice.")
        cursor.count(1)
        values[key] = _value(cursor, cursor.number("I"), key, 0)
    return values


def _value(cursor: Cursor, kind: int, key: str, depth: int) -> Any:
    if kind == _TEXT:
        return cursor.text("a text", errors="surrogateescape")
    if kind == _ARRAY:
        return _array(cursor, key, depth + 1)
    code = _NUMBERS.get(kind)
    if code is None:
        raise FormatError(f"The GGUF file's {key[:100]!a} has a value of the unknown type {kind}.")
    return cursor.number(code)


def _array(cursor: Cursor, key: str, depth: int) -> list[Any]:
    if depth > _DEPTH:
        raise FormatError(f"The GGUF file's {key[:100]!a} nests arrays more than {_DEPTH} deep.")
    kind, count = cursor.number("I"), cursor.number("Q")
    cursor.count(count)
    code = _NUMBERS.get(kind)
    if code is None:
        return [_value(cursor, kind, key, depth) for _ in range(count)]
    layout = struct.Struct(f"{cursor.order}{count}{code}")
    try:
        found = layout.unpack_from(cursor.view, cursor.position)
    except struct.error:
        raise FormatError(f"The GGUF file is cut short inside {key[:100]!a}.") from None
    cursor.position += layout.size
    return list(found)
