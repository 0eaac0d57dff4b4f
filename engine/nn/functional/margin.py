"""Losses that compare embeddings and scores: a margin is to lie between what belongs together and what does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import SettingError, ShapeError
from ...ops import clip, minimum, pairwise_distance, sqrt, where
from ...ops.losses.loss import check_reduction
from ...tensor import Tensor, tensor_like
from .loss import prepared, reduced

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

Distance = Callable[[Tensor, Tensor], Tensor]


def hinge_embedding_loss(input: Tensor, target: Any, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """The distance ``input`` where the target is 1, max(0, margin - input) where it is -1."""
    (input, target), dtype = prepared("hinge_embedding_loss", reduction, input, target)
    near, far = where(target != -1, input, 0.0), where(target != 1, clip(margin - input, low=0.0), 0.0)
    return reduced(near + far, reduction, dtype)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """max(0, margin - target (input1 - input2)): input1 is to be larger where the target is 1, smaller where it is -1."""
    (input1, input2, target), dtype = prepared("margin_ranking_loss", reduction, input1, input2, target)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ShapeError(
            f"margin_ranking_loss: wants as many axes in each, not {tuple(input1.shape)}, {tuple(input2.shape)} and target {tuple(target.shape)}"
        )
    return reduced(clip(margin - target * (input1 - input2), low=0.0), reduction, dtype)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """1 - cos(input1, input2) where the target is 1, max(0, cos - margin) where it is -1.

    Inputs (batch, width) with target (batch,), or (width,) with one number.
    """
    target = tensor_like("cosine_embedding_loss", target)
    (input1, input2), dtype = prepared("cosine_embedding_loss", reduction, input1, input2)
    if target.ndim not in (0, 1) or not input1.ndim == input2.ndim == target.ndim + 1:
        raise ShapeError(
            "cosine_embedding_loss: wants inputs (batch, width) with target (batch,), or (width,) with one number, "
            f"not {tuple(input1.shape)}, {tuple(input2.shape)} and target {tuple(target.shape)}"
        )
    # The squares are lifted a little, so that vectors of zeros have an angle.
    squares = ((input1 * input1).sum(-1) + 1e-12) * ((input2 * input2).sum(-1) + 1e-12)
    cosine = (input1 * input2).sum(-1) / sqrt(squares)
    near, far = where(target == 1, 1.0 - cosine, 0.0), where(target == -1, clip(cosine - margin, low=0.0), 0.0)
    return reduced(near + far, reduction, dtype)


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6,
    swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, margin + d(anchor, positive) - d(anchor, negative)) with the p-norm distance over the last axis.

    ``swap`` takes d(positive, negative) where that is smaller (Balntas et al., 2016).
    """
    (anchor, positive, negative), dtype = prepared("triplet_margin_loss", reduction, anchor, positive, negative)
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            f"triplet_margin_loss: wants as many axes in each, not {tuple(anchor.shape)}, {tuple(positive.shape)} and {tuple(negative.shape)}"
        )

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return pairwise_distance(x, y, p, eps)

    return reduced(
        _triplet("triplet_margin_loss", anchor, positive, negative, distance, margin, swap), reduction, dtype
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *, distance_function: Distance | None = None,
    margin: float = 1.0, swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """As ``triplet_margin_loss``, with any distance; Euclid's unless given."""
    name = "triplet_margin_with_distance_loss"
    check_reduction(name, reduction)
    (anchor, positive, negative), dtype = prepared(name, reduction, anchor, positive, negative)
    loss = _triplet(name, anchor, positive, negative, distance_function or pairwise_distance, margin, swap)
    return reduced(loss, reduction, dtype)


def _triplet(
    name: str, anchor: Tensor, positive: Tensor, negative: Tensor, distance: Distance, margin: float, swap: bool
) -> Tensor:
    if not margin > 0:
        raise SettingError(f"{name}: margin must be above 0, not {margin}")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return clip(near - far + margin, low=0.0)
