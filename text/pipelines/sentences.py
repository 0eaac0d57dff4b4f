"""Texts as vectors: how alike they are, and which of many is meant."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numzoo.text import tokenizers
from numzoo.text.errors import TokenizerError
from numzoo.text.pipelines.batches import Encoder, as_list

__all__ = ["Hit", "SentenceSimilarity", "sentence_similarity"]

Vectors = NDArray[np.float32]


class Hit(NamedTuple):
    """One of the texts that were searched: which, how alike (the cosine, -1 to 1), and the text."""

    place: int
    score: float
    text: str


class SentenceSimilarity:
    """A sentence encoder: ``pipe(texts)`` gives a vector of length 1 for each, (texts, width), float32.

    >>> pipe = hub.pipeline("minilm_l6")                        # doctest: +SKIP
    >>> pipe.similarity("a cat", "a kitten")                    # doctest: +SKIP
    0.766...
    """

    task = "sentence-similarity"

    def __init__(self, model: Any, tokenizer: tokenizers.Tokenizer, *, longest: int | None = None) -> None:
        self.encoder = Encoder(model, tokenizer, longest=longest)
        self.model, self.tokenizer = model, tokenizer

    def __call__(self, texts: str | Sequence[str]) -> Vectors:
        many, single = as_list(texts)
        vectors: Vectors | None = None
        for rows, _, output in self.encoder.batches(many):
            found = np.asarray(output.numpy(), np.float32)
            if vectors is None:
                vectors = np.zeros((len(many), found.shape[1]), np.float32)
            vectors[rows] = found
        if vectors is None:
            return np.zeros((0, 0), np.float32)
        return np.asarray(vectors[0]) if single else vectors

    def similarity(self, first: str | Sequence[str], second: str | Sequence[str]) -> Any:
        """The cosine between texts: a number for two, (first, second) for lists."""
        one, two = np.atleast_2d(self(first)), np.atleast_2d(self(second))
        table = one @ two.T if one.size and two.size else np.zeros((len(first), len(second)), np.float32)
        return float(table[0, 0]) if isinstance(first, str) and isinstance(second, str) else table

    def search(self, query: str, texts: Sequence[str] | Vectors, *, top: int = 5) -> list[Hit]:
        """The `top` of `texts` that are most alike to the query, the best first.

        `texts` may be vectors that an earlier call gave, so that many searches cost one encoding; hits have no text then.
        """
        if top < 1:
            raise ValueError(f"top is a number of texts from 1, not {top!r}")
        ready = isinstance(texts, np.ndarray)
        vectors = np.asarray(texts, np.float32) if ready else self(list(texts))
        if not len(vectors):
            return []
        scores = vectors @ self(query)
        order = np.argsort(-scores, kind="stable")[:top]
        return [Hit(int(row), float(scores[row]), "" if ready else str(texts[row])) for row in order]


def sentence_similarity(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> SentenceSimilarity:
    """The pipeline of an entry for ``sentence-similarity``; ``longest`` among its settings, or what a repository says, cuts texts."""
    longest = (settings or {}).get("longest") or _longest(files.get("sentence_bert_config.json"))
    return SentenceSimilarity(model, tokenizers.load(files), longest=longest)


def _longest(path: Path | None) -> int | None:
    """How many tokens a text has at most, as sentence-transformers writes it beside the weights."""
    if path is None:
        return None
    try:
        said = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"{path} is no JSON document: {error}") from None
    longest = said.get("max_seq_length") if isinstance(said, dict) else None
    if longest is not None and (type(longest) is not int or longest < 3):
        raise TokenizerError(f"{path}: max_seq_length is {longest!r:.40} but must be a number of tokens, 3 or more")
    return longest
