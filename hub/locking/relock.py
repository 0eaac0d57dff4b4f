"""Writing names into a lock, comparing a lock with the registry, and taking names out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numzoo.hub.errors import HubError, IntegrityError, NotFoundError
from numzoo.hub.locking.document import Locked, LockedFile, entries, read
from numzoo.hub.locking.pins import unpinned
from numzoo.hub.locking.writing import change_lock
from numzoo.hub.registry.names import Registry, is_resource
from numzoo.hub.registry.trust import locked as trusted

if TYPE_CHECKING:
    from numzoo.hub.download.fetch import Fetch
    from numzoo.hub.registry.record import FileRecord

__all__ = ["Difference", "differences", "entry_for", "lock_names", "merged", "registry_entry", "unlock_names"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the registry says something else than the lock; `grave` if the same name means other bytes or terms."""

    name: str
    what: str
    grave: bool = False


def lock_names(
    path: Path, names: Sequence[str], registry: Registry, fetch: Fetch, *, upgrade: bool = False, dry_run: bool = False
) -> list[str]:
    """Write what `names` mean now into the lock at `path`; give the full names whose entries changed.

    Without `names`, every entry of the lock is written anew. A file whose full digest the registry does not know is
    fetched for it (TrustError unless `fetch` trusts at first use). A name that is locked already to other bytes is an
    IntegrityError; `upgrade` takes what the registry says now, and the present default for a bare name.
    """
    before = entries(path)
    asked = list(names) or [each for entry in before.values() for each in (entry.names or (entry.name,))]
    made: dict[str, Locked] = {}
    for name in dict.fromkeys(asked):
        full = _full_name(name, before, registry, upgrade)
        entry = made.get(full) or _entry_now(full, before, registry, fetch, upgrade, dry_run)
        shorter = {*entry.names, *({name} if name != full and not is_resource(name) else ())}
        made[full] = replace(entry, names=tuple(sorted(shorter)))
    changed: list[str] = []

    def edit(content: dict[str, Any]) -> None:
        changed.clear()
        known = content.setdefault("entries", {})
        for full, entry in made.items():
            _let_go(known, entry)
            fields = merged(known.get(full), entry, path, upgrade=upgrade)
            if known.get(full) != fields:
                known[full] = fields
                changed.append(full)

    _change(path, edit, dry_run)
    return changed


def unlock_names(path: Path, names: Sequence[str], *, dry_run: bool = False) -> list[str]:
    """Take names out of the lock at `path`, a bare name with the entry that only it meant; give the entries that went.

    Raises NotFoundError for a name that is not locked.
    """
    gone: list[str] = []

    def edit(content: dict[str, Any]) -> None:
        gone.clear()
        known = content.setdefault("entries", {})
        there = ", ".join(sorted(known)) or "nothing"
        for name in names:
            full = name if name in known else next((n for n, e in known.items() if name in e.get("names", ())), None)
            if full is None:
                raise NotFoundError(f"{path} does not lock {name!r}; it locks {there}.")
            rest = [each for each in known[full].get("names", ()) if each not in names]
            if name == full or not rest:
                del known[full]
                gone.append(full)
            else:
                known[full]["names"] = rest

    _change(path, edit, dry_run)
    return gone


def differences(path: Path, names: Sequence[str], registry: Registry) -> list[Difference]:
    """Where the registry says something else than the lock at `path`, or `names` are not locked; nothing is written."""
    known = entries(path, needed=True)
    found: list[Difference] = []
    wanted: dict[str, Locked] = {}
    for name in names or known:
        entry = entry_for(_full_name(name, known, registry, False) if name.startswith("hf:") else name, known)
        if entry is None:
            found.append(Difference(name, f"is not in {path}"))
        else:
            wanted[entry.name] = entry
    for entry in wanted.values():
        found += _compared(entry, registry)
    return found


def entry_for(name: str, known: dict[str, Locked]) -> Locked | None:
    """The locked entry that a full or shorter name means."""
    return known.get(name) or next((entry for entry in known.values() if name in entry.names), None)


def registry_entry(full: str, registry: Registry, fetch: Fetch | None) -> Locked:
    """What the registry says of a full name, as a lock would hold it; without `fetch`, unknown digests are left empty."""
    files = registry.files(full)
    license = registry.resource(full).license if is_resource(full) else registry.entry(full).license
    return Locked(
        full,
        tuple(_locked_file(file, fetch) for file in files),
        registry=_registry_name(full, registry),
        license=license,
    )


def _entry_now(
    full: str, before: dict[str, Locked], registry: Registry, fetch: Fetch, upgrade: bool, dry_run: bool
) -> Locked:
    if not full.startswith("hf:"):
        return registry_entry(full, registry, None if dry_run else fetch)
    if full in before and not upgrade:
        return before[full]  # it means the commit that it was locked to
    from numzoo.hub.foreign.repository import repository_entry

    return repository_entry(full, fetch, dry_run=dry_run)


