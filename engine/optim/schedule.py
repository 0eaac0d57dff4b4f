"""Learning rates that follow a plan: PyTorch's schedules, by their names.

A schedule is stepped after the optimiser, once an epoch or once a batch. Most work out the next rate from the present one, as
PyTorch's do, so that several can be stepped side by side and their factors multiply.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ..errors import ArgumentError, SettingError, StateError
from .optimizer import Optimizer
from .settings import ANY, NOT_NEGATIVE, Range, number, whole


class LRScheduler:
    """What schedules share. ``last_epoch`` counts steps from 0; -1 starts anew, another number goes on after that step.

    A kind gives ``get_lr()``: the rates of the groups at ``last_epoch``.
    """

    unsaved: ClassVar[tuple[str, ...]] = ("optimizer",)
    wants_metric: ClassVar[bool] = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = checked_optimizer(self.who, optimizer)
        self.last_epoch = whole(self.who, "last_epoch", last_epoch, -1)
        for place, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise SettingError(
                    f"{self.who}: last_epoch={last_epoch} goes on with a schedule, but group {place} has no 'initial_lr'; "
                    "load the optimizer's state first, or start with last_epoch=-1"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self._last_lr: list[float] = []
        self.start()

    @property
    def who(self) -> str:
        """The name in messages."""
        return type(self).__name__

    def get_lr(self) -> list[float]:
        """The rate of each group at ``last_epoch``, from the present ones; each kind says it."""
        raise ArgumentError(f"{self.who} defines no get_lr()")

    def closed_form(self) -> list[float]:
        """The rate of each group at ``last_epoch`` whatever the present ones are."""
        return self.get_lr()

    def first(self) -> list[float]:
        """The rates when the schedule starts, or goes on: by default the present ones."""
        return self.present()

    def present(self) -> list[float]:
        """The groups' rates as they are."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def start(self) -> None:
        """The step that a schedule makes when it is made."""
        self.last_epoch += 1
        self.set(self.first())

    def step(self) -> None:
        """Go one step on and set the groups' rates."""
        self.last_epoch += 1
        try:
            self.set(self.get_lr())
        except Exception:
            self.last_epoch -= 1
            raise

    def jump(self, epoch: int) -> None:
        """Go to a step, whatever came before."""
        self.last_epoch = epoch
        self.set(self.closed_form())

    def set(self, rates: Sequence[float]) -> None:
        """Give the groups their rates, if all of them are in range."""
        groups = self.optimizer.param_groups
        if len(rates) != len(groups):
            raise SettingError(
                f"{self.who}: was made for {len(self.base_lrs)} groups, and the optimizer has {len(groups)}; make the schedule after the last add_param_group"
            )
        rates = [number(f"{self.who} at step {self.last_epoch}", "lr", rate, NOT_NEGATIVE) for rate in rates]
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = list(rates)

    def get_last_lr(self) -> list[float]:
        """The rates that the last step set, one per group."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule stands, and its settings: numbers, strings and lists (functions are not saved)."""
        return {
            name: list(value) if isinstance(value, (list, tuple)) else value
            for name, value in vars(self).items()
            if name not in self.unsaved
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state. The rates themselves are in the optimizer's state: load that too."""
        self.__dict__.update(self.checked_state(state))

    def checked_state(self, state: Any) -> dict[str, Any]:
        """A saved state, if it is one of this kind of schedule."""
        own = self.state_dict()
        if not isinstance(state, Mapping) or set(state) != set(own):
            found = sorted(map(str, state)) if isinstance(state, Mapping) else type(state).__name__
            raise StateError(f"{self.who}: a state has {sorted(own)}, not {found}; it is of another kind of schedule")
        for name, value in own.items():
            given = state[name]
            if isinstance(value, list) != isinstance(given, (list, tuple)) or isinstance(value, str) != isinstance(given, str):  # fmt: skip
                raise StateError(f"{self.who}: {name!r} of the state cannot be {given!r:.60}")
            if name in ("base_lrs", "_last_lr") and len(given) != len(self.optimizer.param_groups):
                raise StateError(
                    f"{self.who}: the state is for {len(given)} groups, and the optimizer has {len(self.optimizer.param_groups)}"
                )
        epoch = state["last_epoch"]
        if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < -1:
            raise StateError(f"{self.who}: 'last_epoch' of the state must be a whole number from -1, not {epoch!r:.60}")
        return {name: list(value) if isinstance(value, (list, tuple)) else value for name, value in state.items()}


class StepLR(LRScheduler):
    """Times ``gamma`` every ``step_size`` steps."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = whole(self.who, "step_size", step_size, 1)
        self.gamma = number(self.who, "gamma", gamma, NOT_NEGATIVE)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        falls = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return [rate * self.gamma for rate in self.present()] if falls else self.present()

    def closed_form(self) -> list[float]:
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Times ``gamma`` at each of ``milestones``; one that is named twice counts twice."""

    def __init__(
        self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = sorted(_wholes(self.who, milestones))
        self.gamma = number(self.who, "gamma", gamma, NOT_NEGATIVE)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factor = self.gamma ** self.milestones.count(self.last_epoch)
        return [rate * factor for rate in self.present()]

    def closed_form(self) -> list[float]:
        factor = self.gamma ** bisect_right(self.milestones, self.last_epoch)
        return [base * factor for base in self.base_lrs]


class LinearLR(LRScheduler):
    """The rate times a factor that goes from ``start_factor`` to ``end_factor`` in ``total_iters`` equal steps: a warm-up."""

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5, last_epoch: int = -1
    ) -> None:  # fmt: skip
        self.start_factor = number(self.who, "start_factor", start_factor, Range(0.0, 1.0, True, False))
        self.end_factor = number(self.who, "end_factor", end_factor, Range(0.0, 1.0, False, False))
        self.total_iters = whole(self.who, "total_iters", total_iters, 1)
        super().__init__(optimizer, last_epoch)

    def first(self) -> list[float]:
        return self.get_lr() if self.last_epoch == 0 else self.present()

    def get_lr(self) -> list[float]:
        present = self.present()
        if self.last_epoch == 0:
            return [rate * self.start_factor for rate in present]
        if self.last_epoch > self.total_iters:
            return present
        rise = self.end_factor - self.start_factor
        factor = 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        # Rounding must not leave a rate below 0 where it ends at 0.
        return [max(rate * factor, 0.0) for rate in present]

    def closed_form(self) -> list[float]:
        share = min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * (self.start_factor + (self.end_factor - self.start_factor) * share) for base in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """From the rate down to ``eta_min`` along half a cosine in ``T_max`` steps, then up again (Loshchilov and Hutter, 2017, without restarts)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:  # noqa: N803
        self.T_max = whole(self.who, "T_max", T_max, 1)
        self.eta_min = number(self.who, "eta_min", eta_min, NOT_NEGATIVE)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        epoch, period, least = self.last_epoch, self.T_max, self.eta_min
        if (epoch - 1 - period) % (2 * period) == 0:
            # Up from the lowest point, where the present rate says nothing about the highest.
            rise = (1 - math.cos(math.pi / period)) / 2
            return [rate + (base - least) * rise for rate, base in zip(self.present(), self.base_lrs, strict=True)]
        factor = (1 + math.cos(math.pi * epoch / period)) / (1 + math.cos(math.pi * (epoch - 1) / period))
        return [factor * (rate - least) + least for rate in self.present()]

    def closed_form(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]


class LambdaLR(LRScheduler):
    """The first rate times ``lr_lambda(step)``: one function, or one for each group."""

    unsaved = ("optimizer", "lr_lambdas")

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]], last_epoch: int = -1
    ) -> None:  # fmt: skip
        count = len(checked_optimizer(self.who, optimizer).param_groups)
        functions = [lr_lambda] * count if callable(lr_lambda) else lr_lambda
        if (
            not isinstance(functions, (list, tuple))
            or len(functions) != count
            or not all(callable(function) for function in functions)
        ):
            raise ArgumentError(
                f"{self.who}: lr_lambda is a function of the step, or a list of {count} of them, one for each group"
            )
        self.lr_lambdas = list(functions)
        super().__init__(optimizer, last_epoch)

    def first(self) -> list[float]:
        return self.get_lr()

    def get_lr(self) -> list[float]:
        return [
            base * number(f"{self.who} at step {self.last_epoch}", "the factor", function(self.last_epoch), ANY)
            for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]


class SequentialLR(LRScheduler):
    """One schedule after another: ``milestones`` are the steps at which the second, third, ... begin, each from its own step 0."""

    unsaved = ("optimizer", "_schedulers")

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        self.optimizer = checked_optimizer(self.who, optimizer)
        self._schedulers = list(schedulers)
        if not self._schedulers or any(not isinstance(s, LRScheduler) or s.wants_metric for s in self._schedulers):
            raise ArgumentError(
                f"{self.who}: wants a list of schedules that step() without a metric, not {schedulers!r:.80}"
            )
        if any(s.optimizer is not optimizer for s in self._schedulers):
            raise ArgumentError(f"{self.who}: its schedules must all be of the optimizer that it is given")
        self._milestones = _wholes(self.who, milestones)
        if len(self._milestones) != len(self._schedulers) - 1 or sorted(set(self._milestones)) != self._milestones or 0 in self._milestones:  # fmt: skip
            raise SettingError(
                f"{self.who}: wants {len(self._schedulers) - 1} milestones for {len(self._schedulers)} schedules, rising and above 0, not {milestones!r:.60}"
            )
        self.last_epoch = whole(self.who, "last_epoch", last_epoch, -1) + 1
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        # They all began when they were made; now only the first shall have.
        for schedule in self._schedulers:
            _undo(schedule)
        self._schedulers[0].start()
        self._last_lr = self._schedulers[0].get_last_lr()

    def start(self) -> None:
        """As a part of another sequence: begin with the first schedule."""
        self.last_epoch += 1
        self._schedulers[0].start()
        self._last_lr = self._schedulers[0].get_last_lr()

    def step(self) -> None:
        epoch = self.last_epoch + 1
        place = bisect_right(self._milestones, epoch)
        schedule = self._schedulers[place]
        if place > 0 and self._milestones[place - 1] == epoch:
            schedule.jump(0)
        else:
            schedule.step()
        self.last_epoch = epoch
        self._last_lr = schedule.get_last_lr()

    def jump(self, epoch: int) -> None:
        place = bisect_right(self._milestones, epoch)
        self._schedulers[place].jump(epoch - (self._milestones[place - 1] if place else 0))
        self.last_epoch = epoch
        self._last_lr = self._schedulers[place].get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [schedule.state_dict() for schedule in self._schedulers]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        held = self.checked_state(state)
        states = held.pop("_schedulers")
        if len(states) != len(self._schedulers):
            raise StateError(f"{self.who}: the state has {len(states)} schedules, not {len(self._schedulers)}")
        for schedule, one in zip(self._schedulers, states, strict=True):
            schedule.checked_state(one)
        for schedule, one in zip(self._schedulers, states, strict=True):
            schedule.load_state_dict(one)
        self.__dict__.update(held)


def checked_optimizer(who: str, optimizer: Any) -> Optimizer:
    """``optimizer``, if it is one."""
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(f"{who}: wants an optimizer, not a {type(optimizer).__name__}")
    return optimizer


def _undo(schedule: LRScheduler) -> None:
    schedule.last_epoch -= 1
    if isinstance(schedule, SequentialLR):
        for part in schedule._schedulers[:1]:
            _undo(part)


def _wholes(who: str, milestones: Any) -> list[int]:
    if not isinstance(milestones, (list, tuple)):
        raise SettingError(f"{who}: milestones must be a list of whole numbers, not {milestones!r:.60}")
    return [whole(who, "a milestone", milestone, 0) for milestone in milestones]
