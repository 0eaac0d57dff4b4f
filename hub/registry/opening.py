"""From what somebody calls registries to manifests: configured names, files, folders, addresses."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from numzoo.hub import configuration, settings
from numzoo.hub.configuration import RegistrySettings
from numzoo.hub.errors import NotFoundError, UsageError
from numzoo.hub.registry.choice import Choice
from numzoo.hub.registry.manifest import Manifest

__all__ = ["OWN", "open_all", "settings_of"]

OWN = "numzoo"
"""The name of the registry that ships with the package."""


def open_all(
    given: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Choice | None, offline: bool | None
) -> list[Manifest] | None:
    """The manifests that `given` names, in its order; None for numzoo's own alone."""
    if isinstance(given, Choice):
        offline = given.offline if given.offline is not None else offline
        given = given.addresses or None
    addresses = _addresses(given)
    chosen = _configured() if addresses is None else [settings_of(address) for address in addresses]
    if not chosen:
        raise UsageError("The list of registries is empty; leave it out, or name one.")
    if [each.name for each in chosen] == [OWN]:
        return None
    offline = settings.offline() if offline is None else offline or settings.offline()
    return [_open(each, offline) for each in chosen]


def settings_of(address: str) -> RegistrySettings:
    """What the configuration says of the registry with this name or address, or the address alone."""
    from numzoo.hub.registry.static.access import is_web
    from numzoo.hub.registry.static.opening import canonical

    known = configuration.read().registries
    for each in known:
        if each.name == address:
            return each
    if address == OWN:
        return RegistrySettings(OWN, "")
    # Whoever names the address means the registry of the configuration too, with its keys and its namespaces.
    for each in known:
        if each.address and is_web(each.address) == is_web(address) and canonical(each.address) == canonical(address):
            return each
    return RegistrySettings("", address)


def _addresses(given: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None) -> list[str] | None:
    if given is None:
        return os.environ.get("NUMZOO_REGISTRY", "").split() or None
    if isinstance(given, (str, os.PathLike)):
        return [os.fspath(given)]
    if not isinstance(given, Sequence) or not all(isinstance(each, (str, os.PathLike)) and each for each in given):
        raise UsageError(f"registry is a Registry, the address of one or a list of these, but {given!r:.80} was given.")
    return [os.fspath(each) for each in given]


def _configured() -> list[RegistrySettings]:
    known = list(configuration.read().registries)
    return known if any(each.name == OWN for each in known) else [*known, RegistrySettings(OWN, "")]


def _open(chosen: RegistrySettings, offline: bool) -> Manifest:
    from numzoo.hub.registry.names import shipped_registry
    from numzoo.hub.registry.static.access import is_web
    from numzoo.hub.registry.static.layout import POINTER
    from numzoo.hub.registry.static.opening import open_static

    if chosen.name == OWN:
        manifest = shipped_registry().manifest
        assert isinstance(manifest, Manifest)
        return manifest
    if not is_web(chosen.address):
        path = Path(chosen.address).expanduser()
        if path.name == POINTER and path.is_file():
            chosen = replace(chosen, address=str(path.parent))
        elif not path.is_dir():
            if chosen.keys or chosen.namespaces:
                raise NotFoundError(f"There is no registry at {path}: no such folder.")
            return Manifest.read(path)
    return open_static(chosen, offline=offline).manifest
