"""One call that unpacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.registry.record import Unpack
from numzoo.hub.store.archives.limits import Limits
from numzoo.hub.store.archives.trees import NewTree
from numzoo.hub.store.archives.unpacking import unpack

Unpacker = Callable[..., Path]


@pytest.fixture
def unpacked(tmp_path: Path) -> Unpacker:
    """Unpack some bytes below a folder of this test's own, and give it: `unpacked(body, "tar", name=..., to=...)`."""
    counter = iter(range(10_000))

    def run(body: bytes, kind: str, *, name: str = "made", limits: Limits | None = None, **how: Any) -> Path:
        number = next(counter)
        packed, root = tmp_path / f"packed-{number}", tmp_path / f"tree-{number}"
        packed.write_bytes(body)
        scratch = tmp_path / f"scratch-{number}"
        scratch.mkdir()
        with open(packed, "rb") as file:
            unpack(file, Unpack(kind, **how), NewTree(root), name=name, scratch=scratch, limits=limits)
        assert list(scratch.iterdir()) == []
        return root

    return run
