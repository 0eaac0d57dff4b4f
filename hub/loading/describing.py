"""`describe`: all that is known about a name, a repository, a folder or a file, as plain JSON values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numzoo.hub.download.fetch import Fetch
from numzoo.hub.errors import HubError
from numzoo.hub.foreign.places import Place
from numzoo.hub.loading.load import as_path
from numzoo.hub.loading.places import place_card, place_of, translation_of
from numzoo.hub.registry.choice import Registries
from numzoo.hub.registry.names import open_registry

__all__ = ["describe"]


def describe(
    name: str | os.PathLike[str],
    *,
    trust_first_use: bool = False,
    offline: bool | None = None,
    registry: Registries = None,
) -> dict[str, Any]:
    """What is known about a model, a sample or a data set: files, sizes, digests, figures, preprocessing, licence.

    Of a repository ("hf:OWNER/REPO"), a folder or a file it says what a load would build of it and read for it; `refused` is the
    sentence with which a load would refuse it.
    """
    known = open_registry(registry, offline=offline)
    if isinstance(name, str) and name.partition(":")[0] in ("sample", "data"):
        return known.describe(name)
    path = as_path(name, known)
    place = place_of(name, path, Fetch(offline, trust_first_use))
    if place is not None:
        return _of_place(place)
    return known.describe(os.fspath(name)) if path is None else _of_file(path)


def _of_place(place: Place) -> dict[str, Any]:
    from numzoo.hub.foreign.repository import Repository

    described: dict[str, Any] = {"name": place.name}
    if isinstance(place, Repository):
        described |= {"commit": place.commit, "license": place.license, "source": place.page}
        files = [place.record(each, lock=False) for each in place.wanted()]
        described["files"] = [
            {"name": file.name, "sha256": file.sha256, "bytes": file.bytes, "sources": list(file.sources)}
            for file in files
        ]
        sizes = [file.bytes or 0 for file in files]
    else:
        folder = Path(place.name)
        described["files"] = [{"name": each, "bytes": (folder / each).stat().st_size} for each in place.names()]
        sizes = [each["bytes"] for each in described["files"]]
    described["bytes"] = sum(sizes)
    try:
        said = translation_of(place)
        card = place_card(place)
    except HubError as error:
        return {**described, "refused": str(error)}
    if said is not None:
        described |= {"library": said.library, "family": said.family, "model": said.model, "config": dict(said.config)}
    return described | _card(card)


def _of_file(path: Path) -> dict[str, Any]:
    from numzoo.hub.checkpoint import read_metadata
    from numzoo.hub.loading.card import card_of_notes
    from numzoo.hub.loading.reading import MODEL_KEY

    found = read_metadata(path)
    elements = sum(_elements(tensor.shape) for tensor in found.tensors)
    described: dict[str, Any] = {
        "name": str(path),
        "format": found.format,
        "bytes": path.stat().st_size,
        "tensors": len(found.tensors),
        "elements": elements,
        "model": found.notes.get(MODEL_KEY),
    }
    return described | _card(card_of_notes(found.notes, who=str(path)))


def _card(card: Any) -> dict[str, Any]:
    transform = None if card.transform is None else dict(card.transform)
    return {"task": card.task, "transform": transform, "categories": list(card.categories)}


def _elements(shape: tuple[int, ...]) -> int:
    import math

    return math.prod(shape)
