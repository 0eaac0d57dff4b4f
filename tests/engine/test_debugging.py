"""Everything can be stepped through: what runs is what stands in files."""

from __future__ import annotations

import ast
import linecache
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from numzoo import engine
from numzoo.engine import nn, optim

ROOT = Path(engine.__file__).resolve().parent
F = nn.functional


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda f: str(f.relative_to(ROOT)))
def test_no_file_of_the_engine_makes_code_from_text(file: Path) -> None:
    made = [
        node.lineno
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("exec", "eval", "compile")
    ]
    assert made == []


def test_every_frame_of_a_training_step_has_its_lines() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    x, y = engine.randn(5, 4), engine.randint(0, 3, (5,))
    seen: set[tuple[str, str]] = set()

    def trace(frame: FrameType, event: str, _: Any) -> None:
        seen.add((frame.f_code.co_filename, frame.f_code.co_name))

    def train() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    train()  # imports what is imported late
    before = sys.gettrace()
    sys.settrace(trace)  # as pdb does
    try:
        train()
    finally:
        sys.settrace(before)
    ours = {(file, name) for file, name in seen if str(ROOT) in str(Path(file).resolve())}
    assert {"forward", "backward", "step", "linear"} <= {name for _, name in ours}
    without = {file for file, _ in seen if not linecache.getlines(file)}
    # NumPy's dispatch, and what the interpreter itself holds.
    assert {file for file in without if not file.startswith(("<__array_function__", "<frozen "))} == set()
