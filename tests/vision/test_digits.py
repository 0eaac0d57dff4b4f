"""The small digits: what is read, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy
import pytest

from numzoo.vision import datasets, errors

ROWS = b"".join(b",".join(str((place + row) % 17).encode() for place in range(64)) + b",%d\n" % row for row in range(3))


@pytest.mark.parametrize(("name", "content"), [("digits.csv.gz", gzip.compress(ROWS)), ("digits.csv", ROWS)])
def test_digits_are_read_packed_or_not(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    digits = datasets.Digits(tmp_path)
    assert (digits.images.shape, digits.images.dtype, digits.labels.tolist()) == ((3, 8, 8), numpy.uint8, [0, 1, 2])
    image, label = digits[1]
    assert (image.size, image.mode, label) == ((8, 8), "L", 1)
    assert (image.getpixel((7, 1)), image.getpixel((0, 0))) == (255, 15)
    assert datasets.Digits(fetch=lambda asked: tmp_path / asked.removeprefix("data:digits/")
                           .replace("digits.csv.gz", name))[-1][1] == 2  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1,2,3\n", "64 numbers up to 16"),
        (ROWS.replace(b"16", b"17"), "64 numbers up to 16"),
        (ROWS[:-6], "not a table of whole numbers|64 numbers"),
        (b"<html>", "not a table of whole numbers"),
        (b"", "64 numbers"),
        (gzip.compress(ROWS)[:-9], "damaged inside its gzip"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "digits.csv.gz").write_bytes(content)
    with pytest.raises(errors.DatasetError, match=said):
        datasets.Digits(tmp_path)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(errors.MissingDatasetError, match=r"there is no digits\.csv\.gz"):
        datasets.Digits(tmp_path)
    with pytest.raises(ValueError, match="split is 'train'"):
        datasets.Digits(tmp_path, "train")
