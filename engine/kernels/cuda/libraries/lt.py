"""Products of matrices by cublasLt: descriptors and the algorithm chosen once for each product, and kept on the disk.

The bindings are those of nvmath-python, which take addresses and numbers. Sums are float32 (float64 for wide dtypes), also
where a sum is cut in pieces, so results do not depend on the order in which blocks end.
"""

from __future__ import annotations

import ctypes
import hashlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ....capturing import in_capture
from ....dtype import as_dtype
from ....errors import DeviceError
from ..machine import Machine
from . import choosing, store
from .gemm import Gemm

__all__ = ["COMPUTE", "EPILOGUES", "KINDS", "Products", "Run"]

Run = Callable[[int, int, int, int], None]
"""A prepared product: addresses of A, B, D and of the bias (0 where there is none)."""

KINDS = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14, "complex64": 4, "complex128": 5}
"""cudaDataType_t."""
COMPUTE = {"float32": 68, "float64": 70, "float16": 68, "bfloat16": 68, "complex64": 68, "complex128": 70}
"""cublasComputeType_t: what products are made and summed in."""
COMPUTE_TF32 = 77
SCALES = {"float16": "float32", "bfloat16": "float32"}
EPILOGUES = {"": 1, "relu": 2, "bias": 4, "bias relu": 6, "gelu": 32, "bias gelu": 36}
"""cublasLtEpilogue_t."""

CANDIDATES = 4
MOST_BIASES = 128
"""Addresses of biases for which a product has an operation of its own: those of a model's layers, and not whatever is computed anew."""
SUMS_IN_COMPUTE_TYPE = 2
"""Partial sums of an inner axis that is cut: never in the result's own, perhaps narrow, dtype."""


