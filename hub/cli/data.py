"""``numzoo data``: data sets, from the list of them to files on this machine and away again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numzoo.hub.cli.accept import accept_option
from numzoo.hub.cli.console import Console, size_text

if TYPE_CHECKING:
    from numzoo.hub.registry.manifest import Resource
    from numzoo.hub.registry.names import Registry
    from numzoo.hub.registry.record import FileRecord

__all__ = ["add"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command and its own commands to the parser."""
    data = commands.add_parser(
        "data",
        parents=[shared],
        help="list, fetch, verify and remove data sets",
        description="Data sets: fetched like weights, verified like weights, and unpacked by rules that no archive gets around.",
    )
    actions = data.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Any, help: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = actions.add_parser(name, parents=[shared, *parents], help=help)
        made.set_defaults(run=run)
        return made

    trust = argparse.ArgumentParser(add_help=False)
    trust.add_argument(
        "--trust-first-use",
        action="store_true",
        help="accept a file whose full sha256 is not known yet, and write the hash into models.lock",
    )
    split = argparse.ArgumentParser(add_help=False)
    split.add_argument("--split", metavar="SPLIT", help='only the files of one split, such as "train"')
    dry = argparse.ArgumentParser(add_help=False)
    dry.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    ls = command("ls", _ls, "list data sets")
    ls.add_argument("pattern", nargs="?", help='part of a name, or a pattern such as "cifar*"')
    ls.add_argument("--task", help='only those for this task, such as "image-classification"')
    ls.add_argument("--here", action="store_true", help="only those whose files are all on this machine")
    ls.add_argument("--names", action="store_true", help="print names only, one a line")
    show = command("show", _show, "show all about a data set: files, splits, licence, what a person has to do")
    show.add_argument("name", metavar="NAME", help="such as cifar10")
    pull = command("pull", _pull, "fetch, verify and unpack; print the paths", split, dry, trust, accept_option())
    pull.add_argument("names", nargs="+", metavar="NAME", help="a data set, or NAME/FILE for one of its files")
    pull.add_argument("--from", dest="folder", metavar="FOLDER", type=Path, help="take files that you have from there")
    verify = command("verify", _verify, "hash the packed files anew and compare what was unpacked from them", split)
    verify.add_argument("names", nargs="*", metavar="NAME", help="what to verify (default: all that is here)")
    verify.add_argument("--repair", action="store_true", help="fetch and unpack anew what is wrong")
    rm = command("rm", _rm, "remove what a data set keeps on this machine", split, dry)
    rm.add_argument("names", nargs="+", metavar="NAME", help="a data set, or NAME/FILE")
    which = rm.add_mutually_exclusive_group()
    which.add_argument("--packed", action="store_true", help="only the archives; what was unpacked from them stays")
    which.add_argument("--unpacked", action="store_true", help="only what was unpacked; the archives stay")
    path = command("path", _path, "print where the files lie; nothing is fetched (exit 3 where one is not here)", split)
    path.add_argument("name", metavar="NAME", help="a data set, or NAME/FILE")


