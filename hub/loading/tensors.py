"""Every tensor that a name means, one at a time: of an entry, a repository, a folder or a file, under the files' own names.

What convert, diff and scan read; memory holds what is asked for, and no more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from numzoo.hub.checkpoint import FORMATS, Checkpoint, TensorInfo, open_checkpoint
from numzoo.hub.errors import FormatError, LoadError
from numzoo.hub.foreign import weights
from numzoo.hub.foreign.places import Place
from numzoo.hub.loading.load import as_path
from numzoo.hub.loading.places import place_of
from numzoo.hub.registry.manifest import Entry
from numzoo.hub.registry.names import Registry

if TYPE_CHECKING:
    from numzoo.hub.download.fetch import Fetch

__all__ = ["Tensors", "open_tensors"]


@dataclass
class Tensors(Mapping[str, NDArray[Any]]):
    """The tensors of one or several open files by name. `infos` describes each; `notes` are those of safetensors.

    `entry` is the registry's, `place` the repository or folder, where the name meant one.
    """

    name: str
    infos: dict[str, TensorInfo] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    entry: Entry | None = None
    place: Place | None = None
    _files: dict[str, Checkpoint] = field(default_factory=dict)
    _prefixes: dict[str, str] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def add(self, opened: Checkpoint, *, prefix: str = "") -> None:
        """Take in the tensors of one more file, which begin with `prefix` here. LoadError where a name comes twice."""
        self._stack.enter_context(opened)
        self.notes |= opened.metadata.notes
        for info in opened.metadata.tensors:
            name = prefix + info.name
            if name in self._files:
                raise LoadError(f"{self.name}: two of its files hold a tensor named {name!r}.")
            self._files[name], self._prefixes[name] = opened, prefix
            self.infos[name] = replace(info, name=name)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._files[name][name[len(self._prefixes[name]) :]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __enter__(self) -> Tensors:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def open_tensors(name: str | os.PathLike[str], registry: Registry, fetch: Fetch) -> Tensors:
    """Open what `name` means; to be closed, as in a `with` statement. Errors are those of fetching and reading."""
    path = as_path(name, registry)
    place = place_of(name, path, fetch)
    opened = Tensors(str(name), place=place)
    try:
        if place is not None:
            chosen = weights.choose(place)
            for each in chosen.files:
                stream, _ = place.open(each)
                opened._stack.callback(stream.close)
                opened.add(open_checkpoint(stream, checksums=not place.verified))
        elif path is None:
            _add_entry(opened, registry.entry(os.fspath(name)), fetch)
        else:
            opened.add(open_checkpoint(Path(path)))
    except BaseException:
        opened._stack.close()
        raise
    return opened


def _add_entry(opened: Tensors, entry: Entry, fetch: Fetch) -> None:
    opened.entry = entry
    files = [file for file in entry.files if file.format in FORMATS]
    if not files:
        formats = ", ".join(sorted({file.format for file in entry.files}))
        raise FormatError(f"{entry.name} has no file with tensors that can be read; its files are {formats}.")
    for file in files:
        stream, _ = fetch.open(file)
        opened._stack.callback(stream.close)
        opened.add(open_checkpoint(stream, checksums=False), prefix=file.prefix)
