"""The recipe: from a pretrained encoder and texts in classes to a classifier of one's own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numzoo import engine, finetuning, hub
from numzoo.engine import data, nn, optim
from numzoo.engine.nn import functional as F
from numzoo.engine.optim.settings import whole
from numzoo.finetuning.recipe import BACKBONE
from numzoo.finetuning.report import Report
from numzoo.finetuning.runs import adapt, check_out, run
from numzoo.hub.errors import StorageError, UsageError
from numzoo.hub.loading.asked import files_around
from numzoo.hub.loading.libraries import require
from numzoo.text import tokenizers
from numzoo.text.finetuning.classifiers import Classifier, classifier_of
from numzoo.text.finetuning.texts import Texts, find_texts
from numzoo.text.pipelines.batches import places_of
from numzoo.text.transforms import Pad, Tokenize

__all__ = ["Plan", "Recipe", "finetune", "make_plan"]

_LONGEST = 256
_HEAD = 10.0
"""How much faster than the encoder the head learns, which begins from nothing."""


@dataclass(frozen=True)
class Recipe(finetuning.Recipe):
    """How to train: see `numzoo.finetuning.Recipe`. A fresh head has ten times the rate. Texts of more than `longest` tokens are cut (None: what the
    model and its tokenizer take, 256 at most); `text_column` and `label_column` are a table's."""

    epochs: int = 3
    lr: float = 1e-4
    layer_decay: float | None = None
    longest: int | None = None
    text_column: str | None = None
    label_column: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.longest is not None:
            whole("finetune", "longest", self.longest, 3)


@dataclass(frozen=True)
class Plan(finetuning.Plan):
    """What would be done: the texts, and how many updates there are."""

    samples: Texts
    recipe: Recipe

    def preprocessing(self) -> dict[str, Any]:
        return {"longest": self.recipe.longest or _LONGEST}


def make_plan(
    model: str, folder: str | os.PathLike[str], recipe: Recipe | None = None, *, registry: Any = None, offline: bool | None = None,
    trust_first_use: bool = False,
) -> Plan:  # fmt: skip
    """Read the texts, and see that what is needed is installed; nothing is fetched."""
    recipe = recipe or Recipe()
    require("tokenizers", f"Training {model} on texts")
    texts = find_texts(
        folder, val_fraction=recipe.val_fraction, seed=recipe.seed, text=recipe.text_column, label=recipe.label_column
    )
    return Plan(str(model), texts, recipe)


def finetune(
    model: str, folder: str | os.PathLike[str], out: str | os.PathLike[str] = "finetuned", recipe: Recipe | None = None, *, resume: bool = False,
    only_changed: bool = False, registry: Any = None, offline: bool | None = None, trust_first_use: bool = False, progress: bool = True,
    plan: Plan | None = None,
) -> Report:  # fmt: skip
    """Train `model` (an entry, a folder, a repository, or a file of an earlier run) to classify the texts of `folder`; everything is written below `out`.

    ``model.safetensors`` is read by ``hub.load``, ``hub.pipeline`` and ``numzoo predict``, with the ``tokenizer.json`` beside it. Beside both:
    ``report.json``, ``confusion.csv``, ``log.csv``, pictures where matplotlib is installed, and ``checkpoints``, from which `resume` goes
    on, to the same bits.

    Raises UsageError where `out` holds another run, StorageError where it cannot be written, IntegrityError for a damaged checkpoint, and what
    reading texts, loading and training raise.
    """
    recipe = recipe or Recipe()
    if only_changed:
        raise UsageError("finetune: only_changed is for models of images; a classifier of texts is saved whole.")
    plan = plan or make_plan(model, folder, recipe, registry=registry, offline=offline, trust_first_use=trust_first_use)
    place = Path(out)
    check_out(place, plan, resume)
    engine.manual_seed(recipe.seed)
    settings = {"registry": registry, "offline": offline, "trust_first_use": trust_first_use}
    pretrained = hub.load(model, progress=None if progress else False, **settings)
    made = classifier_of(pretrained, len(plan.samples.classes), str(model))
    tokenizer = tokenizers.load(files_around(model, **settings))
    tokenize = Tokenize(tokenizer, longest=_longest(recipe, tokenizer, made.network))
    files = _write_tokenizer(tokenizer, tokenize.longest or _LONGEST, place)
    adapt(made.network, plan)
    optimizer = optim.AdamW(_groups(made, recipe), lr=recipe.lr)
    pad = Pad(tokenizer)
    loader = _loader(plan.samples.train, tokenize, pad, recipe, shuffle=True)
    held_out = _loader(plan.samples.validation, tokenize, pad, recipe, shuffle=False)

    def save(trained: nn.Module, path: Path) -> Path:
        return hub.save(
            trained, path, builder=made.builder, config=made.config, categories=plan.samples.classes, task="text-classification", beside=files
        )  # fmt: skip

    return run(
        plan, made.network, loader, held_out, optimizer, place, compute=_compute, save=save, resume=resume, progress=progress
    )  # fmt: skip


