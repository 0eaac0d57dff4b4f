"""What a pipeline was asked for: an entry, a repository, a folder or a file, what it is for, and the files that stand around its model."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numzoo.hub.download.fetch import Fetch
from numzoo.hub.errors import IntegrityError, NotFoundError, UsageError
from numzoo.hub.foreign.places import Folder, Place
from numzoo.hub.loading.card import Card, card_of_notes, read_card
from numzoo.hub.loading.libraries import check_task
from numzoo.hub.loading.load import as_path
from numzoo.hub.loading.places import place_card, place_of
from numzoo.hub.loading.tasks import PIPELINES, READERS, files_beside, files_of
from numzoo.hub.registry.categories import categories
from numzoo.hub.registry.choice import Registries
from numzoo.hub.registry.manifest import Entry
from numzoo.hub.registry.names import Registry, open_registry
from numzoo.hub.store.cache import storage

__all__ = ["Asked", "asked", "files_around"]


@dataclass(frozen=True)
class Asked:
    """`who` in messages, the task, the names of the classes, what preprocessing or the pipeline is told, and where it comes from."""

    who: str
    task: str
    labels: Sequence[str]
    settings: Mapping[str, Any] | None
    model: str = ""
    entry: Entry | None = None
    place: Place | None = None
    beside: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str | None:
        """The full name of an entry; None for what is none."""
        return None if self.entry is None else self.entry.name

    def by_notes(self, notes: Mapping[str, str]) -> Asked:
        """The same in the words of the bytes that were loaded, where they are a file's own."""
        if self.entry is not None or not self.model_is_noted:
            return self
        card = card_of_notes(notes, who=self.who)
        return replace(_of_card(self.who, card), place=self.place)

    @property
    def model_is_noted(self) -> bool:
        """Whether the file itself says which model it is: nothing beside it does."""
        return self.entry is None and not self.model

    def files(self, fetch: Fetch) -> dict[str, Path]:
        """The verified files around the model, by their names. Raises IntegrityError where one is not what it was when the model was saved."""
        return _files(self.who, self.entry, self.place, self.beside, fetch)


def asked(name: str | os.PathLike[str], known: Registry, fetch: Fetch) -> Asked:
    """What `name` means for a pipeline. Nothing large is fetched.

    Raises UsageError where no pipeline serves it, MissingLibraryError where one needs what is not installed, and what reading raises.
    """
    path = as_path(name, known)
    place = place_of(name, path, fetch)
    if place is not None:
        found = replace(_of_card(place.name, place_card(place)), place=place)
    elif path is None:
        found = _of_entry(known.entry(os.fspath(name)))
    elif not path.exists():
        raise NotFoundError(f"There is no file {path} and no model of that name; `numzoo ls` lists the models.")
    else:
        found = replace(_of_card(str(path), read_card(path)), place=Folder(path.parent))
    check_task(found.task, found.model, found.who)
    return found


def _of_entry(entry: Entry) -> Asked:
    if entry.task in PIPELINES:
        given = entry.categories or ()
        labels = categories(given) if isinstance(given, str) else given
        return Asked(entry.name, entry.task, labels, entry.pipeline, entry.model, entry)
    if entry.task not in READERS:
        raise UsageError(
            f"hub.pipeline serves {', '.join([*READERS, *PIPELINES])}, but {entry.name} is for {entry.task}; use hub.load."
        )
    if entry.categories is None:
        raise UsageError(f"{entry.name} classifies nothing: it has no list of categories. {entry.notes}".rstrip())
    labels = entry.categories if isinstance(entry.categories, tuple) else categories(entry.categories)
    return Asked(entry.name, entry.task, labels, entry.transform, entry.model, entry)


def _of_card(who: str, card: Card) -> Asked:
    if card.task in PIPELINES:
        return Asked(who, card.task, card.categories, card.pipeline, card.model, beside=card.beside)
    if card.task not in READERS or not card.categories:
        what = f"is for {card.task}" if card.task and card.task not in READERS else "does not name its categories"
        raise UsageError(
            f"hub.pipeline serves {', '.join([*READERS, *PIPELINES])} by files that say how they are used, but {who} {what}. "
            "Write it with hub.save(model, path, categories=[...], transform=...), or task=... of another task, or use hub.load."
        )
    return Asked(who, card.task, card.categories, card.transform, card.model)


def files_around(
    name: str | os.PathLike[str], *, registry: Registries = None, offline: bool | None = None, trust_first_use: bool = False
) -> dict[str, Path]:  # fmt: skip
    """The verified files that pipelines read around a model, by their names, whatever the model is for: a tokenizer, how sounds are prepared."""
    known, fetch = open_registry(registry, offline=offline), Fetch(offline, trust_first_use)
    path = as_path(name, known)
    place = place_of(name, path, fetch)
    if place is not None:
        return _files(place.name, None, place, place_card(place).beside, fetch)
    if path is None:
        entry = known.entry(os.fspath(name))
        return _files(entry.name, entry, None, {}, fetch)
    return _files(str(path), None, Folder(path.parent), read_card(path).beside, fetch)


def _files(
    who: str, entry: Entry | None, place: Place | None, beside: Mapping[str, str], fetch: Fetch
) -> dict[str, Path]:
    if entry is not None:
        return files_of(entry, fetch)
    found = files_beside(place) if place is not None else {}
    for name, sha256 in beside.items():
        path = found.get(name)
        if path is None:
            raise NotFoundError(f"{who} was saved with {name} beside it, and there is none; bring both.")
        with storage(f"read {path}"):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != sha256:
            raise IntegrityError(
                f"{path} is not the {name} that {who} was saved with: its sha256 is {digest}, wanted {sha256}."
            )
    return {name: found[name] for name in beside} if beside else found
