"""Narrow copies of float32 tensors on a GPU: each is made once, for all operations that read the tensor until it is written to.

Those of parameters stay: after an optimiser's step the first product that wants one renews them all, in one launch. A captured step
renews them in each replay, for its replays change the parameters too.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from . import writes
from .capturing import epoch, in_capture
from .device import convert, gpu_kernels
from .dtype import Array, Dtype, float32
from .node import Node, next_sequence
from .tensor import Tensor, new_tensor

__all__ = ["Twin", "offer", "twin_of"]


class Twin:
    """A tensor's values in a narrower dtype: ``array``, and ``tensor``, which stands in the tensor's place in the graph."""

    __slots__ = ("array", "epoch", "home", "place", "since", "source", "tables", "tensor")

    def __init__(self, source: Array, array: Array, home: Any) -> None:
        self.source, self.array, self.home = source, array, home
        self.tensor: Tensor | None = None
        self.tables: dict[Any, Any] | None = None
        """Of a parameter's: where those lie that were renewed with it, as the GPU reads it."""
        self.place: tuple[int, int, int] = (0, 0, 0)
        """Of a parameter's, which is renewed: the address of the values, its own, and how many they are."""
        self.renewed()

    def renewed(self) -> None:
        """It holds what the tensor holds now."""
        self.since, self.epoch = next_sequence(), epoch()

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # a tensor that is pickled or copied deeply goes without: its copy makes another

    def holds(self, value: Tensor) -> bool:
        """Whether it still holds what the tensor holds."""
        stands = self.tensor
        if stands is not None and (stands.node is not value.node or stands.requires_grad is not value.requires_grad):
            return False  # it was asked for a gradient since, or no longer is
        if self.epoch is not epoch():
            return False
        since = self.since
        # Mostly nothing at all was written since.
        return since > writes.last or (since > writes.forgotten and not writes.is_written(value, since))


_homes: dict[tuple[Dtype, int], dict[int, weakref.ref[Tensor]]] = {}
"""By dtype and GPU, the parameters whose twins are renewed together, by identity."""


class _Offered(threading.local):
    pair: tuple[weakref.ref[Any], Array, int, object] | None = None


_offered = _Offered()


def offer(source: Array, narrow: Array) -> None:
    """Say that a result of float32 was written in a narrow dtype, too, for whoever reads it so next."""
    local = _offered

    def forget(reference: Any) -> None:
        if local.pair is not None and local.pair[0] is reference:
            local.pair = None

    local.pair = weakref.ref(source, forget), narrow, next_sequence(), epoch()


def _taken(value: Tensor, dtype: Dtype) -> Array | None:
    """What was offered of a tensor, if it still holds the same."""
    pair = _offered.pair
    if pair is None or pair[0]() is not value.array:
        return None
    _offered.pair = None
    fits = pair[1].dtype == dtype and pair[3] is epoch() and not writes.is_written(value, pair[2])
    return pair[1] if fits else None


def twin_of(value: Tensor, dtype: Dtype) -> Twin:
    """The twin of a tensor of float32, or of another floating type that is not ``dtype``."""
    array = value.array
    twin: Twin | None = value.twin
    if twin is not None and (twin.source is not array or twin.array.dtype != dtype):
        twin = None
    if twin is not None and twin.holds(value):
        return twin
    if type(value) is Tensor:
        return _turned(value, dtype) or _made(value, dtype)
    if twin is not None and twin.home is not None and _renew_all(twin):
        return twin
    twin = _made(value, dtype)
    if array.dtype == float32 and not in_capture():
        _settle(value, twin)
    return twin


def _made(value: Tensor, dtype: Dtype) -> Twin:
    """A new twin. In the graph it is what the tensor is; but a leaf that wants a gradient has no other that could stand for it."""
    array = value.array
    narrowed = _taken(value, dtype)
    twin = Twin(array, convert(array, dtype) if narrowed is None else narrowed, None)
    if type(value) is Tensor and (value.node is not None or not value.requires_grad):
        narrow = twin.tensor = new_tensor(Tensor)
        narrow.array, narrow.requires_grad, narrow.node = twin.array, value.requires_grad, value.node
    value.twin = twin
    return twin


def _turned(value: Tensor, dtype: Dtype) -> Twin | None:
    """The twin of a parameter whose axes the graph has put into another order: that of the parameter, turned. None of anything else."""
    node = value.node
    if not isinstance(node, Node) or node.op.name != "permute":
        return None
    parameter = node.edges[0]
    if not isinstance(parameter, Tensor) or type(parameter) is Tensor or parameter.array.dtype != value.array.dtype:
        return None
    if parameter.array.data.ptr != value.array.data.ptr:
        return None  # it was given other memory since
    # It stands for itself in the graph, which so notices when the parameter is written to.
    twin = value.twin = Twin(value.array, twin_of(parameter, dtype).array.transpose(node.settings["axes"]), None)
    return twin


def _settle(value: Tensor, twin: Twin) -> None:
    """Let a parameter's twin be renewed with the others, if both lie in one piece and alike."""
    place = gpu_kernels("training.narrowing").place(twin.source, twin.array)
    if place is not None:
        home = twin.array.dtype, twin.array.device.id
        twin.home, twin.place, twin.tables = home, place, {}
        _homes.setdefault(home, {})[id(value)] = weakref.ref(value)


def _renew_all(wanted: Twin) -> bool:
    """Renew this twin, and those beside it that hold other values than their parameters do; False where that could not be."""
    stale: list[Twin] = []
    living: dict[int, weakref.ref[Tensor]] = {}
    for name, reference in list(_homes.get(wanted.home, {}).items()):
        value = reference()
        twin = None if value is None else value.twin
        if value is None or twin is None or twin.home != wanted.home or twin.source is not value.array:
            continue
        living[name] = reference
        if not twin.holds(value):
            stale.append(twin)
    _homes[wanted.home] = living
    if wanted not in stale or not gpu_kernels("training.narrowing").renew(stale):
        return False
    now, age = next_sequence(), epoch()
    for twin in stale:
        twin.since, twin.epoch = now, age
    return True
