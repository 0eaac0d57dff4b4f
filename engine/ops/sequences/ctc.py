"""Connectionist temporal classification: the likelihood of labels over all their alignments with a longer sequence.

Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification" (2006). The states of an alignment are the
labels with a blank before, between and after them. Logarithms of probabilities are summed forward and backward, over all
states and examples at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import namespace
from ...dtype import Array, accumulator
from ...modes import modes
from ...op import op
from ...tensor import Tensor, tensor_of
from ..elementwise.arithmetic import maximum, where
from ..elementwise.elementary import exp, log
from ..indexing.accumulation import added
from ..indexing.index import getitem
from ..layers.replay import replayed
from ..reductions.reduction import amax
from ..shapes.padding import pad
from ..shapes.shape import stack

__all__ = [
    "ctc_nll",
    "ctc_nll_input",
]

# The logarithm of what cannot be: unlike -inf it can be subtracted from itself, and nothing reaches it that can be.
IMPOSSIBLE = -1e30


def _ctc_x(grad: Tensor, x: Tensor, states: Tensor, steps: Tensor, labels: Tensor, forward: Tensor) -> Tensor:
    if not modes.recording:
        return ctc_nll_input(grad, x, states, steps, labels, forward)
    found = replayed(lambda y: _plain(y, states, steps, labels), [x], [grad])[0]
    assert found is not None
    return found


@op(residuals=("forward",), x=_ctc_x)
def ctc_nll(xp: Any, x: Array, states: Array, steps: Array, labels: Array) -> tuple[Array, Array]:
    """The negative log-likelihood of each example (batch,), infinite where no alignment is long enough.

    x (time, batch, classes) of log-probabilities; states (batch, 2 length + 1), the labels with blanks around each; steps
    and labels (batch,) say how many steps and labels of each example count. Keeps the sums over beginnings of alignments.
    """
    given, x = x.dtype, x.astype(accumulator(x.dtype), copy=False)
    time, batch, _ = x.shape
    rows = xp.arange(batch)
    emitted = _emitted(xp, x, states)
    leap = _leap(xp, states, x.dtype)
    # Two columns of the impossible on the left: what comes from one and from two states before are shifted views.
    forward = xp.full((time, batch, states.shape[1] + 2), IMPOSSIBLE, x.dtype)
    forward[0, :, 2:4] = emitted[0, :, :2]
    for t in range(1, time):
        before = forward[t - 1]
        forward[t, :, 2:] = _sum3(xp, before[:, 2:], before[:, 1:-1], before[:, :-2] + leap) + emitted[t]
    likelihood = _likelihood(xp, forward, steps, labels, rows)
    nothing = steps == 0
    likelihood = xp.where(nothing, xp.where(labels == 0, x.dtype.type(0), x.dtype.type(IMPOSSIBLE)), likelihood)
    loss = xp.where(likelihood < IMPOSSIBLE / 2, x.dtype.type(xp.inf), -likelihood)
    return loss.astype(given, copy=False), forward


def _added(xp: Any, target: Array, share: Array, size: int) -> Array:
    """The shares added up at their targets: on a GPU by its kernel, as counting there would wait for the GPU."""
    return np.bincount(target, share.ravel(), size) if xp is np else added(xp, target, share.ravel(), (size,))


def _emitted(xp: Any, x: Array, states: Array) -> Array:
    """What each state emits at each step (time, batch, states)."""
    found = x[:, xp.arange(x.shape[1])[:, None], states]
    return xp.maximum(found, x.dtype.type(IMPOSSIBLE), out=found)


def _leap(xp: Any, states: Array, dtype: Any) -> Array:
    """The log-probability of coming from two states before: 0 between different labels, else impossible."""
    allowed = xp.zeros(states.shape, bool)
    allowed[:, 2:] = (states[:, 2:] != states[:, :-2]) & (xp.arange(2, states.shape[1]) % 2 == 1)
    return xp.where(allowed, dtype.type(0), dtype.type(IMPOSSIBLE))


def _sum3(xp: Any, a: Array, b: Array, c: Array) -> Array:
    peak = xp.maximum(xp.maximum(a, b), c)
    return peak + xp.log(xp.exp(a - peak) + xp.exp(b - peak) + xp.exp(c - peak))


def _likelihood(xp: Any, forward: Array, steps: Array, labels: Array, rows: Array) -> Array:
    """An alignment ends in the last label or in the blank behind it."""
    last = xp.maximum(steps, 1) - 1
    return xp.logaddexp(forward[last, rows, 2 * labels + 2], forward[last, rows, 2 * labels + 1])


@op()
def ctc_nll_input(xp: Any, flow: Array, x: Array, states: Array, steps: Array, labels: Array, forward: Array) -> Array:
    """The gradient of ctc_nll for x: minus the probability of each class at each step, given the labels.

    NaN for an example that no alignment fits, if anything flows into it.
    """
    given, wide = x.dtype, accumulator(x.dtype)
    x, flow = x.astype(wide, copy=False), flow.astype(wide, copy=False)
    time, batch, classes = x.shape
    rows = xp.arange(batch)
    emitted = _emitted(xp, x, states)
    leap = _leap(xp, states, x.dtype)
    width = states.shape[1]
    places = xp.arange(width)
    final = (places == 2 * labels[:, None]) | (places == 2 * labels[:, None] - 1)
    final = xp.where(final, x.dtype.type(0), x.dtype.type(IMPOSSIBLE))
    likelihood = _likelihood(xp, forward, steps, labels, rows)
    possible = (likelihood >= IMPOSSIBLE / 2) & (steps > 0)
    likelihood = xp.where(possible, likelihood, x.dtype.type(0))[:, None]
    target = (rows[:, None] * classes + states).ravel()
    after = xp.full((batch, width + 2), IMPOSSIBLE, x.dtype)
    out = xp.zeros(x.shape, x.dtype)
    scale = xp.where(possible, -flow, x.dtype.type(0))[:, None]
    for t in range(time - 1, -1, -1):
        if t + 1 < time:
            # ``after`` becomes what completes an alignment from each state of the next step, its own emission included.
            after[:, :width] += emitted[t + 1]
            two = after[:, 2:].copy()
            two[:, : width - 2] += leap[:, 2:]
            after[:, :width] = _sum3(xp, after[:, :width], after[:, 1:-1], two)
        after[:, :width] = xp.where((steps == t + 1)[:, None], final, after[:, :width])
        share = xp.exp(xp.minimum(forward[t, :, 2:] + after[:, :width] - likelihood, x.dtype.type(0)))
        share *= xp.where((steps > t)[:, None], scale, x.dtype.type(0))
        out[t] = _added(xp, target, share, batch * classes).reshape(batch, classes)
    lost = ~possible & (flow != 0) & ~((steps == 0) & (labels == 0))
    if xp is not np:
        out = xp.where(lost[None, :, None], x.dtype.type(np.nan), out)
    elif lost.any():
        out[:, lost] = np.nan
    return out.astype(given, copy=False)


def _plain(x: Tensor, states: Tensor, steps: Tensor, labels: Tensor) -> Tensor:
    """The same in recorded operations."""
    x = x.to(dtype=accumulator(x.dtype))
    rows = tensor_of(namespace(labels.array).arange(labels.shape[0])).unsqueeze(1)
    emitted = maximum(getitem(x, (slice(None), rows, states)), IMPOSSIBLE)
    places = tensor_of(namespace(states.array).arange(states.shape[1]))
    leap = tensor_of(_leap(namespace(states.array), states.array, x.dtype))
    forward = where(places < 2, getitem(emitted, 0), IMPOSSIBLE)
    for t in range(1, x.shape[0]):
        ways = stack([forward, pad(forward, (1, -1), value=IMPOSSIBLE), pad(forward, (2, -2), value=IMPOSSIBLE) + leap])
        forward = where((steps > t).unsqueeze(1), log_sum(ways, 0) + getitem(emitted, t), forward)
    end = labels.unsqueeze(1) * 2
    return -log_sum(where((places == end) | (places == end - 1), forward, IMPOSSIBLE), 1)


def log_sum(x: Tensor, axis: int) -> Tensor:
    """The logarithm of a sum of exponentials, of numbers among which some stand for the impossible."""
    peak = amax(x, axis, True).detach()
    return log(exp(x - peak).sum(axis)) + peak.squeeze(axis)
