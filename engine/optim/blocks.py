"""Updates that work on each number by itself, fused: block by block, and many small parameters as one.

A step of Adam makes a dozen passes over a parameter and its states. NumPy makes them one after another, so a large array goes
through memory a dozen times; cut into blocks that stay in the cache, it goes through once. A parameter of a few hundred numbers
costs the dozen calls instead; so the small ones of a group, whose states lie end to end in one array, are gathered, changed by
one set of calls and put back. What ``parameter.array`` is does not change, and neither does a single bit of the result.
A large array is changed by the CPU's kernels, where these have the rule: to the last bits, and always the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from ..device import CPU, cpu_rules, device_of, move, namespace, threads
from ..dtype import Array, Dtype, kind
from ..errors import ArgumentError
from ..ops import touch
from ..team import together
from ..tensor import Tensor
from .buckets import Bucket, Plan
from .fused import FusedPlan
from .optimizer import Optimizer
from .state import state_dtype

BLOCK = 1 << 16
"""Numbers per block on the CPU. Five float32 arrays of this length are 1.3 MB: measured on AdamW with 36 million weights, blocks
of 8192, 16384, 65536 and 131072 numbers took 166, 133, 97 and 91 ms, uncut arrays 128 ms."""
DEVICE_BLOCK = 1 << 22
SHARED = 2 * BLOCK
"""Numbers of a parameter from which on another thread takes a part: less would not be worth waking it for."""
UNCOUNTED = 1 << 62
"""So many steps that running means have no start-up bias any more."""
SMALL = 4096
"""Parameters of at most this many numbers are changed together. Above, gathering costs what the calls save."""

Work = tuple[Array, Array, list[Array], list[Array]]
"""A block: parameter (changed in place), gradient (to be read only), states (changed in place), scratch."""


class Elementwise(Optimizer):
    """An optimiser whose update treats every number by itself: a kind says it for one block, as ``rule``."""

    arrays: ClassVar[tuple[str, ...]] = ()
    """Names of the states that it always keeps."""
    optional_arrays: ClassVar[tuple[str, ...]] = ()
    """Names of the states that some settings want."""
    counts: ClassVar[bool] = True
    """Whether a state counts its steps."""
    gathers: ClassVar[bool] = True
    """Whether small parameters may be changed together."""
    fused: ClassVar[str] = ""
    """The kernels' name of ``rule``, whose numbers are ``constants``; a kind that says its rule anew has none."""

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if "fused" not in vars(cls) and vars(cls).keys() & {"rule", "numbers", "update", "update_group"}:
            cls.fused = ""

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)
        self._scratch: dict[int, dict[Any, list[Array]]] = {}  # for each thread of a team
        self._plans: dict[int, Plan] = {}
        self._fused: dict[int, FusedPlan] = {}
        self.untaken: set[Tensor] = set()
        """Parameters whose states were made for a step that was left out."""

    @property
    def leaves_out(self) -> bool:
        return bool(self.fused)

    def settle(self) -> None:
        for plan in self._fused.values():
            for bucket in plan.buckets:
                bucket.settle(self)

    def names(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The states that these settings want, in the order in which ``rule`` gets them."""
        return self.arrays

    def start(self, name: str, group: dict[str, Any]) -> float:
        """What a state holds before the first step."""
        return 0.0

    def numbers(self, group: dict[str, Any], step: int, fresh: bool) -> Any:
        """What ``rule`` needs to know of the settings in this step, worked out once; ``fresh``: the states are new."""
        return group

    def constants(self, group: dict[str, Any], step: int, fresh: bool) -> tuple[float, ...]:
        """What the kernels' rule needs to know in this step, in the order of ``optimizers.cu``."""
        raise ArgumentError(f"{type(self).__name__} defines no constants()")

    def uncounted(self, group: dict[str, Any]) -> tuple[float, ...]:
        """The same without what depends on the count of steps, which the GPU adds by itself where a step may be left out."""
        return self.constants(group, UNCOUNTED, False)

    def pair(self, group: dict[str, Any]) -> tuple[float, float]:
        """The settings by which it does."""
        return group.get("betas", (0.0, 0.0))  # type: ignore[no-any-return]

    def variant(self, group: dict[str, Any]) -> dict[str, int]:
        """Settings that the GPU's rule is compiled for."""
        return {}

    def rule(self, xp: Any, p: Array, g: Array, states: list[Array], scratch: list[Array], numbers: Any) -> None:
        """Change one block of a parameter and its states in place; the gradient is only read."""
        raise ArgumentError(f"{type(self).__name__} defines no rule()")

    def state_shapes(self, parameter: Tensor, group: dict[str, Any]) -> dict[str, tuple[int, ...] | None]:
        shapes: dict[str, tuple[int, ...] | None] = dict.fromkeys(
            (*self.arrays, *self.optional_arrays), parameter.shape
        )
        if self.counts:
            shapes["step"] = None
        return shapes

    def optional_states(self) -> tuple[str, ...]:
        return self.optional_arrays

    # ---- one parameter --------------------------------------------------------------------------------------------

    def prepare(self, array: Array, state: dict[str, Any], group: dict[str, Any]) -> tuple[list[Array], Any]:
        """The state's arrays, made if they are missing, and the numbers of this step, which is counted."""
        fresh = self.fill(array, state, group)
        step = 0
        if self.counts:
            step = state["step"] = state.get("step", 0) + 1
        return [state[name] for name in self.names(group)], self.numbers(group, step, fresh)

    def fill(self, array: Array, state: dict[str, Any], group: dict[str, Any]) -> bool:
        """Make the state's arrays that are missing; gives whether any was."""
        names = self.names(group)
        dtype = state_dtype(array.dtype)
        fresh = False
        for name in names:
            held = state.get(name)
            if held is None:
                fresh = True
                state[name] = namespace(array).empty(array.shape, dtype)
                state[name].fill(self.start(name, group))
            elif type(held) is not type(array) or held.dtype != dtype or not held.flags.c_contiguous:
                # The model was moved or changed its dtype since.
                state[name] = move(held, device_of(array)).astype(dtype, order="C")
        return fresh

    def update(self, parameter: Tensor, gradient: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        array = parameter.array
        xp = namespace(array)
        fresh = any(name not in state for name in self.names(group))
        arrays, numbers = self.prepare(array, state, group)
        rule = cpu_rules().get(self.fused) if xp is np and array.size > SMALL else None
        if rule is not None and rule(array, gradient, arrays, self.constants(group, state.get("step", 0), fresh)):
            return
        parts = shares(array, gradient, arrays)

        def work(member: int) -> None:
            with np.errstate(all="ignore"):
                pool = self._scratch.setdefault(member, {})
                for p, g, states, scratch in blocks(*parts[member], pool):
                    self.rule(xp, p, g, states, scratch, numbers)

        together(work, len(parts))

    # ---- many small ones ------------------------------------------------------------------------------------------

    def update_group(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Array]) -> None:
        if self.fused and not isinstance(parameters[0].array, np.ndarray):
            places = self._update_fused(group, parameters, gradients)
            if places and self.unless is not None and move(self.unless, CPU).any():
                return
            parameters, gradients = [parameters[place] for place in places], [gradients[place] for place in places]
            super().update_group(group, parameters, gradients)
            return
        if not self.gathers:
            super().update_group(group, parameters, gradients)
            return
        plan = self._plans.get(id(group))
        if plan is None or not plan.is_of(parameters):
            # New company; it is worth arranging once it comes a second time.
            self._plans[id(group)] = Plan(parameters, SMALL, BLOCK)
            super().update_group(group, parameters, gradients)
            return
        names = self.names(group)
        if not plan.fits(names, self.kept):
            plan.arrange(names, self.kept)
        for bucket in plan.buckets:
            self._update_bucket(group, bucket, [gradients[place] for place in bucket.places])
        for place in plan.rest:
            self.update_one(group, parameters[place], gradients[place])

    def _update_fused(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Array]) -> list[int]:
        """Change what the GPU's rule serves, in one launch or a few; gives the places of the others."""
        plan = self._fused.get(id(group))
        if plan is None or not plan.fits(self, group, parameters):
            if plan is not None:
                self.settle()
            plan = self._fused[id(group)] = FusedPlan(self, group, parameters)
        plan.change(self, group, gradients)
        return plan.rest

    def _update_bucket(self, group: dict[str, Any], bucket: Bucket, gradients: list[Array]) -> None:
        xp, p = bucket.xp, bucket.flat
        _, g, *scratch = scratch_of(xp, bucket.dtype, p.size, self._scratch.setdefault(0, {}))
        xp.concatenate(bucket.arrays, axis=None, out=p)
        xp.concatenate(gradients, axis=None, out=g)
        if self.counts:
            bucket.step += 1
            for state in bucket.held:
                state["step"] = bucket.step
        self.rule(xp, p, g, bucket.states, scratch, self.numbers(group, bucket.step, False))
        for parameter, array, result in zip(bucket.parameters, bucket.arrays, bucket.results, strict=True):
            array[...] = result
            touch(parameter)

    def load_state_dict(self, state: Any) -> None:
        super().load_state_dict(state)
        self._plans.clear()
        self._fused.clear()
        self.untaken.clear()

    def __getstate__(self) -> dict[str, Any]:
        self.settle()
        return {**super().__getstate__(), "_scratch": {}, "_plans": {}, "_fused": {}}