def _change(path: Path, edit: Callable[[dict[str, Any]], None], dry_run: bool) -> None:
    if dry_run:
        edit(read(path))
    else:
        change_lock(path, edit)


def _locked_file(file: FileRecord, fetch: Fetch | None) -> LockedFile:
    with unpinned():
        file = trusted(file)
        sha256, size = file.sha256, file.bytes
        if sha256 is None and fetch is not None:
            found = fetch.path(file)
            sha256, size = found.name, found.stat().st_size
    return LockedFile(file.name, sha256 or "", size, file.sources)


def _full_name(name: str, before: dict[str, Locked], registry: Registry, upgrade: bool) -> str:
    if name.startswith("hf:"):
        from numzoo.hub.download.repositories import RepositoryName

        return RepositoryName.of(name).key
    if is_resource(name):
        return registry.resource(name.partition("/")[0]).name
    entry = None if upgrade else entry_for(name, before)
    return entry.name if entry is not None else registry.full_name(name, locked=False)


def _registry_name(full: str, registry: Registry) -> str:
    """What the lock calls the registry: for people to read, since digests say what is meant."""
    if not is_resource(full):
        return registry.manifest.entry(full).registry
    from numzoo.hub.registry.names import default_registry

    return "numzoo" if registry is default_registry() else registry.manifest.who


def _let_go(known: dict[str, Any], entry: Locked) -> None:
    """Take the shorter names of `entry` away from the entries that had them, and those entries if nothing else did."""
    for full, fields in list(known.items()):
        names = fields.get("names", [])
        rest = [name for name in names if name not in entry.names]
        if full != entry.name and len(rest) < len(names):
            if rest:
                fields["names"] = rest
            else:
                del known[full]


def merged(before: dict[str, Any] | None, entry: Locked, path: Path, *, upgrade: bool = False) -> dict[str, Any]:
    """The fields of an entry: new values for what is known here, everything else as it was. Raises IntegrityError where
    `before` is locked to other bytes and this is no `upgrade`."""
    old = {file["name"]: file for file in (before or {}).get("files", ())}
    files = []
    for file in sorted(entry.files, key=lambda file: file.name):  # as they stand in a written lock
        was = old.get(file.name)
        if before is not None and not upgrade and (was is None or was["sha256"] != file.sha256):
            raise IntegrityError(
                f"{path} locks {file.name} of {entry.name} to {'nothing' if was is None else was['sha256']}, but the registry says {file.sha256}. "
                f"Nothing was written. If you have found out that the change is meant, say --upgrade."
            )
        size = {} if file.bytes is None else {"bytes": file.bytes}
        files.append({**(was or {}), "name": file.name, "sha256": file.sha256, **size, "sources": list(file.sources)})
    names = sorted({*(before or {}).get("names", ()), *entry.names})
    fields: dict[str, Any] = {"names": names} if names else {}
    fields |= {
        "registry": entry.registry,
        **({"revision": entry.revision} if entry.revision else {}),
        "license": entry.license,
    }
    return {
        **fields,
        **{k: v for k, v in (before or {}).items() if k not in {*fields, "files", "names", "revision"}},
        "files": files,
    }


def _compared(entry: Locked, registry: Registry) -> list[Difference]:
    if entry.name.startswith("hf:"):
        return []  # a commit of a repository, which no registry has a say in
    try:
        now = registry_entry(entry.name, registry, None)
    except NotFoundError:
        return [Difference(entry.name, "is not in the registry any more")]
    found = []
    for kind, name in _file_names(entry, now):
        locked, said = entry.file(name), now.file(name)
        if locked is None or said is None:
            found.append(Difference(entry.name, f"{name} is {kind}", grave=True))
        elif said.sha256 and said.sha256 != locked.sha256:
            found.append(
                Difference(
                    entry.name, f"{name} has sha256 {said.sha256} in the registry, {locked.sha256} here", grave=True
                )
            )
    if entry.license and now.license != entry.license:
        found.append(
            Difference(entry.name, f"stands under {now.license} in the registry, {entry.license} here", grave=True)
        )
    for name in entry.names:
        found += _moved(name, entry.name, registry)
    return found


def _file_names(
    entry: Locked, now: Locked
) -> Iterable[tuple[Literal["new in the registry", "gone from the registry"], str]]:
    for file in entry.files:
        yield "gone from the registry", file.name
    for file in now.files:
        if entry.file(file.name) is None:
            yield "new in the registry", file.name


def _moved(name: str, full: str, registry: Registry) -> list[Difference]:
    try:
        now = registry.full_name(name, locked=False)
    except HubError as problem:
        return [Difference(name, str(problem))]
    return [] if now == full else [Difference(name, f"means {now} in the registry, {full} here")]
