"""The loader with worker processes: the same batches, and an end without remains."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo.engine import data
from numzoo.engine.errors import ArgumentError, SettingError, StateError

ROOT = Path(__file__).resolve().parents[3]
CEILING = 60.0  # seconds; no test may hang


def plain(batch: Any) -> Any:
    """A batch as something that == compares."""
    return repr(
        data.collate.walk(batch, lambda v: (v.dtype, v.shape, v.numpy().tobytes()) if hasattr(v, "numpy") else v)
    )


def epochs(loader: data.DataLoader, count: int = 2) -> list[list[Any]]:
    result = [[plain(batch) for batch in loader] for _ in range(count)]
    loader.close()
    return result


def test_batches_are_the_same_for_any_number_of_workers(sets: Any, left_over: Any) -> None:
    def settings() -> dict[str, Any]:
        return {"batch_size": 4, "shuffle": True, "seed": 5, "timeout": CEILING}

    wanted = epochs(data.DataLoader(sets.Noisy(), **settings()))
    assert wanted[0] != wanted[1]
    assert [len(epoch) for epoch in wanted] == [6, 6]
    for workers in (1, 2, 4):
        loader = data.DataLoader(sets.Noisy(), **settings(), num_workers=workers, persistent_workers=True)
        assert epochs(loader) == wanted, workers
        assert left_over() == ([], [])


def test_items_drawn_twice_have_random_numbers_of_their_own(sets: Any) -> None:
    sampler = data.RandomSampler(range(2), replacement=True, num_samples=8, seed=1)
    drawn = [
        float(b["x"].sum()) - 3 * 64 * 64 * int(b["i"]) for b in data.DataLoader(sets.Noisy(2), sampler=sampler, seed=1)
    ]
    assert len(set(drawn)) == 8


@pytest.mark.parametrize("name", ["Counted", "Sharded"])
def test_a_stream_gives_the_same_batches_for_any_number_of_workers(sets: Any, name: str, left_over: Any) -> None:
    for drop_last in (False, True):
        wanted = epochs(data.DataLoader(getattr(sets, name)(), batch_size=4, seed=5, drop_last=drop_last))
        assert len(wanted[0]) == (5 if drop_last else 6)
        assert wanted[0] != wanted[1]
        loader = data.DataLoader(
            getattr(sets, name)(),
            4,
            seed=5,
            drop_last=drop_last,
            num_workers=3,
            persistent_workers=True,
            timeout=CEILING,
        )
        assert epochs(loader) == wanted


def test_a_stream_divided_by_hand_comes_whole_and_can_be_resumed(sets: Any, left_over: Any) -> None:
    def loader() -> data.DataLoader:
        return data.DataLoader(sets.ByHand(), batch_size=2, num_workers=2, seed=0, timeout=CEILING)

    wanted = [batch.tolist() for batch in loader()]
    assert wanted == [[0, 2], [1, 3], [4, 6], [5, 7], [8], [9]]
    first = loader()
    for _ in zip(range(3), first, strict=False):
        state = first.state_dict()
    second = loader()
    second.load_state_dict(state)
    assert [batch.tolist() for batch in second] == wanted[3:]


def test_an_epoch_goes_on_where_its_state_stood_whatever_the_workers(sets: Any, left_over: Any) -> None:
    def loader(workers: int) -> data.DataLoader:
        return data.DataLoader(sets.Noisy(), 4, shuffle=True, seed=9, num_workers=workers, timeout=CEILING)

    whole = loader(0)
    wanted = epochs(whole)
    first = loader(2)
    assert [plain(batch) for batch in first] == wanted[0]
    for _ in zip(range(2), first, strict=False):
        state = first.state_dict()
    assert (state["epoch"], state["batches"], state["samples"]) == (1, 2, 8)
    second = data.DataLoader(sets.Noisy(), 4, shuffle=True, seed=1234)
    second.load_state_dict(state)
    assert second.state_dict() == state
    assert [plain(batch) for batch in second] == wanted[1][2:]
    assert second.epoch == 2


def test_breaking_off_an_epoch_leaves_persistent_workers_fit_for_the_next(sets: Any, left_over: Any) -> None:
    wanted = epochs(data.DataLoader(sets.Ragged(), 1, seed=1, shuffle=True), 3)
    loader = data.DataLoader(
        sets.Ragged(), 1, seed=1, shuffle=True, num_workers=2, persistent_workers=True, timeout=CEILING
    )
    for _ in zip(range(2), loader, strict=False):
        pass
    pool = loader._pool
    assert pool is not None
    ids = pool.process_ids
    inner = data.DataLoader(sets.Ragged(), 1, seed=1, shuffle=True, num_workers=1, timeout=CEILING)
    assert [plain(batch) for batch in loader] == wanted[1]
    assert loader._pool is not None
    assert loader._pool.process_ids == ids
    assert [plain(batch) for batch in inner] == wanted[0]
    loader.close()
    assert left_over() == ([], [])
    assert [plain(batch) for batch in loader] == wanted[2]
    loader.close()


def test_batches_are_writable_and_outlive_the_workers(sets: Any, left_over: Any) -> None:
    loader = data.DataLoader(sets.Noisy(6), 3, num_workers=1, timeout=CEILING, seed=0)
    batches = list(loader)
    assert left_over() == ([], [])
    batches[0]["x"].array[...] = 1.0
    assert float(batches[0]["x"].mean()) == 1.0
    assert float(batches[1]["x"].mean()) > 3.0


FAILURES = [
    ("raise", LookupError, [r"worker [01] of 2 failed on item 5: OwnError: a bad day \(7\)", "in __getitem__"]),
    ("key", KeyError, ["item 5: KeyError: 'gone'"]),
    ("leave", RuntimeError, ["item 5: SystemExit: bye"]),
    ("exit", RuntimeError, ["worker [01] of 2 left with exit code 3 while it read item 5"]),
    ("kill", RuntimeError, [r"killed by signal 9 \(SIGKILL\) while it read item 5", "out of memory"]),
    ("shape", ValueError, [r"item 1 of the batch \(index 5\) has the shape \(2, 3\) but item 0 .*index 4.* \(3, 3\)"]),
]


@pytest.mark.parametrize(("how", "kind", "said"), FAILURES, ids=[row[0] for row in FAILURES])
def test_a_worker_that_fails_is_named_with_its_item(
    how: str, kind: Any, said: list[str], sets: Any, left_over: Any
) -> None:
    loader = data.DataLoader(sets.Failing(how), 2, num_workers=2, timeout=CEILING, seed=0)
    batches = iter(loader)
    next(batches)
    next(batches)  # those before it come
    with pytest.raises(data.WorkerError) as caught:
        next(batches)
    assert isinstance(caught.value, kind)
    assert caught.value.worker == 0
    assert caught.value.index == (None if how == "shape" else 5)
    for text in said:
        assert re.search(text, str(caught.value)), str(caught.value)
    assert left_over() == ([], [])


def test_a_worker_that_takes_too_long_is_ended(sets: Any, left_over: Any) -> None:
    loader = data.DataLoader(sets.Failing("sleep"), 4, num_workers=1, timeout=CEILING, seed=0, persistent_workers=True)
    batches = iter(loader)
    next(batches)
    pool = loader._pool
    assert pool is not None
    end = time.monotonic() + CEILING
    while list(pool.progress) != [1, 1] and time.monotonic() < end:  # the second item of the second batch
        time.sleep(0.01)
    pool.timeout = 0.1
    with pytest.raises(
        data.WorkerTimeoutError, match=r"worker 0 of 1 gave no batch within 0.1 s; it is at item 5"
    ) as caught:
        next(batches)
    assert isinstance(caught.value, TimeoutError)


def test_a_worker_that_fails_at_its_start_says_why(sets: Any, left_over: Any) -> None:
    loader = data.DataLoader(sets.Noisy(), num_workers=1, worker_init_fn=sets.refuse, timeout=CEILING, seed=0)
    with pytest.raises(data.WorkerError, match="no worker 0 today"):
        next(iter(loader))
    unsendable = data.DataLoader(sets.Noisy(), num_workers=1, collate_fn=sets.nothing, timeout=CEILING, seed=0)
    with pytest.raises(data.WorkerError, match="cannot be sent to the main process") as caught:
        next(iter(unsendable))
    assert isinstance(caught.value, TypeError)


def test_what_cannot_be_sent_is_refused_before_anything_starts(left_over: Any) -> None:
    for settings, said in (
        ({"dataset": [lambda: 1]}, "the data set .* cannot be sent"),
        ({"dataset": [1], "collate_fn": lambda items: items}, "collate_fn .* cannot be sent"),
        ({"dataset": [1], "worker_init_fn": lambda worker: None}, "worker_init_fn .* cannot be sent"),
    ):
        with pytest.raises(ArgumentError, match=said):
            next(iter(data.DataLoader(num_workers=2, seed=0, **settings)))  # type: ignore[arg-type]


def test_images_and_digits_come_through_workers_with_their_transforms(tmp_path: Path, left_over: Any) -> None:
    PIL = pytest.importorskip("PIL.Image")  # noqa: N806
    from numzoo.vision import datasets, transforms

    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(3):
            PIL.fromarray(generator.integers(0, 256, (20, 24, 3), np.uint8)).save(tmp_path / name / f"{number}.png")
    train = transforms.Compose(
        [transforms.RandomResizedCrop(16), transforms.RandomHorizontalFlip(), transforms.ToArray()]
    )
    photos = datasets.ImageFolder(tmp_path, transform=data.Seeded(train))
    wanted = epochs(data.DataLoader(photos, 4, shuffle=True, seed=2))
    assert wanted[0] != wanted[1]
    assert epochs(data.DataLoader(photos, 4, shuffle=True, seed=2, num_workers=2, timeout=CEILING)) == wanted
    images, labels = next(iter(data.DataLoader(photos, 4, seed=2)))
    assert (images.shape, images.dtype, labels.tolist()) == ((4, 3, 16, 16), np.float32, [0, 0, 0, 1])
    with pytest.raises(ArgumentError, match=r"is an image .*ToArray"):
        next(iter(data.DataLoader(datasets.ImageFolder(tmp_path), 2)))


SCRIPT = """
import os, sys, time
from numzoo.engine import data

