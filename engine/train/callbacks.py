"""What may listen to a run: a function, called after each epoch, or an object with some of these methods. Each is given the run.

``on_start`` before the first epoch; ``on_step`` after each update; ``on_epoch`` after each epoch and its validation; ``on_end`` when
all is over, failed or not.
One with ``state_dict`` and ``load_state_dict`` is kept in checkpoints.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, SettingError, StateError
from .errors import TrainingError

if TYPE_CHECKING:
    from .run import Run

__all__ = ["CSVLog", "EarlyStopping", "Progress", "TensorBoard"]

MOMENTS = ("on_start", "on_step", "on_epoch", "on_end")


class Callbacks:
    """Several callbacks as one, called in order."""

    def __init__(self, callbacks: Iterable[Any]) -> None:
        self.held = list(callbacks)
        for callback in self.held:
            named = [name for name in dir(callback) if name.startswith("on_")]
            strange = [name for name in named if name not in MOMENTS]
            if strange or (not named and not callable(callback)) or isinstance(callback, type):
                what = f"has {strange[0]}" if strange else f"is {callback!r:.60}"
                raise ArgumentError(
                    f"fit: a callback is a function of the run, or an object with {', '.join(MOMENTS)}; this one {what}"
                )

    def call(self, moment: str, run: Run) -> None:
        """Tell everyone whom the moment concerns."""
        for callback in self.held:
            method = getattr(callback, moment, None)
            if method is not None:
                method(run)
            elif moment == "on_epoch" and not any(hasattr(callback, name) for name in MOMENTS):
                callback(run)

    def state_dict(self) -> dict[str, Any]:
        """The states of those that have one, by their place."""
        return {str(i): c.state_dict() for i, c in enumerate(self.held) if hasattr(c, "state_dict")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Give each its own."""
        if set(state) != set(self.state_dict()):
            raise StateError("fit: the checkpoint was made with other callbacks; give the same ones, in the same order")
        for place, part in state.items():
            self.held[int(place)].load_state_dict(part)


class EarlyStopping:
    """Stop after ``patience`` epochs in which ``monitor`` was no better than its best; better is by more than ``least``.

    ``mode`` is "min" or "max"; None: as ``fit`` takes it to be, from the metric.
    """

    def __init__(
        self, monitor: str | None = None, patience: int = 5, *, least: float = 0.0, mode: str | None = None
    ) -> None:
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 0:
            raise SettingError(f"EarlyStopping: patience must be a whole number of epochs from 0, not {patience!r:.60}")
        if not isinstance(least, (int, float)) or not 0 <= least < math.inf:
            raise SettingError(f"EarlyStopping: least must be a number from 0, not {least!r:.60}")
        if mode not in (None, "min", "max"):
            raise SettingError(f"EarlyStopping: mode must be 'min' or 'max', not {mode!r:.40}")
        self.monitor, self.patience, self.least, self.mode = monitor, patience, least, mode
        self.best: float | None = None
        self.bad = 0

    def on_epoch(self, run: Run) -> None:
        name, value = run.monitored(self.monitor)
        sign = 1.0 if (self.mode or run.mode_of(name)) == "min" else -1.0
        if not math.isnan(value) and (self.best is None or sign * value < sign * self.best - self.least):
            self.best, self.bad = value, 0
            return
        self.bad += 1
        if self.bad >= self.patience and run.epoch < run.epochs:
            best = "it was never a number" if self.best is None else f"its best is {self.best:.4g}"
            run.stop(f"{name} has not improved for {self.bad} epoch{'s' * (self.bad > 1)}; {best}")

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "bad": self.bad}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.bad = state["best"], state["bad"]


class CSVLog:
    """A table of the run's numbers, a row an epoch, rewritten whole each time: a resumed run continues it without doubles."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    def on_epoch(self, run: Run) -> None:
        run.history.write_csv(self.path)


class TensorBoard:
    """Event files for TensorBoard in ``folder``: loss and learning rate every ``every`` steps, everything else each epoch. Wants tensorboardX."""

    def __init__(self, folder: str | os.PathLike[str], every: int = 10) -> None:
        try:
            import tensorboardX
        except ImportError:
            raise ModuleNotFoundError(
                'TensorBoard: tensorboardX is not installed; pip install "numzoo[tensorboard]" brings it',
                name="tensorboardX",
            ) from None
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise SettingError(f"TensorBoard: every must be a whole number of steps of at least 1, not {every!r:.60}")
        self.folder, self.every = folder, every
        self._module, self._writer = tensorboardX, None

    def on_start(self, run: Run) -> None:
        # Steps after the resumed one were written by a run that died, and are made again.
        self._writer = self._module.SummaryWriter(os.fspath(self.folder), purge_step=run.step + 1 if run.step else None)

    def on_step(self, run: Run) -> None:
        if run.step % self.every == 0:
            self._writer.add_scalar("step/loss", run.loss, run.step)  # type: ignore[attr-defined]
            self._writer.add_scalar("step/learning_rate", run.rate, run.step)  # type: ignore[attr-defined]

    def on_epoch(self, run: Run) -> None:
        for name, value in run.row.items():
            if name not in ("epoch", "step"):
                self._writer.add_scalar(f"epoch/{name}", value, run.step)  # type: ignore[attr-defined]

    def on_end(self, run: Run) -> None:
        if self._writer is not None:
            self._writer.close()


class Progress:
    """A bar on a terminal with loss and learning rate; elsewhere a line an epoch. Both go to stderr."""

    def __init__(self, bar: bool | None = None) -> None:
        self.wants_bar = _shows_bars() if bar is None else bar
        self._bar: Any = None

    def on_step(self, run: Run) -> None:
        if not self.wants_bar:
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                total=run.steps_per_epoch,
                initial=run.step_of_epoch - 1,
                desc=f"epoch {run.epoch + 1}/{run.epochs}",
                leave=True,
                dynamic_ncols=True,
            )
        self._bar.update(1)
        self._bar.set_postfix_str(f"loss {run.mean_loss:.4f}, lr {run.rate:.3g}", refresh=False)

    def on_epoch(self, run: Run) -> None:
        shown = ", ".join(
            f"{name} {value:.4f}" for name, value in run.row.items() if name not in ("epoch", "step", "seconds", "lr")
        )
        if self._bar is not None:
            self._bar.set_postfix_str(f"{shown}, lr {run.row['lr']:.3g}")
            self._close()
        elif not self.wants_bar:
            print(
                f"epoch {run.epoch}/{run.epochs}: {shown}, lr {run.row['lr']:.3g}, {run.row['seconds']:.1f} s",
                file=sys.stderr,
                flush=True,
            )

    def on_end(self, run: Run) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _shows_bars() -> bool:
    """Whether stderr is a terminal of a known size: on others, as in some containers, a bar has no room and would be nothing at all."""
    if not sys.stderr.isatty():
        return False
    try:
        return all(os.get_terminal_size(sys.stderr.fileno()))
    except (OSError, ValueError):
        return False


def checked_number(value: Any, name: str) -> float:
    """A monitored value as a number."""
    if isinstance(value, (int, float)):
        return float(value)
    raise TrainingError(f"fit: {name} is {type(value).__name__}, and only a number can be better or worse")
