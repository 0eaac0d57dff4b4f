"""Replacing a file that others may be replacing too, in such a way that no version vanishes unseen.

A rename replaces whatever is there at that moment, which need not be what the writer read before. Where the system can
exchange two names in one step (Linux, macOS), the writer gets the displaced version in its hands and can look at it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["exchange"]

_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2


def exchange(new: Path, path: Path) -> bool:
    """Give the file `new` the name `path`, and that which had the name `path` the name `new`, in one step.

    False, with nothing done, where the system or the file system cannot, or where there is no file `path` yet.
    """
    swap = _swap()
    return swap is not None and swap(os.fsencode(new), os.fsencode(path)) == 0


@lru_cache(maxsize=1)
def _swap() -> Any:
    """The system's call for it, of two paths in bytes, or None."""
    try:
        library = ctypes.CDLL(None)
        if sys.platform == "linux":
            rename = library.renameat2
            return lambda a, b: rename(_AT_FDCWD, ctypes.c_char_p(a), _AT_FDCWD, ctypes.c_char_p(b), _RENAME_EXCHANGE)
        if sys.platform == "darwin":
            rename = library.renamex_np
            return lambda a, b: rename(ctypes.c_char_p(a), ctypes.c_char_p(b), _RENAME_SWAP)
    except (OSError, AttributeError, TypeError):
        pass  # An older C library, or one that cannot be opened so.
    return None
