"""Profiles: what is counted, under which name, and the file that Chrome reads."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from numzoo import engine
from numzoo.engine import ArgumentError, nn
from numzoo.engine.debug import watch
from numzoo.engine.debug.profiler import Profile

F = nn.functional


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def measured(show: bool = False, steps: int = 3) -> Profile:
    net = model()
    x, y = engine.randn(5, 8), engine.randint(0, 4, (5,))
    with engine.profile(net, show=show) as found:
        for _ in range(steps):
            F.cross_entropy(net(x), y).backward()
    return found


def test_calls_times_and_bytes_by_operation_and_phase() -> None:
    found = measured()
    rows = {(row.name, row.phase): row for row in found.rows}
    forward = rows["linear", "forward"]
    assert forward.calls == 6
    numbers = (5 * 8 + 16 * 8 + 16 + 5 * 16) + (5 * 16 + 4 * 16 + 4 + 5 * 4)
    assert forward.bytes == 3 * 4 * numbers
    assert forward.seconds > 0
    assert any(phase == "backward of linear" and row.calls >= 6 for (_, phase), row in rows.items())
    assert [row.seconds for row in found.rows] == sorted((row.seconds for row in found.rows), reverse=True)
    assert sum(row.seconds for row in found.rows) < found.seconds
    modules = {module.name: module for module in found.modules}
    assert {name: (m.kind, m.calls) for name, m in modules.items()} == {
        "": ("Sequential", 3), "0": ("Linear", 3), "1": ("ReLU", 3), "2": ("Linear", 3)
    }  # fmt: skip
    assert modules[""].seconds > modules["0"].seconds


def test_the_table_is_printed_longest_first(capsys: Any) -> None:
    found = measured(show=True)
    printed = capsys.readouterr().out
    assert printed.strip() == found.table().strip() == str(found).strip()
    lines = printed.splitlines()
    assert lines[0].split()[:3] == ["operation", "phase", "calls"]
    assert lines[1].startswith(found.rows[0].name)
    assert "ms outside" in printed
    assert len(found.table(limit=2).splitlines()) < len(lines)
    assert measured().rows
    assert capsys.readouterr().out == ""


def test_nothing_is_left_afterwards() -> None:
    net = model()
    with pytest.raises(ZeroDivisionError), engine.profile(net):
        raise ZeroDivisionError
    assert watch.watchers == []
    assert all(m._hooks is None for m in net.modules())
    with engine.profile(show=False) as found:
        pass
    net(engine.ones(1, 8)).sum().backward()
    assert found.rows == []
    assert "0 calls" in found.table()
    with pytest.raises(ArgumentError, match="not int"):
        engine.profile(3)


def test_the_trace_is_what_chrome_reads(tmp_path: Path) -> None:
    found = measured()

    def elsewhere() -> None:
        engine.exp(engine.ones(3))

    with engine.profile(show=False) as other:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        engine.exp(engine.ones(3))
    assert len({event["tid"] for event in other.events}) == 2
    file = tmp_path / "trace.json"
    found.save_chrome_trace(file)
    trace = json.loads(file.read_text())
    assert set(trace) == {"traceEvents", "displayTimeUnit"}
    assert trace["displayTimeUnit"] in ("ms", "ns")
    complete = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    rest = [event for event in trace["traceEvents"] if event["ph"] != "X"]
    assert [(e["ph"], e["name"]) for e in rest] == [("M", "process_name")]
    assert len(complete) == sum(r.calls for r in found.rows) + sum(m.calls for m in found.modules)
    for event in complete:
        assert isinstance(event["name"], str)
        assert event["cat"] in ("forward", "backward", "module")
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        assert event["ts"] >= 0
        assert event["dur"] >= 0
        assert isinstance(event["args"], dict)
    assert [e["ts"] for e in complete] == sorted(e["ts"] for e in complete)
    # Within a thread, events either follow one another or lie within one another: otherwise the picture is wrong.
    open_until: list[float] = []
    for event in complete:
        while open_until and open_until[-1] <= event["ts"]:
            open_until.pop()
        end = event["ts"] + event["dur"]
        assert not open_until or end <= open_until[-1] + 1e-3
        open_until.append(end)
    linear = next(e for e in complete if e["name"] == "linear")
    assert linear["args"]["shapes"] == [[5, 8], [16, 8], [16]]
    assert Path(__file__).name in linear["args"]["line"]
