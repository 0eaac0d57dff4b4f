"""``numzoo predict``: a model's answer to files and texts, each kind of task in a file of its own.

Such a file has ``answer(pipe, options, console)``, which gives the exit code; `options.inputs` are the words of the command line.
"""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from numzoo.hub.cli.console import Console
from numzoo.hub.cli.run import fetch_options, trust_option

__all__ = ["add"]

_KINDS = {
    "audio-classification": "sounds",
    "audio-embedding": "sounds",
    "fill-mask": "texts",
    "image-classification": "images",
    "pitch-estimation": "sounds",
    "question-answering": "texts",
    "sentence-similarity": "texts",
    "source-separation": "sounds",
    "speaker-verification": "sounds",
    "speech-quality": "sounds",
    "speech-recognition": "sounds",
    "text-classification": "texts",
    "text-generation": "texts",
    "text-to-speech": "speaking",
    "text-to-text": "texts",
    "token-classification": "texts",
    "voice-activity-detection": "sounds",
}
"""Task -> the file that knows what is given to such a model, and how its answer is shown."""

_HEARD = frozenset(task for task, kind in _KINDS.items() if kind == "sounds")
_SPEAKERS = frozenset({"text-to-speech"})
_WRITERS = frozenset({"text-generation", "text-to-text"})
_FOR = {
    **dict.fromkeys(("longest", "stop", "system", "plain"), _WRITERS),
    **dict.fromkeys(("beams", "task"), _WRITERS | {"speech-recognition"}),
    "seed": _WRITERS | {"speech-recognition"} | _SPEAKERS,
    "temperature": _WRITERS | _SPEAKERS,
    "output": _SPEAKERS | {"source-separation"},
    "vocoder": _SPEAKERS,
    "language": frozenset({"speech-recognition"}),
    "rate": _HEARD,
    "words": frozenset({"speech-recognition"}),
    "whole": frozenset({"audio-embedding", "speaker-verification"}),
    "plot": _HEARD - {"source-separation", "speaker-verification", "speech-quality"},
    "reference": frozenset({"speech-quality"}),
}
"""Option -> the tasks that heed it; for another one it is refused rather than forgotten."""


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    predict = commands.add_parser(
        "predict",
        parents=[shared, trust_option()],
        help="a model's answer to images, texts or sounds",
        description="What MODEL makes of INPUT: classes of images and texts, answers to messages, how alike texts are, entities, words for "
        "gaps, answers to questions; what is said in a sound, where somebody speaks, pitch, how alike voices are, how good speech sounds, sounds as vectors; "
        "the sources of a mixture, and texts said aloud, as files.",
    )
    predict.add_argument(
        "model",
        metavar="MODEL",
        help="such as mobilenet_v2, hf:OWNER/REPO, a folder, or a file that `numzoo finetune` wrote",
    )
    predict.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="what the model is for: image files (or sample:NAME), sound files, or texts ('-': standard input); for a question the question and the text",
    )
    predict.add_argument("--top", type=_positive, default=5, metavar="N", help="how many answers to print (default 5)")
    predict.add_argument(
        "--output",
        metavar="PATH",
        help="what a model that speaks writes, such as speech.wav; or the folder for the sources of sounds, OUTPUT/SOUND/SOURCE.wav",
    )
    predict.add_argument("--device", help="cpu or cuda")
    predict.add_argument("--dtype", help="such as bfloat16")
    writing = predict.add_argument_group("models that write")
    writing.add_argument(
        "--longest", type=_positive, metavar="N", help="new tokens at most (default 256, or as --task has it)"
    )
    writing.add_argument("--beams", type=_positive, metavar="N", help="the best of so many answers side by side")
    writing.add_argument(
        "--temperature",
        type=float,
        metavar="X",
        help="draw words (or, as WaveRNN, samples) at random, the bolder the higher",
    )
    writing.add_argument("--seed", type=int, metavar="N", help="what decides what is drawn at random")
    writing.add_argument(
        "--stop", action="append", default=[], metavar="TEXT", help="end before this text (may be repeated)"
    )
    writing.add_argument(
        "--task",
        metavar="NAME",
        help="what a model was trained for, such as summarization or translation_en_to_de; translate: what is said, in English",
    )
    writing.add_argument("--system", metavar="TEXT", help="what the model is told before the message")
    writing.add_argument(
        "--plain", action="store_true", help="continue the text, in place of answering it as a message"
    )
    hearing = predict.add_argument_group("models that hear")
    hearing.add_argument(
        "--rate", type=_positive, metavar="N", help="samples a second of a file without a header (16 bits, one channel)"
    )
    hearing.add_argument("--language", metavar="CODE", help="what is spoken, such as de (default: it is heard)")
    hearing.add_argument("--words", action="store_true", help="the times of every word of what is said")
    hearing.add_argument(
        "--whole",
        action="store_true",
        help="compare voices with the silences between words, which are else cut out; embed the end of a sound too, filled with silence",
    )
    hearing.add_argument(
        "--reference", metavar="FILE", help="a clean recording of any speech, for a model that judges beside one"
    )
    hearing.add_argument(
        "--plot", metavar="FILE", help="draw the sound and the answer, such as out.png (wants matplotlib)"
    )
    speaking = predict.add_argument_group("models that speak")
    speaking.add_argument(
        "--vocoder",
        metavar="NAME",
        help="what makes spectrograms heard, such as hifigan_vocoder_v3 or griffin-lim (default: what belongs to the model)",
    )
    predict.set_defaults(run=_predict)


def _predict(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.errors import UsageError
    from numzoo.hub.loading.asked import asked
    from numzoo.hub.loading.libraries import require
    from numzoo.hub.loading.pipelines import pipeline
    from numzoo.hub.registry.names import open_registry

    fetch = fetch_options(options, console)
    registry = open_registry(options.registry)
    wanted = asked(options.model, registry, fetch)
    if wanted.task not in _KINDS:
        raise UsageError(
            f"numzoo predict shows answers for {', '.join(_KINDS)}, but {options.model} is for {wanted.task}; use hub.pipeline."
        )
    for name, tasks in _FOR.items():
        value = getattr(options, name)
        if wanted.task not in tasks and not (value is None or value is False or value == []):
            raise UsageError(f"--{name} is for {', '.join(sorted(tasks))}, but {options.model} is for {wanted.task}.")
    if wanted.task == "source-separation" and not options.output:
        raise UsageError(f"{options.model} takes sounds apart: say with --output FOLDER where the sources are to go.")
    if _KINDS[wanted.task] == "sounds" and (options.rate is None or options.output):
        require("soundfile", f"Reading sounds for {wanted.who}")
    if _KINDS[wanted.task] == "sounds":
        importlib.import_module(f"{__name__}.sounds").check(options)
    if options.plot:
        require("matplotlib", "--plot")
    if _KINDS[wanted.task] == "speaking":
        require("soundfile", f"Writing what {wanted.who} says")
        importlib.import_module(f"{__name__}.speaking").check(options)
    pipe = pipeline(
        options.model,
        device=options.device,
        dtype=options.dtype,
        trust_first_use=options.trust_first_use,
        offline=fetch.offline,
        registry=registry,
        progress=fetch.progress,
    )
    code: int = importlib.import_module(f"{__name__}.{_KINDS[wanted.task]}").answer(pipe, options, console)
    return code


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"wanted a positive number, but {text!r} was given")
    return number
