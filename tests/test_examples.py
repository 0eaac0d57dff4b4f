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
