"""Ed25519 keys (RFC 8032): made, kept in a file that only its owner reads, shown as a short text, used and checked.

A public key is the text ``numzoo-ed25519:<base64 of its 32 bytes>``. Its id, for people to compare, is the first 16
hex digits of the sha256 of those bytes. Needs the package cryptography (``pip install "numzoo[signing]"``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numzoo.hub.errors import FormatError, NotFoundError, StorageError, UsageError
from numzoo.hub.store.cache import storage

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PrivateKey", "check_public", "key_id", "new_key", "verify"]

_PREFIX = "numzoo-ed25519:"
_PUBLIC = re.compile(re.escape(_PREFIX) + r"([A-Za-z0-9+/]{43}=)")
_LARGEST = 64 << 10


class PrivateKey:
    """A key that signs; `public` is the text that others know it by. Its own bytes show nowhere."""

    def __init__(self, key: Any) -> None:
        self._key = key
        raw: bytes = key.public_key().public_bytes_raw()
        self.public = _PREFIX + base64.b64encode(raw).decode("ascii")

    def __repr__(self) -> str:
        return f"PrivateKey({key_id(self.public)})"

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> PrivateKey:
        """The key in a file that `new_key` wrote (PKCS #8, PEM). One that others may read is refused, as ssh does."""
        serialization = _cryptography("serialization")
        ed25519 = _cryptography("ed25519")
        path = Path(path)
        try:
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
                    raise UsageError(
                        f"Others may read the private key {path} (mode {stat.S_IMODE(status.st_mode):04o}). "
                        f"Say `chmod 600 {path}`, and make a new key if somebody may have read it."
                    )
                text = file.read(_LARGEST)
        except FileNotFoundError:
            raise NotFoundError(f"There is no key {path}; `numzoo keys new {path}` makes one.") from None
        except OSError as problem:
            raise StorageError(f"The key {path} cannot be read: {problem.strerror}.") from None
        # Whatever the parser objects to may quote the file, so only its kind is told.
        try:
            key = serialization.load_pem_private_key(text, password=None)
        except TypeError:
            raise UsageError(f"The key {path} is encrypted; numzoo reads keys that are not.") from None
        except Exception:
            raise FormatError(f"{path} is no private key as `numzoo keys new` writes it.") from None
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise FormatError(f"The key {path} is of another kind; wanted an ed25519 key.")
        return cls(key)

    def sign(self, message: bytes) -> str:
        """The signature of `message`, in base64."""
        return base64.b64encode(self._key.sign(message)).decode("ascii")


def new_key(path: str | os.PathLike[str]) -> PrivateKey:
    """Make a key and keep it in a new file with the mode 0600. Raises UsageError where there is a file already."""
    serialization = _cryptography("serialization")
    key = _cryptography("ed25519").Ed25519PrivateKey.generate()
    text: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with storage(f"write {path}", elsewhere=True):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        except FileExistsError:
            raise UsageError(f"{path} is there already, and a key is never overwritten. Choose another name.") from None
        with open(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    return PrivateKey(key)


def check_public(text: str) -> str:
    """Give the text of a public key back, or raise UsageError."""
    found = _PUBLIC.fullmatch(text) if isinstance(text, str) else None
    if found is None or base64.b64encode(base64.b64decode(found[1])).decode() != found[1]:
        raise UsageError(f"{text!r:.80} is no public key; `numzoo keys show FILE` prints one ({_PREFIX}...).")
    return text


def key_id(public: str) -> str:
    """The first 16 hex digits of the sha256 of a public key's bytes."""
    return hashlib.sha256(base64.b64decode(check_public(public)[len(_PREFIX) :])).hexdigest()[:16]


def verify(message: bytes, signatures: Iterable[tuple[str, str]], accepted: Iterable[str]) -> str | None:
    """The first of the `accepted` public keys that has a valid signature among (key, base64) pairs, or None."""
    exceptions = _cryptography("exceptions")
    ed25519 = _cryptography("ed25519")
    wanted = {check_public(key) for key in accepted}
    for key, signature in signatures:
        if key not in wanted:
            continue
        try:
            raw = base64.b64decode(signature, validate=True)
            ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(key[len(_PREFIX) :])).verify(raw, message)
        except (exceptions.InvalidSignature, binascii.Error, ValueError):
            continue
        return key
    return None


def _cryptography(part: str) -> Any:
    import importlib

    places = {
        "ed25519": "cryptography.hazmat.primitives.asymmetric.ed25519",
        "serialization": "cryptography.hazmat.primitives.serialization",
        "exceptions": "cryptography.exceptions",
    }
    try:
        return importlib.import_module(places[part])
    except ImportError:
        raise UsageError(
            "Signatures need the package cryptography, which is not installed: python -m pip install 'numzoo[signing]'."
        ) from None
