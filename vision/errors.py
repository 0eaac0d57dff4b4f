"""What can go wrong with images and datasets: each class is also a standard one.

The class attribute `exit_code` is what the command line ends with.
"""

from __future__ import annotations

from typing import ClassVar


class ImageError(ValueError):
    """An image cannot be used; the message says which one, what was wrong with it, and the way out."""

    exit_code: ClassVar[int] = 2


class MissingImageError(ImageError, FileNotFoundError):
    """There is no file under the given path."""

    exit_code: ClassVar[int] = 3


class ImageAccessError(ImageError, PermissionError):
    """The file is there, but this user may not read or write it."""

    exit_code: ClassVar[int] = 8


class UnknownImageFormatError(ImageError):
    """The bytes are not an image of a format that is read here."""


class DamagedImageError(ImageError):
    """The file begins like an image but cannot be decoded: truncated, or changed on the way."""


class ImageTooLargeError(ImageError):
    """The image has, or would get, more pixels than the limit allows."""


class DatasetError(ValueError):
    """A dataset's files are not what its reader expects."""

    exit_code: ClassVar[int] = 5


class MissingDatasetError(DatasetError, FileNotFoundError):
    """A dataset's folder or one of its files is not there."""

    exit_code: ClassVar[int] = 3
