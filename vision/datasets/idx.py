"""The IDX format of the MNIST family: a magic number, the sizes, then the numbers, all big-endian.

Two zero bytes, one for the type, one for how many dimensions; each dimension in four bytes; the elements, rows first.
Source: http://yann.lecun.com/exdb/mnist/, at the end of the page.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from typing import IO, TYPE_CHECKING, Any, cast

from ..errors import DatasetError, MissingDatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
MAX_BYTES = 1 << 32  # of the elements; a header may promise anything, and a packed file may keep it
_BLOCK = 1 << 20


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The array in an IDX file, packed by gzip or not: writable, in the machine's byte order.

    Raises MissingDatasetError, or DatasetError where a file is not IDX, or shorter or longer than its header says.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            size = None if packed else os.fstat(file.fileno()).st_size
            file.seek(0)
            if not packed:
                return _read(file, name, size)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read(cast("IO[bytes]", unpacked), name, size)
    except FileNotFoundError as error:
        raise MissingDatasetError(
            f"there is no file {name!r}; check the path, or let the hub fetch the data"
        ) from error
    except IsADirectoryError as error:
        raise DatasetError(f"{name!r} is a folder but must be an IDX file; give the path of a file in it") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"{name!r} is damaged inside its gzip packing ({error}); get it again") from error


def _read(file: IO[bytes], name: str, size: int | None) -> NDArray[Any]:
    import numpy

    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or magic[3] == 0:
        raise DatasetError(
            f"{name!r} is not an IDX file: it begins with the bytes {magic.hex(' ') or '(none)'}, where 00 00, a type "
            f"({', '.join(f'{code:02x}' for code in TYPES)}) and the count of dimensions belong; get it again"
        )
    dtype = numpy.dtype(TYPES[magic[2]]).newbyteorder(">")
    header = file.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise DatasetError(f"{name!r} ends within its header of {magic[3]} dimensions; get it again")
    shape = struct.unpack(f">{magic[3]}I", header)
    wanted = math.prod(shape) * dtype.itemsize
    promise = f"{name!r} promises {dtype.name} {shape}, {wanted:,} bytes of elements"
    if wanted > MAX_BYTES or len(shape) > 32:
        raise DatasetError(f"{promise}, more than is read here ({MAX_BYTES:,} in up to 32 dimensions)")
    held = None if size is None else size - 4 - len(header)
    if held is not None and held != wanted:
        raise DatasetError(f"{promise}, but holds {held:,}; it is truncated or damaged: get it again")
    elements = _take(file, wanted)
    if len(elements) != wanted or file.read(1):
        held_text = f"{len(elements):,}" if len(elements) < wanted else "more"
        raise DatasetError(f"{promise}, but holds {held_text}; it is truncated or damaged: get it again")
    array = numpy.frombuffer(elements, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _take(file: IO[bytes], wanted: int) -> bytearray:
    """Up to `wanted` bytes, block by block: memory grows with what is there, not with what was promised."""
    elements = bytearray()
    while len(elements) < wanted:
        block = file.read(min(_BLOCK, wanted - len(elements)))
        if not block:
            break
        elements += block
    return elements
