"""Random numbers, reproducible from one seed.

Numbers come from NumPy's Philox generator, counter-based, so that streams can be split off without overlap. On a GPU they come
from a Philox of its own, which draws there: the same again from the same seed, but other numbers than the CPU's.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from . import device as devices
from .device import CPU, Device, DeviceLike
from .dtype import DtypeLike, as_dtype, float32, float64, is_floating
from .errors import DtypeError, SettingError, ShapeError
from .tensor import Tensor

Split: TypeAlias = tuple[Any, int]
"""The seed of a stream split off another: the parent's entropy, and which child it is."""


def _seed(name: str, seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise SettingError(f"{name}: the seed must be a whole number from 0, not {seed!r:.60}")
    return int(seed)


class Generator:
    """A stream of random numbers. ``split`` gives an independent stream, one after another from the same seed."""

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None:
            seed = _seed("Generator", seed)
        sequence = np.random.SeedSequence(seed)
        self._entropy = sequence.entropy
        self._children = 0
        self.numpy = np.random.Generator(np.random.Philox(sequence))
        # Streams of GPUs keep their memory, which captured steps read.
        self._gpu: dict[int, Any] = getattr(self, "_gpu", {})
        for index, held in self._gpu.items():
            held.start(self._key(index))

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream anew."""
        self.__init__(_seed("manual_seed", seed))  # type: ignore[misc]
        return self

    def split(self) -> Split:
        """The seed of an independent stream; it costs nothing until ``stream`` makes it one."""
        self._children += 1
        return self._entropy, self._children

    def on(self, device: Device) -> Any:
        """The stream of a GPU, which draws there. It follows from the seed, and is another than the CPU's."""
        held = self._gpu.get(device.index)
        if held is None:
            devices.refuse_host("random numbers are drawn for the first time")
            with devices.cupy().cuda.Device(device.index):
                held = self._gpu[device.index] = devices.gpu_kernels("layers.drawing").Stream(self._key(device.index))
        return held

    def _key(self, index: int) -> int:
        sequence = np.random.SeedSequence(self._entropy, spawn_key=(0, index))
        return int(sequence.generate_state(1, np.uint64)[0])

    def get_state(self) -> dict[str, Any]:
        """Where the stream stands, and those of GPUs that have drawn, for a checkpoint."""
        state = {"bits": self.numpy.bit_generator.state, "entropy": self._entropy, "children": self._children}
        return {**state, "gpu": {str(index): held.drawn() for index, held in self._gpu.items()}} if self._gpu else state

    def mark(self) -> dict[str, Any]:
        """As ``get_state``, but where GPUs stand stays in their memory, so that nothing waits for them."""
        state = {"bits": self.numpy.bit_generator.state, "entropy": self._entropy, "children": self._children}
        return {**state, "gpu": {str(index): held.state.copy() for index, held in self._gpu.items()}}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where ``get_state`` or ``mark`` stood."""
        self.numpy.bit_generator.state = state["bits"]
        self._entropy, self._children = state["entropy"], state["children"]
        drawn = {int(index): place for index, place in state.get("gpu", {}).items()}
        for index in drawn:
            if index not in self._gpu and devices.has_gpu(index):
                self.on(Device("cuda", index))
        for index, held in self._gpu.items():
            place = drawn.get(index, 0)
            if isinstance(place, int):
                held.start(self._key(index), place)
            else:
                held.state[...] = place


def stream(split: Split) -> np.random.Generator:
    """The stream that a split seed stands for."""
    entropy, child = split
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy, spawn_key=(child,))))


_default = Generator(0)


def default_generator() -> Generator:
    """The stream that everything draws from when none is named. Its seed is 0 at first: runs repeat."""
    return _default


def manual_seed(seed: int) -> Generator:
    """Start the default stream anew from ``seed``."""
    return _default.manual_seed(seed)


def _stream(generator: Generator | None) -> np.random.Generator:
    return (generator or _default).numpy


def _gpu_stream(generator: Generator | None, device: DeviceLike) -> Any:
    """The stream that draws where the numbers are wanted; None for the CPU."""
    place = devices.as_device(device)
    return None if place == CPU else (generator or _default).on(place)


def _size(name: str, shape: Any) -> tuple[int, ...]:
    """A shape from ``f(2, 3)``, ``f((2, 3))`` or one number; checked."""
    if isinstance(shape, tuple) and len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = shape[0]
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if any(isinstance(v, bool) or not isinstance(v, (int, np.integer)) or v < 0 for v in sizes):
        raise ShapeError(f"{name}: a shape is made of whole numbers from 0, not {shape!r:.60}")
    return sizes


def _floating(name: str, dtype: DtypeLike) -> np.dtype[Any]:
    """The dtype to draw in; numbers that are no integers cannot be kept in others."""
    kind = as_dtype(dtype)
    if not is_floating(kind):
        raise DtypeError(f"{name}: draws floating-point numbers, which {kind} cannot hold; use randint for integers")
    return float64 if kind == float64 else float32


def _wrap(values: Any, dtype: DtypeLike, device: DeviceLike, requires_grad: bool = False) -> Tensor:
    array = np.asarray(values).astype(as_dtype(dtype), copy=False)
    return Tensor(devices.move(array, devices.as_device(device)), requires_grad=requires_grad)


def rand(
    *shape: Any,
    size: Any = None,
    dtype: DtypeLike = float32,
    device: DeviceLike = CPU,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers spread evenly over [0, 1)."""
    shape = shape if size is None else (size,)
    kind = _floating("rand", dtype)
    gpu = _gpu_stream(generator, device)
    if gpu is not None:
        return Tensor(gpu.uniform(_size("rand", shape), as_dtype(dtype)), requires_grad=requires_grad)
    return _wrap(_stream(generator).random(_size("rand", shape), dtype=kind.type), dtype, device, requires_grad)


def randn(
    *shape: Any,
    size: Any = None,
    dtype: DtypeLike = float32,
    device: DeviceLike = CPU,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers from the normal distribution of mean 0 and standard deviation 1."""
    shape = shape if size is None else (size,)
    kind = _floating("randn", dtype)
    gpu = _gpu_stream(generator, device)
    if gpu is not None:
        return Tensor(gpu.normal(_size("randn", shape), as_dtype(dtype)), requires_grad=requires_grad)
    values = _stream(generator).standard_normal(_size("randn", shape), dtype=kind.type)
    return _wrap(values, dtype, device, requires_grad)


def uniform(
    low: float,
    high: float,
    shape: Any,
    *,
    dtype: DtypeLike = float32,
    device: DeviceLike = CPU,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers spread evenly over [low, high)."""
    _floating("uniform", dtype)
    if not -np.inf < low <= high < np.inf:
        raise SettingError(f"uniform: low ({low}) must not lie above high ({high}), and both must be finite")
    gpu = _gpu_stream(generator, device)
    if gpu is not None:
        return Tensor(gpu.uniform(_size("uniform", shape), as_dtype(dtype), low, high))
    return _wrap(_stream(generator).uniform(low, high, _size("uniform", shape)), dtype, device)


def normal(
    mean: Any,
    std: Any,
    size: Any = None,
    *,
    dtype: DtypeLike = float32,
    device: DeviceLike = CPU,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers from the normal distribution of ``mean`` and ``std``; without a shape, one for each element of these, which may be tensors."""
    if size is None:
        from .sampling import normal_of

        return normal_of(mean, std, generator=generator)
    _floating("normal", dtype)
    if not 0 <= std < np.inf:
        raise SettingError(f"normal: std must be at least 0 and finite, not {std}")
    gpu = _gpu_stream(generator, device)
    if gpu is not None:
        return Tensor(gpu.normal(_size("normal", size), as_dtype(dtype), mean, std))
    return _wrap(_stream(generator).normal(mean, std, _size("normal", size)), dtype, device)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    dtype: DtypeLike = "int64",
    device: DeviceLike = CPU,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Whole numbers from ``low`` up to but not including ``high``; ``randint(high, size)`` begins at 0."""
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if any(isinstance(v, bool) or not isinstance(v, (int, np.integer)) for v in (low, high)) or high <= low:
        raise SettingError(f"randint: wants whole numbers, high above low, not low={low!r:.40} and high={high!r:.40}")
    if low < -(2**63) or high > 2**63:
        raise SettingError(f"randint: {low} to {high} does not fit int64")
    gpu = _gpu_stream(generator, device)
    if gpu is not None:
        return Tensor(
            gpu.integers(_size("randint", size), as_dtype(dtype), int(low), int(high)), requires_grad=requires_grad
        )
    return _wrap(_stream(generator).integers(low, high, _size("randint", size)), dtype, device, requires_grad)


def randperm(
    n: int, *, dtype: DtypeLike = "int64", device: DeviceLike = CPU, generator: Generator | None = None
) -> Tensor:
    """The numbers 0 to ``n`` - 1 in random order, drawn on the CPU."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise SettingError(f"randperm: the count must be a whole number from 0, not {n!r:.60}")
    return _wrap(_stream(generator).permutation(int(n)), dtype, device)


def bernoulli(
    probability: Any,
    shape: Any = None,
    *,
    dtype: DtypeLike = float32,
    device: DeviceLike = CPU,
    generator: Generator | None = None,
) -> Tensor:
    """1 with ``probability``, else 0; without a shape, for each element of a tensor of probabilities, in its dtype and place."""
    if shape is None:
        from .sampling import bernoulli_of

        return bernoulli_of(probability, generator=generator)
    if not 0.0 <= probability <= 1.0:
        raise SettingError(f"bernoulli: the probability must lie between 0 and 1, not {probability}")
    gpu = _gpu_stream(generator, device)
    if gpu is not None:
        return Tensor(gpu.bernoulli(_size("bernoulli", shape), as_dtype(dtype), float(probability)))
    draws = _stream(generator).random(_size("bernoulli", shape), dtype=np.float32)
    return _wrap(draws < probability, dtype, device)
