"""The reader's own code: no pickle, no eval, no import by name; and a light import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import numzoo.hub.checkpoint as package

SOURCES = sorted(Path(package.__file__).parent.rglob("*.py"))
BANNED_MODULES = {
    "pickle",
    "_pickle",
    "pickletools",
    "marshal",
    "shelve",
    "dill",
    "torch",
    "importlib",
    "zipfile",
    "tarfile",
    "builtins",
    "runpy",
    "subprocess",
}
BANNED_CALLS = {"eval", "exec", "compile", "__import__", "globals", "locals", "vars"}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_a_source_file_imports_and_calls_nothing_that_runs_code(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named = {alias.name.split(".")[0] for alias in node.names}
            if path.name == "hdf5.py":  # which asks a process of its own, so that the HDF5 library may crash there
                named -= {"subprocess"}
            assert not named & BANNED_MODULES
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in BANNED_MODULES
        if isinstance(node, ast.Name):
            assert node.id not in BANNED_CALLS
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"modules", "__globals__", "__subclasses__", "import_module"}


def test_the_import_brings_nothing_heavy():
    code = (
        "import sys, numpy; before = set(sys.modules)\n"
        "import numzoo.hub.checkpoint, numzoo.hub.checkpoint.detect\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    root = str(Path(package.__file__).parents[2] / ".dev")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": root}
    )
    brought = {name.split(".")[0] for name in done.stdout.split()}
    heavy = {"ml_dtypes", "zipfile", "tarfile", "tempfile", "pickle", "safetensors", "requests", "asyncio", "torch"}
    assert not brought & heavy
