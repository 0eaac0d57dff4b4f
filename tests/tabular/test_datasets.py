"""Tables, each on a small stand-in in its real layout: what is read, and what is refused."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest
from changed_data import read_changed
from whole_way import Members, loaded_through_the_hub, unpacked

from numzoo.tabular import datasets, errors


def iris() -> dict[str, Members]:
    return {"iris.csv": {"iris.csv": b"3,4,setosa,versicolor,virginica\n5.1,3.5,1.4,0.2,0\n6,3,4,1,1\n7,3,6,2.5,2\n"}}


def wine() -> dict[str, Members]:
    return {"wine_data.csv": {"wine_data.csv": b"1,13,class_0,class_1,class_2\n" + b"1.5," * 13 + b"2\n"}}


def cancer() -> dict[str, Members]:
    return {"breast_cancer.csv": {"breast_cancer.csv": b"2,30,malignant,benign\n" + (b"0.25," * 30 + b"1\n") * 2}}


def diabetes() -> dict[str, Members]:
    rows = gzip.compress(b"59 2 32.1 101.0 157 93.2 38.0 4.0 4.8598 87\n48 1 21.6 87.0 183 103.2 70.0 3.0 3.8918 69\n")
    targets = gzip.compress(b"1.510000000000000000e+02\n7.5e+01\n")
    files = datasets.Diabetes.files
    return {files[0]: {files[0]: rows}, files[1]: {files[1]: targets}}


CASES: dict[str, tuple[type[Any], Any, int, tuple[int, int, float, Any]]] = {  # count, (row, column, number, target)
    "iris": (datasets.Iris, iris, 3, (2, 3, 2.5, 2)),
    "wine": (datasets.Wine, wine, 1, (0, 12, 1.5, 2)),
    "breast-cancer": (datasets.BreastCancer, cancer, 2, (1, 29, 0.25, 1)),
    "diabetes": (datasets.Diabetes, diabetes, 2, (0, 0, 59.0, 151.0)),
}


def check(table: Any, case: str) -> None:
    _, _, count, (place, column, number, target) = CASES[case]
    assert (len(table), table.features.shape, table.features.dtype) == (
        count,
        (count, len(table.columns)),
        numpy.float32,
    )
    row, found = table[place]
    assert (row[column], found, type(found)) == (number, target, type(target))
    assert [target for _, target in table] == table.targets.tolist()


@pytest.mark.parametrize("case", CASES)
def test_a_table_is_read_from_its_folder(case: str, tmp_path: Path) -> None:
    kind, make, *_ = CASES[case]
    table = kind(unpacked(tmp_path, make()))
    check(table, case)
    check(pickle.loads(pickle.dumps(table)), case)


@pytest.mark.parametrize("case", CASES)
def test_a_table_goes_the_whole_way_from_a_server(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, make, *_ = CASES[case]
    files = {name: {name: gzip.decompress(body) if name.endswith(".gz") else body} for name, members in make().items()
             for body in members.values()}  # fmt: skip
    check(loaded_through_the_hub(f"tabular.datasets.{kind.__name__}", files, "all", tmp_path, monkeypatch), case)


def test_classes_and_transforms(tmp_path: Path) -> None:
    table = datasets.Iris(unpacked(tmp_path, iris()), transform=lambda row: float(row.sum()))
    assert table.labels.tolist() == [0, 1, 2]
    assert table[1] == (14.0, 1)
    with pytest.raises(AttributeError, match="no classes"):
        _ = datasets.Diabetes(unpacked(tmp_path, diabetes())).labels


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"3,4,setosa,versicolor,virginica\n5,3,1,0,0\n", "1 rows of 3; it is truncated"),
        (b"1,4,setosa,versicolor,virginica\n5,3,1,0,7\n", "class that is none of 0 to 2"),
        (b"1,4,setosa,versicolor,virginica\n5,3,1,0,0.5\n", "class that is none of 0 to 2"),
        (b"1,4,setosa,versicolor,virginica\n5,3,1\n", "line 2 of iris.csv has 3 fields of 5"),
        (b"1,4,setosa,versicolor,virginica\n5,3,1,0,a\n", "line 2 of iris.csv is not of numbers"),
        (b"1,4,setosa,versicolor,virginica\n", "not one row"),
        (b"<!DOCTYPE html>", "begins with '<!DOCTYPE html>'"),
        (b"", "begins with ''"),
        (b"\xff\xfe", "not a table of numbers"),
        (gzip.compress(b"1,4,setosa,versicolor,virginica\n" * 99)[:-9], "damaged inside its gzip"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "iris.csv").write_bytes(content)
    with pytest.raises(errors.DatasetError, match=said):
        datasets.Iris(tmp_path)


@pytest.mark.parametrize("case", CASES)
def test_changed_files_end_in_rows_or_the_packages_own_errors(case: str, tmp_path: Path) -> None:
    kind, make, *_ = CASES[case]
    assert read_changed(kind, make(), tmp_path, errors.DatasetError, rounds=60, seed=1) > 0


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(errors.MissingDatasetError, match=r"does not hold iris\.csv"):
        datasets.Iris(tmp_path)
    with pytest.raises(errors.MissingDatasetError, match="there is no such folder"):
        datasets.Iris(tmp_path / "none")
    with pytest.raises(ValueError, match="split is 'train'"):
        datasets.Iris(tmp_path, "train")
    table = datasets.Iris(unpacked(tmp_path, iris()))
    with pytest.raises(IndexError, match="no row 3 among 3"):
        table[3]
    with pytest.raises(TypeError, match="str but must be a whole number"):
        table["a"]  # type: ignore[index]


def test_a_table_trains_a_classifier_through_the_engines_loader(tmp_path: Path) -> None:
    from numzoo.engine.data import DataLoader

    (features, labels), *_ = DataLoader(datasets.Iris(unpacked(tmp_path, iris())), batch_size=3)
    assert features.shape == (3, 4)
    assert numpy.asarray(labels.numpy()).tolist() == [0, 1, 2]
