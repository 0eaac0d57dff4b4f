"""The quantised line of RegNet gives the stages that the paper's tables print."""

from __future__ import annotations

from typing import Any

import pytest

from numzoo.vision.models.regnet import quantised_line

# depth, initial width, slope, ratio, group width -> depths, widths and group widths of the stages
STAGES = {
    "RegNetX-400MF": ((22, 24, 24.48, 2.54, 16), (1, 2, 7, 12), (32, 64, 160, 400), (16, 16, 16, 16)),
    "RegNetX-3.2GF": ((25, 88, 26.31, 2.25, 48), (2, 6, 15, 2), (96, 192, 432, 1008), (48, 48, 48, 48)),
    "RegNetX-32GF": ((23, 320, 69.86, 2.0, 168), (2, 7, 13, 1), (336, 672, 1344, 2520), (168, 168, 168, 168)),
    "RegNetY-400MF": ((16, 48, 27.89, 2.09, 8), (1, 3, 6, 6), (48, 104, 208, 440), (8, 8, 8, 8)),
    "RegNetY-8.0GF": ((17, 192, 76.82, 2.19, 56), (2, 4, 10, 1), (224, 448, 896, 2016), (56, 56, 56, 56)),
    "RegNetY-32GF": ((20, 232, 115.89, 2.53, 232), (2, 5, 12, 1), (232, 696, 1392, 3712), (232, 232, 232, 232)),
}


@pytest.mark.parametrize("name", STAGES)
def test_the_stages_are_those_of_the_paper(name: str) -> None:
    (depth, initial_width, slope, ratio, group_width), depths, widths, group_widths = STAGES[name]
    stages = quantised_line(depth=depth, initial_width=initial_width, slope=slope, ratio=ratio, group_width=group_width)
    assert tuple(stage.depth for stage in stages) == depths
    assert tuple(stage.width for stage in stages) == widths
    assert tuple(stage.group_width for stage in stages) == group_widths


def test_a_group_is_never_wider_than_its_stage() -> None:
    stages = quantised_line(depth=4, initial_width=8, slope=8.0, ratio=2.0, group_width=16)
    assert [(stage.width, stage.group_width) for stage in stages] == [(8, 8), (16, 16), (32, 16)]


@pytest.mark.parametrize(
    "setting",
    [{"depth": 0}, {"initial_width": 20}, {"initial_width": 0}, {"slope": -1.0}, {"ratio": 1.0}, {"group_width": 0}],
)
def test_settings_outside_the_design_space_are_refused(setting: dict[str, Any]) -> None:
    name, value = next(iter(setting.items()))
    settings = {"depth": 16, "initial_width": 48, "slope": 27.89, "ratio": 2.09, "group_width": 8, **setting}
    with pytest.raises(ValueError, match=rf"quantised_line: got .*{name} {value}"):
        quantised_line(**settings)
