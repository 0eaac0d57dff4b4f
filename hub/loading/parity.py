"""The parity card: does a model still compute here what its authors' own code computes?

A card holds the largest logits and, per stage, two sums of what the authors' code gives on an input made from integers.
Checking it runs the model here on the same input and names the first stage that differs.

The input ``ramp-v1`` of shape (batch, channels, height, width) has at image b, channel c, row i and column j the value

    ((37 i + 101 j + 211 c + 53 b) mod 512 - 256) / 128

which lies in [-2, 2) and is exact in float32 (a multiple of 1/128), so that every language makes the same input.
`ramp` says what a shape of another length gives.

The input ``tokens-v1`` of shape (batch, length) has at text b and place j the token (101 j + 53 b + 7) mod 1000.

A card may name a `module`: then that part of the model is run, and the stages are parts of it. Where a model gives several
results, the first is meant.

A stage's two sums are of its output and of the absolute values of it, in float64; the first tensor where a stage gives
several. Sums must agree within tolerance times the absolute sum, logits within tolerance times the largest of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from numzoo.hub.errors import FormatError, NotFoundError
from numzoo.hub.loading.load import load
from numzoo.hub.registry.choice import Registries
from numzoo.hub.registry.names import open_registry

if TYPE_CHECKING:
    from numzoo.hub.download.progress import Progress

__all__ = ["Check", "ParityResult", "ramp", "tokens", "verify_parity"]

_ROW, _COLUMN, _CHANNEL, _BATCH = 37, 101, 211, 53


@dataclass(frozen=True, slots=True)
class Check:
    """One compared value: `error` is relative, against the scale that the module's docstring names."""

    what: str
    wanted: float
    found: float
    error: float
    passed: bool


@dataclass(frozen=True, slots=True)
class ParityResult:
    """All checks of a card in the order of the run: stages first, then logits."""

    name: str
    tolerance: float
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every value agrees."""
        return all(check.passed for check in self.checks)

    @property
    def first_difference(self) -> Check | None:
        """The first check that failed, or None."""
        return next((check for check in self.checks if not check.passed), None)

    @property
    def largest_error(self) -> float:
        """The largest relative error of all checks; NaN where a value was none."""
        errors = [check.error for check in self.checks]
        return math.nan if any(math.isnan(error) for error in errors) else max(errors)

    def __str__(self) -> str:
        differs = self.first_difference
        if differs is None:
            return (
                f"{self.name}: parity holds for {len(self.checks)} values; the largest relative error is "
                f"{self.largest_error:.1e}, allowed {self.tolerance:.0e}"
            )
        return (
            f"{self.name}: parity is broken, first at {differs.what}: {differs.found:.7g}, where the authors' code "
            f"gives {differs.wanted:.7g} (relative error {differs.error:.1e}, allowed {self.tolerance:.0e})"
        )


def ramp(shape: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The input ``ramp-v1`` of this shape, float32.

    The factors belong to the axes from the end: column 101, row 37, channel 211, batch 53; with fewer axes the rest is
    left out, further axes in front count with 53 as well.
    """
    factors = [_BATCH] * max(0, len(shape) - 3) + [_CHANNEL, _ROW, _COLUMN][-min(len(shape), 3) :]
    total = np.zeros(tuple(shape), dtype=np.int64)
    for axis, factor in enumerate(factors):
        along = [1] * len(shape)
        along[axis] = shape[axis]
        total += (np.arange(shape[axis], dtype=np.int64) * factor).reshape(along)
    return ((total % 512 - 256) / 128).astype(np.float32)


