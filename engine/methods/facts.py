"""What a tensor is and where it lies, under the names that PyTorch's users know."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..device import device_of


class Facts:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    @property
    def itemsize(self: Any) -> int:
        """The bytes of one element."""
        return self.dtype.itemsize  # type: ignore[no-any-return]

    @property
    def nbytes(self: Any) -> int:
        """The bytes of all elements."""
        return self.array.nbytes  # type: ignore[no-any-return]

    @property
    def is_cpu(self: Any) -> bool:
        """Whether it lies in the machine's own memory."""
        return isinstance(self.array, np.ndarray)

    @property
    def is_cuda(self: Any) -> bool:
        """Whether it lies on a GPU."""
        return not isinstance(self.array, np.ndarray)

    def get_device(self: Any) -> int:
        """The number of its GPU, -1 on the CPU."""
        return -1 if isinstance(self.array, np.ndarray) else device_of(self.array).index

    def data_ptr(self: Any) -> int:
        """The address of its first element."""
        array = self.array
        address: int = array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr
        return address

    def type(self: Any, dtype: Any = None) -> Any:
        """The tensor in another dtype; without one, the name of its own."""
        return str(self.dtype) if dtype is None else self.to(dtype=dtype)

    def __format__(self: Any, spec: str) -> str:
        """A 0-dimensional tensor takes the formats of its number, as in ``f"{loss:.3f}"``."""
        return format(self.item(), spec) if spec and not self.shape else format(str(self), spec)
