"""The memory of a GPU: what tensors hold, what CuPy's pool keeps for the next ones, and what is left."""

from __future__ import annotations

import re
from typing import Any

from .. import device as devices
from ..device import CPU, Device, DeviceLike
from ..errors import DeviceError, OutOfMemoryError
from .pools import private_pools

__all__ = [
    "empty_cache",
    "memory_allocated",
    "memory_reserved",
    "memory_summary",
    "out_of_memory",
    "size_text",
]


def memory_allocated(device: DeviceLike = "cuda") -> int:
    """The bytes that arrays hold on a GPU, those of captured steps included."""
    with _on(device):
        return sum(int(pool.used_bytes()) for pool in _pools())


def memory_reserved(device: DeviceLike = "cuda") -> int:
    """The bytes that were had from the driver: what arrays hold, and what is kept for the next ones."""
    with _on(device):
        return sum(int(pool.total_bytes()) for pool in _pools())


def empty_cache(device: DeviceLike = "cuda") -> None:
    """Give back to the driver what no array holds, for other programs: it is had again, slowly, when needed."""
    with _on(device):
        devices.cupy().get_default_memory_pool().free_all_blocks()


def memory_summary(device: DeviceLike = "cuda") -> str:
    """A few lines about a GPU's memory, for people."""
    where = devices.as_device(device)
    held, reserved = memory_allocated(where), memory_reserved(where)
    with _on(where):
        free, total = devices.cupy().cuda.runtime.memGetInfo()
        steps = sum(pool.size for pool in private_pools)
        products, engines = devices.gpu_kernels("libraries.installed").workspaces(
            devices.gpu_kernels("machine").machine()
        )
    rows = {
        "memory of the GPU": total,
        "held by arrays": held,
        "of these in captured steps": steps,
        "of these cublasLt works in": products,
        "kept for the next ones": reserved - held,
        "most that cuDNN borrows": engines,
        "used by others": max(total - free - reserved, 0),
        "free": free,
    }
    return "\n".join([f"{where}", *(f"  {name:<28}{size_text(value):>12}" for name, value in rows.items())])


def out_of_memory(who: str, error: MemoryError, device: Device) -> OutOfMemoryError:
    """The error of an operation that could not have the memory for its result."""
    ways = "a smaller batch, engine.no_grad() where nothing is trained, engine.checkpoint, or engine.precision('bf16')"
    if device == CPU:
        return OutOfMemoryError(f"{who}: {error}. What may help: {ways}")
    asked = getattr(error, "size", None) or _asked(str(error))
    what = f"asked for {size_text(asked)}" if asked else str(error)
    return OutOfMemoryError(
        f"{who}: {what} on a GPU that has no room for it. What may help: {ways}, engine.cuda.empty_cache() for another "
        f"program's sake.\n{memory_summary(device)}"
    )


def size_text(size: float) -> str:
    """A number of bytes: "13.6 MiB"."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.2f} GiB"


def _asked(text: str) -> int:
    """The bytes that CuPy's message names: "Out of memory allocating 1,024 bytes (allocated so far: ...)"."""
    found = re.search(r"allocating ([\d,]+) bytes", text)
    return int(found[1].replace(",", "")) if found else 0


def _pools() -> list[Any]:
    return [devices.cupy().get_default_memory_pool(), *devices.gpu_kernels("machine").lasting_pools]


def _on(device: DeviceLike) -> Any:
    where = devices.as_device(device)
    if where.type != "cuda":
        raise DeviceError(f"memory: {where} is no GPU; give 'cuda' or 'cuda:0'")
    return devices.cupy().cuda.Device(where.index)
