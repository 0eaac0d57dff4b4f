"""Cross-entropy of rows of logits against classes, whose probabilities are never written: each row keeps its peak and its sum of powers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ....dtype import Array, Dtype, accumulator
from ...plans import Plans
from ..algebra.padding import room_of, with_room
from ..complaints import complaints
from ..forms import Team, dense, form, gatherer, row_kernel
from ..layers.softmax import row_blocks
from ..layout import maker
from ..machine import machine
from ..program import SCALARS, Kernel

__all__ = ["class_counts", "class_entropy", "class_entropy_input"]

Result = Any
Plan = Callable[..., Result]

LABELS = {
    np.dtype(np.int64): "index_t",
    np.dtype(np.int32): "int",
    np.dtype(np.int16): "short",
    np.dtype(np.int8): "schar",
    np.dtype(np.uint8): "uchar",
}
"""What the source calls the types of classes."""
SUM = 1 << 16
"""So many numbers one block adds up; of more, several blocks make parts first."""
PARTS = 64

PLANS: Plans[Plan] = Plans()


def class_counts(target: Array, weight: Array | None, like: Array, *, classes: int, ignore_index: int | None) -> Result:
    """Classes with those to be ignored as 0, how much each counts, and the sum of that."""
    key = (class_counts, machine(), form(target), form(weight), like.dtype, classes, ignore_index)
    found = PLANS.get(key) or PLANS.make(key, _plan_counts, target, weight, like.dtype, classes, ignore_index)
    return found(target, weight)


def class_entropy(
    x: Array, target: Array, scale: Array | None = None, total: Array | None = None, *, keep: bool = True
) -> Result:
    """The loss; for the way back the rows' peaks and sums in the place of the probabilities."""
    key = (class_entropy, machine(), form(x), form(target), form(scale), form(total), keep)
    found = PLANS.get(key) or PLANS.make(key, _plan_loss, x, target, scale, total, keep)
    return found(x, target, scale, total)


def class_entropy_input(
    flow: Array, x: Array, target: Array, scale: Array | None = None, total: Array | None = None, chances: Array | None = None,
    sums: Array | None = None,
) -> Result:  # fmt: skip
    """What flows back to the logits."""
    key = (class_entropy_input, machine(), form(flow), form(x), form(target), form(scale), form(total))
    found = PLANS.get(key) or PLANS.make(key, _plan_input, flow, x, target, scale, total)
    return found(flow, x, target, scale, total, sums)


def _plan_counts(target: Array, weight: Array | None, dtype: Dtype, classes: int, ignore_index: int | None) -> Plan:
    wide = accumulator(dtype)
    served = target.dtype in LABELS and dtype in SCALARS and target.size
    if not served or (weight is not None and (weight.dtype not in (dtype, wide) or weight.shape != (classes,))):
        return lambda *_: NotImplemented
    own = SCALARS[wide if weight is None else weight.dtype][0]
    signature = "PPPPPqqqiiP"
    kernel = row_kernel("entropy.cu", "class_counts", signature, wide, _PLAIN, LABEL=LABELS[target.dtype], WEIGHT=own)
    here, count = machine(), target.size
    parts = _parts(count)
    ignored = 0 if ignore_index is None else ignore_index
    tail = (count, classes, ignored, int(ignore_index is not None), *complaints("cross_entropy"))
    launch = kernel.prepared(here, parts, 1024, *(None,) * 5, *tail)
    add = _sum(wide).prepared(here, 1, 1024, None, None, parts, 0) if parts > 1 else None
    gather = gatherer(here, (target, None), (weight, None))
    new_labels, new_scale, new_total = (
        maker(here, *of) for of in ((target.shape, _INT64), (target.shape, wide), ((), wide))
    )
    address, memory, room = here.address, here.memory, parts * wide.itemsize

    def compute(target: Array, weight: Array | None) -> Result:
        complaints("cross_entropy")  # raises what was complained of before
        if gather is not None:
            target, weight = gather(target, weight)
        labels, scale, total = new_labels(), new_scale(), new_total()
        given = address(target), 0 if weight is None else address(weight), address(labels), address(scale)
        if add is None:
            launch(*given, address(total))
        else:
            partial = memory(room)
            launch(*given, partial.ptr)
            add(partial.ptr, address(total))
        return labels, scale, total

    return compute


def _fits(x: Array, target: Array, scale: Array | None, total: Array | None) -> bool:
    """Whether rows of logits, their classes and how much they count are what the kernels take."""
    if x.ndim != 2 or x.dtype not in SCALARS or not x.size or target.dtype not in LABELS or target.shape != x.shape[:1]:
        return False
    wide = accumulator(x.dtype)
    if scale is not None and (scale.shape != target.shape or scale.dtype != wide):
        return False
    return total is None or (total.ndim == 0 and total.dtype == wide)


