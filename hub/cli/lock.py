"""``numzoo lock`` and ``numzoo sync``: a project's models and data, written down once and held to."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numzoo.hub.cli.accept import accept_option
from numzoo.hub.cli.console import Console, size_text

if TYPE_CHECKING:
    from numzoo.hub.download.fetch import Fetch

__all__ = ["add"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the two commands to the parser."""
    trust = argparse.ArgumentParser(add_help=False)
    trust.add_argument(
        "--trust-first-use", action="store_true", help="accept a file whose full sha256 is not known yet, and lock it"
    )
    lock = commands.add_parser(
        "lock",
        parents=[shared, trust, accept_option()],
        help="write names into models.lock, or compare it with the registry",
        description="Write into models.lock which entry and which digests NAMEs mean now; without a NAME, write every entry "
        "anew. From then on they mean just that: other bytes under a locked name are an error (exit 5). The lock is the nearest models.lock from the "
        "present folder upwards (or --lock FILE, or NUMZOO_LOCK), or a new one here.",
    )
    lock.add_argument("names", nargs="*", metavar="NAME", help="a model, sample:NAME or data:NAME")
    what = lock.add_mutually_exclusive_group()
    what.add_argument("--upgrade", action="store_true", help="take what the registry says now, where it says otherwise")
    what.add_argument("--check", action="store_true", help="write nothing; fail if the registry says otherwise")
    what.add_argument("--remove", action="store_true", help="take the names out of the lock")
    lock.add_argument("--dry-run", action="store_true", help="say what would change, and write nothing")
    lock.set_defaults(run=_lock)
    sync = commands.add_parser(
        "sync",
        parents=[shared, trust, accept_option()],
        help="make the cache hold what models.lock names",
        description="Fetch and verify every file that models.lock names (or those of NAMEs, which are locked first if they are not).",
    )
    sync.add_argument("names", nargs="*", metavar="NAME", help="only these")
    sync.add_argument("--frozen", action="store_true", help="never change the lock; refuse what is not in it")
    sync.add_argument("--prune", action="store_true", help="delete every file of the cache that the lock does not name")
    sync.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    sync.set_defaults(run=_sync)


def lock_to_write() -> Path:
    """The lock that a command writes: the named one, the project's, or a new one in the present folder."""
    from numzoo.hub.locking.place import NAME, named_lock, project_lock

    return named_lock() or project_lock() or Path.cwd() / NAME


def lock_to_read() -> Path:
    """The lock that a command compares or fetches: as above, but the store's where there is none and it has one."""
    from numzoo.hub.locking.place import lock_path

    path = lock_path()
    return path if path.is_file() else lock_to_write()


def _lock(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.errors import UsageError
    from numzoo.hub.locking.document import entries
    from numzoo.hub.locking.relock import lock_names, unlock_names
    from numzoo.hub.registry.names import open_registry

    path = lock_to_write()
    if options.check:
        return _check(options, lock_to_read(), console)
    if options.remove:
        if not options.names:
            raise UsageError("lock --remove needs the names to take out, as in `numzoo lock --remove resnet50`.")
        changed = unlock_names(path, options.names, dry_run=options.dry_run)
    else:
        if not options.names:
            entries(path, needed=True)
        changed = lock_names(
            path,
            options.names,
            open_registry(options.registry),
            _fetch(options, console),
            upgrade=options.upgrade,
            dry_run=options.dry_run,
        )
    for name in changed:
        console.line(name)
    verb = (
        ("would take" if options.dry_run else "took")
        if options.remove
        else "would write"
        if options.dry_run
        else "wrote"
    )
    console.message(f"{verb} {len(changed)} {'entry' if len(changed) == 1 else 'entries'}: {path}")
    console.document({"lock": str(path), "dry_run": options.dry_run, "changed": changed})
    return 0


def _check(options: argparse.Namespace, path: Path, console: Console) -> int:
    from numzoo.hub.locking.relock import differences
    from numzoo.hub.registry.names import open_registry

    found = differences(path, options.names, open_registry(options.registry))
    for each in found:
        console.line(f"{each.name} {each.what}")
    console.document(
        {"lock": str(path), "differences": [{"name": e.name, "what": e.what, "grave": e.grave} for e in found]}
    )
    if not found:
        console.message(f"{path} says what the registry says")
        return 0
    console.message(f"{path} and the registry differ; `numzoo lock NAME --upgrade` takes what the registry says")
    return 5 if any(each.grave for each in found) else 3


def _sync(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.locking.document import entries
    from numzoo.hub.locking.relock import entry_for, lock_names
    from numzoo.hub.locking.syncing import missing, superfluous, sync, wanted_files
    from numzoo.hub.registry.names import open_registry
    from numzoo.hub.store.cache import Cache

    path, registry, fetch = lock_to_read(), open_registry(options.registry), _fetch(options, console)
    unlocked = [name for name in options.names if entry_for(name, entries(path)) is None]
    if unlocked and not options.frozen and not options.dry_run:
        lock_names(path, unlocked, registry, fetch)
    files = wanted_files(path, options.names, registry)
    absent = missing(files)
    if not options.dry_run:
        paths = sync(files, fetch)
        for each in paths:
            console.line(str(each))
        shown: list[dict[str, Any]] = [
            {"name": f.owner, "file": f.name, "sha256": f.sha256, "path": str(at)}
            for f, at in zip(files, paths, strict=True)
        ]
    else:
        for file in absent:
            console.line(f"{file.owner}  {file.name}  {size_text(file.bytes)}")
        shown = [{"name": f.owner, "file": f.name, "sha256": f.sha256, "here": f not in absent} for f in files]
    extra = superfluous(path, store := Cache()) if options.prune else []
    for blob in extra:
        if not options.dry_run:
            store.remove(blob.sha256)
    done = "would fetch" if options.dry_run else "fetched"
    console.message(f"{path}: {len(files)} files, {done} {len(absent)}")
    if options.prune:
        size = size_text(sum(blob.bytes for blob in extra))
        console.message(f"{'would delete' if options.dry_run else 'deleted'} {len(extra)} other files, {size}")
    pruned = [{"sha256": blob.sha256, "bytes": blob.bytes} for blob in extra]
    console.document({"lock": str(path), "dry_run": options.dry_run, "files": shown, "pruned": pruned})
    return 0


def _fetch(options: argparse.Namespace, console: Console) -> Fetch:
    from numzoo.hub.download.fetch import Fetch

    return Fetch(True if options.offline else None, options.trust_first_use, console.progress)
