"""How cuDNN's front end is called: each call recorded by a stand-in for it, and what is kept on the disk."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from recorded_cudnn import Cudnn, Graph, Unsupported, opened

from numzoo.engine.capturing import Capturing, capturing
from numzoo.engine.errors import DeviceError
from numzoo.engine.kernels.cuda.attention.graph import Attention, Laid
from numzoo.engine.kernels.cuda.images.convolution import Convolution
from numzoo.engine.kernels.cuda.libraries import graphs
from numzoo.engine.kernels.cuda.libraries import installed as libraries

FORWARD = Convolution(
    "forward", (2, 4, 6, 5), (8, 2, 3, 3), (2, 8, 3, 3), (2, 2), (1, 1), (1, 1), "float16", bias=True, activation="relu"
)
WEIGHT = Convolution(
    "weight", (2, 4, 6, 5), (8, 4, 3, 3), (2, 8, 4, 3), (1, 1), (0, 0), (1, 1), "float32", deterministic=True
)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: Any) -> Path:
    monkeypatch.setenv("NUMZOO_KERNEL_CACHE", str(tmp_path))
    return tmp_path


def test_a_convolution_is_written_down_as_a_graph() -> None:
    cudnn = Cudnn()
    assert opened(cudnn).prepare(FORWARD) is not None
    context = {
        "io_data_type": "data.HALF",
        "intermediate_data_type": "data.FLOAT",
        "compute_data_type": "data.FLOAT",
        "handle": 101,
    }
    assert cudnn.calls == [
        ("set_stream", 101, 0),
        ("pygraph", context),
        ("tensor", 1, [2, 4, 6, 5], [120, 1, 20, 4]),
        ("tensor", 2, [8, 2, 3, 3], [18, 1, 6, 2]),
        ("conv_fprop", cudnn.calls[4][1]),
        ("tensor", 4, [1, 8, 1, 1], [8, 1, 8, 8]),
        ("bias", cudnn.calls[6][1]),
        ("relu", cudnn.calls[7][1]),
        ("set_output", "relu", True), ("set_data_type", "relu", "data.HALF"), ("set_uid", "relu", 3),
        ("set_dim", "relu", [2, 8, 3, 3]), ("set_stride", "relu", [72, 1, 24, 8]),
        ("validate",), ("build_operation_graph",), ("create_execution_plans", ["heur.A", "heur.FALLBACK"]),
        ("deselect_numeric_notes", ["note.REDUCED_PRECISION_REDUCTION"]),
        ("deselect_workspace_greater_than", graphs.MOST_WORKSPACE), ("check_support",), ("build_plans",), ("template",),
    ]  # fmt: skip
    settings = {name: value for name, value in cudnn.calls[4][1].items() if name not in ("image", "weight")}
    assert settings == {"pre_padding": [1, 1], "post_padding": [1, 1], "stride": [2, 2], "dilation": [1, 1]}
    assert [repr(cudnn.calls[4][1][name]) for name in ("image", "weight")] == ["t1", "t2"]


def test_float32_without_tf32_and_determinism_pass_over_engines() -> None:
    cudnn = Cudnn()
    opened(cudnn).prepare(WEIGHT)
    notes = [call[1] for call in cudnn.calls if call[0] == "deselect_numeric_notes"]
    assert notes == [
        ["note.REDUCED_PRECISION_REDUCTION"],
        ["note.TENSOR_CORE", "note.DOWN_CONVERT_INPUTS"],
        ["note.NONDETERMINISTIC"],
    ]
    assert [call[0] for call in cudnn.calls if call[0].startswith("conv")] == ["conv_wgrad"]


@pytest.mark.parametrize("workspace", [0, 64])
def test_a_graph_runs_on_plain_addresses(workspace: int) -> None:
    cudnn = Cudnn(workspace=workspace)
    run = opened(cudnn).prepare(FORWARD)
    assert run is not None
    run(0x100, 0x200, 0x300, 0x400)
    assert cudnn.calls[-1] == ("raw", [0x100, 0x200, 0x300, 0x400], bool(workspace), 101)


def test_a_thread_s_calls_take_turns_in_one_workspace_for_each_stream(monkeypatch: Any) -> None:
    places = []
    monkeypatch.setattr(
        Graph, "_execute_with_raw_ptrs", lambda self, pointers, count, workspace, handle: places.append(workspace)
    )
    engines = opened(Cudnn(workspace=64))
    here, lasting, now = engines._here, [], [0]
    here.stream = lambda: now[0]  # type: ignore[method-assign]
    make = here.lasting
    monkeypatch.setattr(here, "lasting", lambda size: lasting.append(size) or make(size))  # type: ignore[func-returns-value]
    run = engines.prepare(FORWARD)
    assert run is not None
    for now[0] in (0, 0, 7, 0):
        run(0x100, 0x200, 0x300, 0x400)
    assert lasting == [graphs.ROOM] * 2
    assert places[0] == places[1] == places[3] != places[2]
    with capturing(Capturing()):  # which may be replayed on any stream
        run(0x100, 0x200, 0x300, 0x400)
    thread = threading.Thread(target=run, args=(0x100, 0x200, 0x300, 0x400))
    thread.start()
    thread.join()
    assert len(lasting) == 3
    large = opened(Cudnn(workspace=graphs.ROOM + 1)).prepare(WEIGHT)
    assert large is not None
    large(0x100, 0x200, 0x300)
    assert len(lasting) == 3
    assert len({places[0], *places[2:3], *places[4:]}) == 5
    assert 0 not in places


def test_without_the_fast_call_a_graph_is_executed() -> None:
    cudnn = Cudnn(workspace=0, fast=False)
    run = opened(cudnn).prepare(FORWARD)
    assert run is not None
    run(0x100, 0x200, 0x300, 0x400)
    assert cudnn.calls[-1] == ("execute", {1: 0x100, 2: 0x200, 3: 0x300, 4: 0x400}, 0, 101)


def test_a_handle_belongs_to_a_thread_and_its_stream_is_set_when_it_changes() -> None:
    cudnn = Cudnn()
    engines = opened(cudnn)
    streams = iter((5, 5, 6))
    engines._here.stream = lambda: next(streams)  # type: ignore[method-assign]
    assert [engines.handle() for _ in range(3)] == [101] * 3
    assert cudnn.calls == [("set_stream", 101, 5), ("set_stream", 101, 6)]
    engines._here.stream = lambda: 6  # type: ignore[method-assign]
    thread = threading.Thread(target=engines.handle)
    thread.start()
    thread.join()
    assert cudnn.calls[-1] == ("set_stream", 102, 6)


@pytest.mark.parametrize("problem", [Unsupported("no engine"), RuntimeError("not supported"), ValueError("dims")])
def test_what_no_engine_computes_is_left_to_the_body(problem: Exception, kept: Path) -> None:
    with pytest.warns(UserWarning, match=r"cuDNN 9\.28\.1 has no engine for Convolution.*by a product for each place"):
        assert opened(Cudnn(refuses=problem)).prepare(FORWARD) is None
    assert not list(kept.iterdir())


def test_an_attention_that_no_engine_computes_goes_another_way_without_a_warning() -> None:
    laid = Laid((2, 3, 20, 8), (480, 160, 8, 1))
    cudnn = Cudnn(refuses=Unsupported("no engine"))
    cudnn.tuples["sdpa"] = 2
    assert opened(cudnn).prepare(Attention("forward", laid, laid, laid, laid, "float16", 0.5)) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [("CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH", "there must be one cuDNN"), ("Unable to load any libcudart.so.* library.", "nvidia-cuda-runtime")],
)  # fmt: skip
def test_libraries_that_do_not_fit_together_are_an_error_with_a_way_out(text: str, told: str) -> None:
    with pytest.raises(DeviceError, match=told):
        opened(Cudnn(refuses=RuntimeError(text))).prepare(FORWARD)


def test_a_plan_is_found_again_on_the_disk(kept: Path) -> None:
    opened(Cudnn()).prepare(FORWARD)
    assert [path.suffix for path in kept.iterdir()] == [".cudnn"]
    again = Cudnn()
    assert opened(again).prepare(FORWARD) is not None
    assert again.calls == [
        ("set_stream", 101, 0),
        ("pygraph", {"handle": 101}),
        ("deserialize", 101, [1, 2, 3, 0]),
        ("template",),
    ]


@pytest.mark.parametrize("change", ["device", "convolution", "file"])
def test_a_plan_of_something_else_is_not_used(kept: Path, change: str) -> None:
    opened(Cudnn()).prepare(FORWARD)
    cudnn = Cudnn()
    if change == "file":
        for path in kept.iterdir():
            path.write_bytes(b"cut")
    opened(cudnn, "A100" if change == "device" else "H200").prepare(WEIGHT if change == "convolution" else FORWARD)
    assert ("build_plans",) in cudnn.calls


def test_a_plan_that_the_library_no_longer_takes_is_built_anew() -> None:
    opened(Cudnn()).prepare(FORWARD)
    cudnn = Cudnn(refuses=Unsupported("an old plan"))
    with pytest.warns(UserWarning, match="no engine"):
        assert opened(cudnn).prepare(FORWARD) is None  # tried both ways
    assert [call[0] for call in cudnn.calls if call[0] in ("deserialize", "check_support")] == [
        "deserialize",
        "check_support",
    ]


def test_a_front_end_that_does_not_fit_is_told_of_once() -> None:
    cudnn = Cudnn(refuses=RuntimeError("CUDNN_ATTR_OPERATION_RESHAPE_MODE failed"))
    cudnn.backend_version_string = lambda: "9.19.0"  # type: ignore[method-assign]
    cudnn.tuples = {"sdpa": 2}
    laid = Laid((2, 4, 16, 64), (4096, 64, 256, 1))
    wanted = Attention("statistics", laid, laid, laid, laid, "float16", 0.125)
    engines = opened(cudnn)
    with pytest.warns(
        UserWarning, match=r"front end 1\.26\.0 .* is 9\.19\.0.*pip install nvidia-cudnn-frontend==1\.23\.0"
    ):
        assert engines.prepare(wanted) is None
    assert engines.prepare(wanted) is None  # a warning is an error here


def test_missing_or_old_libraries_are_named(monkeypatch: Any) -> None:
    monkeypatch.setattr(libraries, "preload", lambda part: None)
    monkeypatch.setitem(sys.modules, "cudnn", None)
    with pytest.raises(DeviceError, match=r"cuDNN's front end, which did not import.*pip install 'numzoo\[gpu\]'"):
        graphs.bindings()
    old = SimpleNamespace(backend_version=lambda: 90100, backend_version_string=lambda: "9.1.0")
    monkeypatch.setitem(sys.modules, "cudnn", old)
    with pytest.raises(DeviceError, match=r"cuDNN 9\.1\.0 is too old"):
        graphs.bindings()

    def fails() -> int:
        raise RuntimeError("libcudnn.so.9 was not found")

    monkeypatch.setitem(sys.modules, "cudnn", SimpleNamespace(backend_version=fails))
    with pytest.raises(DeviceError, match=r"did not load \(libcudnn"):
        graphs.bindings()


def test_the_front_end_is_told_where_the_runtime_lies(monkeypatch: Any) -> None:
    monkeypatch.delenv("CUDNN_FRONTEND_CUDART_LIB_NAME", raising=False)
    monkeypatch.setattr(libraries, "preload", lambda part: f"/wheels/{part}")
    monkeypatch.setitem(sys.modules, "cudnn", Cudnn())
    graphs.bindings()
    assert os.environ.pop("CUDNN_FRONTEND_CUDART_LIB_NAME") == "/wheels/CUDA runtime"
