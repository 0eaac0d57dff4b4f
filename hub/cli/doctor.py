"""``numzoo doctor``: what works on this machine, what does not, and how to mend it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from numzoo.hub.cli.console import Console

if TYPE_CHECKING:
    from numzoo.hub.doctor.finding import Finding

__all__ = ["add"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    doctor = commands.add_parser(
        "doctor",
        parents=[shared],
        help="say what works here, and how to mend what does not",
        description="Look at Python, the packages, oneDNN, the GPU, the cache, the disk, certificates and the network. Each line is "
        "ok, warn (works without, or more slowly) or fail, with the way out. Nothing is changed. The exit code "
        "is 0 unless something needed fails (8 for the cache, 4 for what every download needs, else 1).",
    )
    doctor.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace, console: Console) -> int:
    from functools import partial

    from numzoo.hub.doctor import machine, network, storage

    looks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("python", machine.python),
        ("packages", machine.packages),
        ("registry", partial(machine.registry, options.registry)),
        ("oneDNN", machine.onednn),
        ("GPU", machine.gpu),
        ("configuration", storage.configured),
        ("cache", storage.cache),
        ("file system", storage.file_system),
        ("disk", storage.disk),
        ("certificates", network.certificates),
        ("network", partial(network.network, options.offline, options.registry)),
    ]
    findings: list[Finding] = []
    for name, look in looks:
        for found in _careful(name, look):
            findings.append(found)
            _print(console, found)
    failed = [found for found in findings if found.state == "fail"]
    console.document(
        {
            "ok": not failed,
            "findings": [
                {"what": found.what, "state": found.state, "detail": found.detail, "mend": found.mend}
                for found in findings
            ],
        }
    )
    return failed[0].code if failed else 0


def _print(console: Console, found: Finding) -> None:
    console.line(f"{found.what:<13}  {found.state:<4}  {found.detail}")
    if found.mend:
        console.line(f"{'':<13}  {'':<4}  -> {found.mend}")


def _careful(name: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What `look` finds; a look that itself fails is a finding too, and the others still happen."""
    from numzoo.hub.doctor.finding import Finding
    from numzoo.hub.errors import HubError

    try:
        yield from look()
    except HubError as error:
        yield Finding(name, "fail", str(error), "", error.exit_code)  # it says itself what to do
    except Exception as error:
        mend = "Install numzoo and its dependencies again."
        yield Finding(name, "fail", f"{type(error).__name__}: {error}", mend)
