"""Completion: what may stand at the cursor, and that real shells offer it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from numzoo.hub.cli.completion import candidates
from numzoo.hub.cli.main import main, make_parser

PACKAGE_PARENT = Path(__file__).parents[3] / ".dev"
NAMES = {"any": ["resnet18", "resnet50", "resnet50.v2", "sample:cat", "data:mnist"], "data": ["fashion-mnist", "mnist"]}


def offered(*words: str) -> list[str]:
    return [word for word, _ in candidates(make_parser(), words, lambda kind: NAMES[kind])]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["pre"], ["predict"]),
        (["cache", "d"], ["dir"]),
        (["data", "p"], ["pull", "path"]),
        (["data", "pull", "m"], ["mnist"]),
        (["data", "pull", "mnist", "f"], ["fashion-mnist"]),
        (["show", "resnet5"], ["resnet50", "resnet50.v2"]),
        (["show", "resnet50", ""], []),
        (["pull", "resnet18", "sample:"], ["sample:cat"]),
        (["predict", "resnet18", "s"], ["sample:cat", "@files"]),
        (["predict", "resnet18", "--top", "3", "s"], ["sample:cat", "@files"]),
        (["ls", "--kind", ""], ["models", "samples", "data"]),
        (["ls", "--kind", "s"], ["samples"]),
        (["ls", "--ki"], ["--kind"]),
        (["--off"], ["--offline"]),
        (["--offline", "doc"], ["doctor"]),
        (["catalog", ""], ["@folders"]),
        (["completion", ""], ["bash", "zsh", "fish", "candidates"]),
        (["no-such-command", ""], []),
    ],
)
def test_what_may_stand_at_the_cursor(words: list[str], wanted: list[str]) -> None:
    assert offered(*words) == wanted


def test_every_command_is_offered_with_a_few_words() -> None:
    found = dict(candidates(make_parser(), [""], lambda kind: NAMES[kind]))
    assert {"ls", "pull", "predict", "verify", "cache", "data", "doctor", "completion"} <= set(found)
    assert all(found.values())


def test_names_come_from_the_registry_without_the_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "candidates", "--", "show", "mobilenet_v2"]) == 0
    assert capsys.readouterr().out.split() == [
        "mobilenet_v2",
        "mobilenet_v2.imagenet1k-v1",
        "mobilenet_v2.imagenet1k-v2",
        "mobilenet_v2.timm-ra",
    ]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `numzoo` on the PATH that runs this checkout."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "numzoo"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{PACKAGE_PARENT}" exec "{sys.executable}" -m numzoo "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return program


BASH = r"""
source <(numzoo completion bash)
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \t\n"\047><=;|&(:'
_numzoo
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash's completion is tried where bash is")
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("numzoo pred", ["predict"]),
        ("numzoo show lenet.", ["lenet.mnist"]),
        ("numzoo pull sample:ca", ["cat"]),
        ("numzoo catalog sit", ["site folder"]),
        ("numzoo ls --kind sam", ["samples"]),
    ],
)
def test_bash_offers_it(line: str, wanted: list[str], command: Path, tmp_path: Path) -> None:
    (tmp_path / "site folder").mkdir()
    (tmp_path / "site.txt").touch()
    found = subprocess.run(["bash", "-c", BASH, "bash", line], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert found.stdout.splitlines() == wanted, found.stderr


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish's completion is tried where fish is")
def test_fish_offers_it(command: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    code = "numzoo completion fish | source; complete -C 'numzoo show lenet.'; complete -C 'numzoo doc'"
    found = subprocess.run(["fish", "-c", code], capture_output=True, text=True, timeout=60)
    assert [line.split("\t")[0] for line in found.stdout.splitlines()] == ["lenet.mnist", "doctor"], found.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh's completion is tried where zsh is")
def test_zsh_offers_it(command: Path) -> None:
    code = """
        autoload -Uz compinit && compinit -u -D
        source <(numzoo completion zsh)
        _describe() { print -l -- "${(@P)3}" }
        _files() { print files }
        words=(numzoo show lenet.) CURRENT=3; _numzoo
        words=(numzoo predict resnet18 ./) CURRENT=4; _numzoo
    """
    found = subprocess.run(["zsh", "-f", "-c", code], capture_output=True, text=True, timeout=60)
    assert found.stdout.splitlines() == ["lenet.mnist", "files"], found.stderr
