"""Every environment variable that the hub obeys, read when it is asked for and never at import.

NUMZOO_HOME, NUMZOO_CACHE_LIMIT, NUMZOO_OFFLINE, NUMZOO_ACCEPT_LICENSE; TORCH_HOME, HF_HOME, HF_HUB_CACHE,
HF_ENDPOINT, HF_TOKEN, NO_COLOR, XDG_CACHE_HOME (and LOCALAPPDATA on Windows). A variable that is set to nothing counts as not set. NUMZOO_CONFIG,
XDG_CONFIG_HOME and APPDATA say where the configuration file is (`configuration.py`); a variable beats what stands there.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

__all__ = [
    "accepted_licenses",
    "cache_limit",
    "color",
    "home",
    "huggingface_cache",
    "huggingface_endpoint",
    "huggingface_token",
    "offline",
    "torch_checkpoints",
]

_FALSE = {"", "0", "false", "no", "off"}


def home() -> Path:
    """The folder of everything that numzoo keeps: NUMZOO_HOME, or else the platform's cache folder."""
    chosen = os.environ.get("NUMZOO_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "numzoo"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "numzoo" / "Cache"
    return _shared_cache() / "numzoo"


def cache_limit() -> int | None:
    """How many bytes of blobs the cache may keep: NUMZOO_CACHE_LIMIT ("20GB"), or else what the configuration file says.

    None means no limit; "none" says so against the file. Raises UsageError for what is no size.
    """
    chosen = os.environ.get("NUMZOO_CACHE_LIMIT", "").strip()
    if chosen.lower() == "none":
        return None
    if chosen:
        from numzoo.hub.amounts import parse_size

        return parse_size(chosen, who="NUMZOO_CACHE_LIMIT")
    from numzoo.hub import configuration

    return configuration.read().cache_limit


def offline() -> bool:
    """Whether NUMZOO_OFFLINE forbids the network, or else the configuration file."""
    said = os.environ.get("NUMZOO_OFFLINE", "").strip().lower()
    if said:
        return said not in _FALSE
    from numzoo.hub import configuration

    return bool(configuration.read().offline)


def accepted_licenses() -> frozenset[str]:
    """The licences that NUMZOO_ACCEPT_LICENSE names, with commas or spaces between them."""
    return frozenset(re.split(r"[\s,;]+", os.environ.get("NUMZOO_ACCEPT_LICENSE", ""))) - {""}


def color() -> bool:
    """Whether terminal output may be coloured: NO_COLOR is not set."""
    return not os.environ.get("NO_COLOR")


def torch_checkpoints() -> Path:
    """Where PyTorch keeps the checkpoints it has downloaded."""
    chosen = os.environ.get("TORCH_HOME")
    root = Path(chosen).expanduser() if chosen else _shared_cache() / "torch"
    return root / "hub" / "checkpoints"


def huggingface_cache() -> Path:
    """Where Hugging Face's client keeps its repositories (`models--owner--name`)."""
    chosen = os.environ.get("HF_HUB_CACHE")
    return Path(chosen).expanduser() if chosen else _huggingface_home() / "hub"


def huggingface_endpoint() -> str:
    """The address of the Hugging Face hub or of a mirror of it, without a slash at its end."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def huggingface_token() -> str | None:
    """HF_TOKEN, or else what Hugging Face's own login has left in its token file."""
    token = os.environ.get("HF_TOKEN", "").strip()
    if token:
        return token
    try:
        return (_huggingface_home() / "token").read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _huggingface_home() -> Path:
    chosen = os.environ.get("HF_HOME")
    return Path(chosen).expanduser() if chosen else _shared_cache() / "huggingface"


def _shared_cache() -> Path:
    chosen = os.environ.get("XDG_CACHE_HOME")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache"
