"""An open checkpoint gives its tensors one by one, with the memory of that one only."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from handmade import ctranslate2, gguf, onnx

from numzoo.hub.checkpoint import open_checkpoint, read_checkpoint, write_safetensors
from numzoo.hub.errors import FormatError, UsageError


def test_it_is_a_mapping_of_the_same_arrays(forge, save):
    for content in (forge.state_zip(forge.arrays()), gguf.small(), ctranslate2.small(), onnx.small()):
        path = save(content)
        whole = read_checkpoint(path)
        with open_checkpoint(path) as opened:
            assert list(opened) == list(whole)
            assert len(opened) == len(whole)
            assert [tensor.name for tensor in opened.metadata.tensors] == list(whole)
            for name, array in opened.items():
                assert (array.dtype, array.tobytes()) == (whole[name].dtype, whole[name].tobytes())
            assert "none" not in opened


def test_one_tensor_of_a_quantised_file_takes_its_own_memory_only(save):
    raw = bytes(34 * 10_000)
    path = save(gguf.build([(f"w{index}", (32, 10_000), 8, raw) for index in range(8)]))
    with open_checkpoint(path) as opened:
        tracemalloc.start()
        for name in opened:
            opened[name]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert opened.metadata.bytes == 8 * 1_280_000
        assert peak < 2 * 1_280_000 + (2 << 20)


def test_arrays_stay_good_after_closing_and_nothing_new_is_read(tmp_path):
    write_safetensors(tmp_path / "w", {"w": np.arange(3)})
    opened = open_checkpoint(tmp_path / "w")
    array = opened["w"]
    opened.close()
    assert array.tolist() == [0, 1, 2]
    with pytest.raises(UsageError, match="was closed"):
        opened["w"]


def test_an_error_that_only_reading_finds_names_the_file(forge, save):
    header = {"w": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}
    with (
        open_checkpoint(save(forge.safetensors(header, b"\2"), "odd.bin")) as opened,
        pytest.raises(FormatError, match=r"odd\.bin: .* neither 0 nor 1"),
    ):
        opened["w"]
