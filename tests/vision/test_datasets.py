"""IDX files, MNIST and folders of images: what is read, and what is refused."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from numzoo.vision import datasets, errors, transforms
from numzoo.vision.datasets.idx import TYPES
from numzoo.vision.datasets.mnist import FILES


def idx(array: Any) -> bytes:
    """The IDX file of an array."""
    array = numpy.asarray(array)
    code = {dtype: code for code, dtype in TYPES.items()}[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def digits(folder: Path, count: int = 7, split: str = "train", **changed: Any) -> Path:
    """An MNIST of `count` digits in `folder`: image i is filled with i, label i is i % 10."""
    images = numpy.repeat(numpy.arange(count, dtype=numpy.uint8), 784).reshape(count, 28, 28)
    labels = numpy.arange(count, dtype=numpy.uint8) % 10
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in zip(FILES[split], (changed.get("images", images), changed.get("labels", labels)), strict=True):
        (folder / name).write_bytes(idx(content))
    return folder


class TestIdx:
    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(data=st.data())
    def test_every_type_and_shape_is_read_as_written(self, data: st.DataObject, tmp_path_factory: Any) -> None:
        dtype = numpy.dtype(data.draw(st.sampled_from(list(TYPES.values()))))
        shapes = arrays.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=4)
        array = data.draw(arrays.arrays(dtype, shapes))
        path = tmp_path_factory.mktemp("idx") / "a"
        for content in (idx(array), gzip.compress(idx(array))):
            path.write_bytes(content)
            read = datasets.read_idx(path)
            assert read.dtype == dtype
            assert read.dtype.isnative
            assert read.flags.writeable
            assert read.tobytes() == array.tobytes()
            assert read.shape == array.shape

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "not an IDX file"),
            (b"\0\0\x08", "not an IDX file"),
            (b"<html>", "3c 68 74 6d"),
            (b"\0\1\x08\1\0\0\0\0", "not an IDX file"),
            (b"\0\0\x0a\1\0\0\0\0", "not an IDX file"),
            (b"\0\0\x08\0", "not an IDX file"),
            (b"\0\0\x08\3\0\0\0\1", "ends within its header"),
            (b"\0\0\x08\1\0\0\0\5abcd", r"promises uint8 \(5,\), 5 bytes of elements, but holds 4"),
            (b"\0\0\x08\1\0\0\0\5abcdef", "but holds (6|more)"),
            (b"\0\0\x0d\1\0\0\0\2abcdefg", "8 bytes of elements, but holds 7"),
            (b"\0\0\x0e\4" + b"\xff" * 16, "more than is read here"),
            (b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"a", "32 dimensions"),
        ],
    )
    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
    def test_a_file_that_breaks_its_word_is_refused(self, content: bytes, said: str, pack: Any, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(pack(content))
        with pytest.raises(errors.DatasetError, match=said) as caught:
            datasets.read_idx(path)
        assert isinstance(caught.value, ValueError)
        assert caught.value.exit_code == 5

    def test_a_damaged_gzip_is_refused(self, tmp_path: Path) -> None:
        packed = bytearray(gzip.compress(idx(numpy.arange(5000, dtype=numpy.int32))))
        path = tmp_path / "a.gz"
        for content in (packed[:-20], packed[:40], packed[:3], packed[:-8] + bytes(8)):
            path.write_bytes(content)
            with pytest.raises(errors.DatasetError, match="gzip"):
                datasets.read_idx(path)

    def test_a_small_packed_file_cannot_promise_memory_away(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gz"
        path.write_bytes(gzip.compress(b"\0\0\x08\1" + struct.pack(">I", 2**32 - 1) + b"few"))
        with pytest.raises(errors.DatasetError, match="but holds 3"):
            datasets.read_idx(path)

    def test_what_is_no_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(errors.MissingDatasetError) as caught:
            datasets.read_idx(tmp_path / "nothing")
        assert isinstance(caught.value, FileNotFoundError)
        assert caught.value.exit_code == 3
        with pytest.raises(errors.DatasetError, match="folder"):
            datasets.read_idx(tmp_path)


class TestMNIST:
    def test_images_and_labels_are_read(self, tmp_path: Path) -> None:
        digits(tmp_path, 12)
        digits(tmp_path, 5, "test")
        train, test = datasets.MNIST(tmp_path), datasets.MNIST(tmp_path, "test")
        assert (len(train), len(test)) == (12, 5)
        assert train.images.dtype == numpy.uint8
        assert train.images[:, 3, 4].tolist() == list(range(12))
        assert train.labels.tolist() == [*range(10), 0, 1]
        assert train.labels.dtype == numpy.int64

    def test_an_item_is_an_image_and_a_digit(self, tmp_path: Path) -> None:
        train = datasets.MNIST(digits(tmp_path), transform=None)
        image, label = train[3]
        assert (image.mode, image.size, image.getpixel((0, 0)), label) == ("L", (28, 28), 3, 3)
        assert train[-1][1] == train[numpy.int64(6)][1] == 6
        assert [label for _, label in train] == list(range(7))

    def test_the_transform_is_given_the_image(self, tmp_path: Path) -> None:
        preset = transforms.classification(resize=32, crop=32, mean=[0.0], std=[1.0])
        image, _ = datasets.MNIST(digits(tmp_path), transform=preset)[5]
        assert image.shape == (1, 32, 32)
        assert numpy.allclose(image, 5 / 255)

    @pytest.mark.parametrize("place", ["", "raw", "MNIST/raw"])
    @pytest.mark.parametrize("spelling", ["{}", "{}.gz"])
    def test_the_usual_places_and_packings_are_found(self, place: str, spelling: str, tmp_path: Path) -> None:
        digits(tmp_path / place)
        for name in FILES["train"]:
            path = tmp_path / place / name
            content = path.read_bytes()
            path.unlink()
            path.with_name(spelling.format(name)).write_bytes(gzip.compress(content) if "gz" in spelling else content)
        assert len(datasets.MNIST(tmp_path)) == 7

    def test_files_are_fetched_by_their_names_in_the_hub(self, tmp_path: Path) -> None:
        digits(tmp_path, 4, "test")
        asked = []

        def fetch(name: str) -> Path:
            asked.append(name)
            return tmp_path / name.rpartition("/")[2]

        assert len(datasets.MNIST(split="test", fetch=fetch)) == 4
        assert asked == ["data:mnist/t10k-images-idx3-ubyte", "data:mnist/t10k-labels-idx1-ubyte"]

    def test_clothes_are_read_like_digits(self, tmp_path: Path) -> None:
        digits(tmp_path / "FashionMNIST" / "raw", 12)
        clothes = datasets.FashionMNIST(tmp_path)
        assert (len(clothes), clothes.classes[clothes[9][1]], len(clothes.classes)) == (12, "Ankle boot", 10)
        assert repr(clothes).startswith("FashionMNIST(split='train', 12 images")
        asked = []

        def fetch(name: str) -> Path:
            asked.append(name)
            return tmp_path / "FashionMNIST" / "raw" / name.rpartition("/")[2].removesuffix(".gz")

        datasets.FashionMNIST(fetch=fetch)
        assert asked == [
            "data:fashion-mnist/train-images-idx3-ubyte.gz",
            "data:fashion-mnist/train-labels-idx1-ubyte.gz",
        ]
        with pytest.raises(errors.MissingDatasetError, match=r"FashionMNIST was looked for in .*t10k"):
            datasets.FashionMNIST(tmp_path, "test")

    def test_without_a_folder_the_hub_is_asked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import numzoo.hub

        digits(tmp_path)
        monkeypatch.setattr(
            numzoo.hub, "pull_data", lambda name: {name: tmp_path / name.rpartition("/")[2]}, raising=False
        )
        assert len(datasets.MNIST()) == 7

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            (
                {"images": numpy.zeros((7, 28, 27), numpy.uint8)},
                r"uint8 \(7, 28, 27\) but must hold uint8 \(n, 28, 28\)",
            ),
            ({"images": numpy.zeros((7, 28, 28), numpy.float32)}, "float32"),
            ({"labels": numpy.zeros((7, 1), numpy.uint8)}, r"must hold uint8 \(n,\)"),
            ({"labels": numpy.zeros(6, numpy.uint8)}, "7 images but .* 6 labels"),
            ({"labels": numpy.full(7, 10, numpy.uint8)}, "label 10"),
        ],
    )
    def test_files_that_do_not_fit_are_refused(self, changed: Any, said: str, tmp_path: Path) -> None:
        digits(tmp_path, **changed)
        with pytest.raises(errors.DatasetError, match=said):
            datasets.MNIST(tmp_path)

    def test_missing_files_and_folders_are_told_apart(self, tmp_path: Path) -> None:
        with pytest.raises(errors.MissingDatasetError, match="does not hold train-images"):
            datasets.MNIST(tmp_path)
        with pytest.raises(errors.MissingDatasetError, match="no such folder"):
            datasets.MNIST(tmp_path / "nowhere")

    def test_senseless_arguments_and_indices_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="'train', 'test'"):
            datasets.MNIST(tmp_path, "valid")
        with pytest.raises(ValueError, match="both given"):
            datasets.MNIST(tmp_path, fetch=str)
        train = datasets.MNIST(digits(tmp_path))
        with pytest.raises(IndexError, match="no image 7 among 7"):
            train[7]
        with pytest.raises(IndexError):
            train[-8]
        with pytest.raises(TypeError, match="slice"):
            train[0:2]  # type: ignore[index]

    @pytest.mark.network
    def test_the_real_one_is_classified_by_its_nearest_centroids(self) -> None:
        from numzoo.hub.errors import NetworkError

        try:
            train, test = datasets.MNIST(), datasets.MNIST(split="test")
        except NetworkError as error:
            pytest.skip(f"MNIST cannot be fetched: {error}")
        assert (train.images.shape, test.images.shape) == ((60000, 28, 28), (10000, 28, 28))
        centroids = numpy.stack([train.images[train.labels == digit].reshape(-1, 784).mean(0) for digit in range(10)])
        images = test.images.reshape(-1, 784).astype(numpy.float64)
        scores = images @ centroids.T - (centroids**2).sum(1) / 2  # largest where the distance is smallest
        assert round(float((scores.argmax(1) == test.labels).mean()), 4) == 0.8203


class TestImageFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Two classes: cat with three images (one deeper, one in capitals), dog with one; and things to pass over."""
        for name, colour in (("cat/2.png", 20), ("cat/10.PNG", 10), ("cat/more/1.jpg", 30), ("dog/1.bmp", 40)):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.new("L", (4, 3), colour).save(tmp_path / name)
        for name in ("cat/notes.txt", "cat/.hidden.png", "list.csv", ".git/a.png"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("x")
        return tmp_path

    def test_classes_and_samples_are_sorted(self, folder: Path) -> None:
        dataset = datasets.ImageFolder(folder)
        assert dataset.classes == ("cat", "dog")
        assert dataset.class_index == {"cat": 0, "dog": 1}
        assert [path.relative_to(folder).as_posix() for path, _ in dataset.samples] == [
            "cat/10.PNG",
            "cat/2.png",
            "cat/more/1.jpg",
            "dog/1.bmp",
        ]
        assert dataset.labels.tolist() == [0, 0, 0, 1]
        assert len(dataset) == 4
        dataset.check()

    def test_an_item_is_an_image_and_a_class(self, folder: Path) -> None:
        dataset = datasets.ImageFolder(folder)
        assert [(image.mode, image.getpixel((1, 1)), label) for image, label in dataset] == [
            ("RGB", (10, 10, 10), 0),
            ("RGB", (20, 20, 20), 0),
            ("RGB", (30, 30, 30), 0),
            ("RGB", (40, 40, 40), 1),
        ]
        grey = datasets.ImageFolder(folder, mode="L", transform=transforms.ToArray())
        assert grey[-1][0].shape == (1, 3, 4)
        with pytest.raises(IndexError, match="no image 4 among 4"):
            dataset[4]

    def test_an_unreadable_image_is_named(self, folder: Path) -> None:
        (folder / "cat" / "broken.jpg").write_text("not found")
        dataset = datasets.ImageFolder(folder)
        with pytest.raises(errors.ImageError, match=r"broken\.jpg"):
            [dataset[index] for index in range(len(dataset))]
        with pytest.raises(errors.DatasetError, match=r"1 of 5 images.*\n.*broken\.jpg"):
            dataset.check()

    def test_empty_classes_are_named(self, folder: Path) -> None:
        (folder / "ant").mkdir()
        (folder / "bee").mkdir()
        (folder / "bee" / "readme.md").touch()
        with pytest.raises(errors.DatasetError, match=r"'ant', 'bee'.*\.jpg"):
            datasets.ImageFolder(folder)

    def test_a_folder_without_classes_is_refused(self, folder: Path, tmp_path_factory: Any) -> None:
        with pytest.raises(errors.DatasetError, match="only 1 images side by side"):
            datasets.ImageFolder(folder / "cat" / "more")
        with pytest.raises(errors.DatasetError, match="nothing that is one"):
            datasets.ImageFolder(tmp_path_factory.mktemp("empty"))

    def test_a_missing_folder_and_a_file_are_refused(self, folder: Path) -> None:
        with pytest.raises(errors.MissingDatasetError, match="does not exist"):
            datasets.ImageFolder(folder / "bird")
        with pytest.raises(errors.MissingDatasetError, match="is a file"):
            datasets.ImageFolder(folder / "list.csv")

    def test_links_that_lead_in_circles_end(self, folder: Path) -> None:
        (folder / "dog" / "again").symlink_to(folder / "dog", target_is_directory=True)
        assert len(datasets.ImageFolder(folder)) == 4


def test_every_public_name_resolves() -> None:
    for name in datasets.__all__:
        assert getattr(datasets, name).__name__ == name
    with pytest.raises(AttributeError, match="MNIST"):
        _ = datasets.CIFAR  # type: ignore[attr-defined]
