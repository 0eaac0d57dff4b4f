"""Where the tokens of a text lie in its sound: by the decoder's heads that look at what is just being said.

The weights with which chosen heads look at the sound are put on one scale, smoothed and averaged; the cheapest path through them,
which goes on in tokens and in time, says when each token was spoken. These are the steps of Whisper's authors, who published
the heads for each of their models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SECONDS", "Heads", "heads_of", "path", "smooth", "token_times"]

Heads = list[tuple[int, int]]

SECONDS = 0.02  # of a place of the encoder's
_MEDIAN = 7  # places whose median replaces the middle one

_HEADS = {  # layer.head of the decoder, from 0
    "tiny.en": "1.0 2.0 2.5 3.0 3.1 3.2 3.3 3.4",
    "tiny": "2.2 3.0 3.2 3.3 3.4 3.5",
    "base.en": "3.3 4.7 5.1 5.5 5.7",
    "base": "3.1 4.2 4.3 4.7 5.1 5.2 5.4 5.6",
    "small.en": "6.6 7.0 7.3 7.8 8.2 8.5 8.7 9.0 9.4 9.8 9.10 10.0 10.1 10.2 10.3 10.6 10.11 11.2 11.4",
    "small": "5.3 5.9 8.0 8.4 8.7 8.8 9.0 9.7 9.9 10.5",
    "medium.en": "11.4 14.1 14.12 14.14 15.4 16.0 16.4 16.9 17.12 17.14 18.7 18.10 18.15 20.0 20.3 20.9 20.14 21.12",
    "medium": "13.15 15.4 15.15 16.1 20.0 23.4",
    "large-v1": "9.19 11.2 11.4 11.17 22.7 22.11 22.17 23.2 23.15",
    "large-v2": "10.12 13.17 16.11 16.12 16.13 17.15 17.16 18.4 18.11 18.19 19.11 21.2 21.3 22.3 22.9 22.12 23.5 23.7 23.13 25.5 "
    "26.1 26.12 27.15",
    "large-v3": "7.0 10.17 12.18 13.12 16.1 17.14 19.11 21.4 24.1 25.6",
    "turbo": "2.4 2.11 3.3 3.6 3.11 3.14",
}
_NAMES = {  # layers and width of the decoder, and the size of the vocabulary
    (4, 384, 51864): "tiny.en",
    (4, 384, 51865): "tiny",
    (6, 512, 51864): "base.en",
    (6, 512, 51865): "base",
    (12, 768, 51864): "small.en",
    (12, 768, 51865): "small",
    (24, 1024, 51864): "medium.en",
    (24, 1024, 51865): "medium",
    (32, 1280, 51865): "large-v2",
    (32, 1280, 51866): "large-v3",
    (4, 1280, 51866): "turbo",
}


def heads_of(config: Any, said: str | Sequence[Sequence[int]] | None = None) -> Heads:
    """The heads (layer, head) of a model of these sizes: those `said`, by the name of a model of the authors' or one by one.

    A model that is none of the authors' has no such list; then all heads of the upper half of its layers serve.
    Raises ValueError for heads that it does not have.
    """
    layers, most = config.n_text_layer, config.n_text_head
    name = _NAMES.get((layers, config.n_text_state, config.n_vocab)) if said is None else said
    if isinstance(name, str):
        if name not in _HEADS:
            raise ValueError(f"whisper: heads are known for {', '.join(_HEADS)}, not for {name!r}")
        found = [(int(layer), int(head)) for layer, _, head in (each.partition(".") for each in _HEADS[name].split())]
    elif name is None:
        found = [(layer, head) for layer in range(layers // 2, layers) for head in range(most)]
    else:
        found = [(pair[0], pair[1]) for pair in name if _is_pair(pair)]
        if not found or len(found) != len(name):
            raise ValueError(f"whisper: heads for times of words are pairs [layer, head], not {name!r:.80}")
    wrong = [pair for pair in found if not (0 <= pair[0] < layers and 0 <= pair[1] < most)]
    if wrong:
        raise ValueError(f"whisper: there is no head {wrong[0]}: the decoder has {layers} layers of {most} heads")
    return found


def token_times(scores: NDArray[np.float32], first: int) -> NDArray[np.float64]:
    """When the tokens from number `first` on begin, in seconds, from scores (heads, tokens, places) before the softmax.

    A token's row says what the decoder looked at when it wrote the next one, so the last row is that of no token.
    """
    total = np.zeros(scores.shape[1:], np.float32)
    for table in scores:
        powers = np.exp(table - table.max(axis=1, keepdims=True))
        weights = powers / powers.sum(axis=1, keepdims=True)
        spread = weights.std(axis=0, keepdims=True)
        total += smooth((weights - weights.mean(axis=0, keepdims=True)) / np.where(spread > 0, spread, 1))
    rows, columns = path(-total[first:-1] / np.float32(len(scores)))
    return np.asarray(columns[np.diff(rows, prepend=-1) > 0] * SECONDS)


def smooth(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """The running median of each row, over 7 places; beyond its ends the row is mirrored."""
    side = _MEDIAN // 2
    if table.shape[1] <= side:
        return table
    padded = np.pad(table, ((0, 0), (side, side)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN, axis=1)
    return np.asarray(np.partition(windows, side, axis=2)[..., side])


def path(costs: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows and columns of the cheapest way from the first corner of `costs` to the last, by steps down, right or both.

    Dynamic time warping. Of equal ways the one to the right is taken.
    """
    rows, columns = costs.shape
    steps = np.zeros((rows + 1, columns + 1), np.int8)  # 0: both, 1: down, 2: right
    steps[0], steps[:, 0] = 2, 1
    infinite = np.float32(np.inf)
    before, last = np.full(rows + 1, infinite), np.full(rows + 1, infinite)  # the two diagonals before, by rows
    before[0] = 0
    for diagonal in range(2, rows + columns + 1):
        first, end = max(1, diagonal - columns), min(rows, diagonal - 1) + 1
        place = np.arange(first, end)
        both, down, right = before[first - 1 : end - 1], last[first - 1 : end - 1], last[first:end]
        step = np.where((both < down) & (both < right), 0, np.where((down < both) & (down < right), 1, 2))
        steps[place, diagonal - place] = step
        now = np.full(rows + 1, infinite)
        now[first:end] = costs[place - 1, diagonal - place - 1] + np.choose(step, (both, down, right))
        before, last = last, now
    found = []
    row, column = rows, columns
    while row or column:
        found.append((row - 1, column - 1))
        step = steps[row, column]
        row, column = row - (step != 2), column - (step != 1)
    way = np.array(found[::-1], np.intp).reshape(-1, 2)
    return way[:, 0], way[:, 1]


def _is_pair(pair: Any) -> bool:
    return (
        isinstance(pair, (list, tuple))
        and len(pair) == 2
        and all(isinstance(n, int) and not isinstance(n, bool) for n in pair)
    )
