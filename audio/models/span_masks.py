"""Which places of a row are hidden in training: spans of equal length at places drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.engine.random import default_generator

__all__ = ["span_mask"]


def span_mask(
    lengths: Sequence[int] | NDArray[np.integer[Any]], width: int, chance: float, span: int, least: int = 0
) -> NDArray[np.bool_]:
    """True where a place is hidden: (rows, width), row by row within its length.

    About ``chance`` of a row's places lie in spans of ``span`` places, fewer where spans overlap; every row has as many
    spans as fit, up to ``least``, at different beginnings (Baevski et al., arXiv:2006.11477, appendix A).
    """
    draw = default_generator().numpy
    mask = np.zeros((len(lengths), width), np.bool_)
    for row, length in enumerate(int(length) for length in lengths):
        beginnings = length - span + 1
        count = min(max(int(chance * length / span + draw.random()), least), max(beginnings, 0))
        for start in draw.choice(max(beginnings, 1), count, replace=False):
            mask[row, start : start + span] = True
    return mask
