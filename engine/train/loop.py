"""`fit`: the loop that most training is, made of parts that serve loops written by hand as well."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..data import DataError, DataLoader, TensorDataset, on_device
from ..device import CPU
from ..errors import ArgumentError, SettingError
from ..nn import Module
from ..ops import cross_entropy
from ..optim import EMA, LRScheduler, Optimizer
from .callbacks import Callbacks, CSVLog, EarlyStopping, Progress, TensorBoard
from .checkpoint import Checkpoint
from .errors import NonFiniteError
from .history import History
from .interruption import Interruption, deferred
from .metrics import Metric
from .run import Run, names_of
from .step import Compute, Loss, Stepper, evaluate
from .step import batch_size as size_of

__all__ = ["fit"]


def fit(
    model: Module, data: Any, optimizer: Optimizer, *, epochs: int = 1, loss: Loss = cross_entropy, validation: Any = None,
    metrics: Iterable[Metric] = (), schedule: LRScheduler | Callable[[Optimizer, int], LRScheduler] | None = None, schedule_every: str = "epoch",
    batch_size: int = 32, accumulate: int = 1, clip_norm: float | None = None, clip_value: float | None = None, ema: EMA | float | None = None,
    precision: str | None = None, scaler: Any = None, compute: Compute | None = None, monitor: str | None = None, mode: str | None = None,
    patience: int | None = None, checkpoint: str | os.PathLike[str] | None = None, save_every: int | None = None, resume: bool = False,
    log: str | os.PathLike[str] | None = None, tensorboard: str | os.PathLike[str] | None = None, callbacks: Iterable[Any] = (), progress: bool = True,
) -> History:  # fmt: skip
    """Train ``model`` for ``epochs`` and give the history, a row of numbers for each.

    ``data`` and ``validation``: a DataLoader or another iterable of batches (inputs, targets) that can be begun anew; a data set (a list is one, of
    examples), or arrays (x, y), become a loader of ``batch_size``, shuffled for training. ``loss(outputs, targets)``; for batches of another form give
    ``compute(model, batch)``, which returns the loss or (loss, outputs, targets). ``accumulate`` batches make one update, as one large batch would.

    ``schedule`` is stepped each epoch (a plateau schedule by ``monitor``) or, with ``schedule_every="step"``, each update; a function of
    (optimizer, all updates) makes one that is stepped each update. ``ema``, a decay or an ``optim.EMA``, averages the weights, with
    which validation is made.
    ``precision``: see ``engine.precision`` (None: the one around the call); for "fp16" give ``scaler``, an ``optim.GradScaler``, which passes over
    updates whose gradients overflow.

    ``checkpoint`` is a folder: ``last.safetensors`` after each epoch (and each ``save_every`` updates, and Ctrl-C), ``best.safetensors`` by
    ``monitor`` (``mode`` "min" or "max"; by default the validation loss, else the training loss). With ``resume=True`` training goes on from
    the last one, if there is one, to the same bits; the model, the settings and the data must be built as before. ``patience`` epochs
    without improvement end it.

    ``log`` is a CSV file, ``tensorboard`` a folder of event files. ``callbacks``: see ``engine.train.callbacks``. Raises NonFiniteError at a
    loss that is infinite or NaN, CheckpointError when one cannot be written, DataError where there is nothing to train on.

    >>> from numzoo import engine
    >>> x = engine.randn(64, 2); y = (x.sum(1) > 0).to("int64")
    >>> model = engine.nn.Linear(2, 2)
    >>> optimizer = engine.optim.SGD(model.parameters(), lr=0.5)
    >>> history = engine.train.fit(model, (x, y), optimizer, epochs=5, metrics=[engine.train.Accuracy()], progress=False)
    >>> history[-1]["accuracy"] > 0.9
    True
    """
    _check(
        model,
        optimizer,
        epochs=epochs,
        accumulate=accumulate,
        save_every=save_every,
        mode=mode,
        schedule_every=schedule_every,
    )
    if checkpoint is None and (resume or save_every is not None):
        raise SettingError("fit: resume and save_every want a folder for checkpoints; give checkpoint=")
    loader, watched = _beside(_loader("data", data, batch_size, True), model), _listed("metrics", metrics)
    own_callbacks = _listed("callbacks", callbacks)
    held_out = None if validation is None else _beside(_loader("validation", validation, batch_size, False), model)
    _check_monitor(monitor, names_of(watched), held_out is not None)
    steps = math.ceil(len(loader) / accumulate) if hasattr(type(loader), "__len__") and _has_length(loader) else None
    if isinstance(ema, (int, float)):
        ema = EMA(model, ema, warm_up=True)
    if ema is not None and not isinstance(ema, EMA):
        raise ArgumentError(f"fit: ema is a decay such as 0.999, or an optim.EMA, not {ema!r:.60}")
    if scaler is not None and not all(
        callable(getattr(scaler, part, None)) for part in ("scale", "unscale_", "step", "update")
    ):
        raise ArgumentError(f"fit: scaler is an optim.GradScaler(), not {scaler!r:.60}")
    planned = False
    if schedule is not None and not isinstance(schedule, LRScheduler):
        if not callable(schedule) or steps is None:
            raise ArgumentError(
                "fit: schedule is a schedule, or a function of (optimizer, number of updates), which data without a length cannot say"
            )
        schedule, schedule_every, planned = schedule(optimizer, steps * epochs), "step", True
    if schedule is not None or planned:
        _check_schedule(schedule, optimizer)
    training = [copy.deepcopy(metric) for metric in watched]
    stepper = Stepper(
        model, optimizer, loss, compute=compute, precision=precision, clip_norm=clip_norm, clip_value=clip_value, ema=ema, scaler=scaler, watch=training
    )  # fmt: skip
    run = Run(
        model, optimizer, epochs, schedule=schedule, ema=ema, metrics=watched, training_metrics=training, steps_per_epoch=steps, monitor=monitor, mode=mode,
        validated=held_out is not None, planned=planned,
    )  # fmt: skip
    listeners = Callbacks(
        [
            *([EarlyStopping(patience=patience)] if patience is not None else []),
            *own_callbacks,
            *([CSVLog(log)] if log is not None else []),
            *([TensorBoard(tensorboard)] if tensorboard is not None else []),
            *([Progress()] if progress else []),
        ]
    )
    saved = None
    if checkpoint is not None:
        parts = {
            "model": model,
            "optimizer": optimizer,
            "schedule": schedule,
            "ema": ema,
            "scaler": scaler,
            "run": run,
            "callbacks": listeners,
        }
        for name, source in (("data", loader), ("validation", held_out)):
            parts[name] = source if hasattr(source, "load_state_dict") else None
        saved = Checkpoint(checkpoint, **{name: part for name, part in parts.items() if part is not None})
        if saved.exists("last"):
            if not resume:
                raise SettingError(
                    f"fit: {saved.path('last')} holds a run already; give resume=True to go on with it, another folder, or remove it"
                )
            saved.load("last")

    def validate(interruption: Interruption) -> dict[str, Any]:
        if held_out is None:
            return {}
        if hasattr(held_out, "set_epoch"):
            held_out.set_epoch(run.epoch)  # whatever another process, or an interrupted validation, has had of it
        return evaluate(
            model, interruption.watched(held_out), loss, watched, compute=compute, precision=precision, ema=ema
        )

    with deferred(saved is not None) as interruption:
        _loop(run, loader, stepper, validate, listeners, saved, save_every, accumulate, schedule_every, interruption)
    return run.history


def _loop(
    run: Run, loader: Any, stepper: Stepper, validate: Callable[[Interruption], dict[str, Any]], listeners: Callbacks, saved: Checkpoint | None,
    save_every: int | None, accumulate: int, schedule_every: str, interruption: Interruption,
) -> None:  # fmt: skip
    if not run.model.training:
        run.model.train()
    # Whether weights, position and random numbers belong together, so that a checkpoint can be made.
    whole = True
    try:
        listeners.call("on_start", run)
        while not run.is_over:
            if not run.trained and not run.step_of_epoch:
                run.begin_epoch()
            run.began()
            batches = _groups(loader, run, accumulate)
            while not run.trained:
                whole = False
                group = next(batches, None)
                if group is None:
                    run.trained = whole = True
                    break
                loss = stepper(
                    *group, where=f" at step {run.step + 1} (epoch {run.epoch + 1}, batch {run.batches + 1})"
                )
                run.count(loss, len(group), sum(map(size_of, group)))
                # A short group is the last: the loader has come to its end, and stands at the next epoch already.
                run.trained = len(group) < accumulate
                if run.schedule is not None and schedule_every == "step":
                    run.schedule.step()
                whole = True
                listeners.call("on_step", run)
                if saved is not None and save_every is not None and run.step % save_every == 0:
                    _save(saved, "last", run)
                interruption.check()
                if run.history.stopped:
                    if saved is not None:
                        _save(saved, "last", run)
                    return
            if not run.step_of_epoch:
                raise DataError("fit: the data gave no batch; there is nothing to train on")
            found = validate(interruption)
            whole = False  # until the row, the schedule and the callbacks have all had this epoch
            best = run.end_epoch(found)
            run.step_of_epoch = run.batches = 0
            if run.schedule is not None and schedule_every == "epoch":
                run.schedule.step(*([run.monitored()[1]] if run.schedule.wants_metric else []))
            listeners.call("on_epoch", run)
            whole = True
            if saved is not None:
                if best:
                    _save(saved, "best", run)
                _save(saved, "last", run)
            interruption.check()
    except KeyboardInterrupt:
        if saved is not None and whole:
            _save(saved, "last", run)
        raise
    finally:
        listeners.call("on_end", run)


def _groups(loader: Any, run: Run, accumulate: int) -> Iterator[Sequence[Any]]:
    """Batches by the ``accumulate``, from where the run stands; a loader that can be resumed knows that itself."""
    if run.trained:
        return
    batches = iter(loader)
    if run.batches and not hasattr(loader, "load_state_dict"):
        batches = islice(batches, run.batches, None)
    try:
        while group := tuple(islice(batches, accumulate)):
            yield group
    finally:
        if hasattr(batches, "close"):
            batches.close()


def _save(saved: Checkpoint, name: str, run: Run) -> None:
    for label, parameter in run.model.named_parameters():
        if (
            isinstance(parameter.array, np.ndarray)
            and parameter.requires_grad
            and not np.isfinite(parameter.array).all()
        ):
            raise NonFiniteError(
                f"fit: after step {run.step} (epoch {run.epoch + 1}) the parameter {label} holds infinities or NaN; no checkpoint was "
                "written over the last good one. Clip gradients (clip_norm=1.0) or lower the learning rate; "
                "`with engine.detect_anomaly():` names the operation that made the first NaN"
            )
    saved.save(name, epoch=run.epoch, step=run.step)


def _loader(name: str, data: Any, batch_size: int, shuffle: bool) -> Any:
    """Batches that can be begun anew."""
    if isinstance(data, tuple) and len(data) == 2:
        data = TensorDataset(*data)
    if isinstance(data, (str, dict)) or not (hasattr(type(data), "__iter__") or hasattr(type(data), "__getitem__")):
        raise ArgumentError(f"fit: {name} is a DataLoader, a data set or arrays (x, y), not a {type(data).__name__}")
    if hasattr(data, "__next__"):
        raise ArgumentError(
            f"fit: {name} is a {type(data).__name__}, which can be read only once; give a DataLoader, or an object whose __iter__ begins anew"
        )
    if hasattr(type(data), "__getitem__") and hasattr(type(data), "__len__"):
        if not len(data):
            raise DataError(f"fit: {name} is empty; there is nothing to {'train on' if shuffle else 'validate with'}")
        return DataLoader(data, batch_size, shuffle)
    return data


def _listed(name: str, given: Any) -> list[Any]:
    """The metrics or callbacks; one alone is not what is wanted, nor is its class."""
    if isinstance(given, (str, type)) or not hasattr(type(given), "__iter__"):
        raise ArgumentError(
            f"fit: {name} is a list, so that several can be given; write {name}=[...] around {given!r:.60}"
        )
    return list(given)


def _check_schedule(schedule: Any, optimizer: Optimizer) -> None:
    """A schedule of another optimiser would change nothing here, in silence."""
    if not isinstance(schedule, LRScheduler):
        raise ArgumentError(
            f"fit: the function schedule returned {schedule!r:.60}, and a schedule of engine.optim is wanted"
        )
    if schedule.optimizer is not optimizer:
        raise ArgumentError(
            "fit: schedule belongs to another optimizer, and would not change the rates of this one; make it of this one"
        )


def _beside(loader: Any, model: Module) -> Any:
    """The loader; where the model is on a GPU, its batches are copied there while the one before is computed with."""
    first = next(model.parameters(), None)
    return loader if first is None or first.device == CPU else on_device(loader, first.device)


def _has_length(loader: Any) -> bool:
    try:
        return len(loader) > 0
    except (TypeError, ArgumentError):
        return False


def _check_monitor(monitor: Any, names: list[str], validated: bool) -> None:
    """Refuse at once what would be missed only after an epoch."""
    known = ["loss", *names]
    known += [f"val_{name}" for name in known] if validated else []
    if monitor is not None and monitor not in known:
        raise ArgumentError(f"fit: there is no {monitor!r:.60} to watch; there are {', '.join(known)}")


def _check(
    model: Any, optimizer: Any, *, epochs: Any, accumulate: Any, save_every: Any, mode: Any, schedule_every: Any
) -> None:
    if not isinstance(model, Module):
        raise ArgumentError(f"fit: model is an nn.Module, not a {type(model).__name__}")
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(
            f"fit: optimizer is one of engine.optim, such as optim.AdamW(model.parameters(), lr=1e-3), not a {type(optimizer).__name__}"
        )
    for name, value in (
        ("epochs", epochs),
        ("accumulate", accumulate),
        ("save_every", 1 if save_every is None else save_every),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise SettingError(f"fit: {name} must be a whole number of at least 1, not {value!r:.60}")
    if mode not in (None, "min", "max"):
        raise SettingError(f"fit: mode must be 'min' or 'max', not {mode!r:.40}")
    if schedule_every not in ("epoch", "step"):
        raise SettingError(f"fit: schedule_every must be 'epoch' or 'step', not {schedule_every!r:.40}")
    own = {id(p) for p in model.parameters()}
    if not any(id(p) in own for group in optimizer.param_groups for p in group["params"]):
        raise ArgumentError(
            "fit: the optimizer trains none of the model's parameters; make it of this model: optim.SGD(model.parameters(), ...)"
        )
