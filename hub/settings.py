"""Every environment variable that the hub obeys, read when it is asked for and never at import.

NUMZOO_HOME, NUMZOO_CACHE_LIMIT, NUMZOO_OFFLINE, NUMZOO_ACCEPT_LICENSE, NUMZOO_LOCK, NUMZOO_MIRROR,
NUMZOO_RATE_LIMIT; the tokens NUMZOO_TOKEN_<HOST> (`download/sources/tokens.py`); TORCH_HOME, HF_HOME, HF_HUB_CACHE,
HF_ENDPOINT, HF_TOKEN, NO_COLOR, XDG_CACHE_HOME (and LOCALAPPDATA on Windows). A variable that is set to nothing counts
as not set. NUMZOO_CONFIG, XDG_CONFIG_HOME and APPDATA say where the configuration file is (`configuration.py`); a
variable beats what stands there.
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
    "lock",
    "mirrors",
    "offline",
    "rate_limit",
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
        from numzoo.hub.quantities import parse_size

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


def rate_limit() -> float | None:
    """Bytes per second of all downloads of a process together: NUMZOO_RATE_LIMIT ("2M"), or else the configuration file.

    None means no limit; "none" says so against the file. Raises UsageError for what is no rate.
    """
    chosen = os.environ.get("NUMZOO_RATE_LIMIT", "").strip()
    if chosen.lower() == "none":
        return None
    if chosen:
        from numzoo.hub.download.throttle import parse_rate

        return parse_rate(chosen, "NUMZOO_RATE_LIMIT")
    from numzoo.hub import configuration

    return configuration.read().rate_limit


def mirrors() -> list[tuple[str, str]]:
    """Rules (start, mirror): what begins so is asked of the mirror first. NUMZOO_MIRROR's, then the configuration file's.

    NUMZOO_MIRROR holds rules FROM=TO with spaces between. Raises UsageError for a rule that is none.
    """
    from numzoo.hub import configuration

    rules = []
    for rule in os.environ.get("NUMZOO_MIRROR", "").split():
        start, _, end = rule.partition("=")
        rules.append((start, end, f"NUMZOO_MIRROR has the rule {rule!r}"))
    for start, ends in configuration.read().mirrors.items():
        rules += [(start, end, f"The configuration {configuration.path()} has the mirror {end!r}") for end in ends]
    for start, end, told in rules:
        # Without the slash after its host, a rule for example.org would be one for example.org.evil.net too.
        if not (start.startswith("https://") and start.count("/") >= 3 and "://" in end):
            from numzoo.hub.errors import UsageError

            raise UsageError(
                f"{told}; wanted addresses with at least the / after the host, as in "
                f"https://download.pytorch.org/=https://mirror.example/pytorch/."
            )
    return [(start, end) for start, end, _ in rules]


def lock() -> Path | None:
    """The lock that NUMZOO_LOCK names."""
    chosen = os.environ.get("NUMZOO_LOCK")
    return Path(chosen).expanduser().absolute() if chosen else None


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
