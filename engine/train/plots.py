"""Pictures of training, by matplotlib, which is an optional extra."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .history import History

__all__ = ["plot_confusion", "plot_history"]

WAY_OUT = 'pip install "numzoo[plot]" brings it'


def plot_history(history: History, path: str | os.PathLike[str]) -> None:
    """A panel for each number of ``history``, training and validation together, over the epochs; the suffix of ``path`` chooses the format."""
    names = [name for name in history.names() if name not in ("epoch", "step", "seconds")]
    panels = list(dict.fromkeys(name.removeprefix("val_") for name in names))
    if not panels:
        raise ArgumentError("plot_history: the history is empty; train first")
    figure = _figure(3.2 * len(panels), 2.6)
    for place, panel in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), place)
        for name, label in ((panel, "training"), (f"val_{panel}", "validation")):
            if name in names:
                axes.plot(history["epoch"], history[name], label=label, marker="o", markersize=3)
        axes.set_title("learning rate" if panel == "lr" else panel)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        if f"val_{panel}" in names:
            axes.legend(fontsize=8)
    figure.savefig(os.fspath(path), dpi=120)


def plot_confusion(table: Any, classes: Sequence[str], path: str | os.PathLike[str]) -> None:
    """A confusion matrix (classes, classes) of counts, rows for what was there; shades are shares of the row."""
    counts = np.asarray(table)
    if counts.shape != (len(classes), len(classes)):
        raise ArgumentError(
            f"plot_confusion: {len(classes)} classes want counts ({len(classes)}, {len(classes)}), not {counts.shape}"
        )
    size = max(3.5, min(0.45 * len(classes) + 1.5, 20.0))
    figure = _figure(size + 0.8, size)
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    # Names are names: a $ in one begins no formula.
    axes.set_xticks(range(len(classes)), classes, rotation=90, parse_math=False)
    axes.set_yticks(range(len(classes)), classes, parse_math=False)
    axes.set_xlabel("taken for")
    axes.set_ylabel("class")
    if len(classes) <= 30:
        for row, column in zip(*np.nonzero(counts), strict=True):
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7, color=color)
    figure.colorbar(image, label="share of the class")
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Glyph .* missing", UserWarning
        )  # a box in the place of a letter says as much
        figure.savefig(os.fspath(path), dpi=120)


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ModuleNotFoundError(f"plot: matplotlib is not installed; {WAY_OUT}", name="matplotlib") from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # no window, whatever the person's settings say
    return figure
