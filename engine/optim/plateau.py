"""Lower the learning rate when a metric no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError, SettingError
from .optimizer import Optimizer
from .schedule import LRScheduler, checked_optimizer
from .settings import NOT_NEGATIVE, SHARE, number, numbers, whole


class ReduceLROnPlateau(LRScheduler):
    """Times ``factor``, but not below ``min_lr``, when the metric was no better than the best for more than ``patience`` steps.

    Better is lower by the share ``threshold`` of the best (``threshold_mode="abs"``: by ``threshold`` itself), or higher with ``mode="max"``;
    NaN never is. After a cut ``cooldown`` steps pass before bad ones count again; a cut of less than ``eps`` is not made.
    ``min_lr`` is a number or a list of one for each group.
    """

    wants_metric = True

    def __init__(
        self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10, threshold: float = 1e-4,
        threshold_mode: str = "rel", cooldown: int = 0, min_lr: float | list[float] = 0.0, eps: float = 1e-8,
    ) -> None:  # fmt: skip
        self.optimizer = checked_optimizer(self.who, optimizer)
        for name, value, known in (("mode", mode, ("min", "max")), ("threshold_mode", threshold_mode, ("rel", "abs"))):
            if value not in known:
                raise SettingError(f"{self.who}: {name} must be {known[0]!r} or {known[1]!r}, not {value!r:.60}")
        self.mode, self.threshold_mode = mode, threshold_mode
        self.factor = number(self.who, "factor", factor, SHARE)
        self.patience = whole(self.who, "patience", patience, 0)
        self.threshold = number(self.who, "threshold", threshold, NOT_NEGATIVE)
        self.cooldown = whole(self.who, "cooldown", cooldown, 0)
        self.eps = number(self.who, "eps", eps, NOT_NEGATIVE)
        count = len(optimizer.param_groups)
        if isinstance(min_lr, (list, tuple)):
            self.min_lrs = list(numbers(self.who, "min_lr", min_lr, count, NOT_NEGATIVE))
        else:
            self.min_lrs = [number(self.who, "min_lr", min_lr, NOT_NEGATIVE)] * count
        self.base_lrs = self._last_lr = self.present()
        self.best = math.inf if mode == "min" else -math.inf
        self.last_epoch = self.cooldown_counter = self.num_bad_epochs = 0

    def step(self, metrics: Any = None) -> None:
        """Take note of a metric (a number, or a tensor of one), and lower the rates if it is time."""
        try:
            current = float(metrics)
        except (TypeError, ValueError):
            raise ArgumentError(
                f"{self.who}: step() wants the metric that it watches, a number, not {metrics!r:.60}"
            ) from None
        self.last_epoch += 1
        if self._is_better(current):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        rates = self.present()
        if self.num_bad_epochs > self.patience:
            # Groups that were added since follow the last floor.
            floors = [*self.min_lrs, *self.min_lrs[-1:] * (len(rates) - len(self.min_lrs))]
            lower = [max(rate * self.factor, floor) for rate, floor in zip(rates, floors, strict=False)]
            rates = [new if old - new > self.eps else old for old, new in zip(rates, lower, strict=True)]
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self.set(rates)

    def _is_better(self, value: float) -> bool:
        sign = -1.0 if self.mode == "min" else 1.0
        change = sign * self.threshold
        bound = self.best * (1.0 + change) if self.threshold_mode == "rel" else self.best + change
        return value < bound if self.mode == "min" else value > bound

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        # An infinity is no number in every format that a state may be saved in.
        return {**state, "best": self.best if math.isfinite(self.best) else None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        held = self.checked_state(state)
        if held["best"] is None:
            held["best"] = math.inf if held["mode"] == "min" else -math.inf
        self.__dict__.update(held)
