"""Whatever is wrong with a file of a data set, there is one clear error that names the data set or the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_sets import STANDINS, mat

from numzoo import hub
from numzoo.hub.loading.resolve import resolve
from numzoo.vision import datasets
from numzoo.vision.datasets.base import safe_join
from numzoo.vision.errors import DatasetError, ImageError, MissingDatasetError

SHIPPED = json.loads((Path(__file__).parents[3] / "weights_manifest.json").read_bytes())["data"]
LARGE = {"imagenet", "country211", "qmnist", "caltech256"}  # laid out in another way in a folder, or nothing new
WRONG = {
    "empty": b"",
    "not text": b"\xff\xfe\x00garbage\x00" * 3,
    "other text": b"one two three four five six seven eight\n" * 3,
    "JSON of another kind": b'[{"a": 5}]',
}


def own_folder(name: str, recipe: Any, own: Path) -> Path:
    """The stand-in as it would lie in a folder of one's own."""
    files, _ = STANDINS[name]()
    own.mkdir()
    for file, path in hub.pull_data(name, registry=recipe(name, files)).items():
        shutil.copytree(path, own, dirs_exist_ok=True) if path.is_dir() else shutil.copyfile(path, own / file)
    return own


def read_all(builder: Any, own: Path, split: str, settings: dict[str, Any]) -> None:
    made = builder(own, split, **settings)
    assert len(made) == len(made.labels)
    for place in range(min(len(made), 3)):
        made[place]


@pytest.mark.parametrize("name", [name for name in STANDINS if name not in LARGE])
def test_every_list_that_is_gone_or_garbled_is_a_typed_error(name: str, recipe: Any, tmp_path: Path) -> None:
    own = own_folder(name, recipe, tmp_path / "own")
    builder = resolve(SHIPPED[name]["loader"], "datasets")
    split, settings, *_ = STANDINS[name]()[1][0]
    read_all(builder, own, split, settings)
    seen = 0
    for path in sorted(own.rglob("*")):
        if path.is_dir() or (path.suffix.lower() in (".jpg", ".jpeg", ".png", ".ppm") and seen > 3):
            continue
        before = path.read_bytes()
        for body in (None, *WRONG.values(), before[: len(before) // 2]):
            path.unlink() if body is None else path.write_bytes(body)
            try:
                read_all(builder, own, split, settings)
            except (DatasetError, ImageError):
                seen += 1
            path.write_bytes(before)
    assert seen
    read_all(builder, own, split, settings)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "..\\x", "C:x", "", "a\0b"])
def test_a_list_cannot_lead_out_of_the_data_set(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="leads out"):
        safe_join(tmp_path, name, "DTD", tmp_path / "list.txt")


def test_lists_that_lead_out_are_refused_by_their_loaders(tmp_path: Path) -> None:
    (tmp_path / "dtd/images").mkdir(parents=True)
    (tmp_path / "dtd/labels").mkdir()
    (tmp_path / "dtd/labels/train1.txt").write_text("banded/../../../secret.jpg\n")
    with pytest.raises(DatasetError, match=r"train1\.txt.*leads out"):
        datasets.DTD(tmp_path)


def test_a_label_beyond_the_classes_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    (folder / "test_batch.bin").write_bytes(bytes([10]) + bytes(3072))
    with pytest.raises(DatasetError, match=r"test_batch\.bin' holds a label 10, where classes are 0 to 9"):
        datasets.CIFAR10(tmp_path, "test")


def test_an_archive_that_was_not_unpacked_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"x")
    with pytest.raises(MissingDatasetError, match="it does hold the archive"):
        datasets.CIFAR10(tmp_path)


def test_moving_digits_are_mapped_and_checked(tmp_path: Path) -> None:
    frames = np.arange(20 * 3, dtype=np.uint8).reshape(20, 3, 1, 1) * np.ones((1, 1, 64, 64), np.uint8)
    np.save(tmp_path / "mnist_test_seq.npy", frames)
    made = datasets.MovingMNIST(tmp_path)
    assert len(made) == 3
    assert (made[2] == frames[:, 2]).all()
    assert datasets.MovingMNIST(tmp_path, transform=np.mean)[0] == frames[:, 0].mean()
    for wrong in (frames[:5], frames.astype(np.float32), np.array([{}], object)):
        np.save(tmp_path / "mnist_test_seq.npy", wrong, allow_pickle=True)
        with pytest.raises(DatasetError, match=r"mnist_test_seq\.npy"):
            datasets.MovingMNIST(tmp_path)


def test_a_pickle_in_the_place_of_frames_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist_test_seq.npy").write_bytes(b"cos\nsystem\n(S'touch was-run'\ntR.")
    with pytest.raises(DatasetError, match=r"mnist_test_seq\.npy"):
        datasets.MovingMNIST(tmp_path)
    assert not (tmp_path / "was-run").exists()


def test_images_and_labels_of_different_numbers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train_32x32.mat").write_bytes(mat(X=np.zeros((32, 32, 3, 2), np.uint8), y=np.uint8([[1], [2], [3]])))
    with pytest.raises(DatasetError, match=r"2 images but .* 3 labels"):
        datasets.SVHN(tmp_path)


@pytest.mark.parametrize(
    ("make", "settings", "said"),
    [
        (datasets.EMNIST, {"subset": "x"}, "subset is 'x'"),
        (datasets.STL10, {"fold": 10}, "fold is 10"),
        (datasets.STL10, {"fold": 1, "split": "test"}, "fold is 1"),
        (datasets.DTD, {"partition": 0}, "partition is 0"),
        (datasets.FGVCAircraft, {"level": "x"}, "level is 'x'"),
        (datasets.OxfordIIITPet, {"target": "x"}, "target is 'x'"),
        (datasets.VOC, {"year": 2001}, "year is 2001"),
        (datasets.VOC, {"target": "x"}, "target is 'x'"),
        (datasets.COCO, {"year": 2001}, "year is 2001"),
        (datasets.COCO, {"target": "x"}, "target is 'x'"),
    ],
)
def test_a_setting_that_there_is_not_says_what_there_is(make: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make(**settings)
