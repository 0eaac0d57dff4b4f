"""CTranslate2's model.bin: every type, scales, aliases, and files that lie."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from handmade import ctranslate2
from handmade.ctranslate2 import build, text, variable

from numzoo.hub.checkpoint import limits, read_checkpoint, read_metadata
from numzoo.hub.errors import FormatError, UnsafeFileError

W = np.arange(4, dtype=np.float32)


@pytest.mark.parametrize("version", [4, 5, 6])
def test_every_type_is_read(save, same, version):
    arrays = {name: np.arange(6).reshape(2, 3).astype(getattr(ml_dtypes, name, name)) for name in ctranslate2.TYPES}
    arrays["scalar"] = np.array(3, np.int32)
    arrays["nothing"] = np.zeros((0, 4), np.float16)
    path = save(build([variable(name, array) for name, array in arrays.items()], version=version))
    same(read_checkpoint(path), arrays)
    metadata = read_metadata(path)
    assert metadata.format == "ctranslate2"
    assert metadata.values == {
        "ctranslate2.version": version, "ctranslate2.specification": "WhisperSpec", "ctranslate2.revision": 3}  # fmt: skip


def test_quantised_weights_come_as_floats_and_their_scales_are_used_up(save):
    path = save(ctranslate2.small())
    found = read_checkpoint(path)
    assert found["weight"].tolist() == [[0.5, -1], [0.75, 1]]
    assert found["wide"].tolist() == [[10, -20]]
    assert found["flag"].dtype == np.int8  # no scale lies beside it
    assert not [name for name in found if name.endswith("_scale")]
    info = {tensor.name: tensor for tensor in read_metadata(path).tensors}
    assert (info["weight"].dtype, info["weight"].stored, info["weight"].bytes) == ("float32", "int8", 16)
    raw = read_checkpoint(path, dequantise=False)
    assert raw["weight"].tolist() == [[1, -2], [3, 4]]
    assert raw["weight"].dtype == np.int8
    assert raw["weight_scale"].tolist() == [2, 4]


def test_an_alias_is_a_second_name_for_the_same_memory(save):
    found = read_checkpoint(save(ctranslate2.small()))
    assert np.shares_memory(found["tied"], found["single"])
    assert np.shares_memory(found["again"], found["weight"])  # decoded once, however many aliases a file may give


def test_a_weight_under_many_names_counts_once_for_what_the_file_may_grow_to(save, monkeypatch):
    monkeypatch.setattr(limits, "DECODED_FREE", 0)
    weight = variable("w", np.zeros((100, 10), np.int8)), variable("w_scale", np.ones(100, np.float32))
    path = save(build(list(weight), [(f"again{number}", "w") for number in range(40)]))
    assert path.stat().st_size * limits.DECODED_RATIO < 41 * 4000
    assert len(read_checkpoint(path)) == 41


def test_stored_weights_lie_read_only_on_the_file_at_any_address(save):
    arrays = {name: np.arange(6, dtype=dtype) for name, dtype in (("a", np.float16), ("bc", np.float16), ("d", np.float32), ("ef", np.float32))}  # fmt: skip
    path = save(build([variable(name, array) for name, array in arrays.items()]))
    found = read_checkpoint(path, stored=True)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    halves = [found["a"], found["bc"]]
    assert sorted(half.flags.aligned for half in halves) == [False, True]  # their names are of two lengths
    assert not any(half.flags.writeable for half in halves)
    assert all(found[name].flags.aligned for name in ("d", "ef"))
    assert all(array.flags.writeable and array.flags.aligned for array in read_checkpoint(path).values())


def test_a_scale_of_zero_gives_infinities_and_no_warning(save):
    found = read_checkpoint(
        save(build([variable("w", np.array([[1, 0]], np.int8)), variable("w_scale", np.float32([0]))]))
    )["w"]
    assert not np.isfinite(found).any()


LIES = {
    "version 3": (build([variable("w", W)], version=3), FormatError, "binary version 3"),
    "version 7": (build([variable("w", W)], version=7), FormatError, "binary version 7"),
    "too many variables": (build([variable("w", W)], counts=(1 << 31, 0)), FormatError, "claims 2147483648 variables"),
    "one variable too many": (build([variable("w", W)], counts=(2, 0)), FormatError, "CTranslate2 model"),
    "too many aliases": (build([variable("w", W)], counts=(1, 1 << 31)), FormatError, "claims 2147483648 aliases"),
    "one alias too many": (build([variable("w", W)], counts=(1, 1)), FormatError, "cut short"),
    "a variable twice": (build([variable("w", W), variable("w", W)]), FormatError, "twice"),
    "an alias with the name of a variable": (build([variable("w", W)], [("w", "w")]), FormatError, "twice"),
    "an alias of nothing": (build([variable("w", W)], [("v", "x")]), FormatError, "not in the file"),
    "an alias of an alias": (build([variable("w", W)], [("v", "w"), ("u", "v")]), FormatError, "not in the file"),
    "an unknown type": (build([variable("w", W, kind=6)]), FormatError, "unknown type 6"),
    "fewer bytes than the shape": (build([variable("w", W, size=12)]), FormatError, "takes 16"),
    "more bytes than the shape": (build([variable("w", W, size=20)]), FormatError, "takes 16"),
    "33 dimensions": (build([variable("w", np.zeros((1,) * 33, np.float32))]), FormatError, "variable 'w' has 33 dimensions"),
    "dimensions that wrap around": (
        build([text("w") + b"\3" + b"\0\0\0\x80" * 2 + b"\4\0\0\0" + b"\0\0\0\0\0"]), FormatError, "has 0 bytes"),
    "data that end early": (build([variable("w", W)])[:-8], FormatError, "cut short inside 'w'"),
    "bytes behind the aliases": (build([variable("w", W)], tail=b"x"), UnsafeFileError, "goes on for 1 bytes"),
    "NUL in a name": (build([variable("a\0b", W)]), UnsafeFileError, "NUL"),
    "../ in a name": (build([variable("../b", W)]), UnsafeFileError, "path"),
    "../ in an alias": (build([variable("w", W)], [("../b", "w")]), UnsafeFileError, "path"),
    "a name that is not UTF-8": (build([variable(b"\xff", W)]), FormatError, "not UTF-8"),
    "a long name": (build([variable("n" * 5000, W)]), FormatError, "damaged text"),
    "a text without its end": (build([text("w", b"") + variable("w", W)[4:]]), FormatError, "damaged text"),
    "scales of another shape": (
        build([variable("w", np.ones((2, 2), np.int8)), variable("w_scale", np.ones(3, np.float32))]), FormatError,
        "scales of shape"),
    "scales of integers": (
        build([variable("w", np.ones((2, 2), np.int8)), variable("w_scale", np.ones(2, np.int32))]), FormatError,
        "int32 scales"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_a_file_that_lies_is_refused(save, name):
    content, error, why = LIES[name]
    for read in (read_checkpoint, read_metadata):
        with pytest.raises(error, match=why):
            read(save(content))


def test_a_file_cut_anywhere_is_refused(save):
    whole = ctranslate2.small()
    for size in range(1, len(whole)):
        with pytest.raises(FormatError):
            read_checkpoint(save(whole[:size]))
