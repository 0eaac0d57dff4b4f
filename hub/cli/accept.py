"""``--accept-license NAME``, for every command that fetches or loads."""

from __future__ import annotations

import argparse

from numzoo.hub.cli.console import Console

__all__ = ["accept_option", "accept_what_was_named"]


def accept_option() -> argparse.ArgumentParser:
    """The option, to be a parent of a command's parser. `main` obeys it before the command runs."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--accept-license",
        action="append",
        default=[],
        metavar="NAME",
        help="accept a licence that is not for every use, such as CC-BY-NC-4.0, for good (may be repeated)",
    )
    return options


def accept_what_was_named(options: argparse.Namespace, console: Console) -> None:
    """Accept the licences that the option names, all of them or, where one is misspelt or this is a dry run, none."""
    named = getattr(options, "accept_license", [])
    if not named:
        return
    from numzoo.hub.licensing.acceptance import accept_license, accepted
    from numzoo.hub.licensing.expressions import check_identifier

    for name in named:
        check_identifier(name)
    if getattr(options, "dry_run", False):
        return
    for name in named:
        if not accepted(name):
            accept_license(name)
            console.message(f"accepted {name}; the store remembers it")
