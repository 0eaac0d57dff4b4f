"""The recipe: from a pretrained model and a folder of images to a model of one's own."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numzoo import engine, hub
from numzoo.engine import data, nn, optim, train
from numzoo.engine.nn import functional as F
from numzoo.engine.optim.layerwise import stages_of
from numzoo.engine.optim.settings import NOT_NEGATIVE, POSITIVE, Range, number, whole
from numzoo.hub.errors import IntegrityError, NotFoundError, StorageError, UsageError
from numzoo.vision import transforms
from numzoo.vision.finetuning.images import Images, Listed, find_images
from numzoo.vision.finetuning.report import Report, per_class, write_confusion, write_curves, write_json

__all__ = ["Plan", "Recipe", "finetune", "make_plan"]

AUGMENTATIONS = ("none", "light", "standard", "strong")
RUN = "run.json"
"""The file that says how a run began."""
BACKBONE = "backbone"
"""The name, among the patterns to freeze, of everything but the head."""


@dataclass(frozen=True)
class Recipe:
    """How to train: AdamW, label smoothing 0.1, gradients clipped to norm 1; the rate rises over the first twentieth of all steps and falls to
    0 along half a cosine.

    `freeze` names what is not trained (patterns as for ``nn.freeze``, or "backbone": all but the head); `lora` is the rank of adapters that are
    trained in the place of the backbone. `layer_decay` lowers the rate from stage to stage towards the input (None: to a tenth at the first,
    or not at all where the backbone is not trained whole). `augment`: "none", "light" (parts of the image), "standard" (and mirrored),
    "strong" (and colours and erased patches). `patience` epochs without a better accuracy end it.
    """

    epochs: int = 5
    batch: int = 32
    lr: float = 1e-3
    weight_decay: float = 0.02
    layer_decay: float | None = None
    freeze: tuple[str, ...] = ()
    lora: int | None = None
    precision: str = "f32"
    seed: int = 0
    val_fraction: float = 0.2
    augment: str = "standard"
    patience: int | None = None
    workers: int = 0

    def __post_init__(self) -> None:
        who = "finetune"
        for name, least in (("epochs", 1), ("batch", 1), ("seed", 0), ("workers", 0)):
            whole(who, name, getattr(self, name), least)
        for name in ("lora", "patience"):
            if getattr(self, name) is not None:
                whole(who, name, getattr(self, name), 1)
        number(who, "lr", self.lr, POSITIVE)
        number(who, "weight_decay", self.weight_decay, NOT_NEGATIVE)
        number(who, "val_fraction", self.val_fraction, Range(0.0, 1.0, open_low=True))
        if self.layer_decay is not None:
            number(who, "layer_decay", self.layer_decay, Range(0.0, 1.0, open_low=True, open_high=False))
        if self.augment not in AUGMENTATIONS:
            raise UsageError(
                f"finetune: augment is one of {', '.join(AUGMENTATIONS)}, but {self.augment!r:.40} was given."
            )
        if isinstance(self.freeze, str):
            raise UsageError(
                f"finetune: freeze is a tuple of patterns, such as ({self.freeze!r:.40},), and not one alone."
            )
        if self.lora is not None and self.freeze:
            raise UsageError("finetune: lora freezes the backbone itself; leave freeze out, or train without adapters.")
        with engine.precision(self.precision):
            pass


@dataclass(frozen=True)
class Plan:
    """What would be done: the images, the preprocessing that belongs to the weights, and how many updates there are."""

    model: str
    images: Images
    preset: transforms.Classification
    recipe: Recipe
    steps_per_epoch: int

    def document(self) -> dict[str, Any]:
        """The plan as plain JSON values."""
        return {
            "model": self.model,
            "folder": str(self.images.folder),
            "split": self.images.split,
            "classes": [{"class": name, "train": a, "validation": b} for name, a, b in self.images.counts()],
            "images": {"train": len(self.images.train), "validation": len(self.images.validation)},
            "passed_over": [str(path) for path in self.images.passed_over],
            "preprocessing": self.preset.settings(),
            "recipe": asdict(self.recipe),
            "steps": self.steps_per_epoch * self.recipe.epochs,
        }


def make_plan(
    model: str, folder: str | os.PathLike[str], recipe: Recipe | None = None, *, registry: Any = None
) -> Plan:
    """Look at the model's entry (or file) and at the folder; nothing is fetched and no image decoded."""
    recipe = recipe or Recipe()
    preset = hub.transform(model, registry=registry)
    if not isinstance(preset, transforms.Classification):
        raise UsageError(
            f"finetune trains image classifiers, and {model} prepares its input by {type(preset).__name__}."
        )
    images = find_images(folder, val_fraction=recipe.val_fraction, seed=recipe.seed)
    return Plan(str(model), images, preset, recipe, -(-len(images.train) // recipe.batch))


def finetune(
    model: str, folder: str | os.PathLike[str], out: str | os.PathLike[str] = "finetuned", recipe: Recipe | None = None, *, resume: bool = False,
    only_changed: bool = False, registry: Any = None, offline: bool | None = None, trust_first_use: bool = False, progress: bool = True,
    plan: Plan | None = None,
) -> Report:  # fmt: skip
    """Train `model` (an entry, or a file that hub.save wrote) on the images of `folder`, a class in each subfolder; everything is written below `out`.

    ``model.safetensors`` is read by ``hub.load``, ``hub.pipeline`` and ``numzoo predict`` (`only_changed`: it holds what
    differs from the entry). Beside it: ``report.json``, ``confusion.csv``, ``log.csv``, pictures where matplotlib is installed, and
    ``checkpoints``, from which `resume` goes on, to the same bits.

    Raises UsageError where `out` holds another run, StorageError where it cannot be written, IntegrityError for a damaged checkpoint, and what
    reading images, loading and training raise.
    """
    recipe = recipe or Recipe()
    plan = plan or make_plan(model, folder, recipe, registry=registry)
    place, settings = Path(out), _settings(plan)
    _check_out(place, plan, settings, resume)
    plan.images.check()
    engine.manual_seed(recipe.seed)
    network = hub.load(
        model, classes=len(plan.images.classes), registry=registry, offline=offline, trust_first_use=trust_first_use, progress=None if progress else False,
    )  # fmt: skip
    if only_changed and not network.load_report.base:
        raise UsageError(
            f"finetune: only_changed wants a model of the registry to be compared with, and {model} is a file; leave it out."
        )
    if recipe.lora is not None:
        nn.add_lora(network, recipe.lora)
    for pattern in recipe.freeze:
        nn.freeze(network, *([] if pattern == BACKBONE else [pattern]))
    optimizer = optim.AdamW(_groups(network, recipe), lr=recipe.lr)
    scaler = optim.GradScaler() if recipe.precision == "fp16" else None
    began = time.perf_counter()
    loader = _loader(plan, plan.images.train, augmented(plan.preset, recipe.augment), shuffle=True)
    held_out = _loader(plan, plan.images.validation, plan.preset, shuffle=False)
    write_json(settings, place / RUN)  # only now: what was refused before is no run, and leaves the folder free
    try:
        history = train.fit(
            network, loader, optimizer, epochs=recipe.epochs, compute=_compute, validation=held_out, metrics=[train.Accuracy()], schedule=_schedule,
            clip_norm=1.0, precision=recipe.precision, scaler=scaler, monitor="val_accuracy", patience=recipe.patience,
            checkpoint=place / "checkpoints", save_every=50, resume=resume, log=place / "log.csv", progress=progress,
        )  # fmt: skip
        return _finished(plan, network, held_out, history, place, only_changed, registry, time.perf_counter() - began)
    except train.CheckpointError as error:
        raise (IntegrityError if error.errno is None else StorageError)(str(error)) from error
    finally:
        loader.close()
        held_out.close()


def augmented(preset: transforms.Classification, augment: str) -> Callable[[Any], Any]:
    """The preprocessing for training: the preset's size, colours and interpolation, behind random changes."""
    if augment == "none":
        return preset
    scale, ratio = ((0.6, 1.0), (0.85, 1.18)) if augment == "light" else ((0.35, 1.0), (3 / 4, 4 / 3))
    steps: list[transforms.Transform[Any]] = [
        transforms.RandomResizedCrop(preset.crop, scale, ratio, preset.interpolation)
    ]
    if augment in ("standard", "strong"):
        steps.append(transforms.RandomHorizontalFlip())
    if augment == "strong":
        steps.append(transforms.ColorJitter(0.3, 0.3, 0.3))
    if len(preset.mean) == 1:
        steps.append(transforms.Grayscale())
    steps += [transforms.ToArray(), transforms.Normalize(preset.mean, preset.std)]
    if augment == "strong":
        steps.append(transforms.RandomErasing(0.25))
    return data.Seeded(transforms.Compose(steps))


def _loader(
    plan: Plan, samples: tuple[tuple[Path, int], ...], transform: Callable[[Any], Any], *, shuffle: bool
) -> data.DataLoader:
    recipe = plan.recipe
    return data.DataLoader(
        Listed(samples, plan.images.folder, transform), recipe.batch, shuffle, num_workers=recipe.workers, seed=recipe.seed,
        persistent_workers=recipe.workers > 0,
    )  # fmt: skip


def _groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    whole_backbone = recipe.lora is None and BACKBONE not in recipe.freeze
    decay = recipe.layer_decay
    if decay is None:
        decay = 0.1 ** (1 / max(1, len(stages_of(network)) - 1)) if whole_backbone else 1.0
    return optim.layer_groups(network, recipe.lr, decay=decay, weight_decay=recipe.weight_decay)


def _schedule(optimizer: optim.Optimizer, steps: int) -> optim.LRScheduler:
    warm = max(1, steps // 20)
    if steps <= warm + 1:
        return optim.CosineAnnealingLR(optimizer, max(1, steps))
    parts = [optim.LinearLR(optimizer, 0.1, 1.0, warm), optim.CosineAnnealingLR(optimizer, steps - warm)]
    return optim.SequentialLR(optimizer, parts, [warm])


def _compute(model: Any, batch: Any) -> Any:
    """Cross-entropy; where a model in training gives auxiliary logits as well, each counts 0.3."""
    images, labels = batch
    logits = model(images)
    smoothing = 0.1 if model.training else 0.0
    first, *others = (each for each in logits if each is not None) if isinstance(logits, tuple) else (logits,)
    loss = F.cross_entropy(first, labels, label_smoothing=smoothing)
    for each in others:
        loss = loss + 0.3 * F.cross_entropy(each, labels, label_smoothing=smoothing)
    return loss, first, labels


def _settings(plan: Plan) -> dict[str, Any]:
    """What a run is: it goes on only as it began."""
    settings = {"model": plan.model, "images": plan.images.digest(), **json.loads(json.dumps(asdict(plan.recipe)))}
    settings.pop("workers")  # batches do not depend on it
    return settings


def _check_out(out: Path, plan: Plan, settings: dict[str, Any], resume: bool) -> None:
    """Make the folder to write to, if need be. Refuse one that holds a run to which these settings do not belong."""
    if plan.images.would_hold(out):
        raise UsageError(
            f"{out} lies where the class folders of {plan.images.folder} are, and would be taken for one; --out names a folder elsewhere."
        )
    try:
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out} is a file; --out names a folder, old or new.")
        held = _held(out / RUN)
        if held is None and resume:
            raise NotFoundError(f"There is no run in {out} to resume; leave --resume out to begin one.")
        if not resume and (held is not None or (out / "checkpoints").exists()):
            raise UsageError(f"{out} holds a run already; --resume goes on with it, --out names another folder.")
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise StorageError(f"{out} cannot be written: {error.strerror or error}.") from error
    other = next((name for name in settings if held is not None and held.get(name) != settings[name]), None)
    if other == "images":
        raise UsageError(
            f"The images in {plan.images.folder} are no longer those that the run in {out} began with; begin another with --out."
        )
    if held is not None and other is not None:
        raise UsageError(
            f"The run in {out} began with {other} {held.get(other)!r}, not {settings[other]!r}; resume it with the "
            "same options, or begin another with --out."
        )


def _held(note: Path) -> dict[str, Any] | None:
    """The settings of the run that a folder holds, None where there is none."""
    if not note.is_file():
        return None
    try:
        held = json.loads(note.read_text("utf-8"))
    except ValueError:
        held = None
    if not isinstance(held, dict):
        raise IntegrityError(f"{note} is damaged, and says no longer how the run began; begin another with --out.")
    return held


def _finished(
    plan: Plan, network: Any, held_out: data.DataLoader, history: train.History, out: Path, only_changed: bool, registry: Any, seconds: float
) -> Report:  # fmt: skip
    """The best epoch's weights, judged and saved."""
    classes = plan.images.classes
    best = hub.read_checkpoint(out / "checkpoints" / "best.safetensors")
    network.load_state_dict(
        {name.removeprefix("model."): array for name, array in best.items() if name.startswith("model.")}
    )
    counts = [sum(p.numel() for p in network.parameters() if p.requires_grad or not wanted) for wanted in (False, True)]
    accuracy, matrix = train.Accuracy(), train.ConfusionMatrix(len(classes))
    found = train.evaluate(
        network,
        held_out,
        metrics=[accuracy, matrix],
        compute=_compute,
        precision=plan.recipe.precision,
    )
    if plan.recipe.lora is not None and not only_changed:
        nn.remove_lora(network)
    path = hub.save(
        network, out / "model.safetensors", categories=classes, transform=plan.preset, only="changed" if only_changed else None, registry=registry
    )  # fmt: skip
    files, notes = write_confusion(matrix.value(), classes, out)
    files = {
        "model": str(path),
        "log": str(out / "log.csv"),
        **files,
        **write_curves(history, out),
        "report": str(out / "report.json"),
    }
    report = Report(
        model=plan.model, accuracy=found["accuracy"], loss=found["loss"], classes=classes, per_class=per_class(matrix, classes),
        confusion=tuple(tuple(row) for row in matrix.value().tolist()), epochs=len(history),
        best_epoch=int(history.best("val_accuracy", "max")["epoch"]), stopped=history.stopped, seconds=round(seconds, 1), parameters=counts[0],
        trained_parameters=counts[1], history=tuple(history.rows), files=files, notes=notes,
    )  # fmt: skip
    write_json(report.document(), out / "report.json")
    return report
