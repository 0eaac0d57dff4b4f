"""The oneDNN shared library: where it is looked for, what is bound of it, and why it could not be loaded.

Only the C interface of oneDNN 3.x is used (header `oneapi/dnnl/dnnl.h`), which is stable over all 3.x releases.
Nothing is loaded at import; `library()` loads on its first call and remembers the outcome, good or bad.
"""

from __future__ import annotations

import ctypes
import os
import sys
import sysconfig
import threading
from collections.abc import Iterator
from ctypes import POINTER, c_char, c_char_p, c_float, c_int, c_int32, c_int64, c_size_t, c_uint, c_void_p
from pathlib import Path
from typing import Any

from .threads import brief_spinning

FILE_NAME = "libdnnl.so.3"

# Values of the C enumerations that the kernels use.
ENGINE_CPU = 1
STREAM_IN_ORDER = 1
OUT_OF_MEMORY = 1
UNIMPLEMENTED = 3
SCRATCHPAD_USER = 1
RUNTIME_OPENMP = 2

QUERY_IMPLEMENTATION = 8
QUERY_STRIDES = 14
QUERY_SCRATCHPAD = 136
QUERY_ARGUMENT = 255
QUERY_AXES = 256
QUERY_DATA_TYPE = 258
QUERY_PADDED_SHAPE = 260
QUERY_BLOCK_LEVELS = 263
QUERY_BLOCK_SIZES = 264
QUERY_BLOCK_AXES = 265

ISA_NAMES = {
    0x1: "SSE4.1",
    0x3: "AVX",
    0x7: "AVX2",
    0xF: "AVX2 with VNNI",
    0x1F: "AVX2 with VNNI 2",
    0x27: "AVX-512",
    0x67: "AVX-512 with VNNI",
    0xE7: "AVX-512 with bf16",
    0x1EF: "AVX-512 with fp16",
    0xFEF: "AVX-512 with AMX",
    0x1FEF: "AVX-512 with AMX fp16",
}

_DIMENSIONS = POINTER(c_int64)
_CREATE: dict[str, tuple[Any, ...]] = {
    # name: the arguments between (primitive_desc*, engine) and the final attributes
    "matmul": (c_void_p,) * 4,
    "binary": (c_int, c_void_p, c_void_p, c_void_p),
    "convolution_forward": (c_int, c_int, *(c_void_p,) * 4, *(_DIMENSIONS,) * 4),
    "convolution_backward_data": (c_int, *(c_void_p,) * 3, *(_DIMENSIONS,) * 4, c_void_p),
    "convolution_backward_weights": (c_int, *(c_void_p,) * 4, *(_DIMENSIONS,) * 4, c_void_p),
    "eltwise_forward": (c_int, c_int, c_void_p, c_void_p, c_float, c_float),
    "eltwise_backward": (c_int, c_void_p, c_void_p, c_void_p, c_float, c_float, c_void_p),
    "softmax_forward": (c_int, c_int, c_void_p, c_void_p, c_int),
    "softmax_backward": (c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p),
    "pooling_forward": (c_int, c_int, c_void_p, c_void_p, *(_DIMENSIONS,) * 5),
    "pooling_backward": (c_int, c_void_p, c_void_p, *(_DIMENSIONS,) * 5, c_void_p),
    "batch_normalization_forward": (c_int, c_void_p, c_void_p, c_float, c_uint),
    "batch_normalization_backward": (c_int, c_void_p, c_void_p, c_void_p, c_float, c_uint, c_void_p),
    "resampling_forward": (c_int, c_int, *(c_void_p,) * 3),
    "layer_normalization_forward": (c_int, c_void_p, c_void_p, c_void_p, c_float, c_uint),
    "layer_normalization_backward": (c_int, *(c_void_p,) * 4, c_float, c_uint, c_void_p),
}


class ExecutionArgument(ctypes.Structure):
    """One argument of an execution: which one it is, and its memory object."""

    _fields_ = [("argument", c_int), ("memory", c_void_p)]


class _Version(ctypes.Structure):
    _fields_ = [
        ("major", c_int),
        ("minor", c_int),
        ("patch", c_int),
        ("hash", c_char_p),
        ("cpu_runtime", c_uint),
        ("gpu_runtime", c_uint),
    ]


