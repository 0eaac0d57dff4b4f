"""What a manifest from elsewhere may not say: it is held to more than the one that ships with numzoo.

It may not reach for files that its author does not have: paths outside its own folder, files of this package, plain
http. What it says may be printed, so no text in it may steer a terminal. And it may only name things in the namespaces
that it was given.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from numzoo.hub.errors import FormatError, UsageError

__all__ = ["Origin", "check_foreign", "check_sizes", "check_text", "inner_path"]

_SCHEMES = ("https", "hf", "pypi", "npm", "deb", "blob")
_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_DEEPEST = 50


class Origin:
    """Where a manifest comes from. `folder` is its own where it lies on this machine's disk, `blobs` the beginnings of
    its files' sources (empty: it has no files of its own), `namespaces` what it may name things in (empty: all)."""

    def __init__(
        self, *, folder: Path | None = None, blobs: Iterable[str] = (), namespaces: Iterable[str] = ()
    ) -> None:
        self.folder, self.blobs, self.namespaces = folder, tuple(blobs), tuple(namespaces)


def check_foreign(document: Mapping[str, Any], origin: Origin, *, who: str) -> None:
    """Raise FormatError for the first thing in a manifest that its origin does not entitle it to.

    The document's outline has been held to the schema before; what is wrong in an entry's form is passed over here,
    since the entry is checked when it is read.
    """
    check_text(document, who=who)
    for section in ("models", "samples", "data", "aliases", "defaults"):
        for name in document.get(section, {}):
            namespace, slash, _ = name.partition("/")
            if origin.namespaces and not (slash and namespace in origin.namespaces):
                raise FormatError(
                    f"{who}: $.{section} names {name!r}, but this registry may only name things in "
                    f"{', '.join(f'{space}/' for space in origin.namespaces)} (its namespaces in the configuration)."
                )
    for path, source in _sources(document):
        for piece in source.split(" + "):
            try:
                _check_source(piece.strip(), origin)
            except UsageError as problem:
                raise FormatError(f"{who}: {path} is {source!r:.200}. {problem}") from None


def check_text(value: object, *, who: str, path: str = "$", depth: int = 0) -> None:
    """Raise FormatError for a text, or a field's name, with control characters, turns of direction or half letters."""
    if depth > _DEEPEST:
        raise FormatError(f"{who}: {path} is nested more than {_DEEPEST} deep.")
    if isinstance(value, str):
        if not value.isascii() or not value.isprintable():
            for letter in value:
                if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or _TURNS.match(letter):
                    raise FormatError(
                        f"{who}: {path} holds the character U+{ord(letter):04X}, which could steer a terminal."
                    )
    elif isinstance(value, Mapping):
        for name, item in value.items():
            check_text(name, who=who, path=f"{path}, a name,", depth=depth + 1)
            check_text(item, who=who, path=f"{path}[{name!r}]", depth=depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            check_text(item, who=who, path=f"{path}[{index}]", depth=depth + 1)


def check_sizes(value: object, most: int, *, who: str) -> None:
    """Raise FormatError for a whole number beyond `most`, the bytes of an entry's files: a model of that size cannot be
    in them, but building it would take its memory."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            check_sizes(each, most, who=who)
    elif isinstance(value, int) and abs(value) > most:
        raise FormatError(f"{who} holds the number {value}, but no model of that size is in files of {most} bytes.")


def inner_path(text: str, folder: Path) -> Path:
    """The file that `text`, a relative path with slashes, means below `folder`. Raises UsageError if it leads out of
    there, by its own steps or by a symbolic link."""
    steps = text.split("/")
    if not text or "\\" in text or ":" in text or text.startswith("~") or {"", ".", ".."} & set(steps):
        raise UsageError("A file: source of this manifest is a plain path below its own folder.")
    path = folder.joinpath(*steps)
    top = os.path.realpath(folder)
    if os.path.commonpath([top, os.path.realpath(path)]) != top:
        raise UsageError(f"That leads out of {folder}, by a symbolic link.")
    return path


def _check_source(piece: str, origin: Origin) -> None:
    scheme, _, rest = piece.partition(":")
    if scheme == "file":
        if origin.folder is None:
            raise UsageError("A registry elsewhere may not name files of this machine.")
        inner_path(rest, origin.folder)
    elif scheme == "package":
        raise UsageError("Only numzoo's own manifest may name files of the package.")
    elif scheme == "blob" and not origin.blobs:
        raise UsageError("Only a registry that `numzoo index` made has blobs.")
    elif scheme == "http":
        if not _on_loopback(piece) or (origin.folder is None and not any(map(_on_loopback, origin.blobs))):
            raise UsageError("Plain http can be changed by anybody on the way; use https.")
    elif scheme not in (*_SCHEMES, "http"):
        raise UsageError(f"A manifest from elsewhere has sources of these kinds: {', '.join(_SCHEMES)}.")


def _on_loopback(address: str) -> bool:
    try:
        return urlsplit(address).hostname in ("localhost", "127.0.0.1", "::1")
    except ValueError:
        return False


def _sources(document: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for section in ("models", "samples", "data"):
        for name, entry in document.get(section, {}).items():
            files = entry.get("files") if isinstance(entry, dict) else None
            for index, file in enumerate(files if isinstance(files, list) else ()):
                sources = file.get("sources") if isinstance(file, dict) else None
                for place, source in enumerate(sources if isinstance(sources, list) else ()):
                    if isinstance(source, str):
                        yield f"$.{section}[{name!r}].files[{index}].sources[{place}]", source
