"""``numzoo finetune``: a pretrained model, trained further on a folder of images.

The recipe lives with the models that it is for (`numzoo.vision.finetuning`); the hub reaches it by name, as it does everything of a domain.
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
_RECIPES = {"image-classification": "vision.finetuning"}


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    finetune = commands.add_parser(
        "finetune",
        parents=[shared, accept_option()],
        help="train a model further on a folder of images",
        description="Train MODEL on the images of FOLDER, which has a subfolder for each class, or train and val folders with these. "
        "Ends with a report and with a file that hub.load, hub.pipeline and `numzoo predict` read.",
    )
    finetune.add_argument("model", metavar="MODEL", help="such as mobilenet_v2, or a file that hub.save wrote")
    finetune.add_argument("folder", metavar="FOLDER", help="the folder of images")
    finetune.add_argument(
        "--out", metavar="DIR", default="finetuned", help="where everything is written (default finetuned)"
    )
    finetune.add_argument(
        "--epochs", type=int, default=5, metavar="N", help="how often every image is seen (default 5)"
    )
    finetune.add_argument("--batch", type=int, default=32, metavar="N", help="images an update (default 32)")
    finetune.add_argument(
        "--lr", type=float, default=1e-3, metavar="RATE", help="the highest learning rate (default 0.001)"
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
        default="standard",
        choices=("none", "light", "standard", "strong"),
        help="random changes (default standard)",
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
        "--workers", type=int, default=0, metavar="N", help="processes that read images (default 0: this one)"
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
    task = registry.entry(options.model).task if options.model in registry else "image-classification"
    recipes = importlib.import_module(f"{_PACKAGE}.{_recipe_for(options.model, task)}")
    recipe = recipes.Recipe(
        epochs=options.epochs, batch=options.batch, lr=options.lr, weight_decay=options.weight_decay, layer_decay=options.layer_decay,
        freeze=tuple(options.freeze), lora=options.lora, precision=options.precision, seed=options.seed, val_fraction=options.val_fraction,
        augment=options.augment, patience=options.patience, workers=options.workers,
    )  # fmt: skip
    plan = recipes.make_plan(options.model, options.folder, recipe, registry=registry)
    _say_plan(plan, console, options.dry_run)
    if options.dry_run:
        plan.images.check()
        console.document({"dry_run": True, **plan.document()})
        return 0
    console.message("reading every image once, to find those that cannot be read")
    try:
        report = recipes.finetune(
            options.model, options.folder, options.out, recipe, resume=options.resume, only_changed=options.only_changed, registry=registry,
            offline=True if options.offline else None, trust_first_use=options.trust_first_use, progress=not console.quiet, plan=plan,
        )  # fmt: skip
    except KeyboardInterrupt:
        if (Path(options.out) / "run.json").is_file():
            console.message(f"stopped; the same command with --resume goes on (checkpoints in {options.out})")
        raise
    _say_report(report, console)
    console.document(report.document())
    return 0


def _recipe_for(model: str, task: str) -> str:
    from numzoo.hub.errors import UsageError

    if task not in _RECIPES:
        raise UsageError(f"numzoo finetune trains models for {', '.join(_RECIPES)}, but {model} is for {task}.")
    return _RECIPES[task]


def _say_plan(plan: Any, console: Console, dry: bool) -> None:
    images = plan.images
    document = plan.document()
    console.message(
        f"{images.folder}: {len(images.classes)} classes, {len(images.train)} images to train on, {len(images.validation)} to check with ({images.split})"
    )
    if images.passed_over:
        first = ", ".join(str(path) for path in images.passed_over[:3])
        more = f" and {len(images.passed_over) - 3} more" if len(images.passed_over) > 3 else ""
        console.message(f"note: passed over, being no images by their names: {first}{more}")
    least = min(count for _, count, _ in images.counts())
    if least < 5:
        console.message(f"note: the smallest class has {least} to train on; expect little of so few")
    if dry:
        rows = [(name, str(a), str(b)) for name, a, b in images.counts()]
        console.table(("CLASS", "TRAIN", "VALIDATION"), rows, right=(1, 2))
        console.message(
            f"would make {document['steps']} updates in {plan.recipe.epochs} epochs and write to --out; nothing was done"
        )


def _say_report(report: Any, console: Console) -> None:
    rows = [
        (row["class"], str(row["images"]), f"{row['recall']:.3f}", f"{row['precision']:.3f}", f"{row['f1']:.3f}")
        for row in report.per_class
    ]
    console.table(("CLASS", "IMAGES", "ACCURACY", "PRECISION", "F1"), rows, right=(1, 2, 3, 4))
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
    console.message(f"try it: numzoo predict {report.files['model']} IMAGE")