class Library:
    """The bound functions of one loaded oneDNN, its CPU engine and the attributes every primitive is made with."""

    def __init__(self, path: str) -> None:
        self.path = path
        # Two views of one library: calls that compute release the interpreter's lock, calls that only note a
        # pointer keep it.
        with brief_spinning():
            self._working = ctypes.CDLL(path)
        self._noting = ctypes.PyDLL(path)
        self._working.dnnl_version.restype = POINTER(_Version)
        version = self._working.dnnl_version().contents
        if version.major != 3:
            raise OSError(f"it is oneDNN {version.major}.{version.minor}; numzoo speaks the interface of oneDNN 3")
        self.version = f"{version.major}.{version.minor}.{version.patch}"
        self.openmp = version.cpu_runtime == RUNTIME_OPENMP
        isa = int(self._working.dnnl_get_effective_cpu_isa())
        self.isa = ISA_NAMES.get(isa, f"instruction set {isa:#x}")

        self.execute = self._bind(self._working, "dnnl_primitive_execute", c_void_p, c_void_p, c_int, c_void_p)
        self.primitive_create = self._bind(self._working, "dnnl_primitive_create", c_void_p, c_void_p)
        self.reorder_create = self._bind(self._working, "dnnl_reorder_primitive_desc_create", *(c_void_p,) * 6)
        self.set_data_handle = self._bind(self._noting, "dnnl_memory_set_data_handle", c_void_p, c_void_p)
        self.memory_create = self._bind(self._noting, "dnnl_memory_create", *(c_void_p,) * 4)
        self.memory_destroy = self._bind(self._noting, "dnnl_memory_destroy", c_void_p)
        self.stream_create = self._bind(self._noting, "dnnl_stream_create", c_void_p, c_void_p, c_uint)
        self.stream_destroy = self._bind(self._noting, "dnnl_stream_destroy", c_void_p)
        self.primitive_destroy = self._bind(self._noting, "dnnl_primitive_destroy", c_void_p)
        self.descriptor_destroy = self._bind(self._noting, "dnnl_primitive_desc_destroy", c_void_p)
        self.query = self._bind(self._noting, "dnnl_primitive_desc_query", c_void_p, c_int, c_int, c_void_p)
        self.query_memory = self._bind(self._noting, "dnnl_primitive_desc_query_md", c_void_p, c_int, c_int)
        self.query_memory.restype = c_void_p
        self.layout_create = self._bind(
            self._noting, "dnnl_memory_desc_create_with_strides", c_void_p, c_int, _DIMENSIONS, c_int, _DIMENSIONS
        )
        self.layout_create_tag = self._bind(
            self._noting, "dnnl_memory_desc_create_with_tag", c_void_p, c_int, _DIMENSIONS, c_int, c_int
        )
        self.layout_destroy = self._bind(self._noting, "dnnl_memory_desc_destroy", c_void_p)
        self.layout_query = self._bind(self._noting, "dnnl_memory_desc_query", c_void_p, c_int, c_void_p)
        self.layout_equal = self._bind(self._noting, "dnnl_memory_desc_equal", c_void_p, c_void_p)
        self.layout_bytes = self._bind(self._noting, "dnnl_memory_desc_get_size", c_void_p)
        self.layout_bytes.restype = c_size_t
        self.creators = {
            name: self._bind(
                self._working, f"dnnl_{name}_primitive_desc_create", c_void_p, c_void_p, *arguments, c_void_p
            )
            for name, arguments in _CREATE.items()
        }

        # C (M, N) = alpha A B + beta C by rows: transposed A and B (N or T), M, N, K, alpha, A, its rows' step, B, its, beta, C, its.
        product = (c_char, c_char, c_int64, c_int64, c_int64, c_float, c_void_p, c_int64, c_void_p, c_int64, c_float, c_void_p, c_int64)  # fmt: skip
        self.multiply_float32 = self._bind(self._working, "dnnl_sgemm", *product)
        try:  # not in the published header, though the library has it
            self.multiply_bfloat16 = self._bind(self._working, "dnnl_gemm_bf16bf16f32", *product)
        except AttributeError:
            self.multiply_bfloat16 = None
        self.attributes_create = self._bind(self._noting, "dnnl_primitive_attr_create", c_void_p)
        self.attributes_destroy = self._bind(self._noting, "dnnl_primitive_attr_destroy", c_void_p)
        self.attributes_scratchpad = self._bind(
            self._noting, "dnnl_primitive_attr_set_scratchpad_mode", c_void_p, c_int
        )
        self.attributes_steps = self._bind(self._noting, "dnnl_primitive_attr_set_post_ops", c_void_p, c_void_p)
        self.steps_create = self._bind(self._noting, "dnnl_post_ops_create", c_void_p)
        self.steps_destroy = self._bind(self._noting, "dnnl_post_ops_destroy", c_void_p)
        self.steps_eltwise = self._bind(self._noting, "dnnl_post_ops_append_eltwise", c_void_p, c_int, c_float, c_float)
        self.steps_binary = self._bind(self._noting, "dnnl_post_ops_append_binary", c_void_p, c_int, c_void_p)
        self.steps_sum = self._bind(self._noting, "dnnl_post_ops_append_sum", c_void_p, c_float, c_int32, c_int)

        engine = c_void_p()
        _check(self._working.dnnl_engine_create(ctypes.byref(engine), ENGINE_CPU, c_size_t(0)), "dnnl_engine_create")
        self.engine = engine
        self.attributes = self.new_attributes()

    def new_attributes(self) -> c_void_p:
        """Attributes of a primitive that takes its scratch memory from its caller."""
        attributes = c_void_p()
        _check(self.attributes_create(ctypes.byref(attributes)), "dnnl_primitive_attr_create")
        _check(self.attributes_scratchpad(attributes, SCRATCHPAD_USER), "dnnl_primitive_attr_set_scratchpad_mode")
        return attributes

    def omp_set_num_threads(self, threads: int) -> None:
        """Set the calling thread's team size, in the very OpenMP runtime that this library is linked with."""
        if self.openmp:
            self._noting.omp_set_num_threads(c_int(threads))

    @staticmethod
    def _bind(handle: ctypes.CDLL, name: str, *arguments: Any) -> Any:
        function = handle[name]  # indexing makes a function object of our own, so its argument types are ours too
        function.argtypes = arguments
        function.restype = c_int
        return function


