"""`save`: a model's tensors as a safetensors file that says which builder and settings they belong to, and how to use them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from numzoo.hub.errors import UsageError
from numzoo.hub.loading.card import card_notes
from numzoo.hub.loading.changes import BASE_KEY, BASE_SHA256_KEY, changed, check_base
from numzoo.hub.loading.reading import CONFIG_KEY, MODEL_KEY, read_entry
from numzoo.hub.loading.resolve import find_model
from numzoo.hub.registry.choice import Registries
from numzoo.hub.registry.manifest import check_settings
from numzoo.hub.registry.names import open_registry
from numzoo.hub.store.cache import storage

__all__ = ["save"]


def save(
    model: Any,
    path: str | os.PathLike[str],
    *,
    builder: str | None = None,
    config: Mapping[str, Any] | None = None,
    only: Literal["changed"] | None = None,
    categories: Sequence[str] | None = None,
    transform: Any = None,
    task: str | None = None,
    pipeline: Mapping[str, Any] | None = None,
    beside: Sequence[str | os.PathLike[str]] = (),
    registry: Registries = None,
) -> Path:
    """Write the state of `model` to `path` (safetensors), whole or not at all; the path that was written.

    The file carries the builder and its settings, so that ``hub.load(path)`` needs no more: of a model that `load` made
    they are known; of another, give them (``builder="vision.models.resnet50", config={"classes": 10}``) or pass
    ``model=`` when loading. With `categories` (a name for each output) and `transform` (a preset, or its settings),
    ``hub.pipeline(path)`` and ``numzoo predict`` need no more either. A `task` other than classifying images is named, and so are what
    its `pipeline` is told, as in an entry (``{"rate": 8000}``), and the files that it reads `beside` the new one, such as a tokenizer.json:
    their sha256 is kept, and they are held to it.

    ``only="changed"`` writes what differs from the registry entry that the model was loaded from, low-rank adapters too, with the entry's name and
    sha256; `registry` is the manifest that has it, if not numzoo's own. Raises FormatError for settings that a file cannot carry, UsageError for a
    model without such an entry, IntegrityError where the entry's file is no longer the one it was, and StorageError.
    """
    from numzoo.hub.checkpoint import write_safetensors

    if not callable(getattr(model, "state_dict", None)):
        raise UsageError(f"hub.save needs a model with state_dict, but {model!r:.60} was given.")
    if config is not None and builder is None:
        raise UsageError("hub.save: config was given without the builder that takes it.")
    if only not in (None, "changed"):
        raise UsageError(f"hub.save: only is 'changed' or left out, but {only!r:.40} was given.")
    report = getattr(model, "load_report", None)
    if builder is None and report is not None and report.model:
        builder, config = report.model, report.config
    metadata = {
        "format": "pt",
        **card_notes(
            categories=categories, transform=transform, task=task, pipeline=pipeline, beside=_beside(beside, path)
        ),
    }
    if builder is not None:
        settings = dict(config or {})
        check_settings(settings, who="hub.save, config")
        metadata[MODEL_KEY] = find_model(builder)
        metadata[CONFIG_KEY] = json.dumps(settings, separators=(",", ":"))
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    _check_count(categories, getattr(model, "classifier_modules", ()), arrays)
    if only == "changed":
        if report is None or not report.base or builder is None:
            raise UsageError(
                'hub.save: only="changed" is for a model that hub.load made from a registry entry; this one has none to be compared with. Leave only out.'
            )
        entry = open_registry(registry).entry(report.base)
        base, sha256 = read_entry(entry)
        check_base("The model", entry.name, report.base_sha256, sha256)
        arrays = changed(arrays, base, entry.keys)
        metadata |= {BASE_KEY: entry.name, BASE_SHA256_KEY: sha256}
    write_safetensors(path, arrays, metadata)
    return Path(path)


def _beside(files: Sequence[str | os.PathLike[str]], path: str | os.PathLike[str]) -> dict[str, str]:
    found = {}
    for each in files:
        file = Path(each)
        if file.resolve().parent != Path(path).resolve().parent:
            raise UsageError(f"hub.save: {file} does not lie beside {path}, where its pipeline will look for it.")
        with storage(f"read {file}"):
            found[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def _check_count(categories: Any, heads: Any, arrays: Mapping[str, Any]) -> None:
    """Refuse more or fewer names than the model's last layer has outputs, where the model says which layer that is."""
    for head in heads if categories is not None else ():
        weight = arrays.get(f"{head}.weight")
        if weight is not None and weight.ndim and weight.shape[0] != len(categories):
            raise UsageError(
                f"hub.save: {len(categories)} categories were given for a model whose {head} has {weight.shape[0]} outputs; "
                "give one name for each."
            )
