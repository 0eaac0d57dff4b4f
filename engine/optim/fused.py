"""Steps on a GPU: the parameters of a group that have one dtype and one count of steps change in one launch.

Where parameters and states lie stays the same from step to step, and is told to the GPU once. In a captured step the numbers
of the step (rates, corrections) are read from memory on the GPU, which is written before each replay. A step that a flag on the GPU may
leave out (see ``GradScaler``) is counted there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from operator import is_
from typing import TYPE_CHECKING, Any

import numpy as np

from ..capturing import before_each_replay
from ..device import gpu_kernels, namespace, write_into
from ..dtype import Array, Dtype, bfloat16, float16, float32, float64
from ..tensor import Tensor, tensor_of
from ..writes import note_all
from .counted import Live, StepCount

if TYPE_CHECKING:
    from .blocks import Elementwise

__all__ = ["Averages", "FusedPlan", "apart", "in_place_on_gpu", "is_whole", "laid_like", "owned_on_gpu"]

FLOATS: tuple[Dtype, ...] = (float32, float64, float16, bfloat16)
"""What the GPU's rules are written for."""


def is_whole(array: Array) -> bool:
    """Whether an array fills its memory without gaps, in whatever order of its axes: weights of convolutions have their own on a GPU."""
    if array.flags.c_contiguous:
        return True
    step = array.itemsize
    for stride, size in sorted(zip(array.strides, array.shape, strict=True)):
        if size != 1:
            if stride != step:
                return False
            step *= size
    return True


def laid_like(array: Array, model: Array) -> Array:
    """The array, or a copy whose memory is in the order of ``model``, which is whole and of the same shape."""
    if array.strides == model.strides and array.itemsize == model.itemsize:
        return array
    if array.flags.c_contiguous and model.flags.c_contiguous:
        return array
    copy = namespace(array).empty_like(model, dtype=array.dtype)
    write_into(copy, array)
    return copy


class _Bucket:
    """Parameters of one dtype and step, their states, and the launch that changes them."""

    def __init__(
        self, optimizer: Elementwise, group: dict[str, Any], places: list[int], parameters: list[Tensor], names: Sequence[str], fresh: bool
    ) -> None:  # fmt: skip
        self.places, self.parameters, self.names, self.fresh = places, parameters, names, fresh
        self.arrays = [p.array for p in parameters]
        self.held = [optimizer.kept[p] for p in parameters]
        self.step: int = self.held[0].get("step", 0)
        self.strides = [array.strides for array in self.arrays]
        self.views = [[state[name] for name in names] for state in self.held]
        self.flat_views = list(chain.from_iterable(self.views))
        self._update = gpu_kernels("training.optimizers").Update(
            optimizer.fused, self.arrays, self.views, self.arrays[0].dtype, **optimizer.variant(group)
        )
        self._live: Live | None = None
        self._count: StepCount | None = None
        self._started_fresh = fresh

    def holds(self, states: dict[Tensor, dict[str, Any]]) -> bool:
        """Whether everything is where it was: nobody gave a parameter or a state other memory."""
        if not all(map(is_, self.arrays, [p.array for p in self.parameters])):
            return False
        if not all(map(is_, self.held, map(states.get, self.parameters))):
            return False
        names, held = self.names, self.held
        if not all(map(is_, self.flat_views, [state.get(name) for state in held for name in names])):
            return False
        return [state.get("step", 0) for state in held].count(self.step) == len(held)

    def change(self, optimizer: Elementwise, group: dict[str, Any], gradients: list[Array]) -> None:
        """Take the step, or in a capture record it."""
        own = [
            gradient if gradient.strides == strides else laid_like(gradient, array)  # both are of one dtype
            for gradient, strides, array in zip(gradients, self.strides, self.arrays, strict=True)
        ]
        if optimizer.unless is not None:
            self._change_unless(optimizer, group, own, optimizer.unless)
            return
        if self._count is not None:
            self.settle(optimizer)
            self._count.forget()

        def ahead() -> None:
            assert self._live is not None
            self._live.write(self._next(optimizer, group))

        if before_each_replay(ahead):
            self._live = self._live or Live()
            self._update(own, (), self._live.array)
        else:
            self._update(own, self._next(optimizer, group))
        note_all(self.parameters)

    def _next(self, optimizer: Elementwise, group: dict[str, Any]) -> tuple[float, ...]:
        """The numbers of the next step, which is counted."""
        fresh, self.fresh = self.fresh, False
        if optimizer.counts:
            self._note(self.step + 1)
        optimizer.untaken.difference_update(self.parameters)
        return optimizer.constants(group, self.step, fresh)

    def _note(self, step: int) -> None:
        self.step = step
        for state in self.held:
            state["step"] = step

    # ---- steps that may be left out -------------------------------------------------------------------------------

    def _change_unless(
        self, optimizer: Elementwise, group: dict[str, Any], gradients: list[Array], left_out: Array
    ) -> None:
        """Take the step unless the flag is raised when the GPU comes to it, which counts."""
        count = self._count = self._count or StepCount()

        def begun() -> tuple[float, ...]:
            count.begin(self.step if optimizer.counts else int(not self.fresh))
            if optimizer.counts:
                self._note(self.step + 1)  # until somebody asks
            return optimizer.uncounted(group)

        numbers = None if before_each_replay(lambda: count.write(begun())) else begun()
        live = count.count(optimizer.fused, numbers, optimizer.pair(group), left_out)
        self._update(gradients, (), live, left_out)
        note_all(self.parameters)

    def settle(self, optimizer: Elementwise) -> None:
        """Hear from the GPU how many steps were taken, if it alone knows."""
        if self._count is None or not self._count.is_owed:
            return
        taken = self._count.taken()
        self.fresh = self._started_fresh and not taken
        if optimizer.counts:
            self._note(taken)
        (optimizer.untaken.update if self.fresh else optimizer.untaken.difference_update)(self.parameters)


