"""Every command explains itself: a sentence, its arguments, and examples that the parser accepts; the manual is theirs."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from numzoo.hub.cli.examples import EXAMPLES, commands_of
from numzoo.hub.cli.main import make_parser
from numzoo.hub.cli.manual import manual

_COMMANDS = [words for words, _, _ in commands_of(make_parser())]
_LINES = [
    line
    for text in EXAMPLES.values()
    for line in text.strip().replace("\\\n", " ").splitlines()
    if line.startswith(("numzoo ", "source <(numzoo "))
]


@pytest.mark.parametrize("words", _COMMANDS)
def test_a_command_has_a_sentence_examples_and_a_word_on_each_argument(words: str) -> None:
    (command,) = (each for name, each, _ in commands_of(make_parser()) if name == words)
    assert command.description
    assert command.description.endswith(".")
    assert EXAMPLES[words].strip(), "has examples"
    assert f"numzoo {words}" in EXAMPLES[words]
    assert EXAMPLES[words].strip().splitlines()[0] in command.format_help(), "a whole line, to be copied"
    assert [action.dest for action in command._actions if not action.help and action.option_strings] == []


@pytest.mark.parametrize("line", _LINES)
def test_the_parser_takes_every_example(line: str) -> None:
    said = line.removeprefix("source <(").partition("  #")[0].partition(" > ")[0].rstrip(" )")
    words = shlex.split(said)
    assert words[0] == "numzoo"
    assert make_parser().parse_args(words[1:]).run is not None


def test_there_are_no_examples_of_commands_that_are_gone() -> None:
    assert set(EXAMPLES) == set(_COMMANDS)


def test_the_manual_is_the_parsers() -> None:
    page = Path(__file__).parents[3] / "docs" / "commands.md"
    assert page.read_text("utf-8") == manual(), "renew it: python -m numzoo.hub.cli.manual > docs/commands.md"


def test_readme_names_every_command() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text("utf-8")
    assert [words for words in _COMMANDS if " " not in words and f"numzoo {words}" not in readme] == []


def test_no_page_holds_the_marks_of_a_merge() -> None:
    root = Path(__file__).parents[3]
    pages = [*root.glob("*.md"), *(root / "docs").glob("*.md")]
    assert [page.name for page in pages if "\n<<<<<<< " in page.read_text("utf-8")] == []
