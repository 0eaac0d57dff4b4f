"""The scale of losses on a GPU, with the flags that gradients raise there: so a step waits for nothing, and can be captured."""

from __future__ import annotations

from collections.abc import Sequence

from ..capturing import keep_in_capture
from ..device import CPU, Device, device_of, gpu_kernels, move, refuse_host
from ..dtype import Array, accumulator
from ..errors import GradientError
from ..tensor import Tensor, tensor_of

__all__ = ["DeviceScale"]

FLAGS = 64
"""Optimisers that may step between two updates of the scale."""


class DeviceScale:
    """The scale, the good steps in a row and what they follow, in a GPU's memory; and a flag for each optimiser of a round."""

    def __init__(self, like: Array, numbers: Sequence[float]) -> None:
        refuse_host("a GradScaler is used for the first time")
        kernels = gpu_kernels("training.optimizers")
        self.device: Device = device_of(like)
        self._numbers: Array = kernels.empty_numbers()
        self._flags: Array = kernels.empty_flags(FLAGS)
        self._raised = 0
        self.write(numbers)

    def write(self, numbers: Sequence[float]) -> None:
        """Start from these: scale, good steps, growth factor, backoff factor, growth interval."""
        scale, good, *rest = numbers
        gpu_kernels("training.optimizers").write_numbers(self._numbers, (scale, 1 / scale, good, *rest))

    def restart(self, numbers: Sequence[float]) -> None:
        """The same at the beginning of a round: flags that were raised in one that was given up count no more."""
        gpu_kernels("training.optimizers").update_scale(self._numbers, self._flags, FLAGS, False, numbers[0])
        self._raised = 0
        self.write(numbers)

    def read(self) -> tuple[float, int]:
        """The scale, and the good steps in a row; this waits for the GPU."""
        found = move(self._numbers, CPU)
        return float(found[0]), int(found[2])

    def times(self, outputs: Tensor) -> Tensor:
        """A loss times the scale."""
        keep_in_capture(f"scale {id(self)}", lambda: self)
        wide = outputs.to(dtype=accumulator(outputs.dtype))
        scaled: Tensor = wide * tensor_of(self._numbers[0:1].reshape(())).to(dtype=wide.dtype)
        return scaled.to(dtype=outputs.dtype)

    def divide(self, gradients: Sequence[Array]) -> Array:
        """Divide gradients by the scale, in place; gives the flag that is raised if one is not finite."""
        if self._raised == FLAGS:
            raise GradientError(f"GradScaler: more than {FLAGS} optimisers were unscaled since the last update()")
        flag = self._flags[self._raised : self._raised + 1]
        self._raised += 1
        gpu_kernels("training.optimizers").scale_all(gradients, self._numbers[1:2], flag)
        return flag

    def update(self, wrong: bool, given: float = 0.0) -> None:
        """The scale of the next round: see ``GradScaler.update``; ``wrong``: a flag was raised on the CPU."""
        keep_in_capture(f"scale {id(self)}", lambda: self)
        gpu_kernels("training.optimizers").update_scale(self._numbers, self._flags, self._raised, wrong, given)
        self._raised = 0