class Products:
    """cublasLt on one device."""

    def __init__(self, here: Machine, bindings: Any, name: str, workspace: int) -> None:
        """``name`` and the library's version are what kept algorithms belong to; ``workspace`` is in bytes, for each stream."""
        self.bindings = bindings
        self.handle: int = bindings.create()
        self.owner = f"{name} cublasLt {bindings.get_version()} {workspace}"
        self.workspace = workspace
        self._here = here
        self._workspaces: dict[int, Any] = {}
        self._addresses: dict[int, int] = {}

    @property
    def held(self) -> int:
        """Bytes of all workspaces that last."""
        return self.workspace * len(self._workspaces)

    def space(self, stream: int, needed: int) -> tuple[int, int, Any]:
        """A workspace: its address, how long it is, and what must be held until the product is given to the GPU.

        Products of one stream take turns in one. In a capture each borrows what it needs of the step's memory, for that may be
        replayed on any stream.
        """
        if in_capture():
            memory = self._here.memory(needed) if needed else None
            return 0 if memory is None else memory.ptr, needed, memory
        if stream not in self._workspaces:
            memory = self._here.lasting(self.workspace)
            self._workspaces[stream] = memory
            self._addresses[stream] = self._here.address(memory)
        return self._addresses[stream], self.workspace, None

    def prepare(self, gemm: Gemm) -> Run | None:
        """What computes a product, or None where cublasLt has no algorithm for it."""
        described = _Description(self.bindings, gemm)
        measures = choosing.is_wanted()
        kept = self._kept(gemm, described, "measured" if measures else "")
        if kept is not None:
            return self._runner(gemm, described, kept)
        proposed = self._proposed(gemm, described, choosing.MOST if measures else CANDIDATES)
        if not proposed:
            return None
        run = self._runner(gemm, described, proposed[0])
        if not measures:
            store.write(self._key(gemm, ""), proposed[0].data.tobytes())
            return run
        return choosing.at_first_call(run, lambda *places: self._fastest(gemm, described, proposed, run, *places))

    def _runner(self, gemm: Gemm, described: _Description, algorithm: _Algorithm) -> Run:
        lt = self.bindings
        matmul, handle, space, workspace, stream = lt.matmul, self.handle, self.space, self.workspace, self._here.stream
        operation, (a_layout, b_layout, d_layout) = described.operation, described.layouts
        alpha, beta = described.alpha, described.beta
        chosen, needed, spaces = algorithm.data.ctypes.data, algorithm.needed, self._addresses

        def run(a: int, b: int, d: int, bias: int) -> None:
            now = stream()
            size, room = workspace, None if in_capture() else spaces.get(now)
            if room is None:
                room, size, _held = space(now, needed)
            matmul(handle, operation, alpha, a, a_layout, b, b_layout, beta, d, d_layout, d, d_layout, chosen, room, size, now)  # fmt: skip

        # The memory that the addresses point to lives as long as what runs with them.
        run.held = (described, algorithm)  # type: ignore[attr-defined]
        if "bias" not in gemm.epilogue:
            return run
        lock, points, own = described.lock, described.point_to, described.with_biases

        def run_with_bias(a: int, b: int, d: int, bias: int) -> None:
            now = stream()
            size, room = workspace, None if in_capture() else spaces.get(now)
            if room is None:
                room, size, _held = space(now, needed)
            pointing = own.get(bias) or described.with_bias(bias)
            if pointing:
                matmul(handle, pointing, alpha, a, a_layout, b, b_layout, beta, d, d_layout, d, d_layout, chosen, room, size, now)  # fmt: skip
                return
            with lock:  # the bias belongs to the description, which other threads use too
                points(bias)
                matmul(handle, operation, alpha, a, a_layout, b, b_layout, beta, d, d_layout, d, d_layout, chosen, room, size, now)  # fmt: skip

        run_with_bias.held = run.held  # type: ignore[attr-defined]
        return run_with_bias

    def _fastest(
        self, gemm: Gemm, described: _Description, proposed: list[_Algorithm], run: Run, a: int, b: int, d: int, bias: int,
    ) -> Run:  # fmt: skip
        """What computes with the fastest of the algorithms, which is then kept on the disk; ``run`` where none is found."""
        try:
            scratch = self._here.empty((gemm.span,), as_dtype(gemm.result)) if gemm.accumulates else None
        except MemoryError:
            return run
        place = d if scratch is None else self._here.address(scratch)  # a sum must be added once
        runs = [self._runner(gemm, described, algorithm) for algorithm in proposed]
        candidates = ((number, partial(each, a, b, place, bias)) for number, each in enumerate(runs))
        found: int | None = choosing.fastest(self._here, candidates, (self.bindings.cuBLASLtError,))
        if found is None:
            return run
        store.write(self._key(gemm, "measured"), proposed[found].data.tobytes())
        return runs[found]

    def _key(self, gemm: Gemm, way: str) -> str:
        return hashlib.sha256(f"{self.owner}\0{gemm!r}{way}".encode()).hexdigest() + ".cublaslt"

    def _kept(self, gemm: Gemm, described: _Description, way: str) -> _Algorithm | None:
        """The algorithm on the disk, or None where there is none or this library does not take it."""
        lt = self.bindings
        kept = store.read(self._key(gemm, way))
        if kept is None or len(kept) != lt.matmul_algo_dtype.itemsize:
            return None
        algorithm = np.frombuffer(bytearray(kept), lt.matmul_algo_dtype)
        found = np.zeros(1, lt.matmul_heuristic_result_dtype)
        try:
            lt.matmul_algo_check(self.handle, *described.operands, algorithm.ctypes.data, found.ctypes.data)
        except lt.cuBLASLtError:
            return None
        needed = int(found["workspace_size"][0])
        return _Algorithm(algorithm, needed) if found["state"][0] == 0 and needed <= self.workspace else None

    def _proposed(self, gemm: Gemm, described: _Description, most: int) -> list[_Algorithm]:
        """The algorithms that the library proposes, the best guess first."""
        lt = self.bindings
        found = np.zeros(most, lt.matmul_heuristic_result_dtype)
        count = ctypes.c_int32()
        preference = described.preference(self.workspace, gemm.alignment)
        try:
            lt.matmul_algo_get_heuristic(
                self.handle, *described.operands, preference, most, found.ctypes.data, ctypes.addressof(count)
            )
        except lt.cuBLASLtError:
            return []
        finally:
            lt.matmul_preference_destroy(preference)
        return [
            _Algorithm(np.array([each["algo"]], lt.matmul_algo_dtype), int(each["workspace_size"]))
            for each in found[: count.value]
            if each["state"] == 0 and each["workspace_size"] <= self.workspace
        ]


class _Algorithm(NamedTuple):
    """How cublasLt multiplies: its own 64 bytes, and the bytes of memory that it works in."""

    data: Any
    needed: int


