"""What every fuzzer of the readers shares: files to start from, and one attempt that may end in the hub's errors only.

While a reader works, a hook on Python's audit events refuses whatever would run, import or open something because of a
file: the process's own modules are loaded before, and the bytes are in memory.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import data_readers
import numpy as np
import safetensors
from handmade import ctranslate2, gguf, keras, onnx
from handmade.pytorch import Forge

from numzoo.hub.checkpoint import open_checkpoint, read_checkpoint, read_metadata, write_safetensors
from numzoo.hub.checkpoint.pytorch.disassembly import disassemble
from numzoo.hub.checkpoint.pytorch.opcodes import read_pickle
from numzoo.hub.checkpoint.scan import scan
from numzoo.hub.errors import HubError

ARRAYS = {
    "a": np.arange(4, dtype=np.float32),
    "b": np.array([True, False]),
    "c": np.array(3),
    "d": np.ones((2, 2), np.float16),
}

_FORBIDDEN = (
    "import", "exec", "compile", "open", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.remove",
    "os.rename", "os.mkdir", "subprocess.Popen", "socket.", "ctypes.", "code.__new__", "pickle.find_class", "urllib.",
    "marshal.", "shutil.", "tempfile.",
)  # fmt: skip
_watching = False


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event.startswith(_FORBIDDEN):
        raise AssertionError(f"a file made the reader do this: {event} {arguments!r:.200}")


sys.addaudithook(_hook)


@contextmanager
def watched() -> Iterator[None]:
    """Let nothing run, be imported or be opened meanwhile."""
    global _watching
    _watching = True
    try:
        yield
    finally:
        _watching = False


def seeds() -> dict[str, list[bytes]]:
    """Small whole files by reader."""
    with tempfile.TemporaryDirectory() as folder:
        write_safetensors(f"{folder}/s", ARRAYS, {"note": "text"})
        np.savez(f"{folder}/z.npz", **ARRAYS)
        np.savez_compressed(f"{folder}/c.npz", **ARRAYS)
        np.save(f"{folder}/y.npy", np.asfortranarray(np.ones((2, 3), ">f8")))
        np.save(f"{folder}/o.npy", np.array([None], object), allow_pickle=True)
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    legacy = Forge.state_legacy(ARRAYS)
    views = Forge.storage("FloatStorage", "0", 4)
    root = Forge.dict({"w": Forge.rebuild(views, 0, (2, 2), (1, 2)), "x": Forge.rebuild(views, 1, (3,), (1,))})
    many = Forge.dict(
        {"w": Forge.rebuild(views, 0, (2,), (0,)), "n": Forge.number(1.5), "l": Forge.list(b"N", b"\x88")}
    )
    return {
        "safetensors": [files["s"]],
        "torch-zip": [Forge.state_zip(ARRAYS), Forge.state_zip(ARRAYS, "big")],
        "pickle": [Forge.pickle(root), Forge.pickle(many), Forge.pickle(Forge.ordered({"a": b"K\x01q\x00h\x00\x86"}))],
        "torch-legacy": [legacy],
        "torch-tar": [Forge.state_tar(ARRAYS)],
        "packed": [Forge.zip([Forge.Entry("model.pth", legacy, method=8)]), Forge.zip([Forge.Entry("m.pth", legacy)])],
        "npz": [files["z.npz"], files["c.npz"]],
        "npy": [files["y.npy"], files["o.npy"]],
        "gguf": [gguf.small(), gguf.small(">")],
        "ctranslate2": [ctranslate2.small()],
        "onnx": [onnx.small()],
        "keras": [keras.weights_of_2(), keras.weights_of_3(), keras.varied(), keras.archive_of_3(zipfile.ZIP_DEFLATED)],
        "sharded": [json.dumps({"metadata": {"total_size": 28}, "weight_map": dict.fromkeys(ARRAYS, "s")}).encode()],
        "scan": [Forge.state_zip(ARRAYS), legacy, files["o.npy"], Forge.pickle(root), b"cos\nsystem\n(S'true'\ntR."],
        **data_readers.seeds(),
    }


def read(content: bytes) -> dict[str, np.ndarray] | None:
    """Read from memory and touch every element, so that nothing outside the bytes can hide. None where it is refused."""
    found, refusal = None, "."
    try:
        found = read_checkpoint(io.BytesIO(content))
    except HubError as error:
        refusal = str(error)
    assert refusal.endswith("."), refusal
    for array in (found or {}).values():
        array.tobytes()
        assert array.flags.writeable
        assert array.flags.aligned
    try:
        with open_checkpoint(io.BytesIO(content), dequantise=False) as opened:
            for name in opened:
                opened[name].tobytes()
    except HubError:
        assert found is None
    try:
        metadata = read_metadata(io.BytesIO(content))
    except HubError:
        assert found is None
    else:
        assert found is None or [tensor.name for tensor in metadata.tensors] == list(found)
    return found


def _watched_read(content: bytes) -> None:
    with watched():
        read(content)


def _safetensors(content: bytes) -> None:
    """What the reference library refuses, ours refuses."""
    with watched():
        found = read(content)
    try:
        safetensors.deserialize(content)
    except Exception:
        assert found is None or content[8:9] != b"{", "the reference library refuses this"


def _pickle(content: bytes) -> None:
    """What the machine takes, the scan calls safe, to the same byte; and inside a file it ends as it should."""
    label = "refused"
    with watched():
        try:
            read_pickle(memoryview(content), "it", lambda value: [value])
            label = "taken"
        except HubError:
            pass
        listed, end = disassemble(memoryview(content), "it")
        if label == "taken":
            assert listed.safe
            assert end == len(content)
    entries = [Forge.Entry("m/data.pkl", content), Forge.Entry("m/data/0", bytes(16))]
    _watched_read(Forge.zip(entries))


def _data(reader: str) -> Callable[[bytes], None]:
    def attempt(content: bytes) -> None:
        with watched():
            data_readers.ATTEMPTS[reader](content)

    return attempt


def _keras(content: bytes) -> None:
    try:
        for array in read_checkpoint(io.BytesIO(content)).values():
            array.tobytes()
    except HubError:
        pass


_folder: str | None = None


def _place(content: bytes) -> str:
    """Put the bytes into a file of one folder, beside a good shard."""
    global _folder
    if _folder is None:
        _folder = tempfile.mkdtemp()
        write_safetensors(f"{_folder}/s", ARRAYS)
    path = os.path.join(_folder, "x")
    Path(path).write_bytes(content)
    return path


def _sharded(content: bytes) -> None:
    with suppress(HubError):
        read_checkpoint(_place(content))


def _scan(content: bytes) -> None:
    path, said = _place(content), ""
    found = scan(path)
    json.dumps([[use.name for use in part.names] for part in found.pickles])
    try:
        read_checkpoint(path)
    except HubError as error:
        said = str(error)
    if said:  # some damage shows only when the bytes are looked at
        assert found.refusal or any(word in said for word in ("CRC-32", "booleans", "beyond its type")), said
    else:
        assert found.readable
        assert all(part.safe for part in found.pickles)


SPECIAL: dict[str, Callable[[bytes], None]] = {
    "safetensors": _safetensors,
    "pickle": _pickle,
    "keras": _keras,
    "sharded": _sharded,
    "scan": _scan,
    **{reader: _data(reader) for reader in data_readers.ATTEMPTS},
}


def attempt(reader: str, content: bytes) -> None:
    """Give `content` to a reader: only an error of the hub may come out, and AssertionError where a rule is broken."""
    SPECIAL.get(reader, _watched_read)(content)


def warm_up() -> None:
    """Load what the readers load when they are first used."""
    for reader, files in seeds().items():
        for content in files:
            if reader in data_readers.ATTEMPTS:
                data_readers.ATTEMPTS[reader](content)
            else:
                SPECIAL[reader](content) if reader in ("keras", "sharded", "scan") else read(content)
