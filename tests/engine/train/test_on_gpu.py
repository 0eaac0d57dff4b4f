"""`fit` on the emulated GPU: the same numbers as on the CPU, and a run that was stopped goes on."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo import engine
from numzoo.engine import nn, train
from numzoo.engine.data import DataLoader, TensorDataset

RNG = np.random.default_rng(2)
INPUTS, LABELS = RNG.standard_normal((22, 5)).astype(np.float32), RNG.integers(0, 3, 22)


def trained(device: str, **settings: Any) -> dict[str, Any]:
    engine.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)).to(device)
    optimizer = engine.optim.AdamW(model.parameters(), lr=0.01)
    loader = DataLoader(TensorDataset(engine.tensor(INPUTS), engine.tensor(LABELS)), 4, shuffle=True, seed=1)
    train.fit(model, loader, optimizer, validation=(INPUTS, LABELS), progress=False, **settings)
    return {name: value.numpy() for name, value in model.state_dict().items()}


def test_it_trains_as_on_the_cpu_and_goes_on(gpu: Any, tmp_path: Any) -> None:
    wanted = trained("cpu", epochs=2)
    found = trained("cuda", epochs=2)
    for name, value in wanted.items():
        assert np.allclose(found[name], value, rtol=1e-4, atol=1e-6), name
    trained("cuda", epochs=1, checkpoint=tmp_path)
    resumed = trained("cuda", epochs=2, checkpoint=tmp_path, resume=True)
    for name, value in found.items():
        assert np.array_equal(resumed[name], value), name