def shares(array: Array, gradient: Array, states: list[Array]) -> list[tuple[Array, Array, list[Array]]]:
    """A large parameter, its gradient and its states cut into as many parts as there are threads; others in one."""
    count = array.size // SHARED if isinstance(array, np.ndarray) else 0
    if (
        count < 2
        or not array.flags.c_contiguous
        or not gradient.flags.c_contiguous
        or (members := min(count, threads())) < 2
    ):
        return [(array, gradient, states)]
    flats = [values.reshape(-1) for values in (array, gradient, *states)]
    step = -(-array.size // (members * BLOCK)) * BLOCK
    cuts = [[flat[start : start + step] for flat in flats] for start in range(0, array.size, step)]
    return [(part[0], part[1], part[2:]) for part in cuts]


def blocks(array: Array, gradient: Array, states: Sequence[Array], pool: dict[Any, list[Array]]) -> Iterator[Work]:
    """Cut a parameter, its gradient and its states into blocks, each a vector of the states' dtype.

    What lies in memory in another order, or in a narrower dtype, is copied to scratch block by block, and the parameter back.
    """
    xp, size = namespace(array), array.size
    if not size:
        return
    if kind(array.dtype) == 3:
        yield from _complex_blocks(array, gradient, states, pool)
        return
    dtype = state_dtype(array.dtype)
    limit = BLOCK if xp is np else DEVICE_BLOCK
    whole_p, whole_g = array.flags.c_contiguous, gradient.flags.c_contiguous
    staged_p, staged_g = not whole_p or array.dtype != dtype, not whole_g or gradient.dtype != dtype
    if whole_p and whole_g:
        array, gradient, row = array.reshape(-1), gradient.reshape(-1), 1
    else:
        row = size // array.shape[0]
    flats = [state.reshape(-1) for state in states]
    count = max(limit // row, 1)
    room_p, room_g, *scratch = scratch_of(xp, dtype, min(count * row, size), pool)
    vector = array.reshape(-1) if whole_p else array
    for first in range(0, array.shape[0], count):
        last = min(first + count, array.shape[0])
        start, stop = first * row, last * row
        length = stop - start
        p = room_p[:length] if staged_p else vector[start:stop]
        g = room_g[:length] if staged_g else gradient.reshape(-1)[start:stop]
        if staged_p:
            p.reshape(array[first:last].shape)[...] = array[first:last]
        if staged_g:
            g.reshape(gradient[first:last].shape)[...] = gradient[first:last]
        if length == size:
            yield p, g, flats, [s[:length] for s in scratch]
        else:
            yield p, g, [flat[start:stop] for flat in flats], [s[:length] for s in scratch]
        if staged_p:
            array[first:last] = p.reshape(array[first:last].shape)


def _complex_blocks(
    array: Array, gradient: Array, states: Sequence[Array], pool: dict[Any, list[Array]]
) -> Iterator[Work]:
    """Complex numbers as pairs of real ones, as PyTorch's optimisers see them."""
    xp = namespace(array)
    real = np.dtype(f"f{array.dtype.itemsize // 2}")
    held = xp.ascontiguousarray(array)

    def pairs(values: Array) -> Array:
        return values.reshape(-1).view(real)

    yield from blocks(pairs(held), pairs(xp.ascontiguousarray(gradient)), [pairs(state) for state in states], pool)
    if held is not array:
        array[...] = held.reshape(array.shape)


def directed(
    xp: Any, p: Array, g: Array, room: Array, spare: Array, group: dict[str, Any], decay: bool = True
) -> Array:
    """The gradient to step along: turned for ``maximize``, with the ``weight_decay`` share of the parameter; in ``room`` if it changed."""
    if group["maximize"]:
        g = xp.negative(g, out=room)
    if decay and group["weight_decay"]:
        xp.multiply(p, group["weight_decay"], out=spare)
        g = xp.add(g, spare, out=room)
    return g


def scratch_of(xp: Any, dtype: Dtype, size: int, pool: dict[Any, list[Array]]) -> list[Array]:
    """Five vectors of ``size`` to write in, the same ones each time."""
    held = pool.get((xp, dtype))
    if held is None or held[0].size < size:
        held = pool[xp, dtype] = [xp.empty(size, dtype) for _ in range(5)]
    return held if held[0].size == size else [vector[:size] for vector in held]
