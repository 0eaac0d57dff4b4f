"""What a person sees of downloads, on stderr: bars on a terminal, and elsewhere a line for each file that has come.

A bar shows how far a file is, how fast it comes and how long that will take; what an earlier attempt had left is drawn
differently. Several files have a bar each, and a line for all of them together.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, TextIO

from numzoo.hub import settings
from numzoo.hub.quantities import size_text, time_text

if TYPE_CHECKING:
    from numzoo.hub.download.progress import Progress

__all__ = ["Bars", "Lines", "default_bar", "default_progress"]

_INTERVAL = 0.1  # seconds between two drawings
_WINDOW = 3.0  # the rate is that of so many seconds
_NAME, _BAR = 32, 20  # columns
_WHOLE_LINE = 100  # a narrower terminal gets shorter bars, then shorter names
_GREEN, _DIM, _PLAIN = "\x1b[32m", "\x1b[2m", "\x1b[0m"


class Lines:
    """A line for each file that has come, and nothing before: for logs, and for whoever looks on at another place."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._lock = threading.RLock()

    def start(self, name: str, total: int | None, done: int) -> Row:
        """A file begins: of `total` bytes, `done` are here."""
        return Row(self, name, total, done)

    def moved(self) -> None:
        """Something has come."""

    def ended(self, row: Row, *, whole: bool) -> None:
        """A file has come, or it has not."""
        if whole:
            with self._lock:
                self._write(f"{row.summary()}\n")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # A closed terminal is no reason to lose the file.
            self._stream.write(text)
            self._stream.flush()


class Bars(Lines):
    """The bars of all files that are under way, drawn anew in place."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._rows: list[Row] = []
        self._drawn = 0  # lines on the screen that are ours
        self._last = 0.0
        self._signs = _signs(self._stream)

    def start(self, name: str, total: int | None, done: int) -> Row:
        """A bar more."""
        row = super().start(name, total, done)
        with self._lock:
            self._rows.append(row)
            self._draw()
        return row

    def moved(self) -> None:
        """Draw again, if that has not just been done."""
        if time.monotonic() - self._last > _INTERVAL:
            with self._lock:
                self._draw()

    def ended(self, row: Row, *, whole: bool) -> None:
        """Take the bar away; a line stays of a file that has come."""
        with self._lock:
            if row in self._rows:
                self._rows.remove(row)
            self._draw(f"{row.summary()}\n" if whole else "")

    def _draw(self, above: str = "") -> None:
        width = _width(self._stream)
        lines = [row.line(width, self._signs) for row in self._rows]
        if len(self._rows) > 1:
            lines.append(self._together(width))
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        self._write(f"{up}\r\x1b[J{above}" + "".join(f"{line}\n" for line in lines))
        self._drawn, self._last = len(lines), time.monotonic()

    def _together(self, width: int) -> str:
        rate = sum(row.rate() for row in self._rows)
        left = [row.total - row.done for row in self._rows if row.total is not None]
        ending = f", {time_text(sum(left) / rate)} left" if rate and len(left) == len(self._rows) else ""
        return f"{len(self._rows)} files together: {size_text(rate)}/s{ending}"[: width - 1]


class Row:
    """One file: how much of it is here, and how fast more comes."""

    def __init__(self, owner: Lines, name: str, total: int | None, done: int) -> None:
        self.name, self.total, self.done = name, total, done
        self.before = done  # bytes that an earlier attempt had left here
        self._owner = owner
        self._began = time.monotonic()
        self._history: deque[tuple[float, int]] = deque([(self._began, 0)])

    def advance(self, n: int, *, fetched: bool = True) -> None:
        """`n` more bytes are here, or fewer."""
        self.done = max(0, self.done + n)
        self.before = min(self.before if fetched else self.before + n, self.done)
        now = time.monotonic()
        if now - self._history[-1][0] > _INTERVAL:
            self._history.append((now, self.done - self.before))
            while now - self._history[0][0] > _WINDOW and len(self._history) > 2:
                self._history.popleft()
        self._owner.moved()

    def finish(self, *, whole: bool) -> None:
        """The file has come, or it has not."""
        self._owner.ended(self, whole=whole)

    def rate(self) -> float:
        """Bytes per second of late."""
        since, count = self._history[0]
        seconds = time.monotonic() - since
        return max(0.0, self.done - self.before - count) / seconds if seconds > 0 else 0.0

    def line(self, width: int, signs: tuple[str, str, str]) -> str:
        """The bar, in at most `width - 1` columns; `signs` draw what was here, what has come, and what is missing."""
        rate = self.rate()
        if self.total:
            share = min(1.0, self.done / self.total)
            left = time_text((self.total - self.done) / rate) if rate else "-:--"
            size = size_text(self.total)
            figures = f"{share:4.0%}  {size_text(self.done):>{len(size)}} of {size}  {size_text(rate):>8}/s  {left:>5}"
        else:
            figures = f"{size_text(self.done)}  {size_text(rate):>8}/s"
        name_width = max(8, min(_NAME, width - len(figures) - 5 - (_BAR if width >= _WHOLE_LINE else 6)))
        bar_width = max(0, min(_BAR, width - len(figures) - name_width - 5))
        text = f"{_shortened(self.name, name_width):<{name_width}}  "
        if self.total and bar_width >= 4:
            here = round(bar_width * min(1.0, self.before / self.total))
            come = round(bar_width * min(1.0, self.done / self.total)) - here
            paint = (_DIM, _GREEN, _PLAIN) if settings.color() else ("", "", "")
            bar = f"{paint[0]}{signs[0] * here}{paint[2]}{paint[1]}{signs[1] * come}{paint[2]}"
            return f"{text}{bar}{signs[2] * (bar_width - here - come)} {figures}"
        return f"{text}{figures}"[: width - 1]

    def summary(self) -> str:
        """What to say when it is all here."""
        seconds = time.monotonic() - self._began
        fetched = self.done - self.before
        rate = f", {size_text(fetched / seconds)}/s" if seconds > 0 and fetched else ""
        before = f" ({size_text(self.before)} of it were here from before)" if self.before else ""
        return f"{self.name}: {size_text(self.done)} in {seconds:.1f} s{rate}{before}"


def default_bar() -> Progress | None:
    """Bars where a person looks on (stderr is a terminal), else None."""
    return Bars() if _is_terminal(sys.stderr) else None


def default_progress() -> Progress | None:
    """Bars where a person looks on, else a line for each file; None where stderr is closed."""
    return None if sys.stderr is None else default_bar() or Lines()


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def _width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


def _signs(stream: TextIO) -> tuple[str, str, str]:
    try:
        "▒█░".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "+", "#", "-"
    return "▒", "█", "░"


def _shortened(name: str, width: int) -> str:
    """The name without its middle, where it is too long; nothing in it moves the cursor."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in name)
    if len(plain) <= width:
        return plain
    return f"{plain[: width // 2 - 1]}..{plain[len(plain) - (width - width // 2 - 1) :]}"
