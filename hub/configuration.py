"""The person's configuration file: registries and their keys, limits, mirrors, whether the network may be used.

It is TOML, at NUMZOO_CONFIG or in the platform's folder for configuration (``~/.config/numzoo/config.toml``). All of it
is optional. An environment variable beats the file, and an option of the command line beats both.

    offline = false
    cache_limit = "20 GB"
    rate_limit = "5 MB"                      # bytes in a second

    [mirrors]                                # tried before the address that begins so
    "https://download.pytorch.org/" = ["https://mirror.example/pytorch/"]

    [[registry]]                             # in the order of precedence; numzoo's own comes last
    name = "acme"
    address = "https://models.acme.example/zoo"
    keys = ["numzoo-ed25519:..."]            # one of them must have signed it
    namespaces = ["acme"]                    # it may name nothing else
    mirrors = ["https://copy.acme.example/zoo"]
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from numzoo.hub.errors import FormatError, StorageError

__all__ = ["Configuration", "RegistrySettings", "parse", "path", "read", "size"]

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""How registries and namespaces are called."""

_LARGEST = 1 << 20
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,3})?)\s*([A-Za-z]{0,3})")


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """One registry: where it is, the public keys of which one must have signed it (none: it need not be signed), the
    namespaces that it may name things in (none: all), and other addresses of the same files."""

    name: str
    address: str
    keys: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the file says; `cache_limit` is in bytes and `rate_limit` in bytes a second, None where it says nothing."""

    offline: bool | None = None
    cache_limit: int | None = None
    rate_limit: int | None = None
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    registries: tuple[RegistrySettings, ...] = ()


def path() -> Path:
    """Where the file is looked for: NUMZOO_CONFIG, or else the platform's folder for configuration."""
    chosen = os.environ.get("NUMZOO_CONFIG")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "numzoo" / "config.toml"
    if sys.platform == "win32":
        roaming = os.environ.get("APPDATA")
        return (Path(roaming) if roaming else Path.home() / "AppData" / "Roaming") / "numzoo" / "config.toml"
    chosen = os.environ.get("XDG_CONFIG_HOME")
    return (Path(chosen).expanduser() if chosen else Path.home() / ".config") / "numzoo" / "config.toml"


def read() -> Configuration:
    """The configuration, empty where there is no file. Raises FormatError that names what is wrong in it."""
    place = path()
    try:
        status = os.stat(place)
    except (FileNotFoundError, NotADirectoryError):
        return Configuration()
    except OSError as problem:
        raise StorageError(f"The configuration {place} cannot be read: {problem.strerror}.") from problem
    return _read(place, status.st_mtime_ns, status.st_size, status.st_ino)


def parse(text: bytes, who: str) -> Configuration:
    """The configuration in a file's bytes; `who` names the file in messages."""
    return _Reader(who).configuration(_document(text, who))


