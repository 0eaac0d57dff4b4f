"""Texts to answers: what is written next, how alike texts are, classes, entities, words for a gap, the answer to a question."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from numzoo.hub.cli.console import Console
from numzoo.hub.cli.predict.refusals import refusals
from numzoo.hub.errors import UsageError

__all__ = ["answer", "texts_of"]

_SHOWN = 60  # characters of a text in a table


def answer(pipe: Any, options: argparse.Namespace, console: Console) -> int:
    """Print what the model makes of the texts."""
    lines = pipe.task not in _WHOLE
    texts = [text for given in options.inputs for text in texts_of(given, lines, options.model)]
    if not texts:
        raise UsageError(f"{options.model} takes texts, and standard input holds none.")
    with refusals():
        results = _ANSWERS[pipe.task](pipe, texts, options, console)
    console.document({"model": options.model, "task": pipe.task, **results})
    return 0


def texts_of(given: str, lines: bool, model: str) -> list[str]:
    """The texts that a word of the command line stands for: itself, or those of standard input."""
    if given == "-":
        if sys.stdin is None:
            raise UsageError("'-' stands for standard input, which is closed.")
        try:
            body = getattr(sys.stdin, "buffer", sys.stdin).read()
            text = (body if isinstance(body, str) else body.decode("utf-8")).removeprefix(
                "\ufeff"
            )  # some editors' mark
        except UnicodeDecodeError as error:
            raise UsageError(f"standard input is no UTF-8 text: byte {error.start} does not belong there.") from None
        return [line for line in text.splitlines() if line.strip()] if lines else [text] if text.strip() else []
    try:
        given.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{given!r:.60} is no UTF-8 text.") from None
    if not given.strip():
        raise UsageError(f"{model} takes texts, and an empty one was given.")
    if given.startswith("sample:") or os.path.isfile(given):
        way = (
            f"numzoo predict {model} - < {given}" if os.path.isfile(given) else "`numzoo show` tells what a model takes"
        )
        raise UsageError(f"{model} takes texts, and {given} is the name of a file. For a text within a file: {way}")
    return [given]


def _write(pipe: Any, texts: Sequence[str], options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Each text is a message to the model, or goes on where the model knows no conversations."""
    if options.task is not None:
        raise UsageError(f"--task is for models that answer texts with texts, and {options.model} continues them.")
    chat = not options.plain and pipe.tokenizer.template is not None
    if options.system is not None and not chat:
        raise UsageError(f"--system is for conversations, and {options.model} continues texts here.")
    first = [] if options.system is None else [{"role": "system", "content": options.system}]
    given = [[*first, {"role": "user", "content": text}] if chat else text for text in texts]
    return {"chat": chat, "results": _written(pipe, texts, given, options, console)}