class _Description:
    """The descriptors of a product, which cublasLt reads each time; destroyed with this."""

    def __init__(self, lt: Any, gemm: Gemm) -> None:
        self._lt = lt
        self._ends: list[tuple[Callable[[int], None], int]] = []
        kind = KINDS[gemm.dtype]
        scale = SCALES.get(gemm.dtype, gemm.dtype)
        compute = COMPUTE_TF32 if gemm.tf32 and gemm.dtype in ("float32", "complex64") else COMPUTE[gemm.dtype]
        self._gemm, self._kinds = gemm, (compute, KINDS[scale])
        self.operation = self._operation()
        self._bias = ctypes.c_int64()
        self.with_biases: dict[int, int] = {}
        """Operations by the address of their bias, which nobody changes."""
        if "bias" in gemm.epilogue:
            self.point_to(gemm.alignment)  # some address that is aligned so, until there is one
        stored = (
            (gemm.inner, gemm.rows) if gemm.turned[0] else (gemm.rows, gemm.inner),
            (gemm.columns, gemm.inner) if gemm.turned[1] else (gemm.inner, gemm.columns),
            (gemm.rows, gemm.columns),
        )
        self.layouts: list[int] = [
            self._layout(each, *shape, leading, gemm.batch, step)
            for each, shape, leading, step in zip(
                (kind, kind, KINDS[gemm.result]), stored, gemm.leading, gemm.steps, strict=True
            )
        ]
        number = np.dtype(scale).type
        self.operands = (self.operation, *self.layouts, self.layouts[2])
        """As the search for algorithms takes them: the operation, and the layouts of A, B, C and D."""
        self.lock = threading.Lock()
        self._numbers = np.array([number(gemm.scale), number(1 if gemm.accumulates else 0)], scale)
        self.alpha = self._numbers.ctypes.data
        self.beta = self.alpha + self._numbers.itemsize

    def _operation(self) -> int:
        lt, gemm = self._lt, self._gemm
        names = lt.MatmulDescAttribute
        made: int = self._own(lt.matmul_desc_create(*self._kinds), lt.matmul_desc_destroy)
        for name, turned in zip((names.TRANSA, names.TRANSB), gemm.turned, strict=True):
            self._set(lt.matmul_desc_set_attribute, made, name, ctypes.c_int32(turned))
        if gemm.epilogue:
            self._set(lt.matmul_desc_set_attribute, made, names.EPILOGUE, ctypes.c_uint32(EPILOGUES[gemm.epilogue]))
        return made

    def point_to(self, bias: int) -> None:
        """Let the epilogue of the operation read its bias there."""
        if bias != self._bias.value:
            self._bias.value = bias
            self._set(self._lt.matmul_desc_set_attribute, self.operation, self._lt.MatmulDescAttribute.BIAS_POINTER, self._bias)  # fmt: skip

    def with_bias(self, bias: int) -> int:
        """Another operation, whose epilogue reads its bias there for good: layers of one size come in turns. 0 when there are enough."""
        if len(self.with_biases) >= MOST_BIASES:
            return 0
        made = self._operation()
        self._set(self._lt.matmul_desc_set_attribute, made, self._lt.MatmulDescAttribute.BIAS_POINTER, ctypes.c_int64(bias))  # fmt: skip
        self.with_biases[bias] = made
        return made

    def preference(self, workspace: int, alignment: int) -> int:
        """What the search for algorithms may use; the caller destroys it."""
        lt = self._lt
        names = lt.MatmulPreferenceAttribute
        made: int = lt.matmul_preference_create()
        self._set(lt.matmul_preference_set_attribute, made, names.MAX_WORKSPACE_BYTES, ctypes.c_uint64(workspace))
        sums = ctypes.c_uint32(SUMS_IN_COMPUTE_TYPE)
        self._set(lt.matmul_preference_set_attribute, made, names.REDUCTION_SCHEME_MASK, sums)
        for letter in "ABCD":
            name = names[f"MIN_ALIGNMENT_{letter}_BYTES"]
            self._set(lt.matmul_preference_set_attribute, made, name, ctypes.c_uint32(alignment))
        return made

    def _layout(self, kind: int, rows: int, columns: int, leading: int, batch: int, step: int) -> int:
        lt = self._lt
        names = lt.MatrixLayoutAttribute
        made: int = self._own(lt.matrix_layout_create(kind, rows, columns, leading), lt.matrix_layout_destroy)
        if batch > 1:
            self._set(lt.matrix_layout_set_attribute, made, names.BATCH_COUNT, ctypes.c_int32(batch))
            self._set(lt.matrix_layout_set_attribute, made, names.STRIDED_BATCH_OFFSET, ctypes.c_int64(step))
        return made

    def _own(self, made: int, destroy: Callable[[int], None]) -> int:
        self._ends.append((destroy, made))
        return made

    @staticmethod
    def _set(function: Callable[..., None], owner: int, name: int, value: Any) -> None:
        function(owner, int(name), ctypes.addressof(value), ctypes.sizeof(value))

    def __del__(self) -> None:
        for destroy, made in self._ends:
            destroy(made)


def bindings() -> Any:
    """nvmath-python's bindings of cublasLt; a DeviceError says what is missing."""
    import ml_dtypes  # noqa: F401  (bfloat16 must be known before nvmath is imported)

    try:
        from nvmath.bindings import cublasLt  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as problem:
        raise DeviceError(
            f"products of matrices need nvmath-python, which did not import ({problem}); install it with: pip install 'numzoo[gpu]'"
        ) from problem
    try:
        cublasLt.get_version()
    except Exception as problem:
        raise DeviceError(
            f"cublasLt did not load ({problem}); install it with: pip install 'numzoo[gpu]', or see numzoo doctor"
        ) from problem
    return cublasLt
