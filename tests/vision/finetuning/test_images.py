"""Which images are found, how they are divided, and which folders are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.vision.errors import DatasetError, MissingDatasetError
from numzoo.vision.finetuning import find_images


def test_a_share_of_each_class_is_put_aside_by_the_seed(pictures: Callable[..., Path]) -> None:
    folder = pictures("all", {"cat": 10, "dog": 5})
    images = find_images(folder, val_fraction=0.2, seed=1)
    assert images.classes == ("cat", "dog")
    assert images.counts() == [("cat", 8, 2), ("dog", 4, 1)]
    assert not set(images.train) & set(images.validation)
    assert len(set(images.train + images.validation)) == 15
    assert find_images(folder, val_fraction=0.2, seed=1) == images
    assert find_images(folder, val_fraction=0.2, seed=2).validation != images.validation
    assert find_images(folder, val_fraction=0.9, seed=1).counts() == [("cat", 1, 9), ("dog", 1, 4)]


@pytest.mark.parametrize(("train", "validation"), [("train", "val"), ("training", "test"), ("train", "valid")])
def test_folders_to_train_on_and_to_check_with_are_taken_as_they_are(
    train: str, validation: str, pictures: Callable[..., Path]
) -> None:
    pictures(f"set/{train}", {"cat": 3, "dog": 3})
    folder = pictures(f"set/{validation}", {"cat": 2, "dog": 1}).parent
    images = find_images(folder)
    assert images.counts() == [("cat", 3, 2), ("dog", 3, 1)]
    assert images.split == f"{train} and {validation}"


def test_a_place_among_the_images_is_known(pictures: Callable[..., Path]) -> None:
    images = find_images(pictures("all", {"cat": 2, "dog": 2}))
    for inside in ("", "finetuned", "cat", "cat/below", "cat/../new"):
        assert images.would_hold(images.folder / inside)
    for outside in ("..", "../beside", ".hidden"):
        assert not images.would_hold(images.folder / outside)
    pictures("set/train", {"cat": 2, "dog": 2})
    parts = find_images(pictures("set/val", {"cat": 2, "dog": 2}).parent)
    assert parts.would_hold(parts.folder / "train" / "finetuned")
    assert not parts.would_hold(parts.folder / "finetuned")


def test_a_training_folder_alone_is_divided(pictures: Callable[..., Path]) -> None:
    folder = pictures("set/train", {"cat": 5, "dog": 5}).parent
    assert find_images(folder).counts() == [("cat", 4, 1), ("dog", 4, 1)]


def test_the_digest_changes_with_the_images(pictures: Callable[..., Path]) -> None:
    folder = pictures("all", {"cat": 4, "dog": 4})
    before = find_images(folder).digest()
    assert find_images(folder).digest() == before
    (folder / "cat" / "000.png").rename(folder / "cat" / "new.png")
    assert find_images(folder).digest() != before


def test_files_that_are_no_images_are_told(pictures: Callable[..., Path]) -> None:
    folder = pictures("all", {"cat": 2, "dog": 2})
    (folder / "cat" / "notes.txt").write_text("a cat")
    (folder / "cat" / ".hidden").write_text("")
    (folder / "readme.md").write_text("beside the classes")
    assert find_images(folder).passed_over == (folder / "cat" / "notes.txt",)


def broken(folder: Path) -> None:
    (folder / "cat" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")


def emptied(folder: Path) -> None:
    for file in (folder / "dog").iterdir():
        file.unlink()
    (folder / "dog" / "notes.txt").write_text("")


BAD: list[tuple[dict[str, int], Any, type[Exception], str]] = [
    ({}, None, MissingDatasetError, "does not exist"),
    ({"": 0}, None, DatasetError, "has nothing that is one"),
    ({"cat": 3}, None, DatasetError, "single class, 'cat'"),
    ({"cat": 3, "dog": 1}, None, DatasetError, "class 'dog' has one image, '000.png'"),
    ({"cat": 3, "dog": 3}, emptied, DatasetError, "no image in 'dog'"),
    ({"cat": 3, "dog": 3}, broken, DatasetError, r"(?s)1 of 7 images.*bad\.png"),
]


@pytest.mark.parametrize(("classes", "harm", "kind", "message"), BAD)
def test_folders_that_cannot_serve_are_refused(
    classes: dict[str, int], harm: Any, kind: type[Exception], message: str, pictures: Callable[..., Path]
) -> None:
    folder = pictures("all", classes)
    if harm is not None:
        harm(folder)
    with pytest.raises(kind, match=message):
        find_images(folder).check()


@pytest.mark.parametrize("name", ["a\x1b[31m", "two\nlines", "caf\udce9"])
def test_names_that_cannot_be_categories_are_refused_before_training(name: str, pictures: Callable[..., Path]) -> None:
    folder = pictures("all", {"cat": 3, "dog": 3})
    (folder / "dog").rename(folder / name)
    with pytest.raises(DatasetError, match="rename it"):
        find_images(folder)


def test_parts_with_other_classes_are_refused(pictures: Callable[..., Path]) -> None:
    pictures("set/train", {"cat": 3, "dog": 3})
    folder = pictures("set/val", {"cat": 2, "cow": 1}).parent
    with pytest.raises(DatasetError, match=r"class 'cow' is only in .*val"):
        find_images(folder)


def test_a_folder_of_loose_images_is_refused(pictures: Callable[..., Path]) -> None:
    folder = pictures("all", {"cat": 3})
    with pytest.raises(DatasetError, match="only 3 images side by side"):
        find_images(folder / "cat")
