"""What is to be built, and from what: the reading of a name, a file or a repository ends in a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numzoo.hub.loading.resolve import find_model
from numzoo.hub.registry.keys import Keys
from numzoo.hub.registry.names import Registry

__all__ = ["Plan"]


@dataclass
class Plan:
    """What is to be built and from what: `stored` is the configuration of the file, `config` that of the model."""

    name: str
    source: str
    sha256: str
    model: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    stored: Mapping[str, Any] = field(default_factory=dict)
    keys: Keys = field(default_factory=Keys)
    base: tuple[str, str] = ("", "")
    adapted: tuple[str, ...] = ()
    overlaid: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)

    def built_as(self, model: str, known: Registry) -> Plan:
        """The same file for the model that `model` names: an entry (with its key spellings) or a builder."""
        if model in known:
            entry = known.entry(model)
            self.model, self.config = entry.model, entry.config
            if not self.overlaid:  # what lies over a base has the model's own names
                self.keys = entry.keys
        else:
            self.model, self.config = find_model(model), {}
        return self
