"""More of PyTorch's schedules: rates that fall in a curve, and cosines that begin anew."""

from __future__ import annotations

import math

from .optimizer import Optimizer
from .schedule import LRScheduler
from .settings import NOT_NEGATIVE, Range, number, whole


class ExponentialLR(LRScheduler):
    """Times ``gamma`` every step."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = number(self.who, "gamma", gamma, NOT_NEGATIVE)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [rate * self.gamma for rate in self.present()]

    def closed_form(self) -> list[float]:
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """The rate times ``factor`` for ``total_iters`` steps, then the rate itself."""

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        self.factor = number(self.who, "factor", factor, Range(0.0, 1.0, True, False))
        self.total_iters = whole(self.who, "total_iters", total_iters, 1)
        super().__init__(optimizer, last_epoch)

    def first(self) -> list[float]:
        return [rate * self.factor for rate in self.present()] if self.last_epoch == 0 else self.present()

    def get_lr(self) -> list[float]:
        ends = self.last_epoch == self.total_iters
        return [rate / self.factor for rate in self.present()] if ends else self.present()

    def closed_form(self) -> list[float]:
        factor = 1.0 if self.last_epoch >= self.total_iters else self.factor
        return [base * factor for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """The rate times (1 - step / total_iters) to the ``power``, 0 from there on."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = whole(self.who, "total_iters", total_iters, 1)
        self.power = number(self.who, "power", power, NOT_NEGATIVE)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch > self.total_iters:
            return self.present()
        left = self.total_iters - self.last_epoch
        factor = (left / (left + 1)) ** self.power
        return [rate * factor for rate in self.present()]

    def closed_form(self) -> list[float]:
        share = min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * (1.0 - share) ** self.power for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """From the rate down to ``eta_min`` along half a cosine, then anew; each time ``T_mult`` times as long as before, ``T_0`` steps at first.

    (Loshchilov and Hutter, 2017.)
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1  # noqa: N803
    ) -> None:  # fmt: skip
        self.T_0 = whole(self.who, "T_0", T_0, 1)
        self.T_mult = whole(self.who, "T_mult", T_mult, 1)
        self.eta_min = number(self.who, "eta_min", eta_min, NOT_NEGATIVE)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        start, length = 0, self.T_0
        while self.last_epoch - start >= length:
            start, length = start + length, length * self.T_mult
        height = (1 + math.cos(math.pi * (self.last_epoch - start) / length)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]
