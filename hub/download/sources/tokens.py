"""Tokens of the person's own, one for each server: from the environment, or from a file that only they can read.

NUMZOO_TOKEN_<HOST> holds the token for one host: in capitals, a dot as `_`, a hyphen as `__`, and `_PORT` at the end for
any port but 443, so that two hosts never share a name. The file `tokens` beside the configuration file has a line
`HOST[:PORT] TOKEN` for each. A token is sent to that origin only, over https (over http to this machine itself), never
to where it redirects; and it is in no message.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from numzoo.hub import configuration
from numzoo.hub.errors import StorageError, UsageError

__all__ = ["checked", "token_for", "variable_for"]

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_LARGEST = 1 << 20


def token_for(address: str) -> str | None:
    """The token for the origin of `address`, if the person has one.

    Raises UsageError for one that cannot be sent, and StorageError for a file that holds one and that others can read.
    """
    parts = urlsplit(address)
    host, port = (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)
    if _HOST.fullmatch(host) is None or not (parts.scheme == "https" or _is_loopback(host)):
        return None
    name = variable_for(host, port)
    if given := os.environ.get(name, "").strip():
        return checked(given, name)
    path = configuration.path().with_name("tokens")
    origin = host if port == 443 else f"{host}:{port}"
    for line, known, token in _lines(path):
        if known.lower() == origin:
            return checked(token, f"{path}, line {line},")
    return None


def variable_for(host: str, port: int = 443) -> str:
    """The name of the variable that holds the token for a host: NUMZOO_TOKEN_HUB_EXAMPLE_ORG."""
    plain = host.upper().replace("-", "__").replace(".", "_")
    return f"NUMZOO_TOKEN_{plain}" + ("" if port == 443 else f"_{port}")


def checked(token: str, who: str) -> str:
    """The token, if it can stand in a header; raises UsageError, without the token, if not."""
    if _TOKEN.fullmatch(token) is None:
        raise UsageError(f"{who} holds a token with a space or a character that no token has. Copy it once more.")
    return token


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    try:
        with open(path, encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            text = file.read(_LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, UnicodeDecodeError) as problem:
        raise StorageError(f"Could not read the tokens in {path}: {type(problem).__name__}.") from None
    if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
        raise StorageError(f"Others can read the tokens in {path}, so none of them is used. Run: chmod 600 {path}")
    for number, line in enumerate(text.splitlines(), 1):
        known, _, token = line.strip().partition(" ")
        if known and token and not known.startswith("#"):
            yield number, known, token.strip()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
