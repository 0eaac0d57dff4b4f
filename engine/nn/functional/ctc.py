"""The loss of labels whose places in a sequence are not known."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...bounds import left_to_gpu
from ...device import namespace
from ...dtype import accumulator, kind
from ...errors import DtypeError, SettingError, ShapeError
from ...ops import maximum, where
from ...ops.losses.loss import check_reduction
from ...ops.sequences.ctc import ctc_nll
from ...tensor import Tensor, tensor_like, tensor_of

__all__ = [
    "ctc_loss",
]


def ctc_loss(
    log_probs: Tensor, targets: Any, input_lengths: Any, target_lengths: Any, blank: int = 0, reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """-log of the probability of the labels, over all ways to align them with the steps (Graves et al., 2006).

    log_probs (time, batch, classes) of log-probabilities, or (time, classes). targets (batch, length), or all labels behind
    one another in one axis; the lengths say how many steps and labels of each example count. The mean is that of each
    example's loss over its number of labels. An example with too few steps costs infinity, or nothing with
    ``zero_infinity``. The gradient is that for log_probs as they are, also where these do not sum to 1.
    """
    check_reduction("ctc_loss", reduction)
    log_probs, targets = tensor_like("ctc_loss", log_probs), tensor_like("ctc_loss", targets)
    if kind(log_probs.dtype) != 2:
        raise DtypeError(f"ctc_loss: wants floating-point log-probabilities, not {log_probs.dtype}")
    single = log_probs.ndim == 2
    x = log_probs.unsqueeze(1) if single else log_probs
    if x.ndim != 3 or not x.shape[0] or not x.shape[2]:
        raise ShapeError(
            f"ctc_loss: wants log_probs (time, batch, classes) or (time, classes), not {tuple(log_probs.shape)}"
        )
    time, batch, classes = x.shape
    if isinstance(blank, bool) or not isinstance(blank, int) or not 0 <= blank < classes:
        raise SettingError(f"ctc_loss: blank must be one of the classes 0 to {classes - 1}, not {blank!r:.60}")
    # Labels and lengths may lie on the CPU: they go where the probabilities are.
    steps = _lengths("input_lengths", input_lengths, x, time)
    labels = _lengths("target_lengths", target_lengths, x, None)
    listed = _listed(targets.to(device=x.device), labels, single)
    xp = namespace(x.array)
    inside = xp.arange(listed.shape[1]) < labels[:, None]
    wrong = inside & ((listed < 0) | (listed >= classes) | (listed == blank))
    labelled = xp.where(inside, xp.where(listed == blank, -1 - blank, listed), 0)
    sentence = (
        f"ctc_loss: target {{0}} is no label: labels are 0 to {{2}} but for the blank, {blank} (told as {-1 - blank})"
    )
    if not left_to_gpu(labelled, 0, classes - 1, sentence) and wrong.any():
        raise ShapeError(
            f"ctc_loss: target {int(listed[wrong][0])} is no label: labels are 0 to {classes - 1} but for the blank, {blank}"
        )
    states = xp.full((batch, 2 * listed.shape[1] + 1), blank, "int64")
    states[:, 1::2] = xp.where(inside, listed, blank)
    loss = ctc_nll(x.to(dtype=accumulator(x.dtype)), tensor_of(states), tensor_of(steps), tensor_of(labels))
    if zero_infinity:
        loss = where(loss == float("inf"), 0.0, loss)
    if reduction == "mean":
        loss = (loss / maximum(tensor_of(labels), 1).to(dtype=loss.dtype)).mean()
    elif reduction == "sum":
        loss = loss.sum()
    elif single:
        loss = loss.squeeze(0)
    return loss.to(dtype=log_probs.dtype)


def _lengths(name: str, given: Any, x: Tensor, most: int | None) -> Any:
    """Lengths as an array of one whole number for each example of x, within bounds."""
    batch = x.shape[1]
    lengths = tensor_like(f"ctc_loss {name}", given).to(device=x.device)
    if kind(lengths.dtype) != 1:
        raise DtypeError(f"ctc_loss: {name} must be whole numbers, not {lengths.dtype}")
    array = lengths.array.reshape(-1).astype("int64")
    if array.shape != (batch,):
        raise ShapeError(
            f"ctc_loss: {name} must have one number for each of the {batch} examples, not {array.shape[0]}"
        )
    largest = np.iinfo(np.int64).max if most is None else most
    sentence = (
        f"ctc_loss: {name} must lie between 0 and {'the labels given' if most is None else most}, but one is {{0}}"
    )
    if left_to_gpu(array, 0, largest, sentence):
        return array
    if batch and (array.min() < 0 or (most is not None and array.max() > most)):
        raise ShapeError(
            f"ctc_loss: {name} go from {array.min()} to {array.max()}, but must lie between 0 and {'the labels given' if most is None else most}"
        )
    return array


def _listed(targets: Tensor, labels: Any, single: bool) -> Any:
    """The labels as a table (batch, the longest), whatever beyond each length."""
    if kind(targets.dtype) != 1:
        raise DtypeError(f"ctc_loss: targets must be class numbers (integers), not {targets.dtype}")
    array = targets.array.reshape(1, -1) if single else targets.array
    xp = namespace(array)
    if array.ndim == 2 and array.shape[0] == labels.shape[0] and array.shape[1]:
        sentence = f"ctc_loss: targets {tuple(targets.shape)} do not hold target_lengths of {{0}}"
        if left_to_gpu(labels, 0, array.shape[1], sentence):
            return array
    most = max(int(labels.max()) if labels.size else 0, 1)
    if array.ndim == 2:
        if array.shape[0] != labels.shape[0] or (labels.size and labels.max() > array.shape[1]):
            raise ShapeError(
                f"ctc_loss: targets {tuple(targets.shape)} do not hold target_lengths up to {most} for {labels.shape[0]} examples"
            )
        return array[:, :most] if array.shape[1] else xp.zeros((array.shape[0], 1), array.dtype)
    if array.ndim != 1 or array.shape[0] != int(labels.sum()):
        raise ShapeError(
            f"ctc_loss: targets {tuple(targets.shape)} must be (batch, length), or hold just the {int(labels.sum())} labels that target_lengths add up to"
        )
    table = xp.zeros((labels.shape[0], most), array.dtype)
    table[xp.arange(most) < labels[:, None]] = array
    return table
