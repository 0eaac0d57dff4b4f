"""Python, the packages, the registry, the kernels, the GPU."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

from numzoo.hub.doctor.finding import Finding
from numzoo.hub.quantities import size_text
from numzoo.hub.registry.choice import Registries

__all__ = ["gpu", "onednn", "packages", "python", "registry"]

_PACKAGE = __package__.split(".")[0]


def python() -> Iterator[Finding]:
    """Is this Python new enough?"""
    import platform

    version = platform.python_version()
    detail = f"{version} ({platform.python_implementation()}, {platform.system()} {platform.machine()})"
    if sys.version_info >= (3, 10):  # noqa: UP036  (a wheel can be unpacked under an older one)
        yield Finding("python", "ok", detail)
    else:
        yield Finding("python", "fail", detail, "numzoo needs Python 3.10 or newer.")


def packages() -> Iterator[Finding]:
    """Is everything installed that numzoo needs?"""
    from importlib.metadata import PackageNotFoundError, version

    from numzoo import __version__

    yield Finding("numzoo", "ok", __version__)
    for name in ("numpy", "ml_dtypes", "requests", "safetensors", "pillow", "tqdm"):
        try:
            yield Finding(name, "ok", version(name))
        except PackageNotFoundError:
            yield Finding(name, "fail", "not installed", f"python -m pip install {name}")


def registry(chosen: Registries) -> Iterator[Finding]:
    """Is every entry of the registry well-formed, the package's own if none is chosen?"""
    from numzoo.hub.registry.names import open_registry

    manifest = open_registry(chosen).manifest
    for name in manifest.names:
        manifest.entry(name)
    yield Finding("registry", "ok", f"{len(manifest.names)} entries, {len(manifest.samples)} samples")


def onednn() -> Iterator[Finding]:
    """Do the fast kernels load?"""
    status = importlib.import_module(f"{_PACKAGE}.engine.kernels.cpu.onednn").status
    works, detail = status()
    if works:
        yield Finding("oneDNN", "ok", detail)
    else:
        yield Finding(
            "oneDNN",
            "warn",
            f"{detail}; NumPy serves instead, more slowly",
            "python -m pip install onednn-cpu-gomp==2023.2.0 (Linux, x86-64), and libgomp: apt-get install libgomp1; "
            "or set NUMZOO_ONEDNN to the path of a libdnnl.so.3",
        )


def gpu() -> Iterator[Finding]:
    """Is there a GPU, and does CuPy reach it? Without a GPU of NVIDIA's there is nothing to mend."""
    import shutil
    from importlib.util import find_spec

    if find_spec("cupy") is None:
        if shutil.which("nvidia-smi"):
            mend = "python -m pip install 'numzoo[gpu]'"
            yield Finding("GPU", "warn", "there is an NVIDIA driver, but CuPy is not installed; the CPU serves", mend)
        else:
            yield Finding("GPU", "ok", "none; the CPU serves")
        return
    cupy = importlib.import_module("cupy")
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except Exception as error:
        yield Finding("GPU", "warn", f"CuPy {cupy.__version__}: {error}", "Check the NVIDIA driver with nvidia-smi.")
        return
    for index in range(count):
        properties = cupy.cuda.runtime.getDeviceProperties(index)
        name = properties["name"].decode(errors="replace")
        yield Finding("GPU", "ok", f"cuda:{index} {name}, {size_text(properties['totalGlobalMem'])}")
    yield from gpu_libraries()


def gpu_libraries() -> Iterator[Finding]:
    """Which of NVIDIA's libraries are installed, and in which versions?"""
    libraries = importlib.import_module(f"{_PACKAGE}.engine.kernels.cuda.libraries.installed")
    versions: dict[str, str | None] = {}
    for name, found, purpose in libraries.parts():
        versions[name] = found
        if found is None:
            yield Finding(name, "warn", f"not installed: {purpose}", "python -m pip install 'numzoo[gpu]'")
        else:
            yield Finding(name, "ok", f"{found}: {purpose}")
    unfit = libraries.misfit(versions["cuDNN"], versions["cuDNN front end"])
    if unfit is not None:
        yield Finding("cuDNN pair", "warn", *unfit)
