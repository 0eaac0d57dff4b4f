"""Scaling a loss so that float16 gradients neither vanish nor stay infinite (Micikevicius et al., "Mixed precision training", 2018).

scaler = GradScaler()
with engine.precision("fp16"):
    loss = criterion(model(x), y)
scaler.scale(loss).backward()
scaler.step(optimizer)                # leaves the parameters alone if a gradient is infinite or NaN
scaler.update()
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..device import gpu_kernels, namespace
from ..errors import ArgumentError, GradientError, SettingError, StateError
from ..ops import touch
from ..tensor import Tensor, tensor_of
from .fused import owned_on_gpu
from .optimizer import Optimizer
from .settings import is_number

_STATE = ("scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker")


class GradScaler:
    """Multiplies losses by a scale that falls by ``backoff_factor`` when gradients overflow and grows after ``growth_interval`` good steps.

    ``device`` is there for PyTorch's users: the scaler serves any. With ``enabled=False`` every method does the plain thing.
    """

    def __init__(
        self, device: Any = None, init_scale: float = 65536.0, growth_factor: float = 2.0, backoff_factor: float = 0.5,
        growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        if not is_number(init_scale) or not 0 < init_scale < np.inf:
            raise SettingError(f"GradScaler: init_scale must be a positive number, not {init_scale!r:.40}")
        self._enabled = bool(enabled)
        self._scale = float(init_scale)
        self._tracker = 0
        self.set_growth_factor(growth_factor)
        self.set_backoff_factor(backoff_factor)
        self.set_growth_interval(growth_interval)
        # By optimiser, since the last update: whether something was not finite, and whether it has stepped.
        self._overflowed: dict[int, bool] = {}
        self._stepped: set[int] = set()

    def scale(self, outputs: Any) -> Any:
        """The loss times the scale; tuples and lists of losses likewise."""
        if isinstance(outputs, (tuple, list)):
            return type(outputs)(self.scale(value) for value in outputs)
        if not isinstance(outputs, Tensor):
            raise ArgumentError(
                f"GradScaler.scale: wants tensors, or tuples and lists of them, not {type(outputs).__name__}"
            )
        return outputs * self._scale if self._enabled else outputs

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
        """``optimizer.step(...)`` on the divided gradients, unless one is infinite or NaN: then nothing changes and None comes back."""
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
        return None if self._overflowed[name] else optimizer.step(**kwargs)

    def update(self, new_scale: float | None = None) -> None:
        """Make the scale smaller after an overflow, larger after enough steps without one, or ``new_scale``. Once for each iteration."""
        if not self._enabled:
            return
        if new_scale is not None:
            value = new_scale.item() if isinstance(new_scale, Tensor) else new_scale
            if not is_number(value) or not 0 < value < np.inf:
                raise SettingError(f"GradScaler.update: new_scale must be a positive number, not {new_scale!r:.40}")
            self._scale = float(value)
        elif not self._overflowed:
            raise GradientError(
                "GradScaler.update: no gradient was looked at since the last update(); call step(optimizer) first"
            )
        elif any(self._overflowed.values()):
            self._scale, self._tracker = self._scale * self._backoff_factor, 0
        else:
            self._tracker += 1
            if self._tracker == self._growth_interval:
                grown = self._scale * self._growth_factor
                self._scale, self._tracker = grown if grown < float(np.finfo(np.float32).max) else self._scale, 0
        self._overflowed, self._stepped = {}, set()

    def _divide(self, optimizer: Optimizer) -> bool:
        """Divide every gradient by the scale; whether one of them is not finite."""
        overflowed = False
        inverse = 1.0 / self._scale
        held = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        own = owned_on_gpu(held)
        if own is not None:
            # One flag for all of them, and the one wait of a step: whether to take it.
            found = gpu_kernels("optimizers").scale_all(own, inverse)
            for parameter in held:
                touch(parameter.grad)
            return bool(found)
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
        self._growth_factor = float(value)

    def set_backoff_factor(self, value: float) -> None:
        if not is_number(value) or not 0 < value < 1:
            raise SettingError(f"GradScaler: backoff_factor must lie between 0 and 1, not {value!r:.40}")
        self._backoff_factor = float(value)

    def set_growth_interval(self, value: int) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise SettingError(f"GradScaler: growth_interval must be a whole number from 1, not {value!r:.40}")
        self._growth_interval = int(value)

    def state_dict(self) -> dict[str, Any]:
        """What goes on after ``load_state_dict``: plain numbers; empty if it is not enabled."""
        if not self._enabled:
            return {}
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
        self.__dict__.update(fresh.__dict__)


def _is_finite(array: Any) -> bool:
    """Whether all numbers are finite: their sum says so at once, unless it overflows itself."""
    xp = namespace(array)
    return bool(xp.isfinite(array.sum())) or bool(xp.isfinite(array).all())
