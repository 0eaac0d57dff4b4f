"""A running mean of a model's weights, often better in use than the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..device import CPU, is_array, move, namespace
from ..dtype import Array, is_differentiable
from ..errors import ArgumentError, SettingError, StateError
from ..ops import touch
from ..tensor import Tensor, tensor_of
from .blocks import blocks
from .fused import Averages, in_place_on_gpu
from .settings import CLOSED_SHARE, is_number, number, truth
from .state import state_dtype


class EMA:
    """mean = decay mean + (1 - decay) weight, after every step: an exponential moving average of all of a model's state.

    Starts from the weights at hand. Floating-point buffers are averaged like parameters, or with ``buffers=False`` copied, as whole numbers
    always are. ``warm_up`` lets the first steps count more: in step t the decay is at most (1 + t) / (10 + t). Means of narrow
    dtypes are kept in float32. A tensor that has several names is averaged once.

    >>> from numzoo import engine
    >>> model = engine.nn.Linear(2, 2)
    >>> average = engine.optim.EMA(model, decay=0.99)
    >>> average.update()
    >>> with average.swapped():
    ...     result = model(engine.ones(1, 2))
    """

    def __init__(self, model: Any, decay: float = 0.999, *, buffers: bool = True, warm_up: bool = False) -> None:
        if not hasattr(model, "state_entries"):
            raise ArgumentError(f"EMA: wants a model, not a {type(model).__name__}")
        self.model = model
        self.decay = number("EMA", "decay", decay, CLOSED_SHARE)
        self.buffers = truth("EMA", "buffers", buffers)
        self.warm_up = truth("EMA", "warm_up", warm_up)
        self.updates = 0
        self.means: dict[str, Array] = {name: _start(t) for name, t, _ in self._entries()}
        self._swapped = False
        self._scratch: dict[Any, list[Array]] = {}
        self._fused: Averages | None = None

    def update(self) -> None:
        """Let the model's present weights into the means; to be called after ``optimizer.step()``."""
        self._refuse_swapped("update")
        entries = self._entries()
        self._check(entries)
        means: list[Array] = []
        arrays: list[Array] = []
        others: list[tuple[Array, Array]] = []
        with np.errstate(all="ignore"):
            for name, tensor, is_buffer in entries:
                mean, array = self._mean_like(name, tensor), tensor.array
                if not is_differentiable(tensor.dtype) or (is_buffer and not self.buffers):
                    mean[...] = array
                elif in_place_on_gpu(mean) and in_place_on_gpu(array):
                    means.append(mean)
                    arrays.append(array)
                else:
                    others.append((mean, array))
            if means:
                if self._fused is None or not self._fused.is_of(means, arrays):
                    self._fused = Averages(means, arrays)
                self._fused.move(arrays, self._next_share)
            else:
                self._next_share()
            for mean, array in others:
                self._mix(mean, array, 1 - self._share())
        for name, _, _ in entries:
            touch(tensor_of(self.means[name]))

    @contextmanager
    def swapped(self) -> Iterator[Any]:
        """The model with the means in the place of its weights, for as long as the block lasts; whatever happens, they come back.

        No memory is copied, and the parameters are read-only inside: nothing can harm the means.
        """
        self._refuse_swapped("swapped")
        entries = self._entries()
        self._check(entries)
        back = [(tensor, tensor.array) for _, tensor, _ in entries]
        self._swapped = True
        try:
            for name, tensor, is_buffer in entries:
                # Buffers are few and small, and layers may write to them: they get copies.
                array = self._mean_like(name, tensor).astype(tensor.dtype, copy=is_buffer)
                if not is_buffer and isinstance(array, np.ndarray):
                    array = array.view()
                    array.flags.writeable = False
                tensor.array = array
            yield self.model
        finally:
            for tensor, array in back:
                tensor.array = array
            self._swapped = False

    def copy_to(self, model: Any) -> None:
        """Write the means into a model of the same kind, which may be the averaged one: the end of training."""
        self._refuse_swapped("copy_to")
        names = {id(tensor): name for name, tensor, _ in self._entries()}
        model.load_state_dict({name: self.means[names[id(t)]] for name, _, _, t in self.model.state_entries()})

    def state_dict(self) -> dict[str, Any]:
        """Settings, the number of updates and the means (copies), as numbers and NumPy arrays."""
        settings = {"decay": self.decay, "buffers": self.buffers, "warm_up": self.warm_up, "updates": self.updates}
        return {**settings, "means": {name: np.array(move(mean, CPU)) for name, mean in self.means.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state of the same model; nothing changes unless all of it fits."""
        self._refuse_swapped("load_state_dict")
        wanted = {"decay", "buffers", "warm_up", "updates", "means"}
        if not isinstance(state, Mapping) or set(state) != wanted or not isinstance(state["means"], Mapping):
            raise StateError(f"EMA: a state has {', '.join(sorted(wanted))}, as state_dict() gives them")
        updates = state["updates"]
        if not is_number(updates) or updates < 0 or int(updates) != updates:
            raise StateError(f"EMA: 'updates' of the state must be a whole number from 0, not {updates!r:.60}")
        decay = number("EMA", "decay", state["decay"], CLOSED_SHARE)
        buffers, warm_up = (truth("EMA", name, state[name]) for name in ("buffers", "warm_up"))
        given = state["means"]
        differing = sorted(set(given) ^ set(self.means))
        if differing:
            where = "state" if differing[0] in given else "model"
            raise StateError(f"EMA: the state is of another model: only the {where} has {differing[0]!r}")
        means = {}
        for name, own in self.means.items():
            value = given[name].array if isinstance(given[name], Tensor) else given[name]
            if not is_array(value) or value.shape != own.shape or is_differentiable(own.dtype) != is_differentiable(value.dtype):  # fmt: skip
                found = f"{value.dtype} {tuple(value.shape)}" if is_array(value) else type(value).__name__
                raise StateError(f"EMA: {name!r} of the state must be {own.dtype} {tuple(own.shape)}, not {found}")
            means[name] = move(value, CPU).astype(own.dtype, order="C", copy=True)
        self.decay, self.buffers, self.warm_up, self.updates, self.means = decay, buffers, warm_up, int(updates), means

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _entries(self) -> list[tuple[str, Tensor, bool]]:
        """Names, tensors and whether they are buffers; each tensor once."""
        seen: set[int] = set()
        entries = []
        for name, holder, attribute, tensor in self.model.state_entries():
            if id(tensor) not in seen:
                seen.add(id(tensor))
                entries.append((name, tensor, attribute in holder._buffers))
        return entries

    def _check(self, entries: list[tuple[str, Tensor, bool]]) -> None:
        found = {name: tuple(tensor.shape) for name, tensor, _ in entries}
        if found != {name: mean.shape for name, mean in self.means.items()}:
            name = next(n for n in {**found, **self.means} if n not in found or n not in self.means or found[n] != self.means[n].shape)  # fmt: skip
            raise StateError(
                f"EMA: the model has changed since: {name!r} is no longer what it was; make a new EMA of the model as it is"
            )

    def _mean_like(self, name: str, tensor: Tensor) -> Array:
        """The mean of a tensor, moved to where the tensor is now."""
        mean = self.means[name]
        dtype = _mean_dtype(tensor)
        if type(mean) is not type(tensor.array) or mean.dtype != dtype:
            mean = self.means[name] = move(mean, tensor.device).astype(dtype)
        return mean

    def _share(self) -> float:
        """How much of the way to the present weights the means go in this update."""
        return 1 - (min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.warm_up else self.decay)

    def _next_share(self) -> float:
        self.updates += 1
        return self._share()

    def _mix(self, mean: Array, array: Array, decay: float) -> None:
        xp = namespace(mean)
        for m, value, _, scratch in blocks(mean, array, (), self._scratch):
            xp.subtract(value, m, out=scratch[0])
            xp.multiply(scratch[0], 1 - decay, out=scratch[0])
            xp.add(m, scratch[0], out=m)

    def _refuse_swapped(self, what: str) -> None:
        if self._swapped:
            raise SettingError(f"EMA: {what} inside swapped(): the model holds the means there; leave the block first")


def _mean_dtype(tensor: Tensor) -> Any:
    return state_dtype(tensor.dtype) if is_differentiable(tensor.dtype) else tensor.dtype


def _start(tensor: Tensor) -> Array:
    return tensor.array.astype(_mean_dtype(tensor), order="C", copy=True)
