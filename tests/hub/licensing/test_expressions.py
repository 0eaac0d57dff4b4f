"""Licence expressions: what SPDX allows is read, everything else is refused with what was perhaps meant."""

from __future__ import annotations

import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numzoo.hub.errors import UsageError
from numzoo.hub.licensing.expressions import check_identifier, listed, parse_license

GOOD = {
    "MIT": ["MIT"],
    "GPL-2.0+": ["GPL-2.0+"],
    "LicenseRef-ImageNet": ["LicenseRef-ImageNet"],
    "Apache-2.0 OR MIT": ["Apache-2.0", "MIT"],
    "MIT AND CC-BY-4.0 AND ISC": ["MIT", "CC-BY-4.0", "ISC"],
    "(MIT OR ISC) AND (GPL-2.0-only WITH Classpath-exception-2.0)": ["MIT", "ISC", "GPL-2.0-only"],
    "((MIT))": ["MIT"],
}

BAD = {
    "": "SPDX expression",
    "  ": "SPDX expression",
    "mit": "Did you mean MIT",
    "Apache 2.0": "no licence of the SPDX list",
    "BSD-3-clause": "Did you mean BSD-3-Clause",
    "MIT or ISC": "where AND, OR or the end is due",
    "MIT ISC": "where AND, OR or the end is due",
    "MIT OR": "its end stands where a licence is due",
    "OR MIT": "'OR' stands where",
    "(MIT": "not closed",
    "MIT)": "where AND, OR or the end is due",
    "MIT WITH Classpath": "not on the SPDX list. Did you mean Classpath-exception-2.0",
    "MIT WITH": "exception ''",
    "LicenseRef-": "no licence",
    "LicenseRef-../../x": "no licence",
    "DocumentRef-a:LicenseRef-b": "no licence",
    "public-domain": "LicenseRef-NAME",
    "(" * 21 + "MIT" + ")" * 21: "at most 20 parentheses",
    "MIT AND " * 30 + "MIT": "at most 200 characters",
}


@pytest.mark.parametrize("text", GOOD)
def test_an_expression_names_its_licences(text: str) -> None:
    assert list(parse_license(text).licenses) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_license(text)
    assert BAD[text] in str(caught.value)


def test_or_binds_less_than_and() -> None:
    expression = parse_license("MIT OR ISC AND 0BSD")
    assert (expression.kind, [part.kind for part in expression.parts]) == ("or", ["license", "and"])


def test_an_identifier_can_be_a_file_name() -> None:
    allowed = set(string.ascii_letters + string.digits + ".-+")
    assert all(set(name) <= allowed and not name.startswith(".") for name in listed()[0])
    for name in ("", "../x", "a/b", "LicenseRef-a/b", "LicenseRef-.", "MIT OR ISC", "MIT\n", 3):
        with pytest.raises(UsageError):
            check_identifier(name)  # type: ignore[arg-type]


@given(st.text(alphabet="MITGPLORANDWH()+-. 20", max_size=60) | st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        parse_license(text)
