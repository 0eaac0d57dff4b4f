"""The `tokenizers` library, when it is first needed."""

from __future__ import annotations

import importlib
from typing import Any

from numzoo.text.errors import TokenizerError

__all__ = ["library"]


def library() -> Any:
    """The module ``tokenizers``; TokenizerError says how to get it."""
    try:
        return importlib.import_module("tokenizers")
    except ImportError as error:
        raise TokenizerError(
            f"Tokenizers need the tokenizers library, which did not import ({error}); install it with: pip install 'numzoo[text]'"
        ) from error
