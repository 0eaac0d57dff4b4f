"""Short words to recognise: YESNO, Speech Commands, and folders of one's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from ..errors import DatasetError
from .base import AudioDataset, Recording

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64")


class YesNo(AudioDataset):
    """Sixty recordings of one man who says yes (ken) or no (lo) eight times in Hebrew, 8 kHz. https://openslr.org/1

    The target is a tuple of eight numbers, 1 for yes and 0 for no.
    """

    resource: ClassVar[str] = "data:yesno"
    splits: ClassVar[tuple[str, ...]] = ("all",)
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("waves_yesno.tar.gz",)}

    def _recordings(self) -> list[Recording]:
        found = []
        for path in sorted(self._find("waves_yesno").glob("*.wav")):
            words = path.stem.split("_")
            if len(words) != 8 or not set(words) <= {"0", "1"}:
                raise DatasetError(
                    f"{self.who}: {path.name!r} is not named by eight noughts and ones, as 0_1_1_0_1_0_0_1.wav"
                )
            found.append(Recording(str(path), tuple(int(word) for word in words)))
        return found


class SpeechCommands(AudioDataset):
    """One-second recordings of words, 16 kHz: 105,829 of 35 words (v2), 64,727 of 30 (v1). Warden, arXiv:1804.03209.

    The target is the number of a word in `classes`. Splits are those of the lists in the archive: "validation" and "test"
    are what they name, "train" is the rest, "all" is all. `noise` are the paths of the background recordings.
    """

    resource: ClassVar[str] = "data:speech-commands-v2"
    splits: ClassVar[tuple[str, ...]] = ("train", "validation", "test", "all")
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("speech_commands_v0.02.tar.gz",)}
    fields: ClassVar[tuple[str, ...]] = ("word", "speaker", "utterance")
    lists: ClassVar[dict[str, str]] = {"validation": "validation_list.txt", "test": "testing_list.txt"}

    def _recordings(self) -> list[Recording]:
        top = self._find("validation_list.txt").parent
        named = {split: self._lines(self._find(name)) for split, name in self.lists.items()}
        self.noise = sorted(str(path) for path in (top / "_background_noise_").glob("*.wav"))
        self.classes = tuple(sorted(e.name for e in top.iterdir() if e.is_dir() and not e.name.startswith(("_", "."))))
        numbers = {word: number for number, word in enumerate(self.classes)}
        if self.split in named:
            listing = self.lists[self.split]
            chosen = [Path(self._sound(top, name, listing)) for name in named[self.split] if name]
            for path in chosen:
                if path.parent.name not in numbers:
                    raise DatasetError(f"{self.who}: {listing} names {path}, which is in no word's folder")
        else:
            held = set() if self.split == "all" else {name for names in named.values() for name in names}
            everything = [path for word in self.classes for path in sorted((top / word).glob("*.wav"))]
            chosen = [path for path in everything if f"{path.parent.name}/{path.name}" not in held]
        return [Recording(str(path), numbers[path.parent.name], _who_said(path)) for path in chosen]


class SpeechCommands1(SpeechCommands):
    """The first version of Speech Commands: 64,727 recordings of 30 words; all else is as in SpeechCommands."""

    resource: ClassVar[str] = "data:speech-commands-v1"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("speech_commands_v0.01.tar.gz",)}


class AudioFolder(AudioDataset):
    """`folder`/CLASS/.../SOUND: every subfolder is a class, the sounds at any depth in it are its examples.

    The target is the number of the class in `classes`, the subfolders' names, sorted. Files with other suffixes and
    hidden ones (.name) are passed over. DatasetError for a class without sounds.
    """

    splits: ClassVar[tuple[str, ...]] = ("all",)

    def __init__(self, folder: str | os.PathLike[str], *, transform: Callable[[Any, int], Any] | None = None) -> None:
        super().__init__(folder, transform=transform)

    def _recordings(self) -> list[Recording]:
        root = self.roots[0]
        self.classes = tuple(sorted(e.name for e in root.iterdir() if e.is_dir() and not e.name.startswith(".")))
        if not self.classes:
            raise DatasetError(f"{self.who}: {str(root)!r} must hold a subfolder for each class, but has none")
        found = []
        for number, name in enumerate(self.classes):
            sounds = sorted(path for path in (root / name).rglob("*") if _is_sound(path))
            if not sounds:
                raise DatasetError(
                    f"{self.who}: there is no sound in {name!r} of {str(root)!r}; fill or remove the folder. Sounds are "
                    f"files ending in {' '.join(SUFFIXES)}"
                )
            found += [Recording(str(path), number) for path in sounds]
        return found


def _is_sound(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _who_said(path: Path) -> tuple[str, str, int | None]:
    speaker, _, utterance = path.stem.partition("_nohash_")
    return path.parent.name, speaker, int(utterance) if utterance.isdigit() else None
