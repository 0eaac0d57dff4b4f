"""A folder or a repository to tensors and a plan: by the notes of `hub.save`, or by somebody else's config.json."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from numzoo.hub.errors import LoadError, UsageError
from numzoo.hub.foreign.places import Folder, Place
from numzoo.hub.loading.card import Card, card_of_notes
from numzoo.hub.loading.plan import Plan
from numzoo.hub.loading.reading import over_base, plan_from_notes
from numzoo.hub.registry.names import Registry

if TYPE_CHECKING:
    import numpy as np

    from numzoo.hub.download.fetch import Fetch
    from numzoo.hub.foreign.translation import Translation

    Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]

__all__ = ["CONFIG", "place_arrays", "place_card", "place_of", "translation_of"]

CONFIG = "config.json"


def place_of(given: str | os.PathLike[str], path: Path | None, fetch: Fetch) -> Place | None:
    """The repository (``hf:OWNER/REPO``) or the folder that `given` means; None for a name or a single file.

    The index of a sharded checkpoint means the folder it lies in, and the files that it lists there.
    """
    if isinstance(given, str) and given.startswith("hf:"):
        from numzoo.hub.foreign.repository import open_repository

        return open_repository(given, fetch)
    if path is not None and path.name.endswith(".index.json") and path.is_file():
        return Folder(path.parent, index=path.name)
    return Folder(path) if path is not None and path.is_dir() else None


def place_arrays(
    place: Place, model: str | Any | None, known: Registry, fetch: Fetch, *, stored: bool = False
) -> tuple[Arrays, Plan]:
    """Every tensor of the place under its files' names, and the plan of what they belong to."""
    from numzoo.hub.foreign import weights

    chosen = weights.choose(place)
    plan = Plan(place.name, _source(place, chosen.files), "")
    # What has to be fetched is asked for last: a configuration that is refused costs no download of its weights.
    said = translation_of(place) if model is None and place.verified else None
    with contextlib.ExitStack() as stack:
        opened: dict[str, tuple[BinaryIO, str]] = {}
        if len(chosen.files) == 1 and said is None:
            # Its notes and its tensors come through one descriptor: another file in its place must not mix with it.
            stream, _ = opened[chosen.files[0]] = place.open(chosen.files[0])
            stack.callback(stream.close)
            plan_from_notes(stream, plan)
            stream.seek(0)
        if not plan.model and model is None:
            said = said or translation_of(place)
            if said is None:
                raise UsageError(
                    f"{place.name} has no {CONFIG} that would say which model its tensors belong to. Give model=, as in "
                    f"hub.load({place.name!r}, model='resnet50'), or 'vision.models.resnet50', or a model already built."
                )
            plan.model, plan.config, plan.stored, plan.keys = said.model, said.config, said.config, said.keys
        arrays, digests = weights.read(place, chosen, checksums=not place.verified, opened=opened, stored=stored)
    plan.sha256 = ", ".join(digests)
    if said is not None:
        _check_layers(plan, len(arrays))
    if plan.base[0]:
        arrays = over_base(arrays, plan, known, fetch)
    return arrays, plan


def place_card(place: Place) -> Card:
    """What the place says of its use: the task, the names of the classes, the preprocessing."""
    from numzoo.hub.checkpoint import read_metadata
    from numzoo.hub.foreign import weights

    if CONFIG not in place:
        chosen = weights.choose(place)
        if len(chosen.files) == 1:
            stream, _ = place.open(chosen.files[0])
            with stream:
                return card_of_notes(read_metadata(stream).notes, who=place.label(chosen.files[0]))
    said = translation_of(place)
    return Card() if said is None else Card(said.task, said.categories, said.transform, said.pipeline, said.model)


def translation_of(place: Place) -> Translation | None:
    """What the place's config.json means here; None where it has none. Raises what `translate` raises."""
    from numzoo.hub.foreign.translation import EXTRAS, translate

    if CONFIG not in place:
        return None
    config = place.read_json(CONFIG)
    extras = {name: place.json_or_none(name) for name in EXTRAS}
    return translate(config, extras, who=place.label(CONFIG))


def _check_layers(plan: Plan, tensors: int) -> None:
    """Refuse more layers than the files have tensors before they are built: each would take time and memory."""
    for name in ("depths", "depth", "num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_decoder_layers"):
        given = plan.config.get(name, 0)
        layers = sum(given) if isinstance(given, list) else given
        if layers > tensors:
            raise LoadError(
                f"{plan.source} does not fit its {CONFIG}, which describes {layers:g} layers ({name}): it holds only {tensors} tensors."
            )


def _source(place: Place, files: tuple[str, ...]) -> str:
    return place.label(files[0]) if len(files) == 1 else f"{place.name} ({len(files)} files)"
