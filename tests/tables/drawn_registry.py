"""A registry of sound models whose weights are drawn at random, beside their manifest: real files, and small."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numzoo import engine
from numzoo.audio import models
from numzoo.hub.checkpoint import write_safetensors

__all__ = ["write_registry"]


def write_registry(folder: Path, drawn: Mapping[str, tuple[str, str, dict[str, Any], dict[str, Any]]]) -> str:
    """The manifest's path; `drawn` gives by name the builder, the task, the builder's settings, and those of the pipeline."""
    engine.manual_seed(0)
    entries = {}
    for name, (builder, task, config, settings) in drawn.items():
        path = folder / f"{name}.safetensors"
        state = getattr(models, builder)(**config).state_dict()
        write_safetensors(path, {key: value.numpy() for key, value in state.items()})
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        file = {"sha256": digest, "format": "safetensors", "sources": [f"file:{path.name}"]}
        entries[f"{name}.test"] = {
            "model": f"audio.models.{builder}", "config": config, "task": task, "files": [file], "license": "MIT",
            "source": "https://example.org", **({"pipeline": settings} if settings else {}),
        }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "models": entries}))
    return str(folder / "manifest.json")
