"""``numzoo finetune``: a pretrained model, trained further on images, texts or sounds.

The recipes live with the models that they are for (`numzoo.vision.finetuning`, and so for text and audio); the hub reaches
them by name, as it does everything of a domain.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any

from numzoo.hub.cli.accept import accept_option
from numzoo.hub.cli.console import Console

__all__ = ["add"]

_PACKAGE = __package__.split(".")[0]
_IMAGES, _TEXTS, _SOUNDS = "vision.finetuning", "text.finetuning", "audio.finetuning"
_RECIPES = {
    "image-classification": _IMAGES,
    "audio-classification": _SOUNDS,
    "speech-recognition": _SOUNDS,
    "feature-extraction": _TEXTS,
    "fill-mask": _TEXTS,
    "question-answering": _TEXTS,
    "sentence-similarity": _TEXTS,
    "text-classification": _TEXTS,
    "token-classification": _TEXTS,
}
"""Task of the pretrained model -> the domain's recipe that makes a classifier of it."""

_OWN = {
    "augment": "images and sounds",
    "seconds": "sounds",
    "longest": "texts",
    "text_column": "texts",
    "label_column": "texts",
}
"""Setting that not every recipe has -> what it is for."""


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    finetune = commands.add_parser(
        "finetune",
        parents=[shared, accept_option()],
        help="train a model further on images, texts or sounds",
        description="Train MODEL to classify the images, texts or sounds of FOLDER, which has a subfolder for each class, or train and val folders with "
        "these; texts may also stand in a CSV, TSV or JSON-lines file. Ends with a report and with a file that hub.load, hub.pipeline and "
        "`numzoo predict` read.",
    )
    finetune.add_argument(
        "model",
        metavar="MODEL",
        help="such as mobilenet_v2, minilm_l6 or whisper_base, a folder, or a file that hub.save wrote",
    )
    finetune.add_argument(
        "folder", metavar="FOLDER", help="the folder of images, texts or sounds, or the file of texts"
    )
    finetune.add_argument(
        "--out", metavar="DIR", default="finetuned", help="where everything is written (default finetuned)"
    )
    finetune.add_argument(
        "--epochs", type=int, metavar="N", help="how often every sample is seen (default 5, 3 for texts)"
    )
    finetune.add_argument("--batch", type=int, default=32, metavar="N", help="samples an update (default 32)")
    finetune.add_argument(
        "--lr",
        type=float,
        metavar="RATE",
        help="the highest learning rate (default 0.001 for images, 0.0001 for texts and sounds)",
    )
    finetune.add_argument(
        "--weight-decay", type=float, default=0.02, metavar="X", help="AdamW's weight decay (default 0.02)"
    )
    finetune.add_argument(
        "--layer-decay",
        type=float,
        metavar="X",
        help="lower the rate by this factor from stage to stage towards the input",
    )
    finetune.add_argument(
        "--freeze",
        action="append",
        default=[],
        metavar="PATTERN",
        help="not to be trained: 'features.*', or backbone (all but the head)",
    )
    finetune.add_argument(
        "--lora", type=int, metavar="RANK", help="train low-rank adapters of this rank in the place of the backbone"
    )
    finetune.add_argument("--precision", default="f32", help="f32, bf16, or fp16 with scaled gradients (default f32)")
    finetune.add_argument(
        "--augment",
        choices=("none", "light", "standard", "strong"),
        help="random changes of images or sounds (default standard)",
    )
    finetune.add_argument(
        "--seconds",
        type=float,
        metavar="X",
        help="how much of a sound is heard (default: as long as the longest is, 30 at most)",
    )
    finetune.add_argument(
        "--longest",
        type=int,
        metavar="N",
        help="tokens of a text that are read (default: what the model takes, 256 at most)",
    )
    finetune.add_argument(
        "--text-column", metavar="NAME", help="the column of the texts (default: text, or what is called like it)"
    )
    finetune.add_argument(
        "--label-column", metavar="NAME", help="the column of the classes (default: label, or what is called like it)"
    )
    finetune.add_argument(
        "--val-fraction",
        type=float,
        default=0.2,
        metavar="X",
        help="share of each class put aside without a val folder (default 0.2)",
    )
    finetune.add_argument(
        "--patience", type=int, metavar="N", help="end after this many epochs without a better accuracy"
    )
    finetune.add_argument(
        "--seed", type=int, default=0, metavar="N", help="decides the split and all that is random (default 0)"
    )
    finetune.add_argument(
        "--workers", type=int, default=0, metavar="N", help="processes that read images or sounds (default 0: this one)"
    )
    finetune.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out, to the same weights as if it had not stopped",
    )
    finetune.add_argument(
        "--only-changed",
        action="store_true",
        help="save only what differs from MODEL's own weights (small with --lora or --freeze)",
    )
    finetune.add_argument(
        "--dry-run", action="store_true", help="look at the folder, say what would be done, and do nothing"
    )
    finetune.add_argument(
        "--trust-first-use",
        action="store_true",
        help="accept weights whose full sha256 is not known yet (models.lock keeps it)",
    )
    finetune.set_defaults(run=_finetune)


