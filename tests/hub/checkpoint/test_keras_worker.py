"""The process that reads HDF5 files: each of its limits holds, and nothing is loaded because of a file."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from handmade import keras

from numzoo.hub.checkpoint import read_checkpoint
from numzoo.hub.checkpoint.keras import worker
from numzoo.hub.errors import FormatError

SCRIPT = Path(worker.__file__)


def opened(content: bytes) -> h5py.File:
    return h5py.File(io.BytesIO(content), "r")


def test_a_file_of_too_many_objects_is_refused(monkeypatch):
    monkeypatch.setattr(worker, "_OBJECTS", 3)
    with opened(keras.weights_of_3()) as file, pytest.raises(worker.RefusedError, match="more than 3 objects"):
        worker._Walk(h5py, 1 << 20).run(file)


def test_an_attribute_larger_than_any_is_not_read(monkeypatch):
    monkeypatch.setattr(worker, "_ATTRIBUTE_BYTES", 3)
    with opened(keras.weights_of_2()) as file, pytest.raises(worker.RefusedError, match="larger than 3 bytes"):
        worker._facts(file)


def test_numbers_that_lie_otherwise_than_numpy_has_them_are_converted(save):
    def shifted(file: h5py.File) -> None:
        kind = h5py.h5t.STD_I32LE.copy()
        kind.set_precision(16)
        kind.set_offset(8)
        dataset = h5py.h5d.create(file.id, b"w", kind, h5py.h5s.create_simple((3,)))
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([1, 2, 300], np.int32))

    assert read_checkpoint(save(keras.write(shifted)))["w"].tolist() == [1, 2, 300]


def test_a_weight_that_is_named_and_is_a_text_is_refused(save):
    def texts(file: h5py.File) -> None:
        file.attrs["layer_names"] = [b"a"]
        file.create_group("a").attrs["weight_names"] = [b"w"]
        file["a"]["w"] = "words"

    with pytest.raises(FormatError, match="is named and not there"):
        read_checkpoint(save(keras.write(texts)))


def test_a_dataset_of_no_shape_is_no_tensor(save):
    content = keras.write(lambda file: file.create_dataset("nothing", data=h5py.Empty("f4")))
    assert read_checkpoint(save(content)) == {}


def test_a_group_that_holds_the_root_is_refused():
    def around(file: h5py.File) -> None:
        file.create_group("a")["again"] = file["/"]

    with opened(keras.write(around)) as file, pytest.raises(worker.RefusedError, match="reached by two links"):
        worker._Walk(h5py, 1 << 20).run(file)


def test_no_filter_is_loaded_from_anywhere(tmp_path):
    (tmp_path / "h5py.py").write_text(
        "import os, sys\nsys.stderr.write(os.environ['HDF5_PLUGIN_PRELOAD'])\nraise ImportError"
    )
    done = run(b"x", 1 << 20, environment={**os.environ, "PYTHONPATH": str(tmp_path), "HDF5_PLUGIN_PRELOAD": ""})
    assert (done.returncode, done.stderr) == (worker.MISSING, b"::")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a process is held to its memory on Linux")
def test_a_tensor_that_unpacks_to_more_than_the_memory_there_is_ends_the_process_only():
    content = keras.write(
        lambda file: file.create_dataset("w", shape=(1 << 28,), dtype="u1", compression="gzip", chunks=(1 << 20,))
    )
    assert run(content, 64 << 20).returncode == worker.DAMAGED
    assert run(content, 1 << 30).returncode == 0


def test_a_file_that_asks_for_more_memory_than_there_is_says_so(monkeypatch):
    class Greedy:
        def __init__(self, *_: object) -> None:
            pass

        def run(self, file: object) -> None:
            raise MemoryError

    said: list[dict[str, object]] = []
    content = keras.weights_of_2()
    monkeypatch.setattr(worker, "_Walk", Greedy)
    monkeypatch.setattr(worker, "_limit", lambda memory: None)
    monkeypatch.setattr(worker, "_answer", said.append)
    monkeypatch.setattr(worker, "Window", lambda *_: io.BytesIO(content))
    monkeypatch.setenv("HDF5_PLUGIN_PRELOAD", "::")
    assert worker.main(0, len(content), 1, 1) == 0
    assert said == [{"refused": "the file asks for more memory than it may take", "unsafe": False}]


def run(content: bytes, memory: int, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """The worker on a file, as hdf5.py starts it."""
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        command = [sys.executable, str(SCRIPT), "0", str(len(content)), str(memory), str(1 << 40)]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.run(command, stdin=file, env=environment, check=False, **pipes)


def test_a_list_in_endless_pieces_comes_to_an_end():
    class Endless:
        """A group with attributes layer_names0, layer_names1, ... for ever, each of no names."""

        dtype, shape = np.dtype("S1"), (0,)

        @property
        def attrs(self) -> Endless:
            return self

        def __contains__(self, name: str) -> bool:
            return name != "layer_names"

        def get_id(self, name: str) -> Endless:
            return self

        def __getitem__(self, name: str) -> list[bytes]:
            if name == "layer_names20000":
                raise AssertionError("it goes on and on")
            return []

    assert worker._texts(Endless(), "layer_names") == []
