"""Progress bars: drawn on a terminal's stderr, and only there."""

from __future__ import annotations

import io

import pytest

from numzoo.hub.download.bars import Bar, default_bar


class Terminal(io.StringIO):
    """A text file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_bar_shows_the_name_and_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    bar = default_bar()
    assert bar is not None
    bar.start("weights.pth", 1000, 250)
    bar.finish()
    assert "weights.pth" in screen.getvalue()
    assert "25%" in screen.getvalue()


def test_a_second_file_begins_a_bar_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    bar = Bar()
    for name, total in (("first", 10), ("second", None)):
        bar.start(name, total, 0)
        bar.advance(5)
        bar.advance(-5)
    bar.finish()
    bar.advance(1)
    assert "first" in screen.getvalue()
    assert "second" in screen.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO(), None])
def test_no_terminal_gets_no_bar(stream: io.StringIO | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    assert default_bar() is None
