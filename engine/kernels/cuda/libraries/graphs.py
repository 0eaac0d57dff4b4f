"""Graphs of cuDNN's engines, by its front end: built once, kept in memory and on the disk, run on plain addresses.

What is wanted is a description that knows how to write itself down as a graph (``Convolution``, ``Attention``). Its tensors
are numbered from 1 in the order in which addresses are given.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from struct import Struct
from typing import Any, Protocol

from ....capturing import in_capture
from ....errors import DeviceError
from ..machine import Machine
from . import choosing, nvrtc, store

__all__ = ["Description", "Engines", "Run", "bindings", "build", "data_type"]

Run = Callable[..., None]
"""A prepared graph: takes the addresses of its tensors, in the order of their numbers."""

OLDEST = 91000
"""The first cuDNN whose engines are known to serve; 9.10."""
MOST_WORKSPACE = 1 << 30
"""Bytes that an engine may ask for; faster ones that want more are passed over."""

MOST_TENSORS = 32
"""Tensors that a graph may have."""
ADDRESSES = [Struct(f"{count}P").pack_into for count in range(MOST_TENSORS + 1)]
"""What writes so many addresses."""

ROOM = 4 << 20
"""Bytes of a workspace that stays, one for each thread and stream, for engines that ask for no more: the same memory each time."""

SPARE = 32 << 20
"""Bytes that may stay with the pool after engines were tried."""


class Description(Protocol):
    """Something that cuDNN is to compute. Its ``repr`` says all that the graph depends on."""

    dtype: str
    tf32: bool
    deterministic: bool

    @property
    def otherwise(self) -> str:
        """How it is computed where no engine does, if people should be warned of that."""

    @property
    def measurable(self) -> bool:
        """Whether all engines give the same numbers, but for rounding, so that any may be chosen."""

    def write(self, cudnn: Any, graph: Any) -> int:
        """Add its tensors and operations to a graph; gives how many tensors there are."""


class Engines:
    """cuDNN on one device."""

    def __init__(self, here: Machine, cudnn: Any, name: str) -> None:
        """``name`` and the versions are what kept plans belong to."""
        self.cudnn = cudnn
        self.owner = f"{name} cuDNN {cudnn.backend_version()} front end {cudnn.__version__}"
        self._told = False
        self.largest_workspace = 0
        """In bytes: what some plan asks the pool for while it runs."""
        self._here = here
        self._local = _Thread()
        self._failures = (RuntimeError, ValueError, cudnn.cudnnGraphNotSupportedError)

    def handle(self) -> int:
        """This thread's handle, on the current stream."""
        local, stream = self._local, self._here.stream()
        return local.handle if stream == local.stream else self._enters(stream)

    def _enters(self, stream: int) -> int:
        """Let this thread's handle work on another stream."""
        local = self._local
        if not local.handle:
            local.handle = self.cudnn.create_handle()
        self.cudnn.set_stream(handle=local.handle, stream=stream)
        local.stream, local.room = stream, 0
        return local.handle

    def _room(self) -> int:
        """The address of the workspace of this thread and stream. What they work at takes turns."""
        local = self._local
        held = local.rooms.get(local.stream)
        if held is None:
            held = local.rooms[local.stream] = self._here.lasting(ROOM)
        local.room = self._here.address(held)
        return local.room

    def prepare(self, wanted: Description) -> Run | None:
        """What runs a description, or None where no engine computes it; after a warning, where that matters."""
        measures = choosing.is_wanted() and wanted.measurable
        graph = self._kept(wanted, "measured") if measures else None
        if graph is not None:
            return self._chosen(graph)
        graph = None if measures else self._kept(wanted, "")
        if graph is None:
            graph = build(self.cudnn, wanted, measures, handle=self.handle())
            if graph is None:
                self._tell_of_misfit()
                if wanted.otherwise:
                    warnings.warn(
                        f"cuDNN {self.cudnn.backend_version_string()} has no engine for {wanted!r}; it is computed {wanted.otherwise}",
                        stacklevel=2,
                    )
                return None
            if not measures:
                store.write(self._key(wanted, ""), bytes(graph.serialize()))
        run = self._chosen(graph)
        if not measures:
            return run
        return choosing.at_first_call(run, lambda *addresses: self._chosen(self._fastest(graph, wanted, addresses)))

    def _tell_of_misfit(self) -> None:
        """Warn, once, where this front end asks this cuDNN for what only newer ones know."""
        from .installed import misfit

        cudnn = self.cudnn
        found = misfit(cudnn.backend_version_string(), cudnn.__version__)
        if found is not None and not self._told:
            self._told = True
            warnings.warn("; ".join(found), stacklevel=2)

    def _fastest(self, graph: Any, wanted: Description, addresses: tuple[int, ...]) -> Any:
        """The graph with the plan that computes fastest what lies at these addresses, which is then kept on the disk."""
        failures, most = self._failures, 0

        def candidates() -> Iterator[tuple[int, Callable[[], None]]]:
            nonlocal most
            names = set()
            for number in range(graph.get_execution_plan_count()):
                name = graph.get_plan_name_at_index(number)
                if name in names:
                    continue
                names.add(name)
                try:
                    graph.build_plan_at_index(number)  # the graph runs as this plan from now on
                    run = self._runner(graph)
                except failures:
                    continue  # one that is passed over, or that cannot be had here
                numbers.append(number)
                most = max(most, graph.get_workspace_size())
                yield number, partial(run, *addresses)

        numbers: list[int] = []
        chosen = choosing.fastest(self._here, candidates(), failures)
        if chosen is None and not numbers:
            return graph
        graph.build_plan_at_index(numbers[0] if chosen is None else chosen)
        if most > graph.get_workspace_size() + SPARE:
            self._here.xp.get_default_memory_pool().free_all_blocks()  # what was borrowed for the others
        plan = bytes(graph.serialize())
        if chosen is not None:
            store.write(self._key(wanted, "measured"), plan)
        return _read(self.cudnn, plan, self.handle()) or graph  # which lets go of all the others

    def _key(self, wanted: Description, way: str) -> str:
        return hashlib.sha256(f"{self.owner}\0{wanted!r}{way}".encode()).hexdigest() + ".cudnn"

    def _kept(self, wanted: Description, way: str) -> Any:
        plan = store.read(self._key(wanted, way))
        return None if plan is None else _read(self.cudnn, plan, self.handle())

    def _chosen(self, graph: Any) -> Run:
        self.largest_workspace = max(self.largest_workspace, graph.get_workspace_size())
        return self._runner(graph)

    def _runner(self, graph: Any) -> Run:
        memory, handle, local, stream = self._here.memory, self.handle, self._local, self._here.stream
        enters, room = self._enters, self._room
        size = graph.get_workspace_size()
        direct = getattr(graph, "_execute_with_raw_ptrs", None)
        if direct is not None:
            graph._prepare_variant_pack_template()
            numbers = graph._get_variant_pack_uids_sorted()
            if list(numbers) != list(range(1, len(numbers) + 1)):
                direct = None
        if direct is None:

            def execute(*addresses: int) -> None:
                workspace = memory(size) if size else None
                graph.execute(dict(enumerate(addresses, 1)), 0 if workspace is None else workspace.ptr, handle())

            return execute
        spare: list[tuple[Any, int]] = []

        def run(*addresses: int) -> None:
            try:
                pointers = spare.pop()
            except IndexError:  # the first run, or another thread has them now
                array = (ctypes.c_void_p * MOST_TENSORS)()
                pointers = array, ctypes.addressof(array)
            count = len(addresses)
            ADDRESSES[count](pointers[0], 0, *addresses)
            now = stream()
            if now != local.stream:
                enters(now)
            if not size:
                direct(pointers[1], count, 0, local.handle)
            elif size > ROOM or in_capture():  # a captured step may be replayed on any stream
                workspace = memory(size)
                direct(pointers[1], count, workspace.ptr, local.handle)
            else:
                direct(pointers[1], count, local.room or room(), local.handle)
            spare.append(pointers)

        return run


