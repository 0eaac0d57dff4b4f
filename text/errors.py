"""What can go wrong with texts and their data sets: each class is also a standard one.

The class attribute `exit_code` is what the command line ends with.
"""

from __future__ import annotations

from typing import ClassVar


class DatasetError(ValueError):
    """A data set's files are not what its reader expects."""

    exit_code: ClassVar[int] = 5


class MissingDatasetError(DatasetError, FileNotFoundError):
    """A data set's folder or one of its files is not there."""

    exit_code: ClassVar[int] = 3


class TokenizerError(ValueError):
    """A tokenizer's file is not what it should be, or a text or number is not for it."""

    exit_code: ClassVar[int] = 5


class MissingTokenizerError(TokenizerError, FileNotFoundError):
    """No file of a tokenizer is there."""

    exit_code: ClassVar[int] = 3
