"""Reading checkpoints of any kind without running anything that they say.

`read_checkpoint` gives {name: array}, `open_checkpoint` the same one by one, `read_metadata` says what is inside without
building an array, and `write_safetensors` writes. The format is found by the bytes, never by the name: safetensors, the
three formats of torch.save, a zip file around one of them, several files with an index, .npy and .npz, GGUF,
CTranslate2, ONNX, Keras' HDF5.
"""

from __future__ import annotations

import os
from typing import Any, BinaryIO

from numpy.typing import NDArray

from numzoo.hub.checkpoint.contents import CheckpointMetadata, TensorInfo
from numzoo.hub.checkpoint.opened import Checkpoint
from numzoo.hub.checkpoint.safetensors import write_safetensors
from numzoo.hub.errors import UsageError

__all__ = [
    "FORMATS",
    "Checkpoint",
    "CheckpointMetadata",
    "TensorInfo",
    "open_checkpoint",
    "read_checkpoint",
    "read_metadata",
    "write_safetensors",
]

FORMATS = (
    "safetensors",
    "torch-zip",
    "torch-legacy",
    "torch-tar",
    "npz",
    "npy",
    "gguf",
    "ctranslate2",
    "onnx",
    "keras",
    "sharded",
)


def read_checkpoint(
    file: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    checksums: bool = True,
    dequantise: bool = True,
    stored: bool = False,
) -> dict[str, NDArray[Any]]:
    """Give every tensor of a checkpoint by name, in the file's order.

    `file` is a path or a file opened in binary mode, which is mapped through its own descriptor from its first byte and
    left open. A folder stands for the index or the one file in it. Nested dictionaries and lists flatten to dotted names
    (`model_state.lstm.weight`); a file that is one tensor gives it as `tensor`. Leaves that are no tensors are left out;
    `read_metadata` lists them.

    Arrays are writable, aligned, in the machine's byte order and private: writing changes no file. They lie on the
    mapping where the file aligns them, and tensors that share a storage share memory, transposed and sliced views too.
    bfloat16 and float8 are those of ml_dtypes. Quantised tensors come as float32, of which a file may need several times
    its own size (`open_checkpoint` takes one at a time); `dequantise=False` gives them as they are stored: the blocks of
    GGUF as rows of bytes, the integers of CTranslate2 with their `NAME_scale`. With `stored` the mapping is read-only, and numbers of two bytes lie
    on it wherever the file has them, aligned or not: for weights that are used and not trained.

    `format`, one of FORMATS, is a demand: another one raises FormatError. `checksums=False` skips the CRC-32 of zip
    members, for a file whose sha256 is known to be right.

    Errors: NotFoundError, StorageError (the file cannot be opened); FormatError (damaged or unknown); UnsafeFileError
    (asks for code to run, or breaks a rule of safe reading); UsageError (a wrong argument).
    """
    with open_checkpoint(file, format=format, checksums=checksums, dequantise=dequantise, stored=stored) as opened:
        return opened.read()


def open_checkpoint(
    file: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    checksums: bool = True,
    dequantise: bool = True,
    stored: bool = False,
) -> Checkpoint:
    """Open a checkpoint to read its tensors one by one; arguments, arrays and errors are those of `read_checkpoint`."""
    if format is not None and format not in FORMATS:
        raise UsageError(f"There is no checkpoint format {format!r}; wanted one of {', '.join(FORMATS)}.")
    return Checkpoint(file, format, checksums, dequantise, stored)


def read_metadata(
    file: str | os.PathLike[str] | BinaryIO, *, format: str | None = None, dequantise: bool = True
) -> CheckpointMetadata:
    """Say what is inside a checkpoint: format, tensors (name, shape, dtype, bytes), other values, safetensors' notes.

    The same checks run as in `read_checkpoint`, but for the checksums of the tensors' bytes. Errors are the same too.
    """
    with open_checkpoint(file, format=format, checksums=False, dequantise=dequantise) as opened:
        return opened.metadata
