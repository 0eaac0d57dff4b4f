"""A record is checked when it is made: a digest becomes a path, a size becomes a limit."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from numzoo.hub.errors import HubError, UsageError
from numzoo.hub.registry.record import Chunks, FileRecord, check_sha256

_GOOD = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "../" + _GOOD,
        _GOOD[:-1],
        _GOOD + "0",
        _GOOD.upper(),
        _GOOD[:-1] + "g",
        _GOOD + "\n",
        "٣" * 64,
        None,
        5,
        b"0" * 64,
    ],
)
def test_what_is_not_a_sha256_is_refused(digest: Any) -> None:
    with pytest.raises(UsageError, match="64 lower-case hex digits"):
        check_sha256(digest)
    if digest is not None:
        with pytest.raises(UsageError):
            FileRecord(digest, bytes=3)
    with pytest.raises(UsageError):
        Chunks(10, (digest,))


@pytest.mark.parametrize(
    "fields",
    [
        {"sha256": None},
        {"sha256": None, "bytes": 5},
        {"sha256": None, "sha256_prefix": "0123456", "bytes": 5},
        {"sha256": None, "sha256_prefix": "", "bytes": 5},
        {"sha256": None, "sha256_prefix": "0123456G", "bytes": 5},
        {"sha256": _GOOD, "sha256_prefix": "f" * 8},
        {"sha256": _GOOD, "bytes": -1},
        {"sha256": _GOOD, "bytes": True},
        {"sha256": _GOOD, "bytes": 1.5},
        {"sha256": _GOOD, "bytes": 21, "chunks": Chunks(10, (_GOOD, _GOOD))},
    ],
)
def test_a_contradictory_record_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        FileRecord(**fields)


@pytest.mark.parametrize("size", [0, -1, True, 2.0, "4"])
def test_a_chunk_has_a_positive_size(size: Any) -> None:
    with pytest.raises(UsageError):
        Chunks(size, ())


def test_a_file_is_called_by_its_name_or_else_by_its_digest() -> None:
    assert FileRecord(_GOOD, name="weights.pth").label == "weights.pth"
    assert FileRecord(_GOOD).label == "sha256:0123456789ab"
    assert FileRecord(None, "01234567", 3).label == "sha256:01234567"


def test_every_error_is_a_standard_kind_with_an_exit_code() -> None:
    from numzoo.hub import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HubError)]
    assert len(kinds) == 13
    for kind in kinds:
        assert str(kind("A whole sentence.")) == "A whole sentence."
        if kind is not HubError:
            assert issubclass(kind, (ValueError, LookupError, OSError, ImportError))
            assert kind.exit_code in range(2, 10)


def test_the_store_is_light_to_import() -> None:
    modules = "numzoo.hub.errors, numzoo.hub.registry.record, numzoo.hub.store.cache, numzoo.hub.download.obtain, numzoo.hub.registry.trust"
    heavy = "requests urllib3 subprocess hashlib ssl http.client tarfile zipfile importlib.metadata"
    code = f"import sys, {modules}; print([name for name in {heavy.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_environment(), check=True)
    assert done.stdout.strip() == "[]"


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
