"""The three formats of torch.save, read back to the bit, and what their pickles may hold."""

from __future__ import annotations

import io
import tracemalloc

import ml_dtypes
import numpy as np
import pytest

from numzoo.hub.checkpoint import read_checkpoint, read_metadata


def arrays_for(forge, format: str) -> dict[str, np.ndarray]:
    """Complex numbers came years after the tar format."""
    return {name: array for name, array in forge.arrays().items() if format != "torch-tar" or array.dtype.kind != "c"}


WRITERS = {"torch-zip": "state_zip", "torch-legacy": "state_legacy", "torch-tar": "state_tar"}


@pytest.mark.parametrize("format", WRITERS)
def test_every_dtype_comes_back_to_the_bit(forge, save, same, format):
    arrays = arrays_for(forge, format)
    path = save(getattr(forge, WRITERS[format])(arrays))
    same(read_checkpoint(path, format=format), arrays)
    assert read_metadata(path).format == format


@pytest.mark.parametrize("format", WRITERS)
def test_bfloat16_is_that_of_ml_dtypes(forge, save, same, format):
    arrays = {"w": np.array([1.5, -2.25, 3e38], ml_dtypes.bfloat16)}
    same(read_checkpoint(save(getattr(forge, WRITERS[format])(arrays))), arrays)


@pytest.mark.parametrize("format", ["torch-zip", "torch-legacy"])
def test_big_endian_files_come_out_in_the_machines_order(forge, save, same, format):
    arrays = {**forge.arrays(), "b": np.array([1.5, -2.25], ml_dtypes.bfloat16)}
    same(read_checkpoint(save(getattr(forge, WRITERS[format])(arrays, order="big"))), arrays)


@pytest.mark.parametrize("format", WRITERS)
def test_an_open_file_is_mapped_and_stays_open_where_it_was(forge, save, same, format):
    arrays = arrays_for(forge, format)
    content = getattr(forge, WRITERS[format])(arrays)
    path = save(content)
    with path.open("rb") as file:
        file.seek(17)
        path.unlink()  # only the descriptor is left
        same(read_checkpoint(file), arrays)
        assert file.tell() == 17
    same(read_checkpoint(io.BytesIO(content)), arrays)


@pytest.mark.parametrize("format", WRITERS)
def test_writing_to_an_array_leaves_the_file_alone(forge, save, format):
    path = save(getattr(forge, WRITERS[format])({"w": np.arange(6, dtype=np.float32)}))
    before = path.read_bytes()
    read_checkpoint(path)["w"][:] = 7
    assert path.read_bytes() == before
    assert read_checkpoint(path)["w"].tolist() == [0, 1, 2, 3, 4, 5]


def test_an_aligned_zip_is_read_without_copies(forge, save):
    path = save(forge.state_zip({"w": np.zeros(4 << 20, np.float32), "v": np.zeros(1 << 20, np.float64)}))
    tracemalloc.start()
    found = read_checkpoint(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(array.nbytes for array in found.values()) == 24 << 20
    assert peak < 1 << 20


def test_tensors_of_one_storage_share_memory(forge, save):
    data = np.arange(12, dtype=np.float32)
    storage = forge.storage("FloatStorage", "0", 12)
    root = forge.dict(
        {
            "whole": forge.rebuild(storage, 0, (3, 4), (4, 1)),
            "row": forge.rebuild(storage, 4, (4,), (1,)),
            "turned": forge.rebuild(storage, 0, (4, 3), (1, 4)),
            "steps": forge.rebuild(storage, 1, (2, 2), (8, 2)),
        }
    )
    found = read_checkpoint(save(forge.torch_zip(root, {"0": data.tobytes()})))
    grid = data.reshape(3, 4)
    wanted = {"whole": grid, "row": grid[1], "turned": grid.T, "steps": grid[::2, 1::2]}
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)
        assert np.shares_memory(found[name], found["whole"])
    found["row"][0] = -1
    assert found["whole"][1, 0] == -1


def test_one_tensor_under_two_names_is_one_array(forge, save):
    tied = forge.rebuild(forge.storage("FloatStorage", "0", 2), 0, (2,), (1,))
    root = b"}(" + forge.text("a") + tied + b"q\x09" + forge.text("b") + b"h\x09u"
    found = read_checkpoint(save(forge.torch_zip(root, {"0": bytes(8)})))
    assert found["a"] is found["b"]


def test_an_expanded_tensor_gets_memory_of_its_own(forge, save):
    root = forge.dict({"wide": forge.rebuild(forge.storage("FloatStorage", "0", 3), 0, (2, 3, 2), (0, 1, 0))})
    found = read_checkpoint(save(forge.torch_zip(root, {"0": np.float32([1, 2, 3]).tobytes()})))["wide"]
    assert found.tolist() == [[[1, 1], [2, 2], [3, 3]]] * 2
    found[0, 0, 0] = 9
    assert found[1, 0, 0] == 1


