"""What a person is told, in cases where the first words said something else than what was wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import numzoo as numzoo_package
from numzoo.hub import settings
from numzoo.hub.cli.console import Console
from numzoo.hub.errors import StorageError
from numzoo.hub.store.cache import storage

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        (("show", "lnet"), 3, "There is no model named 'lnet'. Did you mean lenet?"),
        (("convert", "lenet", "x.safetensors", "--classes", "3"), 2, "give --model too"),
        (("verify", "sample:noise", "--parity"), 2, "sample:noise is no model"),
        (("verify",), 0, "The cache is empty"),
    ],
)
def test_the_message_is_about_what_was_asked(
    numzoo: Run,
    manifest: Path,
    command: tuple[str, ...],
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = numzoo(*command, "--registry", manifest)
    assert (ended.code, told in ended.err) == (code, True), ended.err
    assert not (tmp_path / "x.safetensors").exists()


def test_an_unreachable_registry_is_named_and_how_to_do_without(
    numzoo: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configuration = tmp_path / "numzoo.toml"
    configuration.write_text('[[registry]]\nname = "acme"\naddress = "http://127.0.0.1:9"\n')
    monkeypatch.setenv("NUMZOO_CONFIG", str(configuration))
    ended = numzoo("show", "lenet")
    assert ended.code == 4
    assert "The registry acme cannot be reached" in ended.err
    assert "--registry numzoo" in ended.err
    assert numzoo("show", "lenet", "--registry", "numzoo").code == 0


def test_a_proxy_that_is_in_the_way_is_named_without_its_password(
    numzoo: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("https_proxy", "http://me:secret@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    ended = numzoo("ls", "--registry", "https://models.invalid/zoo")
    assert ended.code == 4
    assert "through the proxy 127.0.0.1:9" in ended.err
    assert "secret" not in ended.err


def test_an_output_that_cannot_be_written_is_told_as_that(capsys: pytest.CaptureFixture[str]) -> None:
    Console().error(OSError(errno.ENOSPC, "No space left on device"), 8)
    assert capsys.readouterr().err == "error: The output cannot be written: No space left on device.\n"


def test_another_home_is_no_way_out_for_files_that_lie_elsewhere() -> None:
    with pytest.raises(StorageError) as lock, storage("write models.lock", elsewhere=True):
        raise OSError(errno.EROFS, "Read-only file system")
    assert str(lock.value) == "Could not write models.lock: Read-only file system."
    with pytest.raises(StorageError, match="NUMZOO_HOME"), storage("write parts"):
        raise OSError(errno.EROFS, "Read-only file system")
    assert settings.home().is_absolute()


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
def test_who_interrupts_the_import_sees_no_traceback() -> None:
    program = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background ignores it
        "class Impatient:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'numzoo.hub.cli.main': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Impatient())\n"
        "from numzoo.__main__ import start\n"
        "sys.exit(start())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(Path(numzoo_package.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")


def test_an_error_lists_a_few_names_and_not_a_hundred(numzoo: Run, manifest: Path) -> None:
    assert "`numzoo ls --kind data` lists all" in numzoo("data", "show", "mnisst", "--registry", "numzoo").err
    assert "There are noise." in numzoo("show", "sample:voice", "--registry", manifest).err
