"""From an address to a manifest that may be believed: signature, version, expiry and digest, in this order.

- A registry with public keys in the configuration must be signed by one of them; what was not is refused.
- It must not be older than what was last verified of it (rollback), nor another text under the same version, nor
  another registry that the same key has signed.
- It must not have expired (freeze). A clock that is wrong by a day does no harm.
- The manifest must be the very bytes that the statement names.

Where the network fails, what was last verified serves, while it has not expired. Where the person has switched the
network off, it serves even then, with a warning: they know that nothing new can come.
"""

from __future__ import annotations

import hashlib
import warnings
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from numzoo.hub.configuration import RegistrySettings
from numzoo.hub.errors import HubWarning, IntegrityError, LicenseError, NetworkError, NotFoundError, OfflineError
from numzoo.hub.registry.foreign import Origin
from numzoo.hub.registry.manifest import Manifest, parse
from numzoo.hub.registry.static.access import FolderAccess, WebAccess, is_web
from numzoo.hub.registry.static.layout import POINTER
from numzoo.hub.registry.static.memory import Memory
from numzoo.hub.registry.static.signing import key_id, verify
from numzoo.hub.registry.static.statement import Pointer, now, read_pointer

__all__ = ["Opened", "canonical", "open_static"]

_CLOCK = timedelta(days=1)


class Opened:
    """A registry that was opened: its manifest, the pointer that was verified, and the key that it was verified with
    (None where no key was asked for)."""

    def __init__(self, manifest: Manifest, pointer: Pointer, key: str | None) -> None:
        self.manifest, self.pointer, self.key = manifest, pointer, key


def canonical(address: str) -> str:
    """An address by which a registry is remembered: without a slash at its end, a folder's in full."""
    return address.rstrip("/") if is_web(address) else str(Path(address).expanduser().resolve())


def open_static(settings: RegistrySettings, *, offline: bool) -> Opened:
    """Open a registry. Raises IntegrityError and FormatError (exit 5) for what is refused, NotFoundError where there is
    none, NetworkError where it cannot be reached and OfflineError where that was never tried before."""
    who = settings.name or settings.address
    address = canonical(settings.address)
    memory = Memory(address)
    known = memory.pointer()
    web = is_web(address)
    if web and offline:
        return _remembered(settings, memory, known, who, strictly=False)
    access = WebAccess(address, settings.mirrors) if web else FolderAccess(address)
    try:
        data = access.pointer()
    except (NetworkError, LicenseError) as problem:
        if known is None:
            alone = " `--registry numzoo` asks numzoo's own alone." if settings.name else ""
            raise type(problem)(f"The registry {who} cannot be reached: {str(problem).rstrip('.')}.{alone}") from None
        opened = _remembered(settings, memory, known, who, strictly=True)
        _warn(f"The registry {who} cannot be reached ({str(problem).rstrip('.')}); version {known.statement.version}, "
              f"which was verified before, is used.")  # fmt: skip
        return opened
    pointer = read_pointer(data, who=f"{who}, {POINTER}")
    key = _signed(pointer, settings, who)
    if known is not None:
        _check_successor(pointer, known, who, address)
    _check_expiry(pointer, who)
    text = memory.manifest(pointer)
    if text is None:
        try:
            text = access.blob(pointer.statement.sha256, pointer.statement.bytes)
        except NotFoundError:
            if access.pointer() == data:
                raise
            # Between the two reads a new version was published and the old one pruned.
            return open_static(settings, offline=offline)
        _check_manifest(text, pointer, who)
    manifest = _manifest(text, settings, who)
    memory.remember(data, pointer, text)
    return Opened(manifest, pointer, key)


