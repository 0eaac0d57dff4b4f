"""Texts to sounds: all that is given is said, one text after another, into one file."""

from __future__ import annotations

import argparse
import importlib
import os
from typing import Any

from numzoo.hub.cli.console import Console
from numzoo.hub.cli.predict.refusals import refusals
from numzoo.hub.cli.predict.texts import texts_of
from numzoo.hub.errors import UsageError

__all__ = ["answer", "check"]

_PACKAGE = __package__.partition(".")[0]


def check(options: argparse.Namespace) -> None:
    """Raise, before anything is fetched, where the sound could not be written in the end."""
    if options.output is None:
        raise UsageError(
            f"{options.model} says texts: name the file that they are said into, as in --output speech.wav."
        )
    importlib.import_module(f"{_PACKAGE}.audio.writing").check_target(options.output)


def answer(pipe: Any, options: argparse.Namespace, console: Console) -> int:
    """Write what is said, and print where."""
    texts = [text for given in options.inputs for text in texts_of(given, False, options.model)]
    if not texts:
        raise UsageError(f"{options.model} takes texts, and standard input holds none.")
    settings: dict[str, Any] = {"seed": options.seed}
    if options.temperature is not None:
        settings["temperature"] = options.temperature
    if options.vocoder is not None:
        settings["vocoder"] = _vocoder(options, console)
    with refusals():
        spoken = [pipe(text, **settings) for text in texts]
    rate = spoken[0].rate
    numpy = importlib.import_module("numpy")
    samples = numpy.concatenate([each.samples for each in spoken])
    importlib.import_module(f"{_PACKAGE}.audio").write_audio(samples, options.output, rate, clip=True)
    seconds = [round(len(each.samples) / rate, 3) for each in spoken]
    console.line(options.output)
    console.message(f"{sum(seconds):.1f} s of sound")
    rows = [{"text": text, "seconds": length} for text, length in zip(texts, seconds, strict=True)]
    document = {"output": os.fspath(options.output), "rate": rate, "seconds": round(sum(seconds), 3), "results": rows}
    console.document({"model": options.model, "task": pipe.task, **document})
    return 0


def _vocoder(options: argparse.Namespace, console: Console) -> Any:
    """What --vocoder names: Griffin-Lim, or a model as MODEL may be."""
    if options.vocoder == "griffin-lim":
        return options.vocoder
    from numzoo.hub.cli.run import fetch_options
    from numzoo.hub.loading.load import load
    from numzoo.hub.registry.names import open_registry

    fetch = fetch_options(options, console)
    return load(
        options.vocoder,
        device=options.device,
        trust_first_use=options.trust_first_use,
        offline=fetch.offline,
        registry=open_registry(options.registry),
        progress=fetch.progress,
    )
