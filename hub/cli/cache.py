"""``numzoo cache``: what lies in the cache, where it is, how large, and how it is made smaller."""

from __future__ import annotations

import argparse
from collections.abc import Container
from typing import TYPE_CHECKING, Any

from numzoo.hub.cli import cache_export, cache_removal
from numzoo.hub.cli.cache_choice import add_filters, age_text, choose
from numzoo.hub.cli.console import Console, size_text

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["add"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command and its own commands to the parser."""
    cache = commands.add_parser(
        "cache",
        parents=[shared],
        help="look at the cache, make it smaller, share it",
        description="The cache holds verified files by their sha256. NUMZOO_HOME says where it is, NUMZOO_CACHE_LIMIT "
        "(such as 20GB) how large it may grow before the files that were not used for longest go.",
    )
    actions = cache.add_subparsers(title="commands", metavar="COMMAND", required=True)
    ls = actions.add_parser(
        "ls",
        parents=[shared],
        help="list the files in the cache",
        description="List the files in the cache, all or those that fit.",
    )
    ls.add_argument("patterns", nargs="*", metavar="NAME", help="a name, a pattern such as 'resnet*', or a digest")
    add_filters(ls)
    ls.add_argument("--parts", action="store_true", help="list unfinished files instead, and who writes them")
    ls.set_defaults(run=_ls)
    folder = actions.add_parser("dir", parents=[shared], help="print the folder of the cache")
    folder.set_defaults(run=_dir)
    size = actions.add_parser("size", parents=[shared], help="print how much the cache holds, by kind")
    size.set_defaults(run=_size)
    cache_removal.add(actions, shared)
    cache_export.add(actions, shared)


def _ls(options: argparse.Namespace, console: Console) -> int:
    if options.parts:
        return _parts(options, console)
    chosen = choose(options)
    console.document(
        {
            "blobs": [
                {
                    "sha256": each.sha256,
                    "bytes": each.bytes,
                    "path": str(each.path),
                    "written": each.written,
                    "used": each.used,
                    "names": list(each.names),
                }
                for each in chosen
            ]
        }
    )
    if chosen:
        rows = [(e.sha256[:12], size_text(e.bytes), age_text(e.used), ", ".join(e.names) or "-") for e in chosen]
        console.table(("SHA256", "SIZE", "LAST USED", "NAMES"), rows, right=(1,))
    else:
        console.message("No file fits." if options.filtered(options) else "The cache is empty.")
    return 0


def _parts(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.errors import UsageError
    from numzoo.hub.store import leftovers
    from numzoo.hub.store.cache import Cache

    if options.filtered(options):
        raise UsageError("cache ls --parts lists all unfinished files; it takes no name and no other filter.")
    found = list(leftovers.parts(Cache()))
    console.document(
        {
            "parts": [
                {
                    "path": str(each.path),
                    "wanted": each.wanted,
                    "bytes": each.bytes,
                    "written": each.written,
                    "state": each.state,
                }
                for each in found
            ]
        }
    )
    if found:
        rows = [
            (each.wanted[:12] or each.path.name[:12], size_text(each.bytes), age_text(each.written), each.state)
            for each in found
        ]
        console.table(("WANTED", "SIZE", "WRITTEN", "STATE"), rows, right=(1,))
    else:
        console.message("There are no unfinished files.")
    return 0


def _dir(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.store.cache import Cache

    root = str(Cache().root)
    console.line(root)
    console.document({"dir": root})
    return 0


def _size(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub import settings
    from numzoo.hub.store import eviction, leftovers
    from numzoo.hub.store.cache import Cache

    store, limit = Cache(), settings.cache_limit()
    kinds = {
        "files": [entry.bytes for entry in store.entries()],
        "unpacked": _sizes(store.root / "data"),
        "unfinished": [each.bytes for each in leftovers.parts(store)],
        "notes": [each.bytes for each in leftovers.notes(store)],
        "other": _sizes(store.root, {"blobs", "data", "parts", "refs"}),
    }
    for kind, sizes in kinds.items():
        if sizes or kind == "files":
            console.line(f"{size_text(sum(sizes))} in {len(sizes)} {kind if kind != 'files' else _files(sizes)}")
    if limit is not None:
        console.line(f"{size_text(eviction.size(store))} of {size_text(limit)} at most are used")
    console.document(
        {
            "bytes": sum(kinds["files"]),
            "files": len(kinds["files"]),
            "limit": limit,
            "kinds": {kind: {"bytes": sum(sizes), "count": len(sizes)} for kind, sizes in kinds.items()},
        }
    )
    return 0


def _files(sizes: list[int]) -> str:
    return "file" if len(sizes) == 1 else "files"


def _sizes(root: Path, without: Container[str] = ()) -> list[int]:
    """The sizes of all regular files below a folder, but for some of the folders that lie right in it."""
    import os
    import stat

    sizes = []
    for folder, below, names in os.walk(root):
        if folder == str(root):
            below[:] = [name for name in below if name not in without]
        for name in names:
            try:
                status = os.lstat(os.path.join(folder, name))
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                sizes.append(status.st_size)
    return sizes
