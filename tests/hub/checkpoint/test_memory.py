"""Peak memory of a whole process while it reads, against the bounds that docs/security.md states."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from handmade import ctranslate2, gguf, onnx

from numzoo.hub.checkpoint import write_safetensors

MEBIBYTE = 1 << 20
SIZE = 48 * MEBIBYTE
SLACK = 64 * MEBIBYTE

ROOT = str(Path(write_safetensors.__code__.co_filename).parents[2] / ".dev")
READ = """
import resource, sys
from numzoo.hub import checkpoint
import numzoo.hub.checkpoint.detect, ml_dtypes
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{how}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""
WHOLE = "found = checkpoint.read_checkpoint(sys.argv[1])\nfor array in found.values(): array.max()"
ONE_BY_ONE = "with checkpoint.open_checkpoint(sys.argv[1]) as found:\n    for name in found: found[name].max()"


def peak(path: Path, how: str) -> int:
    """The bytes by which a fresh process grows while it reads every element of a file."""
    done = subprocess.run(
        [sys.executable, "-c", READ.format(how=how), str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": ROOT},
    )
    return int(done.stdout)


def files(forge, folder: Path) -> dict[str, tuple[str, int]]:
    """Write a file for each case; give how it is read and the bytes that may be taken beyond 64 MiB."""
    array = np.zeros(SIZE // 4, np.float32)
    half = [np.zeros(SIZE // 8, np.float32)] * 2
    write_safetensors(folder / "aligned", {"w": array})
    header = b'{"w":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}} ' % (len(array), SIZE)
    (folder / "unaligned").write_bytes(forge.safetensors(header, array.tobytes()))
    (folder / "torch").write_bytes(forge.state_zip({"w": array}))
    (folder / "legacy").write_bytes(forge.state_legacy({"w": array}))
    np.savez_compressed(folder / "packed.npz", a=half[0], b=half[1])
    blocks = bytes(34 * (SIZE // 128 // 4))
    (folder / "gguf").write_bytes(gguf.build([(f"w{n}", (32, SIZE // 128 // 4), 8, blocks) for n in range(4)]))
    (folder / "ctranslate2").write_bytes(ctranslate2.build([ctranslate2.variable("w", array)]))
    (folder / "onnx").write_bytes(onnx.model([onnx.raw("w", array)]))
    numbers = onnx.field(7, np.ones(SIZE // 8, np.uint8).tobytes())
    (folder / "numbers").write_bytes(onnx.model([onnx.tensor("w", 7, (SIZE // 8,), numbers)]))
    return {
        "aligned": (WHOLE, SIZE),
        "unaligned": (WHOLE, SIZE),
        "torch": (WHOLE, SIZE),
        "legacy": (WHOLE, SIZE),
        "packed.npz": (WHOLE, SIZE),
        "gguf": (WHOLE, SIZE + SIZE * 34 // 128),
        "gguf ": (ONE_BY_ONE, SIZE // 4 + SIZE * 34 // 128),
        "ctranslate2": (WHOLE, SIZE),
        "onnx": (
            WHOLE,
            SIZE + SIZE,
        ),  # no alignment: tensors are copied, while their bytes were read through the mapping
        "numbers": (WHOLE, SIZE + SIZE // 8),
    }


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the unit of ru_maxrss is Linux's")
def test_reading_takes_no_more_than_is_stated(forge, tmp_path):
    beyond = {}
    for name, (how, most) in files(forge, tmp_path).items():
        taken = peak(tmp_path / name.strip(), how)
        if taken > most + SLACK:
            beyond[name] = (taken // MEBIBYTE, most // MEBIBYTE)
    assert beyond == {}


def test_a_deflated_archive_takes_what_it_unpacks_to_and_no_more_than_16_times_its_size(tmp_path):
    path = tmp_path / "z.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as member:
        np.lib.format.write_array(member, np.zeros(SIZE // 2, np.float32))
    assert path.stat().st_size < MEBIBYTE
    assert "UnsafeFileError" in _failure(path)


def _failure(path: Path) -> str:
    code = READ.format(how=WHOLE)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ROOT}
    )
    return done.stderr
