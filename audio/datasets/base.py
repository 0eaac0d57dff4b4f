"""What all data sets of sounds share: where their files come from, and how a recording is read when it is asked for."""

from __future__ import annotations

import csv
import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from numzoo.hub.published import Fetch, PublishedDataset

from ..errors import DatasetError, MissingDatasetError
from ..io import Raw, read_audio

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


class Recording(NamedTuple):
    """One example: the sound's file, what is to be learnt from it, what else is known, and the piece of the file.

    `details` are the values of the data set's `fields`; `piece` is (start, stop) in frames, or None for the whole.
    """

    path: str
    target: Any
    details: tuple[Any, ...] = ()
    piece: tuple[int, int] | None = None


class AudioDataset(PublishedDataset):
    """Recordings of one split. By index: (waveform, rate, target).

    The waveform is float32 (channels, frames), `rate` its frames a second, and the target what the class says: the
    number of a class (of `classes`), or a text. `transform(waveform, rate)` makes what stands in the waveform's place.
    `details(index)` gives what else is known, `paths` are the files, `targets` all targets.

    `folder` holds the files, unpacked, as the archives of the data set have them. Without it `fetch` gets each: called
    with its name in the hub, such as "data:yesno/waves_yesno.tar.gz", it returns the path of a verified file, or the
    folder that an archive was unpacked to; left out, that is numzoo.hub.pull_data. `resource` is the name in the hub.

    Raises MissingDatasetError, DatasetError, and the AudioError of a sound that cannot be read.
    """

    item = "recording"
    files: ClassVar[dict[str, tuple[str, ...]]] = {}
    """split -> the names of its files in the hub; "" stands for every split."""
    fields: ClassVar[tuple[str, ...]] = ()
    raw: Raw | None = None
    classes: Sequence[str] = ()

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str | None = None,
        *,
        transform: Callable[[Any, int], Any] | None = None,
        fetch: Fetch | None = None,
        resource: str | None = None,
    ) -> None:
        super().__init__(folder, split, transform=transform, fetch=fetch, resource=resource)
        self.fetched = folder is None
        files = self.files.get(self.split, self.files.get("", ()))
        self.roots = [Path(folder)] if folder is not None else [self._fetched(file) for file in files]
        if folder is not None and not self.roots[0].is_dir():
            raise MissingDatasetError(
                f"{self.who}: there is no folder {str(folder)!r}; without it the hub fetches the data"
            )
        self.recordings = self._listed()
        if not self.recordings:
            raise DatasetError(
                f"{self.who}: there is not one recording of {self.split!r} in {self.roots[0]}; get it again"
            )

    @property
    def paths(self) -> list[str]:
        """The file of every example."""
        return [recording.path for recording in self.recordings]

    @property
    def targets(self) -> list[Any]:
        """The target of every example."""
        return [recording.target for recording in self.recordings]

    @property
    def labels(self) -> NDArray[numpy.int64]:
        """The numbers of the examples' classes, int64 (n,), where the targets are classes."""
        import numpy

        if not self.classes:
            raise AttributeError(f"{self.who} has no classes; its targets are in .targets")
        return numpy.array(self.targets, numpy.int64)

    def details(self, index: int) -> dict[str, Any]:
        """What is known of an example besides its target."""
        return dict(zip(self.fields, self._recording(index).details, strict=True))

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> tuple[Any, int, Any]:
        recording = self._recording(index)
        start, stop = recording.piece or (0, None)
        waveform, rate = read_audio(recording.path, start=start, stop=stop, raw=self.raw)
        return (waveform if self.transform is None else self.transform(waveform, rate)), rate, recording.target

    def __repr__(self) -> str:
        return f"{self.who}(split={self.split!r}, {len(self)} recordings, transform={self.transform!r})"

    @abstractmethod
    def _recordings(self) -> list[Recording]:
        """The recordings of the split, in their order."""

    def _listed(self) -> list[Recording]:
        """The recordings; whatever a list with other things in it leads to is a DatasetError."""
        try:
            return self._recordings()
        except DatasetError:
            raise
        except (ValueError, IndexError, OverflowError, csv.Error) as error:
            raise DatasetError(
                f"{self.who}: the lists in {str(self.roots[0])!r} are not what they should be ({error}); get them again"
            ) from error

    def _recording(self, index: Any) -> Recording:
        found: Recording = self.recordings[self._place(index)]
        return found

    def _find(self, *names: str) -> Path:
        """The first of these files or folders that is there: in the data set's folder, or up to two folders deeper."""
        for root in self.roots:
            for name in names:
                if root.name == name or (root / name).exists():
                    return root if root.name == name else root / name
            for depth in ("*", "*/*"):
                for name in names:
                    if found := sorted(root.glob(f"{depth}/{name}")):
                        return found[0]
        places = " and ".join(repr(str(root)) for root in self.roots)
        raise MissingDatasetError(
            f"{self.who}: there is no {' and no '.join(names)} in {places}; is it another data set?"
        )

    def _lines(self, path: Path) -> list[str]:
        """The lines of a text file in UTF-8, without their ends; what is not UTF-8 is a DatasetError."""
        try:
            text = path.read_text(encoding="utf-8-sig")  # every kind of line end becomes \n, and nothing else is one
        except UnicodeDecodeError as error:
            raise DatasetError(f"{self.who}: {str(path)!r} is not text in UTF-8 ({error}); get it again") from error
        except OSError as error:
            raise MissingDatasetError(f"{self.who}: {str(path)!r} cannot be read: {error.strerror}") from error
        return text.removesuffix("\n").split("\n") if text else []

    def _sound(self, folder: Path, name: str, where: str) -> str:
        """The path of a sound that the list `where` names; DatasetError where it leads out or to nothing."""
        if name.startswith("/") or "\0" in name or {"..", ""} & set(name.replace("\\", "/").split("/")):
            raise DatasetError(f"{self.who}: {where} names {name!r}, which leads out of the data set; get it again")
        path = folder / name
        if not path.is_file():
            raise MissingDatasetError(f"{self.who}: {where} names {name}, but {str(path)!r} is not there; get it again")
        return str(path)
