"""A whole step of the GPU in one launch: CUDA graphs of steady training and inference steps.

    step = engine.capture(step)
    for images, labels in loader:
        loss = step(images, labels)

The first calls run as they are, and so choose kernels and make what lasts: gradients, the optimiser's states. Then the step
is captured: what it gives to the GPU is recorded and not run. From then on a call copies its arguments to where the
recorded step reads them and replays it. Nothing of Python runs again, so a step must do the same each time, on tensors of the
same shapes, with all its data among the arguments.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, overload

import numpy as np

from .. import device as devices
from ..capturing import Capturing, capturing, in_capture, replayed
from ..debug.watch import Watcher
from ..device import CPU, Device
from ..errors import ArgumentError, CaptureError, DeviceError, SettingError
from ..modes import modes
from ..tensor import Tensor, tensor_of
from .pools import PrivatePool

__all__ = ["Captured", "capture"]

P = ParamSpec("P")
R = TypeVar("R")


class Captured(Generic[P, R]):
    """A step that runs in one launch once it has been captured. ``engine.capture`` makes it."""

    def __init__(self, step: Callable[P, R], warmup: int, copy: bool) -> None:
        update_wrapper(self, step)
        self._step, self._warmup, self._copy = step, warmup, copy
        self._calls = 0
        self._graph: Any = None
        self._inputs: list[Any] = []
        self._constants: list[Any] = []
        self._settings: tuple[Any, ...] = ()
        self._outputs: Any = None
        self._before: list[Callable[[], None]] = []
        self._held: list[Any] = []
        self._device: Device | None = None

    @property
    def is_captured(self) -> bool:
        """Whether calls replay the recorded step."""
        return self._graph is not None

    def forget(self) -> None:
        """Drop the recorded step and its memory: the next calls run as they are, and then it is captured anew."""
        self._calls, self._graph, self._outputs = 0, None, None
        self._inputs, self._constants, self._before, self._held = [], [], [], []
        self._device = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if in_capture():
            return self._step(*args, **kwargs)  # a part of another step that is being captured
        with self._there(args, kwargs):
            return self._called(args, kwargs)

    def _there(self, args: Any, kwargs: Any) -> contextlib.AbstractContextManager[Any]:
        """The GPU of the step's tensors, whichever is the current one; without tensors that where the step was captured."""
        found: list[Any] = []
        _rebuilt((args, kwargs), lambda value: found.append(value.device) if isinstance(value, Tensor) else None)
        given = list(dict.fromkeys(device for device in found if device != CPU))
        if len(given) > 1:
            raise DeviceError(
                f"capture: {self._name} was given tensors on {given[0]} and on {given[1]}; a step runs on one GPU"
            )
        if given and self._graph is None:
            self._device = given[0]
        return contextlib.nullcontext() if self._device is None else devices.on(self._device)

    @property
    def _name(self) -> str:
        return str(getattr(self._step, "__name__", type(self._step).__name__))

    def _called(self, args: Any, kwargs: Any) -> R:
        if self._graph is None:
            if self._calls < self._warmup:
                self._calls += 1
                return self._step(*args, **kwargs)
            self._record(args, kwargs)
        else:
            self._refill(args, kwargs)
        for action in self._before:
            action()
        self._graph.launch(devices.cupy().cuda.get_current_stream())
        replayed()
        return _rebuilt(self._outputs, _copied if self._copy else _same)  # type: ignore[no-any-return]

    # ---- recording ------------------------------------------------------------------------------------------------

    def _record(self, args: Any, kwargs: Any) -> None:
        name = self._name
        inputs: list[Any] = []
        self._constants = []

        def own(value: Any) -> Any:
            if not isinstance(value, Tensor):
                self._constants.append(value)
                return value
            if value.device == CPU:
                raise DeviceError(
                    f"capture: {name} was given a tensor {tuple(value.shape)} on the CPU; move it to the GPU first"
                )
            inputs.append(value.array.copy())
            copy = tensor_of(inputs[-1])
            copy.requires_grad = value.requires_grad and value.node is None
            return copy

        given, named = _rebuilt((args, kwargs), own)
        cupy = devices.cupy()
        gc.collect()  # what the runs before left in circles would be in the way, and may be something that a capture ends at
        cupy.get_default_memory_pool().free_all_blocks()  # the step has memory of its own from now on
        usual = partial(cupy.cuda.using_allocator, cupy.cuda.get_allocator())
        stream, pool, state = cupy.cuda.Stream(non_blocking=True), PrivatePool(), Capturing(usual)
        held = _Held(pool)
        stream.wait_event(cupy.cuda.get_current_stream().record())
        with capturing(state), cupy.cuda.using_allocator(pool.malloc), stream:
            stream.begin_capture()
            held.start()
            try:
                outputs = _rebuilt(self._step(*given, **named), _result)
                graph = stream.end_capture()
            except BaseException as error:
                with contextlib.suppress(Exception):  # a capture that failed has ended, in one way or the other
                    stream.end_capture()
                if isinstance(error, (CaptureError, MemoryError)) or not isinstance(error, Exception):
                    raise
                raise CaptureError(
                    f"capture: {name} cannot be captured: {type(error).__name__}: {error}. A captured step may not wait for the "
                    "GPU, move tensors to or from the CPU, or use functions that do so inside (linear algebra by cuSOLVER); "
                    "call the step without engine.capture, or capture a part of it"
                ) from error
            finally:
                held.stop()
                read = list(held.arrays.values())
                held.arrays.clear()  # operations may keep the watched calls until they are called again
        self._device = self._device or Device("cuda", cupy.cuda.Device().id)
        self._inputs, self._graph, self._outputs, self._before = inputs, graph, outputs, state.before
        self._held = [pool, stream, state.kept, *read]
        self._settings = _settings()

    def _refill(self, args: Any, kwargs: Any) -> None:
        name = self._name
        if _settings() != self._settings:
            raise CaptureError(
                f"capture: {name} was captured with recording={self._settings[0]} and precision={self._settings[1]}, and is "
                f"called with recording={modes.recording} and precision={modes.precision}; call forget() first, or capture it twice"
            )
        tensors: list[Tensor] = []
        constants: list[Any] = []
        _rebuilt((args, kwargs), lambda value: (tensors if isinstance(value, Tensor) else constants).append(value))
        if len(tensors) != len(self._inputs) or not _equal(constants, self._constants):
            raise CaptureError(
                f"capture: {name} was captured with {len(self._inputs)} tensor(s) and the other arguments {self._constants!r:.120}, "
                f"and is called with {len(tensors)} and {constants!r:.120}; what is no tensor must stay the same"
            )
        for value, place in zip(tensors, self._inputs, strict=True):
            array = value.array
            if array.shape != place.shape or array.dtype != place.dtype or value.device != devices.device_of(place):
                raise CaptureError(
                    f"capture: {name} was captured with a tensor {place.dtype} {tuple(place.shape)} on {devices.device_of(place)}, and is "
                    f"called with {array.dtype} {tuple(array.shape)} on {value.device}; pad to one shape, drop the last, smaller "
                    "batch (drop_last=True), or capture another copy of the step for it"
                )
        for value, place in zip(tensors, self._inputs, strict=True):
            if value.array is not place:
                place[...] = value.array


