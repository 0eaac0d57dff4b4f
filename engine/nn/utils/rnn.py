"""Sequences of different lengths: padded to one length, or packed so that nothing is computed on padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...device import DeviceLike, namespace
from ...dtype import DtypeLike, kind
from ...errors import ArgumentError, DtypeError, SettingError, ShapeError
from ...ops import cat, getitem, pick_rows, place_rows
from ...tensor import Tensor, tensor_like, tensor_of

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence(NamedTuple):
    """The rows of all sequences, step by step: those of the first step, then those of the second, and so on.

    ``data`` (rows, ...); ``batch_sizes`` says how many sequences reach each step; ``sorted_indices`` sorted them by falling
    length, ``unsorted_indices`` undoes that; both are None where they came sorted.
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None

    def to(self, *args: Any, device: DeviceLike | None = None, dtype: DtypeLike | None = None) -> PackedSequence:
        """The same in another dtype or on another device."""
        return self._replace(data=self.data.to(*args, device=device, dtype=dtype))

    @property
    def lengths(self) -> Any:
        """How long each sequence is, in the packed order, as an array."""
        sizes = np.asarray(self.batch_sizes.numpy())
        return (sizes[:, None] > np.arange(sizes[0])).sum(0)


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Padded sequences (time, batch, ...), or (batch, time, ...) with ``batch_first``, without their padding.

    With ``enforce_sorted`` the lengths must fall from sequence to sequence; without, they are sorted here.
    """
    name = "pack_padded_sequence"
    x = tensor_like(name, input)
    if x.ndim < 2:
        raise ShapeError(f"{name}: wants sequences (time, batch, ...), not {tuple(x.shape)}")
    x = x.transpose(0, 1) if batch_first else x
    time, batch = x.shape[:2]
    lengths = _lengths(name, lengths, batch, time)
    order = None
    if enforce_sorted and (lengths[1:] > lengths[:-1]).any():
        raise SettingError(
            f"{name}: lengths must fall from sequence to sequence, but are {lengths[:8].tolist()}; sort them, or pass enforce_sorted=False"
        )
    if not enforce_sorted:
        order = np.argsort(-lengths, kind="stable")
        lengths = lengths[order]
    steps, sequences = _places(lengths)
    columns = sequences if order is None else order[sequences]
    # As the sequences lie, so that the first two axes are one without a copy.
    places = columns * time + steps if batch_first else steps * batch + columns
    x = (x.transpose(0, 1) if batch_first else x).reshape(time * batch, *x.shape[2:])
    data = pick_rows(x, rows=_on_device(x, places))
    return PackedSequence(data, _sizes(lengths), *_orders(x, order))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The sequences padded to the longest, or to ``total_length``, in the order in which they were given; and their lengths."""
    name = "pad_packed_sequence"
    _check_packed(name, sequence)
    lengths = sequence.lengths
    longest = len(sequence.batch_sizes)
    if total_length is not None and total_length < longest:
        raise SettingError(f"{name}: total_length {total_length} is less than the longest sequence, {longest}")
    steps, columns = _places(lengths)
    if sequence.sorted_indices is not None:
        order = sequence.sorted_indices.numpy()
        columns, lengths = order[columns], lengths[sequence.unsorted_indices.numpy()]  # type: ignore[union-attr]
    x = sequence.data
    padded = _placed(x, columns, steps, len(lengths), total_length or longest, batch_first, padding_value)
    return padded, tensor_of(np.asarray(lengths, np.int64))


