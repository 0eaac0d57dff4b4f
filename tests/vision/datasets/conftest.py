"""The shipped recipes, on small stand-ins: the same loaders, splits and ways to unpack, other bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SHIPPED = json.loads((ROOT / "weights_manifest.json").read_bytes())["data"]


@pytest.fixture(autouse=True)
def _store_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NUMZOO_ACCEPT_LICENSE", "LicenseRef-noncommercial LicenseRef-research-only LicenseRef-ImageNet")


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[[str, dict[str, bytes]], Path]:
    """A manifest whose only data set is the shipped one of that name, with the given files in place of the real ones."""

    def make(name: str, files: dict[str, bytes]) -> Path:
        entry = json.loads(json.dumps(SHIPPED[name]))
        kept: list[dict[str, Any]] = []
        for file in entry["files"]:
            if file["name"] not in files:
                continue
            body = files[file["name"]]
            (tmp_path / file["name"]).write_bytes(body)
            kept.append(
                {key: value for key, value in file.items() if key in ("name", "format", "unpack")}
                | {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body), "sources": [f"file:{file['name']}"]}
            )
        assert {file["name"] for file in kept} == set(files)
        entry["files"] = kept
        splits = {split: [each for each in names if each in files] for split, names in entry.get("splits", {}).items()}
        entry["splits"] = {split: names for split, names in splits.items() if names}
        path = tmp_path / "manifest.json"
        path.write_text(json.dumps({"schema": 1, "models": {}, "data": {name: entry}}))
        return path

    return make
