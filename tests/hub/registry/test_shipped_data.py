"""The data sets that ship in the manifest and their loaders: they agree on files, splits and classes."""

from __future__ import annotations

from typing import Any

import pytest

from numzoo.hub.loading.resolve import resolve
from numzoo.hub.registry.manifest import Resource
from numzoo.hub.registry.names import default_registry

REGISTRY = default_registry()
LOADED = [
    resource
    for resource in (REGISTRY.resource(f"data:{name}") for name in REGISTRY.manifest.data)
    if resource.loader is not None and not resource.loader.startswith("vision.")
]


def needed(files: Any) -> set[str]:
    """The names of all files that a loader asks for."""
    return {name for names in files.values() for name in names} if isinstance(files, dict) else set(files)


@pytest.mark.parametrize("resource", LOADED, ids=lambda resource: resource.name)
def test_a_loader_and_its_entry_agree(resource: Resource) -> None:
    loader: Any = resolve(str(resource.loader), "datasets")
    assert loader.resource == resource.name
    there = {file.name for file in resource.files}
    assert needed(loader.files) <= there
    assert set(resource.splits) <= set(loader.splits)
    for split, names in resource.splits.items():
        assert set(loader.files[split]) <= set(names)
    assert loader.classes == () or resource.classes in (None, len(loader.classes))
    assert resource.examples == {} or set(resource.examples) <= {*loader.splits, "all"}
    if isinstance(loader.files, dict) and "" not in loader.files:
        assert set(loader.files) == set(loader.splits)


def test_every_public_loader_of_sounds_texts_and_tables_has_an_entry() -> None:
    import importlib

    without = {"AudioDataset", "AudioFolder", "CommonVoice", "TextDataset", "TableDataset"}  # one's own data
    known = {str(resource.loader).rpartition(".")[2] for resource in LOADED}
    for domain in ("audio", "text", "tabular"):
        names = set(importlib.import_module(f"numzoo.{domain}.datasets").__all__)
        assert names - known <= without
