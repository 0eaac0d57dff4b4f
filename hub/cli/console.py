"""Where output goes: data on stdout, messages and progress on stderr, errors as one clear message."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from numzoo.hub.quantities import size_text

if TYPE_CHECKING:
    from numzoo.hub.download.progress import Progress

__all__ = ["SCHEMA", "Console", "harmless", "size_text"]

SCHEMA = 1
"""The number of the JSON documents' form; it grows when a field changes its meaning or goes."""


class Console:
    """One command's output. With `json`, `table` and `line` print nothing and `document` prints the only thing."""

    def __init__(self, *, json: bool = False, quiet: bool = False, debug: bool = False) -> None:
        self.json, self.quiet = json, quiet
        self.debug = debug or os.environ.get("NUMZOO_DEBUG", "").strip().lower() not in {"", "0", "false", "no", "off"}

    def document(self, fields: Mapping[str, Any]) -> None:
        """Print one JSON document, if JSON was asked for."""
        if self.json:
            import json

            text = json.dumps({"schema": SCHEMA, **fields}, indent=2, ensure_ascii=False, allow_nan=False)
            try:
                text.encode(sys.stdout.encoding or "utf-8")
            except UnicodeEncodeError:  # A file's name of bytes that are no text, or a terminal without umlauts.
                text = json.dumps({"schema": SCHEMA, **fields}, indent=2, allow_nan=False)
            print(text)

    def line(self, text: str = "") -> None:
        """Print a line of data, unless JSON was asked for."""
        if not self.json:
            print(harmless(text))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """Print aligned columns, those in `right` to the right."""
        lines = [header, *rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
        for line in lines:
            cells = [
                cell.rjust(w) if i in right else cell.ljust(w)
                for i, (cell, w) in enumerate(zip(line, widths, strict=True))
            ]
            self.line("  ".join(cells).rstrip())

    def message(self, text: str) -> None:
        """Say something to the person, on stderr."""
        if not self.quiet:
            print(harmless(text), file=sys.stderr)

    def agreed(self, question: str, who: str) -> bool:
        """Ask a person on the terminal. Raises UsageError where nobody can answer; `who` is the command."""
        if sys.stdin is None or sys.stderr is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
            from numzoo.hub.errors import UsageError

            raise UsageError(f"numzoo {who} asks before it deletes, but there is no terminal to ask on: give --yes.")
        print(f"{harmless(question)} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def error(self, error: BaseException, code: int, *, about: str = "") -> int:
        """Report `error` on stderr and give `code` back; the traceback only where it was asked for."""
        if self.debug:
            import traceback

            traceback.print_exception(type(error), error, error.__traceback__)
        text = _text(error)
        if code == 1:
            kind = type(error).__name__
            text = (
                f"unexpected {kind}: {text}\nThis is a bug. Run again with --debug for the traceback, and report both."
            )
        mark = "error:"
        from numzoo.hub import settings

        if sys.stderr.isatty() and settings.color():
            mark = f"\x1b[31m{mark}\x1b[0m"
        print(f"{mark} {harmless(f'{about}: ' if about else '')}{harmless(text)}", file=sys.stderr)
        return code

    @property
    def progress(self) -> Progress | Literal[False]:
        """What the hub's functions take as `progress`: bars on a terminal, lines elsewhere, nothing where it is quiet."""
        from numzoo.hub.download.bars import default_progress

        return False if self.quiet else default_progress() or False


def harmless(text: str) -> str:
    """The text with its control characters spelt out: a name from a lock, a file or a server must not steer a terminal."""
    if text.isprintable():
        return text
    return "".join(letter if letter not in _CONTROL else ascii(letter)[1:-1] for letter in text)


_CONTROL = {
    chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
} - {
    "\n",
    "\t",
}


def _text(error: BaseException) -> str:
    """The error's message; an OSError made with a message alone and a KeyError print it without decoration."""
    if (
        type(error) is OSError and error.errno == errno.ENOSPC and error.filename is None
    ):  # the store says what it wrote
        return f"The output cannot be written: {error.strerror}."
    if isinstance(error, LookupError) and len(error.args) == 1:
        return str(error.args[0])
    return str(error) or type(error).__name__
