"""A tiny registry of a test's own: one small network in a file beside its manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo.hub.checkpoint import write_safetensors
from numzoo.hub.registry.manifest import Manifest
from numzoo.hub.registry.names import Registry
from numzoo.vision import models

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]


@pytest.fixture
def weights() -> Arrays:
    """A state for LeNet with ten classes, drawn from a fixed seed."""
    generator = np.random.default_rng(11)
    state = models.lenet(classes=10).state_dict()
    drawn: Arrays = {}
    for name, tensor in state.items():
        if tensor.dtype == np.int64:
            drawn[name] = np.array(3, dtype=np.int64)
        else:
            values = generator.normal(size=tensor.shape) * 0.1
            drawn[name] = (np.abs(values) + 0.5 if name.endswith("running_var") else values).astype(np.float32)
    return drawn


@pytest.fixture
def entry_of(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Write arrays to a file and make the manifest entry of it: `entry_of(arrays, **other_fields)`."""

    def make(arrays: Arrays, **fields: Any) -> dict[str, Any]:
        path = tmp_path / f"weights-{len(list(tmp_path.glob('weights-*')))}.safetensors"
        write_safetensors(path, arrays)
        body = path.read_bytes()
        file = {
            "sha256": hashlib.sha256(body).hexdigest(),
            "bytes": len(body),
            "format": "safetensors",
            "sources": [f"file:{path.name}"],
        }
        entry = {
            "model": "vision.models.lenet",
            "config": {"classes": 10},
            "task": "image-classification",
            "files": [file],
            "transform": {
                "preset": "vision.transforms.classification",
                "resize": 28,
                "crop": 28,
                "interpolation": "bilinear",
                "antialias": True,
                "mean": [0.5],
                "std": [0.5],
            },
            "categories": "mnist",
            "license": "Apache-2.0",
            "source": "https://example.org/lenet",
        }
        return {**entry, **fields}

    return make


@pytest.fixture
def registry_of(tmp_path: Path) -> Callable[..., Registry]:
    """Write a manifest and open it as numzoo's own: `registry_of({"lenet.test": entry}, **other_sections)`."""

    def make(entries: dict[str, Any], **sections: Any) -> Registry:
        path = tmp_path / "manifest.json"
        path.write_text(json.dumps({"schema": 1, "models": entries, **sections}), encoding="utf-8")
        return Registry(Manifest.read(path, own=True))

    return make


@pytest.fixture
def zoo(weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]) -> Registry:
    """A registry with the single entry ``lenet.test``."""
    return registry_of({"lenet.test": entry_of(weights)})