class _Thread(threading.local):
    """What belongs to a thread: its handle, the stream that it is on, and the workspaces of its streams."""

    handle = 0
    stream: int | None = None
    room = 0
    """Where that of the stream lies, once it was asked for."""

    def __init__(self) -> None:
        self.rooms: dict[int | None, Any] = {}


def build(cudnn: Any, wanted: Description, several: bool = False, **context: Any) -> Any:
    """The graph with a plan, or None where cuDNN has none. ``context`` is a handle, or the properties of a device elsewhere.

    ``several`` asks for more plans than the first guesses, to choose among.
    """
    wide = data_type(cudnn, "float64" if wanted.dtype == "float64" else "float32")
    graph = cudnn.pygraph(
        io_data_type=data_type(cudnn, wanted.dtype), intermediate_data_type=wide, compute_data_type=wide, **context
    )
    guesses = cudnn.heur_mode
    try:
        wanted.write(cudnn, graph)
        graph.validate()
        graph.build_operation_graph()
        graph.create_execution_plans([guesses.A, *([guesses.B] if several else []), guesses.FALLBACK])
        note = cudnn.numerical_note
        graph.deselect_numeric_notes([note.REDUCED_PRECISION_REDUCTION])
        if wanted.dtype == "float32" and not wanted.tf32:
            graph.deselect_numeric_notes([note.TENSOR_CORE, note.DOWN_CONVERT_INPUTS])
        if wanted.deterministic:
            graph.deselect_numeric_notes([note.NONDETERMINISTIC])
        graph.deselect_workspace_greater_than(MOST_WORKSPACE)
        graph.check_support()
        graph.build_plans()
    except (RuntimeError, ValueError, cudnn.cudnnGraphNotSupportedError) as problem:
        _explain(problem)
        return None
    return graph


