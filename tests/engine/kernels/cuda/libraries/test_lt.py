"""How cublasLt and cuBLAS are called: each call recorded by a stand-in for the bindings, and what is kept on the disk."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated_gpu import EmulatedMachine

import numzoo.engine as engine
from numzoo.engine.capturing import Capturing, capturing
from numzoo.engine.errors import DeviceError
from numzoo.engine.kernels.cuda.libraries import blas, lt
from numzoo.engine.kernels.cuda.libraries import installed as libraries
from numzoo.engine.kernels.cuda.libraries.gemm import Gemm

GEMM = Gemm(4, 3, 5, (False, True), (4, 3, 8), 2, (20, 0, 24), "float32", "float32", epilogue="bias", alignment=16)
PLAIN = Gemm(4, 3, 5, (False, False), (4, 5, 4), 1, (0, 0, 0), "bfloat16", "float32", scale=0.5, accumulates=True)
WORKSPACE = 1 << 12


class Bindings:
    """``nvmath.bindings.cublasLt`` with its numbers and names, which notes what it is asked."""

    # The numbers are those of the library's headers.
    MatmulDescAttribute = IntEnum("MatmulDescAttribute", {"TRANSA": 3, "TRANSB": 4, "EPILOGUE": 7, "BIAS_POINTER": 8})
    MatrixLayoutAttribute = IntEnum("MatrixLayoutAttribute", {"BATCH_COUNT": 5, "STRIDED_BATCH_OFFSET": 6})
    MatmulPreferenceAttribute = IntEnum(
        "MatmulPreferenceAttribute",
        {
            "MAX_WORKSPACE_BYTES": 1,
            "REDUCTION_SCHEME_MASK": 3,
            "MIN_ALIGNMENT_A_BYTES": 5,
            "MIN_ALIGNMENT_B_BYTES": 6,
            "MIN_ALIGNMENT_C_BYTES": 7,
            "MIN_ALIGNMENT_D_BYTES": 8,
        },
    )
    matmul_algo_dtype = np.dtype([("data_", "<u8", (8,))])
    matmul_heuristic_result_dtype = np.dtype(
        [("algo", matmul_algo_dtype), ("workspace_size", "<u8"), ("state", "<i4"), ("waves_count", "<f4"), ("reserved", "<i4", (4,))]
    )  # fmt: skip

    class cuBLASLtError(Exception): ...  # noqa: N801

    def __init__(self, *, candidates: tuple[tuple[int, int], ...] = ((0, 100),), takes: bool = True) -> None:
        self.candidates, self.takes = candidates, takes
        self.calls: list[tuple[Any, ...]] = []
        self.made = 0
        self.living: set[int] = set()

    def create(self) -> int:
        return 7

    def get_version(self) -> int:
        return 130000

    def _make(self, *call: Any) -> int:
        self.made += 1
        self.living.add(self.made)
        self.calls.append((*call, self.made))
        return self.made

    def _end(self, made: int) -> None:
        self.living.remove(made)

    def matmul_desc_create(self, compute: int, scale: int) -> int:
        return self._make("operation", compute, scale)

    def matrix_layout_create(self, kind: int, rows: int, columns: int, leading: int) -> int:
        return self._make("layout", kind, rows, columns, leading)

    def matmul_preference_create(self) -> int:
        return self._make("preference")

    matmul_desc_destroy = matrix_layout_destroy = matmul_preference_destroy = _end

    def _set(self, owner: int, name: int, buffer: int, size: int) -> None:
        self.calls.append(("set", owner, name, int.from_bytes(ctypes.string_at(buffer, size), "little"), size))

    matmul_desc_set_attribute = matrix_layout_set_attribute = matmul_preference_set_attribute = _set

    def matmul_algo_get_heuristic(self, *arguments: int) -> None:
        *operands, wanted, results, count = arguments
        self.calls.append(("heuristic", *operands, wanted))
        if not self.candidates:
            raise self.cuBLASLtError("not supported")
        raw = (ctypes.c_char * (96 * wanted)).from_address(results)
        found = np.frombuffer(raw, self.matmul_heuristic_result_dtype)
        for place, (state, workspace) in enumerate(self.candidates):
            found["algo"]["data_"][place] = place + 1
            found["state"][place], found["workspace_size"][place] = state, workspace
        ctypes.c_int32.from_address(count).value = len(self.candidates)

    def matmul_algo_check(self, *arguments: int) -> None:
        self.calls.append(("check", *arguments[:-2]))
        if not self.takes:
            raise self.cuBLASLtError("not this version's")

    def matmul(self, *arguments: int) -> None:
        handle, operation, alpha, a, al, b, bl, beta, c, cl, d, dl, algorithm, workspace, size, stream = arguments
        numbers = tuple(ctypes.c_float.from_address(each).value for each in (alpha, beta))
        first = ctypes.c_uint64.from_address(algorithm).value
        self.calls.append(("matmul", handle, operation, a, al, b, bl, c, cl, d, dl, numbers, first, size, stream))
        assert workspace % 256 == 0


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: Any) -> Path:
    monkeypatch.setenv("NUMZOO_KERNEL_CACHE", str(tmp_path))
    return tmp_path


def opened(bindings: Bindings, name: str = "H200") -> lt.Products:
    return lt.Products(EmulatedMachine(), bindings, name, WORKSPACE)


def test_a_product_is_described_in_the_library_s_own_words() -> None:
    bindings = Bindings()
    assert opened(bindings).prepare(GEMM) is not None
    created = [call for call in bindings.calls if call[0] in ("operation", "layout")]
    assert created == [
        ("operation", 68, 0, 1),
        ("layout", 0, 4, 5, 4, 2),
        ("layout", 0, 3, 5, 3, 3),
        ("layout", 0, 4, 3, 8, 4),
    ]
    sets = [call[1:] for call in bindings.calls if call[0] == "set"]
    assert sets[:4] == [(1, 3, 0, 4), (1, 4, 1, 4), (1, 7, 4, 4), (1, 8, 16, 8)]
    assert sets[4:10] == [(2, 5, 2, 4), (2, 6, 20, 8), (3, 5, 2, 4), (3, 6, 0, 8), (4, 5, 2, 4), (4, 6, 24, 8)]
    assert sets[10:] == [(5, 1, WORKSPACE, 8), (5, 3, 2, 4), *((5, name, 16, 4) for name in (5, 6, 7, 8))]
    assert bindings.calls[-1] == ("heuristic", 7, 1, 2, 3, 4, 4, 5, lt.CANDIDATES)


def test_a_product_runs_with_its_addresses_numbers_and_workspace() -> None:
    bindings = Bindings()
    run = opened(bindings).prepare(PLAIN)
    assert run is not None
    run(0x1000, 0x2000, 0x3000, 0)
    assert bindings.calls[-1] == (
        "matmul",
        7,
        1,
        0x1000,
        2,
        0x2000,
        3,
        0x3000,
        4,
        0x3000,
        4,
        (0.5, 1.0),
        1,
        WORKSPACE,
        0,
    )
    assert [call[1] for call in bindings.calls if call[0] == "layout"] == [14, 14, 0]


def test_each_bias_has_an_operation_that_points_to_it_until_there_are_many(monkeypatch: Any) -> None:
    monkeypatch.setattr(lt, "MOST_BIASES", 2)
    bindings = Bindings()
    run = opened(bindings).prepare(GEMM)
    assert run is not None
    operations = []
    for address in (0x500, 0x600, 0x500, 0x700, 0x800, 0x600):
        before = len(bindings.calls)
        run(0x1000, 0x2000, 0x3000, address)
        done = bindings.calls[before:]
        assert done[-1][0] == "matmul"
        operations.append(done[-1][2])
        pointed = [call for call in bindings.calls if call[:3] == ("set", operations[-1], 8)][-1]
        assert pointed == ("set", operations[-1], 8, address, 8)
        assert len(done) == 1 or address not in (0x500, 0x600) or operations.count(operations[-1]) == 1
    assert operations[0] == operations[2] != operations[1] == operations[5]
    assert operations[3] == operations[4] == 1  # the one that all others share
    del run
    assert not bindings.living


@pytest.mark.parametrize(
    ("dtype", "tf32", "compute", "scale"),
    [("float32", True, 77, 0), ("float64", True, 70, 1), ("float16", False, 68, 0), ("bfloat16", True, 68, 0),
        ("complex64", False, 68, 4), ("complex128", False, 70, 5)],
)  # fmt: skip
def test_sums_are_kept_in_a_wide_type(dtype: str, tf32: bool, compute: int, scale: int) -> None:
    bindings = Bindings()
    opened(bindings).prepare(Gemm(*([4, 3, 5, (False, False), (4, 5, 4), 1, (0, 0, 0), dtype, dtype, tf32])))  # type: ignore[arg-type]
    assert bindings.calls[0][:3] == ("operation", compute, scale)


def test_the_first_algorithm_that_fits_the_workspace_is_taken() -> None:
    bindings = Bindings(candidates=((15, 0), (0, WORKSPACE + 1), (0, WORKSPACE), (0, 0)))
    run = opened(bindings).prepare(PLAIN)
    assert run is not None
    run(256, 256, 256, 0)
    assert bindings.calls[-1][12] == 3


@pytest.mark.parametrize("candidates", [(), ((15, 0),), ((0, WORKSPACE + 1),)])
def test_what_no_algorithm_computes_is_left_to_others(candidates: Any) -> None:
    bindings = Bindings(candidates=candidates)
    assert opened(bindings).prepare(PLAIN) is None


def test_an_algorithm_is_found_again_on_the_disk(kept: Path) -> None:
    opened(Bindings()).prepare(PLAIN)
    assert len(list(kept.iterdir())) == 1
    again = Bindings(candidates=())
    run = opened(again).prepare(PLAIN)
    assert run is not None
    assert again.calls[-1] == ("check", 7, 1, 2, 3, 4, 4)
    run(256, 256, 256, 0)
    assert again.calls[-1][12] == 1


@pytest.mark.parametrize("change", ["device", "product", "library", "file", "refused"])
def test_an_algorithm_of_another_device_library_or_product_is_not_used(kept: Path, change: str) -> None:
    opened(Bindings()).prepare(PLAIN)
    bindings = Bindings(candidates=((0, 0),), takes=change != "refused")
    if change == "library":
        bindings.get_version = lambda: 130001  # type: ignore[method-assign]
    if change == "file":
        for path in kept.iterdir():
            path.write_bytes(path.read_bytes()[:-1])
    opened(bindings, "A100" if change == "device" else "H200").prepare(GEMM if change == "product" else PLAIN)
    assert bindings.calls[-1][0] == "heuristic"


class TimedMachine(EmulatedMachine):
    """A machine on which a call takes as long as is told of the algorithm that ran last."""

    def __init__(self, bindings: Bindings, times: dict[int, float]) -> None:
        super().__init__()
        self._bindings, self._times = bindings, times

    def milliseconds(self, work: Any, times: int) -> float:
        work()
        return self._times[self._bindings.calls[-1][12]]


@pytest.fixture
def measured() -> Iterator[None]:
    engine.cuda.measure_plans(True)
    yield
    engine.cuda.measure_plans(False)


def test_the_fastest_algorithm_is_chosen_at_the_first_call_where_that_is_wanted(measured: None, kept: Path) -> None:
    bindings = Bindings(candidates=((0, 0), (0, 0), (15, 0), (0, 0)))
    times = {1: 3.0, 2: 1.0, 4: 2.0}
    run = lt.Products(TimedMachine(bindings, times), bindings, "H200", WORKSPACE).prepare(PLAIN)
    assert run is not None
    run(0x1000, 0x2000, 0x3000, 0)
    made = [call for call in bindings.calls if call[0] == "matmul"]
    assert [call[12] for call in made] == [
        1,
        1,
        1,
        1,
        2,
        2,
        2,
        2,
        4,
        4,
        2,
    ]  # one that takes twice as long is timed once
    assert made[-1][7] == 0x3000
    assert all(call[7] not in (0, 0x3000) for call in made[:-1])  # PLAIN adds to its result, which may be done once
    again = Bindings(candidates=())
    run = lt.Products(TimedMachine(again, times), again, "H200", WORKSPACE).prepare(PLAIN)
    assert run is not None
    run(0x1000, 0x2000, 0x3000, 0)
    assert again.calls[-1][12] == 2


def test_algorithms_are_timed_with_the_bias_of_the_call(measured: None) -> None:
    bindings = Bindings(candidates=((0, 0), (0, 0)))
    run = lt.Products(TimedMachine(bindings, {1: 1.0, 2: 2.0}), bindings, "H200", WORKSPACE).prepare(GEMM)
    assert run is not None
    run(0x1000, 0x2000, 0x3000, 0x500)
    assert {call[3] for call in bindings.calls if call[0] == "set" and call[2] == 8} == {16, 0x500}
    assert {call[7] for call in bindings.calls if call[0] == "matmul"} == {0x3000}


def test_how_far_a_result_reaches() -> None:
    assert GEMM.span == 24 + 8 * 2 + 4
    assert PLAIN.span == 4 * 3


def test_descriptors_are_destroyed_with_the_plan() -> None:
    bindings = Bindings()
    run = opened(bindings).prepare(PLAIN)
    assert len(bindings.living) == 4
    del run
    assert not bindings.living


def test_each_stream_has_a_workspace_of_its_own() -> None:
    products = opened(Bindings())
    assert products.space(1, 8) == products.space(1, 0) != products.space(2, 8)
    assert products.space(1, 8)[1] == WORKSPACE
    assert products.held == 2 * WORKSPACE


def test_a_captured_product_borrows_what_its_algorithm_needs() -> None:
    bindings = Bindings(candidates=((0, 768),))
    products = opened(bindings)
    asked: list[int] = []
    memory = products._here.memory
    products._here.memory = lambda size: asked.append(size) or memory(size)  # type: ignore[func-returns-value,method-assign]
    run, biased, kept = products.prepare(PLAIN), products.prepare(GEMM), products.prepare(PLAIN)
    assert run is not None
    assert biased is not None
    assert kept is not None
    with capturing(Capturing()):
        run(0x1000, 0x2000, 0x3000, 0)
        biased(0x1000, 0x2000, 0x3000, 0x500)
        kept(0x1000, 0x2000, 0x3000, 0)  # of an algorithm on the disk the library says anew what it needs: nothing here
    run(0x1000, 0x2000, 0x3000, 0)
    assert [call[-2] for call in bindings.calls if call[0] == "matmul"] == [768, 768, 0, WORKSPACE]
    assert asked == [768, 768]


class Cublas:
    """CuPy's bindings of cuBLAS."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def gemmEx(self, *arguments: Any) -> None:  # noqa: N802
        self.calls.append(("gemmEx", *arguments))

    def gemmStridedBatchedEx(self, *arguments: Any) -> None:  # noqa: N802
        self.calls.append(("gemmStridedBatchedEx", *arguments))


