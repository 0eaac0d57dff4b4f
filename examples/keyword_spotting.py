"""Train M5 to tell spoken words apart by their waveforms, on Speech Commands (2.4 GB, fetched and verified by the hub).

python examples/keyword_spotting.py --epochs 20
python examples/keyword_spotting.py --folder ~/speech_commands     # files that are there already, unpacked
python examples/keyword_spotting.py --labels --epochs 10           # nine recordings of a few seconds, 1 MB

With --labels the network learns ALSA's nine names of loudspeakers from one recording of each, shifted, louder, softer and in noise,
and is tested on other shifts of the same recordings: that shows that all parts work, not that it would know another voice.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from numzoo import engine, hub
from numzoo.audio.datasets import SpeechCommands, SpokenLabels
from numzoo.audio.models import m5_classifier
from numzoo.audio.transforms.resampling import resample
from numzoo.engine import data, optim, train

RATE = 8000  # what M5 was made for


class Words(data.Dataset[tuple[np.ndarray, np.int64]]):
    """Recordings at 8 kHz of `seconds`, `repeats` times; with `change` shifted, louder or softer, and with a little noise."""

    def __init__(self, source: Any, seconds: float, *, change: bool, repeats: int = 1) -> None:
        self.source, self.samples, self.change, self.repeats = source, int(seconds * RATE), change, repeats

    def __len__(self) -> int:
        return len(self.source) * self.repeats

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.int64]:
        waveform, rate, label = self.source[index % len(self.source)]
        sound = np.zeros(self.samples, np.float32)
        heard = resample(waveform.mean(0), rate, RATE)[: self.samples]
        sound[: len(heard)] = heard
        if self.change:
            draw = data.sample_generator()
            sound = np.roll(sound, draw.integers(-RATE // 8, RATE // 8))
            sound *= np.float32(draw.uniform(0.5, 1.5))
            sound += draw.normal(0, 0.005, self.samples).astype(np.float32)
        return sound, np.int64(label)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train M5 to tell words apart.")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--labels", action="store_true")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("words-run"))
    options = parser.parse_args()

    engine.manual_seed(0)
    if options.labels:
        known = other = SpokenLabels(options.folder)
        learn, test = Words(known, 2, change=True, repeats=32), Words(other, 2, change=True, repeats=5)
    else:
        known, other = SpeechCommands(options.folder, "train"), SpeechCommands(options.folder, "validation")
        learn, test = Words(known, 1, change=True), Words(other, 1, change=False)
    config = {"classes": len(known.classes), "channels": [32, 32, 64, 64], "stride": 16}
    model = m5_classifier(**config)
    history = train.fit(
        model, data.DataLoader(learn, 64, shuffle=True), optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-2),
        epochs=options.epochs, validation=data.DataLoader(test, 256), metrics=[train.Accuracy()],
        schedule=lambda optimizer, steps: optim.OneCycleLR(optimizer, 1e-2, steps),
        checkpoint=options.out, resume=True, log=options.out / "log.csv",
    )  # fmt: skip
    path = options.out / "model.safetensors"
    hub.save(model, path, builder="audio.models.m5_classifier", config=config, categories=list(known.classes))
    print(f"accuracy {history[-1]['val_accuracy']:.3f}, written to {path}")


if __name__ == "__main__":
    main()