class FusedPlan:
    """Which parameters of a group change together on the GPU; ``rest`` are the places of the others."""

    def __init__(self, optimizer: Elementwise, group: dict[str, Any], parameters: list[Tensor]) -> None:
        self.parameters = parameters
        self.names = optimizer.names(group)
        self.settings = optimizer.variant(group)
        self.rest: list[int] = []
        self.buckets: list[_Bucket] = []
        alike: dict[Any, list[int]] = {}
        served = [place for place, p in enumerate(parameters) if _is_served(p.array)]
        together, _ = apart(parameters, served)
        kept = set(together)
        self.rest = [place for place in range(len(parameters)) if place not in kept]
        for place in together:
            parameter = parameters[place]
            state = optimizer.kept.setdefault(parameter, {})
            fresh = optimizer.fill(parameter.array, state, group) or parameter in optimizer.untaken
            for name in self.names:  # numbers that belong together must have the same place in memory
                state[name] = laid_like(state[name], parameter.array)
            key = (parameter.array.dtype, parameter.array.device.id, state.get("step", 0), fresh)
            alike.setdefault(key, []).append(place)
        for key, places in alike.items():
            own = [parameters[place] for place in places]
            self.buckets.append(_Bucket(optimizer, group, places, own, self.names, key[-1]))

    def fits(self, optimizer: Elementwise, group: dict[str, Any], parameters: list[Tensor]) -> bool:
        """Whether it is of these parameters, and still true."""
        return (
            len(parameters) == len(self.parameters)
            and all(map(is_, parameters, self.parameters))
            and self.names == optimizer.names(group)
            and self.settings == optimizer.variant(group)
            and all(bucket.holds(optimizer.kept) for bucket in self.buckets)
        )

    def change(self, optimizer: Elementwise, group: dict[str, Any], gradients: list[Array]) -> None:
        """Change all but the ``rest``."""
        for bucket in self.buckets:
            bucket.change(optimizer, group, [gradients[place] for place in bucket.places])


class Averages:
    """Running means of arrays on a GPU, moved by one launch for each pair of dtypes."""

    def __init__(self, means: list[Array], arrays: list[Array]) -> None:
        self.means, self.dtypes = means, [array.dtype for array in arrays]
        groups: dict[Any, list[int]] = {}
        for place, (mean, array) in enumerate(zip(means, arrays, strict=True)):
            groups.setdefault((mean.dtype, array.dtype), []).append(place)
        update = gpu_kernels("training.optimizers").Update
        self._updates = [
            (places, update("average", [means[place] for place in places], [()] * len(places), key[1]))
            for key, places in groups.items()
        ]
        self._live: Live | None = None

    def is_of(self, means: list[Array], arrays: list[Array]) -> bool:
        """Whether it was made for these very means, and arrays of the same dtypes."""
        return (
            len(means) == len(self.means)
            and all(map(is_, means, self.means))
            and [array.dtype for array in arrays] == self.dtypes
        )

    def move(self, arrays: list[Array], share: Callable[[], float]) -> None:
        """Move each mean by the ``share`` of its way, which is asked anew before each replay of a captured step."""

        def ahead() -> None:
            assert self._live is not None
            self._live.write((share(),))

        live, numbers = None, (0.0,)
        if before_each_replay(ahead):
            self._live = self._live or Live()
            live = self._live.array
        else:
            numbers = (share(),)
        for places, update in self._updates:
            update([arrays[place] for place in places], numbers, live)


def owned_on_gpu(parameters: Sequence[Tensor]) -> list[Array] | None:
    """The gradients' arrays, each in one piece of memory that nobody else sees; None if they are not all on a GPU.

    A gradient that shares its memory, or that is a part of a graph, is replaced by a copy.
    """
    arrays: list[Array] = [p.grad.array for p in parameters]  # type: ignore[union-attr]
    if not arrays or any(isinstance(array, np.ndarray) or array.dtype not in FLOATS for array in arrays):
        return None
    owners = [id(_owner(array)) for array in arrays]
    shared = Counter(owners)
    for place, (parameter, array) in enumerate(zip(parameters, arrays, strict=True)):
        if shared[owners[place]] > 1 or not is_whole(array) or parameter.grad.node is not None:  # type: ignore[union-attr]
            arrays[place] = namespace(array).array(array)
            parameter.grad = tensor_of(arrays[place])
    return arrays


def _owner(array: Array) -> Any:
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


def in_place_on_gpu(array: Array) -> bool:
    """Whether the GPU's launches over many arrays take this one as it is, beside others in row order."""
    return _is_served(array) and array.flags.c_contiguous


def _is_served(array: Array) -> bool:
    return not isinstance(array, np.ndarray) and array.size > 0 and array.dtype in FLOATS and is_whole(array)


def apart(parameters: Sequence[Tensor], places: Sequence[int]) -> tuple[list[int], list[int]]:
    """Those that share no memory, and the others: what two parameters share must be changed by one after the other."""
    together: list[int] = []
    alone: list[int] = []
    end = 0
    for place in sorted(places, key=lambda p: _address(parameters[p].array)):
        array = parameters[place].array
        start = _address(array)
        (together if start >= end else alone).append(place)
        end = max(end, start + array.nbytes)
    return sorted(together), alone


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0] if isinstance(array, np.ndarray) else array.data.ptr
    return address
