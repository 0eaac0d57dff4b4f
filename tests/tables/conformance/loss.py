"""The losses beside PyTorch's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from numzoo import engine
from numzoo.engine import nn

from .case import Case, Drawn, Random, axis_of, shape_of, uniform

F = nn.functional


def theirs(name: str) -> Callable[..., Any]:
    return lambda torch, *x, **settings: getattr(torch.nn.functional, name)(*x, **settings)


def case(name: str, draw: Callable[[Random], Drawn], **more: Any) -> Case:
    return Case(name, draw, getattr(F, name), theirs(name), **more)


def reduction(random: Random, *others: str) -> str:
    return str(random.choice(["mean", "sum", "none", *others]))


def signs(random: Random, *shape: int) -> Any:
    """1 and -1."""
    return np.asarray(random.integers(0, 2, shape) * 2 - 1)


def coin(random: Random) -> bool:
    return bool(random.random() < 0.5)


def number(random: Random, low: float, high: float) -> float:
    return float(random.uniform(low, high))


def pairs(low: float = -2.0, high: float = 2.0, target_low: float | None = None, **settings: Callable[[Random], Any]) -> Any:  # fmt: skip
    """Two tensors of one shape, and drawn settings besides the reduction."""

    def draw(random: Random) -> Drawn:
        shape = shape_of(random)
        target = uniform(random, *shape, low=low if target_low is None else target_low, high=high)
        drawn = {name: make(random) for name, make in settings.items()}
        return [uniform(random, *shape, low=low, high=high), target], {"reduction": reduction(random), **drawn}

    return draw


def weighted_pairs(random: Random) -> Drawn:
    """The same, with weights; nothing to divide by is left to the others."""
    shape = shape_of(random, empty=False)
    weight = uniform(random, *shape, low=0.2) if coin(random) else None
    return [uniform(random, *shape), uniform(random, *shape), weight], {"reduction": reduction(random)}


def classes(random: Random) -> Drawn:
    """Scores (classes,), (batch, classes) or with places, targets of which some are ignored, weights of classes or none."""
    count = int(random.integers(2, 6))
    lead = shape_of(random, 0, 3)
    shape = (*lead[:1], count, *lead[1:])
    ignored = int(random.integers(0, count)) if coin(random) else -100
    target = np.asarray(random.integers(0, count, lead))
    target = np.where(random.random(lead) < 0.2, ignored, target)
    weight = uniform(random, count, low=0.1) if coin(random) else None
    return [uniform(random, *shape), target, weight], {"ignore_index": ignored, "reduction": reduction(random)}


def nll_theirs(torch: Any, x: Any, *rest: Any, **settings: Any) -> Any:
    # PyTorch's own gradient fails on memory with gaps.
    return without_weight_gradient(torch.nn.functional.nll_loss)(x.contiguous(), *rest, **settings)


def smoothed(random: Random) -> Drawn:
    arrays, settings = classes(random)
    return arrays, {**settings, "label_smoothing": number(random, 0, 1) if coin(random) else 0.0}


def soft(random: Random) -> Drawn:
    count = int(random.integers(2, 6))
    lead = shape_of(random, 0, 3)
    shape = (*lead[:1], count, *lead[1:])
    weight = uniform(random, count, low=0.1) if coin(random) else None
    settings = {"reduction": reduction(random), "label_smoothing": number(random, 0, 1) if coin(random) else 0.0}
    return [uniform(random, *shape), uniform(random, *shape, low=0.0), weight], settings


def without_weight_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Class weights are constants in both."""

    def call(x: Any, target: Any, weight: Any, **settings: Any) -> Any:
        return function(x, target, weight if weight is None else weight.detach(), **settings)

    return call


def constant_weight(name: str, draw: Callable[[Random], Drawn], label: str = "", **more: Any) -> Case:
    return Case(
        f"{name} {label}".strip(),
        draw,
        without_weight_gradient(getattr(F, name)),
        lambda torch, *x, **settings: without_weight_gradient(getattr(torch.nn.functional, name))(*x, **settings),
        **more,
    )


def binary(random: Random, low: float, high: float) -> Drawn:
    shape = shape_of(random)
    weight = uniform(random, *(shape if coin(random) else shape[-1:]), low=0.1) if coin(random) else None
    return [uniform(random, *shape, low=low, high=high), uniform(random, *shape, low=0.0, high=1.0), weight], {
        "reduction": reduction(random)
    }