def test_cublas_serves_without_nvmath() -> None:
    from dataclasses import replace

    cublas = Cublas()
    run = blas.prepare(PLAIN, cublas, 9)
    assert run is not None
    run(10, 20, 30, 0)
    name, handle, *rest = cublas.calls[0]
    alpha, beta = rest.pop(5), rest.pop(11)
    assert (name, handle) == ("gemmEx", 9)
    assert rest == [0, 0, 4, 3, 5, 10, 14, 4, 20, 14, 5, 30, 0, 4, 68, -1]
    assert [ctypes.c_float.from_address(each).value for each in (alpha, beta)] == [0.5, 1.0]
    many = blas.prepare(replace(GEMM, epilogue="", tf32=True), cublas, 9)
    assert many is not None
    many(10, 20, 30, 0)
    name, handle, *rest = cublas.calls[1]
    del rest[5], rest[13]
    assert name == "gemmStridedBatchedEx"
    assert rest == [0, 1, 4, 3, 5, 10, 0, 4, 20, 20, 0, 3, 0, 30, 0, 8, 24, 2, 77, -1]
    assert blas.prepare(GEMM, cublas, 9) is None  # no epilogues there
    assert blas.prepare(replace(PLAIN, rows=2**31), cublas, 9) is None


def test_a_machine_without_nvmath_or_cublas_is_told_what_to_install(monkeypatch: Any) -> None:
    here = EmulatedMachine()
    monkeypatch.setattr(libraries, "_products", {})
    monkeypatch.setattr(libraries.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "cupy_backends.cuda.libs", None)
    with pytest.raises(DeviceError, match=r"cublasLt or cuBLAS.*pip install 'numzoo\[gpu\]'"):
        libraries.prepare(here, PLAIN)


def test_missing_bindings_are_named(monkeypatch: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nvmath.bindings", None)
    with pytest.raises(DeviceError, match="nvmath-python, which did not import"):
        lt.bindings()
