"""Every error of the hub, each with its exit code and each also a kind of the standard library.

Catch `HubError` for all of them, or the standard kind (`ConnectionError`, `LookupError`, ...) without importing this.
The exit codes are the command line's: 2 usage, 3 not found, 4 network, 5 integrity, 6 offline miss, 7 licence or
authentication, 8 disk or permission, 9 unsafe file (and 10 where `numzoo diff` found differences, which is no error).
"""

from __future__ import annotations

from typing import ClassVar


class HubError(Exception):
    """Anything that the hub refuses or cannot do; `exit_code` is what the command line leaves with."""

    exit_code: ClassVar[int] = 1


class HubWarning(UserWarning):
    """Something that a person should know of and that stops nothing: a deprecated entry, a registry out of reach."""


class LockWarning(HubWarning):
    """The lock makes a name mean something else than the registry says now."""


class UsageError(HubError, ValueError):
    """The call itself is wrong: a malformed name, digest, source or setting."""

    exit_code = 2


class MissingLibraryError(HubError, ImportError):
    """What was asked for needs a Python package that is an extra of numzoo's and is not installed."""

    exit_code = 2


class LoadError(HubError, ValueError):
    """The names or shapes of a checkpoint do not fit the model."""

    exit_code = 2


class NotFoundError(HubError, LookupError):
    """No such model, entry, file or member."""

    exit_code = 3


class NetworkError(HubError, ConnectionError):
    """No source could be reached, or none gave a complete answer."""

    exit_code = 4


class IntegrityError(HubError, ValueError):
    """The bytes are not the ones that the manifest or the lock names."""

    exit_code = 5


class TrustError(IntegrityError):
    """The full sha256 of a file is not known, and nobody has said that the first download may be trusted."""


class FormatError(HubError, ValueError):
    """A file is damaged, or of a kind that nothing here can read."""

    exit_code = 5


class OfflineError(HubError, ConnectionError):
    """The file is not on this machine, and the network is switched off."""

    exit_code = 6


class LicenseError(HubError, PermissionError):
    """The licence was not accepted, or the server wants another token."""

    exit_code = 7


class StorageError(HubError, OSError):
    """The disk is full, or a folder or file of the store cannot be read or written."""

    exit_code = 8


class UnsafeFileError(HubError, ValueError):
    """A file would run code or breaks a rule of safe reading."""

    exit_code = 9
