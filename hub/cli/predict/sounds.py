"""Sounds to answers: what was said, where somebody speaks, pitch, classes, how alike voices are, sources, quality; and pictures of them."""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numzoo.hub.cli.console import Console
from numzoo.hub.cli.predict.refusals import refusals
from numzoo.hub.errors import UsageError

__all__ = ["answer", "check"]

_PACKAGE = __package__.partition(".")[0]


def check(options: argparse.Namespace) -> None:
    """Raise, before anything is fetched, where no answer could be written or drawn in the end."""
    if options.plot and len(options.inputs) > 1:
        raise UsageError(f"--plot draws one sound, but {len(options.inputs)} were given.")
    if options.output is not None:
        _check_place(Path(options.output))


def answer(pipe: Any, options: argparse.Namespace, console: Console) -> int:
    """Print what the model hears in every sound; one that cannot be read is named and leaves the others theirs."""
    from numzoo.hub.cli.main import exit_code

    sounds = importlib.import_module(f"{_PACKAGE}.audio")
    raw = None if options.rate is None else sounds.Raw(rate=options.rate)
    if pipe.task == "speech-quality" and pipe.wants_reference != bool(options.reference):
        raise UsageError(
            f"{options.model} judges beside a clean recording of speech: give one with --reference FILE."
            if pipe.wants_reference
            else f"{options.model} judges without a reference: leave out --reference."
        )
    if pipe.task == "speaker-verification":
        return _compare(pipe, options, raw, console)
    code, documents = 0, []
    for given in options.inputs:
        try:
            if len(options.inputs) > 1:
                console.line(f"{given}:")
            with refusals():
                documents.append({"sound": given, **_ANSWERS[pipe.task](pipe, given, raw, options, console)})
            if options.plot:
                settings = _settings(pipe, options) if pipe.task == "speech-recognition" else {}
                pipe.draw(given, options.plot, raw=raw, **settings)
                console.message(f"drawn: {options.plot}")
        except BrokenPipeError:
            raise  # whoever reads the answers has gone
        except Exception as error:
            # The other sounds are still worth their answers; the first failure decides how the command ends.
            failed = console.error(error, exit_code(error), about="" if given in str(error) else given)
            code = code or failed
            documents.append({"sound": given, "error": str(error), "exit_code": failed})
    console.document({"model": options.model, "task": pipe.task, "results": documents})
    return code


