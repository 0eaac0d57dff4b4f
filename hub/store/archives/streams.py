"""Unpacked streams: gzip, bzip2 and xz, read in small steps, so that no packed byte can ask for much memory at once."""

from __future__ import annotations

import zlib
from typing import Any, BinaryIO

from numzoo.hub.errors import FormatError
from numzoo.hub.store.archives.limits import Budget
from numzoo.hub.store.cache import storage

__all__ = ["Plain", "Unpacked", "packing"]

_BLOCK = 1 << 18
_MAGIC = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "xz": b"\xfd7zXZ\x00"}


def packing(file: BinaryIO) -> str | None:
    """Which of gzip, bzip2 and xz the file, open at its beginning, is packed by, from its first bytes; None for none."""
    with storage(f"read {file.name}"):
        start = file.read(6)
        file.seek(0)
    return next((kind for kind, magic in _MAGIC.items() if start.startswith(magic)), None)


class Plain:
    """A file as it is, with every byte counted."""

    def __init__(self, file: BinaryIO, budget: Budget) -> None:
        self._file, self._budget = file, budget

    def read(self, count: int) -> bytes:
        """Up to `count` bytes; fewer only at the end."""
        with storage(f"read {self._file.name}"):
            block = self._file.read(count)
        self._budget.spend(len(block))
        return block


class Unpacked:
    """What a packed file unpacks to; streams that follow one another are one. Raises FormatError where it is damaged."""

    def __init__(self, file: BinaryIO, kind: str, budget: Budget) -> None:
        self._file, self._kind, self._budget = file, kind, budget
        self._machine: Any = self._new()
        self._input = b""
        self._ended = False
        self._output, self._taken = b"", 0

    def read(self, count: int) -> bytes:
        """Up to `count` bytes; fewer only at the end."""
        pieces, missing = [], count
        while missing and (self._taken < len(self._output) or self._step()):
            piece = self._output[self._taken : self._taken + missing]
            pieces.append(piece)
            self._taken += len(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _step(self) -> bool:
        """Unpack a little more; False at the end."""
        self._output, self._taken = b"", 0
        while not self._output and not self._ended:
            if self._machine.eof:
                self._next_stream()
                continue
            if not self._input and getattr(self._machine, "needs_input", True):
                self._input = self._more()
                if not self._input:
                    raise FormatError(f"{self._budget.who} ends in the middle of its {self._kind} packing.")
            try:
                self._output = self._machine.decompress(self._input, _BLOCK)
            except Exception as error:
                if not isinstance(error, (zlib.error, OSError, ValueError, EOFError, _lzma_error())):
                    raise
                raise FormatError(f"{self._budget.who} is damaged inside its {self._kind} packing: {error}.") from None
            self._input = getattr(self._machine, "unconsumed_tail", b"")
            self._budget.spend(len(self._output))
        return bool(self._output)

    def _next_stream(self) -> None:
        """Go on with what follows a finished stream: another one, or the zeros that some programs pad with."""
        rest = self._machine.unused_data
        while not (rest := rest.lstrip(b"\x00")):
            rest = self._more()
            if not rest:
                self._ended = True
                return
        while len(rest) < 6 and (more := self._more()):
            rest += more
        if not rest.startswith(_MAGIC[self._kind]):
            raise FormatError(f"{self._budget.who} goes on after its {self._kind} packing has ended.")
        self._machine, self._input = self._new(), rest

    def _more(self) -> bytes:
        with storage(f"read {self._file.name}"):
            return self._file.read(_BLOCK)

    def _new(self) -> Any:
        if self._kind == "gzip":
            return zlib.decompressobj(wbits=31)
        if self._kind == "bzip2":
            import bz2

            return bz2.BZ2Decompressor()
        import lzma

        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=self._budget.limits.xz_memory)


def _lzma_error() -> type[Exception]:
    import lzma

    return lzma.LZMAError