class _Held(Watcher):
    """Keeps the arrays that an operation is given during a capture and that lie elsewhere: the recorded step reads them at each replay.

    What lies in the step's own pool need not be kept: nobody but the step itself is given that memory again.
    """

    tells = False

    def __init__(self, pool: PrivatePool) -> None:
        self.arrays: dict[int, Any] = {}
        self._pool = pool

    def around(self, op: Any, compute: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arrays: Any, **settings: Any) -> Any:
            if in_capture():  # in this thread
                for array in arrays:
                    if array is not None and type(array) is not np.ndarray and not self._pool.owns(array):
                        self.arrays.setdefault(id(array), array)
            return compute(*arrays, **settings)

        return watched


def _settings() -> tuple[Any, ...]:
    return modes.recording, modes.precision


def _rebuilt(value: Any, change: Callable[[Any], Any]) -> Any:
    """Lists, tuples and dictionaries rebuilt with ``change`` applied to what they hold."""
    if isinstance(value, dict):
        return {key: _rebuilt(inner, change) for key, inner in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_rebuilt(inner, change) for inner in value))
    if isinstance(value, (list, tuple)):
        return type(value)(_rebuilt(inner, change) for inner in value)
    return change(value)


def _result(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ArgumentError(
        f"capture: a captured step gives tensors, numbers, strings, or lists, tuples and dictionaries of them, not {type(value).__name__}"
    )


def _copied(value: Any) -> Any:
    return tensor_of(value.array.copy()) if isinstance(value, Tensor) else value


def _same(value: Any) -> Any:
    return value


def _equal(these: list[Any], those: list[Any]) -> bool:
    return len(these) == len(those) and all(
        a is b or (type(a) is type(b) and a == b) for a, b in zip(these, those, strict=True)
    )


@overload
def capture(step: Callable[P, R], *, warmup: int = 3, copy: bool = True) -> Captured[P, R]: ...
@overload
def capture(step: None = None, *, warmup: int = 3, copy: bool = True) -> Callable[[Callable[P, R]], Captured[P, R]]: ...
def capture(step: Any = None, *, warmup: int = 3, copy: bool = True) -> Any:
    """A step that the GPU replays in one launch: a function, or a decorator of one, of tensors on the GPU.

    The first ``warmup`` calls run as they are; the next one captures. Gradients, updates, running statistics and random
    numbers go on from replay to replay as they would from call to call, and a schedule that changes the optimiser's learning
    rate between calls has its effect. The results are copies, or with ``copy=False`` the same tensors each time, whose values
    the next call replaces.

    Raises CaptureError for a step that cannot be captured, and for a call that does not fit the captured one: other
    shapes, dtypes or modes; DeviceError for a tensor on the CPU; OutOfMemoryError where there is no room for the step's memory.
    """
    if isinstance(warmup, bool) or not isinstance(warmup, int) or warmup < 1:
        raise SettingError(
            f"capture: warmup must be a whole number of at least 1, not {warmup!r:.40}: the first run chooses kernels, which a capture cannot"
        )
    if step is None:
        return lambda function: Captured(function, warmup, copy)
    if not callable(step):
        raise ArgumentError(f"capture: wants a function of tensors, not a {type(step).__name__}")
    return Captured(step, warmup, copy)
