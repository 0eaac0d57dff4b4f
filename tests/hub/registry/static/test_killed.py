"""A publisher that is killed at any moment leaves the old registry or the new one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.registry.static.layout import POINTER
from numzoo.hub.registry.static.opening import open_static

PUBLISHER = """
import sys
from numzoo.hub.registry.static.layout import Folder
from numzoo.hub.registry.static.publishing import publish, put_entry
from numzoo.hub.registry.static.signing import PrivateKey

root, key, made = sys.argv[1:]
folder, keys = Folder(root), [PrivateKey.read(key)]
print("ready", flush=True)
for number in range(100000):
    with open(made, "wb") as file:
        file.write(f"{root}{number}".encode() * 20000)
    added = folder.add(made)
    chunks = {"chunks": {"size": added.chunks.size, "sha256": list(added.chunks.sha256)}} if added.chunks else {}
    record = {"sha256": added.sha256, "bytes": added.bytes, "format": "bytes", "sources": ["blob:w"], **chunks}
    entry = {"model": "vision.models.lenet", "task": "x", "files": [record], "license": "MIT", "source": "https://x"}
    publish(folder, lambda document: put_entry(document, "models", "acme/net.v1", entry, replace=True), keys=keys)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX")
def test_a_killed_publisher_leaves_a_whole_registry(zoo: Any, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4] / ".dev")}
    versions = [1]
    for pause in (0.0, 0.011, 0.033, None):  # None: as soon as something was published
        command = [sys.executable, "-c", PUBLISHER, str(zoo.root), str(tmp_path / "key"), str(tmp_path / "made")]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        before = zoo.folder.pointer()
        deadline = time.monotonic() + 20
        while pause is None and zoo.folder.pointer() == before and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(pause or 0.0)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        opened = open_static(zoo.settings(), offline=True)
        (file,) = opened.manifest.entry("acme/net.v1").files
        assert zoo.folder.has(str(file.sha256), file.bytes)
        versions.append(opened.pointer.statement.version)
        (zoo.root / f".{POINTER}.changing").unlink(missing_ok=True)
    assert versions == sorted(versions)
    assert versions[-1] > 1
