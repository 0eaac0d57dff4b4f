"""Where the time goes: by operation, forward and backward, and by module; as a table and as a trace for Chrome and Perfetto."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..device import is_array, namespace
from ..errors import ArgumentError
from ..node import line_of
from ..recording import calling_line
from .watch import Watcher

if TYPE_CHECKING:
    from ..node import Node
    from ..op import Op


@dataclass
class Row:
    """What one operation took in one phase: "forward", "backward" (sums of gradients) or "backward of" another operation."""

    name: str
    phase: str
    calls: int = 0
    seconds: float = 0.0
    bytes: int = 0
    """Of the arrays it read and gave."""


@dataclass
class Module:
    """What a module's forward took, with everything inside it."""

    name: str
    kind: str
    calls: int = 0
    seconds: float = 0.0


def profile(model: Any = None, *, show: bool = True) -> Profile:
    """Measure every operation inside ``with profile() as p:``, and the modules of ``model`` if one is given.

    At the end the table is printed, unless ``show`` is False. ``p.rows``, ``p.modules``, ``p.table()`` and ``p.save_chrome_trace(path)``
    tell what was found. On a GPU every operation is waited for. Outside nothing is left of it.
    """
    if model is not None and not hasattr(model, "named_modules"):
        raise ArgumentError(f"profile: model must be a Module, not {type(model).__name__}")
    return Profile(model, show)


class Profile(Watcher):
    """What ``profile`` gives."""

    def __init__(self, model: Any, show: bool) -> None:
        self.model, self.show = model, show
        self.seconds = 0.0
        """From the beginning to the end."""
        self.events: list[dict[str, Any]] = []
        """As the Chrome trace event format has them, complete events ("X"), times in microseconds."""
        self._rows: dict[tuple[str, str], Row] = {}
        self._modules: dict[str, Module] = {}
        self._now = threading.local()
        self._handles: list[Any] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Profile:
        if self.model is not None:
            for name, module in self.model.named_modules():
                self._watch_module(name, module)
        self._begin = perf_counter()
        self.start()
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        self.stop()
        self.seconds = perf_counter() - self._begin
        for handle in self._handles:
            handle.remove()
        self._handles = []
        if self.show and kind is None:
            print(self.table())

    # ---- what is found --------------------------------------------------------------------------------------------

    @property
    def rows(self) -> list[Row]:
        """One for each operation and phase, the longest first."""
        return sorted(self._rows.values(), key=lambda row: -row.seconds)

    @property
    def modules(self) -> list[Module]:
        """One for each module that was called, the longest first."""
        return sorted(self._modules.values(), key=lambda module: -module.seconds)

    def table(self, limit: int = 30) -> str:
        """The ``limit`` longest operations (and modules), and what was spent outside of operations, in Python."""
        inside = sum(row.seconds for row in self.rows)
        total = max(self.seconds, inside) or 1e-12
        lines = [
            f"{'operation':<24} {'phase':<32} {'calls':>7} {'ms':>10} {'%':>6} {'us/call':>9} {'MB':>9} {'GB/s':>7}"
        ]
        for row in self.rows[:limit]:
            rate = row.bytes / row.seconds / 1e9 if row.seconds else 0.0
            lines.append(
                f"{row.name:<24} {row.phase:<32} {row.calls:>7} {row.seconds * 1e3:>10.3f} {100 * row.seconds / total:>6.1f} "
                f"{row.seconds / row.calls * 1e6:>9.1f} {row.bytes / 1e6:>9.2f} {rate:>7.2f}"
            )
        if len(self.rows) > limit:
            lines.append(f"... and {len(self.rows) - limit} more")
        lines.append(
            f"{sum(row.calls for row in self.rows)} calls, {inside * 1e3:.3f} ms in operations, "
            f"{(total - inside) * 1e3:.3f} ms outside, {total * 1e3:.3f} ms in all"
        )
        if self._modules:
            lines.append(f"\n{'module':<40} {'kind':<20} {'calls':>7} {'ms':>10}   (forward, with all inside)")
            lines += [
                f"{m.name or '(the model)':<40} {m.kind:<20} {m.calls:>7} {m.seconds * 1e3:>10.3f}"
                for m in self.modules[:limit]
            ]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()

    def save_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the calls as a file that chrome://tracing and ui.perfetto.dev open."""
        names = [{"name": "process_name", "ph": "M", "pid": os.getpid(), "tid": 0, "args": {"name": "numzoo"}}]
        events = sorted(self.events, key=lambda event: event["ts"])
        Path(path).write_text(json.dumps({"traceEvents": names + events, "displayTimeUnit": "ms"}) + "\n", "utf-8")

    # ---- measuring ------------------------------------------------------------------------------------------------

    def around(self, op: Op[Any, Any], compute: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arrays: Any, **settings: Any) -> Any:
            begin = perf_counter()
            result = compute(*arrays, **settings)
            if result is NotImplemented:  # another implementation is asked next
                return result
            _wait(result)
            end = perf_counter()
            node = getattr(self._now, "node", None)
            walking = getattr(self._now, "walking", False)
            phase = f"backward of {node.op.name}" if node is not None else "backward" if walking else "forward"
            line = node.origin() if node is not None else line_of(*calling_line())
            self._count(op.name, phase, begin, end, arrays, result, line)
            return result

        return timed

    def before_walk(self) -> None:
        self._now.walking = True

    def after_walk(self) -> None:
        self._now.walking = False

    def before_rules(self, node: Node, arrived: Any) -> None:
        self._now.node = node

    def after_rules(self, node: Node, gradients: Any) -> None:
        self._now.node = None

    def _count(
        self, name: str, phase: str, begin: float, end: float, arrays: tuple[Any, ...], result: Any, line: str
    ) -> None:
        results = result if isinstance(result, tuple) else (result,)
        touched = sum(array.nbytes for array in (*arrays, *results) if is_array(array))
        shapes = [list(array.shape) for array in arrays if is_array(array)]
        with self._lock:
            row = self._rows.setdefault((name, phase), Row(name, phase))
            row.calls += 1
            row.seconds += end - begin
            row.bytes += touched
            self._note(
                name,
                phase.split(" ")[0],
                begin,
                end,
                {"phase": phase, "shapes": shapes, "bytes": touched, "line": line},
            )

    def _note(self, name: str, category: str, begin: float, end: float, more: dict[str, Any]) -> None:
        self.events.append(
            {
                "name": name,
                "cat": category,
                "ph": "X",
                "ts": (begin - self._begin) * 1e6,
                "dur": (end - begin) * 1e6,
                "pid": os.getpid(),
                "tid": threading.get_native_id(),
                "args": more,
            }
        )

    def _watch_module(self, name: str, module: Any) -> None:
        kind = type(module).__name__

        def before(*_: Any) -> None:
            if not hasattr(self._now, "begun"):
                self._now.begun = []
            self._now.begun.append(perf_counter())

        def after(*_: Any) -> None:
            begin, end = self._now.begun.pop(), perf_counter()
            with self._lock:
                found = self._modules.setdefault(name, Module(name, kind))
                found.calls += 1
                found.seconds += end - begin
                self._note(name or kind, "module", begin, end, {"kind": kind})

        self._handles.append(module.register_forward_pre_hook(before, prepend=True))
        self._handles.append(module.register_forward_hook(after))


def _wait(result: Any) -> None:
    """Until a GPU has really computed it."""
    first = result[0] if isinstance(result, tuple) and result else result
    if is_array(first) and not isinstance(first, np.ndarray):
        namespace(first).cuda.get_current_stream().synchronize()
