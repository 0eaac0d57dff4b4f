"""The one-cycle schedule."""

from __future__ import annotations

import math
from typing import Any

from ..errors import SettingError
from .optimizer import Optimizer
from .schedule import LRScheduler, checked_optimizer
from .settings import NOT_NEGATIVE, POSITIVE, Range, number, numbers, truth, whole

HALF_OPEN = Range(0.0, 1.0)


class OneCycleLR(LRScheduler):
    """Up to ``max_lr``, then down far below the start, in ``total_steps`` (or epochs times steps_per_epoch) steps, one per batch (Smith and Topin, 2018).

    It starts at ``max_lr / div_factor``, rises for ``pct_start`` of the steps and ends at ``start / final_div_factor``; with ``three_phase`` it comes
    back to the start as it rose, then goes down. Momentum (or the first beta) moves the other way, between ``max_momentum`` and ``base_momentum``.
    ``max_lr`` and the momenta are numbers, or lists of one for each group. The step after the last is a SettingError.
    """

    def __init__(
        self, optimizer: Optimizer, max_lr: float | list[float], total_steps: int | None = None, epochs: int | None = None,
        steps_per_epoch: int | None = None, pct_start: float = 0.3, anneal_strategy: str = "cos", cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85, max_momentum: float | list[float] = 0.95, div_factor: float = 25.0,
        final_div_factor: float = 1e4, three_phase: bool = False, last_epoch: int = -1,
    ) -> None:  # fmt: skip
        groups = checked_optimizer(self.who, optimizer).param_groups
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise SettingError(f"{self.who}: wants total_steps, or epochs and steps_per_epoch")
            total_steps = whole(self.who, "epochs", epochs, 1) * whole(self.who, "steps_per_epoch", steps_per_epoch, 1)
        self.total_steps = whole(self.who, "total_steps", total_steps, 1)
        self.pct_start = number(self.who, "pct_start", pct_start, Range(0.0, 1.0, open_high=False))
        if anneal_strategy not in ("cos", "linear"):
            raise SettingError(f"{self.who}: anneal_strategy must be 'cos' or 'linear', not {anneal_strategy!r:.60}")
        self.anneal_strategy = anneal_strategy
        self.three_phase = truth(self.who, "three_phase", three_phase)
        self.max_lrs = _each(self.who, "max_lr", max_lr, len(groups), NOT_NEGATIVE)
        div = number(self.who, "div_factor", div_factor, POSITIVE)
        final = number(self.who, "final_div_factor", final_div_factor, POSITIVE)
        self.cycle_momentum = truth(self.who, "cycle_momentum", cycle_momentum)
        if self.cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
            raise SettingError(f"{self.who}: {optimizer.who} has neither momentum nor betas; pass cycle_momentum=False")
        allowed = HALF_OPEN if "betas" in optimizer.defaults else NOT_NEGATIVE
        self.base_momenta = _each(self.who, "base_momentum", base_momentum, len(groups), allowed)
        self.max_momenta = _each(self.who, "max_momentum", max_momentum, len(groups), allowed)
        if last_epoch == -1:
            for group, top in zip(groups, self.max_lrs, strict=True):
                group["initial_lr"] = top / div
        self.min_lrs = [group.get("initial_lr", 0.0) / final for group in groups]
        super().__init__(optimizer, last_epoch)

    def first(self) -> list[float]:
        return self.get_lr()

    def get_lr(self) -> list[float]:
        if self.last_epoch > self.total_steps:
            raise SettingError(
                f"{self.who}: step {self.last_epoch} of {self.total_steps}; total_steps must count every batch of every epoch"
            )
        phase, share = self._phase()
        rates = []
        for place, group in enumerate(self.optimizer.param_groups[: len(self.base_lrs)]):
            low, high, end = self.base_lrs[place], self.max_lrs[place], self.min_lrs[place]
            rates.append(
                self._between(*[(low, high), (high, low if self.three_phase else end), (low, end)][phase], share)
            )
            if self.cycle_momentum:
                most, least = self.max_momenta[place], self.base_momenta[place]
                momentum = self._between(*[(most, least), (least, most), (most, most)][phase], share)
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        return rates

    def _phase(self) -> tuple[int, float]:
        """Which phase the present step is in, and how much of it lies behind."""
        last = self.total_steps - 1.0
        ends = [self.pct_start * self.total_steps - 1, last]
        if self.three_phase:
            ends.insert(1, 2 * self.pct_start * self.total_steps - 2)
        start = 0.0
        for phase, end in enumerate(ends):
            if self.last_epoch <= end or phase == len(ends) - 1:
                # A loop that steps after its last batch, too, ends a step past the plan: at its end.
                return phase, min((self.last_epoch - start) / (end - start), 1.0) if end != start else 1.0
            start = end
        raise AssertionError("the last phase holds every step")

    def _between(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)


def _each(who: str, name: str, value: Any, count: int, allowed: Range) -> list[float]:
    """One number for each group."""
    if isinstance(value, (list, tuple)):
        return list(numbers(who, name, value, count, allowed))
    return [number(who, name, value, allowed)] * count
