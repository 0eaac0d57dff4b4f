"""Reading checkpoints of any kind without running anything that they say.

`read_checkpoint` gives {name: array}, `read_metadata` says what is inside without building an array, and
`write_safetensors` writes. The format is found by the bytes, never by the name: safetensors, the three formats of
torch.save, a zip file around one of them, .npy and .npz.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

from numpy.typing import NDArray

from numzoo.hub.checkpoint.contents import CheckpointMetadata, Contents, TensorInfo
from numzoo.hub.checkpoint.safetensors import write_safetensors
from numzoo.hub.checkpoint.source import Source, open_source
from numzoo.hub.checkpoint.tensors import Builder
from numzoo.hub.errors import HubError, UsageError

__all__ = [
    "FORMATS",
    "CheckpointMetadata",
    "TensorInfo",
    "read_checkpoint",
    "read_metadata",
    "write_safetensors",
]

FORMATS = ("safetensors", "torch-zip", "torch-legacy", "torch-tar", "npz", "npy", "gguf", "ctranslate2", "onnx")

Result = TypeVar("Result")


def read_checkpoint(
    file: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    checksums: bool = True,
    dequantise: bool = True,
) -> dict[str, NDArray[Any]]:
    """Give every tensor of a checkpoint by name, in the file's order.

    `file` is a path or a file opened in binary mode, which is mapped through its own descriptor from its first byte and
    left open. Nested dictionaries and lists flatten to dotted names (`model_state.lstm.weight`); a file that is one
    tensor gives it as `tensor`. Leaves that are no tensors are left out; `read_metadata` lists them.

    Arrays are writable, aligned, in the machine's byte order and private: writing changes no file. They lie on the
    mapping where the file aligns them, and tensors that share a storage share memory, transposed and sliced views too.
    bfloat16 and float8 are those of ml_dtypes.

    `format`, one of FORMATS, is a demand: another one raises FormatError. `checksums=False` skips the CRC-32 of zip
    members, for a file whose sha256 is known to be right.

    Errors: NotFoundError, StorageError (the file cannot be opened); FormatError (damaged or unknown); UnsafeFileError
    (asks for code to run, or breaks a rule of safe reading); UsageError (a wrong argument).
    """

    def build(contents: Contents, source: Source) -> dict[str, NDArray[Any]]:
        builder = Builder(source.size)
        return {name: builder.build(tensor) for name, tensor in contents.tensors.items()}

    return _with_contents(file, format, checksums, dequantise, build)


def read_metadata(
    file: str | os.PathLike[str] | BinaryIO, *, format: str | None = None, dequantise: bool = True
) -> CheckpointMetadata:
    """Say what is inside a checkpoint: format, tensors (name, shape, dtype, bytes), other values, safetensors' notes.

    The same checks run as in `read_checkpoint`, but for the checksums of the tensors' bytes. Errors are the same too.
    """
    return _with_contents(file, format, False, dequantise, lambda contents, source: contents.describe())


def _with_contents(
    file: str | os.PathLike[str] | BinaryIO,
    format: str | None,
    checksums: bool,
    dequantise: bool,
    use: Callable[[Contents, Source], Result],
) -> Result:
    if format is not None and format not in FORMATS:
        raise UsageError(f"There is no checkpoint format {format!r}; wanted one of {', '.join(FORMATS)}.")
    from numzoo.hub.checkpoint.detect import read_contents

    source, opened, name = open_source(file)
    try:
        return use(read_contents(source, format, checksums, dequantise), source)
    except HubError as error:
        text = str(error)
        error.args = (f"{name}: {text}" if text.endswith(".") else f"{name}: {text}.",)
        raise
    finally:
        if source.folder is not None:
            source.folder.close()
        if opened is not None:
            opened.close()
