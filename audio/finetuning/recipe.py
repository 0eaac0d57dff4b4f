"""The recipe: from Whisper and a folder of sounds to a classifier of one's own."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numzoo import engine, finetuning, hub
from numzoo.audio import models
from numzoo.audio.finetuning.sounds import AUGMENTATIONS, Heard, Sounds, find_sounds
from numzoo.engine import data, nn, optim
from numzoo.engine.nn import functional as F
from numzoo.engine.optim.settings import POSITIVE, number
from numzoo.finetuning.recipe import BACKBONE
from numzoo.finetuning.report import Report
from numzoo.finetuning.runs import adapt, check_out, run
from numzoo.hub.errors import UsageError
from numzoo.hub.loading.libraries import require

__all__ = ["Plan", "Recipe", "finetune", "make_plan"]

_HEAD = 10.0
"""How much faster than the encoder the head learns, which begins from nothing."""
_LONGEST = 30.0  # seconds that Whisper hears at a time


@dataclass(frozen=True)
class Recipe(finetuning.Recipe):
    """How to train: see `numzoo.finetuning.Recipe`. A fresh head has ten times the rate. Sounds are cut, or filled up with silence, to `seconds` (None:
    as long as the longest of them is, 30 at most); `augment` is what `Heard` says."""

    lr: float = 1e-4
    augment: str = "standard"
    seconds: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.augment not in AUGMENTATIONS:
            raise UsageError(
                f"finetune: augment is one of {', '.join(AUGMENTATIONS)}, but {self.augment!r:.40} was given."
            )
        if self.seconds is not None:
            number("finetune", "seconds", self.seconds, POSITIVE)
            if not 0.1 <= self.seconds <= _LONGEST:
                raise UsageError(
                    f"finetune: seconds is a number from 0.1 to {_LONGEST:g}, but {self.seconds!r} was given."
                )


@dataclass(frozen=True)
class Plan(finetuning.Plan):
    """What would be done: the sounds, how long each is heard, and how many updates there are."""

    samples: Sounds
    recipe: Recipe
    seconds: float

    def preprocessing(self) -> dict[str, Any]:
        return {"preset": "audio.transforms.whisper_mel", "seconds": self.seconds}


def make_plan(
    model: str, folder: str | os.PathLike[str], recipe: Recipe | None = None, *, registry: Any = None, offline: bool | None = None,
    trust_first_use: bool = False,
) -> Plan:  # fmt: skip
    """Find the sounds, look at their headers, and see that what is needed is installed; nothing is fetched."""
    recipe = recipe or Recipe()
    require("soundfile", f"Training {model} on sounds")
    sounds = find_sounds(folder, val_fraction=recipe.val_fraction, seed=recipe.seed)
    seconds = recipe.seconds or min(_LONGEST, max(0.1, math.ceil(10 * sounds.longest()) / 10))
    return Plan(str(model), sounds, recipe, seconds)


def finetune(
    model: str, folder: str | os.PathLike[str], out: str | os.PathLike[str] = "finetuned", recipe: Recipe | None = None, *, resume: bool = False,
    only_changed: bool = False, registry: Any = None, offline: bool | None = None, trust_first_use: bool = False, progress: bool = True,
    plan: Plan | None = None,
) -> Report:  # fmt: skip
    """Train the encoder of `model`, a Whisper or a file of an earlier run, to classify the sounds of `folder`; everything is written below `out`.

    ``model.safetensors`` is read by ``hub.load``, ``hub.pipeline`` and ``numzoo predict``. Beside it: ``report.json``, ``confusion.csv``, ``log.csv``,
    pictures where matplotlib is installed, and ``checkpoints``, from which `resume` goes on, to the same bits.

    Raises UsageError for a model without Whisper's encoder and where `out` holds another run, StorageError where it cannot be written, IntegrityError
    for a damaged checkpoint, and what reading sounds, loading and training raise.
    """
    recipe = recipe or Recipe()
    if only_changed:
        raise UsageError("finetune: only_changed is for models of images; a classifier of sounds is saved whole.")
    plan = plan or make_plan(model, folder, recipe, registry=registry)
    place = Path(out)
    check_out(place, plan, resume)
    plan.samples.check()
    engine.manual_seed(recipe.seed)
    pretrained = hub.load(
        model, registry=registry, offline=offline, trust_first_use=trust_first_use, progress=None if progress else False
    )
    network, config = _classifier(pretrained, len(plan.samples.classes), plan.seconds, str(model))
    adapt(network, plan)
    optimizer = optim.AdamW(_groups(network, recipe), lr=recipe.lr)
    loader = _loader(plan, plan.samples.train, network, recipe.augment, shuffle=True)
    held_out = _loader(plan, plan.samples.validation, network, "none", shuffle=False)

    def save(trained: nn.Module, path: Path) -> Path:
        builder, classes = "audio.models.whisper_classification", plan.samples.classes
        return hub.save(trained, path, builder=builder, config=config, categories=classes, task="audio-classification")

    return run(
        plan, network, loader, held_out, optimizer, place, compute=_compute, save=save, resume=resume, progress=progress
    )


def _classifier(pretrained: Any, classes: int, seconds: float, who: str) -> tuple[Any, dict[str, Any]]:
    """Whisper's encoder below a head for the classes, and the settings that make another one like it."""
    report = pretrained.load_report
    if report.model not in ("audio.models.whisper", "audio.models.whisper_classification"):
        raise UsageError(f"finetune makes classifiers of sounds from Whisper, and {who} is built by {report.model}.")
    most = pretrained.config.n_audio_ctx / 50
    if seconds > most:
        raise UsageError(
            f"finetune: {who} hears {most:g} seconds at a time, not {seconds:g}; give --seconds (seconds=)."
        )
    config = {**report.config, "classes": classes, "seconds": seconds}
    network = models.whisper_classification(**config)
    network.encoder.load_state_dict(pretrained.encoder.state_dict())
    return network, config


def _groups(network: Any, recipe: Recipe) -> list[dict[str, Any]]:
    """The encoder's parameters by their blocks, and the head's with a rate of its own."""
    heads = ("projector", "classifier")
    factor = _HEAD if recipe.lora is None and BACKBONE not in recipe.freeze else 1.0
    stages = ["encoder", *(f"encoder.blocks.{place}" for place in range(len(network.encoder.blocks))), *heads]
    groups = optim.layer_groups(
        network, recipe.lr, decay=recipe.layer_decay or 1.0, weight_decay=recipe.weight_decay, stages=stages
    )
    return [{**group, "lr": recipe.lr * factor} if str(group["name"]).startswith(heads) else group for group in groups]


def _loader(
    plan: Plan, samples: tuple[tuple[Path, int], ...], network: Any, augment: str, *, shuffle: bool
) -> data.DataLoader:
    recipe = plan.recipe
    heard = Heard(samples, plan.seconds, network.config.n_mels, augment=augment)
    return data.DataLoader(
        heard,
        recipe.batch,
        shuffle,
        num_workers=recipe.workers,
        seed=recipe.seed,
        persistent_workers=recipe.workers > 0,
    )


def _compute(model: Any, batch: Any) -> Any:
    mel, labels = batch
    logits = model(mel)
    return F.cross_entropy(logits, labels, label_smoothing=0.1 if model.training else 0.0), logits, labels
