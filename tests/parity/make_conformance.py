"""Writes docs/conformance.md: every function of the conformance table, and how far it lies from PyTorch's.

Run where PyTorch is: ``python tests/parity/make_conformance.py``. ``test_conformance.py`` asserts what this only measures.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / ".dev"), str(ROOT / "tests" / "tables")]

from conformance import FILES  # noqa: E402
from conformance.case import Case, crooked, random_of  # noqa: E402
from conformance.compare import compared, torch  # noqa: E402

HEAD = """# Beside PyTorch

Every function of the conformance table (`tests/tables/conformance`), computed on random inputs by numzoo and by PyTorch {version} in float64:
random shapes, axes and settings, broadcasting, empty and non-contiguous inputs. A figure is the largest difference over all draws, relative to
the larger of 1 and the result. `-` stands where there is nothing to compare: functions without gradients, or whose second gradient PyTorch lacks.
The narrow dtypes are those in which values were close to float64 and the result's dtype PyTorch's.

{draws} random draws of {functions} functions; largest differences: value {value:.0e}, gradient {gradient:.0e}, second gradient {second:.0e}.
`tests/parity/make_conformance.py` writes this page.
"""
KINDS = ("value", "gradient", "second gradient")


def main() -> None:
    sections, worst, draws, functions = [], dict.fromkeys(KINDS, 0.0), 0, 0
    for file in FILES:
        title = file.__name__.rpartition(".")[2].replace("_", " ")
        lines = [
            f"\n## {title.capitalize()}\n",
            "| function | draws | value | gradient | second gradient | also in |",
            "|---|--:|--:|--:|--:|---|",
        ]
        for case in file.CASES:
            errors = measured(case)
            worst = {kind: max(worst[kind], errors.get(kind, 0.0)) for kind in KINDS}
            draws, functions = draws + case.repeats, functions + 1
            cells = [_figure(errors.get(kind)) for kind in KINDS]
            lines.append(f"| {case.name.strip()} | {case.repeats} | {' | '.join(cells)} | {', '.join(case.dtypes)} |")
        sections.append("\n".join(lines))
    head = HEAD.format(
        version=torch.__version__.partition("+")[0], draws=f"{draws:,}", functions=functions,
        value=worst["value"], gradient=worst["gradient"], second=worst["second gradient"],
    )  # fmt: skip
    (ROOT / "docs" / "conformance.md").write_text(head + "\n".join(sections) + "\n")


def _figure(error: float | None) -> str:
    return "-" if error is None else f"{error:.0e}" if error else "0"


def measured(case: Case) -> dict[str, float]:
    """The largest difference of each kind over all draws of a case."""
    errors: dict[str, float] = {}
    for repeat in range(case.repeats):
        arrays, settings = case.draw(random_of(case, repeat))
        for what, given, wanted in compared(
            lambda *t: case.ours(*t, **settings),  # noqa: B023
            lambda *t: case.theirs(torch, *t, **settings),  # noqa: B023
            *(crooked(a) for a in arrays) if repeat % 2 else arrays,
            second=case.second,
            gradient=case.gradient,
        ):
            errors[what] = max(errors.get(what, 0.0), difference(given.numpy(), wanted.numpy(force=True)))
    return errors


def difference(given: Any, wanted: Any) -> float:
    """The largest difference, relative to the larger of 1 and what is wanted; equal infinities and NaN do not differ."""
    same = (given == wanted) | ((given != given) & (wanted != wanted))
    given, wanted = given[~same], wanted[~same]
    if not given.size:
        return 0.0
    kind = complex if given.dtype.kind == "c" else float
    return float((np.abs(given.astype(kind) - wanted) / np.maximum(1.0, np.abs(wanted))).max())


if __name__ == "__main__":
    main()