def logits(random: Random) -> Drawn:
    arrays, settings = binary(random, -6.0, 6.0)
    shape = arrays[0].shape
    positive = uniform(random, *shape[-1:], low=0.1) if coin(random) else None
    return [*arrays, positive], settings


def with_logits(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, target: Any, weight: Any, pos_weight: Any, **settings: Any) -> Any:
        weight, pos_weight = (w if w is None else w.detach() for w in (weight, pos_weight))
        return function(x, target, weight, pos_weight=pos_weight, **settings)

    return call


def divergence(random: Random) -> Drawn:
    shape = shape_of(random, 1)
    log_target = coin(random)
    target = uniform(random, *shape, low=-3.0 if log_target else 0.05, high=0.0 if log_target else 1.0)
    return [uniform(random, *shape, low=-3.0, high=0.0), target], {
        "log_target": log_target,
        "reduction": reduction(random, "batchmean") if shape[0] else "sum",
    }


def kl_theirs(torch: Any, *x: Any, **settings: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that "mean" is not the definition
        return torch.nn.functional.kl_div(*x, **settings)


def gaussian(random: Random) -> Drawn:
    shape = shape_of(random, 1, empty=False)
    kinds = [shape, (*shape[:-1], 1), *([shape[:-1]] if len(shape) > 1 else [])]
    variance = uniform(random, *kinds[int(random.integers(len(kinds)))], low=0.1)
    settings = {"full": coin(random), "eps": number(random, 1e-6, 0.5), "reduction": reduction(random)}
    return [uniform(random, *shape), uniform(random, *shape), variance], settings


def poisson(random: Random) -> Drawn:
    shape = shape_of(random)
    log_input = coin(random)
    return [uniform(random, *shape, low=-2.0 if log_input else 0.1), uniform(random, *shape, low=0.1, high=4.0)], {
        "log_input": log_input, "full": coin(random), "eps": number(random, 1e-8, 1e-2), "reduction": reduction(random),
    }  # fmt: skip


def hinge(random: Random) -> Drawn:
    shape = shape_of(random)
    return [uniform(random, *shape), signs(random, *shape)], {
        "margin": number(random, 0.1, 2), "reduction": reduction(random),
    }  # fmt: skip


def hinge_without_margin(random: Random) -> Drawn:
    arrays, settings = hinge(random)
    return arrays, {"reduction": settings["reduction"]}


def ranking(random: Random) -> Drawn:
    shape = shape_of(random)
    return [uniform(random, *shape), uniform(random, *shape), signs(random, *shape)], {
        "margin": number(random, 0, 1),
        "reduction": reduction(random),
    }


def embeddings(random: Random) -> Drawn:
    shape = shape_of(random, 1, 2, empty=False)
    return [uniform(random, *shape), uniform(random, *shape), signs(random, *shape[:-1])], {
        "margin": number(random, -0.5, 0.8),
        "reduction": reduction(random),
    }


def triplets(random: Random) -> Drawn:
    shape = shape_of(random, 1, 3, empty=False)
    return [uniform(random, *shape) for _ in range(3)], {
        "margin": number(random, 0.5, 4), "p": float(random.choice([1, 2, 3, 1.5])), "eps": 1e-4, "swap": coin(random),
        "reduction": reduction(random),
    }  # fmt: skip


def distances(random: Random) -> Drawn:
    arrays, settings = triplets(random)
    return arrays, {name: settings[name] for name in ("margin", "swap", "reduction")}


def manhattan(x: Any, y: Any) -> Any:
    return abs(x - y).sum(-1)


def margins(random: Random) -> Drawn:
    batch, count = int(random.integers(1, 5)), int(random.integers(2, 6))
    lead = (batch,) if coin(random) else ()
    weight = uniform(random, count, low=0.1) if coin(random) else None
    return [uniform(random, *lead, count), np.asarray(random.integers(0, count, lead)), weight], {
        "p": int(random.integers(1, 3)), "margin": number(random, 0.2, 2), "reduction": reduction(random),
    }  # fmt: skip


def multi_margin(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, target, weight, **settings: function(
        x, target, weight=None if weight is None else weight.detach(), **settings
    )


def listed(random: Random) -> Drawn:
    lead, count = ((int(random.integers(1, 5)),) if coin(random) else ()), int(random.integers(1, 6))
    target = random.integers(-1, count, (*lead, count))
    return [uniform(random, *lead, count), target], {"reduction": reduction(random)}


def several(random: Random) -> Drawn:
    shape = shape_of(random, 1, 3, empty=False)
    weight = uniform(random, shape[-1], low=0.1) if coin(random) else None
    return [uniform(random, *shape), random.integers(0, 2, shape), weight], {"reduction": reduction(random)}


def alignments(random: Random) -> Drawn:
    """Labels for every way to give them: a table or one row, some of them longer than their steps allow."""
    time, batch, count = int(random.integers(1, 12)), int(random.integers(1, 5)), int(random.integers(2, 6))
    blank = int(random.integers(count))
    steps, labels = random.integers(1, time + 1, batch), random.integers(0, 5, batch)
    table = random.integers(0, count - 1, (batch, max(int(labels.max()), 1)))
    table += table >= blank
    single = coin(random) and batch == 1
    if single:
        settings = {"input_lengths": int(steps[0]), "target_lengths": int(labels[0])}
        return [uniform(random, time, count), table[0, : labels[0]]], {**settings, **common(random, blank)}
    if coin(random):
        table = np.concatenate([row[:n] for row, n in zip(table, labels, strict=True)])
    settings = {"input_lengths": tuple(map(int, steps)), "target_lengths": tuple(map(int, labels))}
    return [uniform(random, time, batch, count), table], {**settings, **common(random, blank)}  # type: ignore[dict-item]


def common(random: Random, blank: int) -> dict[str, Any]:
    # Without zero_infinity the gradient of what cannot be is NaN in both; the comparison keeps to numbers.
    return {"blank": blank, "zero_infinity": True, "reduction": reduction(random)}


def ctc_ours(x: Any, targets: Any, **settings: Any) -> Any:
    return F.ctc_loss(engine.log_softmax(x, axis=-1), targets, **settings)


def ctc_theirs(torch: Any, x: Any, targets: Any, **settings: Any) -> Any:
    for name in ("input_lengths", "target_lengths"):
        if isinstance(settings[name], int):
            settings[name] = torch.tensor(settings[name])
    return torch.nn.functional.ctc_loss(x.log_softmax(-1), targets, **settings)


def angles(random: Random) -> Drawn:
    shape = shape_of(random, 1, 3, empty=False)
    return [uniform(random, *shape), uniform(random, *shape)], {"dim": axis_of(random, len(shape)), "eps": 1e-6}


def apart(random: Random) -> Drawn:
    shape = shape_of(random, 1, 3, empty=False)
    return [uniform(random, *shape), uniform(random, *shape)], {
        "p": float(random.choice([1, 2, 3, 0.5 + 1, np.inf])), "eps": 1e-3, "keepdim": coin(random),
    }  # fmt: skip


def tables(random: Random) -> Drawn:
    lead, width = shape_of(random, 0, 2, empty=False), int(random.integers(1, 4))
    rows = [int(random.integers(1, 30)) for _ in range(2)]
    return [uniform(random, *lead, rows[0], width), uniform(random, *lead, rows[1], width)], {
        "p": float(random.choice([1, 2, 3]))
    }


def focal(random: Random) -> Drawn:
    shape = shape_of(random)
    return [uniform(random, *shape, low=-6, high=6), np.asarray(random.integers(0, 2, shape), float)], {
        "alpha": number(random, 0, 1) if coin(random) else -1.0, "gamma": number(random, 0.5, 3), "reduction": reduction(random),
    }  # fmt: skip


def focal_theirs(torch: Any, x: Any, target: Any, alpha: float, gamma: float, reduction: str) -> Any:
    """Lin et al., equation 5."""
    chance = torch.sigmoid(x)
    of_truth = chance * target + (1 - chance) * (1 - target)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(x, target, reduction="none") * (1 - of_truth) ** gamma
    loss = loss if alpha < 0 else loss * (alpha * target + (1 - alpha) * (1 - target))
    return {"mean": loss.mean, "sum": loss.sum, "none": lambda: loss}[reduction]()


def overlap(random: Random) -> Drawn:
    lead, count = shape_of(random, 1, 3, empty=False), int(random.integers(1, 4))
    shape = (lead[0], count, *lead[1:])
    target: Any = random.integers(0, count, lead) if coin(random) else uniform(random, *shape, low=0, high=1)
    return [uniform(random, *shape), target], {"smooth": number(random, 0.1, 1), "reduction": reduction(random)}


def dice_theirs(torch: Any, x: Any, target: Any, smooth: float, reduction: str) -> Any:
    if target.is_floating_point():
        chance, truth = torch.sigmoid(x), target
    else:
        chance = torch.softmax(x, 1)
        truth = torch.nn.functional.one_hot(target, x.shape[1]).movedim(-1, 1).to(x.dtype)
    chance, truth = chance.flatten(2) if x.ndim > 2 else chance.unsqueeze(2), truth.flatten(2) if x.ndim > 2 else truth.unsqueeze(2)  # fmt: skip
    loss = 1 - (2 * (chance * truth).sum(2) + smooth) / (chance.sum(2) + truth.sum(2) + smooth)
    return {"mean": loss.mean, "sum": loss.sum, "none": lambda: loss}[reduction]()


CASES = [
    Case("mse_loss weighted", weighted_pairs, lambda x, y, w, **s: F.mse_loss(x, y, weight=w, **s),
         lambda torch, x, y, w, **s: torch.nn.functional.mse_loss(x, y, weight=w, **s)),
    case("mse_loss", pairs()),
    case("l1_loss", pairs()),
    case("smooth_l1_loss", pairs(beta=lambda r: number(r, 0.2, 2) if coin(r) else 0.0)),
    case("huber_loss", pairs(delta=lambda r: number(r, 0.2, 2))),
    Case("kl_div", divergence, F.kl_div, kl_theirs),
    case("poisson_nll_loss", poisson),
    case("gaussian_nll_loss", gaussian),
    Case("nll_loss", classes, without_weight_gradient(F.nll_loss), nll_theirs),
    constant_weight("cross_entropy", smoothed, dtypes=("float32",)),
    constant_weight("cross_entropy", soft, "soft", dtypes=("float32",)),
    constant_weight("binary_cross_entropy", lambda r: binary(r, 0.05, 0.95), dtypes=("float32", "bfloat16")),
    Case("binary_cross_entropy_with_logits", logits, with_logits(F.binary_cross_entropy_with_logits),
         lambda torch, *x, **s: with_logits(torch.nn.functional.binary_cross_entropy_with_logits)(*x, **s)),
    case("hinge_embedding_loss", hinge),
    case("margin_ranking_loss", ranking),
    case("cosine_embedding_loss", embeddings),
    case("triplet_margin_loss", triplets, tolerance=1e-8),
    Case("triplet_margin_with_distance_loss", distances, lambda *x, **s: F.triplet_margin_with_distance_loss(*x, distance_function=manhattan, **s),
         lambda torch, *x, **s: torch.nn.functional.triplet_margin_with_distance_loss(*x, distance_function=manhattan, **s)),
    Case("triplet_margin_with_distance_loss", distances, F.triplet_margin_with_distance_loss, theirs("triplet_margin_with_distance_loss")),
    case("soft_margin_loss", hinge_without_margin),
    Case("multi_margin_loss", margins, multi_margin(F.multi_margin_loss),
         lambda torch, *x, **s: multi_margin(torch.nn.functional.multi_margin_loss)(*x, **s), second=False, dtypes=("float32",)),
    Case("multilabel_margin_loss", listed, F.multilabel_margin_loss,
         lambda torch, x, t, **s: torch.nn.functional.multilabel_margin_loss(x, t, **s), second=False, dtypes=("float32",)),
    constant_weight("multilabel_soft_margin_loss", several),
    Case("ctc_loss", alignments, ctc_ours, ctc_theirs, second=False, dtypes=("float32",), repeats=100),
    Case("cosine_similarity", angles, engine.cosine_similarity, theirs("cosine_similarity"), tolerance=1e-8),
    Case("pairwise_distance", apart, engine.pairwise_distance, theirs("pairwise_distance"), tolerance=1e-8),
    Case("cdist", tables, engine.cdist, lambda torch, *x, **s: torch.cdist(*x, **s), tolerance=1e-7, second=False, dtypes=("float32",), narrow_tolerance=100),
    Case("sigmoid_focal_loss", focal, lambda x, t, **s: F.sigmoid_focal_loss(x, t.detach(), **s),
         lambda torch, x, t, **s: focal_theirs(torch, x, t.detach(), **s), narrow_tolerance=2),
    Case("dice_loss", overlap, F.dice_loss, dice_theirs),
]  # fmt: skip
