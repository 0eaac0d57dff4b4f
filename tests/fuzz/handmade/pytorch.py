"""A writer of checkpoints by hand, from the formats' descriptions: valid ones, and ones that lie in a chosen place."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}


@dataclass
class Entry:
    """A zip member; `local` and `central` replace fields of the two headers after the truth was computed."""

    name: str
    data: bytes
    method: int = 0
    flags: int = 0
    local: dict = field(default_factory=dict)
    central: dict = field(default_factory=dict)
    before: bytes = b""
    descriptor: bytes | None = None
    padding: bool = True


class Forge:
    """Bytes of pickles, and of the files around them."""

    Entry = Entry
    storages = STORAGES

    # Opcodes: each gives the bytes that push one value.
    mark, none, true, false, empty_list, empty_dict, empty_tuple = b"(", b"N", b"\x88", b"\x89", b"]", b"}", b")"
    reduce, build, newobj, persistent, stop = b"R", b"b", b"\x81", b"Q", b"."

    @staticmethod
    def text(value: str) -> bytes:
        raw = value.encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(raw)) + raw

    @staticmethod
    def integer(value: int) -> bytes:
        if 0 <= value < 256:
            return b"K" + bytes([value])
        if 0 <= value < 65536:
            return b"M" + struct.pack("<H", value)
        if -(1 << 31) <= value < 1 << 31:
            return b"J" + struct.pack("<i", value)
        raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        return b"\x8a" + bytes([len(raw)]) + raw

    @staticmethod
    def number(value: float) -> bytes:
        return b"G" + struct.pack(">d", value)

    @staticmethod
    def named(module: str, attribute: str) -> bytes:
        return f"c{module}\n{attribute}\n".encode()

    @staticmethod
    def tuple(*parts: bytes) -> bytes:
        return b"(" + b"".join(parts) + b"t"

    @staticmethod
    def list(*parts: bytes) -> bytes:
        return b"](" + b"".join(parts) + b"e"

    @staticmethod
    def pickle(*parts: bytes) -> bytes:
        return b"\x80\x02" + b"".join(parts) + b"."

    @classmethod
    def dict(cls, items: dict[str, bytes]) -> bytes:
        return b"}(" + b"".join(cls.text(key) + value for key, value in items.items()) + b"u"

    @classmethod
    def ordered(cls, items: dict[str, bytes] | None = None) -> bytes:
        filled = b"".join(cls.text(key) + value for key, value in (items or {}).items())
        return cls.named("collections", "OrderedDict") + b")R" + (b"(" + filled + b"u" if filled else b"")

    @classmethod
    def call(cls, module: str, attribute: str, *arguments: bytes) -> bytes:
        return cls.named(module, attribute) + cls.tuple(*arguments) + b"R"

    @classmethod
    def storage(cls, kind: str, key: str, elements: int, *more: bytes) -> bytes:
        """A persistent id; the legacy stream has one more part."""
        parts = [cls.text("storage"), cls.named("torch", kind), cls.text(key), cls.text("cpu"), cls.integer(elements)]
        return cls.tuple(*parts, *more) + b"Q"

    @classmethod
    def shape(cls, *sizes: int) -> bytes:
        return cls.tuple(*map(cls.integer, sizes))

    @classmethod
    def rebuild(cls, storage: bytes, offset: int, shape: tuple, strides: tuple, hooks: bytes | None = None) -> bytes:
        hooks = cls.ordered() if hooks is None else hooks
        parts = (storage, cls.integer(offset), cls.shape(*shape), cls.shape(*strides), b"\x89", hooks)
        return cls.call("torch._utils", "_rebuild_tensor_v2", *parts)

    @staticmethod
    def strides(shape: tuple) -> tuple:
        return tuple(int(np.prod([max(size, 1) for size in shape[axis + 1 :]])) for axis in range(len(shape)))

    # Containers.
    @staticmethod
    def zip(
        entries: list,
        *,
        prefix: bytes = b"",
        tail: bytes = b"",
        comment: bytes = b"",
        wide: bool = True,
        end: dict | None = None,
        between: bytes = b"",
    ) -> bytes:
        body, central = bytearray(prefix), b""
        for entry in entries:
            body += entry.before
            start, data = len(body), entry.data
            if entry.method == 8:
                packer = zlib.compressobj(9, zlib.DEFLATED, -15)
                data = packer.compress(data) + packer.flush()
            facts = {
                "name": entry.name.encode("utf-8"),
                "flags": entry.flags,
                "method": entry.method,
                "crc": zlib.crc32(entry.data),
                "packed": len(data),
                "size": len(entry.data),
            }
            local = {**facts, **({"crc": 0, "packed": 0, "size": 0} if entry.flags & 8 else {}), **entry.local}
            length = 30 + len(local["name"]) + 4
            filler = b"Z" * (-(start + length) % 64) if entry.padding else b""
            extra = local.get("extra", b"FB" + struct.pack("<H", len(filler)) + filler)
            body += struct.pack(
                "<4s5H3I2H",
                local.get("mark", b"PK\x03\x04"),
                0,
                local["flags"],
                local["method"],
                0,
                0,
                local["crc"],
                local["packed"],
                local["size"],
                len(local["name"]),
                local.get("extra size", len(extra)),
            )
            body += local["name"] + extra + data
            if entry.flags & 8 and entry.descriptor is None:
                body += b"PK\x07\x08" + struct.pack("<3I", facts["crc"], facts["packed"], facts["size"])
            body += entry.descriptor or b""
            made = {**facts, "header": start, "extra": b"", "external": 0, "system": 0, "comment": b"", **entry.central}
            central += struct.pack(
                "<4s6H3I5H2I",
                made.get("mark", b"PK\x01\x02"),
                made["system"] << 8,
                0,
                made["flags"],
                made["method"],
                0,
                0,
                made["crc"],
                made["packed"],
                made["size"],
                len(made["name"]),
                len(made["extra"]),
                made.get("comment size", len(made["comment"])),
                made.get("disk", 0),
                0,
                made["external"],
                made["header"],
            )
            central += made["name"] + made["extra"] + made["comment"]
        body += between
        told = {"count": len(entries), "size": len(central), "begin": len(body), **(end or {})}
        record = b""
        if wide:
            many = len(entries)
            sizes = (many, many, len(central), len(body))
            record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", told.get("wide size", 44), 798, 45, 0, 0, *sizes)
            place = told.get("wide at", len(body) + len(central))
            record += struct.pack("<4sIQI", b"PK\x06\x07", 0, place, told.get("disks", 1))
        numbers = (told.get("disk", 0), 0, told.get("here", told["count"]), told["count"], told["size"], told["begin"])
        last = struct.pack("<4s4H2IH", b"PK\x05\x06", *numbers, told.get("comment", len(comment)))
        return bytes(body) + central + record + last + comment + tail

    @staticmethod
    def tar(members: list, *, tail: bytes = b"\x00" * 1024) -> bytes:
        """Members are (name, data) or (name, data, fields), where fields replace the header's."""
        out = b""
        for name, data, *rest in members:
            told = {"kind": b"0", "size": b"%011o\x00" % len(data), "link": b"", "prefix": b"", "magic": b"ustar\x0000"}
            told.update(rest[0] if rest else {})
            head = (
                name.encode().ljust(100, b"\x00")
                + b"0000644\x00"
                + b"0000000\x00" * 2
                + told["size"].ljust(12, b"\x00")
            )
            head += b"00000000000\x00" + b" " * 8 + told["kind"] + told["link"].ljust(100, b"\x00") + told["magic"]
            head = (head.ljust(345, b"\x00") + told["prefix"]).ljust(512, b"\x00")
            checksum = told.get("checksum", b"%06o\x00 " % sum(head))
            out += head[:148] + checksum + head[156:] + data + b"\x00" * (-len(data) % 512)
        return out + tail

    @staticmethod
    def safetensors(header: object, data: bytes = b"", *, size: int | None = None, pad: bool = True) -> bytes:
        raw = header if isinstance(header, bytes) else json.dumps(header).encode()
        if pad and not isinstance(header, bytes):
            raw += b" " * (-len(raw) % 8)
        return (len(raw) if size is None else size).to_bytes(8, "little") + raw + data

    # Whole files of plain arrays.
    @classmethod
    def torch_zip(cls, root: bytes, storages: dict[str, bytes], *, top: str = "model", **notes: str) -> bytes:
        """`root` are the opcodes of the object; `notes` are further members such as byteorder."""
        members = [Entry(f"{top}/data.pkl", cls.pickle(root), flags=0x808)]
        members += [
            Entry(f"{top}/{name.replace('_', '.', 1) if name.startswith('_') else name}", value.encode())
            for name, value in notes.items()
        ]
        for key, data in storages.items():
            empty = {"descriptor": b""} if not data else {}
            members.append(Entry(f"{top}/data/{key}", data, flags=0x808, **empty))
        members.append(Entry(f"{top}/version", b"3\n", flags=0x808))
        return cls.zip(members)

    @classmethod
    def state_zip(cls, arrays: dict[str, np.ndarray], order: str = "little") -> bytes:
        items, storages = {}, {}
        for index, (name, array) in enumerate(arrays.items()):
            key = str(index)
            storage = cls.storage(STORAGES[array.dtype.name], key, array.size)
            items[name] = cls.rebuild(storage, 0, array.shape, cls.strides(array.shape))
            storages[key] = cls.raw(array, order)
        return cls.torch_zip(cls.ordered(items), storages, byteorder=order)

    @classmethod
    def stream(
        cls,
        root: bytes,
        storages: list,
        *,
        little: bool = True,
        keys: list | None = None,
        tail: bytes = b"",
        version: int = 1001,
    ) -> bytes:
        """The legacy stream; storages are (key, elements, raw)."""
        facts = {
            "protocol_version": cls.integer(1001),
            "little_endian": b"\x88" if little else b"\x89",
            "type_sizes": cls.dict({"short": cls.integer(2), "int": cls.integer(4), "long": cls.integer(4)}),
        }
        keys = [key for key, _, _ in storages] if keys is None else keys
        out = cls.pickle(cls.integer(0x1950A86A20F9469CFC6C)) + cls.pickle(cls.integer(version))
        out += cls.pickle(cls.dict(facts)) + cls.pickle(root) + cls.pickle(cls.list(*map(cls.text, keys)))
        for _, elements, raw in storages:
            out += struct.pack("<q", elements) + raw
        return out + tail

    @classmethod
    def state_legacy(cls, arrays: dict[str, np.ndarray], order: str = "little") -> bytes:
        items, storages = {}, []
        for index, (name, array) in enumerate(arrays.items()):
            key = str(94577194709040 + index)
            storage = cls.storage(STORAGES[array.dtype.name], key, array.size, b"N")
            items[name] = cls.rebuild(storage, 0, array.shape, cls.strides(array.shape))
            storages.append((key, array.size, cls.raw(array)))  # little-endian on every machine
        return cls.stream(cls.ordered(items), storages, little=order == "little")

    @classmethod
    def tar_storages(cls, storages: list, views: list | None = None) -> bytes:
        """Storages are (key, kind, elements, raw); views are (target, root, offset, size)."""
        out = cls.pickle(cls.integer(len(storages)))
        for key, kind, elements, raw in storages:
            out += cls.pickle(cls.tuple(cls.integer(key), cls.text("cpu"), cls.named("torch", kind)))
            out += struct.pack("<q", elements) + raw
        return out + cls.pickle(cls.list(*(cls.tuple(*map(cls.integer, view)) for view in views or [])))

    @classmethod
    def tar_tensors(cls, tensors: list) -> bytes:
        """Tensors are (key, storage, kind, shape, strides, offset)."""
        out = cls.pickle(cls.integer(len(tensors)))
        for key, storage, kind, shape, strides, offset in tensors:
            out += cls.pickle(cls.tuple(cls.integer(key), cls.integer(storage), cls.named("torch", kind)))
            out += struct.pack("<i4x", len(shape))
            out += struct.pack(f"<{2 * len(shape) + 1}q", *shape, *strides, offset)
        return out

    @classmethod
    def tar_members(cls, root: bytes, storages: bytes, tensors: bytes) -> list:
        facts = cls.pickle(cls.dict({"protocol_version": cls.integer(1000), "little_endian": b"\x88"}))
        return [("sys_info", facts), ("pickle", cls.pickle(root)), ("tensors", tensors), ("storages", storages)]

    @classmethod
    def state_tar(cls, arrays: dict[str, np.ndarray]) -> bytes:
        items, storages, tensors = {}, [], []
        for index, (name, array) in enumerate(arrays.items()):
            kind = STORAGES[array.dtype.name]
            assert "Complex" not in kind, "complex numbers came years after the tar format"
            storages.append((1000 + index, kind, array.size, cls.raw(array)))
            tensor = kind.replace("Storage", "Tensor")
            tensors.append((2000 + index, 1000 + index, tensor, array.shape, cls.strides(array.shape), 0))
            items[name] = cls.integer(2000 + index) + b"Q"
        return cls.tar(cls.tar_members(cls.ordered(items), cls.tar_storages(storages), cls.tar_tensors(tensors)))

    @staticmethod
    def raw(array: np.ndarray, order: str = "little") -> bytes:
        unit = array.dtype.itemsize // (2 if array.dtype.kind == "c" else 1)
        plain = np.ascontiguousarray(array).reshape(-1).view(f"u{unit}")
        return plain.astype(plain.dtype.newbyteorder("<" if order == "little" else ">")).tobytes()

    @staticmethod
    def arrays() -> dict[str, np.ndarray]:
        """One small array of every kind that NumPy has itself, with 0-dimensional and empty ones."""
        random = np.random.default_rng(7)
        made = {
            "half": random.standard_normal((2, 3)).astype(np.float16),
            "single": random.standard_normal((3, 2, 2)).astype(np.float32),
            "double": random.standard_normal(5),
            "bytes": random.integers(0, 256, 7, dtype=np.uint8),
            "flag": random.integers(0, 2, (2, 2)).astype(bool),
            "pair": (random.standard_normal(3) + 1j * random.standard_normal(3)).astype(np.complex64),
            "wide_pair": random.standard_normal(2) + 1j * random.standard_normal(2),
            "scalar": np.array(42, np.int64),
            "nothing": np.zeros((0, 3), np.float32),
        }
        for width in (8, 16, 32, 64):
            made[f"int{width}"] = random.integers(-100, 100, (2, 2)).astype(f"int{width}")
        return made
