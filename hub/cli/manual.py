"""The manual of the command line, docs/commands.md, written from the parser itself.

``python -m numzoo.hub.cli.manual > docs/commands.md`` renews it; a test says when that is due.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from numzoo.hub.cli.examples import EXAMPLES, commands_of

__all__ = ["manual"]

_BEGINNING = """# The commands

<!-- Written by `python -m numzoo.hub.cli.manual > docs/commands.md`; the words stand in hub/cli. -->

Data goes to stdout, everything else to stderr. Exit codes: 0 ok, 1 a bug, 2 usage, 3 not found, 4 network, 5 integrity, 6 not
here and offline, 7 licence or authentication, 8 disk or permission, 9 unsafe file, 10 a comparison found differences, 130
interrupted.

## Options of every command

They may stand before the command or after it.
"""


def manual() -> str:
    """All commands with their descriptions, arguments, options and examples, in Markdown."""
    from numzoo.hub.cli.main import make_parser

    parser = make_parser()
    shared = {action.dest for action in parser._actions} | {"registry_after", "help"}
    lines = [_BEGINNING, *_rows(action for action in parser._actions if action.option_strings)]
    for words, command, _ in commands_of(parser):
        lines += ["", f"{'#' * (2 + words.count(' '))} numzoo {words}", "", *_described(command, shared)]
        if words in EXAMPLES:
            lines += ["", "```sh", EXAMPLES[words].strip(), "```"]
    return "\n".join(lines) + "\n"


def _described(command: argparse.ArgumentParser, shared: set[str]) -> Iterator[str]:
    if command.description:
        yield _plain(command.description)
    own = [
        action
        for action in command._actions
        if action.dest not in shared and not isinstance(action, argparse._SubParsersAction)
    ]
    if own:
        yield ""
        yield from _rows(own)


def _rows(actions: Iterator[argparse.Action] | list[argparse.Action]) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    for action in actions:
        yield f"| `{_spelt(action)}` | {_plain(action.help or '')} |"


def _spelt(action: argparse.Action) -> str:
    choices = "{" + ",".join(str(choice) for choice in action.choices) + "}" if action.choices else None
    value = choices or action.metavar or action.dest.upper()
    if not action.option_strings:
        return {"+": f"{value}...", "*": f"[{value}...]", "?": f"[{value}]"}.get(str(action.nargs), str(value))
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def _plain(text: str) -> str:
    """The text of a help as Markdown: a placeholder in angle brackets or a bar would end its cell."""
    return re.sub(r"\s+", " ", text.replace("%%", "%").replace("|", "\\|").replace("<", "&lt;")).strip()


if __name__ == "__main__":
    print(manual(), end="")
