"""The transducer: the likelihood of labels over all ways to say them while a sequence is heard, step by step.

Graves, "Sequence Transduction with Recurrent Neural Networks" (arXiv:1211.3711), section 2.3. A way goes through a grid of
steps and labels: the blank lets a step pass, a label is said and the step stays. Logarithms of probabilities are summed forward and
backward along the diagonals of the grid, whose places do not depend on one another, for all examples at once.
"""

from __future__ import annotations

from typing import Any

from ...device import namespace
from ...dtype import Array, accumulator
from ...modes import modes
from ...op import op
from ...tensor import Tensor, tensor_of
from ..elementwise.arithmetic import maximum, where
from ..indexing.index import getitem
from ..layers.activation import log_softmax
from ..layers.replay import replayed
from ..shapes.padding import pad
from ..shapes.shape import stack
from .ctc import IMPOSSIBLE, log_sum

__all__ = [
    "transducer_nll",
    "transducer_nll_input",
]


def _transducer_x(
    grad: Tensor, x: Tensor, labels: Tensor, steps: Tensor, lengths: Tensor, forward: Tensor, scale: Tensor, blank: int,
    normal: bool, clamp: float,
) -> Tensor:  # fmt: skip
    if not modes.recording:
        return transducer_nll_input(
            grad, x, labels, steps, lengths, forward, scale, blank=blank, normal=normal, clamp=clamp
        )
    found = replayed(lambda y: _plain(y, labels, steps, lengths, blank, normal), [x], [grad])[0]
    assert found is not None
    return found


@op(residuals=("forward", "scale"), x=_transducer_x)
def transducer_nll(
    xp: Any, x: Array, labels: Array, steps: Array, lengths: Array, *, blank: int, normal: bool, clamp: float
) -> tuple[Array, Array, Array]:
    """The negative log-likelihood of each example (batch,).

    x (batch, time, length + 1, classes) scores what comes next at each step behind so many labels: log-probabilities where
    `normal`, else their softmax is meant. labels (batch, length); steps and lengths (batch,) say how many of each count. `clamp`
    above 0 bounds the gradient. Keeps the sums over beginnings of ways, a diagonal a row, and the logarithms of the softmax's sums.
    """
    given, x = x.dtype, x.astype(accumulator(x.dtype), copy=False)
    scale = xp.zeros(x.shape[:3], x.dtype) if normal else _log_of_sums(xp, x)
    stay, go = (_by_diagonals(xp, table) for table in _tables(xp, x, labels, scale, blank))
    forward = xp.full(stay.shape, IMPOSSIBLE, x.dtype)
    forward[0, :, 0] = 0
    for d in range(1, len(forward)):
        forward[d] = forward[d - 1] + stay[d - 1]
        said = forward[d - 1, :, :-1] + go[d - 1, :, :-1]
        xp.logaddexp(forward[d, :, 1:], said, out=forward[d, :, 1:])
    likelihood = _likelihood(xp, forward, stay, steps, lengths)
    loss = xp.where(likelihood < IMPOSSIBLE / 2, x.dtype.type(xp.inf), -likelihood)
    return loss.astype(given, copy=False), forward, scale


def _log_of_sums(xp: Any, x: Array) -> Array:
    peak = x.max(axis=3)
    peak = xp.where(xp.isfinite(peak), peak, x.dtype.type(0))
    return peak + xp.log(xp.exp(x - peak[..., None]).sum(axis=3))


def _tables(xp: Any, x: Array, labels: Array, scale: Array, blank: int) -> tuple[Array, Array]:
    """Log-probabilities of the blank and of the next label, (batch, time, length + 1); behind the last label there is none."""
    said = xp.full(x.shape[:3], IMPOSSIBLE, x.dtype)
    said[:, :, :-1] = x[_next_labels(xp, x, labels)] - scale[:, :, :-1]
    return xp.maximum(x[..., blank] - scale, x.dtype.type(IMPOSSIBLE)), xp.maximum(said, x.dtype.type(IMPOSSIBLE))


def _next_labels(xp: Any, x: Array, labels: Array) -> tuple[Array, ...]:
    """Where in x the scores of each example's next label stand, at all places but the last."""
    batch, time, places, _ = x.shape
    rows, columns = xp.arange(batch)[:, None, None], xp.arange(places - 1)[None, None, :]
    return rows, xp.arange(time)[None, :, None], columns, labels[:, None, :]


def _by_diagonals(xp: Any, table: Array) -> Array:
    """A table (batch, time, places) as (time + places - 1, batch, places): in row d and column u what is at step d - u."""
    batch, time, places = table.shape
    turned = xp.full((time + places - 1, batch, places), IMPOSSIBLE, table.dtype)
    for u in range(places):
        turned[u : u + time, :, u] = table[:, :, u].T
    return turned


