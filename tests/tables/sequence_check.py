"""Holds a model of numzoo to what transformers computed for the same integers."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from integers import integer_weights, layout_digest
from sequences import CASES, Case, inputs, loss_weights, shown, summary

from numzoo import engine

GOLDENS: dict[str, Any] = json.loads(Path(__file__).with_name("sequence_goldens.json").read_text())


def cases(domain: str) -> list[Case]:
    """The cases of one domain."""
    return [case for case in CASES if case.domain == domain]


def build(case: Case) -> tuple[Any, dict[str, tuple[int, ...]]]:
    """Our model with weights made from integers, and its layout, names sorted."""
    model = getattr(importlib.import_module(f"numzoo.{case.domain}.models"), case.builder)(**case.settings).eval()
    shapes = {name: tuple(value.shape) for name, value in sorted(model.state_dict().items())}
    counters = {name: np.zeros((), np.int64) for name in shapes if name.endswith("num_batches_tracked")}
    model.load_state_dict({**integer_weights(shapes, 1.0), **counters}, assign=True)
    return model, shapes


def run(case: Case, model: Any) -> list[np.ndarray[Any, Any]]:
    """What ours computes."""
    given = inputs(case.kind)
    with engine.no_grad():
        output = model(**given)
    parts = output if isinstance(output, tuple) else (output,)
    return [shown(case.name, given, part.numpy()) for part in parts if part is not None]


def gradients(case: Case, model: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The gradient of every parameter, of the results weighted and summed; zeros where there is none."""
    given = inputs(case.kind)
    output = model(**given)
    parts = [part for part in (output if isinstance(output, tuple) else (output,)) if part is not None]
    weights = loss_weights(given, [tuple(part.shape) for part in parts])
    model.zero_grad()
    losses = [(part * engine.tensor(weight)).sum() for part, weight in zip(parts, weights, strict=True)]
    sum(losses[1:], losses[0]).backward()
    return {
        name: np.zeros(tuple(parameter.shape), np.float32) if parameter.grad is None else parameter.grad.numpy()
        for name, parameter in model.named_parameters()
    }


def check_gradients(case: Case) -> None:
    """Raise AssertionError unless the training gradients are the golden ones."""
    wanted = np.array(GOLDENS[case.name]["gradients"])
    model, _ = build(case)
    found = np.array(summary(gradients(case, model)))
    assert found.shape == wanted.shape
    # A gradient that is 0 but for rounding, as that of the keys' biases, has no digits to compare.
    scale = wanted[:, 1] + 1e-4 * wanted[:, 1].max()
    assert (np.abs(found - wanted) < 1e-3 * scale[:, None]).all()


def check_golden(case: Case) -> None:
    """Raise AssertionError unless names, shapes and results are the golden ones."""
    golden = GOLDENS[case.name]
    model, shapes = build(case)
    assert layout_digest(shapes) == golden["layout_sha256"]
    results = run(case, model)
    assert [list(result.shape) for result in results] == [wanted["shape"] for wanted in golden["results"]]
    for result, wanted in zip(results, golden["results"], strict=True):
        found = result.ravel()[:: max(1, result.size // 24)]
        assert np.abs(found - np.array(wanted["values"])).max() < 1e-5 * wanted["scale"]
        assert abs(np.abs(result).max() - wanted["scale"]) < 1e-5 * wanted["scale"]