def test_size_one_dimensions_may_have_any_stride(forge, save):
    root = forge.dict({"w": forge.rebuild(forge.storage("FloatStorage", "0", 2), 0, (1, 2, 1), (1 << 62, 1, 0))})
    assert read_checkpoint(save(forge.torch_zip(root, {"0": bytes(8)})))["w"].shape == (1, 2, 1)


def test_newer_dtypes_come_by_untyped_storages(forge, save):
    def tensor(key: str, size: int, dtype: str, count: int) -> bytes:
        storage = forge.tuple(
            forge.text("storage"),
            forge.named("torch.storage", "UntypedStorage"),
            forge.text(key),
            forge.text("cpu"),
            forge.integer(size),
        )
        parts = (storage + b"Q", forge.integer(0), forge.shape(count), forge.shape(1), b"\x89", forge.ordered())
        return forge.call("torch._utils", "_rebuild_tensor_v3", *parts, forge.named("torch", dtype))

    eighth = np.array([1, -2], ml_dtypes.float8_e4m3fn)
    items = {"u": tensor("0", 6, "uint16", 3), "f": tensor("1", 2, "float8_e4m3fn", 2)}
    storages = {"0": np.uint16([1, 2, 65535]).tobytes(), "1": eighth.tobytes()}
    found = read_checkpoint(save(forge.torch_zip(forge.dict(items), storages)))
    assert found["u"].dtype == np.uint16
    assert found["u"].tolist() == [1, 2, 65535]
    assert found["f"].dtype == eighth.dtype
    assert found["f"].tolist() == eighth.tolist()


def test_every_spelling_of_a_tensor_is_understood(forge, save):
    """Parameters, 0.1's empty tensors filled by BUILD, tensors with Python attributes, the 4-argument rebuild."""
    storage = forge.storage("FloatStorage", "0", 2)
    plain = forge.rebuild(storage, 0, (2,), (1,))
    hooks = forge.ordered()
    parameter = forge.named("torch.nn.parameter", "Parameter")
    set_state = forge.tuple(storage, forge.integer(0), forge.shape(2), forge.shape(1))
    v2 = forge.named("torch._utils", "_rebuild_tensor_v2")
    arguments = forge.tuple(storage, forge.integer(0), forge.shape(2), forge.shape(1), b"\x89", hooks, b"}")
    spellings = {
        "parameter": forge.call("torch._utils", "_rebuild_parameter", plain, b"\x88", hooks),
        "with_state": forge.call("torch._utils", "_rebuild_parameter_with_state", plain, b"\x88", hooks, b"}"),
        "four": forge.call("torch._utils", "_rebuild_tensor", storage, b"K\x00", forge.shape(2), forge.shape(1)),
        "from_type": forge.call(
            "torch._tensor", "_rebuild_from_type_v2", v2, forge.named("torch", "Tensor"), arguments, b"}"
        ),
        "old_module": forge.call("torch.tensor", "_rebuild_from_type_v2", v2, parameter, arguments, b"}"),
        "size": forge.call(
            "torch._utils",
            "_rebuild_tensor",
            storage,
            b"K\x00",
            forge.call("torch", "Size", forge.shape(2)),
            forge.shape(1),
        ),
        "new_tensor": forge.named("torch", "FloatTensor") + b")\x81" + set_state + b"b",
        "new_cuda": forge.named("torch.cuda", "FloatTensor") + b")\x81" + set_state + b"b",
        "applied": parameter + forge.tuple(plain) + b"R" + forge.tuple(b"\x88", b"\x89", hooks) + b"b",
        "five": parameter + b")\x81" + forge.tuple(plain, b"N", hooks, b"\x88", b"\x89") + b"b",
        "four_state": parameter + b")\x81" + set_state + b"b",
        "new_data": parameter + forge.tuple(plain, b"\x88") + b"\x81",
    }
    found = read_checkpoint(save(forge.torch_zip(forge.ordered(spellings), {"0": np.float32([3, 4]).tobytes()})))
    assert list(found) == list(spellings)
    assert all(array.tolist() == [3, 4] for array in found.values())


def test_a_state_dict_of_python_2_is_understood(forge, save):
    key = b"U\x01w"
    pair = forge.list(key, forge.rebuild(forge.storage("FloatStorage", "0", 1), 0, (1,), (1,)))
    root = (
        forge.call("collections", "OrderedDict", forge.list(pair)) + forge.dict({"_metadata": forge.ordered()}) + b"b"
    )
    assert read_checkpoint(save(forge.torch_zip(root, {"0": np.float32([5]).tobytes()})))["w"].tolist() == [5]


