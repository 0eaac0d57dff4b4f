"""The data sets of the manifest that ships: each can be had or says how, is loaded by what is there, and invents nothing."""

from __future__ import annotations

import re

import pytest

from numzoo import hub
from numzoo.hub.loading.resolve import resolve
from numzoo.hub.registry.names import shipped_registry

REGISTRY = shipped_registry()
NAMES = REGISTRY.manifest.data
UNPACKED = re.compile(r".*\.(zip|tar|tar\.gz|tgz|tar\.bz2|xz)")


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_is_sound(name: str) -> None:
    resource = REGISTRY.resource(f"data:{name}")
    assert resource.description
    for file in resource.files:
        assert file.sources or resource.manual
        assert file.sha256 is None or file.md5 is None, "the weak digest beside the strong one says nothing"
    if resource.loader is not None:
        assert callable(resolve(resource.loader, "datasets"))
    if resource.splits:
        assert {each for names in resource.splits.values() for each in names} <= {file.name for file in resource.files}


@pytest.mark.parametrize("name", NAMES)
def test_archives_are_unpacked(name: str) -> None:
    for file in REGISTRY.resource(f"data:{name}").files:
        if UNPACKED.fullmatch(file.name):
            assert file.unpack is not None, file.name


def test_data_sets_are_listed_by_name_and_by_task() -> None:
    assert hub.list_data("cifar*") == ["cifar10", "cifar100"]
    assert hub.list_data() == sorted(NAMES)
    assert {"voc2012", "coco2017"} <= set(hub.list_data(task="object-detection"))
    assert "cifar10" not in hub.list_data(task="object-detection")


def test_no_digest_stands_for_two_files() -> None:
    files = [file for name in NAMES for file in REGISTRY.resource(f"data:{name}").files]
    known = [file.sha256 or file.md5 for file in files if file.checkable]
    assert len(known) == len(set(known))
