"""JSON from a checkpoint: no name twice, no more memory than the text is worth, no infinities."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from numzoo.hub.checkpoint import limits
from numzoo.hub.errors import FormatError

__all__ = ["parse_object"]

# JSON can blow up on parsing: `[],` is 3 bytes in the file and 64 in memory.
_MEMORY = {b"{": 400, b"[": 120, b",": 48, b'"': 60}


def parse_object(raw: bytes, who: str, file_bytes: int, *, only_natural: bool) -> dict[str, Any]:
    """Give the object that `raw`, which begins with a brace, holds; `who` names it in messages.

    With `only_natural` the only numbers are whole ones from 0 to below 10^20. Raises FormatError, for a text whose
    parsing would take more than `file_bytes` and `limits.HEADER_MEMORY` before it is parsed.
    """
    memory = 4 * len(raw) + sum(weight * raw.count(mark) for mark, weight in _MEMORY.items())
    if memory > file_bytes + limits.HEADER_MEMORY:
        raise FormatError(f"The {who} of {len(raw)} bytes would take about {memory} bytes to parse.")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise FormatError(f"The {who} names {twice[:100]!a} twice.")
        return found

    def whole(text: str) -> int:
        if len(text) > 20 or (only_natural and text.startswith("-")):
            raise FormatError(f"The {who} holds the number {text[:40]}; sizes are natural and below 2^64.")
        return int(text)

    def refuse(text: str) -> Any:
        raise FormatError(f"The {who} holds {text[:40]}; only whole numbers belong there.")

    fraction: Callable[[str], Any] = refuse if only_natural else float
    try:
        found = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=unique,
            parse_int=whole,
            parse_float=fraction,
            parse_constant=refuse,
        )
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FormatError(f"The {who} is not JSON: {error}.") from None
    assert isinstance(found, dict)  # it began with a brace
    return found
