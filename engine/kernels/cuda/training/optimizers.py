"""Optimisers' steps over many parameters in one launch, norms of all gradients, and scaling them, without waiting for the GPU.

What stays from step to step, where parameters and states lie, is in a table on the GPU; the gradients' places come with each launch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....capturing import keep_in_capture
from ....dtype import Array, Dtype, accumulator, float32, float64
from ..elementwise.operations import STORED, compute_type
from ..machine import machine
from ..program import Kernel

__all__ = [
    "Update",
    "clip_norm",
    "count_step",
    "empty_flags",
    "empty_numbers",
    "scale_all",
    "update_scale",
    "write_numbers",
]

CHUNK = 16384
"""Numbers that one block changes, as in ``optimizers.cu``."""
SIZES = (16, 64, 440)
"""How many gradients a launch may have; their places are among its arguments, of which there are 4,096 bytes."""
NUMBERS = 10
"""Numbers of a step, as in ``optimizers.cu``."""
THREADS = 512

COUNTED = ("", "adam", "lamb", "sgd", "adagrad")
"""Rules some of whose numbers depend on the count of steps, by their number in ``optimizers.cu``."""

_kernels: dict[Any, Kernel] = {}
_plain = {"PARAMETER": "float", "GRADIENT": "float", "WIDE": "float", "TOTAL": "float"}
_write = Kernel("optimizers.cu", "write_numbers", f"{NUMBERS}dP", **_plain)
_count = Kernel("optimizers.cu", "count_step", f"{NUMBERS}dPiddPPP", **_plain)
_rescale = Kernel("optimizers.cu", "update_scale", "PPiid", **_plain)


def empty_numbers() -> Array:
    """Memory for the numbers of a step."""
    return machine().empty((NUMBERS,), float64)


def write_numbers(place: Array, numbers: Sequence[float]) -> None:
    """Write numbers that came with the launch to memory, in the stream's turn."""
    _write(1, 1, *numbers, *(0.0,) * (NUMBERS - len(numbers)), machine().address(place))


def empty_flags(count: int) -> Array:
    """So many lowered flags: ``scale_all`` raises one."""
    return machine().zeros((count,), float32)


def count_step(
    rule: str, numbers: Sequence[float], live: Array | None, pair: tuple[float, float], left_out: Array, count: Array, to: Array
) -> None:  # fmt: skip
    """Count a step, unless the flag says that it is left out, and write to ``to`` what ``numbers``, or those in ``live``, are in it."""
    address = machine().address
    given = (*numbers, *(0.0,) * (NUMBERS - len(numbers)))
    number = COUNTED.index(rule) if rule in COUNTED else 0
    at = 0 if live is None else address(live)
    _count(1, 1, *given, at, number, *pair, address(left_out), address(count), address(to))


def update_scale(scale: Array, flags: Array, count: int, wrong: bool, given: float) -> None:
    """What a loss's scale becomes after a step, or ``given`` if that is above 0; see ``optimizers.cu``."""
    _rescale(1, 1, machine().address(scale), machine().address(flags), count, int(wrong), given)


def _kernel(entry: str, most: int, dtypes: tuple[Dtype, ...], rule: str, signature: str, **more: Any) -> Kernel:
    """An entry point for parameters and gradients of these dtypes; ``{}`` in the signature stands for the gradients' places."""
    key = (entry, most, dtypes, rule, *more.items())
    found = _kernels.get(key)
    if found is None:
        parameter, gradient = dtypes
        definitions = {
            "PARAMETER": STORED[parameter],
            "GRADIENT": STORED[gradient],
            "WIDE": compute_type(accumulator(parameter)),
            "RULE": rule,
            "MOST": most,
            "TOTAL": "float",
            **more,
        }
        found = _kernels[key] = Kernel("optimizers.cu", entry, signature.format(f"{most}P"), **definitions)
    return found


