"""``numzoo scan``: what is inside a checkpoint, and what would be refused and why, without running any of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numzoo.hub.cli.console import Console, size_text
from numzoo.hub.cli.run import fetch_options, trust_option

if TYPE_CHECKING:
    from numzoo.hub.checkpoint.scan import Scan

__all__ = ["add"]

_NO_CHECKPOINT = {".json", ".txt", ".md", ".py", ".yaml", ".yml", ".png", ".jpg", ".jpeg", ".gitattributes", ".lock"}
_MOST_SHOWN = 12


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    scan = commands.add_parser(
        "scan",
        parents=[shared, trust_option()],
        help="say what is inside a checkpoint, and what would be refused",
        description="Look through each WHAT (a file, a folder, a model of the registry, hf:OWNER/REPO) without running anything that it says: "
        "its format, its tensors, every name that its pickles ask for. The exit code is 9 if anything would run code or breaks a rule of "
        "safe reading, 5 if a file is damaged or of no known kind, and 0 if all could be read.",
    )
    scan.add_argument("what", nargs="+", metavar="WHAT", help="a file, a folder, a name, or hf:OWNER/REPO")
    scan.add_argument("--tensors", action="store_true", help="list every tensor")
    scan.set_defaults(run=_scan)


def _scan(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.checkpoint.scan import scan

    unsafe = damaged = False
    documents = []
    for name, path in _files(options, console):
        found = scan(path)
        unsafe |= found.unsafe or not all(pickle.safe or pickle.damage for pickle in found.pickles)
        damaged |= not found.readable
        documents.append(_document(name, found, options.tensors))
        _print(name, found, options.tensors, console)
    for what in options.what:
        if Path(what).is_dir():
            documents += _about_folder(Path(what), console)
    console.document({"files": documents, "safe": not unsafe, "readable": not damaged})
    return 9 if unsafe else 5 if damaged else 0


def _files(options: argparse.Namespace, console: Console) -> Iterator[tuple[str, Path]]:
    """Every file to look through: its name for people, and where it lies."""
    from numzoo.hub.errors import NotFoundError
    from numzoo.hub.foreign.repository import files_named
    from numzoo.hub.loading.load import as_path
    from numzoo.hub.registry.names import open_registry

    registry, fetch = open_registry(options.registry), fetch_options(options, console)
    for what in options.what:
        path = as_path(what, registry)
        if path is None:
            for file in files_named(what, registry, fetch):
                if Path(file.name).suffix not in _NO_CHECKPOINT:
                    yield f"{what}/{file.name}", fetch.path(file)
        elif path.is_dir():
            within = sorted(each for each in path.rglob("*") if each.is_file() and not each.is_symlink())
            chosen = [each for each in within if each.suffix.lower() not in _NO_CHECKPOINT]
            if not chosen:
                raise NotFoundError(f"{path} holds no file that could be a checkpoint.")
            yield from ((str(each), each) for each in chosen)
        else:
            yield str(path), path


def _about_folder(folder: Path, console: Console) -> list[dict[str, Any]]:
    """What the folder's configuration means here, and its Python files, which are never run."""
    from numzoo.hub.errors import HubError
    from numzoo.hub.foreign.places import Folder
    from numzoo.hub.loading.places import CONFIG, translation_of

    said = []
    place = Folder(folder)
    if CONFIG in place:
        try:
            meant = translation_of(place)
            assert meant is not None
            text, refusal = f"{meant.family} of {meant.library}: {meant.model}", ""
        except HubError as error:
            text, refusal = "", str(error)
        console.line(f"{folder / CONFIG}")
        console.line(f"  {text or 'refused: ' + refusal}")
        said.append({"file": str(folder / CONFIG), "means": text or None, "refusal": refusal or None})
    for code in sorted(folder.glob("*.py")):
        console.line(f"{code}\n  Python code, which is never run")
        said.append({"file": str(code), "means": "Python code, which is never run", "refusal": None})
    return said


def _document(name: str, found: Scan, tensors: bool) -> dict[str, Any]:
    from dataclasses import asdict

    document: dict[str, Any] = {
        "file": name,
        "bytes": found.bytes,
        "format": found.format,
        "readable": found.readable,
        "unsafe": found.unsafe,
        "refusal": found.refusal or None,
        "tensor_count": len(found.tensors),
        "dtypes": _dtypes(found),
        "notes": found.notes,
        "pickles": [{**asdict(pickle), "safe": pickle.safe} for pickle in found.pickles],
    }
    if tensors:
        document["tensors"] = [asdict(tensor) for tensor in found.tensors]
    return document


def _print(name: str, found: Scan, tensors: bool, console: Console) -> None:
    console.line(f"{_plain(name)}")
    console.line(f"  {found.format}, {size_text(found.bytes)}")
    if found.tensors:
        kinds = ", ".join(f"{count} {dtype}" for dtype, count in _dtypes(found).items())
        console.line(f"  {len(found.tensors)} tensors, {size_text(sum(t.bytes for t in found.tensors))}: {kinds}")
    if found.values:
        shown = ", ".join(list(found.values)[:6])
        console.line(f"  {len(found.values)} other values: {_plain(shown)}{', ...' if len(found.values) > 6 else ''}")
    for key, value in found.notes.items():
        console.line(f"  note {_plain(key)}: {_plain(value if len(value) <= 80 else value[:77] + '...')}")
    for pickle in found.pickles:
        refused = [use for use in pickle.names if not use.allowed]
        if pickle.safe:
            console.line(f"  {_plain(pickle.label)}: {len(pickle.names)} names, all of them known and harmless")
            continue
        said = f"protocol {pickle.protocol}, {len(refused)} names and {len(pickle.refused_opcodes)} opcodes refused"
        console.line(f"  {_plain(pickle.label)}: {said}")
        for use in refused[:_MOST_SHOWN]:
            console.line(f"    byte {use.byte}: {_plain(use.name)} ({_plain(use.why)})")
        for opcode in pickle.refused_opcodes[:_MOST_SHOWN]:
            console.line(f"    byte {opcode.byte}: opcode {opcode.name}")
        if pickle.damage:
            console.line(f"    {_plain(pickle.damage)}")
    if found.refusal:
        console.line(f"  {'unsafe' if found.unsafe else 'refused'}: {_plain(found.refusal)}")
    if tensors:
        for tensor in found.tensors:
            console.line(f"    {_plain(tensor.name)}  {tensor.dtype}  {tuple(tensor.shape)}")


def _dtypes(found: Scan) -> dict[str, int]:
    counts: dict[str, int] = {}
    for tensor in found.tensors:
        counts[tensor.dtype] = counts.get(tensor.dtype, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _plain(text: str) -> str:
    """Text of a file, which must not steer a terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
