"""What NVIDIA's libraries are named, found and missed by."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from numzoo.engine.kernels.cuda import libraries
from numzoo.hub.doctor import machine as doctor


def test_every_part_has_a_version_or_is_said_to_be_missing(monkeypatch: Any) -> None:
    installed = {"cupy-cuda12x": "14.2.0", "nvidia-cudnn-cu13": "9.28.1.4"}

    def version(name: str) -> str:
        if name in installed:
            return installed[name]
        raise libraries.PackageNotFoundError(name)

    monkeypatch.setattr(libraries, "version", version)
    found = {name: number for name, number, _ in libraries.parts()}
    assert found == {
        "CuPy": "14.2.0", "nvmath-python": None, "cublasLt": None, "NVRTC": None, "CUDA runtime": None, "cuDNN": "9.28.1.4",
        "cuDNN front end": None,
    }  # fmt: skip
    told = {finding.what: finding for finding in doctor.gpu_libraries()}
    assert told["cuDNN"].state == "ok"
    assert told["cuDNN"].detail.startswith("9.28.1.4")
    assert told["cublasLt"].state == "warn"
    assert "pip install 'numzoo[gpu]'" in told["cublasLt"].mend


def test_no_library_is_loaded_by_importing_the_kernels() -> None:
    program = (
        "import sys; import numzoo.engine.kernels.cuda; "
        "print([name for name in sys.modules if name.split('.')[0] in ('cupy', 'cupy_backends', 'nvmath', 'cudnn', 'cuda')])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4] / ".dev")}
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert ended.stdout.strip() == "[]"


def test_what_no_library_computes_is_a_fault() -> None:
    with pytest.raises(TypeError, match="no library computes"):
        libraries.prepare(None, "a wish")  # type: ignore[arg-type]