def _upright(xp: Any, turned: Array, time: int) -> Array:
    """The table that `_by_diagonals` turned."""
    _, batch, places = turned.shape
    table = xp.empty((batch, time, places), turned.dtype)
    for u in range(places):
        table[:, :, u] = turned[u : u + time, :, u].T
    return table


def _likelihood(xp: Any, forward: Array, stay: Array, steps: Array, lengths: Array) -> Array:
    """A way ends with the blank of the last step, behind the last label."""
    end = (steps - 1 + lengths, xp.arange(len(steps)), lengths)
    return forward[end] + stay[end]


@op()
def transducer_nll_input(
    xp: Any, flow: Array, x: Array, labels: Array, steps: Array, lengths: Array, forward: Array, scale: Array, *, blank: int,
    normal: bool, clamp: float,
) -> Array:  # fmt: skip
    """The gradient of transducer_nll for x: how likely a way comes by times the softmax, minus how likely it goes on by each class.

    NaN for an example that cannot be, if anything flows into it.
    """
    given, x = x.dtype, x.astype(accumulator(x.dtype), copy=False)
    stay, go = (_by_diagonals(xp, table) for table in _tables(xp, x, labels, scale, blank))
    likelihood = _likelihood(xp, forward, stay, steps, lengths)
    possible = likelihood >= IMPOSSIBLE / 2
    likelihood = xp.where(possible, likelihood, x.dtype.type(0))[:, None]
    last = xp.arange(x.shape[2]) == lengths[:, None]
    after = xp.full((x.shape[0], x.shape[2] + 1), IMPOSSIBLE, x.dtype)
    for d in range(len(forward) - 1, -1, -1):
        # Behind the last step and label there is nothing more to say.
        ends = last & (steps + lengths == d + 1)[:, None]
        stay[d] += xp.where(ends, x.dtype.type(0), after[:, :-1])
        go[d] += after[:, 1:]
        after[:, :-1] = xp.logaddexp(stay[d], go[d])
    share = (possible[:, None, None]).astype(x.dtype)
    passes, says = (
        _upright(xp, xp.exp(xp.minimum(forward + ways - likelihood, x.dtype.type(0))), x.shape[1]) * share
        for ways in (stay, go)
    )
    out = xp.zeros(x.shape, x.dtype) if normal else xp.exp(x - scale[..., None]) * (passes + says)[..., None]
    out[..., blank] -= passes
    out[_next_labels(xp, x, labels)] -= says[:, :, :-1]
    if clamp > 0:
        xp.clip(out, -clamp, clamp, out=out)
    flow = flow.astype(x.dtype, copy=False)
    out *= flow[:, None, None, None]
    lost = ~possible & (flow != 0)
    if lost.any():
        out[lost] = xp.nan
    return out.astype(given, copy=False)


def _plain(x: Tensor, labels: Tensor, steps: Tensor, lengths: Tensor, blank: int, normal: bool) -> Tensor:
    """The same in recorded operations, without `clamp`."""
    x = x.to(dtype=accumulator(x.dtype))
    scores = x if normal else log_softmax(x, axis=3)
    xp, (batch, time, places, _) = namespace(x.array), x.shape
    diagonals = time + places - 1
    rows, columns = xp.arange(batch)[None, :, None], xp.arange(places)[None, None, :]
    step = xp.arange(diagonals)[:, None, None] - columns
    inside = tensor_of((step >= 0) & (step < time))
    at = tuple(tensor_of(each) for each in (rows, xp.clip(step, 0, time - 1), columns))
    following = xp.concatenate([labels.array, xp.zeros((batch, 1), labels.array.dtype)], 1)[None]
    spoken = tensor_of((columns < places - 1) & (step == step))
    stay = where(inside, maximum(getitem(scores, (*at, blank)), IMPOSSIBLE), IMPOSSIBLE)
    go = where(inside, maximum(getitem(scores, (*at, tensor_of(following))), IMPOSSIBLE), IMPOSSIBLE)
    go = where(spoken, go, IMPOSSIBLE)
    forward = [tensor_of(xp.where(columns[0] > 0, IMPOSSIBLE, xp.zeros((batch, places))).astype(x.dtype))]
    for d in range(1, diagonals):
        said = pad(forward[-1] + getitem(go, d - 1), (1, -1), value=IMPOSSIBLE)
        forward.append(log_sum(stack([forward[-1] + getitem(stay, d - 1), said]), 0))
    end = (tensor_of(steps.array - 1 + lengths.array), tensor_of(xp.arange(batch)), lengths)
    return -(getitem(stack(forward), end) + getitem(stay, end))
