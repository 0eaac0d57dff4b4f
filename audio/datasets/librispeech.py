"""Read books: LibriSpeech and LibriTTS, each subset an archive of its own."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from ..errors import DatasetError, MissingDatasetError
from .base import AudioDataset, Recording

SUBSETS = (
    "train-clean-100", "train-clean-360", "train-other-500", "dev-clean", "dev-other", "test-clean", "test-other",
)  # fmt: skip


class LibriSpeech(AudioDataset):
    """A thousand hours of English books, read by volunteers, 16 kHz. Panayotov et al., ICASSP 2015, https://openslr.org/12

    The target is the transcript, in capitals and without punctuation. `split` is a subset's name.
    """

    resource: ClassVar[str] = "data:librispeech"
    splits: ClassVar[tuple[str, ...]] = SUBSETS
    files: ClassVar[dict[str, tuple[str, ...]]] = {subset: (f"{subset}.tar.gz",) for subset in SUBSETS}
    fields: ClassVar[tuple[str, ...]] = ("speaker", "chapter", "utterance")

    def _recordings(self) -> list[Recording]:
        found = []
        for listing in sorted(self._find(self.split).glob("*/*/*.trans.txt"), key=_by_number):
            for line in self._lines(listing):
                name, space, transcript = line.partition(" ")
                if not space or name.count("-") != 2:
                    raise DatasetError(
                        f"{self.who}: {str(listing)!r} has the line {line!r}, which is no name and transcript"
                    )
                speaker, chapter, utterance = name.split("-")
                path = self._sound(listing.parent, f"{name}.flac", listing.name)
                found.append(Recording(path, transcript, (int(speaker), int(chapter), int(utterance))))
        return found


class LibriTTS(AudioDataset):
    """LibriSpeech cut by sentences for speech synthesis, 24 kHz, 585 hours. Zen et al., arXiv:1904.02882, openslr.org/60

    The target is the normalised text (numbers and abbreviations in words); `details` has the original.
    """

    resource: ClassVar[str] = "data:libritts"
    splits: ClassVar[tuple[str, ...]] = SUBSETS
    files: ClassVar[dict[str, tuple[str, ...]]] = {subset: (f"{subset}.tar.gz",) for subset in SUBSETS}
    fields: ClassVar[tuple[str, ...]] = ("original", "speaker", "chapter", "utterance")

    def _recordings(self) -> list[Recording]:
        found = []
        for path in sorted(self._find(self.split).glob("*/*/*.wav"), key=_by_number):
            speaker, chapter, *utterance = path.stem.split("_")
            if not utterance:
                raise DatasetError(f"{self.who}: {path.name!r} is not named SPEAKER_CHAPTER_SENTENCE_PIECE.wav")
            normalised, original = (self._text(path.with_suffix(f".{kind}.txt")) for kind in ("normalized", "original"))
            found.append(Recording(str(path), normalised, (original, int(speaker), int(chapter), "_".join(utterance))))
        return found

    def _text(self, path: Path) -> str:
        if not path.is_file():
            raise MissingDatasetError(f"{self.who}: {str(path)!r} is not there; get the archive again")
        return "\n".join(self._lines(path)).strip()


def _by_number(path: Path) -> tuple[int, int, str]:
    speaker, chapter = path.parts[-3:-1]
    return int(speaker) if speaker.isdigit() else 0, int(chapter) if chapter.isdigit() else 0, path.name
