"""What the commands print, and how they end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from numzoo.hub.registry import names as registry

Run = Callable[..., Any]
PACKAGE_PARENT = Path(__file__).parents[3] / ".dev"


def test_ls_shows_the_models_and_which_of_them_are_here(numzoo: Run, manifest: Path) -> None:
    numzoo("--registry", manifest, "pull", "lenet")
    ended = numzoo("ls", "--registry", manifest)
    assert ended.code == 0
    lines = [line.split() for line in ended.out.splitlines()]
    assert lines[0] == ["NAME", "DEFAULT", "PARAMETERS", "SIZE", "TOP-1", "LICENCE", "HERE"]
    assert ["lenet.here", "*", "0.19", "M"] in [line[:4] for line in lines]
    assert [line[0] for line in lines if line[-1] == "yes"] == ["lenet.here"]


def test_ls_as_json_is_one_document(numzoo: Run, manifest: Path) -> None:
    ended = numzoo("--json", "ls", "here", "--registry", manifest)
    assert ended.json["schema"] == 1
    assert [model["name"] for model in ended.json["models"]] == ["lenet.here"]


def test_ls_of_nothing_says_so_and_prints_no_data(numzoo: Run, manifest: Path) -> None:
    ended = numzoo("ls", "nothing", "--names", "--registry", manifest)
    assert (ended.code, ended.out) == (0, "")
    assert "'nothing'" in ended.err


def test_ls_names_samples(numzoo: Run, manifest: Path) -> None:
    assert numzoo("ls", "--kind", "samples", "--names", "--registry", manifest).out == "sample:noise\n"


def test_show_tells_all(numzoo: Run, manifest: Path) -> None:
    ended = numzoo("show", "lenet", "--registry", manifest)
    assert "Apache-2.0" in ended.out
    assert "194,494" in ended.out
    shown = numzoo("show", "lenet", "--json", "--registry", manifest).json
    assert (shown["schema"], shown["name"], shown["default"]) == (1, "lenet.here", True)
    assert shown["files"][0]["here"] is False


def test_pull_prints_the_path_of_the_verified_file(numzoo: Run, manifest: Path) -> None:
    ended = numzoo("pull", "lenet", "sample:noise", "--registry", manifest)
    weights, picture = (Path(line) for line in ended.out.splitlines())
    assert weights.read_bytes() == (manifest.parent / "lenet.safetensors").read_bytes()
    assert picture.read_bytes() == (manifest.parent / "noise.png").read_bytes()


def test_a_dry_run_fetches_nothing(numzoo: Run, manifest: Path, tmp_path: Path) -> None:
    ended = numzoo("pull", "lenet", "--dry-run", "--registry", manifest)
    assert ended.code == 0
    assert "would fetch 1 of 1 files" in ended.err
    assert not (tmp_path / "numzoo-home").exists()
    assert numzoo("pull", "lenet", "--dry-run", "--json", "--registry", manifest).json["files"][0]["here"] is False


def test_predict_prints_labels_with_probabilities(numzoo: Run, manifest: Path) -> None:
    ended = numzoo("predict", "lenet", "sample:noise", "--top", "3", "--registry", manifest)
    assert ended.code == 0
    rows = [line.split() for line in ended.out.splitlines()]
    assert len(rows) == 3
    assert all(0 <= float(probability) <= 1 and label.isdigit() for probability, label in rows)


def test_a_bad_image_among_several_is_named_and_the_others_are_answered(
    numzoo: Run, manifest: Path, tmp_path: Path
) -> None:
    (tmp_path / "letter.jpg").write_text("Dear all, this is no picture.")
    PIL.Image.new("L", (32, 32), 200).save(tmp_path / "plain.png")
    images = [tmp_path / "none.png", tmp_path / "plain.png", tmp_path / "letter.jpg", "sample:noise"]
    ended = numzoo("predict", "lenet", *images, "--registry", manifest)
    assert ended.code == 3
    assert "none.png" in ended.err
    assert "letter.jpg" in ended.err
    assert ended.out.count(":\n") == 2
    documents = numzoo("predict", "lenet", *images, "--json", "--registry", manifest).json["results"]
    assert ["top" in each for each in documents] == [False, True, False, True]
    assert [each.get("exit_code") for each in documents] == [3, None, 2, None]


def test_verify_hashes_anew_and_a_changed_byte_is_exit_5(numzoo: Run, manifest: Path) -> None:
    path = Path(numzoo("pull", "lenet", "--registry", manifest).out.strip())
    assert numzoo("verify", "lenet", "--registry", manifest).code == 0
    assert numzoo("verify").code == 0
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    for command in (["verify", "lenet"], ["verify"], ["predict", "lenet", "sample:noise"], ["pull", "lenet"]):
        ended = numzoo(*command, "--registry", manifest)
        assert ended.code == 5, command
        assert path.name in ended.err


def test_verify_tells_of_a_missing_card(numzoo: Run, manifest: Path) -> None:
    ended = numzoo("verify", "lenet", "--parity", "--registry", manifest)
    assert ended.code == 3
    assert "no parity card" in ended.err


def test_the_cache_commands_agree(numzoo: Run, manifest: Path, tmp_path: Path) -> None:
    assert numzoo("cache", "ls").out == ""
    numzoo("pull", "lenet", "--registry", manifest)
    size = (manifest.parent / "lenet.safetensors").stat().st_size
    found = numzoo("cache", "size", "--json").json
    assert (found["bytes"], found["files"], found["limit"]) == (size, 1, None)
    assert numzoo("cache", "dir").out == f"{tmp_path / 'numzoo-home'}\n"
    (blob,) = numzoo("cache", "ls", "--json", "--registry", manifest).json["blobs"]
    assert blob["names"] == ["lenet.here"]
    assert "lenet.here" in numzoo("cache", "ls", "--registry", manifest).out


EXIT_CODES: dict[str, tuple[list[str], int]] = {
    "version": (["--version"], 0),
    "help": (["--help"], 0),
    "no command": ([], 2),
    "unknown command": (["frobnicate"], 2),
    "unknown option": (["ls", "--colour"], 2),
    "no image": (["predict", "lenet"], 2),
    "bad top": (["predict", "lenet", "sample:noise", "--top", "0"], 2),
    "bad dtype": (["predict", "lenet", "sample:noise", "--dtype", "int8"], 2),
    "several files wanted": (["show", "sample:"], 3),
    "unknown model": (["show", "lenett"], 3),
    "unknown tag": (["show", "lenet.v9"], 3),
    "unknown sample": (["pull", "sample:dog"], 3),
    "source is gone": (["pull", "lenet.gone"], 3),
    "wrong bytes": (["pull", "lenet.lie"], 5),
    "half a digest": (["pull", "lenet.half"], 5),
    "offline": (["--offline", "pull", "lenet.far"], 6),
    "offline after the command": (["pull", "--offline", "lenet.far"], 6),
    "names and all": (["verify", "lenet", "--all"], 2),
    "quick and full": (["verify", "--quick", "--full"], 2),
}


@pytest.mark.parametrize("kind", EXIT_CODES)
def test_exit_codes(kind: str, numzoo: Run, manifest: Path) -> None:
    arguments, code = EXIT_CODES[kind]
    ended = numzoo("--registry", manifest, *arguments)
    assert ended.code == code, ended
    assert "Traceback" not in ended.err
    if code:
        assert ended.err
        assert ended.out == ""


def test_a_forbidden_cache_is_exit_8(numzoo: Run, manifest: Path, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "file" / "below"))
    assert numzoo("pull", "lenet", "--registry", manifest).code == 8


def test_an_unsafe_checkpoint_is_exit_9(numzoo: Run, manifest: Path) -> None:
    import hashlib
    import json

    # Protocol 2, a GLOBAL that no checkpoint needs, STOP: written by hand, so that nothing here ever runs it.
    body = b"\x80\x02cposix\nsystem\n."
    (manifest.parent / "evil.pth").write_bytes(body)
    document = json.loads(manifest.read_bytes())
    document["models"]["lenet.here"]["files"] = [
        {"sha256": hashlib.sha256(body).hexdigest(), "format": "torch-legacy", "sources": ["file:evil.pth"]}
    ]
    manifest.write_text(json.dumps(document))
    ended = numzoo("predict", "lenet", "sample:noise", "--registry", manifest)
    assert ended.code == 9
    assert "Traceback" not in ended.err


def test_an_unexpected_error_is_exit_1_with_a_hint_and_debug_shows_the_traceback(
    numzoo: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the sky fell")

    monkeypatch.setattr(registry, "open_registry", fail)
    ended = numzoo("ls")
    assert (ended.code, ended.out) == (1, "")
    assert "RuntimeError: the sky fell" in ended.err
    assert "--debug" in ended.err
    assert "Traceback" not in ended.err
    assert "Traceback" in numzoo("ls", "--debug").err
    monkeypatch.setenv("NUMZOO_DEBUG", "1")
    assert "Traceback" in numzoo("ls").err


def test_an_interrupt_is_exit_130(numzoo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "open_registry", interrupt)
    assert numzoo("ls").code == 130


def shell(*arguments: str, home: Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, on this checkout."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT), "NUMZOO_HOME": str(home)}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
        **settings,
    )


def test_python_m_numzoo_is_the_command_line(tmp_path: Path) -> None:
    ended = shell("-m", "numzoo", "show", "resnet5O", home=tmp_path)
    assert ended.returncode == 3
    assert "Did you mean resnet50" in ended.stderr
    assert ended.stdout == ""


def test_a_reader_that_leaves_early_causes_no_noise(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT), "NUMZOO_HOME": str(tmp_path)}
        ended = subprocess.run(
            [sys.executable, "-m", "numzoo", "ls"],
            stdout=write,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=60,
            check=False,
        )
    finally:
        os.close(write)
    assert ended.returncode == 141
    assert ended.stderr == b""


HEAVY = ("numpy", "requests", "PIL", "tqdm", "ml_dtypes", "safetensors")


@pytest.mark.parametrize(
    "script",
    [
        "import numzoo",
        "import numzoo.hub",
        "from numzoo.hub.cli.main import main; main(['--help'])",
        "from numzoo.hub.cli.main import main; main(['ls'])",
        "from numzoo.hub.cli.main import main; main(['cache', 'dir'])",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(script: str, tmp_path: Path) -> None:
    check = f"; import sys; print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    ended = shell("-c", script + check, home=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "HEAVY []"


def test_a_data_set_is_no_image(numzoo: Run) -> None:
    ended = numzoo("predict", "lenet", "data:mnist")
    assert (ended.code, "is no image" in ended.err) == (2, True)


def test_verify_sees_what_stands_in_a_blobs_place(numzoo: Run, manifest: Path, tmp_path: Path) -> None:
    path = Path(numzoo("pull", "lenet", "--registry", manifest).out.strip())
    path.rename(tmp_path / "elsewhere")
    for put in (lambda: path.symlink_to(tmp_path / "elsewhere"), path.mkdir):
        put()
        ended = numzoo("verify")
        assert (ended.code, path.name in ended.err) == (5, True)
        path.unlink() if path.is_symlink() else path.rmdir()
    assert numzoo("verify").code == 0


STREAMS = {
    "no stdout": ({}, ">&-", ["ls", "--names"]),
    "no stderr": ({}, "2>&-", ["show", "nothing"]),
    "an ASCII terminal": ({"PYTHONIOENCODING": "ascii"}, "", ["show", "größe"]),
}


@pytest.mark.skipif(os.name != "posix", reason="needs a shell that can close streams")
@pytest.mark.parametrize("kind", STREAMS)
def test_closed_and_narrow_streams_are_no_bugs(kind: str) -> None:
    variables, redirection, arguments = STREAMS[kind]
    environment = {**os.environ, **variables, "PYTHONPATH": str(PACKAGE_PARENT)}
    ended = subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-m", "numzoo", *arguments],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == (3 if "show" in arguments else 0), ended
    assert b"bug" not in ended.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_names_that_cannot_be_printed_are_escaped(manifest: Path, tmp_path: Path, encoding: str) -> None:
    import json

    (tmp_path / "größe.png").write_bytes((tmp_path / "noise.png").read_bytes())
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes((tmp_path / "noise.png").read_bytes())
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "1", "PYTHONPATH": str(PACKAGE_PARENT)}
    images = [tmp_path / "größe.png", tmp_path / os.fsdecode(b"\xff.png")]
    for options in ([], ["--json"]):
        ended = subprocess.run(
            [sys.executable, "-m", "numzoo", "predict", "lenet", *images, "--registry", manifest, "--quiet", *options],
            env=environment,
            capture_output=True,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, b"")
        printed = ended.stdout.decode(encoding)
        if options:
            assert [each["image"] for each in json.loads(printed)["results"]] == [str(image) for image in images]
        else:
            assert r"\udcff.png:" in printed
