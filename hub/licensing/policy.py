"""A policy: which licences a project allows, as a TOML file.

    allow = ["public-domain", "permissive", "CC-BY-SA-3.0"]    # categories and SPDX identifiers; all others are refused
    deny = ["LicenseRef-none-stated"]                          # refused even so

    [exceptions]                                               # by name or pattern, each with its reason
    "regnet_y_16gf.*" = "research branch only, until 2027"

An identifier is more particular than a category and wins over one; where both lists name the same, `deny` wins. Without
`allow`, everything is allowed that `deny` does not name. Of a choice (OR) one allowed licence is enough; of a sum (AND) all
must be allowed.
"""

from __future__ import annotations

import fnmatch
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numzoo.hub.errors import FormatError, NotFoundError, StorageError, UsageError
from numzoo.hub.licensing.expressions import Expression, check_identifier, parse_license
from numzoo.hub.licensing.terms import CATEGORIES, category

__all__ = ["Policy", "read_policy"]

_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Policy:
    """What is allowed and denied, by category or SPDX identifier, and the names that are excepted, with the reasons."""

    allow: frozenset[str] | None = None
    deny: frozenset[str] = frozenset()
    exceptions: Mapping[str, str] = field(default_factory=dict)

    def violation(self, name: str, license: str) -> str | None:
        """Why the thing of this name and licence is not allowed, or None where it is (or is excepted)."""
        refused = self._refused(parse_license(license))
        return None if not refused or self.exception(name) is not None else "; ".join(dict.fromkeys(refused))

    def exception(self, name: str) -> str | None:
        """The reason for which this name is excepted, if it is."""
        return next((why for pattern, why in self.exceptions.items() if fnmatch.fnmatchcase(name, pattern)), None)

    def _refused(self, expression: Expression) -> list[str]:
        if expression.kind == "license":
            return self._refused_license(expression.license)
        parts = [self._refused(part) for part in expression.parts]
        if expression.kind == "or":
            return [] if not all(parts) else [why for part in parts for why in part]
        return [why for part in parts for why in part]

    def _refused_license(self, identifier: str) -> list[str]:
        kind = category(identifier)
        for name in (identifier, kind):
            said = f"{identifier} ({kind})" if name == kind else identifier
            if name in self.deny:
                return [f"{said} is denied"]
            if self.allow is not None and name in self.allow:
                return []
        return [] if self.allow is None else [f"{identifier} ({kind}) is not among what is allowed"]


def read_policy(path: str | os.PathLike[str]) -> Policy:
    """The policy in a file. Raises NotFoundError, StorageError, or FormatError that names what is wrong."""
    path = Path(path)
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with open(path, "rb") as file:
            text = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise NotFoundError(f"There is no policy {path}.") from None
    except OSError as error:
        raise StorageError(f"The policy {path} cannot be read: {error.strerror or error}.") from error
    if len(text) > _LARGEST:
        raise FormatError(f"The policy {path} is larger than {_LARGEST >> 20} MiB, the most that is read.")
    try:
        known: dict[str, Any] = tomllib.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"The policy {path} is not valid TOML: {error}.") from None
    unknown = sorted(set(known) - {"allow", "deny", "exceptions"})
    if unknown:
        raise FormatError(f"The policy {path} has the unknown field {unknown[0]!r}; known are allow, deny, exceptions.")
    allow = _names(known["allow"], "allow", path) if "allow" in known else None
    return Policy(allow, _names(known.get("deny", []), "deny", path), _exceptions(known.get("exceptions", {}), path))


def _names(given: Any, what: str, path: Path) -> frozenset[str]:
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise FormatError(f"The policy {path}: {what} is a list of texts, but {given!r} was given.")
    for name in given:
        if name in CATEGORIES:
            continue
        try:
            check_identifier(name)
        except UsageError as error:
            raise FormatError(f"The policy {path}: {what}: {error} Categories are {', '.join(CATEGORIES)}.") from None
    return frozenset(given)


def _exceptions(given: Any, path: Path) -> dict[str, str]:
    if not isinstance(given, dict) or not all(isinstance(why, str) and why.strip() for why in given.values()):
        raise FormatError(f'The policy {path}: exceptions gives every name its reason, as in "resnet50.*" = "why".')
    return given
