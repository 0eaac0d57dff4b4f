"""What a registry's pointer says: which manifest is the present one, in which version, until when, and who signed it.

    {"schema": 1,
     "statement": "{\"registry\": ..., \"version\": 7, \"published\": ..., \"expires\": ..., \"manifest\": {...}}",
     "signatures": [{"key": "numzoo-ed25519:...", "signature": "<base64>"}]}

The statement is a text within the text, so that there is no doubt about the bytes that were signed: these, after one
line that says what they are. It holds the manifest's size and sha256, so a signature covers every byte of the
manifest, and through the digests in there every byte of every file.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from numzoo.hub.errors import FormatError
from numzoo.hub.registry.manifest import parse
from numzoo.hub.registry.schema import check
from numzoo.hub.registry.static.layout import LARGEST_MANIFEST
from numzoo.hub.registry.static.signing import PrivateKey

__all__ = ["Pointer", "Statement", "now", "read_pointer", "write_pointer"]

_CONTEXT = b"numzoo registry statement, version 1\n"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_TIME_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
_LAST_VERSION = 1 << 53

_POINTER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["schema", "statement", "signatures"],
    "additionalProperties": False,
    "properties": {
        "schema": {"const": 1},
        "statement": {"type": "string", "maxLength": 4096},
        "signatures": {
            "type": "array",
            "maxItems": 16,
            "items": {
                "type": "object",
                "required": ["key", "signature"],
                "additionalProperties": False,
                "properties": {
                    "key": {"type": "string", "pattern": "^numzoo-ed25519:[A-Za-z0-9+/]{43}=$"},
                    "signature": {"type": "string", "pattern": "^[A-Za-z0-9+/]{86}==$"},
                },
            },
        },
    },
}
_STATEMENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["registry", "version", "published", "manifest"],
    "additionalProperties": False,
    "properties": {
        "registry": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "version": {"type": "integer", "minimum": 1},
        "published": {"type": "string", "pattern": _TIME_PATTERN},
        "expires": {"type": "string", "pattern": _TIME_PATTERN},
        "manifest": {
            "type": "object",
            "required": ["sha256", "bytes"],
            "additionalProperties": False,
            "properties": {
                "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                "bytes": {"type": "integer", "minimum": 0},
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Statement:
    """Which manifest is the present one. `registry` is drawn by chance once and stays: a key may sign several
    registries, and one must not pass for another. `expires` is None for never."""

    registry: str
    version: int
    sha256: str
    bytes: int
    published: datetime
    expires: datetime | None = None

    def text(self) -> str:
        """The statement as it is signed."""
        fields: dict[str, Any] = {
            "registry": self.registry,
            "version": self.version,
            "published": self.published.strftime(_TIME),
        }
        if self.expires is not None:
            fields["expires"] = self.expires.strftime(_TIME)
        return json.dumps({**fields, "manifest": {"sha256": self.sha256, "bytes": self.bytes}})


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer as it was read: the statement, the very text of it, and (public key, signature) pairs, unchecked."""

    statement: Statement
    text: str
    signatures: tuple[tuple[str, str], ...]

    @property
    def message(self) -> bytes:
        """The bytes that the signatures are for."""
        return _CONTEXT + self.text.encode("utf-8")


def read_pointer(data: bytes, *, who: str) -> Pointer:
    """The pointer in a file's bytes. Raises FormatError, which names the file as `who`."""
    document = parse(data, who=who)
    check(document, _POINTER_SCHEMA, {}, who=who)
    text = document["statement"]
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:
        raise FormatError(f"{who}: the statement is no text.") from None
    fields = parse(encoded, who=f"{who}, statement")
    check(fields, _STATEMENT_SCHEMA, {}, who=f"{who}, statement")
    if fields["version"] > _LAST_VERSION or fields["manifest"]["bytes"] > LARGEST_MANIFEST:
        raise FormatError(f"{who}: the statement holds a number that is too large.")
    expires = fields.get("expires")
    statement = Statement(
        registry=fields["registry"],
        version=fields["version"],
        sha256=fields["manifest"]["sha256"],
        bytes=fields["manifest"]["bytes"],
        published=_time(fields["published"], who),
        expires=None if expires is None else _time(expires, who),
    )
    return Pointer(statement, text, tuple((each["key"], each["signature"]) for each in document["signatures"]))


def write_pointer(statement: Statement, keys: tuple[PrivateKey, ...] = ()) -> bytes:
    """The bytes of a pointer with this statement, signed by each of the keys."""
    text = statement.text()
    message = _CONTEXT + text.encode("utf-8")
    signatures = [{"key": key.public, "signature": key.sign(message)} for key in keys]
    document = {"schema": 1, "statement": text, "signatures": signatures}
    return json.dumps(document, indent=2).encode("utf-8") + b"\n"


def now() -> datetime:
    """The time in UTC, in whole seconds."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def _time(text: str, who: str) -> datetime:
    assert re.fullmatch(_TIME_PATTERN[1:-1], text)
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=timezone.utc)
    except ValueError:
        raise FormatError(f"{who}: {text} is no time.") from None