def data_type(cudnn: Any, dtype: str) -> Any:
    """cuDNN's name for a floating dtype."""
    kind = cudnn.data_type
    return {"float32": kind.FLOAT, "float64": kind.DOUBLE, "float16": kind.HALF, "bfloat16": kind.BFLOAT16}[dtype]


def _read(cudnn: Any, kept: bytes, handle: int) -> Any:
    """A graph from the disk, or None where this library does not take it."""
    graph = cudnn.pygraph(handle=handle)
    try:
        graph.deserialize(handle, list(kept))  # its binding takes no bytes
        graph.get_workspace_size()
    except (RuntimeError, ValueError, TypeError, cudnn.cudnnGraphNotSupportedError) as problem:
        _explain(problem)
        return None
    return graph


def _explain(problem: Exception) -> None:
    """Raise what no other engine would mend: libraries that do not fit together."""
    text = str(problem)
    if "libcudart" in text or "libcuda.so" in text:
        raise DeviceError(
            f"cuDNN's front end did not find the CUDA runtime or driver ({text}); install the runtime with: "
            "python -m pip install nvidia-cuda-runtime, and check the driver with nvidia-smi"
        ) from problem
    if "VERSION_MISMATCH" in text or "SUBLIBRARY" in text:
        raise DeviceError(
            f"cuDNN's parts are of different versions, or some are missing ({text}); there must be one cuDNN: "
            "python -m pip install --force-reinstall nvidia-cudnn-cu13, and none on LD_LIBRARY_PATH (see numzoo doctor)"
        ) from problem


def bindings() -> Any:
    """cuDNN's front end with cuDNN behind it; a DeviceError says what is missing."""
    from .installed import preload

    runtime = preload("CUDA runtime")
    if runtime is not None:
        os.environ.setdefault("CUDNN_FRONTEND_CUDART_LIB_NAME", runtime)
    with contextlib.suppress(DeviceError):
        nvrtc.version()  # cuDNN compiles some engines at run time, by the compiler that is loaded
    try:
        import cudnn  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as problem:
        raise DeviceError(
            f"convolutions on a GPU need cuDNN's front end, which did not import ({problem}); install it with: pip install 'numzoo[gpu]'"
        ) from problem
    try:
        version = cudnn.backend_version()
    except RuntimeError as problem:
        raise DeviceError(
            f"cuDNN did not load ({problem}); install it with: pip install 'numzoo[gpu]', or see numzoo doctor"
        ) from problem
    if version < OLDEST:
        raise DeviceError(
            f"cuDNN {cudnn.backend_version_string()} is too old, 9.10 is the oldest that serves; "
            "install a newer one with: pip install -U nvidia-cudnn-cu13, and take the old one off LD_LIBRARY_PATH"
        )
    return cudnn
