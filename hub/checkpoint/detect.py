"""Which format a file has, by its bytes, and the reader for it."""

from __future__ import annotations

from numzoo.hub.checkpoint import archive, ctranslate2, limits, numpy_files, safetensors, sharded
from numzoo.hub.checkpoint.contents import Contents
from numzoo.hub.checkpoint.gguf import file as gguf
from numzoo.hub.checkpoint.keras import hdf5
from numzoo.hub.checkpoint.onnx import file as onnx
from numzoo.hub.checkpoint.pytorch import stream, tar, tar_file, zip_file
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.checkpoint.tensors import Decoded
from numzoo.hub.errors import FormatError, UnsafeFileError

__all__ = ["guess", "read_contents"]

# What people download by mistake, and what to tell them.
_STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"<", "a web page or XML, not a checkpoint: the address may need a login or be wrong"),
    (b"version https://git-lfs", "a Git LFS pointer: fetch the real file with git lfs pull"),
    (b"\x1f\x8b", "gzip-compressed: unpack it first"),
    (b"PK\x05\x06", "an empty zip file"),
    (b"\x80", "a bare pickle, which is not read: save the tensors with torch.save or as safetensors"),
)


def read_contents(source: Source, wanted: str | None, checksums: bool, dequantise: bool) -> Contents:
    """Describe the file. Raises FormatError if no reader knows it, or if its format is not the `wanted` one."""
    contents = _read(source, checksums, dequantise, nested=False)
    if wanted is not None and contents.format != wanted:
        raise FormatError(f"The file has the format {contents.format}, but {wanted} was wanted.")
    _check_growth(contents, source)
    return contents


def _check_growth(contents: Contents, source: Source) -> None:
    """Refuse a file whose tensors would take far more memory than it has bytes, once decoded."""
    size = source.size + (source.folder.bytes if source.folder else 0)
    grown = sum(
        {id(tensor): tensor.bytes for tensor in contents.tensors.values() if isinstance(tensor, Decoded)}.values()
    )
    if grown > limits.DECODED_FREE + limits.DECODED_RATIO * size:
        raise UnsafeFileError(
            f"The tensors would grow from {size} to {grown} bytes; the limit is {limits.DECODED_RATIO} times and "
            f"{limits.DECODED_FREE} bytes."
        )


def guess(source: Source) -> str:
    """Give the format that a file's first bytes promise, `unknown` where they promise none."""
    start = bytes(source.view[:32])
    for name, fits in (
        ("torch-legacy", start.startswith(stream.MAGIC)),
        ("npy", start.startswith(numpy_files.MAGIC)),
        ("gguf", start.startswith(gguf.MAGIC)),
        ("keras", start.startswith(hdf5.MAGIC)),
        ("sharded", sharded.recognise(source)),
        ("torch-tar", tar.recognise(source)),
        ("onnx", not safetensors.recognise(source) and onnx.recognise(source)),
        ("ctranslate2", ctranslate2.recognise(source)),
        ("safetensors", safetensors.begins(source)),
    ):
        if fits:
            return name
    return "unknown"


def _read(source: Source, checksums: bool, dequantise: bool, nested: bool) -> Contents:
    start = bytes(source.view[:32])
    if start.startswith(b"PK\x03\x04"):
        return _read_zip(source, checksums, dequantise, nested)
    if start.startswith(stream.MAGIC):
        return stream.read(source)
    if start.startswith(numpy_files.MAGIC):
        return numpy_files.read_npy(source)
    if start.startswith(gguf.MAGIC):
        return gguf.read(source, dequantise)
    if start.startswith(hdf5.MAGIC):
        return hdf5.read(source)
    if sharded.recognise(source) and not nested:
        return sharded.read(source, lambda shard: _read(shard, checksums, dequantise, nested=True))
    if tar.recognise(source):
        return tar_file.read(source)
    if safetensors.recognise(source):
        return safetensors.read(source)
    if onnx.recognise(source):
        return onnx.read(source)
    if ctranslate2.recognise(source):
        return ctranslate2.read(source, dequantise)
    if safetensors.begins(source):
        return safetensors.read(source)
    for mark, what in _STRANGERS:
        if start.lstrip().startswith(mark):
            kind = UnsafeFileError if mark == b"\x80" else FormatError
            raise kind(f"The file is {what}.")
    raise FormatError(
        f"The file is no checkpoint that is known: it begins with {start[:8].hex(' ')}. Read are safetensors, "
        "torch.save's zip, stream and tar files, .npz, .npy, GGUF, CTranslate2, ONNX and Keras' HDF5."
    )


def _read_zip(source: Source, checksums: bool, dequantise: bool, nested: bool) -> Contents:
    """Tell a checkpoint of PyTorch, an archive of arrays, and a zip file around one checkpoint apart."""
    members = archive.read_directory(source)
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in members):
        return zip_file.read(source, members, checksums=checksums)
    if hdf5.WEIGHTS in members:
        return hdf5.read_archive(source, members)
    if members and all(name.endswith(".npy") for name in members):
        return numpy_files.read_npz(source, members)
    if len(members) == 1 and not nested:
        (member,) = members.values()
        return _read(archive.inflate(source, member), checksums, dequantise, nested=True)
    raise FormatError(
        f"The zip file is no checkpoint: none of its {len(members)} members is a data.pkl, and not all are .npy files."
    )