def _longest(recipe: Recipe, tokenizer: tokenizers.Tokenizer, network: nn.Module) -> int:
    """How many tokens of a text are read."""
    places = places_of(network)
    if recipe.longest is not None:
        if places is not None and recipe.longest > places:
            raise UsageError(f"finetune: longest is {recipe.longest}, but the model has places for {places} tokens.")
        return recipe.longest
    return min(each for each in (places, tokenizer.longest, _LONGEST) if each is not None)


def _loader(
    samples: tuple[tuple[str, int], ...], tokenize: Tokenize, pad: Pad, recipe: Recipe, *, shuffle: bool
) -> data.DataLoader:
    """Batches of texts of like length, which need little padding."""
    examples = [(tokenize(text), label) for text, label in samples]
    lengths = [len(inputs["input_ids"]) for inputs, _ in examples]
    sampler = data.LengthBatchSampler(lengths, recipe.batch, shuffle, seed=recipe.seed)
    return data.DataLoader(examples, batch_sampler=sampler, collate_fn=pad)


def _groups(made: Classifier, recipe: Recipe) -> list[dict[str, Any]]:
    """The encoder's parameters by their stages, and the fresh head's with a rate of its own."""
    network, fresh = made.network, set(map(id, made.head()))
    encoder_trained = recipe.lora is None and BACKBONE not in recipe.freeze
    factor = _HEAD if encoder_trained else 1.0
    groups = optim.layer_groups(
        network, recipe.lr, decay=recipe.layer_decay or 1.0, weight_decay=recipe.weight_decay, stages=_stages(network)
    )
    found = []
    for group in groups:
        head = [parameter for parameter in group["params"] if id(parameter) in fresh]
        rest = [parameter for parameter in group["params"] if id(parameter) not in fresh]
        found += [{**group, "params": rest}] if rest else []
        found += (
            [{**group, "params": head, "lr": recipe.lr * factor, "name": f"{group['name']}, fresh"}] if head else []
        )
    return found


def _stages(network: nn.Module) -> list[str]:
    """Patterns of names from the embeddings by the layers, one by one, to the head."""
    names = [name for name, _ in network.named_parameters()]
    layers: list[str] = []
    for name in names:
        parts = name.split(".")
        number = next((place for place, part in enumerate(parts) if part.isdigit()), None)
        layer = "" if number is None else ".".join(parts[: number + 1])
        if layer and layer not in layers:
            layers.append(layer)
    heads = [
        name
        for name in dict.fromkeys(each.partition(".")[0] for each in names)
        if name.startswith(("classifier", "pre_classifier"))
    ]
    return [next(iter(names)).partition(".")[0], *layers, *heads]


def _compute(model: Any, batch: Any) -> Any:
    inputs, labels = batch
    logits = model(**inputs)
    return F.cross_entropy(logits, labels, label_smoothing=0.1 if model.training else 0.0), logits, labels


def _write_tokenizer(tokenizer: tokenizers.Tokenizer, longest: int, place: Path) -> list[Path]:
    """The tokenizer in the files that repositories have, for those who load the model."""
    settings: dict[str, Any] = {f"{role}_token": token for role, token in tokenizer.special.items()}
    settings |= {"model_max_length": longest, "padding_side": tokenizer.side}
    tokenizer.backend.no_truncation()
    tokenizer.backend.no_padding()
    texts = {
        "tokenizer.json": tokenizer.backend.to_str(),
        "tokenizer_config.json": json.dumps(settings, indent=2, ensure_ascii=False) + "\n",
    }
    try:
        for name, text in texts.items():
            unfinished = place / f"{name}.part"
            unfinished.write_text(text, encoding="utf-8")
            os.replace(unfinished, place / name)
    except OSError as error:
        raise StorageError(f"finetune: {place} cannot be written: {error.strerror or error}.") from error
    return [place / name for name in texts]
