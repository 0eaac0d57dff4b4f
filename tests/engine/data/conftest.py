"""Data sets that worker processes can import."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SETS = '''
"""Written by conftest.py: what workers use must be importable, and test files are not."""
import os, signal, time
from typing import NamedTuple
import numpy as np
from numzoo.engine import data

class Pair(NamedTuple):
    x: object
    name: object

class Noisy(data.Dataset):
    """Random arrays, large enough for shared memory; their size grows with the index if asked."""
    def __init__(self, length=22, side=64): self.length, self.side = length, side
    def __len__(self): return self.length
    def __getitem__(self, i):
        noise = data.sample_generator().random((3, self.side, self.side), np.float32)
        return {"x": noise + i, "i": i, "pair": Pair(np.int8(i), f"name {i}")}

class Counted(data.IterableDataset):
    def __iter__(self): return (i + data.sample_generator().random() for i in range(23))

class Sharded(data.IterableDataset):
    def __iter__(self):
        for i in data.shard(range(23)): yield i + data.sample_generator().random()

class ByHand(data.IterableDataset):
    def __iter__(self):
        info = data.get_worker_info()
        return iter(range(0, 10) if info is None else range(info.id, 10, info.num_workers))

class Failing(data.Dataset):
    """Item 5 goes wrong as told."""
    def __init__(self, how): self.how = how
    def __len__(self): return 16
    def __getitem__(self, i):
        if i == 5:
            if self.how == "raise": raise OwnError("a bad day", 7)
            if self.how == "key": raise KeyError("gone")
            if self.how == "leave": raise SystemExit("bye")
            if self.how == "exit": os._exit(3)
            if self.how == "kill": os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "sleep": time.sleep(60)
            if self.how == "shape": return np.zeros((2, 3), np.float32)
        return np.full((200, 200), i, np.float32) if self.how != "shape" else np.zeros((3, 3), np.float32)

class OwnError(LookupError):
    def __init__(self, text, number): super().__init__(f"{text} ({number})")

class Ragged(data.Dataset):
    """Batches of growing size, so that slots must be replaced."""
    def __len__(self): return 12
    def __getitem__(self, i): return np.full((1 << i, 30), i, np.float64)

def refuse(worker): raise RuntimeError(f"no worker {worker} today")
def nothing(items): return lambda: items
def same(item): return item
'''


@pytest.fixture(scope="session")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The module above; workers get this process's sys.path, and so find it."""
    folder: Path = tmp_path_factory.mktemp("sets")
    (folder / "numzoo_data_sets.py").write_text(SETS)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("numzoo_data_sets")
    sys.path.remove(str(folder))


@pytest.fixture
def left_over() -> Iterator[Any]:
    """A function that gives the worker processes and shared memory of this process that are still there."""
    import multiprocessing
    import os

    def look() -> tuple[list[Any], list[str]]:
        shared = Path("/dev/shm")
        names = [f.name for f in shared.iterdir() if f.name.startswith(f"nz{os.getpid():x}")] if shared.is_dir() else []
        return multiprocessing.active_children(), names

    yield look
    assert look() == ([], [])
