"""A writer of CTranslate2's model.bin by hand, from the format's description."""

from __future__ import annotations

import struct

import numpy as np

TYPES = ["float32", "int8", "int16", "int32", "float16", "bfloat16"]


def text(value: str | bytes, end: bytes = b"\0") -> bytes:
    raw = (value if isinstance(value, bytes) else value.encode()) + end
    return struct.pack("<H", len(raw)) + raw


def variable(name: str | bytes, array: np.ndarray, **lies: int) -> bytes:
    """`lies` replace kind, size or rank after the truth was computed."""
    kind = lies.get("kind", TYPES.index(array.dtype.name))
    out = text(name) + struct.pack("<B", lies.get("rank", array.ndim)) + struct.pack(f"<{array.ndim}I", *array.shape)
    return out + struct.pack("<BI", kind, lies.get("size", array.nbytes)) + array.tobytes()


def build(
    variables: list[bytes],
    aliases: list | None = None,
    *,
    version: int = 6,
    specification: bytes = text("WhisperSpec"),
    counts: tuple[int, int] | None = None,
    tail: bytes = b"",
) -> bytes:
    aliases = aliases or []
    many, few = counts or (len(variables), len(aliases))
    out = struct.pack("<I", version) + specification + struct.pack("<II", 3, many) + b"".join(variables)
    return out + struct.pack("<I", few) + b"".join(text(alias) + text(name) for alias, name in aliases) + tail


def small() -> bytes:
    """A file with a variable of every type, quantised ones and an alias: what fuzzers start from."""
    import ml_dtypes

    variables = [
        variable("single", np.arange(6, dtype=np.float32).reshape(2, 3)),
        variable("half", np.ones(3, np.float16)),
        variable("brain", np.ones(2, ml_dtypes.bfloat16)),
        variable("count", np.array(3, np.int32)),
        variable("weight", np.array([[1, -2], [3, 4]], np.int8)),
        variable("weight_scale", np.array([2, 4], np.float32)),
        variable("wide", np.array([[100, -200]], np.int16)),
        variable("wide_scale", np.array(10, np.float32)),
        variable("flag", np.array(1, np.int8)),
    ]
    return build(variables, [("tied", "single"), ("again", "weight")])
