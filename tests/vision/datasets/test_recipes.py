"""Every loader through the whole path: a source, the store, unpacking, reading; then from a folder of one's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_sets import STANDINS

from numzoo import hub
from numzoo.hub.loading.resolve import resolve
from numzoo.vision import datasets

SHIPPED = json.loads((Path(__file__).parents[3] / "weights_manifest.json").read_bytes())["data"]
VISION = [name for name, entry in SHIPPED.items() if entry.get("loader", "").startswith("vision.")]
ELSEWHERE = {"mnist", "digits", "moving-mnist", "coco2014", "coco2017", *(f"voc{year}" for year in range(2007, 2013))}


def test_every_loader_of_the_manifest_is_tested() -> None:
    assert set(VISION) == set(STANDINS) | ELSEWHERE


@pytest.mark.parametrize("name", VISION)
def test_the_manifest_and_the_loader_tell_the_same_splits(name: str) -> None:
    entry = SHIPPED[name]
    known = set(getattr(resolve(entry["loader"], "datasets"), "splits", ("train", "test")))
    listed = set(entry.get("splits", known))
    assert listed & known
    assert set(entry.get("examples", known)) <= known | listed


@pytest.mark.parametrize("name", STANDINS)
def test_a_stand_in_is_fetched_unpacked_and_read(name: str, recipe: Any) -> None:
    files, expected = STANDINS[name]()
    manifest = recipe(name, files)
    for split, settings, labels, greys, size in expected:
        made = hub.load_data(name, split, registry=manifest, **settings)
        assert made.labels.dtype == np.int64
        assert made.labels.tolist() == labels
        assert len(made) == len(labels)
        assert all(0 <= label < len(made.classes) for label in labels if label != -1)
        for place in (0, len(made) - 1):
            image, target = made[place]
            assert image.size == size
            assert abs(int(np.asarray(image)[3, 3].flat[0]) - greys[place]) <= 3
            if name != "celeba":
                assert target == labels[place]
        with pytest.raises(IndexError):
            made[len(made)]
        shown = hub.load_data(name, split, registry=manifest, transform=np.asarray, **settings)[-1][0]
        assert shown.dtype == np.uint8


FLAT = {"imagenet"}  # a folder of one's own is laid out in another way there


@pytest.mark.parametrize("name", [name for name in STANDINS if name not in FLAT])
def test_the_same_is_read_from_a_folder_of_ones_own(name: str, recipe: Any, tmp_path: Path) -> None:
    files, expected = STANDINS[name]()
    own = tmp_path / "own"
    own.mkdir()
    unpacked = {file["name"] for file in SHIPPED[name]["files"] if "unpack" in file}
    for file, path in hub.pull_data(name, registry=recipe(name, files)).items():
        if path.is_dir():
            shutil.copytree(path, own, dirs_exist_ok=True)
        else:
            shutil.copyfile(path, own / (path.name if file in unpacked else file))
    builder = resolve(SHIPPED[name]["loader"], "datasets")
    for split, settings, labels, _, _ in expected:
        assert builder(own, split, **settings).labels.tolist() == labels


def test_imagenets_usual_folders_are_read(tmp_path: Path) -> None:
    from image_sets import picture

    for split in ("train", "val"):
        for wnid in ("n2", "n1"):
            (tmp_path / split / wnid).mkdir(parents=True)
            (tmp_path / split / wnid / "a.JPEG").write_bytes(picture(1))
        made = datasets.ImageNet(tmp_path, split)
        assert (made.wnids, made.labels.tolist()) == (("n1", "n2"), [0, 1])


@pytest.mark.parametrize("name", [name for name in VISION if name not in ("mnist", "fashion-mnist", "digits")])
def test_a_wrong_split_and_a_missing_folder_say_what_to_do(name: str, tmp_path: Path) -> None:
    builder = resolve(SHIPPED[name]["loader"], "datasets")
    with pytest.raises(ValueError, match=r"split is 'nonsense' but must be one of"):
        builder(tmp_path, "nonsense")
    with pytest.raises(FileNotFoundError, match=r"there is no such folder|does not hold"):
        builder(tmp_path / "missing")
    with pytest.raises(ValueError, match="leave one out"):
        builder(tmp_path, fetch=lambda name: name)
