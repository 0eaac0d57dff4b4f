"""``numzoo pull``, and what every command that fetches shares."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from numzoo.hub.cli.accept import accept_option
from numzoo.hub.cli.console import Console, size_text

if TYPE_CHECKING:
    from numzoo.hub.download.fetch import Fetch

__all__ = ["add", "fetch_options", "trust_option"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    trust = trust_option()
    pull = commands.add_parser(
        "pull",
        parents=[shared, trust],
        help="fetch and verify files, print their paths",
        description="Fetch what is not here yet, hold it to its sha256, and print the path of each file. What was interrupted goes on "
        "where it stopped.",
    )
    pull.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="a model, sample:NAME, data:NAME[/FILE], or hf:OWNER/REPO[@REVISION[/FILE]]",
    )
    pull.add_argument("--dry-run", action="store_true", help="say what would be fetched, and fetch nothing")
    pull.add_argument(
        "--limit-rate", type=_rate, metavar="RATE", help="bytes per second at most, such as 2M (also NUMZOO_RATE_LIMIT)"
    )
    pull.set_defaults(run=_pull)


def trust_option() -> argparse.ArgumentParser:
    """The options of every command that may fetch, to be a parent of its parser."""
    trust = argparse.ArgumentParser(add_help=False, parents=[accept_option()])
    trust.add_argument(
        "--trust-first-use",
        action="store_true",
        help="accept a file whose full sha256 is not known yet, and write the hash into models.lock",
    )
    return trust


def _pull(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.cli.models import is_here
    from numzoo.hub.download import throttle
    from numzoo.hub.foreign.repository import files_named
    from numzoo.hub.registry.names import open_registry

    throttle.set_limit(options.limit_rate)
    registry = open_registry(options.registry)
    fetch = fetch_options(options, console)
    wanted = [
        (name, file) for name in options.names for file in files_named(name, registry, fetch, lock=not options.dry_run)
    ]
    documents = []
    if options.dry_run:
        for name, file in wanted:
            here = is_here(file)
            source = "here already" if here else f"from {file.sources[0]}"
            console.line(f"{name}  {file.name}  {size_text(file.bytes)}  {source}")
            documents.append(
                {"name": name, "file": file.name, "bytes": file.bytes, "here": here, "sources": list(file.sources)}
            )
        missing = [file for _, file in wanted if not is_here(file)]
        known = sum(file.bytes or 0 for file in missing)
        about = "at least " if any(file.bytes is None for file in missing) else ""
        console.message(f"would fetch {len(missing)} of {len(wanted)} files, {about}{size_text(known)}")
        console.document({"dry_run": True, "files": documents})
        return 0
    for (name, file), path in zip(wanted, fetch.paths([file for _, file in wanted]), strict=True):
        console.line(str(path))
        documents.append({"name": name, "file": file.name, "path": str(path)})
    console.document({"files": documents})
    return 0


def fetch_options(options: argparse.Namespace, console: Console) -> Fetch:
    from numzoo.hub.download.fetch import Fetch

    # Without the option the environment decides, when a file is fetched.
    return Fetch(True if options.offline else None, options.trust_first_use, console.progress)


def _rate(text: str) -> float:
    from numzoo.hub.download.throttle import parse_rate
    from numzoo.hub.errors import UsageError

    try:
        return parse_rate(text, "the rate")
    except UsageError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None
