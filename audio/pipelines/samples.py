"""How sounds become what wav2vec 2.0, HuBERT and WavLM hear: samples as they are, or at mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.pipelines.letters import read_json
from numzoo.audio.pipelines.sounds import RATE

__all__ = ["normal", "normalizes"]


def normalizes(files: Mapping[str, Path], settings: Mapping[str, Any] | None, who: str) -> bool:
    """Whether sounds are normalised: an entry's setting, or what preprocessor_config.json says, which also must be for 16 kHz."""
    given = (settings or {}).get("normalize", True)
    if "preprocessor_config.json" in files:
        said = read_json(files["preprocessor_config.json"])
        given = said.get("do_normalize", True)
        if said.get("sampling_rate", RATE) != RATE:
            raise AudioError(f"{who}: the model hears {said['sampling_rate']!r:.20} samples a second, not {RATE}")
    if not isinstance(given, bool):
        raise AudioError(f"{who}: whether sounds are normalised is {given!r:.40}, not true or false")
    return given


def normal(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """A waveform at mean 0 and variance 1, as transformers' feature extractor makes it."""
    return np.asarray((waveform - waveform.mean()) / np.sqrt(waveform.var() + np.float32(1e-7)), np.float32)
