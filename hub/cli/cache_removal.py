"""``numzoo cache rm`` and ``numzoo cache prune``: what is deleted, after a question or ``--yes``, and what that freed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from numzoo.hub.cli.cache_choice import add_filters, choose
from numzoo.hub.cli.console import Console, size_text

__all__ = ["add"]


def add(actions: Any, shared: argparse.ArgumentParser) -> None:
    """Add the two commands to the parser of ``numzoo cache``."""
    rm = actions.add_parser(
        "rm",
        parents=[shared],
        help="delete files from the cache",
        description="Delete the files that are named and fit every filter. They are fetched again when they are needed.",
    )
    rm.add_argument("patterns", nargs="*", metavar="NAME", help="a name, a pattern, or 6 or more digits of a sha256")
    add_filters(rm)
    _add_consent(rm)
    rm.set_defaults(run=_rm)
    prune = actions.add_parser(
        "prune",
        parents=[shared],
        help="delete what nobody needs and what exceeds the limit",
        description="Delete unfinished files that no living process writes, notes about files that are gone, and the "
        "files that were not used for longest where the cache is larger than its limit.",
    )
    prune.add_argument("--limit", metavar="SIZE", help="another limit than NUMZOO_CACHE_LIMIT for this time")
    _add_consent(prune)
    prune.set_defaults(run=_prune)


def _add_consent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be deleted, and delete nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _rm(options: argparse.Namespace, console: Console) -> int:
    from functools import partial

    from numzoo.hub.errors import UsageError
    from numzoo.hub.store.cache import Cache

    if not options.filtered(options):
        raise UsageError("Say what to delete: names, digests or filters, as in `numzoo cache rm --unused-for 30d`.")
    store = Cache()
    rows = [
        _Row("file", each.sha256, each.bytes, ", ".join(each.names) or each.sha256[:12], partial(_remove, store, each))
        for each in choose(options)
    ]
    return _delete(rows, "cache rm", options, console)


def _prune(options: argparse.Namespace, console: Console) -> int:
    from functools import partial

    from numzoo.hub import settings
    from numzoo.hub.cli.cache_choice import owners
    from numzoo.hub.quantities import parse_size
    from numzoo.hub.store import eviction, leftovers
    from numzoo.hub.store.cache import Cache, Entry

    store = Cache()
    limit = settings.cache_limit() if options.limit is None else parse_size(options.limit, who="--limit")
    rows = [
        _Row(
            "note" if store.refs in each.path.parents else "unfinished",
            each.wanted,
            each.bytes,
            each.path.name,
            partial(leftovers.remove, each),
        )
        for each in leftovers.stale(store)
    ]
    excess = [] if limit is None else eviction.excess(store, limit)
    if excess:
        named = owners(options)
        for each, _ in excess:
            if isinstance(each, Entry):
                kind, name = "file", ", ".join(named.get(each.sha256, [])) or each.sha256[:12]
            else:
                kind, name = "unpacked", each.name
            rows.append(_Row(kind, each.sha256, each.bytes, name, partial(eviction.delete, store, each)))
    return _delete(rows, "cache prune", options, console)


class _Row:
    """One thing to delete: what it is, how it is called, and how it is done (the bytes freed)."""

    def __init__(self, kind: str, sha256: str, bytes: int, name: str, delete: Callable[[], int]) -> None:
        self.kind, self.sha256, self.bytes, self.name, self.delete = kind, sha256, bytes, name, delete

    def document(self) -> dict[str, Any]:
        """What JSON says of it."""
        return {"kind": self.kind, "sha256": self.sha256, "bytes": self.bytes, "name": self.name}


def _remove(store: Any, each: Any) -> int:
    """Delete a blob, or whatever has taken its place."""
    if each.path.is_dir() and not each.path.is_symlink():
        store.set_aside(each.sha256)
        return 0
    freed: int = store.remove(each.sha256)
    return freed


def _delete(rows: list[_Row], who: str, options: argparse.Namespace, console: Console) -> int:
    """Ask, delete, and say what was freed; what cannot be deleted is told, and the rest goes all the same."""
    from numzoo.hub.cli.main import exit_code
    from numzoo.hub.errors import HubError

    total = sum(row.bytes for row in rows)
    shown = [row for row in rows if row.kind != "note"]
    notes = len(rows) - len(shown)
    what = f"{len(shown)} file{'' if len(shown) == 1 else 's'}" + (f" and {notes} stale notes" if notes else "")
    if options.dry_run or not rows:
        for row in shown:
            console.line(f"{row.kind}  {size_text(row.bytes)}  {row.name}")
        console.message(f"would delete {what}, {size_text(total)}" if rows else "There is nothing to delete.")
        console.document({"dry_run": options.dry_run, "deleted": [row.document() for row in rows], "bytes": total})
        return 0
    if not options.yes and not console.agreed(f"Delete {what}, {size_text(total)}?", who):
        console.message("Nothing was deleted.")
        console.document({"dry_run": False, "deleted": [], "bytes": 0})
        return 0
    freed, code, deleted = 0, 0, []
    for row in rows:
        try:
            freed += row.delete()
        except HubError as error:
            code = code or console.error(error, exit_code(error))
            continue
        deleted.append(row.document())
        if row.kind != "note":
            console.line(f"{row.kind}  {size_text(row.bytes)}  {row.name}")
    console.message(f"{size_text(freed)} freed")
    console.document({"dry_run": False, "deleted": deleted, "bytes": freed})
    return code
