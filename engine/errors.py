"""Every error that the engine raises on purpose. Each is also a kind of the standard library's."""

from __future__ import annotations


class EngineError(Exception):
    """The root of the engine's errors."""


class ShapeError(EngineError, ValueError):
    """Shapes, axes or sizes that do not fit together."""


class DtypeError(EngineError, TypeError):
    """A dtype that the operation does not take."""


class DeviceError(EngineError, RuntimeError):
    """A device that is missing, or tensors that live on different ones."""


class ArgumentError(EngineError, TypeError):
    """An argument that the operation does not know, or one that is missing."""


class SettingError(EngineError, ValueError):
    """A setting outside its range: a negative stride, a probability above one."""


class GradientError(EngineError, RuntimeError):
    """A gradient that was asked for and cannot be computed."""


class StateError(EngineError, ValueError):
    """A state dictionary that does not fit the module."""


class MatrixError(EngineError, ValueError):
    """A matrix without the inverse, the factors or the eigenvalues that were asked for."""


class OutOfMemoryError(EngineError, MemoryError):
    """A result that there is no memory for, on the CPU or on a GPU."""


class CaptureError(EngineError, RuntimeError):
    """A step that cannot be captured as one launch, or a call that a captured step does not fit."""


class ExchangeError(EngineError, BufferError):
    """A tensor whose memory cannot be shared with another library."""
