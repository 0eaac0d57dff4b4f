"""Which registries somebody asked for, before any of them is opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, Union

if TYPE_CHECKING:
    from numzoo.hub.registry.names import Registry

__all__ = ["Choice", "Registries"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The addresses of the command line, the first of which has precedence (none: those of the configuration), and
    whether the network may not be used (None: as the environment and the configuration say)."""

    addresses: tuple[str, ...] = ()
    offline: bool | None = None


Registries: TypeAlias = Union[
    "Registry", str, "os.PathLike[str]", Sequence[Union[str, "os.PathLike[str]"]], Choice, None
]
"""What functions take as `registry`: an open one, an address, several of them, or None for the configured ones."""
