"""Checkpoint files: what they hold, and what happens when they cannot be written or read."""

from __future__ import annotations

import builtins
import errno
import os
import random
import resource
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim, train
from numzoo.engine.train import archive


def parts(width: int = 3) -> tuple[nn.Module, optim.Optimizer]:
    model = nn.Sequential(nn.Linear(2, width), nn.BatchNorm2d(1))
    return model, optim.Adam(model.parameters(), lr=0.1)


def stepped(model: nn.Module, optimizer: optim.Optimizer) -> None:
    for parameter in model.parameters():
        parameter.grad = engine.ones(*parameter.shape)
    optimizer.step()


def test_an_archive_gives_back_what_it_was_given(tmp_path: Path) -> None:
    state = {
        "a": {"b": np.arange(6, dtype=np.int32).reshape(2, 3).T, "c": [1, 2.5, None, True, "text", float("inf")]},
        "a.b": np.array(3.0),
        "narrow": np.array([1, 2], ml_dtypes.bfloat16),
        "empty": np.zeros((0, 4)),
        "tensor": engine.tensor([1.0]),
        "number": np.float32(0.1),
        "big": 2**100,
        "none": {},
    }
    path = tmp_path / "x.safetensors"
    archive.write(path, state)
    found = archive.read(path)
    np.testing.assert_array_equal(found["a"]["b"], state["a"]["b"])  # type: ignore[index]
    assert found["a"]["c"] == state["a"]["c"]  # type: ignore[index]
    assert (found["a.b"].item(), found["a.b"].shape, found["empty"].shape) == (3.0, (), (0, 4))
    assert found["narrow"].dtype == ml_dtypes.bfloat16
    assert found["narrow"].tolist() == [1, 2]
    assert (found["tensor"].tolist(), found["number"], found["big"], found["none"]) == (
        [1.0],
        float(np.float32(0.1)),
        2**100,
        {},
    )
    assert [file.name for file in tmp_path.iterdir()] == ["x.safetensors"]


def test_other_readers_can_read_the_weights(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    model, optimizer = parts()
    path = train.Checkpoint(tmp_path, model=model, optimizer=optimizer).save()
    np.testing.assert_array_equal(load_file(path)["model.0.weight"], model.state_dict()["0.weight"].numpy())


@pytest.mark.parametrize("bad", [{"a": object()}, {"a": {1.5: 2}}, {"a": np.array(["text"])}])
def test_states_of_other_things_are_refused(bad: Any, tmp_path: Path) -> None:
    with pytest.raises(engine.ArgumentError, match="checkpoint: a"):
        archive.write(tmp_path / "x.safetensors", bad)
    assert list(tmp_path.iterdir()) == []


def test_everything_comes_back_with_the_random_numbers(tmp_path: Path) -> None:
    model, optimizer = parts()
    stepped(model, optimizer)
    checkpoint = train.Checkpoint(tmp_path, model=model, optimizer=optimizer)
    checkpoint.save(epoch=2)
    wanted = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    drawn = (engine.rand(3).tolist(), np.random.rand(), random.random(), engine.random.default_generator().split())
    stepped(model, optimizer)
    assert checkpoint.load() == {"epoch": 2}
    assert (
        engine.rand(3).tolist(),
        np.random.rand(),
        random.random(),
        engine.random.default_generator().split(),
    ) == drawn
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), wanted[name])
    assert optimizer.state_dict()["state"][0]["step"] == 1


def test_a_checkpoint_of_another_model_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    model, optimizer = parts()
    train.Checkpoint(tmp_path, model=model, optimizer=optimizer).save()
    other, trainer = parts(width=4)
    before = other.state_dict()["0.weight"].numpy().copy()
    with pytest.raises(
        engine.StateError, match=r"another model .*'0.weight' is \(3, 2\) in the checkpoint and \(4, 2\)"
    ):
        train.Checkpoint(tmp_path, model=other, optimizer=trainer).load()
    np.testing.assert_array_equal(other.state_dict()["0.weight"].numpy(), before)


def test_a_checkpoint_of_other_parts_or_another_optimiser_is_refused(tmp_path: Path) -> None:
    model, optimizer = parts()
    stepped(model, optimizer)
    train.Checkpoint(tmp_path, model=model, optimizer=optimizer).save()
    with pytest.raises(engine.StateError, match="only the checkpoint has 'optimizer'"):
        train.Checkpoint(tmp_path, model=model).load()
    with pytest.raises(engine.StateError, match="does not fit optimizer: SGD"):
        train.Checkpoint(tmp_path, model=model, optimizer=optim.SGD(model.parameters(), lr=0.1)).load()


def test_a_state_that_a_part_cannot_read_is_named(tmp_path: Path) -> None:
    class Part:
        def state_dict(self) -> dict[str, Any]:
            return {"a": 1}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            state["b"]

    checkpoint = train.Checkpoint(tmp_path, counter=Part())
    checkpoint.save()
    with pytest.raises(train.CheckpointError, match="counter cannot read it"):
        checkpoint.load()


