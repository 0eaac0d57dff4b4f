"""Texts that go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from numzoo.text import generation, tokenizers
from numzoo.text.pipelines.pieces import cut, pieces, stops_of
from numzoo.text.tokenizers import Message
from numzoo.text.tokenizers.chat import turn_end

__all__ = ["TextGeneration", "text_generation"]

Prompt = str | Sequence[Message]


class TextGeneration:
    """``pipe(prompt)`` gives what follows a text, or what the model answers in a conversation (a list of messages).

    >>> write = hub.pipeline("smollm2_135m")                    # doctest: +SKIP
    >>> write([{"role": "user", "content": "What is the capital of France?"}])  # doctest: +SKIP
    'The capital of France is Paris.'

    `longest` is the number of new tokens at most, and no text grows beyond the places that the model has; `stop` are texts at
    which it ends, which are left out. The other settings are those of `numzoo.text.generation.generate`: sample, temperature,
    top_k, top_p, min_p, repetition_penalty, no_repeat, shortest, seed, beams.
    """

    task = "text-generation"

    def __init__(self, model: Any, tokenizer: tokenizers.Tokenizer) -> None:
        model.requires_grad_(False)
        model.eval()
        self.model, self.tokenizer = model, tokenizer
        config = getattr(model, "config", None)
        places = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
        self.places: int | None = places
        ends = [tokenizer.special.get("eos"), turn_end(tokenizer.template)]
        numbers = [tokenizer.backend.token_to_id(token) for token in ends if token is not None]
        self.ends = [number for number in dict.fromkeys(numbers) if number is not None]

    def __call__(self, prompt: Prompt, *, longest: int = 256, stop: str | Sequence[str] = (), **choice: Any) -> str:
        if choice.get("beams", 1) == 1:
            choice.pop("beams", None)
            return "".join(self.stream(prompt, longest=longest, stop=stop, **choice))
        tokens = self._tokens(prompt)
        longest = self._room(len(tokens), longest)
        found = generation.generate(self.model, [tokens], longest=longest, ends=self.ends, **choice)[0].tolist()
        text = self._text([token for token in found if token not in self.ends])
        return cut(text, stops_of(stop))[0]

    def many(
        self, prompts: Sequence[Prompt], *, longest: int = 256, stop: str | Sequence[str] = (), **choice: Any
    ) -> list[str]:
        """The same for many prompts side by side, which is faster than one after another."""
        rows = [self._tokens(prompt) for prompt in prompts]
        if not rows:
            return []
        width = max(len(row) for row in rows)
        ids, mask = np.full((len(rows), width), self._filler(rows), np.int64), np.zeros((len(rows), width), np.int64)
        for place, row in enumerate(rows):
            ids[place, width - len(row) :], mask[place, width - len(row) :] = row, 1
        longest = self._room(width, longest)
        found = generation.generate(self.model, ids, mask=mask, longest=longest, ends=self.ends, **choice)
        answers = []
        for tokens in found.tolist():
            end = next((place for place, token in enumerate(tokens) if token in self.ends), len(tokens))
            answers.append(cut(self._text(tokens[:end]), stops_of(stop))[0])
        return answers

    def stream(
        self, prompt: Prompt, *, longest: int = 256, stop: str | Sequence[str] = (), **choice: Any
    ) -> Iterator[str]:
        """What follows, in pieces, each as soon as it is sure: characters of several tokens come whole, and no part of a stop."""
        known = self._tokens(prompt)
        steps = generation.stream(
            self.model, [known], longest=self._room(len(known), longest), ends=self.ends, **choice
        )
        yield from pieces((int(step[0]) for step in steps), self._text, self.ends, stops_of(stop))

    def _tokens(self, prompt: Prompt) -> list[int]:
        if not isinstance(prompt, str) and not (isinstance(prompt, Sequence) and not isinstance(prompt, bytes)):
            raise TypeError(f"a prompt is a text, or a list of messages, not {prompt!r:.60}")
        text = prompt if isinstance(prompt, str) else self.tokenizer.chat(prompt)
        tokens = self.tokenizer.encode(text, special=isinstance(prompt, str))
        if not tokens:
            raise ValueError("a prompt needs at least one token")
        return tokens

    def _text(self, numbers: Sequence[int]) -> str:
        """The text of tokens; the last rows of the embeddings may stand for none."""
        return self.tokenizer.decode([number for number in numbers if number < len(self.tokenizer)])

    def _filler(self, rows: Sequence[Sequence[int]]) -> int:
        """What fills up the shorter prompts, which the model does not see: any token that it has."""
        return self.tokenizer.number("pad") if "pad" in self.tokenizer.special else rows[0][0]

    def _room(self, known: int, longest: int) -> int:
        """How many new tokens the model has places for behind `known` ones, `longest` at most; the last one needs none."""
        if self.places is None:
            return longest
        if known > self.places:
            raise ValueError(
                f"the prompt has {known} tokens, but the model has places for {self.places}; give a shorter one"
            )
        return min(longest, self.places - known + 1)


def text_generation(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> TextGeneration:
    """The pipeline of an entry for ``text-generation``."""
    return TextGeneration(model, tokenizers.load(files))
