"""The loss of labels that are said while a sequence is heard."""

from __future__ import annotations

from typing import Any

from ...device import namespace
from ...dtype import kind
from ...errors import DtypeError, SettingError, ShapeError
from ...ops.losses.loss import check_reduction
from ...ops.sequences.transducer import transducer_nll
from ...tensor import Tensor, tensor_like, tensor_of

__all__ = [
    "rnnt_loss",
]


def rnnt_loss(
    logits: Tensor, targets: Any, logit_lengths: Any, target_lengths: Any, blank: int = -1, clamp: float = -1.0,
    reduction: str = "mean", fused_log_softmax: bool = True,
) -> Tensor:  # fmt: skip
    """-log of the probability of the labels, over all ways to say them between the steps (Graves, arXiv:1211.3711).

    logits (batch, time, length + 1, classes): the scores of the joiner at each step behind so many labels; with
    ``fused_log_softmax`` false they are log-probabilities. targets (batch, length); the lengths say how many steps (at least 1) and
    labels of each example count. ``blank`` counts from the end where it is negative. ``clamp`` above 0 bounds each number of the
    gradient of an example's loss; gradients of second order are those without it. The mean is that over the examples. As
    torchaudio.functional.rnnt_loss.
    """
    check_reduction("rnnt_loss", reduction)
    logits, targets = tensor_like("rnnt_loss", logits), tensor_like("rnnt_loss", targets)
    if kind(logits.dtype) != 2:
        raise DtypeError(f"rnnt_loss: wants floating-point logits, not {logits.dtype}")
    if logits.ndim != 4 or 0 in logits.shape[1:]:
        raise ShapeError(f"rnnt_loss: wants logits (batch, time, length + 1, classes), not {tuple(logits.shape)}")
    batch, time, places, classes = logits.shape
    if isinstance(blank, bool) or not isinstance(blank, int) or not -classes <= blank < classes:
        raise SettingError(f"rnnt_loss: blank must be one of the classes 0 to {classes - 1}, not {blank!r:.60}")
    if kind(targets.dtype) != 1:
        raise DtypeError(f"rnnt_loss: targets must be class numbers (integers), not {targets.dtype}")
    if tuple(targets.shape) != (batch, places - 1):
        raise ShapeError(
            f"rnnt_loss: targets {tuple(targets.shape)} must be (batch, length), {(batch, places - 1)} for logits {tuple(logits.shape)}"
        )
    blank %= classes
    steps = _lengths("logit_lengths", logit_lengths, logits, 1, time)
    lengths = _lengths("target_lengths", target_lengths, logits, 0, places - 1)
    xp, table = namespace(logits.array), targets.to(device=logits.device).array
    inside = xp.arange(places - 1) < lengths[:, None]
    wrong = inside & ((table < 0) | (table >= classes) | (table == blank))
    if wrong.any():
        raise ShapeError(
            f"rnnt_loss: target {int(table[wrong][0])} is no label: labels are 0 to {classes - 1} but for the blank, {blank}"
        )
    labels = tensor_of(xp.where(inside, table, blank).astype("int64"))
    loss = transducer_nll(
        logits,
        labels,
        tensor_of(steps),
        tensor_of(lengths),
        blank=blank,
        normal=not fused_log_softmax,
        clamp=float(clamp),
    )
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


def _lengths(name: str, given: Any, logits: Tensor, least: int, most: int) -> Any:
    """Lengths as an array of one whole number for each example, within bounds, where the logits are."""
    batch, lengths = logits.shape[0], tensor_like(f"rnnt_loss {name}", given).to(device=logits.device)
    if kind(lengths.dtype) != 1:
        raise DtypeError(f"rnnt_loss: {name} must be whole numbers, not {lengths.dtype}")
    array = lengths.array.reshape(-1).astype("int64")
    if array.shape != (batch,):
        raise ShapeError(
            f"rnnt_loss: {name} must have one number for each of the {batch} examples, not {array.shape[0]}"
        )
    if batch and (array.min() < least or array.max() > most):
        raise ShapeError(
            f"rnnt_loss: {name} go from {array.min()} to {array.max()}, but must lie between {least} and {most}"
        )
    return array
