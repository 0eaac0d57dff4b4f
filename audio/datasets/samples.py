"""Small real recordings that Debian packages carry: sentences with their words, spoken labels, noise."""

from __future__ import annotations

import re
from typing import ClassVar

from ..errors import DatasetError
from ..io import Raw
from .base import AudioDataset, Recording

_LINE = re.compile(r"<s>\s*(.*?)\s*</s>\s*\((\S+)\)")


class SphinxSpeech(AudioDataset):
    """Sixteen-kilohertz speech with transcripts, from the tests of CMU Sphinx. https://github.com/cmusphinx/pocketsphinx

    The target is what is said, in small letters. Splits: "librivox", five sentences of a book; "cards", five calls of
    playing cards; "commands", one order to a robot.
    """

    resource: ClassVar[str] = "data:sphinx-speech"
    splits: ClassVar[tuple[str, ...]] = ("librivox", "cards", "commands")
    _sentences: ClassVar[tuple[str, ...]] = tuple(
        f"sense_and_sensibility_01_austen_64kb-{number}.wav" for number in ("0870", "0880", "0890", "0920", "0930")
    )
    files: ClassVar[dict[str, tuple[str, ...]]] = {
        "librivox": ("transcription", *_sentences),
        "cards": ("cards.transcription", "001.wav", "002.wav", "003.wav", "004.wav", "005.wav"),
        "commands": ("goforward.raw",),
    }
    fields: ClassVar[tuple[str, ...]] = ("name",)

    def _recordings(self) -> list[Recording]:
        names = self.files[self.split]
        places = self.roots if self.fetched else [self._find(name) for name in names]
        if self.split == "commands":
            self.raw = Raw(16000)
            return [Recording(str(places[0]), "go forward ten meters", ("goforward",))]
        sounds = dict(zip((name.removesuffix(".wav") for name in names[1:]), places[1:], strict=True))
        found = []
        for line in self._lines(places[0]):
            parts = _LINE.fullmatch(line.strip())
            if parts is None or parts[2] not in sounds:
                raise DatasetError(
                    f"{self.who}: {places[0].name} has the line {line!r} in place of <s> words </s> (name)"
                )
            found.append(Recording(str(sounds[parts[2]]), parts[1], (parts[2],)))
        return found


class SpokenLabels(AudioDataset):
    """A voice that names loudspeakers ("front left", ...) and pink noise, 48 kHz, of ALSA's tests.

    The target is the number of the label in `classes`.
    """

    resource: ClassVar[str] = "data:spoken-labels"
    splits: ClassVar[tuple[str, ...]] = ("all",)
    classes = (
        "front center", "front left", "front right", "noise", "rear center", "rear left", "rear right", "side left",
        "side right",
    )  # fmt: skip
    files: ClassVar[dict[str, tuple[str, ...]]] = {
        "": tuple(f"{label.title().replace(' ', '_')}.wav" for label in classes)
    }

    def _recordings(self) -> list[Recording]:
        names = self.files[""]
        places = self.roots if self.fetched else [self._find(name) for name in names]
        return [Recording(str(path), number) for number, path in enumerate(places)]
