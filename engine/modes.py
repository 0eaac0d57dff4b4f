"""What holds for a stretch of code and a thread: whether graphs are recorded, and in which precision matrices multiply."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from .dtype import Dtype, bfloat16, float16
from .errors import SettingError

Function = TypeVar("Function", bound=Callable[..., Any])


class _Modes(threading.local):
    recording = True
    precision: Dtype | None = None


modes = _Modes()


class _Recording:
    """A context manager, and a decorator, that switches recording on or off and back."""

    __slots__ = ("enabled", "previous")

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.previous: list[bool] = []

    def __enter__(self) -> None:
        self.previous.append(modes.recording)
        modes.recording = self.enabled

    def __exit__(self, *_: object) -> None:
        modes.recording = self.previous.pop()

    def __call__(self, function: Function) -> Function:
        @wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            with _Recording(self.enabled):
                return function(*args, **kwargs)

        return inner  # type: ignore[return-value]


def no_grad() -> _Recording:
    """Record no graph inside: ``with no_grad():`` or ``@no_grad()``."""
    return _Recording(False)


def enable_grad() -> _Recording:
    """Record the graph inside, also within ``no_grad``."""
    return _Recording(True)


def set_grad_enabled(enabled: bool) -> _Recording:
    """Record the graph inside if ``enabled``."""
    return _Recording(bool(enabled))


def is_grad_enabled() -> bool:
    """Whether operations are being recorded."""
    return modes.recording


_PRECISIONS: dict[str, Dtype | None] = {"f32": None, "float32": None, "bf16": bfloat16, "bfloat16": bfloat16, "fp16": float16, "float16": float16}  # fmt: skip


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Multiply matrices and convolve in ``"bf16"`` (or ``"fp16"``), with float32 sums and float32 results; ``"f32"`` is the default.

    Only float32 operands are narrowed. Losses, normalisations and optimiser states stay as they are. The backward
    pass of what was computed inside runs in the same precision, wherever ``backward`` is called.
    """
    if name not in _PRECISIONS:
        raise SettingError(f"precision: {name!r} is not known; give 'f32', 'bf16' or 'fp16'")
    with precision_of(_PRECISIONS[name]):
        yield


@contextmanager
def precision_of(dtype: Dtype | None) -> Iterator[None]:
    """The same, by dtype; None is full precision."""
    previous, modes.precision = modes.precision, dtype
    try:
        yield
    finally:
        modes.precision = previous
