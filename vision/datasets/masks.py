"""Masks of things in images, as COCO writes them: polygons, and run lengths plain or packed into text.

Masks are counted column by column, as runs of zeros and ones in turn, zeros first. Polygons become the same pixels as in
COCO's own tools: edges are drawn five times finer, and where an edge crosses into a new column decides the pixel.
Source: https://github.com/cocodataset/cocoapi, the format in the comments of common/maskApi.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import DatasetError

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

MAX_PIXELS = 1 << 27
_FINE = 5.0


def mask_of(segmentation: Any, height: int, width: int) -> NDArray[numpy.uint8]:
    """The mask of one thing, uint8 (height, width), 1 inside: of polygons [[x, y, x, y, ...], ...] or of run lengths
    {"size": [height, width], "counts": numbers or text}. Raises DatasetError for anything else."""
    import numpy

    if not (height > 0 and width > 0 and height * width <= MAX_PIXELS):
        raise DatasetError(f"a mask of {height} x {width} pixels cannot be made; at most {MAX_PIXELS:,} are")
    if isinstance(segmentation, dict):
        if segmentation.get("size") != [height, width]:
            raise DatasetError(f"a mask has the size {segmentation.get('size')}, its image [{height}, {width}]")
        counts = segmentation.get("counts")
        runs = unpack_runs(counts) if isinstance(counts, str) else counts
        return from_runs(runs, height, width)
    if not isinstance(segmentation, list):
        raise DatasetError(f"a mask is a {type(segmentation).__name__}, where polygons or run lengths belong")
    mask = numpy.zeros((height, width), numpy.uint8)
    for polygon in segmentation:
        mask |= from_polygon(polygon, height, width)
    return mask


def from_runs(runs: Any, height: int, width: int) -> NDArray[numpy.uint8]:
    """The mask of run lengths, which must fill it exactly."""
    import numpy

    if (
        not isinstance(runs, list)
        or not all(type(run) is int and run >= 0 for run in runs)
        or sum(runs) != height * width
    ):
        raise DatasetError(f"the run lengths of a mask do not fill its {height} x {width} pixels")
    values = (numpy.arange(len(runs)) & 1).astype(numpy.uint8)
    return numpy.repeat(values, runs).reshape(width, height).T


def unpack_runs(text: str) -> list[int]:
    """Run lengths out of text: five bits a letter, from "0" on, the lowest first; a sixth bit says that more follow.
    From the fourth number on, each is the difference to the one two before."""
    runs: list[int] = []
    number = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise DatasetError(f"the packed run lengths of a mask hold {letter!r}, or a number that is too long")
        number |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            number -= 1 << shift
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        number = shift = 0
    if shift:
        raise DatasetError("the packed run lengths of a mask end within a number")
    return runs


def from_polygon(polygon: Sequence[float], height: int, width: int) -> NDArray[numpy.uint8]:
    """The mask of one polygon [x, y, x, y, ...], in pixels."""
    import numpy

    try:
        points = numpy.array(polygon, numpy.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        raise DatasetError("a polygon is not a list of pairs of numbers") from None
    if len(points) < 3 or not (numpy.abs(points) < 1 << 24).all():
        raise DatasetError(f"a polygon has {len(points)} points, or points far beyond any image; at least 3 are needed")
    fine = (points * _FINE + 0.5).astype(numpy.int64)
    if numpy.abs(numpy.diff(fine, axis=0)).max(1).sum() > MAX_PIXELS // 8:
        raise DatasetError("a polygon is longer around than any image; the annotations are damaged")
    edges = zip(fine, numpy.roll(fine, -1, axis=0), strict=True)
    columns, rows = (numpy.concatenate(each) for each in zip(*(_along(a, b) for a, b in edges), strict=True))
    changes = numpy.flatnonzero(columns[1:] != columns[:-1]) + 1
    column = numpy.minimum(columns[changes], columns[changes - 1])
    column = (column + 0.5) / _FINE - 0.5
    row = (numpy.minimum(rows[changes], rows[changes - 1]) + 0.5) / _FINE - 0.5
    inside = (numpy.floor(column) == column) & (column >= 0) & (column <= width - 1)
    row = numpy.ceil(numpy.clip(row[inside], 0, height)).astype(numpy.int64)
    starts = numpy.sort(numpy.append(column[inside].astype(numpy.int64) * height + row, height * width))
    return from_runs(_without_empty(numpy.diff(starts, prepend=0).tolist()), height, width)


def _along(first: NDArray[Any], last: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The fine pixels of an edge, one for each step along its longer side."""
    import numpy

    distance = numpy.abs(last - first)
    steps = int(distance.max())
    across = int(distance[0] < distance[1])  # which of x and y the steps are counted along
    flipped = first[across] > last[across]
    begin, end = (last, first) if flipped else (first, last)
    step = numpy.arange(steps, -1, -1) if flipped else numpy.arange(steps + 1)
    slope = (end[1 - across] - begin[1 - across]) / steps if steps else 0.0
    main = begin[across] + step
    other = (begin[1 - across] + slope * step + 0.5).astype(numpy.int64)
    return (other, main) if across else (main, other)


def _without_empty(runs: list[int]) -> list[int]:
    """The same mask in runs that are not empty, but for a first one of zeros."""
    merged: list[int] = []
    place = 0
    while place < len(runs):
        if merged and runs[place] == 0 and place + 1 < len(runs):
            merged[-1] += runs[place + 1]
            place += 2
        else:
            merged.append(runs[place])
            place += 1
    return merged