def test_what_one_part_refuses_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model, optimizer = parts()
    stepped(model, optimizer)
    train.Checkpoint(tmp_path, model=model, optimizer=optimizer).save()
    other, _ = parts()
    before = other.state_dict()["0.weight"].numpy().copy()
    with pytest.raises(engine.StateError, match="does not fit optimizer"):
        train.Checkpoint(tmp_path, model=other, optimizer=optim.SGD(other.parameters(), lr=0.1)).load()
    np.testing.assert_array_equal(other.state_dict()["0.weight"].numpy(), before)


BAD_STATES: list[tuple[str, Any]] = [
    ("run.epoch", "two"), ("run.epoch", -1), ("run.best", "low"), ("run.rows", 5), ("run.rows", [{"loss": "x"}]), ("run.metrics", 3),
    ("run.mean", None), ("optimizer", None), ("model", None), ("$random", {}), ("$random.python", [3, [1], None]), ("data", {"epoch": "x"}),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value"), BAD_STATES)
def test_a_run_of_impossible_numbers_is_refused_by_the_parts_name(place: str, value: Any, tmp_path: Path) -> None:
    x = np.ones((8, 2), np.float32)

    def run(epochs: int) -> None:
        model = nn.Linear(2, 2)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        labels = np.zeros(8, np.int64)
        train.fit(model, (x, labels), optimizer, epochs=epochs, checkpoint=tmp_path, resume=True, progress=False)

    run(1)
    state = archive.read(tmp_path / "last.safetensors")
    *above, name = place.split(".")
    holder = state
    for part in above:
        holder = holder[part]
    holder[name] = value
    archive.write(tmp_path / "last.safetensors", state)
    with pytest.raises((train.CheckpointError, engine.StateError), match=place.split(".")[0].replace("$", r"\$")):
        run(2)


def test_other_metrics_than_the_checkpoints_are_refused(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    x, y = np.ones((8, 2), np.float32), np.zeros(8, np.int64)

    def run(metric: train.Metric) -> None:
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        train.fit(model, (x, y), optimizer, checkpoint=tmp_path, resume=True, metrics=[metric], progress=False)

    run(train.Accuracy())
    with pytest.raises(engine.StateError, match="has the metrics accuracy, and this run top1"):
        run(train.TopKAccuracy(1))


def test_a_missing_checkpoint_names_those_that_are_there(tmp_path: Path) -> None:
    model, _ = parts()
    checkpoint = train.Checkpoint(tmp_path, model=model)
    with pytest.raises(train.MissingCheckpointError, match="there are none"):
        checkpoint.load()
    checkpoint.save("first")
    with pytest.raises(FileNotFoundError, match="there are first"):
        checkpoint.load("last")


@pytest.mark.parametrize("name", ["", "a/b", "../last"])
def test_a_name_cannot_leave_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(engine.ArgumentError, match="without its suffix"):
        train.Checkpoint(tmp_path, model=parts()[0]).save(name)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_truncated_checkpoint_is_named_as_damaged(keep: int, tmp_path: Path) -> None:
    checkpoint = train.Checkpoint(tmp_path, model=parts()[0])
    path = checkpoint.save()
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(train.CheckpointError, match=r"last.safetensors is damaged"):
        checkpoint.load()


def test_a_file_of_weights_alone_is_no_checkpoint(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"weight": np.ones(2)}, tmp_path / "last.safetensors")
    with pytest.raises(train.CheckpointError, match="holds tensors but no run"):
        train.Checkpoint(tmp_path, model=parts()[0]).load()


def test_a_full_disk_leaves_the_last_good_checkpoint_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, optimizer = parts()
    checkpoint = train.Checkpoint(tmp_path, model=model, optimizer=optimizer)
    path = checkpoint.save()
    good = path.read_bytes()
    real = builtins.open

    class Full:
        def __init__(self, file: Any) -> None:
            self.file, self.left = file, 300

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, data: Any) -> int:
            self.left -= len(data)
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return int(self.file.write(data))

    monkeypatch.setattr(archive, "open", lambda *given, **more: Full(real(*given, **more)), raising=False)
    stepped(model, optimizer)
    with pytest.raises(
        train.CheckpointError, match="No space left on device; the checkpoint that was there before is whole"
    ) as caught:
        checkpoint.save()
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == good
    assert [file.name for file in tmp_path.iterdir()] == ["last.safetensors"]


def test_a_limit_of_the_system_leaves_the_last_good_checkpoint_whole(tmp_path: Path) -> None:
    """A write that the kernel itself refuses, in the middle of a file."""
    model, optimizer = parts(width=30_000)
    checkpoint = train.Checkpoint(tmp_path, model=model, optimizer=optimizer)
    path = checkpoint.save()
    good = path.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        with pytest.raises(train.CheckpointError, match="File too large"):
            checkpoint.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == good
    assert [file.name for file in tmp_path.iterdir()] == ["last.safetensors"]


def test_a_folder_that_cannot_be_made_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(train.CheckpointError, match="cannot be made a folder"):
        train.Checkpoint(tmp_path / "file" / "below", model=parts()[0])
    with pytest.raises(engine.ArgumentError, match="no state_dict"):
        train.Checkpoint(tmp_path, model="resnet")
