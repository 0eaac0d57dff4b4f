"""NVIDIA's run-time compiler: from CUDA C++ to machine code of one kind of GPU. It needs no driver and no GPU.

Its library comes with the wheel ``nvidia-cuda-nvrtc`` or with a CUDA toolkit; ``NUMZOO_NVRTC`` names another one.
"""

from __future__ import annotations

import ctypes
import glob
import importlib.util
import os
import sys
from functools import cache

from ....errors import DeviceError

__all__ = ["compile_source", "version"]

_NAMES = ("libnvrtc.so.13", "libnvrtc.so.12", "nvrtc64_130_0.dll", "nvrtc64_120_0.dll")
_OPTIONS = ("--std=c++17", "--device-as-default-execution-space", "--extra-device-vectorization")


@cache
def _library() -> ctypes.CDLL:
    tried = []
    for name in _candidates():
        try:
            return ctypes.CDLL(name)
        except OSError as problem:
            tried.append(f"{name}: {problem}")
    raise DeviceError(
        "CUDA kernels need NVIDIA's run-time compiler (NVRTC), which was not found; install it with: pip install "
        f"'numzoo[gpu]', or name its library in NUMZOO_NVRTC ({'; '.join(tried[:2])})"
    )


def _candidates() -> list[str]:
    named = os.environ.get("NUMZOO_NVRTC")
    if named:
        return [named]
    found: list[str] = []
    package = importlib.util.find_spec("nvidia")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for pattern in ("cu1*/lib/libnvrtc.so.1*", "cuda_nvrtc/lib/libnvrtc.so.1*", "cu1*/bin/**/nvrtc64_1*_0.dll"):
            found += sorted(glob.glob(os.path.join(folder, pattern), recursive=True), reverse=True)
    toolkit = os.environ.get("CUDA_PATH")
    if toolkit and sys.platform != "win32":
        found += [os.path.join(toolkit, "lib64", name) for name in _NAMES[:2]]
    return [*found, *_NAMES]


def version() -> tuple[int, int]:
    """The compiler's version, as (13, 0)."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    _check(_library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
    return major.value, minor.value


def compile_source(
    source: str, name: str, headers: dict[str, str], options: tuple[str, ...], architecture: str
) -> bytes:
    """The machine code (a cubin) of a source for an ``architecture`` such as ``"sm_90a"``.

    ``headers`` are the texts that ``#include`` finds. Raises DeviceError with the compiler's own words.
    """
    library = _library()
    program = ctypes.c_void_p()
    texts = (ctypes.c_char_p * len(headers))(*(text.encode() for text in headers.values()))
    names = (ctypes.c_char_p * len(headers))(*(header.encode() for header in headers))
    _check(
        library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), name.encode(), len(headers), texts, names)
    )
    try:
        words = [f"--gpu-architecture={architecture}", *_OPTIONS, *options]
        given = (ctypes.c_char_p * len(words))(*(word.encode() for word in words))
        if library.nvrtcCompileProgram(program, len(words), given):
            raise DeviceError(f"{name} did not compile for {architecture} with {' '.join(options)}:\n{_log(program)}")
        size = ctypes.c_size_t()
        _check(library.nvrtcGetCUBINSize(program, ctypes.byref(size)))
        code = ctypes.create_string_buffer(size.value)
        _check(library.nvrtcGetCUBIN(program, code))
        return code.raw
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def _log(program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    _check(_library().nvrtcGetProgramLogSize(program, ctypes.byref(size)))
    log = ctypes.create_string_buffer(size.value)
    _check(_library().nvrtcGetProgramLog(program, log))
    return log.value.decode(errors="replace")


def _check(status: int) -> None:
    if status:
        text = _library().nvrtcGetErrorString
        text.restype = ctypes.c_char_p
        raise DeviceError(f"NVRTC failed: {text(status).decode()}")
