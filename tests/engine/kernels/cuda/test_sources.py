"""Every CUDA source compiles for each kind of GPU, with every set of definitions that its kernels name."""

from __future__ import annotations

from typing import Any

import pytest

from numzoo.engine.dtype import bfloat16, bool_, float32, float64, int64
from numzoo.engine.errors import DeviceError
from numzoo.engine.kernels.cuda import program
from numzoo.engine.kernels.cuda.elementwise.expressions import EXPRESSIONS
from numzoo.engine.kernels.cuda.elementwise.operations import Computation, compute_type
from numzoo.engine.kernels.cuda.libraries import nvrtc

try:
    nvrtc.version()
    MISSING = ""
except DeviceError as problem:
    MISSING = str(problem)

SOURCES = sorted(path.name for path in program.SOURCES.glob("*.cu"))
FLOATS = [program.scalars(dtype) for dtype in program.SCALARS]
"""What a source is compiled with unless the table below says otherwise."""
NARROW, WIDE = FLOATS[3], FLOATS[1]
HELD = {**NARROW, "PARAM": "float", "LABEL": "int", "WEIGHT": "float", "TEAM": 512, "BLOCK": 512, "CHUNKS": 4}
UNHELD = {**WIDE, "PARAM": "double", "LABEL": "index_t", "WEIGHT": "double", "TEAM": 32, "BLOCK": 128, "CHUNKS": 0}
BESIDE_NARROW = {"SCALAR": "float", "SOURCE": "bfloat", "TEAM": 32, "BLOCK": 128}
DEFINITIONS: dict[str, list[dict[str, Any]]] = {
    "layer_norm.cu": [HELD, UNHELD, {**UNHELD, "SCALAR": "float", "WIDE": "float", "PARAM": "float", "TWIN": "half"}],
    "residuals.cu": [
        {**HELD, **BESIDE_NARROW, "DROPS": 1, "FLOWS": 4, "TWIN": "bfloat", "CHUNKS": 6},
        {**UNHELD, "DROPS": 1, "BESIDE": 1},
    ],
    "pooling.cu": [
        {**NARROW, "GROUP": 8, "LAST": 1, "OFFSET": "uchar"},
        {**WIDE, "GROUP": 1, "LAST": 0, "OFFSET": "int"},
    ],
    "gates.cu": [{"SCALAR": "float", "WIDE": "float", "FLOW": "bfloat"}, {**WIDE, "FLOW": "double"}],
    "gating.cu": [{**NARROW, "GATE": 0}, {**FLOATS[0], "GATE": 1}, {**WIDE, "GATE": 2}],
    "bounds.cu": [{**NARROW, "INDEX": "uint"}, {**WIDE, "INDEX": "index_t"}],
    "steps.cu": [
        {"WIDE": "float", "FLOW": "bfloat", "EXAMPLES": 8},
        {"WIDE": "double", "FLOW": "double", "EXAMPLES": 1},
    ],
    "places.cu": [
        {**NARROW, "UNIT": "quad", "INDEX": "int"},
        {**WIDE, "UNIT": "uchar", "INDEX": "index_t", "HOW": 1},
        {"SCALAR": "index_t", "WIDE": "index_t", "WHOLE": 1, "UNIT": "uint", "INDEX": "uchar", "HOW": 2},
    ],
    "resampling.cu": [{**NARROW, "GROUP": 8, "LAST": 1}, {**WIDE, "GROUP": 1, "LAST": 0}],
    "rotary.cu": [
        {**NARROW, "ANGLE": "float", "RESULT": "float", "GROUP": 4, "INTERLEAVED": 0},
        {**WIDE, "ANGLE": "double", "RESULT": "double", "GROUP": 1, "INTERLEAVED": 1},
    ],
    "table.cu": [{**NARROW, "UNIT": "quad", "INDEX": "int"}, {**WIDE, "UNIT": "uchar", "INDEX": "index_t"}],
    "softmax.cu": [HELD, UNHELD],
    "entropy.cu": [HELD, UNHELD],
    "padding.cu": [{}, {"UNIT": "unsigned"}],
    "columns.cu": [WIDE],
    "images.cu": [
        {**NARROW, "PARAM": "float", "GROUPED": 0},
        {**NARROW, "PARAM": "bfloat", "GROUPED": 0, "RUNNING": "bfloat"},
        {**WIDE, "PARAM": "double", "GROUPED": 1},
        {**NARROW, "PARAM": "float", "GROUPED": 0, "ACTIVATION": 2},
        {**FLOATS[0], "PARAM": "float", "GROUPED": 0, "ACTIVATION": 3},
        {**WIDE, "PARAM": "double", "GROUPED": 0, "ACTIVATION": 1, "RESIDUAL": 1},
    ],
    "planes.cu": [
        {**NARROW, "PARAM": "bfloat", "GROUPED": 0, "ACTIVATION": 1},
        {**WIDE, "PARAM": "double", "GROUPED": 1},
        {**FLOATS[0], "PARAM": "float", "GROUPED": 0, "RESIDUAL": 1},
    ],
}
"""For a source, the sets of definitions to try: one for each branch that its preprocessor or its templates may take."""
DEFINITIONS["waiting.cu"] = [{}]
DEFINITIONS["narrowing.cu"] = [{"SCALAR": "bfloat", "MOST": 224}, {"SCALAR": "half"}]
DEFINITIONS["attention_few.cu"] = [{**NARROW, "LANES": 8}, {**FLOATS[0], "LANES": 32}]
DEFINITIONS["attention_tiled.cu"] = [
    {"WIDTH": width, "ROWS": rows, "COLUMNS": columns, "DROPS": drops}
    for width, rows, columns, drops in ((64, 8, 8, 0), (80, 8, 4, 1), (128, 7, 4, 0), (32, 2, 8, 1))
]
DEFINITIONS["attention_tiled_backward.cu"] = [
    {"WIDTH": width, "ROWS": rows, "COLUMNS": 4, "DROPS": drops, "WAY": way}
    for width, rows, drops, way in ((64, 8, 0, 2), (128, 4, 1, 0), (80, 2, 1, 1))
]
DEFINITIONS["elementwise.cu"] = [
    Computation(
        EXPRESSIONS[name].text(dtype), operands, result, compute_type(dtype), EXPRESSIONS[name].masks
    ).definitions
    for name, dtype, operands, result in (
        ("gelu", float32, [float32], float32),
        ("addcmul", bfloat16, [bfloat16] * 3, bfloat16),
        ("either", int64, [bool_, int64, int64], int64),
        ("isclose", float64, [float64] * 2, bool_),
    )
]
DEFINITIONS["drawing.cu"] = [
    {"RESULT": result, "WIDE": wide, "DIGITS": digits}
    for result, wide, digits in (
        ("float", "float", 24),
        ("double", "double", 24),
        ("bfloat", "float", 8),
        ("bool", "float", 24),
    )
]
DEFINITIONS["reductions.cu"] = [
    {"HOW": how, "SCALAR": scalar, "WIDE": wide, "TOTAL": total, "RESULT": result, **more}
    for how, scalar, wide, total, result, more in (
        ("Totals", "float", "float", "double", "float", {"END": "total/count"}),
        ("Totals", "bfloat", "float", "double", "float", {"LINES": 32}),
        ("Largest", "bfloat", "float", "double", "long long", {"PLACE": 1}),
        ("Spread", "half", "float", "double", "half", {"INDEX": "index_t"}),
        ("Powers", "bfloat", "float", "float", "bfloat", {}),
        ("Powers", "double", "double", "double", "double", {}),
        ("Totals", "signed char", "long long", "long long", "bool", {"MAP": "x!=W(0)", "END": "total!=Added(0)"}),
    )
]
DEFINITIONS["transposing.cu"] = [
    {"UNIT": unit, "INDEX": index} for unit, index in (("unsigned short", "unsigned"), ("quad", "index_t"))
]
DEFINITIONS["joining.cu"] = [{"UNIT": "quad", "INDEX": "index_t", "MOST": 64}, {"UNIT": "unsigned char", "MOST": 2}]
DEFINITIONS["placing.cu"] = [
    {"UNIT": "quad", **NARROW, "NARROW": "float"},
    {"UNIT": "unsigned char", "INDEX": "index_t"},
]
DEFINITIONS["alignment.cu"] = [{"SCALAR": "float"}, {"SCALAR": "double"}]
DEFINITIONS["ordering.cu"] = [
    {"SCALAR": scalar, "KEY": key, "LENGTH": length}
    for scalar, key, length in (("bfloat", "unsigned", 2048), ("double", "unsigned long long", 2048), ("bool", "unsigned", 32))
]  # fmt: skip
DEFINITIONS["scanning.cu"] = [
    {"SCALAR": "half", "TOTAL": "double", "PRODUCT": 1},
    {"SCALAR": "long long", "TOTAL": "long long"},
]
DEFINITIONS["optimizers.cu"] = [
    {
        "RULE": rule,
        "STATES": states,
        "PARAMETER": kept,
        "GRADIENT": kept,
        "WIDE": wide,
        "TOTAL": wide,
        "MOST": 440,
        **more,
    }
    for rule, states, kept, wide, more in (
        ("sgd", 1, "float", "float", {}),
        ("adam", 3, "bfloat", "float", {}),
        ("rmsprop", 3, "half", "float", {"MOMENTUM": 1, "CENTERED": 1}),
        ("lion", 1, "double", "double", {}),
    )
]


@pytest.mark.skipif(bool(MISSING), reason=MISSING or "NVRTC is here")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90a", "sm_100"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_source_compiles(source: str, architecture: str) -> None:
    headers = {name: program.source_text(name) for name in program.HEADERS}
    # Every set for one kind of GPU; for the others what their own instructions may break.
    sets = DEFINITIONS.get(source, FLOATS)
    for definitions in sets if architecture == "sm_90a" else sets[:1]:
        options = tuple(f"-D{name}={value}" for name, value in sorted(definitions.items()))
        assert nvrtc.compile_source(program.source_text(source), source, headers, options, architecture)


def test_the_table_names_sources_that_are_there() -> None:
    assert set(DEFINITIONS) <= set(SOURCES)
