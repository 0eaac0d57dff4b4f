"""Small parameters of a group gathered: their numbers and states end to end, so that one set of calls changes all of them."""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import Any

import numpy as np

from ..device import namespace
from ..dtype import Array, float32, float64
from ..tensor import Tensor
from .fused import apart

__all__ = ["Bucket", "Plan"]


class Bucket:
    """Small parameters of one dtype and step, and their states end to end."""

    def __init__(self, places: list[int], parameters: list[Tensor], held: list[dict[str, Any]], names: Sequence[str]):
        self.places, self.parameters, self.held = places, parameters, held
        self.arrays = [p.array for p in parameters]
        self.xp = namespace(self.arrays[0])
        self.dtype = self.arrays[0].dtype
        self.step: int = held[0].get("step", 0)
        self.flat = self.xp.concatenate(self.arrays, axis=None)
        self.states = [self.xp.concatenate([state[name] for state in held], axis=None) for name in names]
        self.results = _cut(self.flat, self.arrays)
        self.views = list(zip(*(_cut(flat, self.arrays) for flat in self.states), strict=True)) or [()] * len(held)
        for state, views in zip(held, self.views, strict=True):
            state.update(zip(names, views, strict=True))

    def holds(self, names: Sequence[str], states: dict[Tensor, dict[str, Any]]) -> bool:
        """Whether everything is where it was put: nobody gave a parameter or a state other memory."""
        if not all(map(is_, self.arrays, [p.array for p in self.parameters])):
            return False
        if not all(map(is_, self.held, map(states.get, self.parameters))):
            return False
        if names or self.step:
            for state, views in zip(self.held, self.views, strict=True):
                if state.get("step", 0) != self.step or not all(map(is_, views, map(state.get, names))):
                    return False
        return self.xp is not np or all(array.flags.writeable for array in self.arrays)


class Plan:
    """Which parameters of a group are changed together; not arranged before they come a second time."""

    def __init__(self, parameters: list[Tensor], small: int, most: int) -> None:
        self.parameters = parameters
        self.small, self.most = small, most  # the numbers of a small parameter, and of a bucket, at most
        self.names: tuple[str, ...] | None = None
        self.buckets: list[Bucket] = []
        self.rest: list[int] = []

    def is_of(self, parameters: list[Tensor]) -> bool:
        """Whether it was made for these very parameters."""
        return len(parameters) == len(self.parameters) and all(map(is_, parameters, self.parameters))

    def fits(self, names: tuple[str, ...], states: dict[Tensor, dict[str, Any]]) -> bool:
        """Whether the arrangement, if there is one, is still true."""
        return self.names == names and all(bucket.holds(names, states) for bucket in self.buckets)

    def arrange(self, names: tuple[str, ...], states: dict[Tensor, dict[str, Any]]) -> None:
        """Put small parameters of the same dtype, device and step together, as many as make a block."""
        self.names, self.buckets, self.rest = names, [], []
        alike: dict[Any, list[int]] = {}
        for place, parameter in enumerate(self.parameters):
            array, state = parameter.array, states.get(parameter, {})
            if _is_small(array, self.small) and all(_is_like(state.get(name), array) for name in names):
                alike.setdefault((array.dtype, state.get("step", 0), type(array)), []).append(place)
            else:
                self.rest.append(place)
        for places in alike.values():
            together, alone = apart(self.parameters, places)
            self.rest += alone
            start, size = 0, 0
            for position, place in enumerate(together):
                count = self.parameters[place].array.size
                if size + count > self.most:
                    self._add(together[start:position], states)
                    start, size = position, 0
                size += count
            self._add(together[start:], states)
        self.rest.sort()

    def _add(self, places: list[int], states: dict[Tensor, dict[str, Any]]) -> None:
        if len(places) < 2:
            self.rest += places
            return
        assert self.names is not None
        parameters = [self.parameters[place] for place in places]
        self.buckets.append(Bucket(places, parameters, [states.setdefault(p, {}) for p in parameters], self.names))


def _cut(flat: Array, arrays: Sequence[Array]) -> list[Array]:
    """Views of a vector in the shapes of the arrays, one after the other."""
    views, start = [], 0
    for array in arrays:
        views.append(flat[start : start + array.size].reshape(array.shape))
        start += array.size
    return views


def _is_small(array: Array, most: int) -> bool:
    return (
        0 < array.size <= most
        and _is_writeable(array)
        and array.flags.c_contiguous
        and array.dtype in (float32, float64)
    )


def _is_writeable(array: Array) -> bool:
    return not isinstance(array, np.ndarray) or array.flags.writeable


def _is_like(state: Any, array: Array) -> bool:
    return type(state) is type(array) and state.shape == array.shape and state.dtype == array.dtype
