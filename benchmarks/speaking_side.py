"""One side of the benchmark of texts said aloud: SIDE. Prints milliseconds by the wall and by the processor."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

FRAMES, MEL_FRAMES, HOP = 60, 200, 275
TOKENS = np.arange(60)[None] % 37 + 1
MEL = np.random.default_rng(0).normal(size=(1, 80, MEL_FRAMES)).astype(np.float32) - 4


def numzoo() -> dict[str, tuple[Callable[[], Any], float]]:
    """What is measured, and how many parts of it are one."""
    from numzoo import engine
    from numzoo.audio import models
    from numzoo.audio.pipelines.speaking.vocoders import GriffinLimVocoder

    engine.set_threads(int(os.environ["OMP_NUM_THREADS"]))
    tacotron, wave = models.tacotron2(n_symbol=38, gate_threshold=1.0).eval(), models.wavernn().eval()
    hifigan, griffin = models.hifigan_vocoder_v3().eval(), GriffinLimVocoder()

    def heard() -> None:
        with engine.inference_mode():
            hifigan(MEL)

    return {
        "tacotron": (lambda: tacotron.say(TOKENS, max_steps=FRAMES), FRAMES),
        "wavernn": (lambda: wave.infer(MEL[:, :, :4]), 4 * HOP / 1000),
        "hifigan": (heard, 1),
        "griffin_lim": (lambda: griffin(MEL[0], np.random.default_rng(0), 1.0), 1),
    }


def torchaudio() -> dict[str, tuple[Callable[[], Any], float]]:
    """The same by torchaudio."""
    warnings.simplefilter("ignore")  # of its parts that will go
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.set_grad_enabled(False)
    models = importlib.import_module("torchaudio.models")
    tacotron = models.Tacotron2(n_symbol=38, gate_threshold=1.0, decoder_max_step=FRAMES).eval()
    wave = models.WaveRNN(upsample_scales=[5, 5, 11], n_classes=256, hop_length=HOP, n_freq=80).eval()
    griffin = importlib.import_module("torchaudio.pipelines._tts.impl")._GriffinLimVocoder()
    tokens, mel = torch.from_numpy(TOKENS), torch.from_numpy(MEL)

    def heard() -> None:
        with torch.enable_grad():  # which theirs asks for
            griffin(mel)

    found: dict[str, tuple[Callable[[], Any], float]] = {
        "tacotron": (lambda: tacotron.infer(tokens), FRAMES),
        "wavernn": (lambda: wave.infer(mel[:, :, :4]), 4 * HOP / 1000),
        "griffin_lim": (heard, 1),
    }
    try:
        hifigan = importlib.import_module("torchaudio.prototype.models").hifigan_vocoder_v3().eval()
        found["hifigan"] = (lambda: hifigan(mel), 1)
    except ImportError:
        pass
    return found


def main() -> None:
    figures = {}
    for name, (work, parts) in (numzoo if sys.argv[1] == "numzoo" else torchaudio)().items():
        work()
        walls, processor = [], []
        for _ in range(5):
            start, used = time.perf_counter(), time.process_time()
            work()
            walls.append(time.perf_counter() - start)
            processor.append(time.process_time() - used)
        figures |= {f"{name} wall": min(walls) * 1e3 / parts, f"{name} processor": min(processor) * 1e3 / parts}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
