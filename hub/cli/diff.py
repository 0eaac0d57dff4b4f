"""``numzoo diff``: two checkpoints, tensor by tensor. Exit code 10 says that they differ."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from numzoo.hub.cli.console import Console
from numzoo.hub.cli.run import fetch_options, trust_option

if TYPE_CHECKING:
    from numzoo.hub.loading.differing import Difference

__all__ = ["DIFFERENT", "add"]

DIFFERENT = 10
"""The exit code of a comparison that went well and found differences."""


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    diff = commands.add_parser(
        "diff",
        parents=[shared, trust_option()],
        help="compare two checkpoints tensor by tensor",
        description="Compare A with B, each a file of any format, a folder, a model of the registry or hf:OWNER/REPO: what only one of them "
        "has, other shapes, other types, other values with the largest difference. "
        "A tolerance is of the larger of the two numbers. The exit code is 0 if they are equal and 10 if not.",
    )
    diff.add_argument("a", metavar="A", help="a file, a folder, a name, or hf:OWNER/REPO")
    diff.add_argument("b", metavar="B", help="what it is compared with")
    diff.add_argument(
        "--tolerance", type=_tolerance, default=0.0, metavar="T", help="relative difference that counts as equal"
    )
    diff.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="MATCH=TO",
        help="regular expression for a name of A, and how B spells it",
    )
    diff.add_argument("--all", action="store_true", help="list what is equal too")
    diff.set_defaults(run=_diff)


def _diff(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.loading.converting import parse_renames
    from numzoo.hub.loading.differing import compare
    from numzoo.hub.loading.tensors import open_tensors
    from numzoo.hub.registry.names import open_registry

    registry, fetch = open_registry(options.registry), fetch_options(options, console)
    renames = parse_renames(options.rename)
    with open_tensors(options.a, registry, fetch) as a, open_tensors(options.b, registry, fetch) as b:
        found = compare(a, b, tolerance=options.tolerance, renames=renames)
    unequal = [each for each in found if each.kind != "equal"]
    counts: dict[str, int] = {}
    for each in found:
        counts[each.kind] = counts.get(each.kind, 0) + 1
    console.document(
        {
            "a": options.a,
            "b": options.b,
            "tolerance": options.tolerance,
            "equal": not unequal,
            "counts": counts,
            "tensors": [_fields(each) for each in (found if options.all else unequal)],
        }
    )
    for each in found if options.all else unequal:
        console.line(_line(each))
    console.message(", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "no tensors")
    return DIFFERENT if unequal else 0


def _fields(each: Difference) -> dict[str, Any]:
    numbers = {"largest": each.largest, "relative": each.relative, "norm": each.norm}
    # JSON has no infinity: a number that is beyond comparison is said to be None, and its kind says the rest.
    finite = {name: value if value is not None and math.isfinite(value) else None for name, value in numbers.items()}
    return {"name": each.name, "kind": each.kind, "a": each.a or None, "b": each.b or None, **finite}


def _line(each: Difference) -> str:
    if each.kind in ("only in A", "only in B"):
        return f"{each.kind}  {each.name}  {each.a or each.b}"
    if each.kind == "shape":
        return f"shape      {each.name}  {each.a} and {each.b}"
    types = each.a if each.a == each.b else f"{each.a} and {each.b}"
    figures = f"largest {each.largest:.3g}, relative {each.relative:.3g}, norm {each.norm:.3g}"
    return f"{each.kind:<9}  {each.name}  {types}  {figures if each.kind != 'equal' else ''}".rstrip()


def _tolerance(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"wanted a number from 0, but {text!r} was given")
    return number
