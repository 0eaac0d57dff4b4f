"""The lists of class names, read from ``categories.json`` beside this file."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from numzoo.hub.errors import NotFoundError

__all__ = ["categories"]


def categories(name: str) -> tuple[str, ...]:
    """The class names of the list `name`, such as "imagenet1k", in the order of a model's outputs."""
    lists = _lists()
    if name not in lists:
        raise NotFoundError(f"There is no list of categories {name!r}; there are {', '.join(sorted(lists))}.")
    return tuple(lists[name])


@lru_cache(maxsize=1)
def _lists() -> dict[str, list[str]]:
    lists: dict[str, list[str]] = json.loads(Path(__file__).with_name("categories.json").read_bytes())
    return lists
