"""Whether a sound file is as long as it says: sound libraries read a truncated one as if it ended there.

WAV, AIFF and AU say in a header how many bytes of samples follow; an Ogg file is a row of pages that say their size.
(FLAC and MP3 are found short while they are decoded.) A recorder that writes to a pipe cannot know the length and
writes the largest number or nothing: such a header promises nothing.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from .errors import DamagedAudioError

_UNKNOWN = 0x7FFF_0000  # from here on a length is a placeholder
_CHUNKS = 1000
_PAGE = 27 + 255 + 255 * 255  # the largest page of an Ogg file


def check_length(file: BinaryIO, name: str) -> None:
    """Raise DamagedAudioError where the file ends before its own headers say; `file` is left at its beginning."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    magic = file.read(12)
    if magic[:4] in (b"RIFF", b"RIFX") and magic[8:] == b"WAVE":
        _chunks(file, name, size, b"data", "little" if magic[:4] == b"RIFF" else "big")
    elif magic[:4] == b"FORM" and magic[8:] in (b"AIFF", b"AIFC"):
        _chunks(file, name, size, b"SSND", "big")
    elif magic[:4] in (b".snd", b"dns."):
        order = "big" if magic[:4] == b".snd" else "little"
        _compare(name, int.from_bytes(magic[8:12], order), size - int.from_bytes(magic[4:8], order))  # type: ignore[arg-type]
    elif magic[:4] == b"OggS":
        _last_page(file, name, size)
    file.seek(0)


def _chunks(file: BinaryIO, name: str, size: int, wanted: bytes, order: str) -> None:
    """Go from chunk to chunk (a name of four bytes, a length of four, the content, a byte where that is odd)."""
    position = 12
    for _ in range(_CHUNKS):
        file.seek(position)
        header = file.read(8)
        if len(header) < 8:
            return  # without a chunk of samples the library has its say
        length = int.from_bytes(header[4:], order)  # type: ignore[arg-type]
        if header[:4] == wanted:
            _compare(name, length, size - position - 8)
            return
        position += 8 + length + length % 2


def _last_page(file: BinaryIO, name: str, size: int) -> None:
    file.seek(max(0, size - _PAGE))
    tail = file.read(_PAGE)
    start = tail.rfind(b"OggS")
    header = tail[start : start + 27]
    table = tail[start + 27 : start + 27 + header[26]] if len(header) == 27 else b""
    if start < 0 or len(header) < 27 or len(table) < header[26] or start + 27 + len(table) + sum(table) > len(tail):
        raise DamagedAudioError(f"{name} is truncated: its last page is not whole; get it again")


def _compare(name: str, promised: int, there: int) -> None:
    if there < promised < _UNKNOWN:
        raise DamagedAudioError(
            f"{name} is truncated: its header promises {promised:,} bytes of samples, but {max(there, 0):,} are there; "
            "get it again"
        )
