"""Files of Keras' weights, laid out as Keras 2 and Keras 3 lay them out, by h5py."""

from __future__ import annotations

import io
import zipfile

import h5py
import numpy as np

KERNEL, BIAS = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(3, np.float32)


def write(fill, **settings: object) -> bytes:
    """The bytes of an HDF5 file that `fill` fills."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **settings) as file:
        fill(file)
    return buffer.getvalue()


def _layers(group: h5py.Group) -> None:
    group.attrs["layer_names"] = np.array([b"zeta", b"input", b"alpha"])
    group.attrs["backend"] = b"tensorflow"
    group.attrs["keras_version"] = "2.15.0"
    group.create_group("input").attrs["weight_names"] = np.array([], "S1")
    for name in ("zeta", "alpha"):
        layer = group.create_group(name)
        layer.attrs["weight_names"] = np.array([f"{name}/kernel:0".encode(), f"{name}/bias:0".encode()])
        layer.create_dataset(f"{name}/kernel:0", data=KERNEL)
        layer.create_dataset(f"{name}/bias:0", data=BIAS)


def weights_of_2() -> bytes:
    """model.save_weights("x.h5") of Keras 2."""
    return write(_layers)


def model_of_2() -> bytes:
    """model.save("x.h5") of Keras 2: the weights in a group, the model's configuration and the optimiser beside."""

    def fill(file: h5py.File) -> None:
        file.attrs["model_config"] = '{"class_name": "Sequential"}'
        file.attrs["keras_version"] = "2.15.0"
        _layers(file.create_group("model_weights"))
        file.create_dataset("optimizer_weights/iteration:0", data=np.int64(3))

    return write(fill)


def weights_of_3() -> bytes:
    """model.save_weights("x.weights.h5") of Keras 3, groups in the order of making."""

    def fill(file: h5py.File) -> None:
        for path in ("layers/dense", "layers/dense_1"):
            group = file.create_group(f"{path}/vars", track_order=True)
            group.create_dataset("0", data=KERNEL)
            group.create_dataset("1", data=BIAS)
        half = file.create_dataset("layers/narrow/vars/0", data=np.array([0x3F80, 0xC000], np.uint16).view("V2"))
        half.attrs["dtype"] = "bfloat16"
        file.create_group("optimizer/vars")

    return write(fill)


def archive_of_3(method: int = zipfile.ZIP_STORED, weights: bytes | None = None) -> bytes:
    """model.save("x.keras") of Keras 3."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.5.0"}')
        archive.writestr("config.json", '{"class_name": "Functional"}')
        archive.writestr("model.weights.h5", weights or weights_of_3())
    return buffer.getvalue()


def varied() -> bytes:
    """Types, byte orders, chunks and compression in one file."""

    def fill(file: h5py.File) -> None:
        for dtype in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
            for order in "<>":
                file.create_dataset(f"{dtype}{'big' if order == '>' else ''}", data=np.arange(4).astype(order + dtype))
        file.create_dataset("flags", data=np.array([True, False]))
        file.create_dataset(
            "packed", data=np.arange(100.0).reshape(10, 10), chunks=(3, 4), compression="gzip", shuffle=True
        )
        file.create_dataset("chunked", data=np.arange(10, dtype="i4"), chunks=(3,), fletcher32=True)
        file.create_dataset("scalar", data=np.float32(2.5))
        file.create_dataset("nothing", data=np.zeros((0, 3), np.float32))
        file.create_dataset("words", data=["a", "b"])
        file.create_dataset("inside", data=np.arange(2, dtype="i2"), dtype="i2")

    return write(fill)
