"""What a person sees of downloads: bars on a terminal, a line for each file elsewhere, nothing where it is quiet."""

from __future__ import annotations

import io
import re
import threading

import pytest

from numzoo.hub.download import bars
from numzoo.hub.download.bars import Bars, Lines, default_bar, default_progress
from numzoo.hub.quantities import size_text, time_text


class Terminal(io.StringIO):
    """A text file that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on which every step is drawn."""
    terminal = Terminal()
    monkeypatch.setattr(bars, "_INTERVAL", -1.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    return terminal


def _last(screen: Terminal) -> str:
    """What stands on the screen after the last drawing."""
    return screen.getvalue().rpartition("\x1b[J")[2]


def test_a_bar_shows_the_name_how_far_how_fast_and_how_long(screen: Terminal) -> None:
    row = Bars(screen).start("weights.pth", 1000, 0)
    row.advance(500)
    assert re.search(r"weights\.pth +█+░+  50%   500 B of 1\.0 kB +[\d.]+ \w+/s +\d:\d\d", _last(screen))


def test_what_was_here_before_is_drawn_differently_and_said(screen: Terminal) -> None:
    row = Bars(screen).start("weights.pth", 1000, 250)
    row.advance(250, fetched=False)
    row.advance(250)
    drawn = _last(screen)
    assert drawn.count("▒") > drawn.count("█") > 0
    row.advance(250)
    row.finish(whole=True)
    assert re.search(r"weights\.pth: 1\.0 kB in .* \(500 B of it were here from before\)\n$", _last(screen))


def test_several_files_have_a_bar_each_and_a_line_for_all(screen: Terminal) -> None:
    progress = Bars(screen)
    first, second = progress.start("first", 1000, 0), progress.start("second", 2000, 0)
    first.advance(100)
    second.advance(200)
    lines = _last(screen).splitlines()
    assert [line.split()[0] for line in lines] == ["first", "second", "2"]
    assert re.fullmatch(r"2 files together: .*/s, .* left", lines[2])
    first.finish(whole=False)
    assert [line.split()[0] for line in _last(screen).splitlines()] == ["second"]
    second.finish(whole=True)
    assert _last(screen).startswith("second: 200 B in")


def test_bars_of_many_threads_end_as_they_should(screen: Terminal) -> None:
    progress = Bars(screen)

    def fetch(number: int) -> None:
        row = progress.start(f"file{number}", 100, 0)
        for _ in range(100):
            row.advance(1)
        row.finish(whole=True)

    threads = [threading.Thread(target=fetch, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(re.findall(r"file\d: 100 B in", screen.getvalue())) == 4
    assert _last(screen).count("\n") == 1


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
@pytest.mark.parametrize("total", [None, 0, 10**9])
def test_no_line_is_wider_than_the_terminal(
    width: int, total: int | None, screen: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bars, "_width", lambda _: width)
    progress = Bars(screen)
    for name in ("a" * 100, "short", "\x1b[2Jhostile\n"):
        progress.start(name, total, 0).advance(5)
        for line in _last(screen).splitlines():
            assert len(line) < width or width < 60
            assert line.isprintable()
    assert max(len(line) for line in _last(screen).splitlines()) < max(width, 60)


def test_colours_are_for_those_who_want_them(screen: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    Bars(screen).start("plain", 10, 5).advance(2)
    assert "\x1b[3" not in screen.getvalue()
    monkeypatch.delenv("NO_COLOR")
    Bars(screen).start("coloured", 10, 5).advance(2)
    assert "\x1b[32m" in screen.getvalue()


def test_a_terminal_without_those_letters_gets_others(screen: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Terminal, "encoding", "ascii")
    Bars(screen).start("weights", 10, 5).advance(2)
    assert _last(screen).isascii()


def test_bytes_that_were_dropped_move_a_bar_back(screen: Terminal) -> None:
    row = Bars(screen).start("weights", 1000, 0)
    row.advance(900)
    row.advance(-900)
    assert "  0%" in _last(screen)


@pytest.mark.parametrize("terminal", [False, True])
def test_elsewhere_there_is_a_line_for_each_file(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "dumb")  # what a terminal says that cannot move its cursor
    assert default_bar() is None
    progress = default_progress()
    assert type(progress) is Lines
    for name, whole in (("good", True), ("bad", False)):
        row = progress.start(name, 100, 0)
        row.advance(100)
        row.finish(whole=whole)
    assert re.fullmatch(r"good: 100 B in \d+\.\d s, .*/s\n", stream.getvalue())


def test_a_closed_stderr_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    assert default_bar() is None
    assert default_progress() is None


def test_a_terminal_gets_bars(screen: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", screen)
    assert type(default_bar()) is type(default_progress()) is Bars


def test_a_terminal_that_goes_away_does_not_end_the_transfer(screen: Terminal) -> None:
    row = Bars(screen).start("weights", 10, 0)
    screen.close()
    row.advance(10)
    row.finish(whole=True)


@pytest.mark.parametrize(("size", "text"), [(None, "-"), (0, "0 B"), (999, "999 B"), (13_600_000, "13.6 MB")])
def test_sizes_are_readable(size: int | None, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (750, "12:30"), (7500, "2:05:00")])
def test_times_are_readable(seconds: float, text: str) -> None:
    assert time_text(seconds) == text
