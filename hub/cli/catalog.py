"""``numzoo catalog``: a web site of what the registry holds."""

from __future__ import annotations

import argparse
from typing import Any

from numzoo.hub.cli.console import Console

__all__ = ["add"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    catalog = commands.add_parser(
        "catalog",
        parents=[shared],
        help="write a web site of the registry: search, model cards, plots",
        description="Write a static web site of all models, data sets and samples to OUT_DIR: a list with search and filters, accuracy "
        "against size and against speed, and a page for each with licence, results, preprocessing, files and code to copy. It needs no "
        "server and loads nothing from elsewhere. An older catalogue in OUT_DIR is replaced; any other folder that is not empty is refused.",
    )
    catalog.add_argument("folder", metavar="OUT_DIR", help="where the site goes")
    catalog.add_argument("--title", default="numzoo", help="what the site is called (default: numzoo)")
    catalog.add_argument("--dry-run", action="store_true", help="only say what would be written")
    catalog.set_defaults(run=_catalog)


def _catalog(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.catalog.items import items_of
    from numzoo.hub.catalog.writing import write_catalog
    from numzoo.hub.registry.names import open_registry

    registry = open_registry(options.registry)
    if options.dry_run:
        count = len(items_of(registry))
        console.line(f"would write {options.folder}/index.html and {count} pages")
        console.document({"folder": options.folder, "pages": count, "dry_run": True})
        return 0
    index = write_catalog(registry, options.folder, title=options.title)
    console.line(str(index))
    console.document({"index": str(index), "pages": len(items_of(registry))})
    return 0
