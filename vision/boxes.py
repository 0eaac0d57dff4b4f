"""Boxes in images: (left, top, right, bottom) in pixels, a row each."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["areas", "overlaps", "suppress"]

Boxes = NDArray[np.floating[Any]]


def areas(boxes: Boxes, *, edge: float = 0.0) -> Boxes:
    """The area of each box; with ``edge=1`` right and bottom are the last pixel inside, not the first one outside."""
    return np.asarray((boxes[:, 2] - boxes[:, 0] + edge) * (boxes[:, 3] - boxes[:, 1] + edge))


def overlaps(box: Boxes, boxes: Boxes, *, over: Literal["union", "smaller"] = "union", edge: float = 0.0) -> Boxes:
    """How much of `box` and each of `boxes` is common to both, over their union (Jaccard) or over the smaller one."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:4], boxes[:, 2:4])
    common = np.maximum(0, high - low + edge).prod(axis=1)
    own, others = areas(box[None], edge=edge), areas(boxes, edge=edge)
    whole = np.minimum(own, others) if over == "smaller" else own + others - common
    return np.asarray(common / np.maximum(whole, np.finfo(boxes.dtype).tiny))


def suppress(
    boxes: Boxes, scores: Boxes, threshold: float, *, over: Literal["union", "smaller"] = "union", edge: float = 0.0
) -> NDArray[np.intp]:
    """The rows that stay, the best first, after each has driven out the worse ones that overlap it by more than `threshold`.

    Known as non-maximum suppression. boxes (n, 4), scores (n,); of equal scores the earlier row counts as the better.
    """
    order = np.argsort(-scores, kind="stable")
    kept = []
    while order.size:
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[overlaps(boxes[best], boxes[order], over=over, edge=edge) <= threshold]
    return np.array(kept, dtype=np.intp)
