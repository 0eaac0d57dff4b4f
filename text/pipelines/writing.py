"""Texts that go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numzoo.text import generation, tokenizers
from numzoo.text.tokenizers import Message

__all__ = ["TextGeneration", "text_generation"]

Prompt = str | Sequence[Message]


class TextGeneration:
    """``pipe(prompt)`` gives what follows a text, or what the model answers in a conversation (a list of messages).

    >>> write = hub.pipeline("smollm2_135m")                    # doctest: +SKIP
    >>> write([{"role": "user", "content": "What is the capital of France?"}])  # doctest: +SKIP
    'The capital of France is Paris.'

    `longest` is the number of new tokens at most, and no text grows beyond the places that the model has; `stop` are texts at
    which it ends, which are left out. The other settings are those of `numzoo.text.generation.generate`: sample, temperature,
    top_k, top_p, min_p, repetition_penalty, seed, beams.
    """

    task = "text-generation"

    def __init__(self, model: Any, tokenizer: tokenizers.Tokenizer) -> None:
        model.requires_grad_(False)
        model.eval()
        self.model, self.tokenizer = model, tokenizer
        config = getattr(model, "config", None)
        places = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
        self.places: int | None = places
        self.ends = [tokenizer.number("eos")] if "eos" in tokenizer.special else []

    def __call__(self, prompt: Prompt, *, longest: int = 256, stop: str | Sequence[str] = (), **choice: Any) -> str:
        if choice.get("beams", 1) == 1:
            choice.pop("beams", None)
            return "".join(self.stream(prompt, longest=longest, stop=stop, **choice))
        tokens = self._tokens(prompt)
        longest = self._room(len(tokens), longest)
        found = generation.generate(self.model, [tokens], longest=longest, ends=self.ends, **choice)[0].tolist()
        text = self.tokenizer.decode([token for token in found if token not in self.ends])
        return _cut(text, _stops(stop))[0]

    def many(
        self, prompts: Sequence[Prompt], *, longest: int = 256, stop: str | Sequence[str] = (), **choice: Any
    ) -> list[str]:
        """The same for many prompts side by side, which is faster than one after another."""
        texts = [prompt if isinstance(prompt, str) else self.tokenizer.chat(prompt) for prompt in prompts]
        if not texts:
            return []
        batch = self.tokenizer(texts, side="left")
        longest = self._room(batch.input_ids.shape[1], longest)
        found = generation.generate(
            self.model, batch.input_ids, mask=batch.attention_mask, longest=longest, ends=self.ends, **choice
        )
        answers = []
        for row in found.tolist():
            end = next((place for place, token in enumerate(row) if token in self.ends), len(row))
            answers.append(_cut(self.tokenizer.decode(row[:end]), _stops(stop))[0])
        return answers

    def stream(
        self, prompt: Prompt, *, longest: int = 256, stop: str | Sequence[str] = (), **choice: Any
    ) -> Iterator[str]:
        """What follows, in pieces, each as soon as it is sure: characters of several tokens come whole, and no part of a stop."""
        stops = _stops(stop)
        tokens: list[int] = []
        given = ""
        known = self._tokens(prompt)
        longest = self._room(len(known), longest)
        for step in generation.stream(self.model, [known], longest=longest, ends=self.ends, **choice):
            token = int(step[0])
            if token in self.ends:
                break
            tokens.append(token)
            text, stopped = _cut(self.tokenizer.decode(tokens), stops)
            sure = text if stopped else text[: len(text) - _unsure(text, stops)]
            if len(sure) > len(given):
                yield sure[len(given) :]
                given = sure
            if stopped:
                return
        text, _ = _cut(self.tokenizer.decode(tokens), stops)
        if len(text) > len(given):
            yield text[len(given) :]

    def _tokens(self, prompt: Prompt) -> list[int]:
        text = prompt if isinstance(prompt, str) else self.tokenizer.chat(prompt)
        tokens = self.tokenizer.encode(text, special=isinstance(prompt, str))
        if not tokens:
            raise ValueError("a prompt needs at least one token")
        return tokens

    def _room(self, known: int, longest: int) -> int:
        """How many new tokens the model has places for behind `known` ones, `longest` at most; the last one needs none."""
        if self.places is None:
            return longest
        if known > self.places:
            raise ValueError(
                f"the prompt has {known} tokens, but the model has places for {self.places}; give a shorter one"
            )
        return min(longest, self.places - known + 1)


def _stops(stop: str | Sequence[str]) -> list[str]:
    stops = [stop] if isinstance(stop, str) else list(stop)
    if any(not isinstance(each, str) or not each for each in stops):
        raise ValueError(f"stop is a text or a list of texts, none of them empty, not {stop!r}")
    return stops


def _cut(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text up to the first of the stops, and whether there was one."""
    places = [place for each in stops if (place := text.find(each)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def _unsure(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end may change with the next token: half a character, or the beginning of a stop."""
    whole = text.rstrip("\N{REPLACEMENT CHARACTER}")
    begun = [size for each in stops for size in range(1, len(each)) if whole.endswith(each[:size])]
    return len(text) - len(whole) + max(begun, default=0)


def text_generation(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> TextGeneration:
    """The pipeline of an entry for ``text-generation``."""
    return TextGeneration(model, tokenizers.load(files))
