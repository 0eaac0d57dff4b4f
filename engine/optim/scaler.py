"""Scaling a loss so that float16 gradients neither vanish nor stay infinite (Micikevicius et al., "Mixed precision training", 2018).

scaler = GradScaler()
with engine.precision("fp16"):
    loss = criterion(model(x), y)
scaler.scale(loss).backward()
scaler.step(optimizer)                # leaves the parameters alone if a gradient is infinite or NaN
scaler.update()

On a GPU all of it happens there: the step's launches find out by themselves whether to change anything, and the scale is one of its numbers. So
nothing waits, and ``engine.capture`` takes such a step whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..device import CPU, device_of, move, namespace
from ..errors import ArgumentError, GradientError, SettingError, StateError
from ..ops import touch
from ..tensor import Tensor, tensor_of
from .device_scale import DeviceScale
from .fused import owned_on_gpu
from .optimizer import Optimizer
from .settings import is_number

_STATE = ("scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker")


class GradScaler:
    """Multiplies losses by a scale that falls by ``backoff_factor`` when gradients overflow and grows after ``growth_interval`` good steps.

    ``device`` is there for PyTorch's users: the scaler serves any. With ``enabled=False`` every method does the plain thing.
    """

    _growth_factor: float
    _backoff_factor: float
    _growth_interval: int

    def __init__(
        self, device: Any = None, init_scale: float = 65536.0, growth_factor: float = 2.0, backoff_factor: float = 0.5,
        growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        if not is_number(init_scale) or not 0 < init_scale < np.inf:
            raise SettingError(f"GradScaler: init_scale must be a positive number, not {init_scale!r:.40}")
        self._enabled = bool(enabled)
        self._scale = float(init_scale)
        self._tracker = 0
        self._gpu: DeviceScale | None = None  # once there is one, the scale and the tracker are kept there
        self.set_growth_factor(growth_factor)
        self.set_backoff_factor(backoff_factor)
        self.set_growth_interval(growth_interval)
        # By optimiser, since the last update: whether something was not finite (or a GPU's flag for it), and whether it has stepped.
        self._overflowed: dict[int, Any] = {}
        self._stepped: set[int] = set()

    def scale(self, outputs: Any) -> Any:
        """The loss times the scale; tuples and lists of losses likewise."""
        if isinstance(outputs, (tuple, list)):
            return type(outputs)(self.scale(value) for value in outputs)
        if not isinstance(outputs, Tensor):
            raise ArgumentError(
                f"GradScaler.scale: wants tensors, or tuples and lists of them, not {type(outputs).__name__}"
            )
        if not self._enabled:
            return outputs
        there = self._on(outputs.array)
        return outputs * self.get_scale() if there is None else there.times(outputs)

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the gradients of an optimiser's parameters by the scale, in place: to clip them before ``step``, which does it otherwise."""
        if not self._enabled:
            return
        name = id(optimizer)
        if name in self._overflowed:
            after = "after step()" if name in self._stepped else "twice"
            raise GradientError(f"GradScaler.unscale_: called {after} for this optimiser since the last update()")
        self._overflowed[name] = self._divide(optimizer)

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step(...)`` on the divided gradients, unless one is infinite or NaN: then nothing changes and None comes back.

        On a GPU, optimisers with fused steps leave out their work there; for the others this waits for the GPU.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if args or "closure" in kwargs:
            raise ArgumentError(
                "GradScaler.step: closures compute gradients again, which could not be checked; call step without"
            )
        name = id(optimizer)
        if name in self._stepped:
            raise GradientError("GradScaler.step: called twice for this optimiser since the last update()")
        if name not in self._overflowed:
            self.unscale_(optimizer)
        self._stepped.add(name)
        overflowed = self._overflowed[name]
        if isinstance(overflowed, bool) or not optimizer.leaves_out:
            return None if _is_raised(overflowed) else optimizer.step(**kwargs)
        optimizer.unless = overflowed
        try:
            return optimizer.step(**kwargs)
        finally:
            optimizer.unless = None

    def update(self, new_scale: float | None = None) -> None:
        """Make the scale smaller after an overflow, larger after enough steps without one, or ``new_scale``. Once for each iteration."""
        if not self._enabled:
            return
        if new_scale is not None:
            value = new_scale.item() if isinstance(new_scale, Tensor) else new_scale
            if not is_number(value) or not 0 < value < np.inf:
                raise SettingError(f"GradScaler.update: new_scale must be a positive number, not {new_scale!r:.40}")
            if self._gpu is not None:
                self._gpu.update(False, float(value))
            self._scale = float(value)
        elif not self._overflowed:
            raise GradientError(
                "GradScaler.update: no gradient was looked at since the last update(); call step(optimizer) first"
            )
        elif self._gpu is not None:
            self._gpu.update(any(value is True for value in self._overflowed.values()))
        elif any(self._overflowed.values()):
            self._scale, self._tracker = self._scale * self._backoff_factor, 0
        else:
            self._tracker += 1
            if self._tracker == self._growth_interval:
                grown = self._scale * self._growth_factor
                self._scale, self._tracker = grown if grown < float(np.finfo(np.float32).max) else self._scale, 0
        self._overflowed, self._stepped = {}, set()

    def _on(self, array: Any) -> DeviceScale | None:
        """The scale on the GPU that an array is on; None on the CPU, and on a second GPU."""
        if isinstance(array, np.ndarray):
            return None
        if self._gpu is None:
            self._gpu = DeviceScale(array, self._numbers())
        return self._gpu if self._gpu.device == device_of(array) else None

    def _numbers(self) -> tuple[float, ...]:
        return self._scale, self._tracker, self._growth_factor, self._backoff_factor, self._growth_interval

    def _read(self) -> None:
        """Hear from the GPU what it keeps; this waits for it."""
        if self._gpu is not None:
            self._scale, self._tracker = self._gpu.read()

    def _write(self) -> None:
        """Let the GPU go on from what is known here, in the memory that captured steps read."""
        if self._gpu is not None:
            self._gpu.write(self._numbers())

    def _divide(self, optimizer: Optimizer) -> Any:
        """Divide every gradient by the scale; whether one of them is not finite, or a GPU's flag for it."""
        overflowed = False
        held = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        own = owned_on_gpu(held)
        there = None if own is None else self._on(own[0])
        if own is not None and there is not None:
            flag = there.divide(own)
            for parameter in held:
                touch(parameter.grad)
            return flag
        inverse = 1.0 / self.get_scale()
        with np.errstate(all="ignore"):
            for parameter in held:
                gradient = parameter.grad
                array = gradient.array
                if gradient.node is None and getattr(array.flags, "writeable", True):
                    array *= array.dtype.type(inverse)
                    touch(gradient)
                else:
                    array = array * array.dtype.type(inverse)
                    parameter.grad = tensor_of(array)
                overflowed = overflowed or not _is_finite(array)
        return overflowed

    # ---- settings -------------------------------------------------------------------------------------------------

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def get_scale(self) -> float:
        """The factor now; 1 if it is not enabled."""
        self._read()
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        return self._growth_factor

    def get_backoff_factor(self) -> float:
        return self._backoff_factor

    def get_growth_interval(self) -> int:
        return self._growth_interval

    def set_growth_factor(self, value: float) -> None:
        if not is_number(value) or not 1 < value < np.inf:
            raise SettingError(f"GradScaler: growth_factor must lie above 1, not {value!r:.40}")
        self._read()
        self._growth_factor = float(value)
        self._write()

    def set_backoff_factor(self, value: float) -> None:
        if not is_number(value) or not 0 < value < 1:
            raise SettingError(f"GradScaler: backoff_factor must lie between 0 and 1, not {value!r:.40}")
        self._read()
        self._backoff_factor = float(value)
        self._write()

    def set_growth_interval(self, value: int) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise SettingError(f"GradScaler: growth_interval must be a whole number from 1, not {value!r:.40}")
        self._read()
        self._growth_interval = int(value)
        self._write()

    def state_dict(self) -> dict[str, Any]:
        """What goes on after ``load_state_dict``: plain numbers; empty if it is not enabled."""
        if not self._enabled:
            return {}
        self._read()
        values = (self._scale, self._growth_factor, self._backoff_factor, self._growth_interval, self._tracker)
        return dict(zip(_STATE, values, strict=True))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state; nothing changes unless all of it fits."""
        if not self._enabled:
            return
        if not isinstance(state, Mapping) or set(state) != set(_STATE):
            shown = sorted(state) if isinstance(state, Mapping) else type(state).__name__
            raise StateError(
                f"GradScaler.load_state_dict: wants {', '.join(_STATE)}, not {shown!r:.120} (a scaler that was not enabled saves nothing)"
            )
        if isinstance(state["_growth_tracker"], bool) or not isinstance(state["_growth_tracker"], (int, np.integer)):
            raise StateError(
                f"GradScaler.load_state_dict: _growth_tracker must be a whole number, not {state['_growth_tracker']!r:.40}"
            )
        fresh = GradScaler(None, *(state[name] for name in _STATE[:4]))
        fresh._tracker = int(state["_growth_tracker"])
        self.__dict__.update({**fresh.__dict__, "_gpu": self._gpu})
        if self._gpu is not None:
            self._gpu.restart(self._numbers())

    def __getstate__(self) -> dict[str, Any]:
        self._read()
        return {**self.__dict__, "_gpu": None, "_overflowed": {}, "_stepped": set()}


def _is_raised(overflowed: Any) -> bool:
    """Whether a flag is raised, the CPU's or, for which this waits, a GPU's."""
    return overflowed if isinstance(overflowed, bool) else bool(move(overflowed, CPU).any())


def _is_finite(array: Any) -> bool:
    """Whether all numbers are finite: their sum says so at once, unless it overflows itself."""
    xp = namespace(array)
    return bool(xp.isfinite(array.sum())) or bool(xp.isfinite(array).all())
