"""Tables and arrays in files and frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo.engine import data
from numzoo.engine.errors import ArgumentError, EngineError

IRIS = "length,width,species\n5.1,3.5,setosa\n\n7,3.2,versicolor\n6.3, 2.5 ,setosa\n"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


class TestCSV:
    def test_numbers_become_features_and_names_classes(self, tmp_path: Path) -> None:
        table = data.CSVDataset(written(tmp_path, IRIS), target="species")
        assert table.columns == ("length", "width")
        assert table.classes == ("setosa", "versicolor")
        assert table.features.dtype == np.float32
        assert table.features.tolist() == np.float32([[5.1, 3.5], [7, 3.2], [6.3, 2.5]]).tolist()
        assert table.targets.tolist() == [0, 1, 0]
        features, targets = next(iter(data.DataLoader(table, 2)))
        assert (features.shape, features.dtype, targets.dtype) == ((2, 2), np.float32, np.int64)
        assert [t.shape for t in table.tensors()] == [(3, 2), (3,)]

    @pytest.mark.parametrize(
        ("text", "settings", "features", "targets", "dtype"),
        [
            ("a,b\n1,2\n3,4\n", {"target": "b"}, [[1], [3]], [2, 4], np.int64),
            ("a,b\n1,2\n3,4.5\n", {"target": "b"}, [[1], [3]], [2, 4.5], np.float32),
            ("a;b\n1;2\n", {"delimiter": ";"}, [[1, 2]], None, None),
            ("1,2\n3,4\n", {"header": False, "target": -1}, [[1], [3]], [2, 4], np.int64),
            ("a,b,c\n1,x,3\n", {"columns": ["c", 0]}, [[3, 1]], None, None),
            ("\ufeffa,b\r\n1,2\r\n", {"columns": ["a"]}, [[1]], None, None),
            ('a,"b, c"\n1,"2"\n', {"columns": ["b, c"]}, [[2]], None, None),
            ("a,b\n1e3,-0\n", {}, [[1000, 0]], None, None),
            ("a,b\n1,7\n1,8\n", {"target": "b", "classes": ["8", "7"]}, [[1], [1]], [1, 0], np.int64),
        ],
    )
    def test_tables_of_many_kinds_are_read(
        self, text: str, settings: Any, features: Any, targets: Any, dtype: Any, tmp_path: Path
    ) -> None:
        table = data.CSVDataset(written(tmp_path, text), **settings)
        assert table.features.tolist() == features
        if targets is None:
            assert table.targets is None
            assert table[0].tolist() == features[0]
        else:
            assert table.targets.tolist() == targets
            assert table.targets.dtype == dtype

    def test_a_transform_is_given_the_features(self, tmp_path: Path) -> None:
        table = data.CSVDataset(written(tmp_path, IRIS), "species", transform=lambda row: row * 2)
        assert table[1][0].tolist() == np.float32([14, 6.4]).tolist()

    @pytest.mark.parametrize(
        ("text", "settings", "said"),
        [
            (IRIS, {}, r"line 2, column 'species': 'setosa' is no number; leave the column out"),
            ("a,b\n1,2\n3\n", {}, "line 3: 1 values, but the table has 2 columns"),
            ("a,b\n1,2\n\n\n3,\n", {}, "line 5, column 'b': the value is missing"),
            ("a,b\n1,2\n3,x\n", {}, "line 3, column 'b': 'x' is no number"),
            ("a,b\n1,nan\n", {}, "line 2, column 'b': 'nan' is no finite number"),
            ("a,b\n1,-inf\n", {}, "no finite number"),
            ("a,b\n1,1e999\n", {}, "line 2"),
            ("a,b\n1,1e39\n", {}, "too large for float32"),
            ("a,b\n1,1_000\n", {}, "'1_000' is no number"),
            ('a,b\n"1\n",2\n3,x\n', {}, "line 4, column 'b'"),
            ("a,b\n1,2\n", {"target": "c"}, "no column 'c'; the table has 'a', 'b'"),
            ("a,b\n1,2\n", {"target": 2}, "no column 2"),
            ("a,b\n1,2\n", {"columns": ["a", "a"]}, "used twice"),
            ("a,b\n1,2\n", {"columns": ["a"], "target": "a"}, "target is among"),
            ("a\n1\n", {"target": "a"}, "no column is left"),
            ("a,a\n1,2\n", {}, "several columns are called 'a'"),
            ("a,b\n1,x\n2,\n", {"target": "b"}, "line 3, column 'b': the value is missing"),
            ("a,b\n1,x\n", {"target": "b", "classes": ["y"]}, "line 2, column 'b': 'x' is none of the classes 'y'"),
            ("", {}, "has no rows"),
            ("a,b\n", {}, "no rows below its header"),
            (b"a,b\n1,\xff\n", {}, "cannot be read as utf-8"),
            (b"a\n1\n", {"encoding": "no-such"}, "cannot be read as no-such"),
            ('a,b\n1,"2\n', {}, "line 2"),
        ],
    )
    def test_tables_that_break_the_rules_are_refused_by_line(
        self, text: Any, settings: Any, said: str, tmp_path: Path
    ) -> None:
        with pytest.raises(data.DataError, match=said) as caught:
            data.CSVDataset(written(tmp_path, text), **settings)
        assert "table.csv" in str(caught.value)
        assert isinstance(caught.value, ValueError)

    def test_missing_files_and_senseless_arguments_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(data.MissingDataError, match="no file") as caught:
            data.CSVDataset(tmp_path / "none.csv")
        assert isinstance(caught.value, FileNotFoundError)
        with pytest.raises(data.DataError, match="cannot be read"):
            data.CSVDataset(tmp_path)
        path = written(tmp_path, IRIS)
        for settings in ({"delimiter": ";;"}, {"columns": "ab"}, {"transform": 3}, {"classes": "ab", "target": 2}):
            with pytest.raises(ArgumentError):
                data.CSVDataset(path, **{"columns": [0], **settings})


class TestFrames:
    def test_a_frame_is_read_by_columns(self) -> None:
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame(
            {"a": [1, 2], "b": [0.5, 1.5], "t": [True, False], "kind": ["x", "y"]}, index=["first", "second"]
        )
        table = data.FrameDataset(frame, target="kind")
        assert table.columns == ("a", "b", "t")
        assert table.features.tolist() == [[1, 0.5, 1], [2, 1.5, 0]]
        assert (table.targets.tolist(), table.classes) == ([0, 1], ("x", "y"))
        assert data.FrameDataset(frame, "a", ["b"]).targets.tolist() == [1, 2]
        with pytest.raises(data.DataError, match=r"row 'first', column 'kind': 'x' is no number"):
            data.FrameDataset(frame)
        frame.loc["second", "b"] = None
        with pytest.raises(data.DataError, match=r"row 'second', column 'b': nan is no finite number"):
            data.FrameDataset(frame, target="kind")
        with pytest.raises(data.DataError, match="no rows"):
            data.FrameDataset(frame.iloc[:0])

    def test_anything_with_columns_serves(self) -> None:
        class Frame:
            columns = ("a", "b")

            def __len__(self) -> int:
                return 2

            def __getitem__(self, name: str) -> Any:
                return self

            def to_numpy(self) -> Any:
                return np.array([1, 2])

        assert data.FrameDataset(Frame(), "b").features.tolist() == [[1.0], [2.0]]
        with pytest.raises(ArgumentError, match="wants a data frame, not a list"):
            data.FrameDataset([1])


class TestNumpyFolders:
    def test_files_side_by_side_are_items(self, tmp_path: Path) -> None:
        np.save(tmp_path / "b.npy", np.arange(3))
        np.savez(tmp_path / "a.npz", x=np.zeros(2), y=np.int64(4))
        (tmp_path / "notes.txt").write_text("x")
        (tmp_path / ".hidden.npy").write_text("x")
        folder = data.NumpyFolder(tmp_path)
        assert len(folder) == 2
        assert sorted(folder[0]) == ["x", "y"]
        assert folder[-1].tolist() == [0, 1, 2]
        assert folder[1].flags.writeable

    @pytest.mark.parametrize("mapped", [False, True])
    def test_subfolders_are_classes(self, mapped: bool, tmp_path: Path) -> None:
        for place, name in enumerate(["dog/1", "cat/2", "cat/deep/1"]):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            np.save(tmp_path / f"{name}.npy", np.full((2, 2), place))
        folder = data.NumpyFolder(tmp_path, mapped=mapped, transform=lambda a: a[0])
        assert folder.classes == ("cat", "dog")
        assert folder.labels.tolist() == [0, 0, 1]
        images, labels = next(iter(data.DataLoader(folder, 3)))
        assert images.tolist() == [[1, 1], [2, 2], [0, 0]]
        assert labels.tolist() == [0, 0, 1]

    def test_files_that_are_no_arrays_are_refused_by_name(self, tmp_path: Path) -> None:
        whole = tmp_path / "whole.npy"
        np.save(whole, np.arange(100))
        np.savez_compressed(tmp_path / "pack.npz", x=np.arange(1000))
        np.save(tmp_path / "object.npy", np.array([{"a": 1}]), allow_pickle=True)
        broken = {
            "cut.npy": whole.read_bytes()[:-8],
            "empty.npy": b"",
            "text.npy": b"hello",
            "cut.npz": (tmp_path / "pack.npz").read_bytes()[:-30],
            "header.npy": whole.read_bytes()[:20],
            "object.npy": (tmp_path / "object.npy").read_bytes(),
        }
        for name, content in broken.items():
            (tmp_path / name).write_bytes(content)
            for mapped in (False, True):
                with pytest.raises(data.DataError, match=rf"{name}.* cannot be read"):
                    data.read_arrays(tmp_path / name, mapped=mapped)
        with pytest.raises(data.MissingDataError):
            data.read_arrays(tmp_path / "none.npy")

    def test_folders_without_a_layout_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(data.MissingDataError, match="does not exist"):
            data.NumpyFolder(tmp_path / "none")
        with pytest.raises(data.DataError, match="holds no"):
            data.NumpyFolder(tmp_path)
        (tmp_path / "cat").mkdir()
        with pytest.raises(data.DataError, match=r"no \.npy or \.npz file in 'cat'"):
            data.NumpyFolder(tmp_path)
        np.save(tmp_path / "cat" / "1.npy", np.zeros(1))
        np.save(tmp_path / "1.npy", np.zeros(1))
        with pytest.raises(EngineError, match="one layout"):
            data.NumpyFolder(tmp_path)


def test_every_public_name_is_there_and_documented() -> None:
    for name in data.__all__:
        assert getattr(data, name).__doc__, name


def test_the_examples_in_the_docstrings_hold() -> None:
    import doctest
    import importlib

    for name in ("", ".collate", ".sample", ".sharding"):
        result = doctest.testmod(importlib.import_module(f"numzoo.engine.data{name}"))
        assert result.attempted
        assert not result.failed
