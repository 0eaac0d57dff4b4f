"""Every CUDA source compiles for each kind of GPU, with every set of definitions that its kernels name."""

from __future__ import annotations

from typing import Any

import pytest

from numzoo.engine.errors import DeviceError
from numzoo.engine.kernels.cuda import nvrtc, program

try:
    nvrtc.version()
    MISSING = ""
except DeviceError as problem:
    MISSING = str(problem)

SOURCES = sorted(path.name for path in program.SOURCES.glob("*.cu"))
FLOATS = [program.scalars(dtype) for dtype in program.SCALARS]
"""What a source is compiled with unless the table below says otherwise."""
DEFINITIONS: dict[str, list[dict[str, Any]]] = {}
"""For a source, the sets of definitions to try: one for each branch that its preprocessor or its templates may take."""


@pytest.mark.skipif(bool(MISSING), reason=MISSING or "NVRTC is here")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90a", "sm_100"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_source_compiles(source: str, architecture: str) -> None:
    headers = {name: program.source_text(name) for name in program.HEADERS}
    for definitions in DEFINITIONS.get(source, FLOATS):
        options = tuple(f"-D{name}={value}" for name, value in sorted(definitions.items()))
        assert nvrtc.compile_source(program.source_text(source), source, headers, options, architecture)


def test_the_table_names_sources_that_are_there() -> None:
    assert set(DEFINITIONS) <= set(SOURCES)
