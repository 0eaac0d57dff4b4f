"""The Python on the pages: every block parses, and every name that it takes from numzoo is there."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = [
    (f"{page.name}:{number}", block)
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for number, block in enumerate(
        re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
]


def imported(tree: ast.AST) -> dict[str, Any]:
    """What the block imports from numzoo, by its name there."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("numzoo"):
            home = importlib.import_module(node.module or "")
            for alias in node.names:
                found[alias.asname or alias.name] = getattr(home, alias.name)
    return found


def chain(node: ast.AST) -> list[str]:
    """The names of ``a.b.c``, none where something else stands at the beginning."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return [node.id, *names] if isinstance(node, ast.Name) else []


@pytest.mark.parametrize(("place", "block"), BLOCKS, ids=[place for place, _ in BLOCKS])
def test_what_a_page_calls_is_there(place: str, block: str) -> None:
    tree = ast.parse(block)
    page = place.partition(":")[0]
    known: dict[str, Any] = {}
    for other, earlier in BLOCKS:  # a page is read from its top
        if other.startswith(f"{page}:"):
            known |= imported(ast.parse(earlier))
        if other == place:
            break
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        first, *rest = chain(node) or [""]
        value = None if first in stored else known.get(first)
        for name in rest if value is not None else ():
            assert hasattr(value, name), f"{place}: {'.'.join([first, *rest])}"
            value = getattr(value, name)


def test_the_pages_have_python_on_them() -> None:
    assert len(BLOCKS) > 25