def pad_sequence(
    sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Tensors (time, ...) side by side as (longest, batch, ...), or (batch, longest, ...) with ``batch_first``."""
    name = "pad_sequence"
    tensors = _several(name, sequences)
    if padding_side not in ("right", "left"):
        raise SettingError(f"{name}: padding_side must be 'right' or 'left', not {padding_side!r:.60}")
    lengths = np.array([len(t) for t in tensors])
    longest, batch = int(lengths.max()), len(tensors)
    columns = np.repeat(np.arange(batch), lengths)
    steps = np.concatenate([np.arange(n) + (longest - n if padding_side == "left" else 0) for n in lengths])
    x = cat(tensors)
    return _placed(x, columns, steps, batch, longest, batch_first, padding_value)


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Tensors (time, ...) of different lengths, packed."""
    tensors = _several("pack_sequence", sequences)
    return pack_padded_sequence(pad_sequence(tensors), [len(t) for t in tensors], enforce_sorted=enforce_sorted)


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """Padded sequences as a list of tensors, each without its padding."""
    name = "unpad_sequence"
    x = tensor_like(name, padded_sequences)
    if x.ndim < 2:
        raise ShapeError(f"{name}: wants sequences (time, batch, ...), not {tuple(x.shape)}")
    x = x if batch_first else x.transpose(0, 1)
    return [getitem(x, (i, slice(0, int(n)))) for i, n in enumerate(_lengths(name, lengths, x.shape[0], x.shape[1], 0))]


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """A packed sequence as a list of tensors, in the order in which they were given."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The order that undoes another; None of None."""
    return None if permutation is None else tensor_of(np.argsort(permutation.numpy()))


def _lengths(name: str, given: Any, batch: int, most: int, least: int = 1) -> Any:
    """Lengths as an array of one whole number for each sequence, within its time."""
    lengths = tensor_like(f"{name} lengths", given)
    if kind(lengths.dtype) != 1:
        raise DtypeError(f"{name}: lengths are whole numbers, not {lengths.dtype}")
    array = np.asarray(lengths.numpy()).astype(np.int64)
    if array.shape != (batch,) or not batch:
        raise ShapeError(
            f"{name}: lengths must have one number for each of the {batch} sequences, not shape {array.shape}"
        )
    if array.min() < least or array.max() > most:
        raise ShapeError(
            f"{name}: lengths go from {array.min()} to {array.max()}, but must lie between {least} and {most}"
        )
    return array


def _several(name: str, sequences: Any) -> list[Tensor]:
    if not isinstance(sequences, (list, tuple)) or not sequences:
        raise ArgumentError(f"{name}: wants a list of at least one tensor, not {sequences!r:.60}")
    tensors = [tensor_like(name, t) for t in sequences]
    if any(not t.ndim or t.shape[1:] != tensors[0].shape[1:] for t in tensors):
        shapes = ", ".join(str(tuple(t.shape)) for t in tensors[:8])
        raise ShapeError(f"{name}: wants tensors (time, ...) that differ in the first axis only, not {shapes}")
    return tensors


def _check_packed(name: str, sequence: Any) -> None:
    if not isinstance(sequence, PackedSequence):
        raise ArgumentError(
            f"{name}: wants a PackedSequence, as pack_padded_sequence makes it, not {type(sequence).__name__}"
        )


def _places(lengths: Any) -> tuple[Any, Any]:
    """The step and the sequence of each packed row; lengths fall."""
    reached = np.arange(int(lengths.max()))[:, None] < lengths
    return np.nonzero(reached)  # type: ignore[return-value]


def _sizes(lengths: Any) -> Tensor:
    return tensor_of((np.arange(int(lengths.max()))[:, None] < lengths).sum(1))


def _orders(x: Tensor, order: Any) -> tuple[Tensor | None, Tensor | None]:
    return (None, None) if order is None else (tensor_of(order), tensor_of(np.argsort(order)))


def _placed(x: Tensor, columns: Any, steps: Any, batch: int, longest: int, batch_first: bool, value: float) -> Tensor:
    """Rows at these sequences and steps of (longest, batch, ...), or (batch, longest, ...), and ``value`` elsewhere."""
    outer, inner = (batch, longest) if batch_first else (longest, batch)
    places = columns * longest + steps if batch_first else steps * batch + columns
    shape = (outer * inner, *x.shape[1:])
    return place_rows(x, rows=_on_device(x, places), shape=shape, value=value).reshape(outer, inner, *x.shape[1:])


def _on_device(x: Tensor, *places: Any) -> tuple[Any, ...]:
    xp = namespace(x.array)
    return tuple(xp.asarray(p) for p in places)
