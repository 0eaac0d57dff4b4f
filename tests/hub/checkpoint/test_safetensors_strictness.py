"""On headers made from the format's own words, right and slightly wrong: what the reference library refuses, ours refuses."""

from __future__ import annotations

import json
from collections import Counter

import safetensors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numzoo.hub.checkpoint import read_checkpoint, read_metadata
from numzoo.hub.errors import FormatError, HubError, UnsafeFileError

SIZES = {"F32": 4, "F16": 2, "BOOL": 1, "I64": 8, "U8": 1, "BF16": 2, "F8_E4M3": 1}
names = st.one_of(st.sampled_from(["w", "b", "layer.0.weight", "__metadata__", "", "ö", "a/b"]), st.text(max_size=3))
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 5),
    st.floats(allow_nan=True),
    st.text(max_size=2),
    st.just([]),
    st.just({}),
)
# What a fault does to a good header.
FAULTS = [
    "none",
    "dtype",
    "shape",
    "offsets",
    "drop",
    "extra",
    "swap",
    "odd",
    "metadata",
    "cut",
    "grow",
    "size",
    "text",
]


@st.composite
def files(draw) -> tuple[bytes, str]:
    """A file of a few tensors, and the fault that was put into it."""
    header: dict = {}
    position = 0
    for name in draw(st.lists(names.filter(lambda name: name != "__metadata__"), max_size=4, unique=True)):
        dtype = draw(st.sampled_from(list(SIZES)))
        shape = draw(st.lists(st.integers(0, 3), max_size=3))
        size = SIZES[dtype]
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + size]}
        position += size
    if draw(st.booleans()):
        header["__metadata__"] = draw(st.dictionaries(st.text(max_size=2), st.text(max_size=2), max_size=2))
    fault = draw(st.sampled_from(FAULTS))
    tensors = [name for name in header if name != "__metadata__"]
    data = bytes(position)
    if tensors and fault in ("dtype", "shape", "offsets", "drop", "extra", "swap", "odd"):
        name = draw(st.sampled_from(tensors))
        entry = header[name]
        if fault == "dtype":
            entry["dtype"] = draw(st.sampled_from(["F64", "f32", "F31", "", "I4"]))
        elif fault == "shape":
            entry["shape"] = draw(st.lists(st.one_of(st.integers(0, 4), st.just(1 << 62), st.just(-1)), max_size=4))
        elif fault == "offsets":
            entry["data_offsets"] = draw(st.lists(st.integers(-2, position + 2), min_size=1, max_size=3))
        elif fault == "drop":
            del entry[draw(st.sampled_from(list(entry)))]
        elif fault == "extra":
            entry["more"] = draw(odd)
        elif fault == "odd":
            entry[draw(st.sampled_from(list(entry)))] = draw(odd)
        else:
            header[draw(st.sampled_from(tensors))] = entry
    elif fault == "metadata":
        header["__metadata__"] = draw(st.one_of(odd, st.dictionaries(st.text(max_size=1), odd, min_size=1, max_size=2)))
    elif fault == "cut":
        data = data[: draw(st.integers(0, position))]
    elif fault == "grow":
        data += bytes(draw(st.integers(1, 4)))
    raw = json.dumps(header, ensure_ascii=draw(st.booleans())).encode()
    raw += b" " * draw(st.integers(0, 8))
    if fault == "text":
        at = draw(st.integers(0, len(raw) - 1))
        raw = raw[:at] + draw(st.binary(max_size=2)) + raw[at + draw(st.integers(0, 2)) :]
    size = len(raw) + (draw(st.integers(-3, 3)) if fault == "size" else 0)
    return max(size, 0).to_bytes(8, "little") + raw + data, fault


seen: Counter[str] = Counter()


def test_what_the_reference_library_refuses_is_refused_here(tmp_path):
    path = tmp_path / "w"

    @settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(files())
    def compare(made):
        content, fault = made
        path.write_bytes(content)
        try:
            theirs = {name: entry["shape"] for name, entry in safetensors.deserialize(content)}
        except Exception:
            theirs = None
        try:
            ours = {tensor.name: list(tensor.shape) for tensor in read_metadata(path).tensors}
            assert read_checkpoint(path).keys() == ours.keys()
        except (FormatError, UnsafeFileError):
            ours = None
        except HubError as error:
            raise AssertionError("another error than for a bad file") from error
        seen[
            f"{fault}: theirs {'yes' if theirs is not None else 'no'}, ours {'yes' if ours is not None else 'no'}"
        ] += 1
        if ours is not None:
            assert theirs == ours

    compare()
    assert seen["none: theirs yes, ours yes"] > 10
    assert sum(count for name, count in seen.items() if name.endswith("theirs no, ours no")) > 100
    assert not [name for name in seen if name.endswith("theirs no, ours yes")]
