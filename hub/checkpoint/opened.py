"""An open checkpoint: its description at once, its tensors one by one when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, BinaryIO

from numpy.typing import NDArray

from numzoo.hub.checkpoint.contents import CheckpointMetadata
from numzoo.hub.checkpoint.source import open_source
from numzoo.hub.checkpoint.tensors import Builder
from numzoo.hub.errors import HubError, UsageError

__all__ = ["Checkpoint"]


class Checkpoint(Mapping[str, NDArray[Any]]):
    """The tensors of a file by name. Reading one takes its own memory only, and none where it lies on the mapping.

    Each reading builds the array anew. Use it in a `with` statement, or call `close`; arrays stay good afterwards.
    """

    def __init__(
        self,
        file: str | os.PathLike[str] | BinaryIO,
        format: str | None = None,
        checksums: bool = True,
        dequantise: bool = True,
        stored: bool = False,
    ) -> None:
        from numzoo.hub.checkpoint.detect import read_contents

        self._source, self._opened, self._name = open_source(file, writable=not stored)
        self._closed, self._aligned = False, not stored
        try:
            with self._named():
                self._contents = read_contents(self._source, format, checksums, dequantise)
        except BaseException:
            self.close()
            raise
        self.metadata: CheckpointMetadata = self._contents.describe()

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Build one tensor. KeyError where there is none of that name; the errors of `read_checkpoint`."""
        if self._closed:
            raise UsageError(f"{self._name} was closed; open it again to read {name!r}.")
        tensor = self._contents.tensors[name]
        with self._named():
            return Builder(self._source.size, aligned=self._aligned).build(tensor)

    def __iter__(self) -> Iterator[str]:
        return iter(self._contents.tensors)

    def __len__(self) -> int:
        return len(self._contents.tensors)

    def read(self) -> dict[str, NDArray[Any]]:
        """Build all tensors; those of one storage share memory."""
        builder = Builder(self._source.size, aligned=self._aligned)
        with self._named():
            return {name: builder.build(tensor) for name, tensor in self._contents.tensors.items()}

    def close(self) -> None:
        """Close the files. An open file that was given stays open."""
        self._closed = True
        if self._source.folder is not None:
            self._source.folder.close()
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Put the file's name before what the readers say."""
        try:
            yield
        except HubError as error:
            text = str(error)
            error.args = (f"{self._name}: {text}" if text.endswith(".") else f"{self._name}: {text}.",)
            raise
