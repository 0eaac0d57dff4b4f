"""Finding the library, saying why it is missing, threads, plans, and child processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo.engine.kernels.cpu import library, matrix, memory, onednn, plans, threads
from numzoo.engine.kernels.cpu.convolution import conv2d
from numzoo.engine.kernels.cpu.matrix import matmul

FORM = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
ROOT = Path(library.__file__).parents[4]


def run(code: str, **environment: str) -> str:
    """What a fresh interpreter prints."""
    shared = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], env=shared, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.strip()


STATUS = "from numzoo.engine.kernels.cpu import onednn; print(*onednn.status(), sep='|')"


def test_the_status_names_version_instructions_and_file() -> None:
    loaded, sentence = onednn.status()
    assert loaded
    assert sentence.startswith("oneDNN 3.")
    assert "libdnnl" in sentence


def test_a_named_library_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    loaded, sentence = run(STATUS, NUMZOO_ONEDNN=str(tmp_path / "nowhere.so")).split("|")
    assert loaded == "False"
    assert "NUMZOO_ONEDNN" in sentence
    assert "nowhere.so" in sentence


def test_a_file_that_is_no_library_is_said_so(tmp_path: Path) -> None:
    wrong = tmp_path / "libdnnl.so.3"
    wrong.write_bytes(b"not a library")
    assert run(STATUS, NUMZOO_ONEDNN=str(wrong)).startswith("False|NUMZOO_ONEDNN names")


def test_a_library_without_the_functions_is_said_so() -> None:
    import _ctypes

    assert run(STATUS, NUMZOO_ONEDNN=_ctypes.__file__).startswith("False|NUMZOO_ONEDNN names")


def test_without_the_library_every_kernel_leaves_the_work_to_the_body(tmp_path: Path) -> None:
    code = (
        "import numpy as np\n"
        "from numzoo.engine.kernels.cpu.matrix import matmul\n"
        "from numzoo.engine.kernels.cpu import onednn\n"
        "x = np.ones((300, 300), np.float32)\n"
        "onednn.set_threads(2)\n"
        "print(matmul(x, x))"
    )
    assert run(code, NUMZOO_ONEDNN=str(tmp_path / "nowhere.so")) == "NotImplemented"


def test_importing_the_kernels_loads_nothing() -> None:
    code = (
        "import sys\n"
        "from numzoo.engine.kernels.cpu import convolution, library, onednn\n"
        "print(library._outcome, any('dnnl' in line for line in open('/proc/self/maps')))"
    )
    assert run(code) == "None False"


@pytest.mark.parametrize(
    ("reasons", "wanted"),
    [
        (["libdnnl.so.3: libgomp.so.1: cannot open shared object file"], "libgomp1"),
        (["libdnnl.so.3: cannot open shared object file"], "onednn"),
    ],
)
def test_the_reason_comes_with_a_way_out(reasons: list[str], wanted: str) -> None:
    assert wanted in library._explain(None, reasons).lower()


@pytest.mark.parametrize("variable", ["NUMZOO_THREADS", "OMP_NUM_THREADS"])
def test_threads_come_from_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv(variable, "3")
    monkeypatch.setattr(threads, "_threads", 0)
    assert threads.current() == 3


def test_without_a_setting_threads_are_the_cores_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMZOO_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_threads", 0)
    assert 1 <= threads.current() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize("text", ["none", "0", "-2", "1.5"])
def test_a_wrong_number_of_threads_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMZOO_THREADS", text)
    monkeypatch.setattr(threads, "_threads", 0)
    with pytest.raises(ValueError, match="NUMZOO_THREADS"):
        threads.current()


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", True, None])
def test_set_threads_wants_a_whole_number(count: Any) -> None:
    with pytest.raises(ValueError, match="set_threads"):
        onednn.set_threads(count)


@pytest.mark.parametrize(
    ("content", "cores"), [("150000 100000\n", 2), ("max 100000\n", 0), ("50000 100000", 1), ("?", 0)]
)
def test_a_containers_quota_bounds_the_threads(content: str, cores: int, tmp_path: Path) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(content)
    assert threads._quota(file) == cores
    assert threads._quota(tmp_path / "absent") == 0


def test_any_number_of_threads_gives_the_same(make: Any, assert_close: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_threads", threads.current())
    x, weight = make((2, 32, 20, 20)), make((32, 32, 3, 3), seed=1)
    results = []
    for count in (1, 2, 3, 1):
        onednn.set_threads(count)
        assert onednn.get_threads() == count
        results.append(conv2d(x, weight, **FORM))
    for result in results[1:]:
        assert_close(result, results[0].astype(np.float64))


def test_threads_set_here_hold_in_other_threads(make: Any, assert_close: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_threads", threads.current())
    x, expected, got = make((60, 70)), None, []
    expected = x.astype(np.float64) @ x.T.astype(np.float64)
    for count in (2, 1):
        onednn.set_threads(count)
        worker = threading.Thread(target=lambda: got.append(matmul(x, x.T)))
        worker.start()
        worker.join()
        assert_close(got[-1], expected)


def test_plans_are_bounded_and_those_in_use_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans.PLANS, "most", 8)
    x = np.ones((4, 4), np.float32)
    matmul(x, x)
    key, kept = next(iter(plans.PLANS.items()))
    for size in range(2, 60):
        y = np.ones((size, 3), np.float32)
        matmul(y, y.T)
        matmul(x, x)
        assert len(plans.PLANS) <= 8
        assert len(plans.PLANS._old) <= 8
    assert plans.PLANS.get(key, plans.PLANS._old.get(key)) is kept


@pytest.mark.parametrize(("code", "kind"), [(1, MemoryError), (2, memory.RefusedError)])
def test_what_onednn_answers_becomes_an_error(code: int, kind: type[Exception]) -> None:
    assert type(memory.refusal("the layout", code)) is kind


def test_what_onednn_refuses_is_left_to_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Any:
        raise memory.RefusedError("no")

    monkeypatch.setattr(matrix, "_plan_matmul", refuse)
    x = np.ones((4, 4), np.float32)
    assert matmul(x, x) is NotImplemented
    assert matmul(x, x) is NotImplemented


def test_memory_objects_refuse_overlapping_strides() -> None:
    found = library.library()
    assert found is not None
    with pytest.raises(memory.RefusedError, match="strides"):
        memory.Layout(found, (4, 4), np.dtype(np.float32), (-1, 1))


def test_a_forked_child_can_still_compute() -> None:
    code = (
        "import os, warnings, numpy as np\n"
        "warnings.simplefilter('ignore')\n"
        "from numzoo.engine.kernels.cpu import onednn\n"
        "from numzoo.engine.kernels.cpu.matrix import matmul\n"
        "onednn.set_threads(2)\n"
        "x = np.ones((300, 300), np.float32)\n"
        "matmul(x, x)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if (matmul(x, x) == 300).all() else 1)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert run(code) == "0"


def test_a_missing_library_is_told_of_in_one_line_and_computing_goes_on() -> None:
    script = (
        "from numzoo import engine\n"
        "x, w = engine.randn(1, 3, 64, 64), engine.randn(8, 3, 3, 3)\n"
        "print(engine.conv2d(x, w).shape, engine.conv2d(x, w).shape)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "NUMZOO_ONEDNN": "/nowhere/libdnnl.so.3",
            "PYTHONPATH": str(Path(__file__).parents[3] / ".dev"),
        },
    )
    assert done.stdout.split() == ["(1,", "8,", "62,", "62)", "(1,", "8,", "62,", "62)"]
    assert done.stderr.count("\n") == 1
    assert "numzoo doctor" in done.stderr
