"""What a tar may be packed by, as streams that only go forward and take little memory: gzip, bzip2, xz, zstandard."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
from collections.abc import Callable
from typing import IO, Any

from numzoo.hub.errors import NotFoundError, UnsafeFileError

__all__ = ["MAGIC_BYTES", "unpacking"]

MAGIC_BYTES = 6
"""So many of a file's first bytes tell its packing."""

_BLOCK = 1 << 18
_MEMORY = 128 << 20  # the strongest preset of xz takes half of it; a header may ask for gigabytes
_WINDOW_BITS = 27  # of zstandard: a window of 128 MiB, the most that its own program takes unasked


def unpacking(file: IO[bytes], magic: bytes, name: str) -> Any:
    """The unpacked bytes of `file`, whose first bytes are `magic`, as something to read, tell and seek forward in.

    A file that is not packed is given back. Raises NotFoundError where zstandard is wanted and not installed; what is
    read from it raises EOFError, OSError, ValueError, lzma.LZMAError or UnsafeFileError for what is damaged or too much.
    """
    if magic[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=file)
    if magic[:3] == b"BZh":
        return bz2.BZ2File(file)
    if magic[:6] == b"\xfd7zXZ\x00":
        return _Forward(file, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY), name)
    if magic[:4] == b"\x28\xb5\x2f\xfd":
        return _zstandard(file, name)
    return file


class _Forward:
    """The output of a decompressor with `decompress(data, max_length)`, `needs_input`, `eof` and `unused_data`."""

    def __init__(self, file: IO[bytes], make: Callable[[], Any], name: str) -> None:
        self._file, self._make, self._name = file, make, name
        self._decompressor = make()
        self._position = 0

    def read(self, count: int) -> bytes:
        pieces, left = [], count
        while left and (piece := self._some(left)):
            pieces.append(piece)
            left -= len(piece)
        self._position += count - left
        return b"".join(pieces)

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence != 0 or offset < self._position:
            raise ValueError("a packed stream is read forward only")
        while self._position < offset and self.read(min(_BLOCK, offset - self._position)):
            pass
        return self._position

    def _some(self, most: int) -> bytes:
        """At least one byte, or none at the end of the last stream."""
        while True:
            if self._decompressor.eof:
                more = self._decompressor.unused_data or self._file.read(_BLOCK)
                if not more.strip(b"\0"):  # the end, perhaps with padding
                    return b""
                self._decompressor = self._make()
            else:
                more = self._file.read(_BLOCK) if self._decompressor.needs_input else b""
                if self._decompressor.needs_input and not more:
                    raise EOFError("it ends in the middle")
            try:
                piece: bytes = self._decompressor.decompress(more, most)
            except (lzma.LZMAError, MemoryError) as problem:
                if isinstance(problem, MemoryError) or "limit" in str(problem).lower():
                    raise UnsafeFileError(f"{self._name} asks for more than {_MEMORY >> 20} MiB to unpack.") from None
                raise
            if piece:
                return piece


class _Guarded:
    """A stream whose library has an error of its own, which becomes a ValueError."""

    def __init__(self, stream: Any, error: type[Exception]) -> None:
        self._stream, self._error = stream, error

    def read(self, count: int) -> bytes:
        try:
            return bytes(self._stream.read(count))
        except self._error as problem:
            raise ValueError(str(problem)) from problem

    def tell(self) -> int:
        return int(self._stream.tell())

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return int(self._stream.seek(offset, whence))
        except self._error as problem:
            raise ValueError(str(problem)) from problem


def _zstandard(file: IO[bytes], name: str) -> Any:
    """Python 3.14's own module, or the package `zstandard`."""
    try:
        module = importlib.import_module("compression.zstd")
    except ModuleNotFoundError:
        try:
            package = importlib.import_module("zstandard")
        except ModuleNotFoundError:
            raise NotFoundError(
                f'{name} is packed by zstandard, which this Python cannot read: pip install "numzoo[zstd]", or use another '
                f"source."
            ) from None
        stream = package.ZstdDecompressor(max_window_size=1 << _WINDOW_BITS).stream_reader(file)
        return _Guarded(stream, package.ZstdError)
    limit = {module.DecompressionParameter.window_log_max: _WINDOW_BITS}
    return _Guarded(_Forward(file, lambda: module.ZstdDecompressor(options=limit), name), module.ZstdError)