class Slow(data.Dataset):
    def __len__(self): return 1000
    def __getitem__(self, i):
        if i >= 4:
            time.sleep(100)
        return bytes(100), os.getpid()

def main():
    loader = data.DataLoader(Slow(), 2, num_workers=2, seed=0)
    for names, ids in loader:
        print(*ids.tolist(), flush=True)

{start}
"""


def started(tmp_path: Path, start: str = "if __name__ == '__main__':\n    main()") -> subprocess.Popen[str]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(start=start))
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(script)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / ".dev")},
    )  # fmt: skip


def workers_of(process: subprocess.Popen[str]) -> set[int]:
    assert process.stdout is not None
    return {int(number) for _ in range(2) for number in process.stdout.readline().split()}


def gone(ids: set[int]) -> bool:
    """Whether all of these processes end within the time that an unfinished item is given."""
    end = time.monotonic() + CEILING
    while time.monotonic() < end:
        if not any(alive(number) for number in ids):
            return True
        time.sleep(0.05)
    return False


def alive(number: int) -> bool:
    try:
        os.kill(number, 0)
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
class TestTheEndOfTheMainProcess:
    def test_an_interrupt_ends_all_of_them_and_only_the_main_process_speaks(self, tmp_path: Path) -> None:
        process = started(tmp_path)
        ids = workers_of(process)
        assert len(ids) == 2
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=CEILING)
        assert said.count("Traceback") == 1
        assert said.rstrip().endswith("KeyboardInterrupt")
        assert gone(ids)

    def test_workers_do_not_outlive_a_main_process_that_is_killed(self, tmp_path: Path) -> None:
        process = started(tmp_path)
        ids = workers_of(process)
        process.kill()
        process.communicate(timeout=CEILING)
        assert gone(ids)

    def test_a_script_without_a_guard_is_told_of_it(self, tmp_path: Path) -> None:
        process = started(tmp_path, "main()")
        _, said = process.communicate(timeout=CEILING)
        assert process.returncode == 1
        assert "if __name__ == '__main__':`" in said.splitlines()[-1]


def test_a_worker_cannot_have_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    import multiprocessing

    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    with pytest.raises(SettingError, match="cannot have workers of its own"):
        next(iter(data.DataLoader([1, 2], num_workers=1)))


def test_a_program_that_workers_cannot_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "<stdin>")
    with pytest.raises(SettingError, match="save it to a file"):
        next(iter(data.DataLoader([1, 2], num_workers=1)))


def test_a_state_of_another_order_is_refused(sets: Any) -> None:
    class Whims:
        def __init__(self, first: int) -> None:
            self.first = first

        def __iter__(self) -> Any:
            return iter([self.first, 1, 2, 3])

    first = data.DataLoader(range(4), sampler=Whims(0), seed=0)
    next(iter(first))
    state = first.state_dict()
    second = data.DataLoader(range(4), sampler=Whims(3), seed=0)
    second.load_state_dict(state)
    with pytest.raises(StateError, match="other indices"):
        next(iter(second))
