"""What NVIDIA's libraries are named, found and missed by."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from numzoo.engine.kernels.cuda.libraries import installed as libraries
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


@pytest.mark.parametrize(
    ("cudnn", "front_end", "fits"),
    [
        ("9.19.0.56", "1.26.0", False), ("9.12.0", "1.24.1", False), ("9.22.0.52", "1.26.0", True), ("9.19.0.56", "1.23.0", True),
        ("9.19.0.56", "1.27.0", True), ("9.28.1.4", "1.23.0", True), (None, "1.26.0", True), ("9.19.0", None, True),
    ],
)  # fmt: skip
def test_a_front_end_that_asks_an_older_cudnn_for_too_much_is_named(
    cudnn: str | None, front_end: str | None, fits: bool, monkeypatch: Any
) -> None:
    found = libraries.misfit(cudnn, front_end)
    assert (found is None) == fits
    versions = {"nvidia-cudnn-cu13": cudnn, "nvidia-cudnn-frontend": front_end}
    monkeypatch.setattr(libraries, "product_version", lambda packages: versions.get(packages[0]))
    told = {finding.what: finding for finding in doctor.gpu_libraries()}
    assert ("cuDNN pair" in told) != fits
    if not fits:
        assert told["cuDNN pair"].state == "warn"
        assert told["cuDNN pair"].mend == "python -m pip install nvidia-cudnn-frontend==1.23.0"


def test_no_library_is_loaded_by_importing_the_kernels() -> None:
    program = (
        "import sys; import numzoo.engine.kernels.cuda; "
        "print([name for name in sys.modules if name.split('.')[0] in ('cupy', 'cupy_backends', 'nvmath', 'cudnn', 'cuda')])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[5] / ".dev")}
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert ended.stdout.strip() == "[]"


def test_what_no_library_computes_is_a_fault() -> None:
    with pytest.raises(TypeError, match="no library computes"):
        libraries.prepare(None, "a wish")  # type: ignore[arg-type]
