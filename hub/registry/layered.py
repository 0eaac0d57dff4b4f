"""Several manifests as one: a name means what the first of them says that knows it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from numzoo.hub.errors import NotFoundError
from numzoo.hub.registry.manifest import Entry, Manifest, Resource

__all__ = ["Layered"]


class Layered:
    """Manifests in the order of their precedence, with the attributes of a single one.

    A model's tags are those of all manifests; its default is that of the first that has the model at all. An alias
    holds where no manifest before its own has something of that name. `base` is where relative paths begin that no
    manifest names any more (a lock may): the folder of the first that has one.
    """

    def __init__(self, manifests: Sequence[Manifest]) -> None:
        self.manifests = tuple(manifests)
        self.who = ", ".join(manifest.who for manifest in manifests)
        self.base = next((manifest.base for manifest in manifests if manifest.base), "")
        self.tags: dict[str, list[str]] = {}
        self.aliases: dict[str, str] = {}
        for manifest in manifests:
            for old, new in manifest.aliases.items():
                if old not in self.tags and not self._has(old):
                    self.aliases.setdefault(old, new)
            for model, tags in manifest.tags.items():
                if model in self.aliases:
                    continue  # an earlier manifest says that this name means another model
                known = self.tags.setdefault(model, [])
                known.extend(tag for tag in tags if tag not in known)

    @property
    def names(self) -> list[str]:
        """The full names of all model entries, those of the first manifest first."""
        return [f"{model}.{tag}" for model, tags in self.tags.items() for tag in tags]

    @property
    def samples(self) -> list[str]:
        """The names of the sample photographs."""
        return self._all(lambda manifest: manifest.samples)

    @property
    def data(self) -> list[str]:
        """The names of the data sets."""
        return self._all(lambda manifest: manifest.data)

    def entry(self, name: str) -> Entry:
        """The entry with this full name, of the first manifest that has it."""
        return self._first(name, "models", lambda manifest: manifest.names).entry(name)

    def resource(self, section: str, name: str) -> Resource:
        """The sample or data set with this name, of the first manifest that has it."""
        of = {"samples": lambda manifest: manifest.samples, "data": lambda manifest: manifest.data}[section]
        return self._first(name, section, of).resource(section, name)

    def fields(self, section: str, name: str) -> dict[str, Any]:
        """The fields of an entry as the first manifest that has it gives them."""
        of: Callable[[Manifest], Sequence[str]] = operator.attrgetter({"models": "names"}.get(section, section))
        return self._first(name, section, of).fields(section, name)

    def _has(self, name: str) -> bool:
        model, _, tag = name.partition(".")
        return tag in self.tags.get(model, ())

    def _all(self, of: Callable[[Manifest], Sequence[str]]) -> list[str]:
        return list(dict.fromkeys(name for manifest in self.manifests for name in of(manifest)))

    def _first(self, name: str, section: str, of: Callable[[Manifest], Sequence[str]]) -> Manifest:
        for manifest in self.manifests:
            if name in of(manifest):
                return manifest
        raise NotFoundError(f"{self.who} have no {name!r} among their {section}.")
