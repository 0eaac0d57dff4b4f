"""``numzoo finetune`` from folder to prediction, on a LeNet; every way it can be refused."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from numzoo import hub
from numzoo.hub.checkpoint import read_checkpoint

Run = Callable[..., Any]
PACKAGE_PARENT = Path(__file__).parents[3] / ".dev"


def write(folder: Path, classes: dict[str, int]) -> Path:
    """Pictures of dark and of bright noise."""
    generator = np.random.default_rng(3)
    for place, (name, count) in enumerate(classes.items()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 90, (28, 28), dtype=np.uint8) + np.uint8(80 * place)
            PIL.Image.fromarray(pixels).save(folder / name / f"{number:03}.png")
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write(tmp_path / "photos", {"bright night": 12, "day": 12})


def weights(path: Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in read_checkpoint(path).items()}


def test_a_fine_tuned_model_predicts_with_its_own_categories(numzoo: Run, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (photos / "day" / "notes.txt").write_text("no image")
    ended = numzoo(
        "finetune", "lenet", photos, "--epochs", 8, "--batch", 8, "--lr", 0.01, "--augment", "light", "--out", out
    )
    assert ended.code == 0
    assert "2 classes, 20 images to train on, 4 to check with (20% of each class put aside by seed 0)" in ended.err
    assert "notes.txt" in ended.err
    assert "epoch 8/8: loss" in ended.err
    assert "accuracy 1.0000" in ended.out
    rows = [line.split() for line in ended.out.splitlines()]
    assert ["bright", "night", "2", "1.000", "1.000", "1.000"] in rows
    report = json.loads((out / "report.json").read_text())
    assert (report["accuracy"], report["confusion"], report["classes"]) == (
        1.0,
        [[2, 0], [0, 2]],
        ["bright night", "day"],
    )
    assert (out / "confusion.csv").read_text() == "class,bright night,day\nbright night,2,0\nday,0,2\n"
    assert len((out / "log.csv").read_text().splitlines()) == 9
    for name in ("confusion.png", "history.png"):
        assert (out / name).read_bytes()[:4] == b"\x89PNG"
    image = photos / "day" / "000.png"
    predicted = numzoo("predict", out / "model.safetensors", image, "--json").json["results"][0]["top"]
    assert predicted[0]["label"] == "day"
    assert predicted[0]["probability"] > 0.7
    assert hub.pipeline(out / "model.safetensors")(image)[0][0] == "day"
    assert hub.load(out / "model.safetensors")(np.zeros((1, 1, 28, 28), np.float32)).shape == (1, 2)


def test_a_fine_tuned_model_can_be_fine_tuned_again(numzoo: Run, photos: Path, tmp_path: Path) -> None:
    numzoo("finetune", "lenet", photos, "--epochs", 1, "--out", tmp_path / "a", "--quiet")
    other = write(tmp_path / "other", {"a": 4, "b": 4, "c": 4})
    ended = numzoo(
        "finetune",
        tmp_path / "a" / "model.safetensors",
        other,
        "--epochs",
        1,
        "--out",
        tmp_path / "b",
        "--json",
        "--quiet",
    )
    assert (ended.code, ended.err) == (0, "")
    assert ended.json["classes"] == ["a", "b", "c"]
    assert hub.pipeline(tmp_path / "b" / "model.safetensors").categories == ("a", "b", "c")
    model = tmp_path / "a" / "model.safetensors"
    small = numzoo("finetune", model, other, "--only-changed", "--out", tmp_path / "c")
    assert (small.code, "is a file" in small.err) == (2, True)


@pytest.mark.parametrize(("options", "least", "most"), [
    (["--freeze", "backbone"], 84 * 2 + 2, 84 * 2 + 2),
    (["--freeze", "features.*"], 150_000, 160_000),
    (["--lora", 2], 500, 10_000),
])  # fmt: skip
def test_less_can_be_trained_and_only_that_saved(
    options: list[Any], least: int, most: int, numzoo: Run, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ended = numzoo(
        "finetune", "lenet", photos, "--epochs", 1, *options, "--only-changed", "--out", out, "--json", "--quiet"
    )
    assert ended.code == 0, ended.err
    assert least <= ended.json["trained_parameters"] <= most
    path = out / "model.safetensors"
    assert path.stat().st_size < 780_000 * ended.json["trained_parameters"] / 194_494 + 20_000
    classify = hub.pipeline(path)
    images = [photos / "day" / f"{number:03}.png" for number in range(12)]
    assert len(classify(images)) == 12
    full = numzoo("finetune", "lenet", photos, "--epochs", 1, *options, "--out", tmp_path / "full", "--quiet")
    assert full.code == 0
    np.testing.assert_allclose(
        hub.pipeline(tmp_path / "full" / "model.safetensors").probabilities(images),
        classify.probabilities(images),
        rtol=1e-4,
        atol=1e-6,
    )


def test_a_dry_run_says_what_would_be_done_and_does_nothing(numzoo: Run, photos: Path, tmp_path: Path) -> None:
    ended = numzoo("finetune", "lenet", photos, "--dry-run", "--out", tmp_path / "out", "--json")
    assert ended.code == 0
    assert ended.json["steps"] == 5
    assert ended.json["classes"] == [
        {"class": "bright night", "train": 10, "validation": 2},
        {"class": "day", "train": 10, "validation": 2},
    ]
    assert not (tmp_path / "out").exists()
    assert ["day", "10", "2"] in [
        line.split() for line in numzoo("finetune", "lenet", photos, "--dry-run").out.splitlines()
    ]


def start(photos: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "numzoo",
        "finetune",
        "lenet",
        str(photos),
        "--epochs",
        "60",  # so many that a signal comes in time
        "--batch",
        "8",
        "--out",
        str(out),
        *more,
    ]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT), "NUMZOO_THREADS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)


def test_a_run_that_was_stopped_twice_resumes_to_the_same_weights(photos: Path, tmp_path: Path) -> None:
    out, told = tmp_path / "out", ""
    for number, epoch, code in ((signal.SIGKILL, 3, -9), (signal.SIGINT, 5, 130)):
        with start(photos, out, *(["--resume"] if out.exists() else [])) as stopped:
            assert stopped.stderr is not None
            for line in stopped.stderr:
                if line.startswith(f"epoch {epoch}/"):
                    break
            stopped.send_signal(number)
            told = stopped.stderr.read()
        assert stopped.returncode == code, told
    assert "the same command with --resume goes on" in told
    assert not (out / "model.safetensors").exists()
    for place, more in ((out, ["--resume"]), (tmp_path / "whole", [])):
        with start(photos, place, *more) as finished:
            told = finished.communicate(timeout=120)[1]
        assert finished.returncode == 0, told
        assert ("epoch 4/60" in told) == (not more)
    assert weights(out / "model.safetensors") == weights(tmp_path / "whole" / "model.safetensors")
    assert (out / "report.json").read_text().count('"val_accuracy"') == 60


def test_a_folder_with_a_run_is_neither_overwritten_nor_resumed_otherwise(
    numzoo: Run, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert numzoo("finetune", "lenet", photos, "--epochs", 1, "--out", out, "--resume").code == 3  # nothing to resume
    assert numzoo("finetune", "lenet", photos, "--epochs", 1, "--out", out).code == 0
    again = numzoo("finetune", "lenet", photos, "--epochs", 1, "--out", out)
    assert (again.code, "--resume goes on with it" in again.err) == (2, True)
    other = numzoo("finetune", "lenet", photos, "--epochs", 1, "--lr", 0.5, "--out", out, "--resume")
    assert (other.code, "began with lr 0.001, not 0.5" in other.err) == (2, True)
    (photos / "day" / "000.png").rename(photos / "day" / "x.png")
    changed = numzoo("finetune", "lenet", photos, "--epochs", 1, "--out", out, "--resume")
    assert (changed.code, "no longer those" in changed.err) == (2, True)


def test_float16_is_trained_with_scaled_gradients(numzoo: Run, photos: Path, tmp_path: Path) -> None:
    from numzoo.engine.train import archive

    out = tmp_path / "out"
    assert numzoo("finetune", "lenet", photos, "--epochs", 1, "--precision", "fp16", "--out", out).code == 0
    assert archive.read(out / "checkpoints" / "last.safetensors")["scaler"]["scale"] > 1


def test_results_are_not_written_among_the_classes(numzoo: Run, photos: Path) -> None:
    ended = numzoo("finetune", "lenet", photos, "--out", photos / "finetuned")
    assert (ended.code, "would be taken for one" in ended.err) == (2, True)
    assert not (photos / "finetuned").exists()


def test_what_is_refused_before_training_leaves_the_folder_free(numzoo: Run, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert numzoo("finetune", "lenet", photos, "--epochs", 1, "--freeze", "feature.*", "--out", out).code == 2
    assert numzoo("finetune", "lenet", photos, "--epochs", 1, "--freeze", "features.*", "--out", out).code == 0


@pytest.mark.parametrize(
    ("file", "text"), [("run.json", "{"), ("run.json", "[]"), ("checkpoints/last.safetensors", "{")]
)
def test_a_damaged_run_is_an_integrity_error_that_names_the_file(
    file: str, text: str, numzoo: Run, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert numzoo("finetune", "lenet", photos, "--epochs", 1, "--out", out, "--quiet").code == 0
    (out / file).write_text(text)
    ended = numzoo("finetune", "lenet", photos, "--epochs", 1, "--out", out, "--resume")
    assert (ended.code, f"{out / file} is damaged" in ended.err) == (5, True), ended.err


def test_a_file_in_the_place_of_the_folder_is_refused(numzoo: Run, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = numzoo("finetune", "lenet", photos, "--out", tmp_path / "file")
    assert (ended.code, "is a file; --out names a folder" in ended.err) == (2, True)
    assert numzoo("finetune", "lenet", photos, "--out", tmp_path / "file" / "below").code == 8


def test_without_matplotlib_the_matrix_is_a_table_and_a_line_says_so(
    numzoo: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    ended = numzoo("finetune", "lenet", photos, "--epochs", 1, "--out", tmp_path / "out")
    assert ended.code == 0
    assert 'no pictures: matplotlib is not installed (pip install "numzoo[plot]")' in ended.err
    assert (tmp_path / "out" / "confusion.csv").is_file()
    assert not (tmp_path / "out" / "confusion.png").exists()


def unreadable(folder: Path) -> None:
    (folder / "day" / "000.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")


def emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def single(folder: Path) -> None:
    shutil.rmtree(folder / "day")


def text(folder: Path) -> None:
    (folder / "day" / "000.png").write_text("this is no image")


BAD: list[tuple[list[Any], Any, int, str]] = [
    (["nothing-here"], None, 3, "does not exist"),
    ([], emptied, 5, "must hold a subfolder for each class"),
    ([], single, 5, "single class, 'bright night'"),
    ([], unreadable, 5, "000.png"),
    ([], text, 5, "000.png"),
    (["--lr", "-1"], None, 2, "lr must be a number"),
    (["--epochs", "0"], None, 2, "epochs must be a whole number"),
    (["--val-fraction", "1.5"], None, 2, "val_fraction must be"),
    (["--precision", "bf61"], None, 2, "bf61"),
    (["--augment", "wild"], None, 2, "invalid choice"),
    (["--freeze", "feature.*"], None, 2, "nothing fits 'feature.*'"),
    (["--lora", "4", "--freeze", "backbone"], None, 2, "lora freezes"),
    (["--workers", "-1"], None, 2, "workers must be"),
]


@pytest.mark.parametrize(("options", "harm", "code", "message"), BAD)
def test_what_cannot_be_is_refused_with_its_name(
    options: list[Any], harm: Any, code: int, message: str, numzoo: Run, photos: Path, tmp_path: Path
) -> None:
    if harm is not None:
        harm(photos)
    folder = [] if options and not options[0].startswith("--") else [photos]
    ended = numzoo("finetune", "lenet", *folder, *options, "--out", tmp_path / "out")
    assert (ended.code, message in ended.err) == (code, True), ended.err
    assert "This is a bug" not in ended.err


def test_an_unknown_model_is_refused_with_what_was_meant(numzoo: Run, photos: Path) -> None:
    ended = numzoo("finetune", "lenett", photos)
    assert (ended.code, "Did you mean lenet" in ended.err) == (3, True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EIO])
def test_a_full_disk_is_a_storage_error(
    number: int, numzoo: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    ended = numzoo("finetune", "lenet", photos, "--epochs", 1, "--out", tmp_path / "out")
    assert (ended.code, os.strerror(number) in ended.err) == (8, True)