def test_other_values_are_listed_and_not_built(forge, save):
    w = forge.rebuild(forge.storage("FloatStorage", "0", 1), 0, (1,), (1,))
    encoded = forge.call("_codecs", "encode", forge.text("aé"), forge.text("latin1"))
    items = {
        "model": forge.ordered({"w": w}) + forge.dict({"_metadata": forge.ordered()}) + b"b",
        "layers": forge.list(w, forge.dict({"v": w})),
        "step": forge.integer(-70000),
        "huge": forge.integer(1 << 80),
        "rate": forge.number(0.5),
        "name": forge.text("größe"),
        "none": b"N",
        "on": b"\x88",
        "bytes": encoded,
        "array": forge.call("__builtin__", "bytearray", encoded),
        "array2": forge.call("__builtin__", "bytearray", forge.text("ab"), forge.text("latin-1")),
        "set": forge.call("__builtin__", "set", forge.list(b"K\x01", b"K\x02")),
        "no_set": b"\x8f",
        "complex": forge.call("builtins", "complex", forge.number(1), forge.number(2)),
        "count": forge.call("collections", "Counter", forge.dict({"a": b"K\x02"})),
        "device": forge.call("torch", "device", forge.text("cuda"), b"K\x01"),
        "layout": forge.call("torch.serialization", "_get_layout", forge.text("torch.strided")),
        "dtype": forge.named("torch", "float32"),
        "scheme": forge.named("torch", "per_tensor_affine"),
        "storage": forge.storage("FloatStorage", "0", 1),
    }
    path = save(forge.torch_zip(forge.dict(items), {"0": bytes(4)}))
    assert list(read_checkpoint(path)) == ["model.w", "layers.0", "layers.1.v"]
    values = read_metadata(path).values
    assert values == {
        "step": -70000,
        "huge": 1 << 80,
        "rate": 0.5,
        "name": "größe",
        "none": None,
        "on": True,
        "bytes": "2 bytes",
        "array": "2 bytes",
        "array2": "2 bytes",
        "set": "a set of 2",
        "no_set": "a set of 0",
        "complex": "(1+2j)",
        "count.a": 2,
        "device": "cuda:1",
        "layout": "torch.strided",
        "dtype": "torch.float32",
        "scheme": "torch.per_tensor_affine",
        "storage": "a storage of 4 bytes",
    }


def test_keys_that_are_no_texts_become_texts(forge, save):
    w = forge.rebuild(forge.storage("FloatStorage", "0", 1), 0, (1,), (1,))
    keys = [forge.integer(3), forge.number(0.5), b"N", b"\x88", forge.tuple(b"K\x01", forge.text("x"))]
    root = b"}(" + b"".join(key + w for key in keys) + b"u"
    found = read_checkpoint(save(forge.torch_zip(root, {"0": bytes(4)})))
    assert list(found) == ["3", "0.5", "None", "True", "(1, 'x')"]


def test_a_file_that_is_one_tensor_is_called_tensor(forge, save):
    root = forge.rebuild(forge.storage("LongStorage", "0", 1), 0, (), ())
    found = read_checkpoint(save(forge.torch_zip(root, {"0": np.int64([5]).tobytes()})))
    assert list(found) == ["tensor"]
    assert found["tensor"].shape == ()
    assert found["tensor"] == 5


def test_views_of_the_old_formats_are_slices_of_their_root(forge, save):
    data = np.arange(6, dtype=np.float32)
    view = forge.tuple(forge.text("99"), forge.integer(2), forge.integer(3))
    items = {
        "root": forge.rebuild(forge.storage("FloatStorage", "7", 6, b"N"), 0, (6,), (1,)),
        "view": forge.rebuild(forge.storage("FloatStorage", "7", 6, view), 1, (2,), (1,)),
    }
    old = read_checkpoint(save(forge.stream(forge.dict(items), [("7", 6, data.tobytes())])))
    storages = forge.tar_storages([(7, "FloatStorage", 6, data.tobytes())], [(8, 7, 2, 3)])
    tensors = forge.tar_tensors([(1, 7, "FloatTensor", (6,), (1,), 0), (2, 8, "FloatTensor", (2,), (1,), 1)])
    root = forge.dict({"root": b"K\x01Q", "view": forge.text("2") + b"Q"})
    oldest = read_checkpoint(save(forge.tar(forge.tar_members(root, storages, tensors))))
    for found in (old, oldest):
        assert found["root"].tolist() == data.tolist()
        assert found["view"].tolist() == [3, 4]
        assert np.shares_memory(found["root"], found["view"])


def test_metadata_says_what_is_inside(forge, save):
    metadata = read_metadata(save(forge.state_zip({"w": np.zeros((2, 3), np.float32), "n": np.array(1)})))
    assert [(t.name, t.shape, t.dtype, t.bytes) for t in metadata.tensors] == [
        ("w", (2, 3), "float32", 24),
        ("n", (), "int64", 8),
    ]
    assert metadata.bytes == 32
