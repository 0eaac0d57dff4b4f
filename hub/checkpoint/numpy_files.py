"""NumPy's own files: .npy, and the .npz archives of them. Arrays of objects, which are pickles, are refused.

The header is read here and not by NumPy, whose reader can be told to unpickle. Layout: numpy.lib.format.
"""

from __future__ import annotations

import re
import sys

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.archive import Member, inflate
from numzoo.hub.checkpoint.contents import ALONE, Contents, check_name
from numzoo.hub.checkpoint.dtypes import NUMPY, DataType
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.checkpoint.tensors import Storage, StorageView, Tensor, contiguous_strides
from numzoo.hub.errors import FormatError, UnsafeFileError

__all__ = ["MAGIC", "objects_begin", "read_npy", "read_npz"]

MAGIC = b"\x93NUMPY"

_HEADER = re.compile(
    r"\{'descr': (?P<type>'[^'\\]{2,20}'|\[.*\]), 'fortran_order': (?P<order>True|False), "
    r"'shape': \((?P<shape>(?:\d{1,19},? ?)*)\),? ?\} *\n",
    re.DOTALL,
)


def read_npy(source: Source) -> Contents:
    """Describe a .npy file: one array, called `tensor`."""
    return Contents("npy", {ALONE: _array(source, "The array")})


def read_npz(source: Source, members: dict[str, Member]) -> Contents:
    """Describe a .npz archive; each array is called as its member, without `.npy`.

    Deflated members are inflated within bounds. Raises UnsafeFileError for arrays of Python objects.
    """
    tensors = {}
    total = 0
    for member in members.values():
        total += member.size
        if total > limits.INFLATED_FREE + limits.INFLATED_RATIO * source.size:
            raise UnsafeFileError(f"The arrays would grow to more than {total} bytes from a file of {source.size}.")
        content = inflate(source, member)
        name = check_name(member.name.removesuffix(".npy"))
        tensors[name] = _array(content, f"The array {name!r}")
    return Contents("npz", tensors)


def objects_begin(source: Source) -> int | None:
    """Give the byte where the pickle of a .npy file of Python objects begins; None where the file holds none."""
    try:
        _array(source, "The array")
    except UnsafeFileError:
        return _header_end(source, "The array")[1]
    except FormatError:
        pass
    return None


def _header_end(source: Source, who: str) -> tuple[int, int]:
    """Give where the header's text begins and ends."""
    major, minor = source.view[6], source.view[7]
    if (major, minor) not in ((1, 0), (2, 0), (3, 0)):
        raise FormatError(f"{who} has the .npy version {major}.{minor}; wanted 1.0, 2.0 or 3.0.")
    width = 2 if major == 1 else 4
    size = int.from_bytes(source.view[8 : 8 + width], "little")
    if size > limits.NUMPY_HEADER or 8 + width + size > source.size:
        raise FormatError(f"{who} has a .npy header of {size} bytes.")
    return 8 + width, 8 + width + size


def _array(source: Source, who: str) -> Tensor:
    if bytes(source.view[:6]) != MAGIC or source.size < 12:
        raise FormatError(f"{who} does not begin like a .npy file.")
    start, begin = _header_end(source, who)
    header = _HEADER.fullmatch(bytes(source.view[start:begin]).decode("latin-1"))
    if header is None:
        raise FormatError(f"{who} has a damaged .npy header.")
    dtype, swapped = _dtype(header["type"].strip("'"), who)
    shape = tuple(int(length) for length in header["shape"].replace(" ", "").split(",") if length)
    bytes_wanted = dtype.bytes
    for length in shape:
        bytes_wanted *= length
    if bytes_wanted != source.size - begin:
        raise FormatError(f"{who} of shape {shape} needs {bytes_wanted} bytes, but {source.size - begin} follow.")
    storage = Storage(who, bytes_wanted)
    storage.place(source, begin, swapped)
    strides = contiguous_strides(shape)
    if header["order"] == "True":
        strides = tuple(reversed(contiguous_strides(shape[::-1])))
    return Tensor(StorageView(storage, dtype, 0, bytes_wanted), dtype, 0, shape, strides)


def _dtype(text: str, who: str) -> tuple[DataType, bool]:
    if "O" in text[:2]:
        raise UnsafeFileError(f"{who} holds Python objects, which are stored as a pickle; only plain numbers are read.")
    dtype = NUMPY.get(text[1:])
    if dtype is None or text[0] not in "<>|=":
        raise FormatError(f"{who} has the dtype {ascii(text)[:40]}; only plain numbers are read.")
    return dtype, text[0] == (">" if sys.byteorder == "little" else "<")