_lock = threading.Lock()
_outcome: tuple[Library | None, str] | None = None


def library() -> Library | None:
    """The loaded library, or None where it cannot serve: a line in the log says so once, `status()` why and what to do."""
    return (_outcome or _load(aloud=True))[0]


def is_loaded() -> bool:
    """Whether the library was asked for and serves; loads nothing."""
    return _outcome is not None and _outcome[0] is not None


def status() -> tuple[bool, str]:
    """Whether oneDNN serves, and a sentence: its version, instruction set and file, or why not and how to mend it."""
    found, sentence = _outcome or _load()
    return found is not None, sentence


def _load(*, aloud: bool = False) -> tuple[Library | None, str]:
    global _outcome
    with _lock:
        if _outcome is None:
            _outcome = _attempt()
            if aloud and _outcome[0] is None:
                import logging

                logging.getLogger("numzoo").warning(
                    "numzoo computes with NumPy alone, which is slower: oneDNN did not load (`numzoo doctor` says why)"
                )
        return _outcome


def _attempt() -> tuple[Library | None, str]:
    named = os.environ.get("NUMZOO_ONEDNN")
    reasons = []
    for path in [named] if named else _candidates():
        try:
            found = Library(path)
        except (OSError, AttributeError) as error:
            reasons.append(f"{path}: {error}")
        else:
            return found, f"oneDNN {found.version} ({found.isa}) from {path}"
    return None, _explain(named, reasons)


def _candidates() -> Iterator[str]:
    """Existing files first, nearest first; then the system's own search path."""
    user_base = sysconfig.get_config_var("userbase")
    packages = Path(sysconfig.get_path("purelib"))
    here = Path(__file__).resolve().parents[4]  # where this package is installed: site-packages, or a checkout's parent
    folders = [Path(sys.prefix) / "lib", packages.parent.parent, here.parent.parent, here / "lib"]
    if user_base:
        folders.append(Path(user_base) / "lib")
    seen = set()
    for folder in folders:
        path = folder / FILE_NAME
        if path not in seen and path.is_file():
            yield str(path)
        seen.add(path)
    recorded = _recorded()
    if recorded is not None and recorded not in seen:
        yield str(recorded)
    yield FILE_NAME


def _recorded() -> Path | None:
    """The file as the installed wheel's own record names it: right wherever pip put it."""
    import importlib.metadata

    try:
        files = importlib.metadata.files("onednn-cpu-gomp") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == FILE_NAME:
            path = Path(str(file.locate())).resolve()
            return path if path.is_file() else None
    return None


def _explain(named: str | None, reasons: list[str]) -> str:
    told = "; ".join(reasons)
    if named:
        return f"NUMZOO_ONEDNN names {named}, which cannot be used ({told}). Correct it or unset it."
    if "libgomp" in told:
        mend = "install the OpenMP runtime: apt install libgomp1, dnf install libgomp or apk add libgomp"
    elif sys.platform == "linux" and os.uname().machine == "x86_64":
        mend = "python -m pip install onednn-cpu-gomp==2023.2.0"
    else:
        mend = f"set NUMZOO_ONEDNN to a {FILE_NAME} (oneDNN 3.x) built for {sys.platform}"
    return f"oneDNN is not loaded, so NumPy computes, slower ({told}). To mend it: {mend}."


def _check(code: int, function: str) -> None:
    if code:
        raise OSError(f"{function} failed with status {code}")
