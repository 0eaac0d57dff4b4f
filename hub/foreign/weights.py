"""Which files of a place hold the weights: one file, or the shards that an index lists; safetensors before anything else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from numzoo.hub.errors import FormatError, LoadError, NotFoundError, UsageError
from numzoo.hub.foreign.places import Place, plain_name
from numzoo.hub.store.opened import VerifiedFile

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]

__all__ = ["Weights", "choose", "open_files", "read"]

_PREFERRED = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_KINDS = (r".+\.safetensors", r".+\.safetensors\.index\.json", r".+\.(bin|pth|pt|ckpt)", r".+\.npz", r".+\.gguf")
_NO_WEIGHTS = re.compile(r"training_args\.bin|(optimizer|scheduler|scaler|rng_state).*|.*tokenizer.*")
_UNREAD = re.compile(r"(tf_model\.h5|flax_model\.msgpack|model\.ckpt.*|.+\.(onnx|tflite|mlmodel|h5|msgpack|pb))")


@dataclass(frozen=True, slots=True)
class Weights:
    """The files to read; where an index lists them, its own name and which file it says holds each tensor."""

    files: tuple[str, ...]
    index: Mapping[str, str] | None = None
    listed_in: str = ""


def choose(place: Place) -> Weights:
    """The weights of a place. Raises NotFoundError where it has none, UsageError where any of several could be meant."""
    names = place.names()
    if place.index:
        return _weights(place, place.index)
    for name in _PREFERRED:
        if name in names:
            return _weights(place, name)
    for kind in _KINDS:
        found = [name for name in names if re.fullmatch(kind, name) and not _NO_WEIGHTS.fullmatch(name)]
        if kind == _KINDS[0]:  # shards are found by their index
            found = [name for name in found if not re.search(r"-\d+-of-\d+\.safetensors$", name)]
        if len(found) > 1:
            raise UsageError(f"{place.name} holds {', '.join(found[:8])}: name the file that is meant.")
        if found:
            return _weights(place, found[0])
    others = [name for name in names if _UNREAD.fullmatch(name)]
    because = f" ({', '.join(others[:4])} is not read here)" if others else ""
    raise NotFoundError(
        f"{place.name} holds no weights that can be read{because}: wanted model.safetensors or another."
    )


def open_files(
    place: Place, weights: Weights, opened: Mapping[str, tuple[BinaryIO, str]] | None = None
) -> Iterator[tuple[str, BinaryIO, str]]:
    """Each file in turn: its name, the open stream (which the caller closes), and the sha256 of it."""
    for name in weights.files:
        yield (name, *(opened[name] if opened and name in opened else place.open(name)))


def read(
    place: Place,
    weights: Weights,
    *,
    checksums: bool = True,
    opened: Mapping[str, tuple[BinaryIO, str]] | None = None,
    stored: bool = False,
) -> tuple[Arrays, tuple[str, ...]]:
    """Every tensor of the weights by the files' names, and the sha256 of every file; those that are `opened` already are
    not opened again. `stored` is that of `read_checkpoint`.

    Raises LoadError where two files hold one tensor, and FormatError where the index and its files do not agree.
    """
    from numzoo.hub.checkpoint import read_checkpoint, sharded

    arrays: Arrays = {}
    digests = []
    for name, stream, sha256 in open_files(place, weights, opened):
        with stream:
            found = read_checkpoint(stream, checksums=checksums, stored=stored)
            if isinstance(stream, VerifiedFile):
                stream.check_unchanged()
        digests.append(sha256)
        if weights.index is not None:
            sharded.check_names(weights.index, name, found, place.label(name))
        for tensor, array in found.items():
            if tensor in arrays:
                raise LoadError(f"{place.name}: two of its files hold a tensor named {tensor!r}.")
            arrays[tensor] = array
    return arrays, tuple(digests)


def _weights(place: Place, name: str) -> Weights:
    if not name.endswith(".index.json"):
        return Weights((name,))
    from numzoo.hub.checkpoint import sharded

    who = place.label(name)
    listed = sharded.weight_map(place.read_json(name), who)
    files = sorted({plain_name(file, who) for file in listed.values()})
    if not files:
        raise FormatError(f"{who} lists no tensors.")
    known = set(place.names())
    if lacking := [file for file in files if file not in known]:
        raise NotFoundError(
            f"{place.name} lacks {lacking[0]}, which {name} lists ({len(lacking)} of {len(files)} files)."
        )
    return Weights(tuple(files), listed, name)