def _ls(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.download.data import where
    from numzoo.hub.registry.names import matching, open_registry

    registry = open_registry(options.registry)
    rows, documents = [], []
    for name in sorted(matching(registry.manifest.data, options.pattern)):
        resource = registry.resource(f"data:{name}")
        if options.task is not None and options.task not in resource.tasks:
            continue
        here = all(where(file) is not None for file in resource.files)
        if options.here and not here:
            continue
        by_hand = not all(file.sources for file in resource.files)
        documents.append(
            {
                "name": name,
                "description": resource.description,
                "tasks": list(resource.tasks),
                "classes": resource.classes,
                "examples": dict(resource.examples),
                "bytes": resource.bytes,
                "license": resource.license,
                "loader": resource.loader,
                "manual": by_hand,
                "here": here,
            }
        )
        examples = sum(resource.examples.values())
        rows.append(
            (
                name,
                size_text(resource.bytes),
                f"{examples:,}" if examples else "-",
                "-" if resource.classes is None else str(resource.classes),
                "yes" if here else "by hand" if by_hand else "",
                resource.license,
                resource.description.partition(":")[0],
            )
        )
    if not rows:
        console.message("No data set fits. `numzoo data ls` lists all; part of a name is enough.")
    console.document({"data": documents})
    if options.names:
        for row in rows:
            console.line(row[0])
    else:
        console.table(("NAME", "SIZE", "EXAMPLES", "CLASSES", "HERE", "LICENCE", "WHAT"), rows, right=(1, 2, 3))
    return 0


def _show(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.download.data import data_files, where
    from numzoo.hub.registry.names import open_registry

    registry = open_registry(options.registry)
    resource, files = data_files(registry, options.name)
    known = registry.describe(resource.name)
    for fields, file in zip(known["files"], files, strict=False):
        found = where(file)
        fields["path"] = None if found is None else str(found)
    console.document(known)
    for field, value in known.items():
        if field not in ("files", "manual") and value not in (None, "", {}, []):
            console.line(f"{field:<12}  {_text(field, value)}")
    for fields, file in zip(known["files"], resource.files, strict=True):
        unpack = "" if file.unpack is None else f", unpacked by {file.unpack.kind}"
        console.line(f"{'file':<12}  {file.name} ({file.format}, {size_text(file.bytes)}{unpack})")
        unknown = f"is not known, {file.known}: refused without --trust-first-use"
        console.line(f"{'':<12}  sha256 {file.sha256 or unknown}")
        for line in [fields["path"] or "", *file.sources]:
            if line:
                console.line(f"{'':<12}  {line}")
    if resource.manual:
        short = resource.name.partition(":")[2]
        console.line(f"{'by hand':<12}  {resource.manual}")
        console.line(f"{'':<12}  Then: numzoo data pull {short} --from FOLDER, the folder that holds the files.")
    return 0


def _pull(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.download.data import pull_data
    from numzoo.hub.errors import NotFoundError
    from numzoo.hub.registry.names import open_registry

    registry = open_registry(options.registry)
    if options.folder is not None and not options.folder.is_dir():
        raise NotFoundError(f"{options.folder} is no folder; --from takes the one that holds the files.")
    if options.dry_run:
        return _plan(registry, options, console)
    documents = []
    for name in options.names:
        found = pull_data(
            name,
            split=options.split,
            trust_first_use=options.trust_first_use,
            offline=True if options.offline else None,
            registry=registry,
            progress=console.progress,
            folder=options.folder,
        )
        for file, path in found.items():
            console.line(str(path))
            documents.append({"name": name, "file": file, "path": str(path)})
    console.document({"files": documents})
    return 0


def _plan(registry: Registry, options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.download.data import where

    documents, missing = [], []
    for resource, file in _wanted(registry, options.names, options.split):
        here = where(file) is not None
        if not here:
            missing.append(file)
        given = options.folder is not None and (options.folder / file.name).is_file()
        source = str(options.folder / file.name) if given else next(iter(file.sources), "a person")
        console.line(
            f"{resource.name}  {file.name}  {size_text(file.bytes)}  {'here already' if here else f'from {source}'}"
        )
        documents.append(
            {"name": resource.name, "file": file.name, "bytes": file.bytes, "here": here, "source": source}
        )
    about = "at least " if any(file.bytes is None for file in missing) else ""
    size = size_text(sum(file.bytes or 0 for file in missing))
    console.message(f"would fetch {len(missing)} of {len(documents)} files, {about}{size}, and unpack the archives")
    console.document({"dry_run": True, "files": documents})
    return 0


def _verify(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.cli.main import exit_code
    from numzoo.hub.download.data_checks import check
    from numzoo.hub.errors import HubError
    from numzoo.hub.registry.names import open_registry

    registry = open_registry(options.registry)
    code, documents = 0, []
    for resource, file in _wanted(registry, options.names or registry.manifest.data, options.split):
        about = f"{resource.name}/{file.name}"
        fields: dict[str, Any] = {"name": resource.name, "file": file.name}
        try:
            state = check(file, repair=options.repair, offline=options.offline, progress=console.progress)
        except HubError as error:
            failed = console.error(error, exit_code(error), about=about)
            code = code or failed
            documents.append({**fields, "state": "wrong", "error": str(error), "exit_code": failed})
            continue
        if state == "absent" and not options.names:
            continue
        console.line(f"{state:<10}  {about}")
        documents.append({**fields, "state": state})
    if not documents:
        console.message("No data set is here yet: numzoo data pull fetches one.")
    console.document({"files": documents})
    return code


def _rm(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.download.data_checks import forget, kept
    from numzoo.hub.registry.names import open_registry

    registry = open_registry(options.registry)
    documents, total = [], 0
    for resource, file in _wanted(registry, options.names, options.split):
        for what, path, size in kept(file, packed=not options.unpacked, unpacked=not options.packed):
            freed = size if options.dry_run else forget(file, what)
            total += freed
            console.line(f"{resource.name}/{file.name}  {what}  {size_text(freed)}  {path}")
            documents.append(
                {"name": resource.name, "file": file.name, "what": what, "path": str(path), "bytes": freed}
            )
    console.message(f"{'would free' if options.dry_run else 'freed'} {size_text(total)}")
    console.document({"dry_run": options.dry_run, "bytes": total, "removed": documents})
    return 0


def _path(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.download.data import where
    from numzoo.hub.errors import NotFoundError
    from numzoo.hub.registry.names import open_registry

    documents = []
    for resource, file in _wanted(open_registry(options.registry), [options.name], options.split):
        found = where(file)
        if found is None:
            short = resource.name.partition(":")[2]
            raise NotFoundError(f"{file.name} of {resource.name} is not here. `numzoo data pull {short}` fetches it.")
        documents.append({"file": file.name, "path": str(found)})
    for each in documents:
        console.line(each["path"])
    console.document({"files": documents})
    return 0


def _wanted(registry: Registry, names: list[str], split: str | None) -> list[tuple[Resource, FileRecord]]:
    from numzoo.hub.download.data import data_files

    return [
        (resource, file) for name in names for resource, files in [data_files(registry, name, split)] for file in files
    ]


def _text(field: str, value: Any) -> str:
    if field == "bytes":
        return f"{value:,} ({size_text(value)})"
    if field == "splits":
        return "; ".join(f"{split}: {', '.join(files)}" for split, files in value.items())
    if isinstance(value, dict):
        return ", ".join(f"{key} {each:,}" if isinstance(each, int) else f"{key} {each}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
