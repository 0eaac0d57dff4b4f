"""The module ``cudnn`` as a recorder: it notes each call of the front end, for tests of how it is called."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

from emulated_gpu import EmulatedMachine

from numzoo.engine.kernels.cuda.libraries import graphs


class Unsupported(Exception): ...  # noqa: N818


class Named:
    """A value that is its own name: cuDNN's enumerations."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __getattr__(self, name: str) -> str:
        return f"{self._kind}.{name}"


class Plan(NamedTuple):
    """One engine that the heuristics propose: what it asks for, how long it takes, and what goes wrong with it."""

    name: str
    milliseconds: float = 1.0
    workspace: int = 0
    builds: bool = True
    runs: bool = True


class Cudnn:
    """The module ``cudnn``, which notes what it is asked."""

    cudnnGraphNotSupportedError = Unsupported  # noqa: N815
    data_type, heur_mode, numerical_note = Named("data"), Named("heur"), Named("note")
    diagonal_alignment = Named("diagonal")
    __version__ = "1.26.0"

    def __init__(
        self, *, refuses: Exception | None = None, workspace: int = 64, fast: bool = True, plans: tuple[Plan, ...] = ()
    ) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.plans = plans or (Plan("first", workspace=workspace),)
        self.ran: list[Plan] = []
        self.refuses, self.fast = refuses, fast
        self.handles = 0
        self.tuples: dict[str, int] = {}  # operations that give several tensors, and how many

    def backend_version(self) -> int:
        return 92801

    def backend_version_string(self) -> str:
        return "9.28.1"

    def create_handle(self) -> int:
        self.handles += 1
        return 100 + self.handles

    def set_stream(self, handle: int, stream: int) -> None:
        self.calls.append(("set_stream", handle, stream))

    def pygraph(self, **settings: Any) -> Any:
        self.calls.append(("pygraph", settings))
        return Graph(self) if self.fast else SlowGraph(self)


class Node:
    """A tensor of a graph."""

    def __init__(self, calls: list[Any], name: str) -> None:
        self._calls, self._name = calls, name

    def __repr__(self) -> str:
        return self._name

    def __getattr__(self, name: str) -> Any:
        def note(value: Any) -> Node:
            self._calls.append((name, self._name, value))
            return self

        return note


class SlowGraph:
    """``cudnn.pygraph`` without the call that takes plain pointers."""

    def __init__(self, cudnn: Cudnn) -> None:
        self._cudnn = cudnn
        self._now = cudnn.plans[0]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def note(*values: Any, **settings: Any) -> Any:
            if name == "tensor":
                made = Node(self._cudnn.calls, f"t{settings['uid']}")
                self._cudnn.calls.append(("tensor", settings["uid"], settings["dim"], settings["stride"]))
                return made
            self._cudnn.calls.append((name, *values, *((settings,) if settings else ())))
            if name == "check_support" and self._cudnn.refuses is not None:
                raise self._cudnn.refuses
            several = self._cudnn.tuples.get(name)
            made = Node(self._cudnn.calls, name)
            return made if several is None else [made] * several

        return note

    def get_execution_plan_count(self) -> int:
        return len(self._cudnn.plans)

    def get_plan_name_at_index(self, index: int) -> str:
        return self._cudnn.plans[index].name

    def build_plan_at_index(self, index: int) -> None:
        plan = self._cudnn.plans[index]
        if not plan.builds:
            raise Unsupported(f"{plan.name} is passed over")
        self._cudnn.calls.append(("build", plan.name))
        self._now = plan

    def serialize(self) -> list[int]:
        return [1, 2, 3, self._cudnn.plans.index(self._now)]

    def deserialize(self, handle: int, kept: list[int]) -> None:
        self._cudnn.calls.append(("deserialize", handle, kept))
        if self._cudnn.refuses is not None:
            raise self._cudnn.refuses
        self._now = self._cudnn.plans[kept[3]]

    def get_workspace_size(self) -> int:
        return self._now.workspace


class Graph(SlowGraph):
    """``cudnn.pygraph``."""

    count = 4

    def _prepare_variant_pack_template(self) -> None:
        self._cudnn.calls.append(("template",))

    def _get_variant_pack_uids_sorted(self) -> list[int]:
        return list(range(1, self.count + 1))

    def _execute_with_raw_ptrs(self, pointers: int, count: int, workspace: int, handle: int) -> None:
        if not self._now.runs:
            raise RuntimeError(f"{self._now.name} does not run")
        self._cudnn.ran.append(self._now)
        given = list((ctypes.c_void_p * count).from_address(pointers))
        self._cudnn.calls.append(("raw", given, bool(workspace), handle))


class TimedMachine(EmulatedMachine):
    """A machine on which a call takes as long as the plan says that ran last."""

    def __init__(self, cudnn: Cudnn) -> None:
        super().__init__()
        self._cudnn = cudnn

    def milliseconds(self, work: Any, times: int) -> float:
        for _ in range(times):
            work()
        return self._cudnn.ran[-1].milliseconds


def opened(cudnn: Cudnn, name: str = "H200") -> graphs.Engines:
    return graphs.Engines(TimedMachine(cudnn), cudnn, name)