def size(given: object) -> int | None:
    """A number of bytes, given as a whole number or as a text such as "20 GB" or "512 MiB"; None if it is neither."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given if 0 <= given < 1 << 62 else None
    found = _SIZE.fullmatch(given.strip()) if isinstance(given, str) else None
    unit = None if found is None else _UNITS.get(found[2].upper())
    return None if found is None or unit is None else int(float(found[1]) * unit)


@lru_cache(maxsize=8)
def _read(place: Path, changed: int, length: int, inode: int) -> Configuration:
    try:
        with open(place, "rb") as file:
            text = file.read(_LARGEST + 1)
    except OSError as problem:
        raise StorageError(f"The configuration {place} cannot be read: {problem.strerror}.") from problem
    if len(text) > _LARGEST:
        raise FormatError(f"The configuration {place} is larger than {_LARGEST >> 20} MiB, the most that is read.")
    return parse(text, str(place))


def _document(text: bytes, who: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document: dict[str, Any] = tomllib.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        reason = "it is nested too deeply" if isinstance(problem, RecursionError) else str(problem)
        raise FormatError(f"The configuration {who} is not TOML: {reason}.") from None
    return document


class _Reader:
    """Each method takes one value of the document and the name it stands under."""

    def __init__(self, who: str) -> None:
        self.who = who

    def fail(self, name: str, value: object, wanted: str) -> NoReturn:
        raise FormatError(f"The configuration {self.who}: {name} is {value!r:.80}; wanted {wanted}.")

    def table(self, value: object, name: str, known: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.fail(name, value, "a table")
        unknown = sorted(set(value) - set(known.split()))
        if unknown:
            where = f" in {name}" if name else ""
            raise FormatError(
                f"The configuration {self.who} has the unknown setting {unknown[0]!r}{where}; known are "
                f"{', '.join(sorted(known.split()))}."
            )
        return value

    def configuration(self, document: dict[str, Any]) -> Configuration:
        fields = self.table(document, "", "offline cache_limit rate_limit mirrors registry")
        offline = fields.get("offline")
        if offline is not None and not isinstance(offline, bool):
            self.fail("offline", offline, "true or false")
        mirrors = fields.get("mirrors", {})
        if not isinstance(mirrors, dict):
            self.fail("mirrors", mirrors, "a table of addresses, each with a list of mirrors")
        entries = fields.get("registry", [])
        if not isinstance(entries, list):
            self.fail("registry", entries, "a [[registry]] table for each registry")
        registries = tuple(self.registry(entry, f"registry {place}") for place, entry in enumerate(entries, 1))
        names = [registry.name for registry in registries]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise FormatError(f"The configuration {self.who} names two registries {twice!r}.")
        return Configuration(
            offline=offline,
            cache_limit=self.bytes(fields.get("cache_limit"), "cache_limit"),
            rate_limit=self.bytes(fields.get("rate_limit"), "rate_limit"),
            mirrors=MappingProxyType(
                {self.text(start, "mirrors"): self.texts(each, f"mirrors.{start}") for start, each in mirrors.items()}
            ),
            registries=registries,
        )

    def registry(self, entry: object, where: str) -> RegistrySettings:
        fields = self.table(entry, where, "name address keys namespaces mirrors")
        name = fields.get("name")
        if not isinstance(name, str) or NAME.fullmatch(name) is None:
            self.fail(f"{where}.name", name, "a name of lower-case letters, digits, - and _")
        where = f"registry {name}"
        namespaces = self.texts(fields.get("namespaces", []), f"{where}.namespaces")
        for namespace in namespaces:
            if NAME.fullmatch(namespace) is None:
                self.fail(f"{where}.namespaces", namespace, "names of lower-case letters, digits, - and _")
        keys = self.texts(fields.get("keys", []), f"{where}.keys")
        for key in keys:
            if re.fullmatch(r"numzoo-ed25519:[A-Za-z0-9+/]{43}=", key) is None:
                self.fail(f"{where}.keys", key, "public keys as `numzoo keys show` prints them")
        # numzoo's own registry may be put in its place among the others by its name alone.
        address = fields.get("address", "" if name == "numzoo" else None)
        if not isinstance(address, str) or (not address) != (name == "numzoo"):
            self.fail(f"{where}.address", address, "a folder or an https address (and none for numzoo's own)")
        return RegistrySettings(
            name=name,
            address=self.text(address, f"{where}.address"),
            keys=keys,
            namespaces=namespaces,
            mirrors=self.texts(fields.get("mirrors", []), f"{where}.mirrors"),
        )

    def bytes(self, value: object, name: str) -> int | None:
        found = None if value is None else size(value)
        if value is not None and found is None:
            self.fail(name, value, 'a number of bytes such as "20 GB"')
        return found

    def texts(self, value: object, name: str) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            self.fail(name, value, "a list of texts")
        return tuple(self.text(each, name) for each in value)

    def text(self, value: str, name: str) -> str:
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            self.fail(name, value, "a text without control characters")
        return value
