"""Attention beside PyTorch's."""

from __future__ import annotations

from typing import Any

from numzoo import engine

from .case import Case, Drawn, Random, uniform


def draw(random: Random) -> Drawn:
    lead: tuple[int, ...] = tuple(int(n) for n in random.integers(1, 4, int(random.integers(0, 3))))
    queries, keys, width, wide = (int(n) for n in random.integers(1, 7, 4))
    if random.random() < 0.1:
        queries, keys = (0, keys) if random.random() < 0.5 else (queries, 0)
    settings: dict[str, Any] = {}
    if random.random() < 0.4:
        settings["scale"] = float(random.uniform(0.1, 1.0))
    shared = lead
    if len(lead) == 2 and random.random() < 0.4:
        lead, settings["enable_gqa"] = (lead[0], lead[1] * int(random.integers(1, 4))), True
    mask: Any = None
    if random.random() < 0.3:
        settings["is_causal"] = True
    elif random.random() < 0.6:
        mask = random.random((queries, keys) if random.random() < 0.5 else (*lead, queries, keys)) < 0.7
        if random.random() < 0.5:
            mask = uniform(random, *mask.shape)
    arrays = [
        uniform(random, *lead, queries, width),
        uniform(random, *shared, keys, width),
        uniform(random, *shared, keys, wide),
    ]
    return [*arrays, mask], settings


def theirs(torch: Any, q: Any, k: Any, v: Any, mask: Any, **settings: Any) -> Any:
    # Its other ways of computing this have no second gradient.
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask, **settings)


CASES = [
    Case(
        "scaled_dot_product_attention", draw, lambda q, k, v, m, **s: engine.scaled_dot_product_attention(q, k, v, m, **s), theirs,
        repeats=100, narrow_tolerance=2.0,
    ),
]  # fmt: skip
