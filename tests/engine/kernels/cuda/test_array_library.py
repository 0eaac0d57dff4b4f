"""What bodies ask of the array library, read from their sources, is there in CuPy, which imports without a GPU."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from emulated_cupy import METHODS

from numzoo import engine

cupy = pytest.importorskip("cupy", reason="CuPy is not installed, whose functions are looked up")
ENGINE = Path(engine.__file__).parent
FILES = sorted(path for path in ENGINE.rglob("*.py") if ENGINE / "kernels" not in path.parents)
UFUNC_SETTINGS = {"out", "dtype", "casting", "where"}


def path_of(node: ast.AST) -> str | None:
    """``linalg.solve`` of ``xp.linalg.solve``."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed(parts)) if parts and isinstance(node, ast.Name) and node.id == "xp" else None


def asked() -> Iterator[tuple[str, ast.AST, str]]:
    for file in FILES:
        # What stands behind "if xp is np" is asked of NumPy by its own name, so all that xp is asked for must be in both.
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            path = path_of(node.func if isinstance(node, ast.Call) else node)
            if path is not None:
                yield path, node, f"{file.relative_to(ENGINE)}:{getattr(node, 'lineno', 0)}"


def complaint(path: str, node: ast.AST) -> str | None:
    owner, _, name = path.rpartition(".")
    if owner and isinstance(getattr(cupy, owner, None), cupy.ufunc):
        allowed = METHODS.get(name)
        return None if allowed is None or owner in allowed else f"cupy.{owner} has no {name}"
    try:
        found: Any = attrgetter(path)(cupy)
    except AttributeError:
        return f"cupy has no {path}"
    if not isinstance(node, ast.Call) or any(isinstance(argument, ast.Starred) for argument in node.args):
        return None
    settings = [keyword.arg for keyword in node.keywords if keyword.arg]
    if isinstance(found, cupy.ufunc):
        wrong = set(settings) - UFUNC_SETTINGS
        return f"cupy.{path} takes no {', '.join(wrong)}" if wrong else None
    try:
        inspect.signature(found).bind(*node.args, **dict.fromkeys(settings))
    except TypeError as error:
        return f"cupy.{path}: {error}"
    except ValueError:
        return None  # a compiled type, whose arguments cannot be read
    return None


def test_cupy_has_all_that_bodies_ask_for() -> None:
    wrong = [f"{where}: {said}" for path, node, where in asked() if (said := complaint(path, node)) is not None]
    assert not wrong
    assert len({path for path, _, _ in asked()}) > 100


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("xp.errstate(over='ignore')", "no errstate"),
        ("xp.maximum.at(a, b, c)", "no at"),
        ("xp.take(a, b, 0, None, 'wrap')", "too many"),
        ("xp.exp(a, axis=0)", "no axis"),
    ],
)
def test_what_cupy_lacks_is_found(source: str, word: str) -> None:
    node = ast.parse(source, mode="eval").body
    assert isinstance(node, ast.Call)
    assert word in str(complaint(str(path_of(node.func)), node))
