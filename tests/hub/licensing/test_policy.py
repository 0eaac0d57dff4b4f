"""Policies: what is allowed, what is denied, which names are excepted, and which files are none."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numzoo.hub.errors import FormatError, HubError, NotFoundError, StorageError
from numzoo.hub.licensing.policy import Policy, read_policy

ALLOW, DENY = 'allow = ["permissive", "CC-BY-SA-3.0"]', 'deny = ["noncommercial", "ISC"]'

JUDGED = [
    (ALLOW, "MIT", None),
    (ALLOW, "CC-BY-SA-3.0", None),
    (ALLOW, "CC-BY-SA-4.0", "CC-BY-SA-4.0 (copyleft) is not among what is allowed"),
    (ALLOW, "MIT OR GPL-3.0-only", None),
    (ALLOW, "MIT AND GPL-3.0-only", "GPL-3.0-only (copyleft) is not among what is allowed"),
    (ALLOW, "GPL-2.0-only OR GPL-3.0-only", "GPL-2.0-only (copyleft) is not among what is allowed; "
     "GPL-3.0-only (copyleft) is not among what is allowed"),
    (DENY, "GPL-3.0-only", None),
    (DENY, "ISC", "ISC is denied"),
    (DENY, "CC-BY-NC-4.0", "CC-BY-NC-4.0 (noncommercial) is denied"),
    (f"{ALLOW}\n{DENY}", "ISC", "ISC is denied"),
    ('allow = ["CC-BY-NC-4.0"]\ndeny = ["noncommercial"]', "CC-BY-NC-4.0", None),
    ('allow = ["noncommercial"]\ndeny = ["CC-BY-NC-4.0"]', "CC-BY-NC-4.0", "CC-BY-NC-4.0 is denied"),
    ('allow = ["permissive"]\ndeny = ["permissive"]', "MIT", "MIT (permissive) is denied"),
    ("allow = []", "MIT", "MIT (permissive) is not among what is allowed"),
    ("", "LicenseRef-anything", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "license", "why"), JUDGED)
def test_a_policy_judges_a_licence(tmp_path: Path, text: str, license: str, why: str | None) -> None:
    (tmp_path / "policy.toml").write_text(text)
    assert read_policy(tmp_path / "policy.toml").violation("x", license) == why


def test_names_are_excepted_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('allow = []\n[exceptions]\n"net.*" = "because"\n"data:d" = "also"')
    policy = read_policy(tmp_path / "policy.toml")
    assert [policy.violation(name, "MIT") is None for name in ("net.v1", "data:d", "nets.v1", "data:dd")] == [
        True,
        True,
        False,
        False,
    ]
    assert policy.exception("net.v1") == "because"


BAD = {
    "no TOML": ("allow = [", "not valid TOML"),
    "no text": ("\ud800", "not valid TOML"),
    "an unknown field": ('alow = ["MIT"]', "unknown field 'alow'"),
    "a text for a list": ('allow = "MIT"', "allow is a list of texts"),
    "a number in a list": ("deny = [1]", "deny is a list of texts"),
    "a misspelt licence": ('allow = ["mit"]', "Did you mean MIT.*Categories are public-domain"),
    "a misspelt category": ('deny = ["non-commercial"]', "Categories are"),
    "an exception without a reason": ('[exceptions]\n"net" = ""', "gives every name its reason"),
    "exceptions as a list": ('exceptions = ["net"]', "gives every name its reason"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_policy_is_refused(tmp_path: Path, what: str) -> None:
    (tmp_path / "policy.toml").write_bytes(BAD[what][0].encode("utf-8", "surrogatepass"))
    with pytest.raises(FormatError, match=BAD[what][1]):
        read_policy(tmp_path / "policy.toml")


def test_a_policy_that_is_not_there_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no policy"):
        read_policy(tmp_path / "none.toml")
    with pytest.raises(StorageError):
        read_policy(tmp_path)
    (tmp_path / "large.toml").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(FormatError, match="1 MiB"):
        read_policy(tmp_path / "large.toml")


@given(st.binary(max_size=80) | st.text(alphabet='allowdeny=[]"MIT\n.{}', max_size=60).map(str.encode))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_file_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "policy.toml").write_bytes(data)
    with contextlib.suppress(HubError):
        assert isinstance(read_policy(tmp_path / "policy.toml"), Policy)
