"""Embeddings beside PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import nn

from .case import Case, Drawn, Random, shape_of, uniform

F = nn.functional


def draw_embedding(random: Random) -> Drawn:
    rows, width = int(random.integers(2, 7)), int(random.choice([1, 3, 40]))
    settings: dict[str, Any] = {}
    if random.random() < 0.5:
        settings["padding_idx"] = int(random.integers(-rows, rows))
    return [random.integers(0, rows, shape_of(random)), uniform(random, rows, width)], settings


def draw_frequencies(random: Random) -> Drawn:
    arrays, settings = draw_embedding(random)
    return arrays, {**settings, "scale_grad_by_freq": True}


def draw_bag(random: Random) -> Drawn:
    # Without scale_grad_by_freq: PyTorch's bags divide some rows by the counts of others.
    rows, width = int(random.integers(2, 7)), int(random.integers(1, 5))
    settings: dict[str, Any] = {"mode": str(random.choice(["sum", "mean", "max"]))}
    if random.random() < 0.4:
        settings["padding_idx"] = int(random.integers(-rows, rows))
    offsets, scales = None, None
    if random.random() < 0.5:
        index = random.integers(0, rows, (int(random.integers(1, 5)), int(random.integers(1, 5))))
    else:
        index = random.integers(0, rows, int(random.integers(1, 9)))
        cuts = np.sort(random.integers(0, index.size + 1, int(random.integers(0, 4))))
        settings["include_last_offset"] = bool(random.random() < 0.5)
        offsets = np.concatenate(([0], cuts, [index.size] if settings["include_last_offset"] else [])).astype(np.int64)
    if settings["mode"] == "sum" and random.random() < 0.5:
        scales = uniform(random, *index.shape)
    return [index, uniform(random, rows, width), offsets, scales], settings


def bag(f: Any, x: Any, weight: Any, offsets: Any, scales: Any, **settings: Any) -> Any:
    return f(x, weight, offsets, per_sample_weights=scales, **settings)


CASES = [
    Case("embedding", draw_embedding, F.embedding, lambda torch, x, w, **s: torch.nn.functional.embedding(x, w, **s)),
    # PyTorch's second gradient leaves the frequencies out.
    Case("embedding by frequency", draw_frequencies, F.embedding, lambda torch, x, w, **s: torch.nn.functional.embedding(x, w, **s), second=False),
    Case(
        "embedding_bag", draw_bag, lambda *x, **s: bag(F.embedding_bag, *x, **s),
        lambda torch, *x, **s: bag(torch.nn.functional.embedding_bag, *x, **s), second=False, dtypes=("float32",), repeats=100,
    ),
]  # fmt: skip
