"""What the pipelines share: texts through a model in batches of like length, and probabilities."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.engine import inference_mode
from numzoo.text.errors import TokenizerError
from numzoo.text.tokenizers import Batch, Tokenizer

__all__ = ["Encoder", "as_list", "places_of", "softmax"]

Floats = NDArray[np.float64]

POOL = 32
"""So many batches are tokenised at once, and sorted by their numbers of tokens."""


class Encoder:
    """A model and its tokenizer: texts in, what the model gives out, `size` texts at a time, those of like length together.

    `longest` is how many tokens a text may have; longer ones are cut (None: as the tokenizer or the model says).
    """

    def __init__(self, model: Any, tokenizer: Tokenizer, *, longest: int | None = None, size: int = 32) -> None:
        if not tokenizer("a").special.any():
            raise TokenizerError(
                "The tokenizer's files do not say which tokens stand around a text, and an encoder was trained with some; tokenizer.json says it."
            )
        model.requires_grad_(False)
        model.eval()
        self.model, self.tokenizer, self.size = model, tokenizer, size
        known = [limit for limit in (longest, tokenizer.longest, places_of(model)) if limit is not None]
        self.longest = min(known, default=512)
        self.takes_types = "token_type_ids" in _parameters(model)

    def batches(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> Iterator[tuple[NDArray[np.intp], Batch, Any]]:
        """For each batch the rows of `texts` that it holds, their tokens, and what the model gives."""
        characters = [len(text) + (0 if pairs is None else len(pairs[row])) for row, text in enumerate(texts)]
        near = np.argsort(characters, kind="stable")
        # Texts of as many characters differ in tokens, and every token of padding costs what a real one does.
        for start in range(0, len(near), POOL * self.size):
            pool = near[start : start + POOL * self.size]
            second = None if pairs is None else [pairs[row] for row in pool]
            tokens = self.tokenizer([texts[row] for row in pool], second, truncation=self.longest)
            order = np.argsort(tokens.attention_mask.sum(1), kind="stable")
            for first in range(0, len(order), self.size):
                chosen = order[first : first + self.size]
                batch = tokens.of(chosen)
                yield pool[chosen], batch, self.run(batch)

    def run(self, batch: Batch) -> Any:
        """What the model gives for tokens."""
        names = (
            ("input_ids", "attention_mask", "token_type_ids") if self.takes_types else ("input_ids", "attention_mask")
        )
        with inference_mode():
            return self.model(**batch.inputs(*names))


def as_list(texts: Any, what: str = "texts") -> tuple[list[str], bool]:
    """Texts as a list, and whether a single one was given."""
    if isinstance(texts, str):
        return [texts], True
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{what} are a string or a list of strings, not {texts!r:.80}")
    return list(texts), False


def softmax(logits: Any, axis: int = -1) -> Floats:
    """Probabilities, in float64."""
    values = np.asarray(logits, np.float64)
    powers = np.exp(values - values.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def places_of(model: Any) -> int | None:
    """How many tokens the model has places for, where it numbers them; RoBERTa's begin behind that of padding."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
            return int(module.num_embeddings) - (0 if module.padding_idx is None else module.padding_idx + 1)
    return None


def _parameters(model: Any) -> set[str]:
    """The names that the model's forward takes; one that takes any passes them on to the encoder within."""
    forward: Callable[..., Any] = model.forward
    found = inspect.signature(forward).parameters
    if not any(each.kind is each.VAR_KEYWORD for each in found.values()):
        return set(found)
    inner = next((child for child in model.children() if hasattr(child, "embeddings")), None)
    return set(found) | (set() if inner is None else _parameters(inner))
