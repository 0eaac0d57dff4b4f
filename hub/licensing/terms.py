"""What a licence allows, as far as its identifier tells: its kind, commercial use, attribution, where to read it.

This is a first sorting for people and policies and no legal advice: what binds is the licence's own text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from numzoo.hub.licensing.expressions import Expression, parse_license

__all__ = ["CATEGORIES", "Terms", "missing_acceptance", "terms_of", "where_to_read"]

Commercial = Literal["yes", "no", "unknown"]

CATEGORIES = {
    "public-domain": "no rights are reserved",
    "permissive": "any use, as a rule with attribution",
    "copyleft": "any use; what is derived must stand under the same terms",
    "no-derivatives": "any use, but no changed copies",
    "noncommercial": "not for commercial use",
    "research-only": "only for research or teaching",
    "restricted": "commercial use is limited",
    "custom": "terms of its owner's own",
    "none-stated": "its owner states no licence",
    "other": "on the SPDX list, and not sorted here",
}
"""Every category of a licence, and what it means."""

_TO_ACCEPT = {"noncommercial", "research-only", "restricted", "custom"}

# The first pattern that fits a whole identifier gives its category.
_SORTING = [
    (
        "public-domain",
        r"CC0-1\.0|CC-PDDC|CC-PDM-1\.0|PDDL-1\.0|Unlicense|NCBI-PD|SAX-PD(-2\.0)?|LicenseRef-public-domain",
    ),
    ("noncommercial", r".*-NC-.*|NCGL-UK-2\.0|PolyForm-Noncommercial-1\.0\.0|Aladdin|LicenseRef-noncommercial"),
    ("research-only", r"LicenseRef-(ImageNet|research-only)"),
    ("restricted", r"PolyForm-Small-Business-1\.0\.0|BUSL-1\.1|Elastic-2\.0|SSPL-1\.0|Hippocratic-2\.1"),
    ("none-stated", r"LicenseRef-(unknown|none-stated)"),
    ("custom", r"LicenseRef-.*"),
    ("no-derivatives", r"CC-BY-ND-.*"),
    (
        "copyleft",
        r"(A|L)?GPL-.*|GFDL-.*|MPL-.*|EPL-.*|EUPL-.*|CC-BY-SA-.*|ODbL-1\.0|CDLA-Sharing-.*|OSL-.*|CECILL-(1|2).*",
    ),
    (
        "permissive",
        r"MIT(-.*)?|BSD-[1-4]-Clause.*|0BSD|Apache-.*|ISC|Zlib|CC-BY-[0-9].*|CDLA-Permissive-.*|ODC-By-1\.0"
        r"|OGL-.*|BSL-1\.0|PSF-2\.0|Python-2\.0.*|HPND|NCSA|Unicode-.*|PostgreSQL|X11|libpng(-2\.0)?|AFL-.*|Artistic-2\.0|ECL-2\.0"
        r"|MulanPSL-.*|WTFPL|OFL-1\.[01].*|UPL-1\.0|BlueOak-1\.0\.0",
    ),
]
_NO_ATTRIBUTION = re.compile(r"0BSD|MIT-0|WTFPL")


@dataclass(frozen=True, slots=True)
class Terms:
    """What an expression allows. `categories` are those of its licences, each once.

    Of a choice (OR), the most generous licence counts; of a sum (AND), the strictest.
    """

    categories: tuple[str, ...]
    commercial: Commercial
    attribution: bool


@lru_cache(maxsize=512)
def terms_of(license: str) -> Terms:
    """The terms of an SPDX expression."""
    expression = parse_license(license)
    categories = tuple(dict.fromkeys(category(each) for each in expression.licenses))
    return Terms(categories, _commercial(expression), _attribution(expression))


@lru_cache(maxsize=512)
def category(identifier: str) -> str:
    """The category of one licence."""
    return next((name for name, pattern in _SORTING if re.fullmatch(pattern, identifier)), "other")


def missing_acceptance(license: str, accepted: Callable[[str], bool]) -> list[str]:
    """The licences that must still be accepted before a thing under `license` may be used; none if all is well.

    Of a choice, the part that lacks least is enough.
    """
    return _missing(parse_license(license), accepted)


def where_to_read(identifier: str, source: str = "") -> str:
    """An address where the text of a licence stands; terms off the SPDX list are read at their owner's (`source`)."""
    if identifier.startswith("LicenseRef-"):
        return _TEXTS.get(identifier, source)
    return f"https://spdx.org/licenses/{identifier.removesuffix('+')}.html"


_TEXTS = {"LicenseRef-ImageNet": "https://image-net.org/download.php"}


def _missing(expression: Expression, accepted: Callable[[str], bool]) -> list[str]:
    if expression.kind == "license":
        needed = category(expression.license) in _TO_ACCEPT and not accepted(expression.license)
        return [expression.license] if needed else []
    parts = [_missing(part, accepted) for part in expression.parts]
    if expression.kind == "or":
        return min(parts, key=len)
    return list(dict.fromkeys(name for part in parts for name in part))


def _commercial(expression: Expression) -> Commercial:
    if expression.kind == "license":
        return _USE.get(category(expression.license), "yes")
    order: tuple[Commercial, ...] = ("yes", "unknown", "no") if expression.kind == "or" else ("no", "unknown", "yes")
    found = {_commercial(part) for part in expression.parts}
    return next(answer for answer in order if answer in found)


_USE: dict[str, Commercial] = {
    "noncommercial": "no",
    "research-only": "no",
    "restricted": "unknown",
    "custom": "unknown",
    "none-stated": "unknown",
    "other": "unknown",
}


def _attribution(expression: Expression) -> bool:
    if expression.kind == "license":
        return not (category(expression.license) == "public-domain" or _NO_ATTRIBUTION.fullmatch(expression.license))
    answers: Iterable[bool] = (_attribution(part) for part in expression.parts)
    return all(answers) if expression.kind == "or" else any(answers)