def _finetune(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.registry.names import open_registry

    registry = open_registry(options.registry)
    recipes = importlib.import_module(f"{_PACKAGE}.{_recipe_for(options, registry)}")
    given = {
        "epochs": options.epochs, "batch": options.batch, "lr": options.lr, "weight_decay": options.weight_decay, "layer_decay": options.layer_decay,
        "freeze": tuple(options.freeze), "lora": options.lora, "precision": options.precision, "seed": options.seed,
        "val_fraction": options.val_fraction, "patience": options.patience, "workers": options.workers,
        **{name: getattr(options, name) for name in _OWN},
    }  # fmt: skip
    recipe = recipes.Recipe(**_known(given, recipes.Recipe))
    plan = recipes.make_plan(
        options.model,
        options.folder,
        recipe,
        registry=registry,
        offline=True if options.offline else None,
        trust_first_use=options.trust_first_use,
    )
    _say_plan(plan, console, options.dry_run)
    if options.dry_run:
        plan.samples.check()
        console.document({"dry_run": True, **plan.document()})
        return 0
    console.message(f"reading every one of the {plan.samples.noun} once, to find those that cannot be read")
    try:
        report = recipes.finetune(
            options.model, options.folder, options.out, recipe, resume=options.resume, only_changed=options.only_changed, registry=registry,
            offline=True if options.offline else None, trust_first_use=options.trust_first_use, progress=not console.quiet, plan=plan,
        )  # fmt: skip
    except KeyboardInterrupt:
        if (Path(options.out) / "run.json").is_file():
            console.message(f"stopped; the same command with --resume goes on (checkpoints in {options.out})")
        raise
    _say_report(report, plan.samples.noun, console)
    console.document(report.document())
    return 0


def _recipe_for(options: argparse.Namespace, registry: Any) -> str:
    from numzoo.hub.errors import UsageError
    from numzoo.hub.loading.describing import describe

    said = describe(
        options.model,
        trust_first_use=options.trust_first_use,
        offline=True if options.offline else None,
        registry=registry,
    )
    if said.get("refused"):
        raise UsageError(said["refused"])
    task = said.get("task") or "image-classification"
    if task not in _RECIPES:
        raise UsageError(
            f"numzoo finetune makes classifiers of models for {', '.join(_RECIPES)}, but {options.model} is for {task}."
        )
    return _RECIPES[task]


def _known(given: dict[str, Any], recipe: Any) -> dict[str, Any]:
    """The settings that were given; UsageError for one that is for another kind of data."""
    from numzoo.hub.errors import UsageError

    there = {name: value for name, value in given.items() if value is not None}
    other = next((name for name in there if name not in recipe.__dataclass_fields__), None)
    if other is not None:
        raise UsageError(f"--{other.replace('_', '-')} is for {_OWN[other]}, and the model is for something else.")
    return there


def _say_plan(plan: Any, console: Console, dry: bool) -> None:
    samples = plan.samples
    document = plan.document()
    sizes = f"{len(samples.train)} {samples.noun} to train on, {len(samples.validation)} to check with"
    console.message(f"{samples.folder}: {len(samples.classes)} classes, {sizes} ({samples.split})")
    for note in samples.notes():
        console.message(f"note: {note}")
    if dry:
        rows = [(name, str(a), str(b)) for name, a, b in samples.counts()]
        console.table(("CLASS", "TRAIN", "VALIDATION"), rows, right=(1, 2))
        console.message(
            f"would make {document['steps']} updates in {plan.recipe.epochs} epochs and write to --out; nothing was done"
        )


def _say_report(report: Any, noun: str, console: Console) -> None:
    rows = [
        (row["class"], str(row[noun]), f"{row['recall']:.3f}", f"{row['precision']:.3f}", f"{row['f1']:.3f}")
        for row in report.per_class
    ]
    console.table(("CLASS", noun.upper(), "ACCURACY", "PRECISION", "F1"), rows, right=(1, 2, 3, 4))
    console.line()
    console.line(
        f"accuracy {report.accuracy:.4f}, loss {report.loss:.4f} (epoch {report.best_epoch} of {report.epochs}, {report.seconds:.0f} s)"
    )
    console.line(f"trained {report.trained_parameters:,} of {report.parameters:,} parameters")
    for name, other, count in report.mistakes(3):
        console.line(f"{name} taken for {other}: {count}")
    if report.stopped:
        console.message(f"stopped early: {report.stopped}")
    for note in report.notes:
        console.message(note)
    for what, path in report.files.items():
        console.line(f"{what.replace('_', ' ')}: {path}")
    console.message(f"try it: numzoo predict {report.files['model']} {noun.upper().removesuffix('S')}")
