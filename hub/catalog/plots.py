"""Scatter plots as SVG: one dot for each model, its name when pointed at, the best ones joined by a line."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Dot", "best", "scatter"]

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 24, 16, 48


@dataclass(frozen=True, slots=True)
class Dot:
    """A model: its name, its page, where it stands."""

    name: str
    page: str
    x: float
    y: float


def scatter(dots: Sequence[Dot], *, x: str, y: str, tick: Callable[[float], str] = "{:g}".format) -> str:
    """The plot as an ``<svg>``: `x` (drawn by its logarithm) and `y` are the names of the axes, `tick` writes a value of x.

    Empty where there are no two dots to compare.
    """
    dots = [dot for dot in dots if dot.x > 0]
    if len(dots) < 2:
        return ""
    low, high = min(dot.x for dot in dots), max(dot.x for dot in dots)
    bottom, top = math.floor(min(dot.y for dot in dots)), math.ceil(max(dot.y for dot in dots))
    top = max(top, bottom + 1)
    start, stop = math.log10(low) - 0.05, math.log10(high) + 0.05

    def across(value: float) -> float:
        return _LEFT + (math.log10(value) - start) / (stop - start) * (_WIDTH - _LEFT - _RIGHT)

    def up(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - bottom) / (top - bottom) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(y)} against {escape(x)}">']
    for value in _round_values(bottom, top):
        place = up(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{place:.1f}" y2="{place:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{place + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value in _decades(low, high):
        place = across(value)
        parts.append(
            f'<line class="grid" x1="{place:.1f}" x2="{place:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
            f'<text class="tick" x="{place:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{escape(tick(value))}</text>'
        )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x)}</text>')
    parts.append(
        f'<text class="axis" transform="translate(14 {(_TOP + _HEIGHT - _BOTTOM) / 2}) rotate(-90)" text-anchor="middle">{escape(y)}</text>'
    )
    front = best(dots)
    line = " ".join(f"{across(dot.x):.1f},{up(dot.y):.1f}" for dot in front)
    parts.append(f'<polyline class="front" points="{line}"/>')
    chosen = {dot.name for dot in front}
    for dot in dots:
        kind = "dot best" if dot.name in chosen else "dot"
        parts.append(
            f'<a href="{escape(dot.page)}" data-name="{escape(dot.name)}"><circle class="{kind}" cx="{across(dot.x):.1f}" cy="{up(dot.y):.1f}" r="5">'
            f"<title>{escape(dot.name)}: {dot.y:g}, {escape(tick(dot.x))}</title></circle></a>"
        )
    return "\n".join([*parts, "</svg>"])


def best(dots: Sequence[Dot]) -> list[Dot]:
    """Those that none beats in both: the less x the better, the more y the better; by rising x."""
    front: list[Dot] = []
    for dot in sorted(dots, key=lambda dot: (dot.x, -dot.y)):
        if not front or dot.y > front[-1].y:
            front.append(dot)
    return front


def _round_values(low: float, high: float) -> list[float]:
    """Five to ten round numbers from `low` to `high`."""
    rough = (high - low) / 6
    power = 10 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
    first = math.ceil(low / step)
    return [round(number * step, 10) for number in range(first, math.floor(high / step) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten from `low` to `high`."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in (1, 2, 5) if low <= step * 10.0**power <= high]
