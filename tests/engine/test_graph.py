"""Pictures of graphs: the DOT text, and what is said where Graphviz is missing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo import engine
from numzoo.engine import ArgumentError, DeviceError, GradientError, graph, nn


def drawn(result: Any, **options: Any) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """Labels by identifier, and the arrows between labels."""
    text = graph.dot(result, **options)
    assert text.startswith("digraph numzoo {\n")
    assert text.endswith("}\n")
    labels = dict(re.findall(r'^  (\w+) \[label="((?:[^"\\]|\\.)*)"', text, re.MULTILINE))
    arrows = re.findall(r"^  (\w+) -> (\w+)", text, re.MULTILINE)
    assert all(a in labels and b in labels for a, b in arrows)
    return labels, {(labels[a], labels[b]) for a, b in arrows}


def test_operations_shapes_and_named_leaves() -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    x = engine.ones(4, 3, requires_grad=True)
    labels, arrows = drawn(model(x).sum(), model=model)
    assert sorted(labels.values()) == sorted(
        [
            r"result\nfloat32 scalar", r"sum\nfloat32 scalar", r"linear\nfloat32 4 x 2", r"leaf\nfloat32 4 x 3",
            r"0.weight\nfloat32 2 x 3", r"0.bias\nfloat32 2",
        ]
    )  # fmt: skip
    assert (r"0.weight\nfloat32 2 x 3", r"linear\nfloat32 4 x 2") in arrows
    assert (r"sum\nfloat32 scalar", r"result\nfloat32 scalar") in arrows
    assert len(arrows) == 5
    assert Path(__file__).name in graph.dot(model(x))


def test_shared_parts_are_drawn_once_and_results_are_numbered() -> None:
    x = engine.ones(2, 2, requires_grad=True)
    values, mean, _ = engine.batch_norm_training(x)
    labels, _ = drawn([values.exp(), mean * 2])
    names = [label.split(r"\n")[0] for label in labels.values()]
    assert sorted(names) == ["batch_norm_training", "exp", "leaf", "mul", "result 0", "result 1"]
    assert '[label="1"]' in graph.dot(mean)
    deep = x
    for _ in range(3000):
        deep = deep + 1.0
    assert graph.dot(deep).count("->") == 3001


def test_text_is_written_and_quoted(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.__dict__['a"b'] = nn.Parameter([1.0])

    model = Odd()
    out = next(model.parameters()) * 2
    drawing = graph.show(out, tmp_path / "graph.dot", model=model)
    assert (tmp_path / "graph.dot").read_text() == str(drawing)
    assert r"a\"b" in str(drawing)


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: graph.show(engine.ones(1)), GradientError, "requires_grad=True"),
    (lambda: graph.dot([3]), ArgumentError, "not int"),  # type: ignore[list-item]
    (lambda: graph.show(engine.ones(1, requires_grad=True), "graph.jpeg"), ArgumentError, r"\.svg"),
]


@pytest.mark.parametrize(("act", "error", "says"), REFUSED)
def test_what_cannot_be_drawn(act: Callable[[], Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        act()


def test_where_graphviz_is_missing_the_way_out_is_named(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    out = engine.ones(1, requires_grad=True) * 2
    with pytest.raises(DeviceError, match="apt-get install graphviz"):
        graph.show(out, tmp_path / "graph.svg")
    assert graph.show(out)._repr_svg_() is None
    graph.show(out, tmp_path / "graph.gv")
    assert not (tmp_path / "graph.svg").exists()


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz draws where it is installed")
def test_graphviz_takes_the_text(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    drawing = graph.show(model(engine.ones(1, 3)), tmp_path / "graph.png", model=model)
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    picture = drawing._repr_svg_()
    assert picture is not None
    assert "0.weight" in picture
    assert Path(__file__).name in picture
    with pytest.raises(DeviceError, match="dot failed"):
        graph.render("digraph {", "svg")
