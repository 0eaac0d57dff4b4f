"""kill -9 in the middle of training, at moments that nobody chose, and the same final weights to the bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo.engine.train import archive

ROOT = Path(__file__).parents[3]
SCRIPT = """
import os, random, signal, sys
import numpy as np
from numzoo import engine
from numzoo.engine import data, nn, optim, train

folder, die_at = sys.argv[1], int(sys.argv[2])
engine.set_threads(1)


class Noisy(data.Dataset):
    def __len__(self):
        return 60

    def __getitem__(self, index):
        image = np.random.default_rng(index).standard_normal((1, 8, 8)) + data.sample_generator().standard_normal((1, 8, 8))
        return image.astype(np.float32), np.int64(image.mean() > 0)


if die_at:
    calls, real = [], os.replace

    def replace(*given):
        calls.append(1)
        if len(calls) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*given)

    os.replace = replace

engine.manual_seed(3)
np.random.seed(3)
random.seed(3)
model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(256, 2))
optimizer = optim.AdamW(model.parameters(), lr=0.01)
train.fit(
    model, data.DataLoader(Noisy(), 4, shuffle=True), optimizer, epochs=4, validation=data.DataLoader(Noisy(), 20, seed=1), metrics=[train.Accuracy()],
    schedule=lambda o, steps: optim.OneCycleLR(o, 0.02, steps), accumulate=2, clip_norm=1.0, ema=0.9, patience=9, checkpoint=folder, save_every=1, resume=True,
    progress=False, callbacks=[type("Steps", (), {"on_step": lambda self, run: print(run.step, flush=True)})()],
)
"""


def start(folder: Path, die_at: int = 0) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".dev")}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), str(die_at)], stdout=subprocess.PIPE, text=True, env=environment
    )


def finished(folder: Path) -> dict[str, Any]:
    process = start(folder)
    process.communicate(timeout=120)
    assert process.returncode == 0
    return archive.read(folder / "last.safetensors")


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return finished(tmp_path_factory.mktemp("whole"))


def assert_same(found: Any, wanted: Any, path: str = "") -> None:
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for name in wanted:
            if name not in ("seconds",):
                assert_same(found[name], wanted[name], f"{path}.{name}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for place, part in enumerate(wanted):
            assert_same(found[place], part, f"{path}.{place}")
    elif isinstance(wanted, np.ndarray):
        assert (found.dtype, found.shape, found.tobytes()) == (wanted.dtype, wanted.shape, wanted.tobytes()), path
    else:
        assert found == wanted, path


def test_a_run_killed_at_random_moments_ends_with_the_same_bits(wanted: dict[str, Any], tmp_path: Path) -> None:
    chance = random.Random()  # other moments every time: none may matter
    reached = 0
    for _ in range(4):
        process = start(tmp_path)
        assert process.stdout is not None
        steps = 0
        for line in process.stdout:
            reached, steps = int(line), steps + 1
            if steps >= chance.randint(1, 6):
                break
        time.sleep(chance.uniform(0, 0.01))
        process.kill()
        process.stdout.close()
        if process.wait(timeout=60) == 0:
            break
        assert process.returncode == -signal.SIGKILL
    assert reached > 0
    assert_same(finished(tmp_path), wanted)


@pytest.mark.parametrize("moment", [1, 9])
def test_a_run_killed_before_a_checkpoint_takes_its_name_goes_on_from_the_one_before(
    moment: int, wanted: dict[str, Any], tmp_path: Path
) -> None:
    process = start(tmp_path, die_at=moment)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert list(tmp_path.glob("*.part"))
    assert_same(finished(tmp_path), wanted)
    assert not list(tmp_path.glob("*.part"))