def _hear(pipe: Any, sound: str, raw: Any, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """What was said, a segment a line; or a word a line."""
    said = pipe(sound, raw=raw, **_settings(pipe, options))
    segments = []
    for each in said.segments:
        segments.append({"start": each.start, "end": each.end, "text": each.text})
        if options.words:
            segments[-1]["words"] = [
                {"start": word.start, "end": word.end, "text": word.text, "probability": round(word.probability, 6)}
                for word in each.words
            ]
        for line in each.words if options.words else (each,):
            console.line(f"{line.start:8.2f} {line.end:8.2f}  {line.text.strip()}")
    if not segments:
        console.message("nothing is said")
    return {"text": said.text, "language": said.language, "segments": segments}


def _settings(pipe: Any, options: argparse.Namespace) -> dict[str, Any]:
    """What hearing is told: what the command line says, by the names that Whisper or a model of letters has for it."""
    whisper = hasattr(pipe, "languages")
    names = (
        {"language": "language", "task": "task", "beams": "beams", "seed": "seed"} if whisper else {"beams": "width"}
    )
    said = {name: getattr(options, name) for name in ("language", "task", "beams", "seed")}
    said = {name: value for name, value in said.items() if value is not None}
    if unheeded := said.keys() - names.keys():
        raise UsageError(
            f"--{min(unheeded)} is for Whisper, and {options.model} writes down what it hears, as it is said."
        )
    return {"word_timestamps": options.words, **{names[name]: value for name, value in said.items()}}


def _detect(pipe: Any, sound: str, raw: Any, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Where somebody speaks."""
    found = pipe(sound, raw=raw)
    for each in found:
        console.line(f"{each.start:8.2f} {each.end:8.2f}")
    if not found:
        console.message("nobody speaks")
    return {"speech": [{"start": each.start, "end": each.end} for each in found]}


def _pitch(pipe: Any, sound: str, raw: Any, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The pitch every 10 ms."""
    found = pipe(sound, raw=raw)
    rows = [
        (f"{time:.2f}", f"{pitch:.1f}", f"{sure:.2f}")
        for time, pitch, sure in zip(found.times.tolist(), found.pitch.tolist(), found.confidence.tolist(), strict=True)
    ]
    console.table(("SECONDS", "HZ", "CONFIDENCE"), rows, right=(0, 1, 2))
    return {"times": found.times.tolist(), "pitch": found.pitch.tolist(), "confidence": found.confidence.tolist()}


def _classify(pipe: Any, sound: str, raw: Any, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The most probable classes."""
    best = pipe(sound, top=options.top, raw=raw)
    for label, chance in best:
        console.line(f"{chance:.3f}  {label}")
    return {"top": [{"label": label, "probability": chance} for label, chance in best]}


def _separate(pipe: Any, sound: str, raw: Any, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The sources as files in a folder of the sound's name; where that cannot be made, the work does not begin."""
    folder = Path(options.output) / Path(sound).stem
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} is there already; take it away, or give another --output.")
    _check_place(folder.parent)
    found = pipe(sound, raw=raw)
    folder.parent.mkdir(parents=True, exist_ok=True)
    paths = found.write(folder)
    for path in paths:
        console.line(str(path))
    return {"rate": found.rate, "sources": dict(zip(found.waveforms, map(str, paths), strict=True))}


def _check_place(folder: Path) -> None:
    """Refuse a folder that is not there and cannot be made, or in which nothing can be."""
    place = folder.absolute()
    around = next(each for each in (place, *place.parents) if os.path.lexists(each))
    if not around.is_dir():
        raise UsageError(f"{around} is no folder, so none can be made in it; give another --output.")
    if not os.access(around, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied", str(around))


def _judge(pipe: Any, sound: str, raw: Any, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """How good speech sounds."""
    if pipe.wants_reference:
        mark = pipe(sound, options.reference, raw=raw)
        console.line(f"MOS {mark:.2f}")
        return {"mos": mark}
    found = pipe(sound, raw=raw)
    console.line(f"STOI {found.stoi:.3f}  PESQ {found.pesq:.2f}  SI-SDR {found.si_sdr:.1f} dB")
    return dict(found._asdict())


def _embed(pipe: Any, sound: str, raw: Any, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """A vector for each piece of a sound: its beginning on the screen, all of it in the document."""
    rows = pipe(sound, pad=options.whole, raw=raw)
    for place, row in enumerate(rows):
        numbers = " ".join(f"{number:8.4f}" for number in row[:8])
        console.line(f"{place * pipe.seconds:8.2f} {(place + 1) * pipe.seconds:8.2f}  {numbers} ...")
    return {"seconds": pipe.seconds, "embeddings": [[round(number, 6) for number in row] for row in rows.tolist()]}


def _compare(pipe: Any, options: argparse.Namespace, raw: Any, console: Console) -> int:
    """How alike the voices in two or more sounds are."""
    from numzoo.hub.cli.main import exit_code

    if len(options.inputs) < 2:
        raise UsageError(f"{options.model} tells how alike voices are: give two sounds or more.")
    voices = []
    for given in options.inputs:
        try:
            voices.append(pipe.embed(given, speech="all" if options.whole else None, raw=raw))
        except Exception as error:
            return console.error(error, exit_code(error), about="" if given in str(error) else given)
    table = [[float(one @ other) for other in voices] for one in voices]
    header = ("", "SOUND", *(str(place + 1) for place in range(len(voices))))
    rows = [
        (str(place + 1), Path(given).name, *(f"{cosine:.3f}" for cosine in row))
        for place, (given, row) in enumerate(zip(options.inputs, table, strict=True))
    ]
    console.table(header, rows, right=(0, *range(2, len(header))))
    cosines = [[round(cosine, 6) for cosine in row] for row in table]
    console.document({"model": options.model, "task": pipe.task, "sounds": list(options.inputs), "cosines": cosines})
    return 0


_ANSWERS: dict[str, Callable[..., dict[str, Any]]] = {
    "audio-classification": _classify,
    "audio-embedding": _embed,
    "pitch-estimation": _pitch,
    "source-separation": _separate,
    "speech-quality": _judge,
    "speech-recognition": _hear,
    "voice-activity-detection": _detect,
}
