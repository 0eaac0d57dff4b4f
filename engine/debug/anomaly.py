"""Finding the first NaN or infinity: which operation made it, where it was called, and from what."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..device import CPU, is_array, move, namespace
from ..dtype import is_differentiable
from ..errors import GradientError
from ..node import line_of
from ..recording import calling_line
from ..tensor import Tensor
from .watch import Watcher

if TYPE_CHECKING:
    from ..node import Node
    from ..op import Op


def detect_anomaly(*, infinity: bool = True) -> Anomaly:
    """Inside ``with detect_anomaly():`` the first NaN, or infinity that was none before, is a GradientError.

    It names the operation, the line that called it (in backward: the forward line) and which of its inputs, or of its gradients, was
    what. An infinity is let pass where an input or a setting is infinite already, as in masks of -inf; ``infinity=False`` lets all
    pass. It looks at every number of every operation, in every thread, so it costs time; outside nothing is left of it.
    """
    return Anomaly(infinity)


class Anomaly(Watcher):
    """What ``detect_anomaly`` gives."""

    def __init__(self, infinity: bool) -> None:
        self.infinity = infinity
        self._now = threading.local()

    def __enter__(self) -> Anomaly:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---- forward --------------------------------------------------------------------------------------------------

    def around(self, op: Op[Any, Any], compute: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*arrays: Any, **settings: Any) -> Any:
            result = compute(*arrays, **settings)
            # Rules may pass through infinities that they leave out again; their results are looked at instead.
            if result is not NotImplemented and not getattr(self._now, "inside", False):
                self._check(op, arrays, settings, result)
            return result

        return checked

    def _check(self, op: Op[Any, Any], arrays: tuple[Any, ...], settings: dict[str, Any], result: Any) -> None:
        results = result if isinstance(result, tuple) else (result,)
        given = [*arrays, *settings.values()]
        for out in results[: op.outputs]:
            found = self._found(out, given)
            if found:
                inputs = "; ".join(
                    f"{_input_name(op, place)} {_told(array)}"
                    for place, array in enumerate(arrays)
                    if array is not None
                )
                raise GradientError(
                    f"{op.name}: its result, {out.dtype} {tuple(out.shape)}, {found}\n  its inputs: {inputs}\n"
                    f"  the call was made at {line_of(*calling_line())}"
                )

    def _found(self, array: Any, given: list[Any]) -> str:
        """What is wrong with a result, in words; nothing if nothing is."""
        if not _is_checked(array):
            return ""
        xp = namespace(array)
        values = array if array.dtype.kind in "fc" else array.astype(np.float32)
        finite = xp.isfinite(values)
        if bool(finite.all()):
            return ""
        wrong = xp.isnan(values)
        name = "NaN"
        if not bool(wrong.any()):
            if not self.infinity or any(_is_infinite(value) for value in given):
                return ""
            wrong, name = ~finite, "infinity"
        places = np.argwhere(move(wrong, CPU))
        place = tuple(int(i) for i in places[0])
        return f"holds the first {name}" + (f", at {place} ({len(places)} of {array.size} numbers)" if place else "")

    # ---- backward -------------------------------------------------------------------------------------------------

    def before_rules(self, node: Node, arrived: Any) -> None:
        self._now.inside = True
        self._now.arrived = arrived if isinstance(arrived, list) else [arrived]

    def after_rules(self, node: Node, gradients: Any) -> None:
        self._now.inside = False
        arrived = [g.array for g in self._now.arrived if g is not None]
        for place, gradient in enumerate(gradients or ()):
            if not isinstance(gradient, Tensor):
                continue
            found = self._found(gradient.array, arrived)
            if found:
                came = "; ".join(_told(array) for array in arrived)
                raise GradientError(
                    f"the gradient for its input {_input_name(node.op, place)}, {gradient.dtype} {tuple(gradient.shape)}, {found}\n"
                    f"  the gradient that arrived: {came}"
                )


def _input_name(op: Op[Any, Any], place: int) -> str:
    return f"{op.tensors[0]}[{place}]" if op.variadic else op.tensors[place]


def _is_checked(value: Any) -> bool:
    return is_array(value) and is_differentiable(value.dtype) and value.size > 0


def _is_infinite(value: Any) -> bool:
    if _is_checked(value):
        return bool(namespace(value).isinf(value).any())
    return isinstance(value, float) and value in (np.inf, -np.inf)


def _told(array: Any) -> str:
    """Dtype, shape and what range of numbers an input holds."""
    if not is_array(array):
        return repr(array)
    text = f"{array.dtype} {tuple(array.shape)}"
    if not _is_checked(array) or array.dtype.kind == "c":
        return text
    values = move(array, CPU).astype(np.float64)
    finite = values[np.isfinite(values)]
    parts = [f"{finite.min():.4g} to {finite.max():.4g}"] if finite.size else []
    parts += [
        f"{count} {name}"
        for count, name in ((int(np.isnan(values).sum()), "NaN"), (int(np.isinf(values).sum()), "infinite"))
        if count
    ]
    return f"{text} ({', '.join(parts)})"
