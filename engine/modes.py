"""What holds for a stretch of code and a thread: whether graphs are recorded, and in which precision matrices multiply."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import wraps
from typing import Any, TypeAlias, TypeVar, overload

from .dtype import Dtype, bfloat16, float16
from .errors import SettingError

Function = TypeVar("Function", bound=Callable[..., Any])


class Tf32(Enum):
    """The precision that is no dtype: operands stay float32, and CUDA's matrix units read 10 bits of their fractions."""

    TF32 = "tf32"


TF32 = Tf32.TF32
Precision: TypeAlias = "Dtype | Tf32"
"""What ``precision`` computes in."""


class _Modes(threading.local):
    recording = True
    inference = False
    precision: Precision | None = None
    wanted: Dtype | None = None  # of the gradient that a rule is asked for, where that is told
    wide = False  # whether a kernel that is given narrow operands may give float32 at once, which is what is wanted


modes = _Modes()


class Recording:
    """A context manager, and a decorator of functions and generators, that switches recording on or off and back."""

    __slots__ = ("enabled", "inference", "previous")

    def __init__(self, enabled: bool, inference: bool | None = None) -> None:
        self.enabled = enabled
        self.inference = inference
        self.previous: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self.previous.append((modes.recording, modes.inference))
        if self.inference is not None:
            modes.inference = self.inference
        # Within inference mode nothing switches recording on again.
        modes.recording = self.enabled and not modes.inference

    def __exit__(self, *_: object) -> None:
        modes.recording, modes.inference = self.previous.pop()

    def __call__(self, function: Function) -> Function:
        if inspect.isgeneratorfunction(function):
            return self._generator(function)  # type: ignore[return-value]

        @wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            with Recording(self.enabled, self.inference):
                return function(*args, **kwargs)

        return inner  # type: ignore[return-value]

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The mode holds while the generator runs, and not between its values."""

        @wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            def inside(act: Callable[..., Any], *given: Any) -> Any:
                with Recording(self.enabled, self.inference):
                    return act(*given)

            steps = function(*args, **kwargs)
            try:
                value = inside(next, steps)
                while True:
                    try:
                        sent = yield value
                    except GeneratorExit:
                        inside(steps.close)
                        raise
                    except BaseException as error:
                        value = inside(steps.throw, error)
                    else:
                        value = inside(steps.send, sent)
            except StopIteration as end:
                return end.value

        return inner


class _Switch(Recording):
    """The mode of ``set_grad_enabled``: it holds from the call on, and ends with the ``with`` block if there is one."""

    __slots__ = ()

    def __init__(self, enabled: bool) -> None:
        super().__init__(enabled)
        self.previous.append((modes.recording, modes.inference))
        modes.recording = enabled and not modes.inference

    def __enter__(self) -> None:
        modes.recording = self.enabled and not modes.inference

    def __exit__(self, *_: object) -> None:
        modes.recording, modes.inference = self.previous[-1]

    def __call__(self, function: Function) -> Function:
        modes.recording, modes.inference = self.previous[-1]  # it is the function's, not the caller's
        return Recording(self.enabled)(function)


@overload
def no_grad() -> Recording: ...
@overload
def no_grad(function: Function) -> Function: ...
def no_grad(function: Any = None) -> Any:
    """Record no graph inside: ``with no_grad():``, ``@no_grad()`` or ``@no_grad``."""
    return Recording(False) if function is None else Recording(False)(function)


@overload
def enable_grad() -> Recording: ...
@overload
def enable_grad(function: Function) -> Function: ...
def enable_grad(function: Any = None) -> Any:
    """Record the graph inside, also within ``no_grad``."""
    return Recording(True) if function is None else Recording(True)(function)


def set_grad_enabled(enabled: bool) -> Recording:
    """Record graphs if ``enabled``, from now on; as a context manager or a decorator, inside only."""
    return _Switch(_truth("set_grad_enabled", enabled))


@overload
def inference_mode(mode: bool = True) -> Recording: ...
@overload
def inference_mode(mode: Function) -> Function: ...
def inference_mode(mode: Any = True) -> Any:
    """Record no graph inside, whatever the code inside says: ``enable_grad`` has no effect there. ``mode=False`` records.

    A context manager and a decorator, with or without parentheses.
    """
    if callable(mode):
        return Recording(False, True)(mode)
    inference = _truth("inference_mode", mode)
    return Recording(not inference, inference)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded."""
    return modes.recording


def is_inference_mode_enabled() -> bool:
    """Whether ``inference_mode`` holds."""
    return modes.inference


def _truth(who: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise SettingError(f"{who}: wants True or False, not {value!r:.60}")
    return value


_PRECISIONS: dict[str, Precision | None] = {
    "f32": None, "float32": None, "tf32": TF32, "bf16": bfloat16, "bfloat16": bfloat16, "fp16": float16, "float16": float16,
}  # fmt: skip


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Multiply matrices and convolve in ``"bf16"`` (or ``"fp16"``), with float32 sums; ``"f32"`` is the default.

    Only float32 operands are narrowed. What convolutions give stays narrow, and so does what is computed of it, down to the
    next matrix product: half the memory, and half the traffic. (Beside a float32 tensor it becomes float32, by the rules of
    promotion.) What matrix products give is float32 again on a CPU, and on a GPU stays narrow as well; there softmax, layer
    normalisation and log-likelihoods give float32. Statistics of normalisations, gradients of parameters, losses and optimiser
    states stay float32. The backward pass of what was computed inside runs in the same precision, wherever ``backward`` is called.

    ``"tf32"`` narrows nothing: on a GPU from Ampere on, products and convolutions of float32 tensors read 10 bits of their
    operands' fractions instead of 23, several times as fast; on a CPU it changes nothing.
    """
    if name not in _PRECISIONS:
        raise SettingError(f"precision: {name!r} is not known; give 'f32', 'tf32', 'bf16' or 'fp16'")
    with precision_of(_PRECISIONS[name]):
        yield


@contextmanager
def precision_of(chosen: Precision | None) -> Iterator[None]:
    """The same, by dtype (or TF32); None is full precision."""
    previous, modes.precision = modes.precision, chosen
    try:
        yield
    finally:
        modes.precision = previous


_deterministic = False


def use_deterministic_algorithms(mode: bool) -> None:
    """Let everything on a GPU give the same bits each time, from now on, or (False, as at first) take the fastest way.

    What is computed on a CPU, and products of matrices and the engine's own kernels on a GPU, are the same each time in any case; convolutions'
    gradients and attention's may add in the order in which threads end, and are slower where they may not.
    """
    global _deterministic
    _deterministic = _truth("use_deterministic_algorithms", mode)


def are_deterministic_algorithms_enabled() -> bool:
    """Whether ``use_deterministic_algorithms`` holds."""
    return _deterministic


def is_narrowing() -> bool:
    """Whether operands of products and convolutions are brought to a narrower dtype, so that theirs may differ before."""
    return modes.precision is not None and modes.precision is not TF32