def tokens(shape: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The input ``tokens-v1`` of shape (batch, length)."""
    batch, length = shape
    return (np.arange(length) * _COLUMN + np.arange(batch)[:, None] * _BATCH + 7) % 1000


_INPUTS: Mapping[str, Callable[[Sequence[int]], np.ndarray[Any, Any]]] = {"ramp-v1": ramp, "tokens-v1": tokens}


def verify_parity(
    name: str,
    *,
    device: Any = None,
    trust_first_use: bool = False,
    offline: bool | None = None,
    registry: Registries = None,
    progress: Progress | Literal[False] | None = None,
) -> ParityResult:
    """Load `name`, run its card and compare. Raises NotFoundError for an entry without a card."""
    known = open_registry(registry, offline=offline)
    entry = known.entry(name)
    if entry.parity is None:
        raise NotFoundError(f"{entry.name} has no parity card: nothing says what its authors' code computes.")
    model = load(
        entry.name,
        device=device,
        trust_first_use=trust_first_use,
        offline=offline,
        registry=known,
        progress=progress,
    )
    return run_card(model, entry.parity, who=entry.name)


def run_card(model: Any, card: Mapping[str, Any], *, who: str) -> ParityResult:
    """Run `model` (in evaluation mode) on the card's input and compare every value of the card."""
    tolerance = float(card["tolerance"]["f32"])
    stages: Mapping[str, Sequence[float]] = card.get("stages", {})
    if card["input"] == "tokens-v1" and len(card["shape"]) != 2:
        raise FormatError(f"{who}: its parity card has tokens of shape {tuple(card['shape'])}; wanted (batch, length).")
    part = card.get("module", "")
    if part and part not in dict(model.named_modules()):
        raise FormatError(f"{who}: its parity card names the module {part!r}, which the model does not have.")
    model.requires_grad_(False)
    given = _INPUTS[card["input"]](card["shape"])
    found, logits = _run(model.get_submodule(part) if part else model, given, stages, who)
    checks: list[Check] = []
    for stage, (wanted, magnitude) in stages.items():
        total, absolute = found[stage]
        checks.append(_check(f"stage {stage}, sum", wanted, total, magnitude, tolerance))
        checks.append(_check(f"stage {stage}, sum of absolute values", magnitude, absolute, magnitude, tolerance))
    scale = max(abs(float(value)) for _, value in card["top"])
    for index, value in card["top"]:
        if int(index) != index or not 0 <= index < logits.size:
            raise FormatError(f"{who}: its parity card names the place {index!r}, but the result has {logits.size}.")
        checks.append(_check(f"value {int(index)}", float(value), float(logits[int(index)]), scale, tolerance))
    order = [int(index) for index, _ in card["top"]]
    best, first = int(np.argmax(logits)), order[0]
    checks.append(
        Check("the place of the largest value", first, best, 0.0 if best == first else math.inf, best == first)
    )
    return ParityResult(who, tolerance, tuple(checks))


def _run(
    model: Any, given: np.ndarray[Any, Any], stages: Mapping[str, Any], who: str
) -> tuple[dict[str, tuple[float, float]], np.ndarray[Any, np.dtype[np.float64]]]:
    """The two sums of every stage, and the result of the first example."""
    modules = dict(model.named_modules())
    unknown = [stage for stage in stages if stage not in modules]
    if unknown:
        raise FormatError(f"{who}: its parity card names the stage {unknown[0]!r}, which the model does not have.")
    sums: dict[str, tuple[float, float]] = {}
    handles = [modules[stage].register_forward_hook(_recorder(stage, sums)) for stage in stages]
    try:
        logits = _first(model(given))
    finally:
        for handle in handles:
            handle.remove()
    missing = [stage for stage in stages if stage not in sums]
    if missing:
        raise FormatError(f"{who}: its parity card names the stage {missing[0]!r}, which the model did not run.")
    return sums, logits[0].ravel()


def _recorder(stage: str, sums: dict[str, tuple[float, float]]) -> Any:
    def record(module: Any, inputs: Any, output: Any) -> None:
        array = _first(output)
        sums[stage] = (float(array.sum()), float(np.abs(array).sum()))

    return record


def _first(output: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    first = output[0] if isinstance(output, (tuple, list)) else output
    return np.asarray(first.numpy()).astype(np.float64)


def _check(what: str, wanted: float, found: float, scale: float, tolerance: float) -> Check:
    error = abs(found - wanted) / max(abs(scale), 1e-30)
    return Check(what, wanted, found, error, bool(error <= tolerance))
