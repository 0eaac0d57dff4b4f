"""What can go wrong with sounds and their data sets: each class is also a standard one.

The class attribute `exit_code` is what the command line ends with.
"""

from __future__ import annotations

from typing import ClassVar


class AudioError(ValueError):
    """A sound cannot be used; the message says which one, what was wrong with it, and the way out."""

    exit_code: ClassVar[int] = 2


class MissingAudioError(AudioError, FileNotFoundError):
    """There is no file under the given path."""

    exit_code: ClassVar[int] = 3


class MissingLibraryError(AudioError, ImportError):
    """A library that was asked for is not installed: the one that reads and writes sound files, or another."""

    exit_code: ClassVar[int] = 3


class AudioAccessError(AudioError, PermissionError):
    """The file is there, but this user may not read or write it."""

    exit_code: ClassVar[int] = 8


class UnknownAudioFormatError(AudioError):
    """The bytes are not a sound of a format that is read here."""


class DamagedAudioError(AudioError):
    """The file begins like a sound but cannot be decoded to its end: truncated, or changed on the way."""


class AudioTooLargeError(AudioError):
    """The sound has more samples than the limit allows."""


class DatasetError(ValueError):
    """A data set's files are not what its reader expects."""

    exit_code: ClassVar[int] = 5


class MissingDatasetError(DatasetError, FileNotFoundError):
    """A data set's folder or one of its files is not there."""

    exit_code: ClassVar[int] = 3
