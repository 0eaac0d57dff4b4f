"""The recipe: from a pretrained model and a folder of images to a model of one's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numzoo import engine, finetuning, hub
from numzoo.engine import data, nn, optim
from numzoo.engine.nn import functional as F
from numzoo.engine.optim.layerwise import stages_of
from numzoo.finetuning.recipe import BACKBONE
from numzoo.finetuning.report import Report
from numzoo.finetuning.runs import adapt, check_out, run
from numzoo.hub.errors import UsageError
from numzoo.vision import transforms
from numzoo.vision.finetuning.images import Images, Listed, find_images

__all__ = ["Plan", "Recipe", "finetune", "make_plan"]

AUGMENTATIONS = ("none", "light", "standard", "strong")


@dataclass(frozen=True)
class Recipe(finetuning.Recipe):
    """How to train: see `numzoo.finetuning.Recipe`. `augment` changes training images at random: "none", "light" (parts of the image), "standard"
    (and mirrored), "strong" (and colours and erased patches)."""

    augment: str = "standard"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.augment not in AUGMENTATIONS:
            raise UsageError(
                f"finetune: augment is one of {', '.join(AUGMENTATIONS)}, but {self.augment!r:.40} was given."
            )


@dataclass(frozen=True)
class Plan(finetuning.Plan):
    """What would be done: the images, the preprocessing that belongs to the weights, and how many updates there are."""

    samples: Images
    recipe: Recipe
    preset: transforms.Classification

    def preprocessing(self) -> dict[str, Any]:
        return self.preset.settings()


def make_plan(
    model: str, folder: str | os.PathLike[str], recipe: Recipe | None = None, *, registry: Any = None, offline: bool | None = None,
    trust_first_use: bool = False,
) -> Plan:  # fmt: skip
    """Look at the model's entry (or file) and at the folder; nothing is fetched and no image decoded."""
    recipe = recipe or Recipe()
    preset = hub.transform(model, registry=registry, offline=offline, trust_first_use=trust_first_use)
    if not isinstance(preset, transforms.Classification):
        raise UsageError(
            f"finetune trains image classifiers, and {model} prepares its input by {type(preset).__name__}."
        )
    images = find_images(folder, val_fraction=recipe.val_fraction, seed=recipe.seed)
    return Plan(str(model), images, recipe, preset)


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
    plan = plan or make_plan(model, folder, recipe, registry=registry, offline=offline, trust_first_use=trust_first_use)
    place = Path(out)
    check_out(place, plan, resume)
    plan.samples.check()
    engine.manual_seed(recipe.seed)
    network = hub.load(
        model, classes=len(plan.samples.classes), registry=registry, offline=offline, trust_first_use=trust_first_use, progress=None if progress else False,
    )  # fmt: skip
    if only_changed and not network.load_report.base:
        raise UsageError(
            f"finetune: only_changed wants a model of the registry to be compared with, and {model} is a file; leave it out."
        )
    adapt(network, plan)
    optimizer = optim.AdamW(_groups(network, recipe), lr=recipe.lr)
    loader = _loader(plan, plan.samples.train, augmented(plan.preset, recipe.augment), shuffle=True)
    held_out = _loader(plan, plan.samples.validation, plan.preset, shuffle=False)

    def save(trained: nn.Module, path: Path) -> Path:
        return hub.save(
            trained, path, categories=plan.samples.classes, transform=plan.preset, only="changed" if only_changed else None, registry=registry
        )  # fmt: skip

    return run(
        plan, network, loader, held_out, optimizer, place, compute=_compute, save=save, resume=resume, keep_adapters=only_changed, progress=progress,
    )  # fmt: skip


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
        Listed(samples, plan.samples.folder, transform), recipe.batch, shuffle, num_workers=recipe.workers, seed=recipe.seed,
        persistent_workers=recipe.workers > 0,
    )  # fmt: skip


def _groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    whole_backbone = recipe.lora is None and BACKBONE not in recipe.freeze
    decay = recipe.layer_decay
    if decay is None:
        decay = 0.1 ** (1 / max(1, len(stages_of(network)) - 1)) if whole_backbone else 1.0
    return optim.layer_groups(network, recipe.lr, decay=decay, weight_decay=recipe.weight_decay)


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
