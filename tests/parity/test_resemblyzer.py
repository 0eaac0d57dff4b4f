"""Silences are cut out of voices as Resemblyzer's own code does, on random sounds."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from numzoo.audio.errors import AudioError
from numzoo.audio.pipelines import silences

for package in ("resemblyzer", "webrtcvad", "scipy"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"silences are compared with Resemblyzer's where {package} is installed", allow_module_level=True)


@pytest.fixture(scope="module")
def theirs() -> Any:
    """``trim_long_silences``; what its file imports and does not need for this may be missing or have moved."""
    import scipy.ndimage

    place = Path(str(importlib.util.find_spec("resemblyzer").origin)).parent  # type: ignore[union-attr]
    moved, package = ModuleType("scipy.ndimage.morphology"), ModuleType("resemblyzer")
    moved.binary_dilation = scipy.ndimage.binary_dilation  # type: ignore[attr-defined]
    package.__path__ = [str(place)]
    before = dict(sys.modules)
    sys.modules |= {"scipy.ndimage.morphology": moved, "resemblyzer": package, "librosa": ModuleType("librosa")}
    found = runpy.run_path(str(place / "audio.py"))["trim_long_silences"]
    for name in set(sys.modules) - set(before):
        if name.startswith("resemblyzer"):
            del sys.modules[name]
    for name in ("scipy.ndimage.morphology", "resemblyzer", "librosa"):
        sys.modules.pop(name, None)
        if name in before:
            sys.modules[name] = before[name]
    return found


def sound(seed: int) -> np.ndarray:
    """Buzzes of random length and loudness between pauses of random length."""
    random = np.random.default_rng(seed)
    pieces = []
    for _ in range(8):
        time = np.arange(random.integers(400, 9000)) / 16000
        pitch, beat = random.uniform(90, 250), random.uniform(2, 9)
        buzz = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 20)) * (
            1 + np.sin(2 * np.pi * beat * time)
        )
        pieces += [random.uniform(0.02, 0.25) * buzz, random.normal(size=random.integers(200, 12000)) * 1e-3]
    return np.concatenate(pieces).astype(np.float32)


@pytest.mark.parametrize("seed", range(12))
def test_silences_are_cut_as_there(seed: int, theirs: Any) -> None:
    waveform = sound(seed)
    wanted = theirs(waveform)
    if not len(wanted):
        with pytest.raises(AudioError, match="no speech"):
            silences.shortened(waveform, silences.voiced_by_detector(waveform))
        return
    assert len(wanted) < len(waveform)
    assert (silences.shortened(waveform, silences.voiced_by_detector(waveform)) == wanted).all()
