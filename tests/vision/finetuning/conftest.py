"""A folder of small pictures of two kinds, and a registry with a LeNet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder of images: `pictures("name", {"cat": 4, "dog": 4})`; cats are dark, dogs are bright."""

    def make(name: str, classes: dict[str, int]) -> Path:
        generator = np.random.default_rng(3)
        for place, (label, count) in enumerate(classes.items()):
            folder = tmp_path / name / label
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 90, (28, 28), dtype=np.uint8) + np.uint8(80 * place)
                PIL.Image.fromarray(pixels).save(folder / f"{number:03}.png")
        return tmp_path / name

    return make
