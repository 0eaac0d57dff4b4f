"""The examples: short, and one of them run for real, on clothes that are digits' noise."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_is_short_and_compiles(file: Path) -> None:
    text = file.read_text("utf-8")
    compile(text, str(file), "exec")
    assert len(text.splitlines()) <= 90


def test_fashion_mnist_trains_from_a_folder_and_goes_on(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for split, count in (("train", 256), ("t10k", 64)):
        labels = generator.integers(0, 10, count, dtype=np.uint8)
        images = np.asarray(labels[:, None, None] * 25 + generator.integers(0, 20, (count, 28, 28))).astype(np.uint8)
        for name, array in ((f"{split}-images-idx3-ubyte", images), (f"{split}-labels-idx1-ubyte", labels)):
            (tmp_path / name).write_bytes(
                struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
            )
    for again in (False, True):
        done = subprocess.run(
            [sys.executable, ROOT / "examples" / "train_fashion_mnist.py", "--folder", tmp_path, "--epochs", "2", "--out", tmp_path / "run"],
            capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / ".dev")},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert ("epoch 2/2" in done.stderr) != again
        assert "'val_accuracy'" in done.stdout
    assert len((tmp_path / "run" / "log.csv").read_text().splitlines()) == 3


def test_words_are_told_apart_by_their_waveforms(tmp_path: Path) -> None:
    """On tones in the folders of Speech Commands: rising, falling and steady ones in noise."""
    pytest.importorskip("soundfile", reason="sounds are read with the audio extra")
    from numzoo import hub
    from numzoo.audio import write_audio

    generator, held_out = np.random.default_rng(0), []
    time = np.arange(8000) / 8000
    for word, slope in (("down", -400), ("on", 0), ("up", 400)):
        for number in range(24):
            turns = 2 * np.pi * (generator.uniform(600, 900) * time + slope * time**2 / 2)
            sound = 0.3 * np.sin(turns + generator.uniform(0, 6)) + generator.normal(0, 0.01, 8000)
            name = f"{word}/{number:08x}_nohash_0.wav"
            (tmp_path / "words" / word).mkdir(parents=True, exist_ok=True)
            write_audio(sound[None].astype(np.float32), tmp_path / "words" / name, 8000)
            held_out += [name] * (number >= 18)
    (tmp_path / "words" / "validation_list.txt").write_text("\n".join(held_out) + "\n")
    (tmp_path / "words" / "testing_list.txt").write_text("")
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "keyword_spotting.py", "--folder", tmp_path / "words", "--epochs", "15", "--out", tmp_path / "run"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / ".dev")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split("accuracy ")[1].split(",")[0]) > 0.8
    model = hub.load(tmp_path / "run" / "model.safetensors")
    assert model(np.zeros((1, 8000), np.float32)).shape == (1, 3)
