"""Which sounds are there to train on, and which to check with; and how one becomes what Whisper hears."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.errors import AudioError, DatasetError, MissingDatasetError
from numzoo.audio.io import read_info
from numzoo.audio.pipelines.sounds import RATE, sound_of
from numzoo.audio.transforms.presets import WhisperMel
from numzoo.engine import data
from numzoo.finetuning.folders import class_files, class_folders
from numzoo.finetuning.samples import TRAINING, VALIDATION, FileSamples, check_classes, put_aside

__all__ = ["AUGMENTATIONS", "Heard", "Sounds", "find_sounds"]

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
AUGMENTATIONS = ("none", "light", "standard", "strong")


@dataclass(frozen=True)
class Sounds(FileSamples):
    """The classes' names, and (path, class number) for every sound."""

    noun: ClassVar[str] = "sounds"

    def check(self) -> None:
        """Read every sound once; a DatasetError names the first few of those that cannot be read."""
        bad = []
        for path, _ in self.train + self.validation:
            try:
                sound_of(path, str(path))
            except AudioError as error:
                bad.append(str(error))
        if bad:
            more = f"\n  and {len(bad) - 5} more" if len(bad) > 5 else ""
            raise DatasetError(f"{len(bad)} sounds cannot be read:\n  " + "\n  ".join(bad[:5]) + more)

    def longest(self) -> float:
        """How many seconds the longest sound has, by the headers of the files; `check` names those that have none."""
        seconds = [0.0]
        for path, _ in self.train + self.validation:
            with suppress(AudioError):
                info = read_info(path)
                seconds.append(info.frames / info.rate)
        return max(seconds)


def find_sounds(folder: str | os.PathLike[str], *, val_fraction: float = 0.2, seed: int = 0) -> Sounds:
    """The sounds of `folder`: CLASS/SOUND, or train/CLASS/SOUND and val/CLASS/SOUND.

    Without a folder to check with, `val_fraction` of each class (at least one sound) is put aside, chosen by `seed`. Raises
    MissingDatasetError for a missing folder; DatasetError for one without sounds, with a single class, or whose parts differ.
    """
    root = Path(folder)
    if not root.is_dir():
        raise MissingDatasetError(
            f"{root} does not exist or is no folder; wanted one with a folder of sounds for each class"
        )
    parts = [
        next((root / name for name in names if class_folders(root / name)), None) for names in (TRAINING, VALIDATION)
    ]
    base = parts[0] or root
    if not class_folders(base):
        raise DatasetError(
            f"{str(base)!r} must hold a subfolder for each class, with its sounds ({' '.join(SUFFIXES)})"
        )
    found, other = class_files(base, SUFFIXES, "sound", DatasetError)
    classes = tuple(class_folders(base))
    check_classes(repr(str(root)), classes, "class folder", DatasetError)
    samples = _numbered(found, classes)
    if parts[0] is not None and parts[1] is not None:
        held, more = class_files(parts[1], SUFFIXES, "sound", DatasetError)
        if strange := sorted({name for _, name in held} ^ set(classes)):
            raise DatasetError(
                f"{str(root)!r}: the class {strange[0]!r} is only in one of the two parts; both need the same class folders"
            )
        split = f"{parts[0].name} and {parts[1].name}"
        return Sounds(root, classes, samples, _numbered(held, classes), split, (*other, *more))
    for number, name in enumerate(classes):
        if sum(label == number for _, label in samples) < 2:
            raise DatasetError(
                f"{str(root)!r}: the class {name!r} has one sound; one to train on and one to check with are the least"
            )
    chosen = put_aside([label for _, label in samples], val_fraction, seed)
    train = tuple(sample for place, sample in enumerate(samples) if place not in chosen)
    validation = tuple(sample for place, sample in enumerate(samples) if place in chosen)
    return Sounds(root, classes, train, validation, f"{val_fraction:.0%} of each class put aside by seed {seed}", other)


def _numbered(found: Sequence[tuple[Path, str]], classes: Sequence[str]) -> tuple[tuple[Path, int], ...]:
    return tuple((path, classes.index(name)) for path, name in found)


class Heard(data.Dataset[tuple[NDArray[np.float32], np.int64]]):
    """Sounds as log-mel spectrograms of `seconds`, cut or filled up with silence; `augment` changes them at random.

    "light" makes them louder or softer (by up to a factor of 2), "standard" also shifts them by up to a tenth of their
    time, "strong" also adds noise, 20 to 40 dB below them.
    """

    def __init__(
        self, samples: Sequence[tuple[Path, int]], seconds: float, n_mels: int, *, augment: str = "none"
    ) -> None:
        self.samples, self.length, self.augment = list(samples), round(seconds * RATE), augment
        self.hear = WhisperMel(n_mels=n_mels)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], np.int64]:
        path, label = self.samples[index]
        sound = sound_of(path, str(path))[: self.length]
        sound = np.pad(sound, (0, self.length - len(sound)))
        if self.augment != "none":
            sound = self._changed(sound, data.sample_generator())
        return self.hear.whole(sound), np.int64(label)

    def _changed(self, sound: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
        sound = sound * np.float32(2.0 ** draw.uniform(-1, 1))
        if self.augment in ("standard", "strong"):
            most = self.length // 10
            shift = int(draw.integers(-most, most + 1))
            sound = np.roll(sound, shift)
            sound[slice(0, shift) if shift >= 0 else slice(shift, None)] = (
                0  # what leaves at one end does not come back at the other
            )
        if self.augment == "strong":
            loudness = float(np.sqrt(np.mean(sound.astype(np.float64) ** 2)))
            sound = sound + draw.normal(0, 1, len(sound)).astype(np.float32) * np.float32(
                loudness * 10 ** draw.uniform(-2, -1)
            )
        return np.asarray(sound, np.float32)
