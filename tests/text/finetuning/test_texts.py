"""Texts in folders and tables: found, put aside, and refused by name and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numzoo.text.errors import DatasetError
from numzoo.text.finetuning import find_texts
from numzoo.text.finetuning.tables import read_table

ROWS = 'text,label\n"a cat, small",pet\n"a\ndog",pet\n"say ""hi""",word\nso,word\n'


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, body in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(body if isinstance(body, bytes) else body.encode())
    return root


PLACES: dict[str, tuple[dict[str, str | bytes], str]] = {
    "a CSV file": ({"t.csv": ROWS}, "t.csv"),
    "one with a mark at its beginning": ({"t.csv": "\ufeff" + ROWS}, "t.csv"),
    "a TSV file": ({"t.tsv": 'label\tSentence\npet\ta cat, small\npet\ta "dog\nword\tsay\nword\tso\n'}, "t.tsv"),
    "JSON lines": ({"t.jsonl": "\n".join(f'{{"text": "{n}", "label": {n % 2}}}' for n in range(4)) + "\n"}, "t.jsonl"),
    "class folders": ({f"{name}/{n}.txt": f"{name} {n}" for name in ("pet", "word") for n in range(2)}, ""),
    "a train folder": ({f"train/{name}/{n}.txt": f"{name} {n}" for name in ("pet", "word") for n in range(2)}, ""),
    "two folders": ({f"{part}/{name}/1.txt": f"{name} {part}" for part in ("train", "val") for name in ("pet", "word")}, ""),
    "two tables": ({"train.csv": "text,label\na,x\nb,y\n", "test.jsonl": '{"text": "c", "label": "x"}\n'}, ""),
    "one table in a folder": ({"train.csv": ROWS}, ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", PLACES)
def test_texts_are_found(kind: str, tmp_path: Path) -> None:
    files, name = PLACES[kind]
    texts = find_texts(write(tmp_path, files) / name)
    assert len(texts.classes) == 2
    assert len(texts.train) == 2
    assert 1 <= len(texts.validation) <= 2
    assert (
        texts.digest()
        == find_texts(tmp_path / name).digest()
        != find_texts(tmp_path / name, seed=5, val_fraction=0.5).digest()
        or len(files) > 1
    )


def test_fields_keep_what_stands_in_quotes(tmp_path: Path) -> None:
    rows = read_table(write(tmp_path, {"t.csv": ROWS}) / "t.csv")
    assert rows == [("a cat, small", "pet"), ("a\ndog", "pet"), ('say "hi"', "word"), ("so", "word")]
    long = "x" * 1_000_000
    assert read_table(write(tmp_path, {"t.csv": f"text,label\n{long},a\n"}) / "t.csv") == [(long, "a")]


def test_columns_are_named_or_known(tmp_path: Path) -> None:
    path = write(tmp_path, {"t.csv": "id,review,stars,text\n1,good,5,x\n"}) / "t.csv"
    assert read_table(path, "review", "stars") == [("good", "5")]
    with pytest.raises(DatasetError, match=r"no column called label.*'stars'.*say which with --label-column"):
        read_table(path)
    with pytest.raises(DatasetError, match="no column 'rating'; it has 'id', 'review'"):
        read_table(path, "review", "rating")


def test_a_text_in_both_parts_is_told(tmp_path: Path) -> None:
    texts = find_texts(write(tmp_path, {"train.csv": "text,label\na,x\nb,y\n", "val.csv": "text,label\na,x\nc,y\n"}))
    assert "1 of the texts to check with" in texts.notes()[-1]
    assert texts.validation == (("a", 0), ("c", 1))


def folders(**classes: str | bytes) -> dict[str, str | bytes]:
    return {f"{name}/{number}.txt": body for name, body in classes.items() for number in range(2)}


REFUSED: dict[str, tuple[dict[str, str | bytes], str, str]] = {
    "nothing there": ({}, "nowhere", "does not exist"),
    "a folder of nothing": ({}, "", "must hold a subfolder for each class, with a text a file"),
    "another kind of file": ({"t.xlsx": "PK"}, "t.xlsx", "no table by its name; wanted .csv"),
    "an empty table": ({"t.csv": ""}, "t.csv", "holds no text"),
    "a table without rows": ({"t.csv": "text,label\n"}, "t.csv", "holds no rows"),
    "bytes that are no text": ({"t.csv": b"text,label\ncaf\xe9,a\n"}, "t.csv", "no UTF-8 text: byte 14"),
    "a row too short": ({"t.csv": "text,label\na,b\nc\n"}, "t.csv", "line 3: 1 fields, where the first line names 2"),
    "a quote that does not end": ({"t.csv": 'text,label\n"a,b\n'}, "t.csv", "line 2: unexpected end of data"),
    "an empty text": ({"t.csv": "text,label\na,b\n ,c\n"}, "t.csv", "line 3: there is no text in the column 'text'"),
    "no class": ({"t.csv": "text,label\na,\n"}, "t.csv", "line 2: there is no class"),
    "a column twice": ({"t.csv": "text,text\na,b\n"}, "t.csv", "two columns are called 'text'"),
    "no JSON": ({"t.jsonl": '{"text": "a", "label": "b"}\n{"text"\n'}, "t.jsonl", "line 2 is no JSON"),
    "no object": ({"t.jsonl": "[1]\n"}, "t.jsonl", "line 1 is no JSON object"),
    "a class that is a list": ({"t.jsonl": '{"text": "a", "label": [1]}\n'}, "t.jsonl", "line 1: there is no class"),
    "a single class": ({"t.csv": "text,label\na,b\nc,b\n"}, "t.csv", "a single class, 'b'"),
    "a lone text": ({"t.csv": "text,label\na,b\nc,b\nd,e\n"}, "t.csv", "the class 'e' has one text"),
    "a class to steer a terminal": ({"t.csv": "text,label\na,b\nc,\x1b[2J\n"}, "t.csv", "control characters"),
    "an empty folder of a class": ({**folders(a="x"), "b/x.pdf": "PDF"}, "", "holds no text; fill or remove the folder"),
    "a file that is no text": (folders(a="x", b=b"\xff"), "", "b/0.txt is no UTF-8 text"),
    "an empty file": (folders(a="x", b=" \n"), "", "b/0.txt holds no text"),
    "a class of one part": (
        {"train/a/1.txt": "x", "train/b/1.txt": "x", "val/c/1.txt": "x"}, "", "the class 'c' is only among the texts to check with",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_set_of_texts_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    files, name, words = REFUSED[kind]
    with pytest.raises(DatasetError, match=words.replace("(", r"\(").replace("[", r"\[")):
        find_texts(write(tmp_path, files) / name)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bytes], Path]:
    folder = tmp_path_factory.mktemp("tables")
    return lambda suffix, body: write(folder, {f"t{suffix}": body}) / f"t{suffix}"


@settings(max_examples=120, deadline=None, derandomize=True)
@given(body=st.binary(max_size=80), suffix=st.sampled_from([".csv", ".tsv", ".jsonl"]))
def test_any_bytes_are_a_table_or_refused_as_none(
    table: Callable[[str, bytes], Path], body: bytes, suffix: str
) -> None:
    for start in (b"", b"text,label\n", b"text\tlabel\n", b'{"text": "a", "label": "b"}\n'):
        try:
            rows = read_table(table(suffix, start + body))
        except DatasetError:
            continue
        assert all(text.strip() and name for text, name in rows)
