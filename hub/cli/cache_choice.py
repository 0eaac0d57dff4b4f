"""Which files of the cache are meant: by name, pattern or digest, by age, by size, by whether anything names them."""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from numzoo.hub.registry.names import Registry
    from numzoo.hub.registry.record import FileRecord

__all__ = ["Stored", "add_filters", "age_text", "choose", "files_of", "named_files", "owners"]

_DIGEST = re.compile(r"[0-9a-f]{6,64}")
_SHORT = re.compile(r"[0-9a-f]{1,5}")
_PATTERN = re.compile(r"[*?[]")


class Stored(NamedTuple):  # a dataclass would cost every command's start its import
    """A blob as the commands see it: when it was last used, and the names of the registry that mean it."""

    sha256: str
    bytes: int
    path: Path
    written: float
    used: float
    names: tuple[str, ...]


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Add the filters and the order to a command's parser."""
    parser.add_argument("--unused-for", metavar="AGE", help="not used for at least so long, such as 12h, 30d or 4w")
    parser.add_argument("--larger-than", metavar="SIZE", help="of more than so many bytes, such as 100MB")
    parser.add_argument("--orphans", action="store_true", help="named neither by the registry nor by a lock")
    parser.add_argument("--sort", choices=("name", "size", "used", "digest"), default="name", help="the order")
    parser.set_defaults(filtered=_filtered)


def choose(options: argparse.Namespace) -> list[Stored]:
    """The blobs that fit every filter, in the order that is asked for.

    Raises NotFoundError for a name or digest that means nothing, and UsageError for a digest that means several blobs.
    """
    from numzoo.hub.quantities import parse_age, parse_size
    from numzoo.hub.store import uses
    from numzoo.hub.store.cache import Cache

    store, named, now = Cache(), owners(options), time.time()
    oldest = now - parse_age(options.unused_for, who="--unused-for") if options.unused_for else None
    largest = parse_size(options.larger_than, who="--larger-than") if options.larger_than else None
    stored = [
        Stored(
            entry.sha256,
            entry.bytes,
            entry.path,
            entry.written,
            uses.last_used(store.refs, entry.sha256, entry.written),
            tuple(named.get(entry.sha256, ())),
        )
        for entry in store.entries(irregular=True)
    ]
    wanted = {sha256 for text in options.patterns for sha256 in _meant(text, stored, options)}
    chosen = [
        each
        for each in stored
        if (not options.patterns or each.sha256 in wanted)
        and (oldest is None or each.used <= oldest)
        and (largest is None or each.bytes > largest)
        and not (options.orphans and each.names)
    ]
    orders = {
        "name": lambda each: (not each.names, each.names, each.sha256),
        "size": lambda each: (-each.bytes, each.sha256),
        "used": lambda each: (-each.used, each.sha256),
        "digest": lambda each: each.sha256,
    }
    return sorted(chosen, key=orders[options.sort])


def owners(options: argparse.Namespace) -> dict[str, list[str]]:
    """sha256 -> the names that use it: the registry's full digests, those that a lock has added, and what else it names."""
    from numzoo.hub.registry.names import open_registry

    found: dict[str, list[str]] = {}
    for name, several, file in named_files(open_registry(options.registry)):
        if file.sha256 is not None:
            found.setdefault(file.sha256, []).append(f"{name}/{file.name}" if several else name)
    return found


def named_files(registry: Registry) -> Iterator[tuple[str, bool, FileRecord]]:
    """Every file that a name means: of the models, samples and data sets of a registry, then of entries that only the lock
    knows (repositories, other registries'). With it its name, and whether that has other files too.

    Digests that a lock has added are there. A lock that contradicts the registry is the business of whoever loads.
    """
    from numzoo.hub.errors import HubError
    from numzoo.hub.locking.pins import file_record, locked_entries
    from numzoo.hub.registry import trust

    manifest = registry.manifest
    names = [*manifest.names, *(f"sample:{n}" for n in manifest.samples), *(f"data:{n}" for n in manifest.data)]
    for name in names:
        files = registry.records(name)
        for file in files:
            with contextlib.suppress(HubError):
                yield name, len(files) > 1, trust.locked(file)
    with contextlib.suppress(HubError):
        for name, entry in locked_entries()[0].items():
            if name not in names:
                for locked in entry.files:
                    yield name, len(entry.files) > 1, file_record(entry, locked.name, manifest.base)


def files_of(registry: Registry, name: str) -> list[FileRecord]:
    """The files that a name means, with the digests that a lock has added; the lock may know names that no registry does,
    such as those of repositories."""
    from numzoo.hub.errors import NotFoundError, UsageError
    from numzoo.hub.registry import trust

    try:
        return [trust.locked(file) for file in registry.records(name)]
    except (NotFoundError, UsageError):
        known = [file for each, _, file in named_files(registry) if each == name or each.partition("@")[0] == name]
        if not known:
            raise
        return known


def age_text(moment: float) -> str:
    """How long ago that was: "5 minutes ago"."""
    seconds = max(0.0, time.time() - moment)
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"


def _filtered(options: argparse.Namespace) -> bool:
    return bool(options.patterns or options.unused_for or options.larger_than or options.orphans)


def _meant(text: str, stored: list[Stored], options: argparse.Namespace) -> set[str]:
    """The digests that a name, a pattern or the beginning of a digest means; none where it is not in the cache."""
    from numzoo.hub.errors import NotFoundError, UsageError
    from numzoo.hub.registry.names import open_registry

    if _PATTERN.search(text):
        return {each.sha256 for each in stored if any(_fits(name, text) for name in each.names)}
    registry = open_registry(options.registry)
    if _DIGEST.fullmatch(text) and text not in registry:
        found = {each.sha256 for each in stored if each.sha256.startswith(text)}
        if len(found) > 1:
            longer = ", ".join(sorted(each[: len(text) + 6] for each in found))
            raise UsageError(
                f"{text} begins the digests of {len(found)} files in the cache: {longer}. Give more digits."
            )
        if not found:
            raise NotFoundError(
                f"No file in the cache has a sha256 that begins with {text}; `numzoo cache ls` lists all."
            )
        return found
    try:
        return {file.sha256 for file in files_of(registry, text) if file.sha256 is not None}
    except (NotFoundError, UsageError):
        if _SHORT.fullmatch(text):
            raise UsageError(f"{text} is too short for a digest; give at least 6 of its digits.") from None
        raise


def _fits(name: str, pattern: str) -> bool:
    """Whether a name, or the model's part of it, fits a pattern."""
    return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(re.split(r"[./]", name)[0], pattern)
