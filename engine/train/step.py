"""One step of the optimiser, and one pass without: what a loop is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ..data import DataError, Dataset
from ..device import Device
from ..errors import ArgumentError
from ..modes import no_grad
from ..modes import precision as precision_context
from ..nn import Module
from ..optim import EMA, Optimizer, clip_grad_norm_, clip_grad_value_
from ..tensor import Tensor
from .errors import NonFiniteError
from .metrics import Mean, Metric

__all__ = ["Stepper", "evaluate"]

Loss = Callable[..., Any]
Compute = Callable[[Any, Any], Any]
"""From (model, batch) to the loss, or to (loss, outputs, targets)."""


class Stepper:
    """``step(batch, batch, ...)``: forward and backward of each, then one update; the loss, a float, as of one large batch.

    ``loss(outputs, targets)`` is a mean over the batch, whose items are (inputs, targets); for other batches give ``compute(model, batch)``, which returns
    the loss or (loss, outputs, targets). Gradients are clipped together by ``clip_norm``, or each number by ``clip_value``. A ``scaler``
    is an ``optim.GradScaler``, or has its methods scale, unscale_, step and update.

    Raises NonFiniteError at a loss that is infinite or NaN, before anything is updated.
    """

    def __init__(
        self, model: Module, optimizer: Optimizer, loss: Loss, *, compute: Compute | None = None, precision: str | None = None, clip_norm: float | None = None,
        clip_value: float | None = None, ema: EMA | None = None, scaler: Any = None, watch: Sequence[Metric] = (),
    ) -> None:  # fmt: skip
        self.model, self.optimizer, self.ema, self.scaler = model, optimizer, ema, scaler
        self.compute, self.precision = compute or _pair(loss), precision
        self.clip_norm, self.clip_value, self.watch = clip_norm, clip_value, watch
        with _within(precision):
            pass  # a misspelt name is an error now, not at the first step

    def __call__(self, *batches: Any, where: str = "") -> float:
        if not batches:
            raise DataError("Stepper: wants a batch, or several that make one update together, and got none")
        sizes = [batch_size(batch) for batch in batches]
        everything, total = sum(sizes), 0.0
        self.optimizer.zero_grad()
        for batch, size in zip(batches, sizes, strict=True):
            with _within(self.precision):
                loss, outputs, targets = results(self.compute(self.model, beside(batch, self.model)))
            if loss is None:
                raise ArgumentError("fit: there is no loss to train with; give loss=, or return one from compute")
            _want_outputs(self.watch, outputs)
            value = loss.item()
            if not math.isfinite(value):
                raise NonFiniteError(
                    f"fit: the loss is {value}{where}; nothing was updated. Look for a learning rate that is too high, a division by 0 or a log of 0, or NaN "
                    "in the data; `with engine.detect_anomaly():` around the call names the operation that made the first NaN"
                )
            share = size / everything
            part = loss if share == 1.0 else loss * share
            (part if self.scaler is None else self.scaler.scale(part)).backward()
            total += value * share
            for metric in self.watch:
                metric.update(outputs.detach(), targets)
            del loss, part, outputs  # the graph goes before the next one comes
        self._update()
        return total

    def _update(self) -> None:
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        if self.clip_norm is not None or self.clip_value is not None:
            parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
            if self.clip_value is not None:
                clip_grad_value_(parameters, self.clip_value)
            if self.clip_norm is not None:
                clip_grad_norm_(parameters, self.clip_norm)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        if self.ema is not None:
            self.ema.update()


def evaluate(
    model: Module, data: Iterable[Any], loss: Loss | None = None, metrics: Iterable[Metric] = (), *, compute: Compute | None = None,
    precision: str | None = None, ema: EMA | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The model's mean ``loss`` and ``metrics`` over all batches of ``data``, by name, without gradients and in evaluation mode; modes come back as they were.

    With ``ema`` its averaged weights serve. Raises DataError where ``data`` gives nothing.
    """
    if isinstance(data, Dataset) or (isinstance(data, tuple) and len(data) == 2 and hasattr(data[0], "shape")):
        raise ArgumentError(
            f"evaluate: data is batches, such as a DataLoader gives, not a {type(data).__name__} of examples; give "
            "data.DataLoader(data.TensorDataset(x, y), 64), or DataLoader(dataset, 64)"
        )
    held = list(metrics)
    compute = compute or _pair(loss)
    mean = Mean()
    for metric in held:
        metric.reset()
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    seen = 0
    try:
        with no_grad(), _within(precision), nullcontext() if ema is None else ema.swapped():
            for batch in data:
                value, outputs, targets = results(compute(model, beside(batch, model)))
                seen += 1
                _want_outputs(held, outputs)
                if value is not None:
                    mean.update(value.item(), batch_size(batch))
                for metric in held:
                    metric.update(outputs, targets)
    finally:
        for module, training in modes:
            module.training = training
    if not seen:
        raise DataError("evaluate: the data gave no batch; there is nothing to evaluate")
    found = {"loss": mean.value()} if mean.seen else {}
    return {**found, **{metric.name: metric.value() for metric in held}}


def _within(precision: str | None) -> AbstractContextManager[None]:
    """Computing in a precision; None: in the one that is set."""
    return nullcontext() if precision is None else precision_context(precision)


def _want_outputs(metrics: Sequence[Metric], outputs: Any) -> None:
    if metrics and outputs is None:
        raise ArgumentError(
            "fit: metrics want outputs and targets, and compute returned the loss alone; return (loss, outputs, targets)"
        )


def batch_size(batch: Any) -> int:
    """How many examples a batch holds: the length of the first tensor in it, or 1."""
    while isinstance(batch, (tuple, list, dict)) and batch:
        batch = next(iter(batch.values())) if isinstance(batch, dict) else batch[0]
    shape = getattr(batch, "shape", ())
    return int(shape[0]) if shape else 1


def beside(batch: Any, model: Module) -> Any:
    """The batch with its tensors on the device of the model's parameters."""
    first = next(model.parameters(), None)
    return batch if first is None else _moved(batch, first.device)


def _moved(value: Any, device: Device) -> Any:
    if isinstance(value, Tensor):
        return value if value.device == device else value.to(device=device)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_moved(part, device) for part in value))
    if isinstance(value, (tuple, list)):
        return type(value)(_moved(part, device) for part in value)
    if isinstance(value, dict):
        return {name: _moved(part, device) for name, part in value.items()}
    return value


def results(made: Any) -> tuple[Any, Any, Any]:
    """What ``compute`` returned as (loss, outputs, targets)."""
    loss, outputs, targets = made if isinstance(made, tuple) and len(made) == 3 else (made, None, None)
    if loss is not None and (not isinstance(loss, Tensor) or loss.shape not in ((), (1,))):
        what = f"of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
        raise ArgumentError(
            f"fit: a loss is a tensor of one number, and was {what}; take its mean, or return (loss, outputs, targets) from compute"
        )
    return loss, outputs, targets


def _pair(loss: Loss | None) -> Compute:
    if loss is not None and not callable(loss):
        raise ArgumentError(f"fit: loss is a function of (outputs, targets), not {loss!r:.60}")

    def compute(model: Any, batch: Any) -> Any:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            what = f"a {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, (tuple, list, dict)) else "")
            raise ArgumentError(
                f"fit: a batch is (inputs, targets), and this one is {what}; give compute=, a function of (model, batch) that returns (loss, outputs, targets)"
            )
        inputs, targets = batch
        outputs = model(inputs)
        return None if loss is None else loss(outputs, targets), outputs, targets

    return compute
