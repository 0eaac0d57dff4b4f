"""``numzoo completion``: what a shell needs to finish commands, options and names.

The shells' scripts are small: each asks ``numzoo completion candidates`` for what may stand at the cursor, so that they
never know less than the commands themselves.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from numzoo.hub.cli.console import Console

__all__ = ["add", "candidates"]

SHELLS = ("bash", "zsh", "fish")
FILES, FOLDERS = "@files", "@folders"

# What the name of an argument in the help means for its completion.
_FILES = {"FILE", "INPUT", "KEY", "KEYFILE", "BUNDLE", "IN", "PATH"}
_FOLDERS = {"DIR", "FOLDER", "OUT_DIR", "REGISTRY_DIR"}
_NAMES = {"NAME", "MODEL", "A", "B", "pattern", "name"}


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    completion = commands.add_parser(
        "completion",
        parents=[shared],
        help="print a shell's completion script",
        description="Print the script that lets bash, zsh or fish complete commands, options, names of models, samples and data "
        "sets, and files.",
    )
    actions = completion.add_subparsers(title="shells", metavar="SHELL", required=True)
    for shell in SHELLS:
        actions.add_parser(shell, parents=[shared], help=f"the script for {shell}").set_defaults(
            run=_script, shell=shell
        )
    asked = actions.add_parser(
        "candidates", parents=[shared], help="what may stand at the end of these words (for scripts)"
    )
    asked.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="WORD", help="the words after numzoo; the last is completed"
    )
    asked.set_defaults(run=_candidates)


def _script(options: argparse.Namespace, console: Console) -> int:
    text = (Path(__file__).parent / "shells" / f"numzoo.{options.shell}").read_text("utf-8")
    console.line(text.rstrip("\n"))
    console.document({"shell": options.shell, "script": text})
    return 0


def _candidates(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.cli.main import make_parser

    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    found = list(candidates(make_parser(), words, lambda kind: _names(kind, options)))
    for word, text in found:
        console.line(f"{word}\t{text}" if text else word)
    console.document({"candidates": [word for word, _ in found]})
    return 0


def candidates(
    parser: argparse.ArgumentParser, words: Sequence[str], names: Callable[[str], Sequence[str]]
) -> Iterator[tuple[str, str]]:
    """What may stand in place of the last of `words` (which may be empty), each with a few words about it.

    `names` gives the names of a kind ("any" or "data"). ``@files`` and ``@folders`` ask the shell for its own.
    """
    *before, current = words or [""]
    kind, values, wanting = "any", 0, None
    for word in before:
        if wanting is not None:
            wanting = None
        elif word.startswith("-"):
            option = _option(parser, word)
            wanting = option if option is not None and option.nargs != 0 and "=" not in word else None
        elif (group := _group(parser)) is not None:
            if word not in group.choices:
                return
            kind = "data" if word == "data" else kind
            parser, values = group.choices[word], 0
        else:
            values += 1
    if wanting is not None:
        yield from _values_of(wanting, current, kind, names)
    elif current.startswith("-"):
        yield from _options(parser, current)
    elif (group := _group(parser)) is not None:
        helps = {action.dest: action.help or "" for action in group._choices_actions}
        yield from ((name, helps.get(name, "")) for name in group.choices if name.startswith(current))
    elif (argument := _argument(parser, values)) is not None:
        yield from _values_of(argument, current, kind, names)


def _values_of(
    action: argparse.Action, current: str, kind: str, names: Callable[[str], Sequence[str]]
) -> Iterator[tuple[str, str]]:
    if action.choices is not None:
        yield from ((str(choice), "") for choice in action.choices if str(choice).startswith(current))
        return
    meant = action.metavar if isinstance(action.metavar, str) else action.dest
    if meant in _NAMES:
        yield from ((name, "") for name in names(kind) if name.startswith(current))
    elif meant == "INPUT":
        yield from ((name, "") for name in names(kind) if name.startswith("sample:") and name.startswith(current))
    if meant in _FILES or (meant in _NAMES and kind == "any" and "/" in current):
        yield FILES, ""
    elif meant in _FOLDERS:
        yield FOLDERS, ""


def _options(parser: argparse.ArgumentParser, current: str) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:
            continue
        for name in action.option_strings:
            if name.startswith(current) and (len(name) > 2 or current == name):
                yield name, (action.help or "").replace("%%", "%")


def _option(parser: argparse.ArgumentParser, word: str) -> argparse.Action | None:
    name = word.partition("=")[0]
    return next((action for action in parser._actions if name in action.option_strings), None)


def _group(parser: argparse.ArgumentParser) -> Any:
    return next((action for action in parser._actions if isinstance(action, argparse._SubParsersAction)), None)


def _argument(parser: argparse.ArgumentParser, values: int) -> argparse.Action | None:
    """The argument that the next value belongs to, after `values` of them."""
    arguments = [action for action in parser._actions if not action.option_strings]
    if values < len(arguments):
        return arguments[values]
    last = arguments[-1] if arguments else None
    return last if last is not None and last.nargs in ("*", "+") else None


def _names(kind: str, options: argparse.Namespace) -> list[str]:
    from numzoo.hub.registry.names import open_registry

    manifest = open_registry(options.registry, offline=True).manifest
    if kind == "data":
        return sorted(manifest.data)
    samples, data = (f"sample:{name}" for name in manifest.samples), (f"data:{name}" for name in manifest.data)
    return [*sorted({*manifest.tags, *manifest.names}), *sorted(samples), *sorted(data)]