def _answer(pipe: Any, texts: Sequence[str], options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Each text is answered with a text, behind the prefix of a task where one is named."""
    if options.system is not None:
        raise UsageError(f"--system is for conversations, and {options.model} knows none.")
    if options.task is None:
        return {"results": _written(pipe, texts, texts, options, console)}
    answers = pipe.ask(options.task, list(texts), **_settings(options))
    for answer in _each(texts, answers, console):
        console.line(answer)
    rows = [{"text": text, "answer": answer} for text, answer in zip(texts, answers, strict=True)]
    return {"asked": options.task, "results": rows}


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """What generation is told: what the command line says, and nothing else."""
    settings: dict[str, Any] = {"stop": options.stop}
    said = {name: getattr(options, name) for name in ("longest", "seed", "beams")}
    settings |= {name: value for name, value in said.items() if value is not None}
    return settings | ({} if options.temperature is None else {"sample": True, "temperature": options.temperature})


def _written(
    pipe: Any, texts: Sequence[str], given: Sequence[Any], options: argparse.Namespace, console: Console
) -> list[dict[str, Any]]:
    """What the model writes for each of `given`, shown while it comes, but for beams, of which the best is known at the end."""
    settings, documents = _settings(options), []
    for text, prompt in zip(texts, given, strict=True):
        if len(texts) > 1:
            console.line(f"{_short(text)}:")
        pieces = []
        for piece in [pipe(prompt, **settings)] if options.beams else pipe.stream(prompt, **settings):
            pieces.append(piece)
            if not console.json:
                print(piece, end="", flush=True)
        console.line()
        documents.append({"text": text, "answer": "".join(pieces)})
    return documents


def _compare(pipe: Any, texts: Sequence[str], options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The cosine of every text with every other."""
    if len(texts) < 2:
        raise UsageError(f"{options.model} tells how alike texts are: give two or more.")
    cosines = pipe.similarity(texts, texts)
    header = ("", "TEXT", *(str(place + 1) for place in range(len(texts))))
    rows = [
        (str(place + 1), _short(text), *(f"{cosine:.3f}" for cosine in row))
        for place, (text, row) in enumerate(zip(texts, cosines.tolist(), strict=True))
    ]
    console.table(header, rows, right=(0, *range(2, len(header))))
    return {"texts": list(texts), "cosines": [[round(cosine, 6) for cosine in row] for row in cosines.tolist()]}


def _classify(pipe: Any, texts: Sequence[str], options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The most probable classes of each text."""
    found = pipe(texts, top=options.top)
    for best in _each(texts, found, console):
        for label, probability in best:
            console.line(f"{'  ' if len(texts) > 1 else ''}{probability:.3f}  {label}")
    return {
        "results": [
            {"text": text, "top": [{"label": label, "probability": chance} for label, chance in best]}
            for text, best in zip(texts, found, strict=True)
        ]
    }


def _name(pipe: Any, texts: Sequence[str], options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The entities of each text, in order."""
    found = pipe(texts)
    for entities in _each(texts, found, console):
        rows = [(each.label, f"{each.score:.3f}", f"{each.start}-{each.end}", each.text) for each in entities]
        console.table(("LABEL", "SCORE", "PLACE", "TEXT"), rows, right=(1, 2))
    return {"results": [_document(text, "entities", entities) for text, entities in zip(texts, found, strict=True)]}


def _fill(pipe: Any, texts: Sequence[str], options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Words for the gaps of each text, the most probable first."""
    found = [gaps if gaps and isinstance(gaps[0], list) else [gaps] for gaps in pipe(texts, top=options.top)]
    for gaps in _each(texts, found, console):
        for number, fillings in enumerate(gaps):
            if len(gaps) > 1:
                console.line(f"gap {number + 1}:")
            for each in fillings:
                console.line(f"{each.score:.3f}  {each.token:<12}  {_short(each.text)}")
    return {
        "results": [
            {"text": text, "gaps": [[each._asdict() for each in gap] for gap in gaps]}
            for text, gaps in zip(texts, found, strict=True)
        ]
    }


def _ask(pipe: Any, texts: Sequence[str], options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The places in a text that answer a question."""
    if len(texts) != 2:
        raise UsageError(
            f"{options.model} answers questions: give two texts, the question and where its answer stands."
        )
    found = pipe(*texts, top=options.top)
    rows = [(f"{each.score:.3f}", f"{each.start}-{each.end}", each.text) for each in found]
    console.table(("SCORE", "PLACE", "ANSWER"), rows, right=(0, 1))
    return {"question": texts[0], **_document(texts[1], "answers", found)}


_ANSWERS: dict[str, Callable[[Any, Sequence[str], argparse.Namespace, Console], dict[str, Any]]] = {
    "fill-mask": _fill,
    "question-answering": _ask,
    "sentence-similarity": _compare,
    "text-classification": _classify,
    "text-generation": _write,
    "text-to-text": _answer,
    "token-classification": _name,
}

_WHOLE = {"text-generation", "text-to-text", "question-answering"}
"""Tasks for which standard input is one text; for the others each of its lines is one."""


def _each(texts: Sequence[str], found: Sequence[Any], console: Console) -> Iterator[Any]:
    """What was found of each text, the beginning of the text printed above where there are several."""
    for text, result in zip(texts, found, strict=True):
        if len(texts) > 1:
            console.line(f"{_short(text)}:")
        yield result


def _document(text: str, what: str, found: Sequence[Any]) -> dict[str, Any]:
    return {"text": text, what: [each._asdict() for each in found]}


def _short(text: str) -> str:
    """A text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
