"""Mirrors of the person's own: addresses that begin as a rule says are asked of the mirror first.

The rules are data about where bytes may come from, and no more: what comes is held to the same digest.
"""

from __future__ import annotations

from collections.abc import Sequence

from numzoo.hub import settings

__all__ = ["mirrored"]


def mirrored(sources: Sequence[str]) -> tuple[str, ...]:
    """The sources, each with what the rules of NUMZOO_MIRROR make of it in front, nothing twice."""
    rules = settings.mirrors()
    found: list[str] = []
    for source in sources:
        for start, end in rules:
            pieces = [end + piece[len(start) :] if piece.startswith(start) else piece for piece in source.split(" + ")]
            found.append(" + ".join(pieces))
        found.append(source)
    return tuple(dict.fromkeys(found))
