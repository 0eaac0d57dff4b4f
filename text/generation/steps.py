"""What generation asks of a model: a step from the newest tokens to logits for the next, for many texts side by side."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from numzoo.engine import no_grad

__all__ = ["Decoder", "EncoderDecoder", "Step"]

Tokens = NDArray[np.int64]
Scores = NDArray[np.float32]


class Step(Protocol):
    """Goes on from what it was given before; decoders of any kind can be one."""

    def __call__(self, tokens: Tokens) -> Scores:
        """Take the newest tokens (texts, new) and give the logits of the next (texts, vocabulary)."""

    def select(self, rows: NDArray[np.integer[Any]]) -> None:
        """Keep these texts, in this order; one may come several times."""


class Decoder:
    """The step of a model that has ``new_cache()`` and takes ``(input_ids, attention_mask, cache, last=True)``.

    `mask` (texts, length) is 0 at the padding of the first tokens, which stands on the left.
    """

    def __init__(self, model: Any, mask: Tokens | None = None) -> None:
        self.model, self.mask, self.cache = model, mask, model.new_cache()

    def __call__(self, tokens: Tokens) -> Scores:
        mask, self.mask = self.mask, None
        with no_grad():
            logits = self.model(np.asarray(tokens), mask, self.cache, last=True)
        return np.asarray(logits.numpy()[:, -1], np.float32)

    def select(self, rows: NDArray[np.integer[Any]]) -> None:
        self.cache.select(rows)


class EncoderDecoder:
    """The step of a model that answers sources, which has ``read(input_ids, attention_mask)`` and ``decode(tokens, cache, last=True)``.

    `source` (texts, length) are token numbers, `mask` is 0 at their padding. The prompt of ``generate`` is the beginning of
    each answer, for T5 its ``decoder_start_token_id``.
    """

    def __init__(self, model: Any, source: Any, mask: Any = None) -> None:
        self.model = model
        with no_grad():
            self.cache = model.read(source, mask)

    def __call__(self, tokens: Tokens) -> Scores:
        with no_grad():
            logits = self.model.decode(tokens, self.cache, last=True)
        return np.asarray(logits.numpy()[:, -1], np.float32)

    def select(self, rows: NDArray[np.integer[Any]]) -> None:
        self.cache.select(rows)
