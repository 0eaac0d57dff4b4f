"""The errors of training loops and their checkpoints."""

from __future__ import annotations

from ..errors import EngineError


class TrainingError(EngineError, RuntimeError):
    """Training cannot go on, or a metric was asked for before it saw anything."""


class NonFiniteError(TrainingError, FloatingPointError):
    """A loss or a weight became infinite or NaN."""


class CheckpointError(EngineError, OSError):
    """A checkpoint cannot be written or read: a full disk, no permission, a damaged file. ``errno`` says why, where it is known."""

    def __init__(self, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno

    def __str__(self) -> str:
        return str(self.args[0])


class MissingCheckpointError(CheckpointError, FileNotFoundError):
    """There is no checkpoint to go on from."""
