"""One thing that was looked at."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Finding"]


class Finding(NamedTuple):
    """ "ok"; "warn": works without, or more slowly; "fail": something that is needed does not work. `mend` is the way out.

    `code` is what the command line leaves with for a failure.
    """

    what: str
    state: Literal["ok", "warn", "fail"]
    detail: str
    mend: str = ""
    code: int = 1
