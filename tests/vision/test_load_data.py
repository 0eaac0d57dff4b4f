"""`hub.load_data`: from a name to a data set's loader, on files that a file source gives."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import hub
from numzoo.hub.errors import NotFoundError, UsageError
from numzoo.vision.datasets import MNIST


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest with an MNIST of three images, and one without a loader."""
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "home"))
    pixels = np.arange(3 * 784, dtype=np.uint8).reshape(3, 28, 28)
    files = {
        "t10k-images-idx3-ubyte": struct.pack(">4I", 0x803, 3, 28, 28) + pixels.tobytes(),
        "t10k-labels-idx1-ubyte": struct.pack(">2I", 0x801, 3) + bytes([7, 2, 1]),
    }
    records = []
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)
        digest = hashlib.sha256(body).hexdigest()
        records.append(
            {"name": name, "sha256": digest, "bytes": len(body), "format": "idx", "sources": [f"file:{name}"]}
        )
    about = {"license": "MIT", "source": "https://example.org/", "files": records}
    data = {
        "mnist": {
            **about,
            "loader": "vision.datasets.MNIST",
            "splits": {"test": list(files)},
            "config": {"split": "test"},
        },
        "bare": about,
        "odd": {**about, "loader": "vision.datasets.Mnist"},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": 1, "models": {}, "data": data}))
    return tmp_path / "manifest.json"


def test_a_name_becomes_a_data_set_with_its_settings(registry: Path) -> None:
    for split in (None, "test"):
        digits = hub.load_data("mnist", split, registry=registry, transform=np.asarray)
        assert isinstance(digits, MNIST)
        assert digits.labels.tolist() == [7, 2, 1]
        assert digits[1][0].shape == (28, 28)


@pytest.mark.parametrize(
    ("name", "split", "settings", "error", "message"),
    [
        ("mnist", "train", {}, NotFoundError, "no split 'train'; it has test"),
        ("mnist", None, {"size": 3}, UsageError, "does not take these settings.*size"),
        ("bare", None, {}, UsageError, "no loader here; hub.pull_data"),
        ("odd", None, {}, NotFoundError, "Did you mean MNIST"),
        ("mnst", None, {}, NotFoundError, "Did you mean data:mnist"),
    ],
)
def test_what_cannot_be_loaded_says_why(
    registry: Path, name: str, split: str | None, settings: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        hub.load_data(name, split, registry=registry, **settings)
