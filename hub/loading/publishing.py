"""A file of weights as an entry of somebody's registry: what it says of itself, what its publisher adds, proven by a load."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numzoo.hub.errors import IntegrityError, NotFoundError, UsageError
from numzoo.hub.loading.asked import files_around
from numzoo.hub.loading.card import Card, read_card
from numzoo.hub.loading.changes import BASE_KEY
from numzoo.hub.loading.load import load
from numzoo.hub.loading.places import CONFIG, place_card
from numzoo.hub.loading.reading import CONFIG_KEY, MODEL_KEY
from numzoo.hub.loading.resolve import build, find_model
from numzoo.hub.loading.saving import save
from numzoo.hub.registry.manifest import check_settings, parse
from numzoo.hub.registry.static.layout import Added, Folder
from numzoo.hub.registry.static.publishing import Published, publish, put_entry
from numzoo.hub.registry.static.signing import PrivateKey

__all__ = ["About", "publish_model"]

_NAME = re.compile(r"([a-z0-9][a-z0-9_-]*/)?[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9_-]*")
_ODD = re.compile(r"[^A-Za-z0-9._+-]")
_FORMATS = {"tokenizer.json": "tokenizer-json", "vocab.txt": "vocabulary", "spiece.model": "sentencepiece"}
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".npz")


@dataclass(frozen=True, slots=True)
class About:
    """What the publisher says: a licence and a source always, the rest where the file does not say it itself."""

    license: str
    source: str
    model: str | None = None
    config: Mapping[str, Any] | None = None
    task: str | None = None
    notes: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


def publish_model(
    path: str | os.PathLike[str],
    name: str,
    folder: Folder,
    about: About,
    *,
    keys: Sequence[PrivateKey] = (),
    days: int | None = None,
    new_key: bool = False,
    replace: bool = False,
    default: bool | None = None,
    dry_run: bool = False,
) -> tuple[Published, dict[str, Any]]:
    """Publish the file at `path`, or the checkpoint in the folder there, as `name` ("acme/resnet50.pets-v1"); what was
    published, and the entry. A folder with somebody else's config.json is written anew in numzoo's own names.

    The model is built and the file loaded into it under the contract first. `default` says whether the bare model name
    means this entry from now on (None: if its tag comes after the present default's, with numbers in it read as such).
    Raises UsageError where something must be said that neither the file nor `about` says and where another entry has
    the name (`replace` puts this one in its place), and what reading, loading and publishing raise.
    """
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} is no full name; wanted NAMESPACE/MODEL.TAG in small letters, as acme/resnet50.pets-v1."
        )
    with tempfile.TemporaryDirectory() as scratch:
        file = _one_file(Path(path), Path(scratch), about)
        fields, sha256 = _fields(file, about)
        if dry_run:
            added = Added(sha256, file.stat().st_size, None)
        else:
            added = folder.add(file)
            if added.sha256 != sha256:
                raise IntegrityError(f"{file} was changed while it was published. Publish it again.")
        fields = {**fields, "files": [_record(file, added, _format(file)), *_beside(file, folder, dry_run)]}

    def change(document: dict[str, Any]) -> None:
        put_entry(document, "models", name, fields, replace=replace)
        model, _, tag = name.partition(".")
        defaults = document.setdefault("defaults", {})
        present = defaults.get(model)
        if default or present is None or (default is None and _order(tag) > _order(present)):
            defaults[model] = tag

    return publish(folder, change, keys=keys, days=days, new_key=new_key, dry_run=dry_run), fields


def _fields(file: Path, about: About) -> tuple[dict[str, Any], str]:
    """The entry's fields but its files, and the sha256 of the file that was loaded to see that it can be."""
    model, config = _model(file, about)
    built = build(model, "models", config, who=file.name)
    sha256: str = load(file, model=built).load_report.sha256
    card = read_card(file) if _format(file) == "safetensors" else Card()
    task = about.task or card.task
    if not task:
        raise UsageError(f"{file} does not say what the model is for. Give it, as in --task image-classification.")
    fields: dict[str, Any] = {"model": model, "config": dict(config), "task": task}
    if card.transform is not None:
        fields["transform"] = dict(card.transform)
    if card.categories:
        fields["categories"] = list(card.categories)
    if card.pipeline:
        fields["pipeline"] = dict(card.pipeline)
    fields["parameters"] = sum(parameter.numel() for parameter in built.parameters())
    if about.metrics:
        fields["metrics"] = dict(about.metrics)
    fields |= {"license": about.license, "source": about.source}
    if about.notes:
        fields["notes"] = about.notes
    return fields, sha256


def _beside(file: Path, folder: Folder, dry_run: bool) -> list[dict[str, Any]]:
    """The files that the model was saved with, such as its tokenizer, held to what they were then."""
    if _format(file) != "safetensors" or not (wanted := read_card(file).beside):
        return []
    records = []
    for name, path in files_around(file).items():
        added = Added(wanted[name], path.stat().st_size, None) if dry_run else folder.add(path)
        if added.sha256 != wanted[name]:
            raise IntegrityError(f"{path} was changed while it was published. Publish it again.")
        records.append(_record(path, added, _FORMATS.get(name, "json")))
    return records


def _record(file: Path, added: Added, format: str) -> dict[str, Any]:
    name = _ODD.sub("-", file.name).lstrip(".+-") or "weights"
    record: dict[str, Any] = {"name": name, "sha256": added.sha256, "bytes": added.bytes, "format": format}
    if added.chunks is not None:
        record["chunks"] = {"size": added.chunks.size, "sha256": list(added.chunks.sha256)}
    return {**record, "sources": [f"blob:{name}"]}


def _order(tag: str) -> list[tuple[bool, int, str]]:
    """A tag's place among others: v9 before v10."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", tag)]


def _one_file(path: Path, scratch: Path, about: About) -> Path:
    """The one file that is to be published; from a folder with a config.json, one that is made in `scratch`."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise NotFoundError(f"There is no file or folder {path}.")
    if (path / CONFIG).is_file() and about.model is None:
        from numzoo.hub.foreign.places import Folder as Place

        model, card = load(path), place_card(Place(path))
        file = scratch / f"{model.load_report.model.rpartition('.')[2]}.safetensors"
        return save(model, file, categories=card.categories or None, transform=card.transform, task=card.task or None)
    found = sorted(each for each in path.iterdir() if each.suffix.lower() in _SUFFIXES and each.is_file())
    if len(found) != 1:
        names = ", ".join(each.name for each in found) or "none"
        raise UsageError(f"The folder {path} should hold one checkpoint, but has {names}. Name the file to publish.")
    return found[0]


def _model(file: Path, about: About) -> tuple[str, Mapping[str, Any]]:
    """The builder and its settings: the publisher's word, or else the file's."""
    from numzoo.hub.checkpoint import read_metadata

    notes = read_metadata(file).notes
    if BASE_KEY in notes:
        raise UsageError(
            f"{file} holds only what was changed of {notes[BASE_KEY]}. Load it, and save all of it with hub.save(model, path)."
        )
    said = notes.get(MODEL_KEY)
    model = about.model or said
    if model is None:
        raise UsageError(
            f"{file} does not say which model its tensors belong to. Give it, as in --model vision.models.resnet50 "
            f"--config '{{\"classes\": 10}}', or write the file with hub.save."
        )
    if about.config is not None or about.model is not None:
        config: Any = dict(about.config or {})
    else:
        config = parse(notes.get(CONFIG_KEY, "{}").encode(), who=f"{file}, {CONFIG_KEY}")
    check_settings(config, who=f"{file}, config")
    return find_model(model), config


def _format(path: Path) -> str:
    from numzoo.hub.checkpoint import read_metadata

    return read_metadata(path).format
