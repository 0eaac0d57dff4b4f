"""Rotary frequencies, and how they are stretched for more places than a model was first trained with."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["KINDS", "frequencies"]

KINDS: dict[str, tuple[str, ...]] = {
    "default": (),
    "linear": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
}
"""The rope_type of config.json, and the settings that stand beside it there."""


def frequencies(
    width: int, theta: float, kind: str = "default", *, factor: float = 1.0, low: float = 1.0, high: float = 4.0, places: int = 8192
) -> NDArray[np.float64]:  # fmt: skip
    """Radians per place for each pair of a head of `width`: theta^(-2i / width), stretched.

    "linear" divides all by `factor` (Chen et al., arXiv:2306.15595). "llama3" divides those that turn fewer than `low` times in so
    many `places`, leaves those of more than `high` turns, and blends between (Llama 3.1, Dubey et al., arXiv:2407.21783).
    """
    if kind not in KINDS:
        raise ValueError(f"llama: rope_type must be one of {', '.join(KINDS)}, not {kind!r}")
    if not factor > 0 or not 0 < low < high or not places > 0:
        raise ValueError(
            f"llama: rope_factor and rope_places must be above 0, and rope_low below rope_high, not {factor}, {places}, {low} and {high}"
        )
    plain = theta ** (-np.arange(0, width, 2, dtype=np.float64) / width)
    if kind == "default":
        return plain
    if kind == "linear":
        return plain / factor
    turns = places * plain / (2 * math.pi)
    kept = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return plain * (kept + (1 - kept) / factor)
