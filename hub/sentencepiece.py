"""SentencePiece's model files: a protobuf message ModelProto, read field by field within stated bounds.

https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from numzoo.hub.errors import FormatError

__all__ = ["SentencePieces", "read_sentencepiece"]

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6

_MOST_PIECES = 2_000_000
_KINDS = {1: "unigram", 2: "bpe"}


@dataclass(slots=True)
class SentencePieces:
    """What a model file says: pieces with scores and types, and how texts are normalised."""

    kind: str = "unigram"
    pieces: list[tuple[str, float]] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    charsmap: bytes = b""
    prefix: bool = True
    squeeze: bool = True
    numbers: dict[str, int] = field(default_factory=lambda: {"unk": 0, "bos": 1, "eos": 2, "pad": -1})

    @property
    def special(self) -> dict[str, str]:
        """The tokens with a role."""
        return {role: self.pieces[number][0] for role, number in self.numbers.items() if 0 <= number < len(self.pieces)}


def read_sentencepiece(data: bytes, who: str) -> SentencePieces:
    """Read a model file's bytes. Raises FormatError for anything else."""
    found = SentencePieces()
    try:
        for number, value in _fields(data):
            if number == 1 and isinstance(value, bytes):
                _piece(value, found)
            elif number == 2 and isinstance(value, bytes):
                _trainer(value, found)
            elif number == 3 and isinstance(value, bytes):
                _normalizer(value, found)
    except (ValueError, struct.error) as error:
        raise FormatError(f"{who} is no model of SentencePiece: {error}.") from error
    if not found.pieces:
        raise FormatError(f"{who} is no model of SentencePiece: it holds no pieces.")
    return found


def _piece(message: bytes, found: SentencePieces) -> None:
    text, score, kind = "", 0.0, NORMAL
    for number, value in _fields(message):
        if number == 1 and isinstance(value, bytes):
            text = value.decode("utf-8")
        elif number == 2 and isinstance(value, float):
            score = value
        elif number == 3 and isinstance(value, int):
            kind = value
    if not text or score != score:
        raise ValueError(f"piece {len(found.pieces)} has no text or no score")
    if len(found.pieces) >= _MOST_PIECES:
        raise ValueError(f"it has more than {_MOST_PIECES} pieces")
    found.pieces.append((text, score))
    found.types.append(kind)


def _trainer(message: bytes, found: SentencePieces) -> None:
    roles = {40: "unk", 41: "bos", 42: "eos", 43: "pad"}
    for number, value in _fields(message):
        if number == 3 and isinstance(value, int):
            if value not in _KINDS:
                raise ValueError(f"its kind of model is {value}; read are unigram and BPE")
            found.kind = _KINDS[value]
        elif number in roles and isinstance(value, int):
            found.numbers[roles[number]] = value - (1 << 64) if value >= 1 << 63 else value


def _normalizer(message: bytes, found: SentencePieces) -> None:
    for number, value in _fields(message):
        if number == 2 and isinstance(value, bytes):
            found.charsmap = value
        elif number == 3 and isinstance(value, int):
            found.prefix = bool(value)
        elif number == 4 and isinstance(value, int):
            found.squeeze = bool(value)


def _fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The fields of a message: number and value, in order (https://protobuf.dev/programming-guides/encoding/)."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise ValueError("a field has the number 0")
        if kind == 0:
            value, place = _varint(message, place)
            yield number, value
        elif kind == 5:
            (single,) = struct.unpack_from("<f", message, place)
            place += 4
            yield number, single
        elif kind == 1:
            (double,) = struct.unpack_from("<d", message, place)
            place += 8
            yield number, double
        elif kind == 2:
            size, place = _varint(message, place)
            if size > len(message) - place:
                raise ValueError("a field leaves its message: cut short?")
            yield number, message[place : place + size]
            place += size
        else:
            raise ValueError(f"a field has the wire type {kind}")


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 70:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise ValueError("a number does not end")
