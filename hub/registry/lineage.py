"""What became of names: aliases, deprecation and withdrawal, held together so that every name leads somewhere.

An alias is an old name for a model (``old`` means ``new``, and ``old.tag`` means ``new.tag``) or for one entry. It may
lead to another alias, but not in a circle, and it may not be the name of something that is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from numzoo.hub.errors import FormatError

__all__ = ["check_lineage", "follow"]

Tags = Mapping[str, Sequence[str]]


def follow(name: str, aliases: Mapping[str, str]) -> str:
    """What `name` means after all aliases, or `name` itself. Circles have been refused when the manifest was read."""
    for _ in range(len(aliases) + 1):
        model, dot, tag = name.partition(".")
        target = aliases.get(name)
        if target is None and dot and "." not in (renamed := aliases.get(model, ".")):
            target = f"{renamed}.{tag}"
        if target is None:
            return name
        name = target
    return name


def check_lineage(models: Mapping[str, Any], aliases: Mapping[str, str], tags: Tags, *, who: str) -> None:
    """Raise FormatError unless aliases and `replaced_by` lead to entries that are there, without circles."""

    def fail(path: str, message: str) -> NoReturn:
        raise FormatError(f"{who}: {path} {message}.")

    for name in aliases:
        if name in tags or name in models:
            fail(f"$.aliases[{name!r}]", "is the name of something that is there, which an alias may not hide")
        seen = [name]
        while (after := aliases.get(seen[-1])) is not None:
            if after in seen:
                fail(f"$.aliases[{name!r}]", f"leads in a circle: {' -> '.join([*seen, after])}")
            seen.append(after)
        end = follow(name, aliases)
        if not _is_there(end, tags):
            fail(f"$.aliases[{name!r}]", f"leads to {end}, which is not there")
    successors = {name: _successor(entry) for name, entry in models.items()}
    for name, successor in successors.items():
        path = f"$.models[{name!r}].deprecated.replaced_by"
        seen = [name]
        while successor is not None:
            successor = _full(follow(successor, aliases), tags)
            if successor is None:
                fail(path, f"is {_successor(models[seen[-1]])}, which is not there")
            if successor in seen:
                fail(path, f"leads in a circle: {' -> '.join([*seen, successor])}")
            seen.append(successor)
            successor = successors.get(successor)


def _successor(entry: object) -> str | None:
    deprecated = entry.get("deprecated") if isinstance(entry, dict) else None
    successor = deprecated.get("replaced_by") if isinstance(deprecated, dict) else None
    return successor if isinstance(successor, str) else None  # what is malformed is refused when the entry is read


def _full(name: str, tags: Tags) -> str | None:
    model, dot, _ = name.partition(".")
    if not _is_there(name, tags):
        return None
    return name if dot else f"{model}.{tags[model][0]}"


def _is_there(name: str, tags: Tags) -> bool:
    model, dot, tag = name.partition(".")
    return model in tags and (not dot or tag in tags[model])
