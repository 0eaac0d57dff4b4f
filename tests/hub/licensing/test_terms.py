"""What licences allow: a table, and how AND and OR combine it."""

from __future__ import annotations

import pytest

from numzoo.hub.licensing.expressions import listed
from numzoo.hub.licensing.terms import CATEGORIES, category, missing_acceptance, terms_of, where_to_read
from numzoo.hub.registry.names import default_registry

TERMS = [
    ("MIT", "permissive", "yes", True),
    ("BSD-3-Clause", "permissive", "yes", True),
    ("MIT-0", "permissive", "yes", False),
    ("MIT-Festival", "permissive", "yes", True),
    ("CC0-1.0", "public-domain", "yes", False),
    ("LicenseRef-public-domain", "public-domain", "yes", False),
    ("CC-BY-4.0", "permissive", "yes", True),
    ("CC-BY-SA-3.0", "copyleft", "yes", True),
    ("CC-BY-ND-4.0", "no-derivatives", "yes", True),
    ("GPL-3.0-or-later", "copyleft", "yes", True),
    ("CC-BY-NC-4.0", "noncommercial", "no", True),
    ("CC-BY-NC-SA-3.0-DE", "noncommercial", "no", True),
    ("LicenseRef-ImageNet", "research-only", "no", True),
    ("LicenseRef-Llama-3", "custom", "unknown", True),
    ("LicenseRef-unknown", "none-stated", "unknown", True),
    ("BUSL-1.1", "restricted", "unknown", True),
    ("Beerware", "other", "unknown", True),
]

COMBINED = [
    ("MIT OR CC-BY-NC-4.0", "yes", True, []),
    ("CC-BY-NC-4.0 OR MIT-0", "yes", False, []),
    ("MIT AND CC-BY-NC-4.0", "no", True, ["CC-BY-NC-4.0"]),
    ("MIT-0 AND Beerware", "unknown", True, []),
    ("LicenseRef-a AND CC-BY-NC-4.0", "no", True, ["LicenseRef-a", "CC-BY-NC-4.0"]),
    ("(LicenseRef-a AND LicenseRef-b) OR CC-BY-NC-4.0", "unknown", True, ["CC-BY-NC-4.0"]),
]


@pytest.mark.parametrize(("license", "kind", "commercial", "attribution"), TERMS)
def test_a_licence_is_sorted(license: str, kind: str, commercial: str, attribution: bool) -> None:
    terms = terms_of(license)
    assert (terms.categories, terms.commercial, terms.attribution) == ((kind,), commercial, attribution)


@pytest.mark.parametrize(("license", "commercial", "attribution", "missing"), COMBINED)
def test_a_choice_counts_by_its_best_and_a_sum_by_its_strictest(
    license: str, commercial: str, attribution: bool, missing: list[str]
) -> None:
    assert (terms_of(license).commercial, terms_of(license).attribution) == (commercial, attribution)
    assert missing_acceptance(license, lambda name: False) == missing
    assert missing_acceptance(license, lambda name: True) == []


def test_every_listed_licence_has_a_category_and_every_noncommercial_one_must_be_accepted() -> None:
    assert {category(name) for name in listed()[0]} <= set(CATEGORIES)
    for name in listed()[0]:
        if "-NC-" in name or "oncommercial" in name:
            assert missing_acceptance(name, lambda _: False) == [name]


def test_where_to_read_a_licence() -> None:
    assert where_to_read("MIT", "https://x") == "https://spdx.org/licenses/MIT.html"
    assert where_to_read("LicenseRef-mine", "https://x") == "https://x"
    assert "image-net.org" in where_to_read("LicenseRef-ImageNet", "https://x")


def test_everything_that_the_package_knows_has_a_licence_that_can_be_sorted() -> None:
    manifest = default_registry().manifest
    licenses = [manifest.entry(name).license for name in manifest.names]
    licenses += [manifest.resource("samples", name).license for name in manifest.samples]
    licenses += [manifest.resource("data", name).license for name in manifest.data]
    assert all("other" not in terms_of(license).categories for license in licenses)
