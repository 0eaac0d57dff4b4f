"""``numzoo convert``: any checkpoint to safetensors."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from numzoo.hub.cli.console import Console, size_text
from numzoo.hub.cli.run import fetch_options, trust_option

__all__ = ["add"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    convert = commands.add_parser(
        "convert",
        parents=[shared, trust_option()],
        help="write any checkpoint as safetensors",
        description="Read IN (a file of any format that is read, a folder, a model of the registry, hf:OWNER/REPO) and write its tensors "
        "to OUT, one at a time, whole or not at all. With --model the names become the model's and every tensor is held to its shape; "
        "OUT then says itself which model it is for.",
    )
    convert.add_argument("source", metavar="IN", help="a file, a folder, a name, or hf:OWNER/REPO[@REVISION[/FILE]]")
    convert.add_argument("target", metavar="OUT.safetensors", help="the file to write")
    convert.add_argument("--model", metavar="NAME", help="an entry, a builder, or `config`: what IN's config.json says")
    convert.add_argument("--classes", type=int, metavar="N", help="the number of classes, if it is not the model's own")
    convert.add_argument(
        "--prefix", default="", metavar="TEXT", help="take what begins so, and take that off the names"
    )
    convert.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="MATCH=TO",
        help="regular expression for a whole name, and the new one",
    )
    convert.add_argument("--dtype", choices=("f32", "f16", "bf16"), help="of the floating-point tensors")
    convert.add_argument(
        "--shard-size", type=_size, metavar="SIZE", help="several files of at most this, with an index"
    )
    convert.add_argument("--force", action="store_true", help="replace OUT if it is there")
    convert.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")
    convert.set_defaults(run=_convert)


def _convert(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.errors import UsageError
    from numzoo.hub.loading.converting import parse_renames, plan_conversion, write_outcome
    from numzoo.hub.loading.tensors import open_tensors
    from numzoo.hub.registry.names import open_registry

    target = Path(options.target)
    if target.suffix != ".safetensors":
        raise UsageError(f"convert writes safetensors: OUT ends in .safetensors, but {options.target!r} was given.")
    beside = target.with_name(f"{target.name}.index.json")
    for path in (target, beside):
        if path.exists() and not options.force and not options.dry_run:
            raise UsageError(f"{path} is there already; say --force to replace it, or give another name.")
    registry = open_registry(options.registry)
    with open_tensors(options.source, registry, fetch_options(options, console)) as tensors:
        outcome = plan_conversion(
            tensors,
            registry,
            model=options.model,
            classes=options.classes,
            prefix=options.prefix,
            renames=parse_renames(options.rename),
            dtype=options.dtype,
        )
        if not outcome.shapes:
            raise UsageError(f"{options.source} has no tensor that would be written; --prefix is {options.prefix!r}.")
        paths = [] if options.dry_run else write_outcome(target, outcome, shard_bytes=options.shard_size)
    console.document(
        {
            "dry_run": options.dry_run,
            "files": [str(path) for path in paths],
            "bytes": outcome.bytes,
            "tensors": [
                {"name": name, "dtype": dtype.name, "shape": list(shape)}
                for name, (dtype, shape) in outcome.shapes.items()
            ],
            "left": list(outcome.left),
            "zeros": list(outcome.zeros),
            "made": list(outcome.made),
        }
    )
    if options.dry_run:
        for name, (dtype, shape) in outcome.shapes.items():
            console.line(f"{name}  {dtype.name}  {shape}")
    for path in paths:
        console.line(str(path))
    would = "would write" if options.dry_run else "wrote"
    console.message(f"{would} {len(outcome.shapes)} tensors, {size_text(outcome.bytes)}")
    for what, names in (
        ("left out", outcome.left),
        ("zero, as declared, since the source lacks them", outcome.zeros),
        ("as the model makes them, since the source lacks them", outcome.made),
    ):
        if names:
            console.message(
                f"  {what}: {', '.join(names[:4])}{f' and {len(names) - 4} more' if len(names) > 4 else ''}"
            )
    return 0


def _size(text: str) -> int:
    from numzoo.hub.errors import HubError
    from numzoo.hub.quantities import parse_size

    try:
        size = parse_size(text)
    except HubError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None
    if size < 1:
        raise argparse.ArgumentTypeError(f"wanted a size such as 2GB, but {text!r} was given")
    return size
