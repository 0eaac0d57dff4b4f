"""The conformance table against PyTorch: random inputs, gradients of two orders, narrow dtypes, empty and non-contiguous memory."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from conformance import CASES
from conformance.case import Case, crooked, random_of

from numzoo import engine

if importlib.util.find_spec("torch") is None:
    pytest.skip(
        "the conformance table is compared with PyTorch where torch is installed (the parity extra)",
        allow_module_level=True,
    )

from conformance.compare import agree, ours, torch

EVERY = [pytest.param(case, id=case.name) for case in CASES]
EPSILON = {"float32": 1.2e-7, "float16": 9.8e-4, "bfloat16": 7.9e-3}


@pytest.mark.parametrize("case", EVERY)
def test_values_and_gradients_are_pytorchs(case: Case) -> None:
    for repeat in range(case.repeats):
        arrays, settings = case.draw(random_of(case, repeat))
        agree(
            lambda *t: case.ours(*t, **settings),  # noqa: B023
            lambda *t: case.theirs(torch, *t, **settings),  # noqa: B023
            *(crooked(a) for a in arrays) if repeat % 2 else arrays,
            tolerance=case.tolerance,
            second=case.second,
            gradient=case.gradient,
        )


@pytest.mark.parametrize("case", [p for p in EVERY if p.values[0].dtypes])  # type: ignore[attr-defined]
def test_narrow_dtypes_are_pytorchs(case: Case) -> None:
    for dtype in case.dtypes:
        kind = engine.dtype.as_dtype(dtype)
        for repeat in range(3):
            arrays, settings = case.draw(random_of(case, 1000 + repeat))
            arrays = [np.asarray(a) if isinstance(a, np.generic) else a for a in arrays]  # what NumPy makes of no axes
            narrow = [a.astype(kind) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in arrays]
            given = case.ours(*[ours(a) if isinstance(a, np.ndarray) else a for a in narrow], **settings)
            exact = case.theirs(
                torch,
                *[
                    torch.tensor(np.asarray(a, np.float64) if a.dtype == kind else a)
                    if isinstance(a, np.ndarray)
                    else a
                    for a in narrow
                ],
                **settings,
            )
            wanted = case.theirs(
                torch,
                *[
                    (
                        torch.tensor(a.astype(np.float32)).to(getattr(torch, dtype))
                        if a.dtype == kind
                        else torch.tensor(a)
                    )
                    if isinstance(a, np.ndarray)
                    else a
                    for a in narrow
                ],
                **settings,
            )
            for x, y, z in zip(
                *(v if isinstance(v, (tuple, list)) else [v] for v in (given, wanted, exact)), strict=True
            ):
                assert str(x.dtype) == str(y.dtype).removeprefix("torch."), dtype
                assert tuple(x.shape) == tuple(y.shape), dtype
                if not y.dtype.is_floating_point:
                    continue
                tolerance = 16 * EPSILON[dtype] * case.narrow_tolerance
                values = x.numpy().astype(np.float64)
                np.testing.assert_allclose(values, z.double().numpy(), rtol=tolerance, atol=tolerance, err_msg=dtype)
