"""``numzoo ls`` and ``numzoo show``: what there is, and all about one of it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numzoo.hub.cli.console import Console, size_text
from numzoo.hub.cli.run import trust_option

if TYPE_CHECKING:
    from numzoo.hub.registry.manifest import Entry
    from numzoo.hub.registry.record import FileRecord

__all__ = ["add"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the two commands to the parser."""
    ls = commands.add_parser(
        "ls",
        parents=[shared],
        help="list models, samples or data sets",
        description="List what the registries have, with size, licence and accuracy; * marks what a bare model name means, and "
        "HERE what lies in the cache.",
    )
    ls.add_argument("pattern", nargs="?", help='part of a name, or a pattern such as "resnet*"')
    ls.add_argument("--task", help='only models for this task, such as "image-classification"')
    ls.add_argument("--kind", choices=("models", "samples", "data"), default="models", help="what to list")
    ls.add_argument("--names", action="store_true", help="print names only, one a line")
    ls.set_defaults(run=_ls)
    show = commands.add_parser(
        "show",
        parents=[shared, trust_option()],
        help="show all about a model, a sample, a data set, a repository or a file",
        description="Show where it comes from, its files with digests and sources, its licence, preprocessing, results and classes.",
    )
    show.add_argument("name", help="such as resnet50, resnet50.imagenet1k-v1, sample:cat or data:mnist")
    show.set_defaults(run=_show)


def _ls(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.registry.names import open_registry

    registry = open_registry(options.registry)
    if options.kind != "models":
        return _ls_resources(registry, options, console)
    names = registry.names(options.pattern, options.task)
    if not names:
        wanted = options.pattern or options.task
        console.message(f"No model fits {wanted!r}. `numzoo ls` lists all; part of a name is enough.")
    rows: list[tuple[str, ...]] = []
    documents = []
    for name in names:
        entry = registry.manifest.entry(name)
        here = all(is_here(file) for file in entry.files)
        default = registry.is_default(name)
        top1 = next((value for metric, value in entry.metrics.items() if metric.endswith("/top1")), None)
        documents.append(
            {
                "name": name,
                "default": default,
                "task": entry.task,
                "parameters": entry.parameters,
                "gflops": entry.gflops,
                "bytes": entry.bytes,
                "metrics": dict(entry.metrics),
                "license": entry.license,
                "registry": entry.registry,
                "state": _state(entry),
                "here": here,
            }
        )
        rows.append(
            (
                name,
                "*" if default else "",
                "-" if entry.parameters is None else f"{entry.parameters / 1e6:.2f} M",
                size_text(entry.bytes),
                "-" if top1 is None else f"{top1:.2f}",
                entry.license,
                "yes" if here else "",
                _state(entry),
            )
        )
    console.document({"models": documents})
    header: tuple[str, ...] = ("NAME", "DEFAULT", "PARAMETERS", "SIZE", "TOP-1", "LICENCE", "HERE", "STATE")
    if not any(row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    _print(console, options.names, header, rows)
    return 0


def _state(entry: Entry) -> str:
    return "withdrawn" if entry.withdrawn is not None else "deprecated" if entry.deprecated is not None else ""


def _ls_resources(registry: Any, options: argparse.Namespace, console: Console) -> int:
    kind = {"samples": "sample", "data": "data"}[options.kind]
    known = registry.manifest.samples if kind == "sample" else registry.manifest.data
    rows, documents = [], []
    for name in known:
        resource = registry.resource(f"{kind}:{name}")
        if options.pattern and options.pattern not in resource.name:
            continue
        sizes = [file.bytes for file in resource.files]
        size = None if None in sizes else sum(sizes)
        here = all(is_here(file) for file in resource.files)
        documents.append(
            {
                "name": resource.name,
                "description": resource.description,
                "files": [file.name for file in resource.files],
                "bytes": size,
                "license": resource.license,
                "here": here,
            }
        )
        rows.append((resource.name, size_text(size), resource.license, "yes" if here else "", resource.description))
    console.document({options.kind: documents})
    _print(console, options.names, ("NAME", "SIZE", "LICENCE", "HERE", "WHAT"), rows)
    return 0


def _print(console: Console, names: bool, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    if names:
        for row in rows:
            console.line(row[0])
    else:
        numbers = tuple(index for index, name in enumerate(header) if name in {"PARAMETERS", "SIZE", "TOP-1"})
        console.table(header, rows, right=numbers)


def _show(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.registry.names import is_resource, open_registry

    registry = open_registry(options.registry)
    elsewhere = options.name.startswith("hf:") or os.path.exists(options.name)
    if elsewhere and not is_resource(options.name) and options.name not in registry:
        return _show_elsewhere(options, console)
    known = registry.describe(options.name)
    records = registry.records(options.name)
    for fields, file in zip(known["files"], records, strict=True):
        fields["here"] = is_here(file)
    console.document(known)
    for field, value in known.items():
        if field == "files" or value in (None, "", {}, []) or (field == "revision" and value == 1):
            continue
        if field == "categories" and isinstance(value, list):
            value = f"{len(value)} names: {', '.join(value[:10])}{', ...' if len(value) > 10 else ''}"
        console.line(f"{field:<12}  {_value(field, value)}")
    for fields, file in zip(known["files"], records, strict=True):
        unknown = f"is not known, {file.known}: refused without --trust-first-use"
        size = f"{size_text(file.bytes)}{', here' if fields['here'] else ''}"
        console.line(f"{'file':<12}  {file.name} ({file.format}, {size})")
        console.line(f"{'':<12}  sha256 {file.sha256 or unknown}")
        for source in file.sources:
            console.line(f"{'':<12}  {source}")
    return 0


def _show_elsewhere(options: argparse.Namespace, console: Console) -> int:
    """A repository, a folder or a file of one's own."""
    from numzoo.hub.loading.describing import describe

    offline = True if options.offline else None
    known = describe(options.name, trust_first_use=options.trust_first_use, offline=offline, registry=options.registry)
    console.document(known)
    for field, value in known.items():
        if field == "files" or value in (None, "", {}, []):
            continue
        if field == "categories":
            value = f"{len(value)} names: {', '.join(value[:10])}{', ...' if len(value) > 10 else ''}"
        console.line(f"{field:<12}  {_value(field, value)}")
    for file in known.get("files", ()):
        console.line(f"{'file':<12}  {file['name']} ({size_text(file['bytes'])})")
        if file.get("sha256"):
            console.line(f"{'':<12}  sha256 {file['sha256']}")
    return 0


def is_here(file: FileRecord) -> bool:
    """Whether the file lies in the cache or ships inside the package (its bytes are looked at when it is used)."""
    from numzoo.hub.download.embedded import embedded_path
    from numzoo.hub.errors import IntegrityError
    from numzoo.hub.registry import trust
    from numzoo.hub.store.cache import Cache

    if embedded_path(file) is not None:
        return True
    store = Cache()
    try:
        sha256 = trust.locked(file, store.root).sha256
    except IntegrityError:
        return False  # The lock and the registry disagree: what lies here is not what would be loaded.
    return sha256 is not None and store.has(sha256)


def _value(field: str, value: Any) -> str:
    if field == "bytes":
        return f"{value:,} ({size_text(value)})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value('', each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return str(value)
