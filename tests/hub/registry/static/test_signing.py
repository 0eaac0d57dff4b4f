"""Keys, and the pointer that they sign."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numzoo.hub.errors import FormatError, HubError, NotFoundError, UsageError
from numzoo.hub.registry.static import signing
from numzoo.hub.registry.static.signing import PrivateKey, key_id, new_key, verify
from numzoo.hub.registry.static.statement import Statement, read_pointer, write_pointer

THEN = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
STATEMENT = Statement("ab" * 16, 7, "cd" * 32, 12, THEN, THEN + timedelta(days=30))


def test_a_key_file_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert PrivateKey.read(tmp_path / "key").public == key.public
    with pytest.raises(UsageError, match="there already, and a key is never overwritten"):
        new_key(tmp_path / "key")


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    new_key(tmp_path / "key")
    os.chmod(tmp_path / "key", 0o640)
    with pytest.raises(UsageError, match=r"Others may read .*chmod 600"):
        PrivateKey.read(tmp_path / "key")


def test_no_text_shows_the_private_bytes(tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    body = (tmp_path / "key").read_text().splitlines()[1]
    (tmp_path / "broken").write_text((tmp_path / "key").read_text().replace("PRIVATE", "PRIVAT"))
    os.chmod(tmp_path / "broken", 0o600)
    with pytest.raises(FormatError) as caught:
        PrivateKey.read(tmp_path / "broken")
    shown = (
        repr(key) + str(caught.value) + repr(caught.value.__context__ if not caught.value.__suppress_context__ else "")
    )
    assert body not in shown
    assert key_id(key.public) in repr(key)


def _pem(kind: str) -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    key: Any = ec.generate_private_key(ec.SECP256R1()) if kind == "other" else ed25519.Ed25519PrivateKey.generate()
    lock: Any = serialization.BestAvailableEncryption(b"x") if kind == "locked" else serialization.NoEncryption()
    text: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    return text


NO_KEYS = {"other": "another kind; wanted an ed25519 key", "locked": "is encrypted", "empty": "no private key"}


@pytest.mark.parametrize("kind", NO_KEYS)
def test_other_files_are_no_keys(kind: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"" if kind == "empty" else _pem(kind))
    os.chmod(tmp_path / "key", 0o600)
    with pytest.raises(HubError, match=NO_KEYS[kind]):
        PrivateKey.read(tmp_path / "key")


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="keys new"):
        PrivateKey.read(tmp_path / "key")


def test_the_signatures_are_those_of_the_standard() -> None:
    # RFC 8032, section 7.1, test 2.
    ed25519 = signing._cryptography("ed25519")
    secret = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    key = PrivateKey(ed25519.Ed25519PrivateKey.from_private_bytes(secret))
    import base64

    assert base64.b64decode(key.public.partition(":")[2]).hex() == (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    )
    assert base64.b64decode(key.sign(b"\x72")).hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


def test_without_the_package_the_way_to_get_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cryptography.exceptions", None)
    with pytest.raises(UsageError, match=r"pip install 'numzoo\[signing\]'"):
        verify(b"", [], [])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[PrivateKey, PrivateKey]:
    folder = tmp_path_factory.mktemp("keys")
    return new_key(folder / "one"), new_key(folder / "two")


def test_a_pointer_says_what_was_stated_and_one_accepted_key_is_enough(keys: tuple[PrivateKey, PrivateKey]) -> None:
    pointer = read_pointer(write_pointer(STATEMENT, keys), who="x")
    assert pointer.statement == STATEMENT
    for key in keys:
        assert verify(pointer.message, pointer.signatures, [key.public]) == key.public
    assert verify(pointer.message, pointer.signatures[:1], [keys[1].public]) is None
    assert verify(pointer.message, [], [keys[1].public]) is None
    assert verify(pointer.message, pointer.signatures, []) is None


def test_a_signature_of_the_statement_is_none_of_another_text(keys: tuple[PrivateKey, PrivateKey]) -> None:
    text = STATEMENT.text()
    bare = [(keys[0].public, keys[0].sign(text.encode()))]  # as another program might sign the same bytes
    pointer = read_pointer(write_pointer(STATEMENT, keys), who="x")
    assert verify(pointer.message, bare, [keys[0].public]) is None


@settings(max_examples=150, deadline=None, derandomize=True)
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_changed_bit_passes(place: int, bit: int, keys: tuple[PrivateKey, PrivateKey]) -> None:
    data = bytearray(write_pointer(STATEMENT, keys[:1]))
    data[place % len(data)] ^= 1 << bit
    try:
        pointer = read_pointer(bytes(data), who="x")
    except FormatError:
        return
    same = pointer.text == STATEMENT.text()
    assert (verify(pointer.message, pointer.signatures, [keys[0].public]) is not None) <= same


def _stated(**fields: Any) -> bytes:
    stated = {**json.loads(STATEMENT.text()), **fields}
    return json.dumps({"schema": 1, "statement": json.dumps(stated), "signatures": []}).encode()


MALFORMED = {
    "no JSON": (b"<html>", "not valid JSON"),
    "another schema": (b'{"schema": 2, "statement": "", "signatures": []}', r"\$\.schema is 2"),
    "no statement": (b'{"schema": 1, "statement": "", "signatures": []}', "not valid JSON"),
    "half a letter": (b'{"schema": 1, "statement": "\\ud800", "signatures": []}', "is no text"),
    "version 0": (_stated(version=0), r"version is 0"),
    "a version beyond all": (_stated(version=1 << 60), "too large"),
    "a huge manifest": (_stated(manifest={"sha256": "ab" * 32, "bytes": 1 << 40}), "too large"),
    "a digest that climbs": (_stated(manifest={"sha256": "../" * 21 + "x", "bytes": 1}), r"manifest\.sha256 is"),
    "a time that is none": (_stated(expires="2030-02-31T00:00:00Z"), "is no time"),
    "a registry without an id": (_stated(registry="x"), r"registry is 'x'"),
    "unknown": (_stated(extra=1), "unknown field 'extra'"),
    "a bad signature": (
        b'{"schema": 1, "statement": "{}", "signatures": [{"key": "x", "signature": "x"}]}',
        r"signatures\[0\]\.key",
    ),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_pointer_is_refused(kind: str) -> None:
    data, message = MALFORMED[kind]
    with pytest.raises(FormatError, match=message):
        read_pointer(data, who="x")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    with pytest.raises(FormatError):
        read_pointer(data, who="x")
