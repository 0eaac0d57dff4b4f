"""What there is with which licence: the rows of `numzoo licenses`, for a registry, some names, or the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numzoo.hub.licensing.acceptance import accepted
from numzoo.hub.licensing.terms import Terms, missing_acceptance, terms_of
from numzoo.hub.registry.manifest import Entry, Resource
from numzoo.hub.registry.names import Registry, is_resource
from numzoo.hub.registry.record import FileRecord

__all__ = ["Item", "all_names", "inventory"]


@dataclass(frozen=True, slots=True)
class Item:
    """A model, sample or data set with its licence. `to_accept` lists what must still be accepted of it."""

    name: str
    about: Entry | Resource
    files: tuple[FileRecord, ...]
    terms: Terms
    to_accept: tuple[str, ...]

    @property
    def license(self) -> str:
        """The SPDX expression."""
        return self.about.license

    @property
    def source(self) -> str:
        """Where its authors tell about it."""
        return self.about.source


def all_names(registry: Registry) -> list[str]:
    """The full names of all models, samples and data sets of a registry."""
    known = registry.manifest
    return [
        *sorted(known.names),
        *(f"sample:{n}" for n in sorted(known.samples)),
        *(f"data:{n}" for n in sorted(known.data)),
    ]


def inventory(registry: Registry, names: Sequence[str] = (), *, cached: bool = False) -> list[Item]:
    """The items of these names, or of all; with `cached`, only those of which a file lies in the store."""
    full = [_full_name(registry, name) for name in names] or all_names(registry)
    items = [_item(registry, name) for name in dict.fromkeys(full)]
    return [item for item in items if not cached or any(_in_store(file) for file in item.files)]


def _full_name(registry: Registry, name: str) -> str:
    return registry.resource(name.partition("/")[0]).name if is_resource(name) else registry.full_name(name)


def _item(registry: Registry, name: str) -> Item:
    about = registry.resource(name) if is_resource(name) else registry.entry(name)
    missing = tuple(missing_acceptance(about.license, accepted))
    return Item(name, about, registry.files(name), terms_of(about.license), missing)


def _in_store(file: FileRecord) -> bool:
    from numzoo.hub.errors import IntegrityError
    from numzoo.hub.registry.trust import locked
    from numzoo.hub.store.cache import Cache

    try:
        sha256 = locked(file).sha256
    except IntegrityError:
        return False
    return sha256 is not None and Cache().has(sha256)
