"""Keras' HDF5 files and archives: layouts of Keras 2 and 3, and files that lead elsewhere, grow or crash the library."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pytest
from handmade import keras

from numzoo.hub.checkpoint import limits, read_checkpoint, read_metadata
from numzoo.hub.checkpoint.keras import hdf5
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.errors import FormatError, UnsafeFileError, UsageError

LAYERS = {
    "zeta/zeta/kernel:0": keras.KERNEL,
    "zeta/zeta/bias:0": keras.BIAS,
    "alpha/alpha/kernel:0": keras.KERNEL,
    "alpha/alpha/bias:0": keras.BIAS,
}
THREE = {
    "layers/dense/vars/0": keras.KERNEL,
    "layers/dense/vars/1": keras.BIAS,
    "layers/dense_1/vars/0": keras.KERNEL,
    "layers/dense_1/vars/1": keras.BIAS,
    "layers/narrow/vars/0": np.array([1, -2], ml_dtypes.bfloat16),
}


def test_weights_of_keras_2_come_in_the_order_of_the_layers(save, same):
    path = save(keras.weights_of_2())
    same(read_checkpoint(path), LAYERS)
    metadata = read_metadata(path)
    assert metadata.format == "keras"
    assert metadata.values == {"keras.backend": "tensorflow", "keras.keras_version": "2.15.0"}


def test_a_whole_model_of_keras_2_gives_the_same_names(save, same):
    path = save(keras.model_of_2())
    same(read_checkpoint(path), {**LAYERS, "optimizer_weights/iteration:0": np.array(3, np.int64)})
    assert read_metadata(path).values["keras.model_config"] == '{"class_name": "Sequential"}'


def test_weights_of_keras_3_are_called_by_their_paths(save, same):
    same(read_checkpoint(save(keras.weights_of_3())), THREE)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_of_keras_3_is_read(save, same, method):
    path = save(keras.archive_of_3(method))
    same(read_checkpoint(path), THREE)
    assert read_metadata(path).values == {
        "keras.config.json": '{"class_name": "Functional"}', "keras.metadata.json": '{"keras_version": "3.5.0"}'}  # fmt: skip


def test_types_orders_chunks_and_compression(save):
    path = save(keras.varied())
    found = read_checkpoint(path)
    for name, array in found.items():
        assert array.flags.writeable, name
        assert array.dtype.isnative, name
    for name in ("f2", "f2big", "i8", "i8big", "u4big"):
        assert found[name].tolist() == [0, 1, 2, 3]
        assert found[name].dtype == np.dtype(name.removesuffix("big"))
    assert found["packed"].tolist() == np.arange(100.0).reshape(10, 10).tolist()
    assert found["chunked"].tolist() == list(range(10))
    assert found["flags"].tolist() == [True, False]
    assert found["scalar"] == 2.5
    assert found["nothing"].shape == (0, 3)
    assert read_metadata(path).values == {"words": "values of the type object"}


def test_it_reads_from_an_open_file_and_from_memory_and_leaves_the_position(save, same):
    content = keras.weights_of_2()
    with save(content).open("rb") as file:
        file.seek(7)
        same(read_checkpoint(file), LAYERS)
        assert file.tell() == 7
    same(read_checkpoint(io.BytesIO(content)), LAYERS)


def test_long_lists_of_names_are_cut_into_several_attributes(save):
    def fill(file):
        for index, layer in enumerate("cab"):
            file.attrs[f"layer_names{index}"] = np.array([layer.encode()])
            file.create_group(layer).attrs["weight_names"] = np.array([b"w"])
            file[layer].create_dataset("w", data=np.zeros(1))

    assert list(read_checkpoint(save(keras.write(fill)))) == ["c/w", "a/w", "b/w"]


def soft(file):
    file["w"] = h5py.SoftLink("/other")


def external(file):
    file["w"] = h5py.ExternalLink("/etc/other.h5", "/w")


def twice(file):
    file["w"] = file.create_dataset("v", data=np.zeros(2))


def cycle(file):
    file.create_group("g")["again"] = file


def virtual(file):
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "w", (2,))
    file.create_virtual_dataset("w", layout)


def elsewhere(file):
    file.create_dataset("w", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def deep(file):
    file.create_group("/".join("g" * 70))


def bomb(file):
    file.create_dataset("w", (1 << 32,), "f8", chunks=(1 << 16,), compression="gzip")


def many_bombs(file):
    for index in range(10):
        file.create_dataset(f"w{index}", (1 << 21,), "f8", chunks=(1 << 16,), compression="gzip")


def strange_filter(file):
    file.create_dataset("w", data=np.zeros(9), chunks=(3,), compression="lzf")


def no_weight(file):
    file.attrs["layer_names"] = np.array([b"a"])
    file.create_group("a").attrs["weight_names"] = np.array([b"gone"])


def two_names(file):
    file.create_group("model_weights").create_dataset("w", data=np.zeros(1))
    file.create_dataset("w", data=np.zeros(1))


def step_up(file):
    file.create_group("..").create_dataset("w", data=np.zeros(1))


def wide_attribute(file):
    file.create_group("a", track_order=True)
    for index in range(210):
        file.attrs[f"layer_names{index}"] = np.zeros(1000, "S1")


HOSTILE = {
    "a soft link": (soft, UnsafeFileError, "SoftLink, which leads elsewhere"),
    "an external link": (external, UnsafeFileError, "ExternalLink, which leads elsewhere"),
    "a tensor with two names": (twice, UnsafeFileError, "two links"),
    "a group that holds itself": (cycle, UnsafeFileError, "two links"),
    "a virtual dataset": (virtual, UnsafeFileError, "virtual dataset"),
    "bytes in another file": (elsewhere, UnsafeFileError, "bytes in another file"),
    "groups 70 deep": (deep, FormatError, "more than 64 deep"),
    "a tensor that grows": (bomb, UnsafeFileError, "would grow"),
    "tensors that grow together": (many_bombs, UnsafeFileError, "would grow"),
    "an unknown filter": (strange_filter, FormatError, "packed by filter 32000"),
    "a weight that is named and missing": (no_weight, FormatError, "'a/gone' is named and not there"),
    "a name with and without model_weights": (two_names, FormatError, "'w' twice"),
    "too many layers": (wide_attribute, FormatError, "more than 200000 names"),
    "a step up": (step_up, UnsafeFileError, "path"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(save, name):
    fill, error, why = HOSTILE[name]
    with pytest.raises(error, match=why):
        read_checkpoint(save(keras.write(fill)))


def test_a_damaged_chunk_is_refused(save):
    content = bytearray(keras.write(lambda file: file.create_dataset(
        "w", data=np.random.default_rng(0).random(1000), chunks=(1000,), compression="gzip")))  # fmt: skip
    at = content.index(b"\x78\x5e")
    content[at + 100 : at + 200] = bytes(100)
    with pytest.raises(FormatError, match="compressed tensor of the HDF5 file is damaged"):
        read_checkpoint(save(bytes(content)))


def test_a_base_address_that_is_not_zero_is_refused(save):
    for version, at in (("earliest", 24), ("v110", 12)):
        content = bytearray(keras.write(lambda file: file.create_dataset("w", data=np.zeros(2)), libver=version))
        content[at] = 8
        with pytest.raises(FormatError, match="counts its addresses in another way"):
            read_checkpoint(save(bytes(content)))


def test_a_file_cut_short_is_refused(save):
    whole = keras.weights_of_2()
    for size in (9, 40, 100, len(whole) // 2, len(whole) - 1):
        with pytest.raises(FormatError):
            read_checkpoint(save(whole[:size]))


@pytest.fixture
def with_h5py(tmp_path, monkeypatch):
    """Put something else in place of h5py, in the worker's process only."""

    def put(code: str) -> None:
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "h5py.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))

    return put


