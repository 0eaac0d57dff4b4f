"""Licence expressions as SPDX writes them: ``Apache-2.0``, ``MIT OR (GPL-2.0-only WITH Classpath-exception-2.0)``.

An identifier stands on the SPDX list (spdx.json, of the version it names) or is a ``LicenseRef-NAME`` for terms that are
not on it. AND means that all of it holds, OR that one may choose. Letters' case counts, so that a licence has one name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from numzoo.hub.errors import UsageError

__all__ = ["Expression", "check_identifier", "listed", "parse_license"]

_LONGEST, _DEEPEST = 200, 20
_TOKEN = re.compile(r"\s*([()]|[^\s()]+)")
_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9][A-Za-z0-9.-]*")


@dataclass(frozen=True, slots=True)
class Expression:
    """One licence (`kind` "license", with its identifier and perhaps an exception) or several joined by AND or OR."""

    kind: Literal["license", "and", "or"]
    license: str = ""
    exception: str = ""
    parts: tuple[Expression, ...] = ()

    @property
    def licenses(self) -> Iterator[str]:
        """The identifiers in it, in their order, with repetitions."""
        if self.kind == "license":
            yield self.license
        for part in self.parts:
            yield from part.licenses


@lru_cache(maxsize=512)
def parse_license(text: str) -> Expression:
    """The expression that `text` spells. Raises UsageError, with what was perhaps meant, for anything else."""
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"A licence is an SPDX expression such as 'Apache-2.0', but {text!r} was given.")
    if len(text) > _LONGEST:
        raise UsageError(f"A licence expression has at most {_LONGEST} characters, but {len(text)} were given.")
    tokens = _TOKEN.findall(text)
    expression, rest = _choice(tokens, text, 0)
    if rest:
        raise UsageError(
            f"The licence {text!r} is no SPDX expression: {rest[0]!r} stands where AND, OR or the end is due."
        )
    return expression


def check_identifier(name: str) -> str:
    """Give `name` back if it is one licence: an identifier of the SPDX list or a LicenseRef; UsageError otherwise.

    A trailing ``+`` ("or any later version") belongs to it.
    """
    if not isinstance(name, str):
        raise UsageError(f"A licence is named by a text such as 'CC-BY-NC-4.0', but {name!r} was given.")
    plain = name.removesuffix("+")
    if name in listed()[0] or plain in listed()[0] or _REFERENCE.fullmatch(name):
        return name
    raise UsageError(f"{name!r} is no licence of the SPDX list.{_meant(plain, listed()[0])} {_WAY_OUT}")


@lru_cache(maxsize=1)
def listed() -> tuple[frozenset[str], frozenset[str]]:
    """The identifiers of all licences and of all exceptions on the SPDX list."""
    known = json.loads((Path(__file__).parent / "spdx.json").read_bytes())
    return frozenset(known["licenses"]), frozenset(known["exceptions"])


_WAY_OUT = "Terms that are not on it are written LicenseRef-NAME, as in LicenseRef-ImageNet."


def _choice(tokens: list[str], text: str, depth: int) -> tuple[Expression, list[str]]:
    """What OR joins, which binds less than AND."""
    parts, tokens = _joined(tokens, text, depth, "OR")
    return (parts[0] if len(parts) == 1 else Expression("or", parts=tuple(parts))), tokens


def _all(tokens: list[str], text: str, depth: int) -> tuple[Expression, list[str]]:
    parts, tokens = _joined(tokens, text, depth, "AND")
    return (parts[0] if len(parts) == 1 else Expression("and", parts=tuple(parts))), tokens


def _joined(tokens: list[str], text: str, depth: int, word: str) -> tuple[list[Expression], list[str]]:
    inner = _all if word == "OR" else _one
    first, tokens = inner(tokens, text, depth)
    parts = [first]
    while tokens and tokens[0] == word:
        part, tokens = inner(tokens[1:], text, depth)
        parts.append(part)
    return parts, tokens


def _one(tokens: list[str], text: str, depth: int) -> tuple[Expression, list[str]]:
    """A licence, perhaps WITH an exception, or something in parentheses."""
    if not tokens or tokens[0] in {")", "AND", "OR", "WITH"}:
        found = repr(tokens[0]) if tokens else "its end"
        raise UsageError(f"The licence {text!r} is no SPDX expression: {found} stands where a licence is due.")
    if tokens[0] == "(":
        if depth == _DEEPEST:
            raise UsageError(f"A licence expression has at most {_DEEPEST} parentheses in one another.")
        inner, tokens = _choice(tokens[1:], text, depth + 1)
        if not tokens or tokens[0] != ")":
            raise UsageError(f"The licence {text!r} is no SPDX expression: a parenthesis is not closed.")
        return inner, tokens[1:]
    name, tokens = check_identifier(tokens[0]), tokens[1:]
    if not tokens or tokens[0] != "WITH":
        return Expression("license", name), tokens
    exception = tokens[1] if len(tokens) > 1 else ""
    if exception not in listed()[1]:
        raise UsageError(
            f"The licence {text!r} names the exception {exception!r}, which is not on the SPDX list."
            f"{_meant(exception, listed()[1])}"
        )
    return Expression("license", name, exception), tokens[2:]


def _meant(name: str, known: frozenset[str]) -> str:
    from numzoo.hub.registry.names import near

    guesses = near(name.replace(" ", "-"), sorted(known)) if name else []
    return f" Did you mean {guesses[0]}?" if guesses else ""
