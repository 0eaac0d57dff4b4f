"""The command line in process, on a registry of the test's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import pytest

from numzoo.hub.checkpoint import write_safetensors
from numzoo.hub.cli.main import main
from numzoo.vision import models


class Ended(NamedTuple):
    """How a command ended: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def numzoo(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run one command: `numzoo("ls", "--json")`."""

    def run(*arguments: object) -> Ended:
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A manifest with one small network, one photograph, and entries that cannot be had."""
    generator = np.random.default_rng(3)
    state = models.lenet().state_dict()
    arrays = {
        name: np.asarray(np.abs(generator.normal(size=tensor.shape) * 0.1)).astype(tensor.dtype)
        for name, tensor in state.items()
    }
    write_safetensors(tmp_path / "lenet.safetensors", arrays)
    pixels = generator.integers(0, 256, (30, 40), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "noise.png")

    def file(name: str, format: str) -> dict[str, Any]:
        body = (tmp_path / name).read_bytes()
        digest = hashlib.sha256(body).hexdigest()
        return {"name": name, "sha256": digest, "bytes": len(body), "format": format, "sources": [f"file:{name}"]}

    entry = {
        "model": "vision.models.lenet",
        "config": {"classes": 10},
        "task": "image-classification",
        "files": [file("lenet.safetensors", "safetensors")],
        "transform": {
            "preset": "vision.transforms.classification",
            "resize": 28,
            "crop": 28,
            "mean": [0.5],
            "std": [0.5],
        },
        "categories": "mnist",
        "parameters": 194494,
        "license": "Apache-2.0",
        "source": "https://example.org/lenet",
    }
    far = {**entry["files"][0], "sources": ["https://192.0.2.1/x.safetensors"], "sha256": "0" * 64}
    half = {"sha256_prefix": "0" * 8, "format": "safetensors", "sources": ["file:lenet.safetensors"], "name": "half.st"}
    gone = {**far, "sources": ["file:gone.safetensors"]}
    lie = {**far, "sources": ["file:lenet.safetensors"]}
    document = {
        "schema": 1,
        "defaults": {"lenet": "here"},
        "models": {
            "lenet.here": entry,
            "lenet.far": {**entry, "files": [far]},
            "lenet.half": {**entry, "files": [half]},
            "lenet.gone": {**entry, "files": [gone]},
            "lenet.lie": {**entry, "files": [lie]},
        },
        "samples": {
            "noise": {"files": [file("noise.png", "png")], "license": "CC0-1.0", "source": "https://example.org/"}
        },
    }
    (tmp_path / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    return tmp_path / "manifest.json"
