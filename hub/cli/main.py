"""The command line ``numzoo``: the parser, and what every command shares: options, errors, exit codes.

Data goes to stdout, messages and progress to stderr. Exit codes: 0 ok, 1 a bug, 2 usage, 3 not found, 4 network,
5 integrity, 6 not here and offline, 7 licence or authentication, 8 disk or permission, 9 unsafe file, 10 a comparison found
differences, 130 interrupted.
Nothing heavy is imported here: each command imports what it uses.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from numzoo.hub.cli import (
    bundle,
    cache,
    catalog,
    completion,
    convert,
    data,
    diff,
    doctor,
    finetune,
    licenses,
    lock,
    models,
    predict,
    publish,
    registry,
    run,
    scan,
    verify,
)
from numzoo.hub.cli.accept import accept_what_was_named
from numzoo.hub.cli.console import Console
from numzoo.hub.cli.examples import write_into
from numzoo.hub.errors import HubWarning
from numzoo.hub.locking.place import using
from numzoo.hub.registry.choice import Choice

__all__ = ["main", "make_parser"]

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS}
_BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    _prepare_streams()
    parser = make_parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 2
    console = Console(json=options.json, quiet=options.quiet, debug=options.debug)
    asked = [*(options.registry_before or ()), *(getattr(options, "registry_after", None) or ())]
    options.registry = Choice(tuple(asked), True if options.offline else None)
    try:
        with using(options.lock), _notes_to(console):
            accept_what_was_named(options, console)
            code: int = options.run(options, console)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        console.message("interrupted")
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; a second failure while Python flushes at its exit must stay silent too.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception as error:
        return console.error(error, exit_code(error))


@contextmanager
def _notes_to(console: Console) -> Iterator[None]:
    """Tell the person, once each, of what stops nothing: a lock that holds a name, a deprecated entry, a registry out of reach."""
    said: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if not issubclass(category, HubWarning):
            plain(message, category, *place, **more)
        elif str(message) not in said:
            said.add(str(message))
            console.message(f"note: {message}")

    with warnings.catch_warnings():
        plain = warnings.showwarning
        warnings.simplefilter("always", HubWarning)
        warnings.showwarning = show
        yield


def _prepare_streams() -> None:
    """Make every text printable: what the terminal's encoding lacks is written as an escape and ends no command.

    A stream that the caller has closed is None in Python; what would go there is dropped, as `print` does.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (it lasts as long as we do)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def exit_code(error: BaseException) -> int:
    """What the command line leaves with for `error`: its class's own code, 2 for a refused setting, 8 for a full or
    forbidden disk, 1 for what nobody expected."""
    own = getattr(error, "exit_code", None)
    if isinstance(own, int):
        return own
    if isinstance(error, OSError) and error.errno in _DISK:
        return 8
    return 2 if any(kind.__module__.endswith("engine.errors") for kind in type(error).__mro__) else 1


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    from numzoo import __version__

    shared = _shared(defaults=False)
    parser = argparse.ArgumentParser(
        prog="numzoo",
        description="Public pretrained models: verified, loaded, run.",
        epilog="NUMZOO_HOME is the cache folder, NUMZOO_OFFLINE=1 forbids the network, NO_COLOR switches colours off. "
        "`numzoo COMMAND --help` says more.",
        parents=[_shared(defaults=True)],
    )
    parser.add_argument("--version", action="version", version=f"numzoo {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in (
        models,
        run,
        predict,
        verify,
        finetune,
        convert,
        scan,
        diff,
        lock,
        licenses,
        bundle,
        cache,
        data,
        registry,
        publish,
        catalog,
        doctor,
        completion,
    ):
        group.add(commands, shared)
    write_into(parser)
    return parser


def _shared(*, defaults: bool) -> argparse.ArgumentParser:
    """The options that stand before or after the command; only the ones before it bring the default values."""
    options = argparse.ArgumentParser(add_help=False)

    def flag(name: str, help: str) -> None:
        options.add_argument(name, action="store_true", help=help, default=False if defaults else argparse.SUPPRESS)

    flag("--json", "print one JSON document")
    flag("--offline", "use no network: a file that is not here is an error (exit 6)")
    default = None if defaults else argparse.SUPPRESS
    options.add_argument("--lock", metavar="FILE", default=default, help="the models.lock that counts")
    options.add_argument(
        "--registry",
        action="append",
        dest="registry_before" if defaults else "registry_after",
        metavar="WHERE",
        default=default,
        help="instead of the configured registries: a folder, https address, manifest file or configured name, or "
        '"numzoo" for its own; may be repeated, the first has precedence',
    )
    flag("--quiet", "no progress and no notes on stderr, only errors")
    flag("--debug", "show the traceback of an error (also NUMZOO_DEBUG=1)")
    return options


if __name__ == "__main__":
    sys.exit(main())
