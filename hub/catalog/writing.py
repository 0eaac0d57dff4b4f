"""Writing the catalogue: a whole site beside the old one, and then in its place."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from numzoo.hub.catalog.items import items_of
from numzoo.hub.catalog.pages import index_page, item_page
from numzoo.hub.errors import UsageError
from numzoo.hub.registry.names import Registry
from numzoo.hub.store.cache import storage

__all__ = ["write_catalog"]

_HERE = Path(__file__).parent
_DATA = "catalog.json"
_SCHEMA = "numzoo-catalog-1"


def write_catalog(registry: Registry, folder: str | os.PathLike[str], *, title: str = "numzoo") -> Path:
    """Write the site of `registry` to `folder`, in place of an older one; gives the path of its first page.

    ``catalog.json`` holds the same as data. Raises UsageError where `folder` is something else than an empty folder or a
    catalogue of ours, and StorageError; what was there stays whole until the new one is.
    """
    folder = Path(folder)
    _check(folder)
    items = items_of(registry)
    speed: dict[str, Any] = json.loads((_HERE / "speed.json").read_bytes())
    fresh = folder.with_name(f".{folder.name}.{os.urandom(4).hex()}")
    old = folder.with_name(f".{folder.name}.{os.urandom(4).hex()}")
    with storage(f"write the catalogue {folder}", elsewhere=True):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            _fill(fresh, items, speed, title)
            if folder.exists():
                folder.rename(old)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
    return folder / "index.html"


def _fill(folder: Path, items: list[dict[str, Any]], speed: dict[str, Any], title: str) -> None:
    (folder / "pages").mkdir(parents=True)
    shutil.copytree(_HERE / "site", folder / "site")
    (folder / "index.html").write_text(index_page(items, speed, title=title), encoding="utf-8")
    for item in items:
        (folder / item["page"]).write_text(item_page(item, title=title), encoding="utf-8")
    document = {"schema": _SCHEMA, "title": title, "speed": speed, "items": items}
    (folder / _DATA).write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")


def _check(folder: Path) -> None:
    if not folder.name:
        raise UsageError(f"A catalogue is written to a folder of its own, but {str(folder)!r} was given.")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        ours = json.loads((folder / _DATA).read_bytes()).get("schema") == _SCHEMA
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:
        raise UsageError(
            f"{folder} is there and no catalogue of numzoo's, so it is left alone. Give a folder that is not there yet."
        )
