"""``numzoo cache``: what lies in the cache, where it is, and how large."""

from __future__ import annotations

import argparse
from typing import Any

from numzoo.hub.cli.console import Console, size_text

__all__ = ["add"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command and its own commands to the parser."""
    cache = commands.add_parser("cache", parents=[shared], help="look at the cache")
    actions = cache.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, run, help in (
        ("ls", _ls, "list the files in the cache"),
        ("dir", _dir, "print the folder of the cache"),
        ("size", _size, "print how much the cache holds"),
    ):
        actions.add_parser(name, parents=[shared], help=help).set_defaults(run=run)


def _ls(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.store.cache import Cache

    owners = _owners(options)
    entries = list(Cache().entries())
    console.document(
        {
            "blobs": [
                {
                    "sha256": entry.sha256,
                    "bytes": entry.bytes,
                    "path": str(entry.path),
                    "written": entry.written,
                    "names": owners.get(entry.sha256, []),
                }
                for entry in entries
            ]
        }
    )
    if entries:
        rows = [(e.sha256[:12], size_text(e.bytes), ", ".join(owners.get(e.sha256, ["-"]))) for e in entries]
        console.table(("SHA256", "SIZE", "NAMES"), rows, right=(1,))
    else:
        console.message("The cache is empty.")
    return 0


def _dir(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.store.cache import Cache

    root = str(Cache().root)
    console.line(root)
    console.document({"dir": root})
    return 0


def _size(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.store.cache import Cache

    store = Cache()
    entries = list(store.entries())
    size = sum(entry.bytes for entry in entries)
    console.line(f"{size_text(size)} in {len(entries)} file{'' if len(entries) == 1 else 's'}")
    console.document({"bytes": size, "files": len(entries)})
    return 0


def _owners(options: argparse.Namespace) -> dict[str, list[str]]:
    """sha256 -> the names of the registry that use it."""
    from numzoo.hub.registry.names import open_registry

    registry = open_registry(options.registry)
    manifest = registry.manifest
    names = [*manifest.names, *(f"sample:{n}" for n in manifest.samples), *(f"data:{n}" for n in manifest.data)]
    owners: dict[str, list[str]] = {}
    for name in names:
        files = registry.files(name)
        for file in files:
            if file.sha256 is not None:
                owners.setdefault(file.sha256, []).append(name if len(files) == 1 else f"{name}/{file.name}")
    return owners
