"""Speech with its text, for recognition and synthesis: LJSpeech, VCTK, CMU ARCTIC, Common Voice, TED-LIUM."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DatasetError
from ..io import read_info
from .base import AudioDataset, Recording

if TYPE_CHECKING:
    from numzoo.hub.published import Fetch


class LJSpeech(AudioDataset):
    """13,100 sentences of one woman who reads non-fiction, 22.05 kHz, 24 hours. https://keithito.com/LJ-Speech-Dataset

    The target is the normalised text (numbers in words); `details` has the text as it was printed.
    """

    resource: ClassVar[str] = "data:ljspeech"
    splits: ClassVar[tuple[str, ...]] = ("all",)
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("LJSpeech-1.1.tar.bz2",)}
    fields: ClassVar[tuple[str, ...]] = ("name", "printed")

    def _recordings(self) -> list[Recording]:
        listing = self._find("metadata.csv")
        found = []
        for number, line in enumerate(self._lines(listing), 1):
            fields = line.split("|")
            if len(fields) != 3:
                raise DatasetError(f"{self.who}: line {number} of metadata.csv has {len(fields)} fields in place of 3")
            name, printed, normalised = fields
            path = self._sound(listing.parent / "wavs", f"{name}.wav", "metadata.csv")
            found.append(Recording(path, normalised, (name, printed)))
        return found


class VCTK(AudioDataset):
    """110 speakers of English with their accents, 48 kHz, 44 hours (version 0.92). https://doi.org/10.7488/ds/2645

    The target is the text. Each sentence was taken by two microphones, of which `microphone` chooses one (1 or 2);
    sentences without a text (speaker p315) or without that recording are left out.
    """

    resource: ClassVar[str] = "data:vctk"
    splits: ClassVar[tuple[str, ...]] = ("all",)
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("VCTK-Corpus-0.92.zip",)}
    fields: ClassVar[tuple[str, ...]] = ("speaker", "sentence")

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str | None = None,
        *,
        microphone: int = 2,
        transform: Callable[[Any, int], Any] | None = None,
        fetch: Fetch | None = None,
        resource: str | None = None,
    ) -> None:
        if microphone not in (1, 2):
            raise ValueError(f"{self.who}: microphone is {microphone!r} but must be 1 or 2")
        self.microphone = microphone
        super().__init__(folder, split, transform=transform, fetch=fetch, resource=resource)

    def _recordings(self) -> list[Recording]:
        sounds = self._find("wav48_silence_trimmed")
        found = []
        for path in sorted(sounds.glob(f"*/*_mic{self.microphone}.flac")):
            speaker, sentence, _ = path.stem.split("_")
            text = sounds.parent / "txt" / speaker / f"{speaker}_{sentence}.txt"
            if text.is_file():
                found.append(Recording(str(path), "\n".join(self._lines(text)).strip(), (speaker, sentence)))
        return found


class CMUArctic(AudioDataset):
    """About 1,150 sentences of one speaker, 16 kHz, for speech synthesis. Kominek, Black, http://festvox.org/cmu_arctic

    The target is the text. `split` is the speaker: "aew", "ahw", ..., "slt".
    """

    resource: ClassVar[str] = "data:cmu-arctic"
    splits: ClassVar[tuple[str, ...]] = (
        "aew", "ahw", "aup", "awb", "axb", "bdl", "clb", "eey", "fem", "gka", "jmk", "ksp", "ljm", "lnh", "rms", "rxr",
        "slp", "slt",
    )  # fmt: skip
    files: ClassVar[dict[str, tuple[str, ...]]] = {name: (f"cmu_us_{name}_arctic.tar.bz2",) for name in splits}
    fields: ClassVar[tuple[str, ...]] = ("name",)

    def _recordings(self) -> list[Recording]:
        top = self._find(f"cmu_us_{self.split}_arctic")
        listing = top / "etc" / "txt.done.data"
        found = []
        for line in self._lines(listing):
            parts = re.fullmatch(r'\(\s*(\S+)\s+"(.*)"\s*\)', line.strip())
            if parts is None:
                raise DatasetError(f'{self.who}: txt.done.data has the line {line!r} in place of ( NAME "text" )')
            path = self._sound(top / "wav", f"{parts[1]}.wav", listing.name)
            found.append(Recording(path, parts[2].replace('\\"', '"'), (parts[1],)))
        return found


class CommonVoice(AudioDataset):
    """Sentences that volunteers read for Mozilla, one language of one release. https://commonvoice.mozilla.org

    The archive has to be fetched by a person; `folder` is the unpacked language, with clips/ and the .tsv files, whose
    name is the split. The target is the sentence; `details` has every column of the list.
    """

    resource: ClassVar[str] = "data:common-voice"
    splits: ClassVar[tuple[str, ...]] = ("train", "dev", "test", "validated", "invalidated", "other")
    files: ClassVar[dict[str, tuple[str, ...]]] = {}

    def __init__(
        self,
        folder: str | os.PathLike[str],
        split: str | None = None,
        *,
        transform: Callable[[Any, int], Any] | None = None,
    ) -> None:
        super().__init__(folder, split, transform=transform)

    def details(self, index: int) -> dict[str, Any]:
        return dict(zip(self._columns, self._recording(index).details, strict=True))

    def _recordings(self) -> list[Recording]:
        listing = self._find(f"{self.split}.tsv")
        rows = csv.reader(self._lines(listing), delimiter="\t", quoting=csv.QUOTE_NONE)
        self._columns = next(rows, [])
        missing = {"path", "sentence"} - set(self._columns)
        if missing:
            raise DatasetError(f"{self.who}: {listing.name} has no column {' and no '.join(sorted(missing))}")
        path, sentence = self._columns.index("path"), self._columns.index("sentence")
        found = []
        for number, row in enumerate(rows, 2):
            if len(row) != len(self._columns):
                raise DatasetError(
                    f"{self.who}: line {number} of {listing.name} has {len(row)} of {len(self._columns)} fields"
                )
            sound = self._sound(listing.parent / "clips", row[path], listing.name)
            found.append(Recording(sound, row[sentence], tuple(row)))
        return found


class TEDLIUM(AudioDataset):
    """Talks with their transcripts, 16 kHz, each sentence a piece of a long recording. Release 1: https://openslr.org/7

    The target is the transcript of a piece. Pieces that the list marks as not to be scored are left out.
    """

    resource: ClassVar[str] = "data:tedlium1"
    splits: ClassVar[tuple[str, ...]] = ("train", "dev", "test")
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("TEDLIUM_release1.tar.gz",)}
    fields: ClassVar[tuple[str, ...]] = ("talk", "speaker", "begin", "end")
    places: ClassVar[dict[str, str]] = {split: split for split in splits}

    def _recordings(self) -> list[Recording]:
        found = []
        rates: dict[str, int] = {}
        for listing in sorted((self._find(self.places[self.split]) / "stm").glob("*.stm")):
            for line in self._lines(listing):
                if not line.strip() or line.startswith(";;"):
                    continue
                fields = line.split(" ", 6)
                if len(fields) < 6:
                    raise DatasetError(
                        f"{self.who}: {listing.name} has the line {line!r} with {len(fields)} fields of 7"
                    )
                talk, _, speaker, begin, end, _ = fields[:6]
                text = fields[6].strip() if len(fields) > 6 else ""
                if text == "ignore_time_segment_in_scoring":
                    continue
                path = self._sound(listing.parent.parent / "sph", f"{talk}.sph", listing.name)
                rate = rates.get(path) or rates.setdefault(path, read_info(path).rate)
                piece = (round(float(begin) * rate), round(float(end) * rate))
                if not 0 <= piece[0] <= piece[1]:
                    raise DatasetError(f"{self.who}: {listing.name} has a piece from {begin} to {end} seconds")
                found.append(Recording(path, text, (talk, speaker, float(begin), float(end)), piece))
        return found


class TEDLIUM2(TEDLIUM):
    """Release 2, 207 hours; all else is as in TEDLIUM. https://openslr.org/19"""

    resource: ClassVar[str] = "data:tedlium2"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("TEDLIUM_release2.tar.gz",)}


class TEDLIUM3(TEDLIUM):
    """Release 3, 452 hours; "dev" and "test" are those of release 2. Hernandez et al., 1805.04699, https://openslr.org/51"""

    resource: ClassVar[str] = "data:tedlium3"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("TEDLIUM_release-3.tgz",)}
    places: ClassVar[dict[str, str]] = {"train": "data", "dev": "legacy/dev", "test": "legacy/test"}