def test_a_crash_of_the_library_is_an_error_and_no_more(save, with_h5py):
    with_h5py("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(FormatError, match=r"failed on the file, in a process of its own \(code -11\)"):
        read_checkpoint(save(keras.weights_of_2()))


def test_without_h5py_the_way_out_is_named(save, with_h5py):
    with_h5py("raise ImportError('no h5py')")
    with pytest.raises(UsageError, match=r"pip install 'numzoo\[keras\]'"):
        read_checkpoint(save(keras.weights_of_2()))


ANSWERS = {
    "no JSON": "print('what')",
    "no end": "print('{', end='')",
    "a list": "print('[]')",
    "no tensors": "print('{}')",
    "tensors of numbers": """print('{"tensors": [1], "values": {}}')""",
    "an unknown type": """print('{"tensors": [{"name": "w", "dtype": "object", "shape": [1], "bytes": 8, "offset": 0, "order": "<"}], "values": {}}')""",
    "a negative offset": """print('{"tensors": [{"name": "w", "dtype": "int8", "shape": [1], "bytes": 1, "offset": -9, "order": "<"}], "values": {}}')""",
    "a negative size": """print('{"tensors": [{"name": "w", "dtype": "int8", "shape": [1], "bytes": -1, "offset": 9, "order": "<"}], "values": {}}')""",
    "an offset outside": """print('{"tensors": [{"name": "w", "dtype": "int8", "shape": [1], "bytes": 1, "offset": 99999, "order": "<"}], "values": {}}')""",
    "a shape of more": """print('{"tensors": [{"name": "w", "dtype": "int8", "shape": [9], "bytes": 1, "offset": 0, "order": "<"}], "values": {}}')""",
    "a shape of texts": """print('{"tensors": [{"name": "w", "dtype": "int8", "shape": ["1"], "bytes": 1, "offset": 0, "order": "<"}], "values": {}}')""",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_the_other_process_says_is_not_trusted(save, with_h5py, name):
    with_h5py(f"import os, sys\n{ANSWERS[name]}\nsys.stdout.flush(); os._exit(0)")
    with pytest.raises(FormatError):
        read_checkpoint(save(keras.weights_of_2()))


def test_a_library_that_takes_too_much_memory_is_stopped(save, with_h5py):
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("the limit on memory is Linux's")
    with_h5py("def File(*a, **k):\n    bytearray(1 << 40)")
    with pytest.raises(FormatError, match="more memory than it may take"):
        read_checkpoint(save(keras.weights_of_2()))


def test_the_reading_process_itself_never_imports_h5py(save):
    path = save(keras.weights_of_2())
    root = str(Path(read_checkpoint.__code__.co_filename).parents[2] / ".dev")
    code = f"import sys; from numzoo.hub import checkpoint; checkpoint.read_checkpoint({str(path)!r}); print('h5py' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": root}
    )
    assert done.stdout.strip() == "False"


