"""The models of the GPU benchmark and what they are given; how a side is timed in turn with the other, and the machine in words."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np

IMAGES = ("resnet50", "vgg16", "mobilenet_v2", "vit_b_16")
OF_SEQUENCES = ("bert", "gpt2", "whisper_base")
MODELS = IMAGES + OF_SEQUENCES
LENGTHS = {"bert": 128, "gpt2": 512, "whisper_base": 32}
WORDS = {"bert": 30522, "gpt2": 50257, "whisper_base": 51865}
PRECISIONS = ("f32", "tf32", "bf16")

TURNS = 5
"""How often the sides take turns where there is time for it."""

Step = Callable[[], Any]


class Side(Protocol):
    """A library with one model on the device."""

    name: str

    def build(self, model: str, training: bool) -> None:
        """The model anew, with random weights in float32, to be trained or not, in place of the one before."""

    def step(self, precision: str, batch: int, way: str) -> Step:
        """A step of it on inputs of its own: ``plain``, ``captured``, or ``compiled`` (beside captured ones)."""

    def wait(self) -> None:
        """Until the device has done all that it was given."""

    def empty(self) -> None:
        """Drop gradients, give unused memory back, and count the most that is had anew."""

    def most(self) -> int:
        """The bytes that were had from the driver at most since ``empty``."""

    def drop(self) -> None:
        """Forget the model."""


class Ready(NamedTuple):
    """A side's step that has been warmed up, and the seconds that one takes, about."""

    side: Side
    step: Step
    seconds: float


@cache
def tokens(model: str, batch: int) -> np.ndarray[Any, Any]:
    """The words that a model of sequences reads."""
    return np.random.default_rng(0).integers(1, WORDS[model], (batch, LENGTHS[model]))


@cache
def wanted(model: str, batch: int) -> np.ndarray[Any, Any]:
    """What a model should answer: classes, or the next words."""
    if model in IMAGES or model == "bert":
        return np.random.default_rng(0).integers(0, 2, batch)
    return np.roll(tokens(model, batch), -1, 1)


def warmed(side: Side, step: Step, least: int = 3) -> Ready:
    """A step that is called until two in a row took no longer than those before: sizes are planned, engines compiled, clocks up."""
    times: list[float] = []
    while len(times) < least or (len(times) < 3 * least and max(times[-2:]) > 1.3 * min(times)):
        start = time.perf_counter()
        step()
        side.wait()
        times.append(time.perf_counter() - start)
    return Ready(side, step, min(times[-2:]))


def in_turn(sides: list[Ready], seconds: float) -> dict[str, tuple[list[float], list[float]]]:
    """Milliseconds of a step of each side's, turn after turn, and until the host has given one to a device that waits for it.

    All of it takes ``seconds``, or two turns where they are longer.
    """
    share = seconds / len(sides) / TURNS
    counts = [max(1, min(200, int(share / ready.seconds))) for ready in sides]
    found: dict[str, tuple[list[float], list[float]]] = {ready.side.name: ([], []) for ready in sides}
    end = time.perf_counter() + seconds
    for turn in range(TURNS):
        if turn >= 2 and time.perf_counter() > end:
            break
        for ready, count in zip(sides, counts, strict=True):
            step = ready.step
            start = time.perf_counter()
            step()
            given = time.perf_counter()
            for _ in range(count - 1):
                step()
            ready.side.wait()
            whole, host = found[ready.side.name]
            whole.append((time.perf_counter() - start) / count * 1e3)
            host.append((given - start) * 1e3)
    return found


def free_bytes(device: str) -> int:
    """What the driver has left for either side."""
    if device != "cuda":
        return 1 << 60
    import cupy

    free, _ = cupy.cuda.runtime.memGetInfo()
    return int(free)


def about(device: str) -> dict[str, str]:
    """The machine and the libraries."""
    import datetime

    found = {"date": datetime.date.today().isoformat(), "python": platform.python_version(), "numpy": np.__version__}
    for name in ("torch", "torchvision", "transformers", "cupy-cuda13x", "nvmath-python", "nvidia-cudnn-frontend"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    if device == "cuda":
        import cupy

        properties = cupy.cuda.runtime.getDeviceProperties(0)
        found |= {
            "gpu": properties["name"].decode(),
            "driver": str(cupy.cuda.runtime.driverGetVersion()),
            "runtime": str(cupy.cuda.runtime.runtimeGetVersion()),
        }
        with contextlib.suppress(ImportError):
            import cudnn

            found["cudnn"] = str(cudnn.backend_version())
    return found
