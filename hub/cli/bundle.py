"""``numzoo bundle``: models and data for machines without network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from numzoo.hub.cli.accept import accept_option
from numzoo.hub.cli.console import Console, size_text

__all__ = ["add"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command and its own commands to the parser."""
    bundle = commands.add_parser(
        "bundle",
        parents=[shared],
        help="carry models and data to machines without network",
        description="Write models, photographs and data sets with all that belongs to them into one folder or .tar file, and take "
        "such a bundle in elsewhere, verified to the last byte.",
    )
    actions = bundle.add_subparsers(title="commands", metavar="COMMAND", required=True)
    create = actions.add_parser(
        "create",
        parents=[shared, accept_option()],
        help="write a bundle",
        description="Write what is named, with licences and digests, into OUT. Files that are not here are fetched first.",
    )
    create.add_argument("out", metavar="OUT", help="a new folder, or a new file that ends in .tar")
    create.add_argument("names", nargs="*", metavar="NAME", help="a model, sample:NAME or data:NAME")
    create.add_argument("--from-lock", action="store_true", help="everything that models.lock names")
    create.add_argument(
        "--trust-first-use", action="store_true", help="accept files whose full sha256 is not known yet"
    )
    create.add_argument(
        "--sign", action="append", default=[], metavar="KEY", help="sign it with this private key's file"
    )
    create.add_argument("--dry-run", action="store_true", help="say what it would hold, and write nothing")
    create.set_defaults(run=_create)
    take = actions.add_parser(
        "import",
        parents=[shared, accept_option()],
        help="take a bundle into the cache",
        description="Check every byte of the bundle and put its files into the cache; one that holds anything else is refused whole.",
    )
    take.add_argument("bundle", metavar="BUNDLE", help="a folder or a .tar file")
    take.add_argument("--verify-only", action="store_true", help="check every byte, and take nothing in")
    take.add_argument(
        "--trust-first-use", action="store_true", help="let the bundle decide digests that no registry here knows"
    )
    take.add_argument(
        "--key", action="append", default=[], metavar="PUBLIC", help="one of these public keys must have signed it"
    )
    take.add_argument("--dry-run", action="store_true", help="say what would be taken in, and take nothing in")
    take.set_defaults(run=_import)
    ls = actions.add_parser("ls", parents=[shared], help="show what a bundle holds")
    ls.add_argument("bundle", metavar="BUNDLE", help="a folder or a .tar file")
    ls.set_defaults(run=_ls)


def _create(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.bundles.contents import gather
    from numzoo.hub.bundles.writing import write_bundle
    from numzoo.hub.download.fetch import Fetch
    from numzoo.hub.licensing.inventory import inventory
    from numzoo.hub.locking.document import entries
    from numzoo.hub.locking.place import lock_path
    from numzoo.hub.registry.names import open_registry
    from numzoo.hub.registry.static.signing import PrivateKey

    registry, lock = open_registry(options.registry), lock_path()
    locked = entries(lock, needed=options.from_lock)
    names = [*options.names, *(locked if options.from_lock else ())]
    if options.dry_run:
        items = inventory(registry, names) if names else []
        _show(console, items, {"dry_run": True, "bundle": options.out})
        return 0
    keys = [PrivateKey.read(path) for path in options.sign]
    fetch = Fetch(True if options.offline else None, options.trust_first_use, console.progress)
    contents = gather(names, registry, fetch, locked=locked, keys=keys)
    write_bundle(Path(options.out), contents)
    _show(console, contents.items, {"dry_run": False, "bundle": options.out, "bytes": contents.bytes})
    console.message(f"wrote {options.out}: {size_text(contents.bytes)} in {len(contents.members)} files")
    return 0


def _import(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.bundles.importing import (
        check_against,
        check_bundle,
        keep_registry,
        merge_lock,
        take_in,
        verify_files,
    )
    from numzoo.hub.bundles.reading import open_bundle
    from numzoo.hub.download.bars import default_bar
    from numzoo.hub.licensing.inventory import all_names
    from numzoo.hub.locking.place import lock_path
    from numzoo.hub.registry.names import open_registry
    from numzoo.hub.registry.static.signing import check_public
    from numzoo.hub.store.cache import Cache

    with open_bundle(options.bundle) as bundle:
        checked = check_bundle(bundle, [check_public(key) for key in options.key])
        names, signer = all_names(checked.registry), checked.key
        size = sum(file.bytes or 0 for file in checked.files)
        said = f"{len(names)} entries, {len(checked.files)} files, {size_text(size)}"
        document: dict[str, Any] = {"bundle": options.bundle, "names": names, "bytes": size, "signed_by": signer}
        if options.verify_only or options.dry_run:
            if options.verify_only:
                verify_files(checked)
            _lines(console, names)
            console.document({**document, "taken_in": False})
            console.message(f"{options.bundle}: {said}" + (", every byte is right" if options.verify_only else ""))
            return 0
        known = open_registry(options.registry)
        strange = check_against(checked, known, trust_first_use=options.trust_first_use)
        cache, lock = Cache(), lock_path()
        merge_lock(checked, lock, dry_run=True)  # a contradiction stops everything before anything is written
        fresh = take_in(checked, cache, None if console.quiet else default_bar())
        locked = merge_lock(checked, lock)
        kept = keep_registry(checked, cache) if strange else None
    _lines(console, names)
    console.document(
        {**document, "taken_in": True, "new_files": len(fresh), "lock": str(lock), "locked": locked,
         "registry": None if kept is None else str(kept)}
    )  # fmt: skip
    console.message(f"took in {said}, {len(fresh)} of them new; {lock} names {len(locked)} entries more")
    if kept is not None:
        console.message(f"no registry here knows {', '.join(strange)}: say --registry {kept} to use them")
    return 0


def _ls(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.bundles.importing import check_bundle
    from numzoo.hub.bundles.reading import open_bundle
    from numzoo.hub.licensing.inventory import inventory

    with open_bundle(options.bundle) as bundle:
        checked = check_bundle(bundle)
        _show(console, inventory(checked.registry), {"bundle": options.bundle, "claims_signers": checked.signers})
    if checked.signers:
        console.message(f"signed, it says, by {', '.join(checked.signers)}; `bundle import --key` checks that")
    return 0


def _lines(console: Console, names: list[str]) -> None:
    for name in names:
        console.line(name)


def _show(console: Console, items: Any, about: dict[str, Any]) -> None:
    rows, documents = [], []
    for item in items:
        size = None if any(file.bytes is None for file in item.files) else sum(file.bytes for file in item.files)
        rows.append((item.name, str(len(item.files)), size_text(size), item.license))
        documents.append({"name": item.name, "files": len(item.files), "bytes": size, "license": item.license})
    console.table(("NAME", "FILES", "SIZE", "LICENCE"), rows, right=(1, 2))
    console.document({**about, "entries": documents})
