"""Choices of algorithms by the clock: which are tried, which is kept, and when nothing is timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import emulated_libraries
import pytest
from emulated_gpu import EmulatedMachine
from recorded_cudnn import Cudnn, Plan, opened

import numzoo.engine as engine
from numzoo.engine.capturing import Capturing, capturing
from numzoo.engine.kernels.cuda.attention.graph import Attention, Laid
from numzoo.engine.kernels.cuda.images.convolution import Convolution
from numzoo.engine.kernels.cuda.libraries import choosing, graphs

FORWARD = Convolution("forward", (2, 4, 6, 5), (8, 2, 3, 3), (2, 8, 3, 3), (2, 2), (1, 1), (1, 1), "float16")
PLACES = (0x100, 0x200, 0x300)
SLOW, QUICK, SAME = Plan("slow", 3.0, workspace=64), Plan("quick", 1.0, workspace=32), Plan("same", 0.99)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: Any) -> Iterator[Path]:
    monkeypatch.setenv("NUMZOO_KERNEL_CACHE", str(tmp_path))
    engine.cuda.measure_plans(True)
    yield tmp_path
    engine.cuda.measure_plans(False)


def run_of(cudnn: Cudnn, wanted: Any = FORWARD) -> Any:
    run = opened(cudnn).prepare(wanted)
    assert run is not None
    return run


def test_the_fastest_engine_is_chosen_at_the_first_call_and_found_again_on_the_disk(kept: Path) -> None:
    cudnn = Cudnn(plans=(SLOW, QUICK, SAME))
    run = run_of(cudnn)
    assert ("create_execution_plans", ["heur.A", "heur.B", "heur.FALLBACK"]) in cudnn.calls
    assert cudnn.ran == []
    run(*PLACES)
    assert {plan.name for plan in cudnn.ran} == {"slow", "quick", "same"}
    assert cudnn.ran[-1] == QUICK  # what is 1 % faster is not told apart from noise
    cudnn.ran.clear()
    run(*PLACES)
    assert cudnn.ran == [QUICK]
    again = Cudnn(plans=(SLOW, QUICK, SAME))
    run_of(again)(*PLACES)
    assert again.ran == [QUICK]
    assert ("build_plans",) not in again.calls


def test_engines_that_do_not_build_run_or_find_room_are_passed_over(monkeypatch: Any) -> None:
    broken = (
        Plan("refused", 0.1, builds=False),
        Plan("failing", 0.1, runs=False),
        Plan("large", 0.1, workspace=2 * graphs.ROOM),
    )
    cudnn = Cudnn(plans=(SLOW, *broken, QUICK, QUICK._replace(milliseconds=0.1)))
    engines = opened(cudnn)
    real = engines._here.empty

    def empty(shape: Any, dtype: Any) -> Any:
        if shape[0] >= 2 * graphs.ROOM:
            raise MemoryError("no room")
        return real(shape, dtype)

    monkeypatch.setattr(engines._here, "empty", empty)
    run = engines.prepare(FORWARD)
    assert run is not None
    run(*PLACES)
    assert cudnn.ran[-1] == QUICK  # whose name came twice, and was tried once
    assert {plan.name for plan in cudnn.ran} == {"slow", "quick"}


def test_what_was_borrowed_for_others_is_given_back(monkeypatch: Any) -> None:
    large = Plan("large", 5.0, workspace=graphs.SPARE + 100)
    for plans, given in (((QUICK, SAME), 0), ((QUICK, large), 1)):
        engines = opened(Cudnn(plans=plans))
        freed = []
        pool = SimpleNamespace(free_all_blocks=lambda freed=freed: freed.append(1))
        monkeypatch.setattr(engines._here, "xp", SimpleNamespace(get_default_memory_pool=lambda pool=pool: pool))
        run = engines.prepare(replace(FORWARD, dtype="float16" if given else "bfloat16"))
        assert run is not None
        run(*PLACES)
        assert len(freed) == given
        assert engines.largest_workspace == QUICK.workspace


def test_where_none_runs_the_first_engine_is_asked_and_says_what_is_wrong(kept: Path) -> None:
    run = run_of(Cudnn(plans=(SLOW._replace(runs=False), QUICK._replace(runs=False))))
    with pytest.raises(RuntimeError, match="slow does not run"):
        run(*PLACES)
    assert list(kept.iterdir()) == []


def test_a_captured_step_times_nothing_and_takes_what_was_chosen() -> None:
    cudnn = Cudnn(plans=(SLOW, QUICK))
    run = run_of(cudnn)
    with capturing(Capturing()):
        run(*PLACES)
    assert cudnn.ran == [SLOW]
    run(*PLACES)
    assert cudnn.ran[-1] == QUICK
    again = Cudnn(plans=(SLOW, QUICK))
    with capturing(Capturing()):
        run_of(again)(*PLACES)
    assert again.ran == [QUICK]


@pytest.mark.parametrize("why", ["off", "deterministic", "dropout"])
def test_nothing_is_timed_where_it_is_not_wanted(kept: Path, why: str) -> None:
    laid = Laid((2, 3, 20, 8), (480, 160, 8, 1))
    cudnn = Cudnn(plans=(SLOW, QUICK))
    cudnn.tuples["sdpa"] = 2
    if why == "off":
        engine.cuda.measure_plans(False)
    engine.use_deterministic_algorithms(why == "deterministic")
    try:
        run_of(
            cudnn,
            Attention("forward", laid, laid, laid, laid, "float16", 0.5, dropout=0.1) if why == "dropout" else FORWARD,
        )(*PLACES)
    finally:
        engine.use_deterministic_algorithms(False)
    assert cudnn.ran == [SLOW]


def test_a_measured_choice_and_a_guess_are_kept_apart_and_a_broken_file_is_passed_over(kept: Path) -> None:
    run_of(Cudnn(plans=(SLOW, QUICK)))(*PLACES)
    engine.cuda.measure_plans(False)
    cudnn = Cudnn(plans=(SLOW, QUICK))
    run_of(cudnn)(*PLACES)
    assert cudnn.ran == [SLOW]
    assert len(list(kept.iterdir())) == 2
    for path in kept.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    engine.cuda.measure_plans(True)
    cudnn = Cudnn(plans=(SLOW, QUICK))
    run_of(cudnn)(*PLACES)
    assert {plan.name for plan in cudnn.ran} == {"slow", "quick"}


def test_no_more_than_some_engines_are_tried_and_not_for_long(monkeypatch: Any) -> None:
    many = tuple(Plan(f"engine {number}", 5.0) for number in range(20))
    cudnn = Cudnn(plans=many)
    run_of(cudnn)(*PLACES)
    assert len(set(cudnn.ran)) == choosing.MOST
    clock = iter(range(0, 100, 2))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    cudnn = Cudnn(plans=many)
    run_of(cudnn, replace(FORWARD, kind="input"))(*PLACES)
    assert len(set(cudnn.ran)) == 2


def test_plans_are_made_anew_when_choices_begin_to_be_measured(gpu: Any) -> None:
    x, weight = (engine.ones(*shape).to("cuda") for shape in ((1, 2, 4, 4), (2, 2, 3, 3)))
    emulated_libraries.ASKED.clear()
    for measured in (False, True, True):
        engine.cuda.measure_plans(measured)
        engine.conv2d(x, weight)
    assert len([each for each in emulated_libraries.ASKED if isinstance(each, Convolution)]) == 2


def test_work_is_timed_between_two_events_of_its_stream() -> None:
    """As CuPy does it."""
    told: list[str] = []

    class Event:
        def __init__(self) -> None:
            told.append("event")

        def record(self, stream: str) -> None:
            told.append(f"record on {stream}")

        def synchronize(self) -> None:
            told.append("wait")

    from numzoo.engine.kernels.cuda.machine import CudaMachine

    cuda = SimpleNamespace(Event=Event, get_current_stream=lambda: "seven", get_elapsed_time=lambda first, last: 6.0)
    here = SimpleNamespace(xp=SimpleNamespace(cuda=cuda), _occupy=lambda cycles: told.append(f"busy for {cycles}"))
    assert CudaMachine.milliseconds(here, lambda: told.append("work"), 2) == 3.0  # type: ignore[arg-type]
    assert told == ["event", "event", "busy for 80000", "record on seven", "work", "work", "record on seven", "wait"]
    assert EmulatedMachine().milliseconds(lambda: None, 3) >= 0.0
