"""Files that the formats' own libraries write, read equal to the bit: GGUF by gguf, ONNX by onnx."""

from __future__ import annotations

import numpy as np
import pytest

from numzoo.hub.checkpoint import read_checkpoint, read_metadata
from numzoo.hub.checkpoint.gguf.blocks import QUANTISED, decode

gguf = pytest.importorskip("gguf", reason="gguf is not installed: nothing to compare with")
onnx = pytest.importorskip("onnx", reason="onnx is not installed: nothing to compare with")


@pytest.mark.parametrize("number", QUANTISED)
def test_random_blocks_are_decoded_as_by_gguf(number):
    kind, theirs = QUANTISED[number], gguf.GGMLQuantizationType(number)
    assert gguf.GGML_QUANT_SIZES[theirs] == (kind.elements, kind.bytes)
    raw = np.random.default_rng(number).integers(0, 256, (500, kind.bytes), dtype=np.uint8)
    ours = decode(kind, raw, "<", (500 * kind.elements,))
    if kind.name == "Q8_K":
        pytest.skip("gguf decodes no Q8_K")
    with np.errstate(all="ignore"):
        wanted = gguf.quants.dequantize(raw, theirs).ravel()
    finite = np.isfinite(wanted)
    assert np.array_equal(np.isfinite(ours), finite)
    assert np.array_equal(ours[finite], wanted[finite])


@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
def test_a_file_that_gguf_writes_is_read(tmp_path, order):
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(tmp_path / "w.gguf", "llama", endianess=gguf.GGUFEndian[order])
    writer.add_token_list(["<s>", "größe", "c"])
    writer.add_token_scores([0.5, 1.5, -2.0])
    writer.add_rope_freq_base(1e5)
    writer.add_bool("some.flag", True)
    arrays = {
        "f32": random.standard_normal((3, 32)).astype(np.float32),
        "i64": np.arange(5),
        "f16": np.ones(3, np.float16),
    }
    for name, array in arrays.items():
        writer.add_tensor(name, array.copy())  # which swaps in place
    if order == "LITTLE":
        for kind in ("Q4_0", "Q5_1", "Q8_0"):
            packed = gguf.quants.quantize(
                random.standard_normal((4, 64)).astype(np.float32), gguf.GGMLQuantizationType[kind]
            )
            arrays[kind] = gguf.quants.dequantize(packed, gguf.GGMLQuantizationType[kind])
            writer.add_tensor(kind, packed, raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = read_checkpoint(tmp_path / "w.gguf")
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
    values = read_metadata(tmp_path / "w.gguf").values
    assert values["tokenizer.ggml.tokens"] == ["<s>", "größe", "c"]
    assert values["tokenizer.ggml.scores"] == [0.5, 1.5, -2.0]
    assert values["some.flag"] is True


def arrays() -> dict[str, np.ndarray]:
    import ml_dtypes

    random = np.random.default_rng(1)
    names = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
             "bool", "complex64", "bfloat16", "float8_e4m3fn", "float8_e5m2")  # fmt: skip
    made = {name: random.integers(0, 2, (2, 3)).astype(getattr(ml_dtypes, name, name)) for name in names}
    return {**made, "scalar": np.array(2.5, np.float32), "nothing": np.zeros((0, 2), np.float32)}


def model(tensors: list) -> onnx.ModelProto:
    nodes = [onnx.helper.make_node("Constant", [], ["made"], value=onnx.numpy_helper.from_array(np.arange(3)))]
    graph = onnx.helper.make_graph(nodes, "g", [], [], tensors)
    return onnx.helper.make_model(graph, producer_name="parity")


@pytest.mark.parametrize("raw", [True, False])
def test_a_model_that_onnx_writes_is_read(tmp_path, raw):
    made = arrays()
    if not raw:  # the forms that onnx gives typed numbers
        made = {name: array for name, array in made.items() if not name.startswith("float8")}
    tensors = [
        onnx.numpy_helper.from_array(array, name)
        if raw
        else onnx.helper.make_tensor(
            name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape, array.ravel()
        )
        for name, array in made.items()
    ]
    onnx.save(model(tensors), tmp_path / "m.onnx")
    found = read_checkpoint(tmp_path / "m.onnx")
    assert found.pop("made").tolist() == [0, 1, 2]
    for name, array in made.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), name
        assert found[name].tobytes() == array.tobytes(), name


def test_data_beside_a_model_as_onnx_writes_them(tmp_path):
    made = {
        f"w{index}": np.random.default_rng(index).standard_normal((40, 40)).astype(np.float32) for index in range(3)
    }
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in made.items()]
    onnx.save(model(tensors), tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    assert (tmp_path / "m.data").stat().st_size >= 3 * 6400
    found = read_checkpoint(tmp_path / "m.onnx")
    assert all(found[name].tobytes() == array.tobytes() for name, array in made.items())


@pytest.mark.parametrize("kind", ["INT4", "UINT4"])
def test_four_bit_integers_as_onnx_packs_them(tmp_path, kind):
    values = [-8, 7, -1, 0, 3] if kind == "INT4" else [0, 15, 8, 7, 1]
    for raw in (False, True):
        tensor = onnx.helper.make_tensor("w", onnx.TensorProto.DataType.Value(kind), (5,), values)
        if raw:
            tensor.raw_data = bytes(number & 255 for number in tensor.int32_data)
            del tensor.int32_data[:]
        onnx.save(model([tensor]), tmp_path / "m.onnx")
        assert read_checkpoint(tmp_path / "m.onnx")["w"].tolist() == values