class _Part:
    """Arrays of one launch: their table and their chunks on the GPU."""

    def __init__(self, rows: list[tuple[int, ...]], sizes: list[int], places: slice) -> None:
        xp = machine().xp
        self.places = places
        self.most = next(size for size in SIZES if size >= len(rows))
        self.spare = (0,) * (self.most - len(rows))
        chunks = [(entry, place) for entry, size in enumerate(sizes) for place in range(-(-size // CHUNK))]
        self.blocks = len(chunks)
        self.table = xp.asarray(np.array(rows, np.int64).reshape(len(rows), -1))
        self.chunks = xp.asarray(np.array(chunks, np.int32).reshape(-1, 2))


def _parts(rows: list[tuple[int, ...]], sizes: list[int]) -> list[_Part]:
    most = SIZES[-1]
    return [
        _Part(rows[start : start + most], sizes[start : start + most], slice(start, start + most))
        for start in range(0, len(rows), most)
    ]


class Update:
    """A rule over parameters and states that stay where they are; ``states`` has one list for each parameter."""

    def __init__(
        self, rule: str, parameters: Sequence[Array], states: Sequence[Sequence[Array]], gradient: Dtype, **definitions: int
    ) -> None:  # fmt: skip
        address = machine().address
        dtypes = parameters[0].dtype, gradient
        rows = []
        for parameter, own in zip(parameters, states, strict=True):
            places = [address(state) for state in own]
            rows.append((address(parameter), *places, *(0,) * (3 - len(places)), parameter.size))
        self._parts = _parts(rows, [parameter.size for parameter in parameters])
        definitions["STATES"] = len(states[0]) if states else 0
        signature = "{}PP" + f"{NUMBERS}dPP"
        self._lengths: list[Array] = []
        self._kernels: list[tuple[Kernel, ...]] = []
        for part in self._parts:
            if rule == "lamb":
                means, step = (
                    _kernel(entry, part.most, dtypes, "sgd", signature + "P", **definitions)
                    for entry in ("lamb_means", "lamb_step")
                )
                self._kernels.append((means, step))
                self._lengths.append(machine().empty((max(part.blocks, 1), 2), float64))
            else:
                self._kernels.append((_kernel("update", part.most, dtypes, rule, signature, **definitions),))

    def __call__(
        self, gradients: Sequence[Array], numbers: Sequence[float], live: Array | None = None, left_out: Array | None = None
    ) -> None:  # fmt: skip
        """Take a step with these numbers, or with those that ``live``, an array of float64 on the GPU, holds when it runs; none if a flag is raised."""
        address = machine().address
        places = [address(gradient) for gradient in gradients]
        given = (*numbers, *(0.0,) * (NUMBERS - len(numbers)))
        at = 0 if live is None else address(live), 0 if left_out is None else address(left_out)
        for number, (part, kernels) in enumerate(zip(self._parts, self._kernels, strict=True)):
            fixed = (*places[part.places], *part.spare, address(part.table), address(part.chunks), *given, *at)
            if self._lengths:
                fixed = (*fixed, address(self._lengths[number]))
            for kernel in kernels:
                kernel(part.blocks, THREADS, *fixed)


class Lists:
    """Gradients of one dtype and of these sizes, wherever they lie."""

    def __init__(self, dtype: Dtype, sizes: Sequence[int]) -> None:
        self.dtype = dtype
        self.parts = _parts([(size,) for size in sizes], list(sizes))
        self.blocks = sum(part.blocks for part in self.parts)

    def launch(self, entry: str, signature: str, gradients: Sequence[Array], *arguments: Any, ahead: int = 0) -> None:
        """Run an entry point over all of them; the address ``ahead`` (of float64 parts) moves on by the chunks."""
        keep_in_capture(f"lists {id(self)}", lambda: self)  # a replay reads the tables
        address = machine().address
        places = [address(gradient) for gradient in gradients]
        for part in self.parts:
            kernel = _kernel(entry, part.most, (self.dtype, self.dtype), "sgd", "{}PP" + signature)
            own = (ahead, *arguments) if ahead else arguments
            kernel(
                part.blocks, THREADS, *places[part.places], *part.spare, address(part.table), address(part.chunks), *own
            )
            ahead += 8 * part.blocks if ahead else 0


_lists: dict[Any, Lists] = {}


def _by_dtype(gradients: Sequence[Array]) -> list[tuple[Lists, list[Array]]]:
    """The gradients of each dtype, and the lists that serve their sizes."""
    groups: dict[Dtype, list[Array]] = {}
    for gradient in gradients:
        if gradient.size:
            groups.setdefault(gradient.dtype, []).append(gradient)
    here = machine()
    found = []
    for dtype, own in groups.items():
        key = (id(here), dtype, *(gradient.size for gradient in own))
        lists = _lists.get(key)
        if lists is None:
            if len(_lists) >= 64:
                _lists.clear()
            lists = _lists[key] = Lists(dtype, [gradient.size for gradient in own])
        found.append((lists, own))
    return found


def clip_norm(gradients: Sequence[Array], limit: float, power: float, total: Dtype) -> Array:
    """Scale gradients without gaps down together, in place, so that their norm (of power 2 or infinite) is at most ``limit``; gives the norm before."""
    here = machine()
    groups = _by_dtype(gradients)
    blocks = sum(lists.blocks for lists, _ in groups)
    largest = int(power != 2.0)
    parts = here.empty((max(blocks, 1),), float64)
    factor = here.empty((1,), float64)
    norm = here.empty((), total)
    ahead = here.address(parts)
    for lists, own in groups:
        lists.launch("lengths", "Pi", own, largest, ahead=ahead)
        ahead += 8 * lists.blocks
    # What the kernel of the norm does not need, its source does.
    kernel = _kernel("norm_of_parts", SIZES[0], (total, total), "sgd", "PqPPdi", TOTAL=compute_type(total))
    kernel(1, 1024, here.address(parts), blocks, here.address(norm), here.address(factor), limit, largest)
    if limit != float("inf"):
        for lists, own in groups:
            lists.launch("scale_all", "dPP", own, 1.0, here.address(factor), 0)
    return norm


def scale_all(gradients: Sequence[Array], factor: Array, flag: Array) -> None:
    """Gradients without gaps times a factor, a float64 on the GPU, in place; raises the flag if a product is not finite."""
    here = machine()
    for lists, own in _by_dtype(gradients):
        lists.launch("scale_all", "dPP", own, 1.0, here.address(factor), here.address(flag))
