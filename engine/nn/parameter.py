"""Parameters: leaf tensors that a module trains, filled with their initial values when they are first used.

Building a network and then loading its weights is the usual case; drawing millions of random numbers that are thrown away
is not worth waiting for. Each parameter gets its own random stream when it is made, so the values do not depend on when,
or in which order, parameters are first used.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import writes
from ..device import CPU, Device, DeviceLike, as_device, for_convolution, move
from ..dtype import Array, Dtype, DtypeLike, as_dtype, float32
from ..errors import ShapeError
from ..random import Split, default_generator, stream
from ..tensor import Tensor, tensor_of

__all__ = [
    "Parameter",
]

Fill = Callable[[np.random.Generator, tuple[int, ...]], Any]
"""Draws the initial values of a shape from a random stream."""


_filling = threading.RLock()


class _Pending:
    """What a parameter will be made from."""

    __slots__ = ("device", "dtype", "fill", "shape", "split")

    def __init__(self, shape: tuple[int, ...], dtype: Dtype, device: Device, fill: Fill, split: Split) -> None:
        self.shape = shape
        self.dtype = dtype
        self.device = device
        self.fill = fill
        self.split = split


class Parameter(Tensor):
    """A tensor that belongs to a module and wants a gradient.

    ``Parameter(data)`` holds given values; ``Parameter.of(shape)`` holds none yet, and the functions of ``nn.init`` say
    what it will hold.
    """

    __slots__ = ("_pending",)
    _pending: _Pending | None

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data)
        self._pending = None
        if requires_grad:
            self.requires_grad_(True)

    @classmethod
    def of(cls, *shape: int, device: DeviceLike | None = None, dtype: DtypeLike | None = None) -> Parameter:
        """A parameter of a shape, zero until an initialiser says otherwise; on the CPU and in float32, unless told."""
        if any(isinstance(size, bool) or not isinstance(size, int) or size < 0 for size in shape):
            raise ShapeError(f"Parameter: a shape is made of whole numbers from 0, not {shape}")
        made: Parameter = object.__new__(cls)
        made.requires_grad = True
        made.node = None
        made._pending = _Pending(
            shape,
            float32 if dtype is None else as_dtype(dtype),
            CPU if device is None else as_device(device),
            lambda _, size: np.zeros(size, np.float32),
            default_generator().split(),
        )
        return made

    def __getattr__(self, name: str) -> Any:
        if name == "array":
            # The slot is empty until the first use: fill it now, once, whichever thread comes first.
            with _filling:
                pending = self._pending
                if pending is not None:
                    values = np.asarray(pending.fill(stream(pending.split), pending.shape))
                    array = move(values.astype(pending.dtype, copy=False), pending.device)
                    self.array = for_convolution(array) if array.ndim > 3 else array
                    self._pending = None
            return self.array
        return super().__getattr__(name)

    # What is known before the values are.

    @property
    def shape(self) -> tuple[int, ...]:
        pending = self._pending
        return self.array.shape if pending is None else pending.shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> Dtype:
        pending = self._pending
        return self.array.dtype if pending is None else pending.dtype

    @property
    def device(self) -> Device:
        pending = self._pending
        return super().device if pending is None else pending.device

    @property
    def is_pending(self) -> bool:
        """Whether the values are still to be drawn."""
        return self._pending is not None

    def set_fill(self, fill: Fill) -> None:
        """Draw the values anew by ``fill``: at once, or at the first use if they are still pending."""
        split = default_generator().split()
        if self._pending is not None:
            self._pending.fill, self._pending.split = fill, split
        else:
            from ..ops import touch

            self.array[...] = move(
                np.asarray(fill(stream(split), self.shape)).astype(self.dtype, copy=False), self.device
            )
            touch(self)

    def set_array(self, array: Array) -> None:
        """Take ``array`` as the values, without a copy."""
        if tuple(array.shape) != self.shape:
            raise ShapeError(f"Parameter: values of shape {tuple(array.shape)} do not fit shape {self.shape}")
        self._pending = None
        self.array = for_convolution(array) if array.ndim > 3 else array
        self._forget()

    def convert(self, dtype: Dtype | None, device: Device | None) -> None:
        """Change dtype and device in place; gradients go along."""
        if self._pending is not None:
            self._pending.dtype = dtype or self._pending.dtype
            self._pending.device = device or self._pending.device
            return
        array = self.array if dtype is None else self.array.astype(dtype, copy=False)
        before = self.array
        self.array = array if device is None else move(array, device)
        if self.array.ndim > 3:
            self.array = for_convolution(self.array)
        if self.array is not before:
            self._forget()
        if self.grad is not None:
            self.grad = self.grad.to(dtype=self.dtype, device=self.device)

    def _forget(self) -> None:
        """It has another array: graphs that kept the old one refuse, and what was made of that one is let go."""
        self.twin = None
        writes.note(self)

    def detach(self) -> Tensor:
        return tensor_of(self.array)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        made: Parameter = object.__new__(type(self))
        made.requires_grad, made.node, made._pending = self.requires_grad, None, None
        if self._pending is not None:
            p = self._pending
            made._pending = _Pending(p.shape, p.dtype, p.device, p.fill, p.split)
        else:
            made.array = self.array.copy()
            if self.grad is not None:
                made.grad = tensor_of(self.grad.array.copy())
        memo[id(self)] = made
        return made

    def __repr__(self) -> str:
        if self._pending is not None:
            return f"Parameter({self._pending.dtype} {self._pending.shape}, not yet filled)"
        return "Parameter" + super().__repr__().removeprefix("tensor")