def test_a_process_that_takes_too_long_is_ended(save, monkeypatch):
    monkeypatch.setattr(limits, "WORKER_SECONDS", 0)
    with pytest.raises(FormatError, match="within 0 seconds"):
        read_checkpoint(save(keras.weights_of_2()))


def test_a_text_of_an_archive_that_is_longer_than_any_is_refused(save, monkeypatch):
    monkeypatch.setattr(limits, "TEXT", 5)
    with pytest.raises(FormatError, match=r"The member config\.json has 28 bytes; the limit is 5"):
        read_checkpoint(save(keras.archive_of_3(zipfile.ZIP_STORED)))


def test_addresses_of_another_width_are_refused(save):
    content = bytearray(keras.weights_of_2())
    content[{0: 13, 1: 13}.get(content[8], 9)] = 4
    with pytest.raises(FormatError, match="counts its addresses in another way"):
        read_checkpoint(save(bytes(content)))


@pytest.mark.parametrize("told", [{"bytes": -4, "offset": 8}, {"bytes": 4, "offset": -4}, {"bytes": 4, "offset": 13}])
def test_a_place_that_is_not_in_the_file_is_refused(told):
    whole = {"dtype": "float32", "shape": [1], "order": "<", **told}
    with pytest.raises(FormatError, match="which are not there"):
        hdf5._tensor("w", whole, Source(memoryview(bytes(16))), None)
