"""Who may import whom, what is shipped, and what starting up costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("engine", "hub", "finetuning", "vision", "audio", "text", "tabular")
SOURCES = [
    ROOT / "__init__.py",
    ROOT / "__main__.py",
    *(f for part in PARTS for f in sorted((ROOT / part).rglob("*.py"))),
]
BANNED = {
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "torch",
    "torchvision",
    "pickletools",
    "shelve",
    "marshal",
}

# part -> the parts that it must not know
STRANGERS = {
    "engine": {"hub", "finetuning", "vision", "audio", "text", "tabular"},
    "hub": {"engine", "finetuning", "vision", "audio", "text", "tabular"},
    "finetuning": {"vision", "audio", "text", "tabular"},
    "vision": {"audio", "text", "tabular"},
    "audio": {"vision", "text", "tabular"},
    "text": {"vision", "audio", "tabular"},
    "tabular": {"vision", "audio", "text"},
}
# The hub asks the engine one thing: how its kernels are, for `numzoo doctor`. By name, when asked.
LAYERS = (
    "errors",
    "dtype",
    "device",
    "modes",
    "node",
    "tensor",
    "op",
    "gradient",
    "random",
    "ops",
    "nn",
    "optim",
    "check",
)


def modules_named(file: Path) -> set[str]:
    """Absolute dotted names of everything that a file imports, relative imports resolved."""
    package = ("numzoo", *file.relative_to(ROOT).parent.parts)
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join((*base, *filter(None, [node.module])))
            names.add(stem)
            names.update(f"{stem}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("file", SOURCES, ids=lambda f: str(f.relative_to(ROOT)))
def test_no_file_imports_pickle_or_torch(file: Path) -> None:
    assert {name.split(".")[0] for name in modules_named(file)} & BANNED == set()


@pytest.mark.parametrize("file", SOURCES[2:], ids=lambda f: str(f.relative_to(ROOT)))
def test_parts_do_not_know_their_strangers(file: Path) -> None:
    part = file.relative_to(ROOT).parts[0]
    known = {name.split(".")[1] for name in modules_named(file) if name.startswith("numzoo.") and name.count(".")}
    assert known & STRANGERS[part] == set()


@pytest.mark.parametrize("file", sorted((ROOT / "engine").rglob("*.py")), ids=lambda f: str(f.relative_to(ROOT)))
def test_only_the_device_imports_kernels(file: Path) -> None:
    inside = file.relative_to(ROOT / "engine").parts
    if inside[0] == "kernels" or inside == ("device.py",):
        return
    assert not [name for name in modules_named(file) if name.startswith("numzoo.engine.kernels")]


@pytest.mark.parametrize("layer", ["ops", "tensor.py", "op.py", "gradient.py", "node.py", "dtype.py", "device.py"])
def test_the_engines_ground_floor_does_not_know_layers_or_optimisers(layer: str) -> None:
    place = ROOT / "engine" / layer
    for file in [place] if place.is_file() else place.rglob("*.py"):
        above = [n for n in modules_named(file) if n.startswith(("numzoo.engine.nn", "numzoo.engine.optim"))]
        assert above == [] or file.name == "attention.py", file


def test_every_package_is_listed_and_every_listed_package_exists() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    listed = set(re.findall(r'^    "(numzoo[\w.]*)",$', text, re.MULTILINE))
    found = {"numzoo"} | {
        ".".join(("numzoo", *file.parent.relative_to(ROOT).parts))
        for part in PARTS
        for file in (ROOT / part).rglob("__init__.py")
    }
    assert listed == found


def test_no_source_file_has_grown_past_its_idea() -> None:
    long = {str(f.relative_to(ROOT)): n for f in SOURCES if (n := len(f.read_text("utf-8").splitlines())) > 430}
    assert long == {}


def started(code: str) -> set[str]:
    """The modules that a fresh interpreter holds after running ``code``."""
    script = f"import sys\n{code}\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / ".dev"), "PATH": ""},
    )
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert (
        started("import numzoo")
        & {"numpy", "requests", "PIL", "tqdm", "cupy", "ml_dtypes", "numzoo.engine", "argparse"}
        == set()
    )


def test_computing_imports_no_network_and_no_image_library() -> None:
    assert (
        started("from numzoo import engine; engine.ones(2) + 1")
        & {"requests", "PIL", "tqdm", "cupy", "numzoo.hub", "urllib3"}
        == set()
    )


def test_nothing_that_starts_imports_pickle_by_our_doing() -> None:
    # NumPy itself imports pickle; before NumPy is there, nothing of ours may.
    assert (
        started("import numzoo.hub.checkpoint.pytorch.opcodes, numzoo.hub.registry.manifest")
        & {"torch", "pickletools", "dill"}
        == set()
    )
