"""A run under way: what callbacks see, and what checkpoints keep of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, StateError
from ..nn import Module
from ..optim import EMA, Optimizer
from ..tensor import Tensor
from .callbacks import checked_number
from .history import History
from .metrics import Mean, Metric

__all__ = ["Run"]

COUNTS = ("epoch", "step", "step_of_epoch", "batches", "trained", "seconds", "best", "best_epoch", "used_rate")

TAKEN = ("epoch", "step", "loss", "lr", "seconds")
"""What a row holds anyway."""


class Run:
    """Where training stands.

    ``epoch`` epochs of ``epochs`` are finished; ``step`` updates were made, ``step_of_epoch`` of them in this epoch (of ``steps_per_epoch``,
    None where nobody knows). ``loss`` is the last step's, ``mean_loss`` the epoch's so far, ``rate`` the highest learning rate of all groups.
    ``row`` holds the numbers of the last finished epoch, ``history`` all rows; ``best`` is the best value of ``monitor``. ``stop(reason)`` ends
    training after the present epoch or step.
    """

    def __init__(
        self, model: Module, optimizer: Optimizer, epochs: int, *, schedule: Any = None, ema: EMA | None = None, metrics: Sequence[Metric] = (),
        training_metrics: Sequence[Metric] = (), steps_per_epoch: int | None = None, monitor: str | None = None, mode: str | None = None,
        validated: bool = False, planned: bool = False,
    ) -> None:  # fmt: skip
        self.model, self.optimizer, self.schedule, self.ema, self.epochs = model, optimizer, schedule, ema, epochs
        self.metrics, self.training_metrics = list(metrics), list(training_metrics)
        self.steps_per_epoch, self.history = steps_per_epoch, History()
        self.planned = planned
        self.monitor, self._mode = monitor or ("val_loss" if validated else "loss"), mode
        self.epoch = self.step = self.step_of_epoch = self.batches = 0
        self.trained = False
        self.loss, self.best, self.best_epoch, self.seconds = math.nan, math.nan, 0, 0.0
        self.used_rate = self.rate  # the last update's: a schedule has moved on when the epoch ends
        self._mean, self._began = Mean(), time.perf_counter()

    @property
    def rate(self) -> float:
        """The highest learning rate of all groups."""
        rate: float = max(group["lr"] for group in self.optimizer.param_groups)
        return rate

    @property
    def mean_loss(self) -> float:
        """The mean loss of the epoch so far."""
        return self._mean.value() if self._mean.seen else math.nan

    @property
    def row(self) -> dict[str, float]:
        """The numbers of the last finished epoch."""
        return self.history[-1] if self.history.rows else {}

    def stop(self, reason: str) -> None:
        """End training, after the present step."""
        self.history.stopped = reason

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do, or somebody called ``stop``."""
        return bool(self.history.stopped) or self.epoch >= self.epochs

    def monitored(self, name: str | None = None) -> tuple[str, float]:
        """The name that is watched, and its value in the last row."""
        name = name or self.monitor
        if name not in self.row:
            raise ArgumentError(f"fit: there is no {name!r} to watch; there are {', '.join(self.row)}")
        return name, checked_number(self.row[name], name)

    def mode_of(self, name: str) -> str:
        """Whether a number is better low ("min") or high ("max"): as its metric says; losses are better low."""
        if self._mode is not None and name == self.monitor:
            return self._mode
        plain = name.removeprefix("val_")
        return "max" if any(m.name == plain and getattr(m, "higher_is_better", True) for m in self.metrics) else "min"

    # ---- what the loop tells --------------------------------------------------------------------------------------

    def begin_epoch(self) -> None:
        """A new epoch starts."""
        self.step_of_epoch = self.batches = 0
        self.seconds = 0.0
        for metric in [self._mean, *self.training_metrics]:
            metric.reset()

    def began(self) -> None:
        """The clock of an epoch runs, from its start or from where it was resumed."""
        self._began = time.perf_counter() - self.seconds

    def count(self, loss: float, batches: int, examples: int) -> None:
        """An update was made."""
        self.step += 1
        self.step_of_epoch += 1
        self.batches += batches
        self.loss, self.used_rate = loss, self.rate
        self._mean.update(loss, examples)

    def end_epoch(self, validation: Mapping[str, Any]) -> bool:
        """An epoch is finished: its row. Whether it is the best so far."""
        self.seconds = time.perf_counter() - self._began
        row: dict[str, Any] = {"epoch": self.epoch + 1, "step": self.step, "loss": self.mean_loss}
        row.update(_scalars({m.name: m.value() for m in self.training_metrics if getattr(m, "seen", True)}))
        row.update({f"val_{name}": value for name, value in _scalars(validation).items()})
        row.update(lr=self.used_rate, seconds=round(self.seconds, 3))
        self.history.rows.append(row)
        self.epoch += 1
        self.trained = False
        name, value = self.monitored()
        sign = 1.0 if self.mode_of(name) == "min" else -1.0
        if math.isnan(value) or not (math.isnan(self.best) or sign * value < sign * self.best):
            return False
        self.best, self.best_epoch = value, self.epoch
        return True

    # ---- saving ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Counts, running means and the history."""
        if self.trained or self.step_of_epoch:
            self.seconds = time.perf_counter() - self._began
        return {
            **{name: getattr(self, name) for name in COUNTS},
            "epochs": self.epochs,
            "mean": self._mean.state_dict(),
            "metrics": {metric.name: metric.state_dict() for metric in self._kept()},
            "rows": self.history.rows,
            "stopped": self.history.stopped,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there. StateError where the schedule was planned for another number of epochs."""
        if self.planned and state["epochs"] != self.epochs:
            raise StateError(
                f"fit: the run was planned for {state['epochs']} epochs, and its schedule with it, not for {self.epochs}; resume it with "
                f"epochs={state['epochs']}, or begin another in another folder, from its weights if need be"
            )
        own = [metric.name for metric in self._kept()]
        if set(state["metrics"]) != set(own):
            raise StateError(
                f"fit: the checkpoint has the metrics {', '.join(state['metrics']) or 'none'}, and this run {', '.join(own) or 'none'}; give the same ones"
            )
        for name in COUNTS:
            least = -math.inf if isinstance(getattr(self, name), float) else 0
            if not isinstance(state[name], (int, float)) or state[name] < least:
                raise TypeError(f"{name} is {state[name]!r:.40}")
        if not all(isinstance(value, (int, float)) for row in state["rows"] for value in row.values()):
            raise TypeError("a row holds other things than numbers")
        for name in COUNTS:
            setattr(self, name, state[name])
        self._mean.load_state_dict(state["mean"])
        for metric in self._kept():
            metric.load_state_dict(state["metrics"][metric.name])
        self.history.rows, self.history.stopped = list(state["rows"]), str(state["stopped"])

    def _kept(self) -> list[Metric]:
        """The metrics that have a state; of others, an epoch resumed in its middle counts from there."""
        return [metric for metric in self.training_metrics if hasattr(metric, "state_dict")]


def _scalars(values: Mapping[str, Any]) -> dict[str, float]:
    """What is one number; confusion matrices and the like are for others."""
    plain = {
        n: v.item() if isinstance(v, (Tensor, np.ndarray, np.generic)) and v.shape == () else v
        for n, v in values.items()
    }
    return {name: float(value) for name, value in plain.items() if isinstance(value, (int, float))}


def names_of(metrics: Iterable[Metric]) -> list[str]:
    """The metrics' names; an ArgumentError for what is no metric, or two of one name."""
    names = []
    for metric in metrics:
        if isinstance(metric, type) or not all(
            callable(getattr(metric, part, None)) for part in ("update", "value", "reset")
        ):
            raise ArgumentError(f"fit: a metric is an object such as train.Accuracy(), not {metric!r:.60}")
        name = getattr(metric, "name", "")
        if not isinstance(name, str) or not name or name in TAKEN or name.startswith("val_"):
            raise ArgumentError(
                f"fit: the metric {metric!r:.60} is called {name!r:.40}; give it a name, metric.name = ..., that is none of "
                f"{', '.join(TAKEN)} and does not begin with val_"
            )
        names.append(name)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ArgumentError(f"fit: two metrics are called {twice!r}; give one another name: metric.name = ...")
    return names