def _plan_loss(x: Array, target: Array, scale: Array | None, total: Array | None, keep: bool) -> Plan:
    if not _fits(x, target, scale, total):
        return lambda *_: NotImplemented
    who, rows_kernel = _rows(x, target, "entropy_rows", "PPPPPqqq")
    rows, classes = x.shape
    wide, here, parts = accumulator(x.dtype), machine(), _parts(rows)
    fetch, step = _taken(x)
    launch = rows_kernel.prepared(here, row_blocks(here, rows, who), who.block, *(None,) * 5, rows, classes, step)
    add_parts = _sum(wide).prepared(here, parts, 1024, None, None, rows, 0) if parts > 1 else None
    add = _sum(wide).prepared(here, 1, 1024, None, None, rows if parts == 1 else parts, None)
    gather = gatherer(here, (target, None), (scale, None))
    new_loss, new_kept = maker(here, (), wide), maker(here, (rows, 2), wide)
    address, memory, size, room = here.address, here.memory, rows * wide.itemsize, parts * wide.itemsize

    def compute(x: Array, target: Array, scale: Array | None, total: Array | None) -> Result:
        if gather is not None:
            target, scale = gather(target, scale)
        source, loss, losses = fetch(here, x), new_loss(), memory(size)
        kept = new_kept() if keep else None
        launch(
            address(source), address(target), 0 if scale is None else address(scale), losses.ptr, 0 if kept is None else address(kept)
        )  # fmt: skip
        over = 0 if total is None else address(total)
        if add_parts is None:
            add(losses.ptr, address(loss), over)
        else:
            partial = memory(room)
            add_parts(losses.ptr, partial.ptr)
            add(partial.ptr, address(loss), over)
        return loss, None, kept

    return compute


def _plan_input(flow: Array, x: Array, target: Array, scale: Array | None, total: Array | None) -> Plan:
    wide = accumulator(x.dtype)
    if not _fits(x, target, scale, total) or flow.ndim or flow.dtype != wide:
        return lambda *_: NotImplemented
    who, kernel = _rows(x, target, "entropy_rows_backward", "PPPPPPPqqqq")
    rows_kernel = _rows(x, target, "entropy_rows", "PPPPPqqq")[1]
    rows, classes = x.shape
    here = machine()
    (fetch, step), own, grid = _taken(x), room_of(x), row_blocks(here, rows, who)
    launch = kernel.prepared(here, grid, who.block, *(None,) * 7, rows, classes, step, own)
    gather = gatherer(here, (target, None), (scale, None))
    make, address, memory, size = maker(here, (rows, own), x.dtype), here.address, here.memory, 2 * rows * wide.itemsize

    def compute(
        flow: Array, x: Array, target: Array, scale: Array | None, total: Array | None, sums: Array | None
    ) -> Array:
        if gather is not None:
            target, scale = gather(target, scale)
        source = fetch(here, x)
        if sums is None:
            held = memory(size)
            seen = held.ptr
            rows_kernel(grid, who.block, address(source), address(target), 0, 0, seen, rows, classes, step)
        else:
            seen = address(sums)
        out: Any = make()
        if own != classes:
            out = with_room(here, out, classes)
        launch(
            address(flow), address(source), address(target), 0 if scale is None else address(scale), 0 if total is None else address(total),
            seen, address(out),
        )  # fmt: skip
        return out

    return compute


_INT64 = np.dtype(np.int64)
_PLAIN = Team(32, 128, 0)


def _rows(x: Array, target: Array, name: str, signature: str) -> tuple[Team, Kernel]:
    """A team for each row of logits, and the kernel that it runs."""
    wanted = x.shape[1] * x.itemsize
    who = Team(32, 128, 0) if wanted <= 4096 else Team(256, 256, 0) if wanted <= 1 << 16 else Team(1024, 1024, 0)
    return who, row_kernel("entropy.cu", name, signature, x.dtype, who, LABEL=LABELS[target.dtype], WEIGHT="float")


def _taken(x: Array) -> tuple[Callable[[Any, Array], Array], int]:
    """How rows of logits are come by, as they lie or copied, and how many numbers apart they are then."""
    rows, classes = x.shape
    if classes == 1 or x.strides[1] == x.itemsize:
        step = x.strides[0] // x.itemsize
        if rows == 1 or step >= classes:
            return lambda here, x: x, step if rows > 1 else classes
    return dense, classes


def _parts(count: int) -> int:
    return 1 if count <= SUM else PARTS


@lru_cache
def _sum(wide: Dtype) -> Kernel:
    return row_kernel("entropy.cu", "sum_of", "PPqP", wide, _PLAIN, LABEL="index_t", WEIGHT="float")