def _remembered(
    settings: RegistrySettings, memory: Memory, known: Pointer | None, who: str, *, strictly: bool
) -> Opened:
    """What was last verified, held once more to the keys that are accepted now."""
    text = None if known is None else memory.manifest(known)
    if known is None or text is None:
        raise OfflineError(
            f"The registry {who} was never opened on this machine, and the network is switched off: open it once with "
            f"the network on, as by `numzoo ls --registry {settings.address}`."
        )
    key = _signed(known, settings, who)
    try:
        _check_expiry(known, who)
    except IntegrityError as problem:
        if strictly:
            raise
        _warn(f"{problem} The network is switched off, so it is used as it was last verified.")
    return Opened(_manifest(text, settings, who), known, key)


def _signed(pointer: Pointer, settings: RegistrySettings, who: str) -> str | None:
    """The accepted key that has signed, None where none is asked for. Raises IntegrityError without one."""
    if not settings.keys:
        return None
    key = verify(pointer.message, pointer.signatures, settings.keys)
    if key is not None:
        return key
    wanted = ", ".join(key_id(each) for each in settings.keys)
    if not pointer.signatures:
        raise IntegrityError(f"The registry {who} is not signed, but the configuration wants a signature of {wanted}.")
    claimed = ", ".join(key_id(each) for each, _ in pointer.signatures)
    if {each for each, _ in pointer.signatures} & set(settings.keys):
        raise IntegrityError(f"The registry {who} was tampered with: its signature by {claimed} is wrong.")
    raise IntegrityError(
        f"The registry {who} is signed by {claimed}, but the configuration accepts only {wanted}. If its owner has "
        f"changed the key, get the new one from them, and put it into the configuration."
    )


def _check_successor(pointer: Pointer, known: Pointer, who: str, address: str) -> None:
    """Refuse what does not come after (or is not the same as) what was last verified."""
    new, old = pointer.statement, known.statement
    way_out = f"If its owner has set it up anew, say `numzoo registry forget {address}`."
    if new.registry != old.registry:
        raise IntegrityError(f"Another registry stands where {who} was (mixed up, or put there). {way_out}")
    if new.version < old.version:
        raise IntegrityError(
            f"The registry {who} has gone back from version {old.version} to {new.version}: an old copy is served "
            f"(rollback). {way_out}"
        )
    if new.version == old.version and pointer.text != known.text:
        raise IntegrityError(f"The registry {who} has two different versions {new.version}. {way_out}")


def _check_expiry(pointer: Pointer, who: str) -> None:
    expires = pointer.statement.expires
    if expires is not None and now() > expires + _CLOCK:
        raise IntegrityError(
            f"The registry {who} was good until {expires:%Y-%m-%d}, and it is {now():%Y-%m-%d}: it is no longer looked "
            f"after, or an old copy is served (freeze). Ask its owner to renew it (`numzoo index DIR --sign KEY`), and "
            f"check this machine's clock."
        )


def _check_manifest(text: bytes, pointer: Pointer, who: str) -> None:
    wanted = pointer.statement
    found = hashlib.sha256(text).hexdigest()
    if len(text) != wanted.bytes or found != wanted.sha256:
        raise IntegrityError(
            f"The manifest of the registry {who} is not the one that its {POINTER} names: it has {len(text)} bytes and "
            f"sha256 {found}, wanted are {wanted.bytes} and {wanted.sha256}."
        )


@lru_cache(maxsize=8)
def _manifest(text: bytes, settings: RegistrySettings, who: str) -> Manifest:
    address = canonical(settings.address)
    if is_web(address):
        blobs = tuple(f"{each.rstrip('/')}/" for each in (address, *settings.mirrors))
        origin = Origin(blobs=blobs, namespaces=settings.namespaces)
        return Manifest(parse(text, who=who), who=who, origin=origin)
    folder = Path(address)
    origin = Origin(folder=folder, blobs=("file:",), namespaces=settings.namespaces)
    return Manifest(parse(text, who=who), who=who, base=str(folder), origin=origin)


def _warn(message: str) -> None:
    warnings.warn(message, HubWarning, stacklevel=2)
