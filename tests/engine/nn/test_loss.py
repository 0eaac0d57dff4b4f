"""Losses: the layers beside the functions, what cannot be aligned, and inputs that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import DtypeError, SettingError, ShapeError, nn

F = nn.functional


def draw(*shape: int, seed: int = 0, low: float = -1.0, high: float = 1.0) -> Any:
    return engine.Tensor(np.random.default_rng(seed).uniform(low, high, shape))


X, Y, Z = draw(4, 3), draw(4, 3, seed=1), draw(4, 3, seed=2)
P, Q = draw(4, 3, seed=3, low=0.1, high=0.9), draw(4, 3, seed=4, low=0.1, high=0.9)
LABELS = [0, 2, 1, 1]
SIGNS = engine.tensor([[1, -1, 1]] * 4)
ONES = engine.tensor([1, -1, 1, -1])
WEIGHT = draw(3, seed=5, low=0.5, high=2.0)
LISTED = engine.tensor([[0, -1, 1], [2, 1, -1], [-1, 0, 0], [1, 1, -1]])
STEPS = engine.log_softmax(draw(6, 2, 4), axis=-1)


# the layer with its settings, the function's call, the arguments of both
LAYERS: list[tuple[Any, Callable[..., Any], tuple[Any, ...]]] = [
    (lambda r: nn.L1Loss(reduction=r), lambda r, *a: F.l1_loss(*a, reduction=r), (X, Y)),
    (lambda r: nn.MSELoss(reduction=r), lambda r, *a: F.mse_loss(*a, reduction=r), (X, Y)),
    (lambda r: nn.SmoothL1Loss(r, 0.3), lambda r, *a: F.smooth_l1_loss(*a, reduction=r, beta=0.3), (X, Y)),
    (lambda r: nn.HuberLoss(r, 0.3), lambda r, *a: F.huber_loss(*a, reduction=r, delta=0.3), (X, Y)),
    (lambda r: nn.KLDivLoss(r, True), lambda r, *a: F.kl_div(*a, reduction=r, log_target=True), (X, Y)),
    (lambda r: nn.PoissonNLLLoss(False, True, 0.1, r), lambda r, *a: F.poisson_nll_loss(*a, False, True, 0.1, r), (P, Q)),
    (lambda r: nn.GaussianNLLLoss(full=True, eps=0.2, reduction=r), lambda r, *a: F.gaussian_nll_loss(*a, True, 0.2, r), (X, Y, P)),
    (lambda r: nn.NLLLoss(WEIGHT, 1, r), lambda r, *a: F.nll_loss(*a, WEIGHT, ignore_index=1, reduction=r), (X, LABELS)),
    (lambda r: nn.CrossEntropyLoss(WEIGHT, 1, r, 0.1),
     lambda r, *a: F.cross_entropy(*a, WEIGHT, ignore_index=1, reduction=r, label_smoothing=0.1), (X, LABELS)),
    (lambda r: nn.BCELoss(WEIGHT, r), lambda r, *a: F.binary_cross_entropy(*a, WEIGHT, reduction=r), (P, Q)),
    (lambda r: nn.BCEWithLogitsLoss(WEIGHT, r, WEIGHT),
     lambda r, *a: F.binary_cross_entropy_with_logits(*a, WEIGHT, reduction=r, pos_weight=WEIGHT), (X, Q)),
    (lambda r: nn.FocalLoss(0.4, 1.5, r), lambda r, *a: F.sigmoid_focal_loss(*a, 0.4, 1.5, r), (X, Q)),
    (lambda r: nn.DiceLoss(0.5, r), lambda r, *a: F.dice_loss(*a, 0.5, r), (X, LABELS)),
    (lambda r: nn.CTCLoss(3, r, True), lambda r, *a: F.ctc_loss(*a, 3, r, True), (STEPS, [[0, 1], [2, 2]], [6, 5], [2, 2])),
    (lambda r: nn.HingeEmbeddingLoss(0.7, r), lambda r, *a: F.hinge_embedding_loss(*a, 0.7, r), (X, SIGNS)),
    (lambda r: nn.MarginRankingLoss(0.7, r), lambda r, *a: F.margin_ranking_loss(*a, 0.7, r), (X, Y, SIGNS)),
    (lambda r: nn.CosineEmbeddingLoss(0.2, r), lambda r, *a: F.cosine_embedding_loss(*a, 0.2, r), (X, Y, ONES)),
    (lambda r: nn.SoftMarginLoss(r), lambda r, *a: F.soft_margin_loss(*a, r), (X, SIGNS)),
    (lambda r: nn.MultiMarginLoss(2, 0.7, WEIGHT, r), lambda r, *a: F.multi_margin_loss(*a, 2, 0.7, WEIGHT, r), (X, engine.tensor(LABELS))),
    (lambda r: nn.MultiLabelMarginLoss(r), lambda r, *a: F.multilabel_margin_loss(*a, r), (X, LISTED)),
    (lambda r: nn.MultiLabelSoftMarginLoss(WEIGHT, r), lambda r, *a: F.multilabel_soft_margin_loss(*a, WEIGHT, reduction=r), (X, Q)),
    (lambda r: nn.TripletMarginLoss(0.7, 3.0, 1e-4, True, r), lambda r, *a: F.triplet_margin_loss(*a, 0.7, 3.0, 1e-4, True, r), (X, Y, Z)),
    (lambda r: nn.TripletMarginWithDistanceLoss(distance_function=F.cosine_similarity, margin=0.7, swap=True, reduction=r),
     lambda r, *a: F.triplet_margin_with_distance_loss(*a, distance_function=F.cosine_similarity, margin=0.7, swap=True, reduction=r), (X, Y, Z)),
]  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("row", [pytest.param(row, id=type(row[0]("mean")).__name__) for row in LAYERS])
def test_a_layer_is_its_function_with_every_setting(row: Any, reduction: str) -> None:
    layer, function, arguments = row
    wanted = function(reduction, *arguments).numpy()
    np.testing.assert_array_equal(layer(reduction)(*arguments).numpy(), wanted)
    assert np.isfinite(wanted).all()
    assert (wanted.ndim == 0) == (reduction != "none")


@pytest.mark.parametrize("row", [pytest.param(row, id=type(row[0]("mean")).__name__) for row in LAYERS])
def test_a_reduction_that_nobody_knows_is_refused(row: Any) -> None:
    with pytest.raises(SettingError, match="reduction 'average' is not known; give"):
        row[0]("average")
    with pytest.raises(SettingError, match="reduction 'average' is not known; give"):
        row[1]("average", *row[2])


def test_distances_are_layers_too() -> None:
    np.testing.assert_array_equal(nn.CosineSimilarity(0)(X, Y).numpy(), engine.cosine_similarity(X, Y, 0).numpy())
    far = nn.PairwiseDistance(1.0, keepdim=True)(X, Y)
    np.testing.assert_allclose(far.numpy(), np.abs((X - Y).numpy() + 1e-6).sum(1, keepdims=True))


def test_weights_are_in_the_state() -> None:
    assert list(nn.BCEWithLogitsLoss(WEIGHT, pos_weight=WEIGHT).state_dict()) == ["weight", "pos_weight"]
    assert list(nn.NLLLoss().state_dict()) == []
    assert repr(nn.TripletMarginLoss()) == "TripletMarginLoss()"


def test_batchmean_is_the_sum_over_the_batch() -> None:
    assert nn.KLDivLoss("batchmean", True)(X, Y).item() == pytest.approx(nn.KLDivLoss("sum", True)(X, Y).item() / 4)


def test_a_column_beside_a_row_is_warned_of() -> None:
    for loss in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss):
        with pytest.warns(UserWarning, match=r"input \(4, 1\) and target \(4,\) have different shapes"):
            loss(draw(4, 1), draw(4))


# ---- alignments ---------------------------------------------------------------------------------------------------


def ctc(x: Any, targets: Any = ((1, 1), (1, 2)), labels: Any = (2, 2), **settings: Any) -> Any:
    return F.ctc_loss(x, targets, [2, 2], labels, **settings)


def test_labels_that_do_not_fit_their_steps_cost_infinity_or_nothing() -> None:
    # A repeated label needs a blank between: three steps, and there are two.
    x = engine.log_softmax(draw(2, 2, 3), axis=-1).detach().requires_grad_()
    losses = ctc(x, reduction="none")
    assert np.isinf(losses.numpy()).tolist() == [True, False]
    losses.sum().backward()
    assert np.isnan(x.grad.numpy()).all((0, 2)).tolist() == [True, False]
    x.grad = None
    ctc(x, reduction="none", zero_infinity=True).sum().backward()
    assert ctc(x, reduction="none", zero_infinity=True).numpy()[0] == 0
    assert not x.grad.numpy()[:, 0].any()
    assert np.isfinite(x.grad.numpy()).all()


def test_the_gradient_of_ctc_is_exact_for_numbers_that_are_no_probabilities() -> None:
    engine.check.gradients(lambda x: F.ctc_loss(x, [[1, 2, 0], [2, 2, 1]], [5, 4], [2, 3], blank=3), draw(5, 2, 4))


def test_no_label_is_all_blanks() -> None:
    x = engine.log_softmax(draw(3, 1, 4), axis=-1)
    loss = F.ctc_loss(x, np.zeros((1, 0), int), [3], [0], reduction="sum")
    assert loss.item() == pytest.approx(-x.numpy()[:, 0, 0].sum())


def test_an_impossible_class_is_no_hindrance_to_others() -> None:
    x = engine.log_softmax(draw(4, 1, 3), axis=-1).numpy().copy()
    x[:, :, 2] = -np.inf
    leaf = engine.Tensor(x, requires_grad=True)
    F.ctc_loss(leaf, [[1]], [4], [1]).backward()
    assert np.isfinite(leaf.grad.numpy()).all()


# ---- what is refused -------------------------------------------------------------------------------------------------

SCORES = draw(2, 3)
REFUSED: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("mse", lambda: F.mse_loss(draw(2, 3), draw(4)), ShapeError, r"mse_loss: \(2, 3\) and \(4,\).*equal or 1"),
    ("integers", lambda: F.mse_loss([1, 2], [1, 2]), DtypeError, r"mse_loss.*int64.*\.float\(\)"),
    ("weight", lambda: F.mse_loss(X, Y, weight=WEIGHT), ShapeError, r"mse_loss: weight \(3,\)"),
    ("beta", lambda: F.smooth_l1_loss(X, Y, beta=-1.0), SettingError, "beta must be at least 0"),
    ("delta", lambda: F.huber_loss(X, Y, delta=0.0), SettingError, "delta must be above 0"),
    ("delta NaN", lambda: F.huber_loss(X, Y, delta=float("nan")), SettingError, "delta must be above 0"),
    ("kl", lambda: F.kl_div(X, Y, reduction="avg"), SettingError, "batchmean"),
    ("kl number", lambda: F.kl_div(draw(), draw(), reduction="batchmean"), ShapeError, "batch axis"),
    ("variance", lambda: F.gaussian_nll_loss(X, Y, draw(4)), SettingError, "negative number"),
    ("variance shape", lambda: F.gaussian_nll_loss(X, Y, draw(3)), ShapeError, r"var \(3,\)"),
    ("variance eps", lambda: F.gaussian_nll_loss(X, Y, P, eps=0.0), SettingError, "eps"),
    ("nll class", lambda: F.nll_loss(SCORES, [0, 3]), ShapeError, "nll_loss: target 3 is no class.*0 to 2"),
    ("nll shape", lambda: F.nll_loss(SCORES, [0, 1, 2]), ShapeError, r"targets of shape \(2,\)"),
    ("nll floats", lambda: F.nll_loss(SCORES, [0.0, 1.0]), DtypeError, "class indices"),
    ("nll weight", lambda: F.nll_loss(SCORES, [0, 1], draw(2)), ShapeError, "each of the 3 classes"),
    ("nll integers", lambda: F.nll_loss([[1, 2]], [0]), DtypeError, "int64"),
    ("bce range", lambda: F.binary_cross_entropy(X * 3.0, Q), SettingError, "between 0 and 1.*with_logits"),
    ("bce NaN", lambda: F.binary_cross_entropy(P * float("nan"), Q), SettingError, "between 0 and 1"),
    ("bce shape", lambda: F.binary_cross_entropy(P, Q[0]), ShapeError, r"target \(3,\)"),
    ("logits shape", lambda: F.binary_cross_entropy_with_logits(X, Q[:, :1]), ShapeError, r"target \(4, 1\)"),
    ("logits weight", lambda: F.binary_cross_entropy_with_logits(X, Q, draw(2)), ShapeError, "weight"),
    ("logits pos_weight", lambda: F.binary_cross_entropy_with_logits(X, Q, pos_weight=draw(2)), ShapeError, "pos_weight"),
    ("focal", lambda: F.sigmoid_focal_loss(X, Q, gamma=-1.0), SettingError, "gamma"),
    ("focal alpha", lambda: F.sigmoid_focal_loss(X, Q, alpha=2.0), SettingError, "alpha"),
    ("dice", lambda: F.dice_loss(draw(4), [0]), ShapeError, "batch, classes"),
    ("dice class", lambda: F.dice_loss(X, [0, 1, 2, 3]), ShapeError, "target 3 is no class"),
    ("dice smooth", lambda: F.dice_loss(X, LABELS, smooth=-1.0), SettingError, "smooth"),
    ("multi p", lambda: F.multi_margin_loss(X, LABELS, p=3), SettingError, "1 or 2"),
    ("multi shape", lambda: F.multi_margin_loss(draw(2, 3, 4), [0, 0]), ShapeError, r"\(2, 3, 4\)"),
    ("multi weight", lambda: F.multi_margin_loss(X, LABELS, weight=draw(2)), ShapeError, "each of the 3 classes"),
    ("listed", lambda: F.multilabel_margin_loss(X, LISTED + 2), ShapeError, "classes are 0 to 2"),
    ("listed dtype", lambda: F.multilabel_margin_loss(X, Y), DtypeError, "integers"),
    ("listed shape", lambda: F.multilabel_margin_loss(X, LISTED[:2]), ShapeError, "shape of input"),
    ("soft number", lambda: F.multilabel_soft_margin_loss(draw(), draw()), ShapeError, "classes"),
    ("ranking", lambda: F.margin_ranking_loss(X, Y, ONES[:3]), ShapeError, "as many axes"),
    ("cosine", lambda: F.cosine_embedding_loss(X, Y, SIGNS), ShapeError, r"target \(batch,\)"),
    ("triplet", lambda: F.triplet_margin_loss(X, Y, Z[0]), ShapeError, "as many axes"),
    ("triplet margin", lambda: F.triplet_margin_loss(X, Y, Z, margin=0.0), SettingError, "margin"),
    ("triplet power", lambda: F.triplet_margin_loss(X, Y, Z, p=-1.0), SettingError, "p must be"),
    ("angle", lambda: engine.cosine_similarity(X, draw(4, 2)), ShapeError, "cosine_similarity.*broadcast"),
    ("angle axis", lambda: engine.cosine_similarity(X, Y, dim=2), ShapeError, "axis 2"),
    ("angle integers", lambda: engine.cosine_similarity([[1]], [[1]]), DtypeError, "int64"),
    ("distance number", lambda: engine.pairwise_distance(1.0, 2.0), ShapeError, "no vectors"),
    ("cdist", lambda: engine.cdist(X, draw(4, 2)), ShapeError, "one width"),
    ("cdist power", lambda: engine.cdist(X, Y, p=float("nan")), SettingError, "p must be"),
    ("ctc shape", lambda: F.ctc_loss(draw(3), [1], [3], [1]), ShapeError, "time, batch, classes"),
    ("ctc blank", lambda: F.ctc_loss(STEPS, [[1], [1]], [6, 6], [1, 1], blank=4), SettingError, "0 to 3"),
    ("ctc steps", lambda: F.ctc_loss(STEPS, [[1], [1]], [6, 7], [1, 1]), ShapeError, "input_lengths.*between 0 and 6"),
    ("ctc count", lambda: F.ctc_loss(STEPS, [[1], [1]], [6], [1, 1]), ShapeError, "each of the 2"),
    ("ctc lengths", lambda: F.ctc_loss(STEPS, [[1], [1]], [6, 6], [1, 2]), ShapeError, "target_lengths up to 2"),
    ("ctc labels", lambda: F.ctc_loss(STEPS, [1, 1, 1], [6, 6], [1, 1]), ShapeError, "just the 2 labels"),
    ("ctc label", lambda: F.ctc_loss(STEPS, [[1], [4]], [6, 6], [1, 1]), ShapeError, "target 4 is no label"),
    ("ctc blank label", lambda: F.ctc_loss(STEPS, [[1], [0]], [6, 6], [1, 1]), ShapeError, "but for the blank, 0"),
    ("ctc floats", lambda: F.ctc_loss(STEPS, [[1.0], [1.0]], [6, 6], [1, 1]), DtypeError, "integers"),
    ("ctc integers", lambda: F.ctc_loss([[[1]]], [[0]], [1], [1]), DtypeError, "int64"),
]  # fmt: skip


@pytest.mark.parametrize("row", [pytest.param(row[1:], id=row[0]) for row in REFUSED])
def test_what_does_not_fit_is_refused(row: Any) -> None:
    call, error, message = row
    with pytest.raises(error, match=message):
        call()
