"""From a data set's name to its loader, on verified files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numzoo.hub.errors import UsageError
from numzoo.hub.registry.names import Registry, open_registry

if TYPE_CHECKING:
    from numzoo.hub.download.progress import Progress

__all__ = ["load_data"]


def load_data(
    name: str,
    split: str | None = None,
    *,
    trust_first_use: bool = False,
    offline: bool | None = None,
    registry: Registry | str | os.PathLike[str] | None = None,
    progress: Progress | Literal[False] | None = None,
    **settings: Any,
) -> Any:
    """A data set, ready to index: its files fetched, verified and unpacked, its loader built on them.

    `split` is left to the loader where it is None (mostly "train"). `settings` are the loader's own, such as
    `transform`; its class, `numzoo.vision.datasets.CIFAR10` for example, tells about them and about what an example is.
    What is fetched, and what is raised, is as with `pull_data`; UsageError for a data set without a loader, and for
    settings that its loader does not take.

    >>> from numzoo import hub
    >>> images = hub.load_data("cifar10", split="test")                       # doctest: +SKIP
    >>> image, label = images[0]                                              # doctest: +SKIP
    """
    import inspect

    from numzoo.hub.download.data import data_files, pull_data
    from numzoo.hub.loading.resolve import resolve

    known = open_registry(registry)
    resource, _ = data_files(known, name, split if _can_be_split(known, name) else None)
    if resource.loader is None:
        raise UsageError(f"{resource.name} has no loader here; hub.pull_data({name!r}) gives its files.")
    builder = resolve(resource.loader, "datasets")

    def fetch(file: str) -> Path:
        # The loader asks by the name that the data set has in numzoo's own registry; here it may have another.
        file = f"{resource.name}/{file.rpartition('/')[2]}"
        found = pull_data(file, trust_first_use=trust_first_use, offline=offline, registry=known, progress=progress)
        return next(iter(found.values()))

    given: dict[str, Any] = {**resource.config, **settings, "fetch": fetch}
    if split is not None:
        given["split"] = split
    signature = inspect.signature(builder)
    try:
        signature.bind(**given)
    except TypeError as error:
        raise UsageError(f"{resource.name}: {resource.loader} does not take these settings: {error}.") from None
    # All at once, before the loader asks for one after the other: several may come out of one package.
    usual = getattr(signature.parameters.get("split"), "default", None) or next(
        iter(getattr(builder, "splits", ())), None
    )
    chosen = usual if split is None else split
    if len(resource.files) > 1 and (chosen in resource.splits or not resource.splits):
        pull_data(
            resource.name,
            split=chosen if resource.splits else None,
            trust_first_use=trust_first_use,
            offline=offline,
            registry=known,
            progress=progress,
        )
    return builder(**given)


def _can_be_split(registry: Registry, name: str) -> bool:
    """Whether the manifest says which splits there are; else the loader knows."""
    from numzoo.hub.download.data import data_files

    return bool(data_files(registry, name)[0].splits)
