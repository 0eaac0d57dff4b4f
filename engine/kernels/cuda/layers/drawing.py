"""Random numbers drawn on the GPU, from a stream whose place is in its memory: a captured step draws new ones at each replay."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....dtype import Array, Dtype, bfloat16, bool_, float16, float32, float64, int64
from ...plans import Plans
from ..elementwise.operations import STORED, VECTOR, compute_type
from ..layout import blocks_for, dense_order, maker
from ..machine import machine
from ..program import SCALARS, Kernel

__all__ = ["Stream", "drop_drawn", "limit"]

DIGITS: dict[Dtype, int] = {float16: 11, bfloat16: 8}
"""How many digits of a number between 0 and 1 are drawn where the dtype holds fewer than 24: so none is rounded up to 1."""
THREADS = 256

_kernels: dict[tuple[str, Dtype], Kernel] = {}
_drops: Plans[Any] = Plans()
_start = Kernel("drawing.cu", "start_stream", "PQQ")
_words = Kernel("drawing.cu", "raw_words", "PPq")
_kept = Kernel("drawing.cu", "kept", "PPqI")


def _kernel(entry: str, dtype: Dtype, signature: str, places: str = "PP") -> Kernel:
    found = _kernels.get((entry, dtype))
    if found is None:
        found = _kernels[entry, dtype] = Kernel(
            "drawing.cu", entry, places + "q" + signature, RESULT=STORED[dtype], DIGITS=DIGITS.get(dtype, 24),
            WIDE=compute_type(dtype) if dtype in (float32, float64, float16, bfloat16) else "float",
        )  # fmt: skip
    return found


class Stream:
    """A stream of Philox 4x32: the numbers drawn depend on its key and on how many were drawn before."""

    def __init__(self, key: int, drawn: int = 0) -> None:
        self.state: Array = machine().lasting(24).view(np.dtype(np.uint64))
        self.start(key, drawn)

    def start(self, key: int, drawn: int = 0) -> None:
        """Go to a place of a stream, in the same memory."""
        with self.state.device:
            _start(1, 1, machine().address(self.state), key, drawn)

    def drawn(self) -> int:
        """How far it is; this waits for the GPU."""
        return int(self.state.get()[1])

    def words(self, count: int) -> Array:
        """Words of 32 random bits."""
        groups = -(-count // 4)
        here = machine()
        out: Any = here.empty((4 * groups,), np.dtype(np.uint32))
        if groups:
            _words(blocks_for(here, groups), THREADS, here.address(self.state), here.address(out), groups)
        return out[:count]

    def kept(self, shape: tuple[int, ...], p: float, like: Array | None = None) -> Array:
        """Booleans, each False with probability p; in the memory order of ``like`` if that has this shape."""
        least = limit(p)
        order = None if like is None or like.shape != shape else dense_order(like)
        if order is None or order == tuple(range(len(order))):
            return self._drawn(_kept, shape, bool_, 4, least)
        inner: Any = self._drawn(_kept, tuple(shape[axis] for axis in order), bool_, 4, least)
        return inner.transpose(tuple(sorted(range(len(order)), key=order.__getitem__)))

    def dropped(self, x: Array, p: float, scale: float) -> Any:
        """x scale where it is kept, 0 with probability p, and the booleans that ``kept`` would give; both lie as x does.

        NotImplemented for what does not fill its memory, or is of another dtype.
        """
        key = (machine(), x.shape, x.strides, x.dtype, p, scale)
        # The numbers come from the GPU where x is: whoever draws for it has a stream there.
        return (_drops.get(key) or _drops.make(key, _plan_drop, x, p, scale))(self.state, x)

    def uniform(self, shape: tuple[int, ...], dtype: Dtype, low: float = 0.0, high: float = 1.0) -> Array:
        """Floating-point numbers spread evenly over [low, high)."""
        return self._drawn(_kernel("uniform", dtype, "dd"), shape, dtype, _per(dtype), low, high - low)

    def normal(self, shape: tuple[int, ...], dtype: Dtype, mean: float = 0.0, deviation: float = 1.0) -> Array:
        """Normal floating-point numbers."""
        return self._drawn(_kernel("normal", dtype, "dd"), shape, dtype, _per(dtype), mean, deviation)

    def integers(self, shape: tuple[int, ...], dtype: Dtype, low: int, high: int) -> Array:
        """Whole numbers from ``low`` up to but not including ``high``."""
        return self._drawn(_kernel("integers", dtype, "qQ"), shape, dtype, 2, low, (high - low) % 2**64)

    def bernoulli(self, shape: tuple[int, ...], dtype: Dtype, chance: float) -> Array:
        """1 with the chance, else 0."""
        return self._drawn(_kernel("bernoulli", dtype, "d"), shape, dtype, 4, chance)

    def classes(self, shares: Array, times: int) -> Array:
        """Numbers of classes drawn with their shares, which are float64 (rows, classes): (times, rows), int64."""
        rows, width = shares.shape
        with self.state.device:
            ends = machine().xp.cumsum(shares, axis=1)
            address = machine().address(ends)
            return self._drawn(_kernel("classes", int64, "Pqq"), (times, rows), int64, 2, address, rows, width)

    def _drawn(self, kernel: Kernel, shape: tuple[int, ...], dtype: Dtype, per: int, *arguments: float) -> Array:
        with self.state.device:
            here = machine()
            out = here.empty(shape, dtype)
            count = int(np.prod(shape, dtype=np.int64))
            if count:
                groups = -(-count // per)
                state = here.address(self.state)
                kernel(blocks_for(here, groups), THREADS, state, here.address(out), count, *arguments)
        return out


def _plan_drop(x: Array, p: float, scale: float) -> Any:
    order = dense_order(x) if x.dtype in SCALARS and x.size else None
    if order is None:
        return lambda state, x: NotImplemented
    here = machine()
    launch = _kernel("dropped", x.dtype, "Id", "PPPP").prepared(
        here, blocks_for(here, x.size, max(4, VECTOR // x.itemsize)), THREADS, None, None, None, None, x.size, limit(p), scale
    )  # fmt: skip
    make, make_mask, address = maker(here, x.shape, x.dtype, order), maker(here, x.shape, bool_, order), here.address

    def run(state: Array, x: Array) -> Any:
        out, mask = make(), make_mask()
        launch(address(state), address(x), address(out), address(mask))
        return out, mask

    return run


def limit(p: float) -> int:
    """The number of 32 bits below which an element is left out with probability p."""
    return min(round(p * 2**32), 2**32 - 1)


def drop_drawn(x: Array, *, p: float, scale: float, stream: Any) -> Any:
    """Elements left out at random, in one launch."""
    return stream.dropped(x, p, scale)


def _per(dtype: Dtype) -> int:
    """Numbers that one place of the stream serves."""
    return 2 if dtype == float64 else 4
