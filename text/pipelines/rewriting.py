"""Texts answered with texts by a model that reads all of one first: translated, summarised, or what else it was trained for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from numzoo.text import generation, tokenizers
from numzoo.text.pipelines.batches import as_list
from numzoo.text.pipelines.pieces import cut, pieces, stops_of

__all__ = ["TextToText", "text_to_text"]

_SENTINELS = 100  # tokens <extra_id_0> ... that T5 has behind its vocabulary, the last one first (arXiv:1910.10683, section 3.1.4)
_PREFIXES = {"summarization": "summarize: "}
_LANGUAGES = {"de": "German", "en": "English", "fr": "French", "ro": "Romanian"}


class TextToText:
    """``pipe(texts)`` gives a text's answer, or a list of answers; the beginning of a text says what is to be done with it.

    >>> pipe = hub.pipeline("t5_small")                         # doctest: +SKIP
    >>> pipe("translate English to German: The house is small.")  # doctest: +SKIP
    'Das Haus ist klein.'
    >>> pipe.translate("The house is small.", "English", "German")  # doctest: +SKIP
    'Das Haus ist klein.'

    `tasks` are the settings of what the model was trained for, by name ("summarization", "translation_en_to_de"): the `prefix`
    of the texts, and what generation is told. `longest` is the number of new tokens at most; the other settings are those of
    `numzoo.text.generation.generate` (beams, length_penalty, sample, no_repeat, ...). `most` tokens of a text are read;
    a longer text is refused, since it would be answered as if its end were not there.
    """

    task = "text-to-text"

    def __init__(
        self, model: Any, tokenizer: tokenizers.Tokenizer, *, tasks: Mapping[str, Mapping[str, Any]] | None = None,
        most: int | None = None, size: int = 16,
    ) -> None:  # fmt: skip
        model.requires_grad_(False)
        model.eval()
        self.model, self.tokenizer, self.size = model, tokenizer, size
        self.tasks = {name: dict(settings) for name, settings in (tasks or {}).items()}
        self.most = max(2048, tokenizer.longest or 0) if most is None else most
        self.start, self.padding = model.config.decoder_start_token_id, model.config.pad_token_id
        self.end = tokenizer.number("eos")

    def __call__(
        self, texts: str | Sequence[str], *, longest: int = 256, stop: str | Sequence[str] = (), **choice: Any
    ) -> Any:
        many, single = as_list(texts)
        stops = stops_of(stop)
        answers = [cut(self._text(tokens), stops)[0] for tokens in self.tokens(many, longest=longest, **choice)]
        return answers[0] if single else answers

    def tokens(self, texts: Sequence[str], *, longest: int = 256, **choice: Any) -> list[list[int]]:
        """The numbers of the answers' tokens, without the end's."""
        sources = [self._source(text) for text in texts]
        answers: list[list[int]] = [[] for _ in sources]
        order = sorted(range(len(sources)), key=lambda row: len(sources[row]))
        for begin in range(0, len(order), self.size):
            rows = order[begin : begin + self.size]
            step = self._step([sources[row] for row in rows])
            found = generation.generate(
                step, np.full((len(rows), 1), self.start), longest=longest, ends=self.end, filler=self.end, **choice
            )
            for row, tokens in zip(rows, found.tolist(), strict=True):
                answers[row] = tokens[: tokens.index(self.end)] if self.end in tokens else tokens
        return answers

    def stream(self, text: str, *, longest: int = 256, stop: str | Sequence[str] = (), **choice: Any) -> Iterator[str]:
        """The answer to one text in pieces, each as soon as it is sure. Beams are not known before their end: call the pipeline."""
        step = self._step([self._source(text)])
        steps = generation.stream(step, [[self.start]], longest=longest, ends=self.end, **choice)
        yield from pieces((int(each[0]) for each in steps), self._text, [self.end], stops_of(stop))

    def translate(self, texts: str | Sequence[str], source: str, target: str, **choice: Any) -> Any:
        """The texts in another language; languages by name ("German") or, where the model's tasks have it, by code ("de").

        The model's own settings for these languages hold, where it has some, unless `choice` gives others.
        """
        names = [_LANGUAGES.get(each, each) for each in (source, target)]
        prefix = f"translate {names[0]} to {names[1]}: "
        known = {str(each.get("prefix")): name for name, each in self.tasks.items() if name.startswith("translation_")}
        task = f"translation_{source}_to_{target}"
        if task not in self.tasks:
            task = known.get(prefix, task)
        unknown = next((each for each in names if len(each) < 4 or not each.isprintable()), None)
        if task not in self.tasks and unknown is not None:
            raise ValueError(
                f"translate: {unknown!r} is no language by name, such as 'German'; by their codes the model has "
                f"{', '.join(known.values()) or 'none'}"
            )
        return self.ask(task, texts, prefix=prefix, **choice)

    def summarize(self, texts: str | Sequence[str], **choice: Any) -> Any:
        """What the texts say, in short."""
        return self.ask("summarization", texts, **choice)

    def ask(self, task: str, texts: str | Sequence[str], *, prefix: str | None = None, **choice: Any) -> Any:
        """The answers to `texts` behind the prefix, and with the settings, of a task of the model's; `prefix` is for one it lacks."""
        settings = {**self.tasks.get(task, {})}
        before = settings.pop("prefix", prefix if prefix is not None else _PREFIXES.get(task))
        if before is None:
            raise ValueError(f"the model has no task {task!r}; it has {', '.join(self.tasks) or 'none by name'}")
        many, single = as_list(texts)
        if empty := [row for row, text in enumerate(many) if not text.strip()]:
            raise ValueError(f"text {empty[0]} of {len(many)} is empty")
        if choice.get("sample"):
            settings = {
                name: value for name, value in settings.items() if name not in ("beams", "early", "length_penalty")
            }
        answers = self([f"{before}{text}" for text in many], **{**settings, **choice})
        return answers[0] if single else answers

    def _source(self, text: str) -> list[int]:
        """The numbers of a text's tokens, the last of which is the end's."""
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"a text is wanted, and {text!r:.40} was given")
        tokens = self.tokenizer.encode(text)
        tokens = tokens if tokens[-1:] == [self.end] else [*tokens, self.end]
        if len(tokens) > self.most:
            raise ValueError(
                f"a text has {len(tokens)} tokens, and {self.most} are read at most: cut it into parts (or set most, at the cost of memory)"
            )
        return tokens

    def _step(self, sources: Sequence[Sequence[int]]) -> generation.EncoderDecoder:
        width = max(len(source) for source in sources)
        ids, mask = np.full((len(sources), width), self.padding, np.int64), np.zeros((len(sources), width), np.int64)
        for row, source in enumerate(sources):
            ids[row, : len(source)], mask[row, : len(source)] = source, 1
        return generation.EncoderDecoder(self.model, ids, mask if (mask == 0).any() else None)

    def _text(self, numbers: Sequence[int]) -> str:
        """The text of tokens; the last rows of the embeddings may stand for none."""
        return self.tokenizer.decode([number for number in numbers if number < len(self.tokenizer)])


def text_to_text(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> TextToText:
    """The pipeline of an entry or a folder for ``text-to-text``; ``tasks`` among its settings is what the model was trained for."""
    tokenizer = tokenizers.load(files)
    _add_sentinels(tokenizer, model.config.vocab_size)
    return TextToText(model, tokenizer, tasks=(settings or {}).get("tasks"))


def _add_sentinels(tokenizer: tokenizers.Tokenizer, vocabulary: int) -> None:
    """T5's sentinels, which its SentencePiece file lacks, where the model has room for them behind the file's pieces."""
    names = [f"<extra_id_{number}>" for number in reversed(range(_SENTINELS))]
    there = any(tokenizer.backend.token_to_id(mark + names[-1]) is not None for mark in ("", "▁"))
    if not there and len(tokenizer) + _SENTINELS <= vocabulary:
        tokenizer.backend.add_special_tokens(names)
