"""From what somebody calls registries to manifests: configured names, files, folders, addresses."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numzoo.hub import configuration, settings
from numzoo.hub.configuration import RegistrySettings
from numzoo.hub.errors import NotFoundError, UsageError
from numzoo.hub.registry.choice import Choice
from numzoo.hub.registry.manifest import Manifest

if TYPE_CHECKING:
    from numzoo.hub.registry.static.opening import Opened

__all__ = ["OWN", "chosen", "open_all", "open_one", "settings_of"]

OWN = "numzoo"
"""The name of the registry that ships with the package."""


def open_all(
    given: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Choice | None, offline: bool | None
) -> list[Manifest] | None:
    """The manifests that `given` names, in its order; None for numzoo's own alone."""
    if isinstance(given, Choice) and given.offline is not None:
        offline = given.offline
    wanted = chosen(given)
    if [each.name for each in wanted] == [OWN]:
        return None
    return [_open(each, _is_offline(offline))[0] for each in wanted]


def chosen(given: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Choice | None) -> list[RegistrySettings]:
    """The registries that `given` names, in its order, with what the configuration says of each."""
    addresses = _addresses((given.addresses or None) if isinstance(given, Choice) else given)
    found = _configured() if addresses is None else [settings_of(address) for address in addresses]
    if not found:
        raise UsageError("The list of registries is empty; leave it out, or name one.")
    return found


def open_one(wanted: RegistrySettings, offline: bool | None) -> dict[str, Any]:
    """Open one registry and say how it stands: its `entries`, and for one that `numzoo index` made its `version`, when
    it `expires`, the `key` that it was verified with and the `signers` that it claims."""
    manifest, opened = _open(wanted, _is_offline(offline))
    about: dict[str, Any] = {"entries": len(manifest.names), "version": None}
    if opened is not None:
        stated = opened.pointer.statement
        about |= {
            "version": stated.version,
            "published": stated.published.isoformat(),
            "expires": None if stated.expires is None else stated.expires.isoformat(),
            "key": opened.key,
            "signers": [key for key, _ in opened.pointer.signatures],
        }
    return about


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


def _is_offline(offline: bool | None) -> bool:
    return bool(offline) or settings.offline()


def _open(wanted: RegistrySettings, offline: bool) -> tuple[Manifest, Opened | None]:
    from numzoo.hub.registry.names import shipped_registry
    from numzoo.hub.registry.static.access import is_web
    from numzoo.hub.registry.static.layout import POINTER
    from numzoo.hub.registry.static.opening import open_static

    if wanted.name == OWN:
        manifest = shipped_registry().manifest
        assert isinstance(manifest, Manifest)
        return manifest, None
    if not is_web(wanted.address):
        path = Path(wanted.address).expanduser()
        if path.name == POINTER and path.is_file():
            wanted = replace(wanted, address=str(path.parent))
        elif not path.is_dir():
            if wanted.keys or wanted.namespaces:
                raise NotFoundError(f"There is no registry at {path}: no such folder.")
            return Manifest.read(path), None
    opened = open_static(wanted, offline=offline)
    return opened.manifest, opened
