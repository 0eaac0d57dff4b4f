"""Writing sounds: the format is the path's suffix, and the file appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from .errors import AudioAccessError, AudioError, MissingAudioError
from .library import handle, sound_library
from .numbers import INTEGERS, check_range, to_float

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FORMATS = {  # suffix: the library's name of the format, and the encoding of floats unless one is asked for
    ".wav": ("WAV", "f32"),
    ".flac": ("FLAC", "s24"),
    ".ogg": ("OGG", "vorbis"),
    ".opus": ("OGG", "opus"),
    ".mp3": ("MP3", "mp3"),
    ".aiff": ("AIFF", "f32"),
    ".aif": ("AIFF", "f32"),
    ".au": ("AU", "f32"),
    ".caf": ("CAF", "f32"),
    ".w64": ("W64", "f32"),
    ".raw": ("RAW", "s16"),
}
_ENCODINGS = {  # the library's name, and the bits of an integer
    "u8": ("PCM_U8", 8),
    "s16": ("PCM_16", 16),
    "s24": ("PCM_24", 24),
    "s32": ("PCM_32", 32),
    "f32": ("FLOAT", 0),
    "f64": ("DOUBLE", 0),
    "mulaw": ("ULAW", 0),
    "alaw": ("ALAW", 0),
    "vorbis": ("VORBIS", 0),
    "opus": ("OPUS", 0),
    "mp3": ("MPEG_LAYER_III", 0),
}
_OF_INTEGERS = {"uint8": "u8", "int16": "s16", "int32": "s32"}
_BLOCK = 1 << 16  # frames; the Vorbis encoder keeps a block on the stack


def write_audio(
    waveform: Any, path: str | os.PathLike[str], rate: int, *, encoding: str | None = None, clip: bool = False
) -> Path:
    """Write a waveform, (frames,) or (channels, frames), of `rate` frames a second to `path`; the path that was written.

    The suffix says the format: .wav, .flac, .ogg, .opus, .mp3, .aiff, .au, .caf, .w64 or .raw. `encoding` is u8, s16,
    s24, s32, f32, f64, mulaw, alaw, vorbis, opus or mp3; without it integers stay as they are, and floats stay floats
    where the format has them (FLAC gets 24 bits, .raw 16). Integers and floats as in numzoo.audio.numbers.

    Raises AudioError (unknown suffix, NaN, values beyond -1 and 1 for any but f32 and f64, unless `clip` cuts them off,
    and what the format cannot hold), MissingAudioError (no such folder), AudioAccessError, or the OSError of a full disk.
    """
    samples = _checked(waveform, rate)
    target = check_target(path)
    form, usual = _FORMATS[target.suffix.lower()]
    if encoding is None:
        encoding = _OF_INTEGERS.get(samples.dtype.name, usual) if usual in ("f32", "s24", "s16") else usual
        encoding = (
            "s24" if (form, encoding) == ("FLAC", "s32") else "s16" if (form, encoding) == ("FLAC", "u8") else encoding
        )
    if encoding not in _ENCODINGS:
        raise AudioError(f"write_audio: encoding is {encoding!r} but must be one of {', '.join(_ENCODINGS)}")
    library = sound_library()
    subtype, bits = _ENCODINGS[encoding]
    endian = "LITTLE" if form == "RAW" else None
    if not library.check_format(form, subtype, endian):
        raise AudioError(f"write_audio: {form} cannot hold {encoding}; leave encoding out, or choose another suffix")
    if samples.dtype.kind == "f":
        check_range(samples, "write_audio", clip=clip or encoding in ("f32", "f64"))
    with _publishing(target) as file:
        try:
            with library.SoundFile(handle(file), "w", rate, len(samples), subtype, endian, form, False) as sound:
                for begin in range(0, samples.shape[1], _BLOCK):
                    sound.write(_encoded(samples[:, begin : begin + _BLOCK].T, encoding, bits))
        except (library.LibsndfileError, AssertionError) as error:
            _try_disk(file)
            raise AudioError(
                f"write_audio: {form} as {encoding} does not take {len(samples)} channels of {rate} frames a second "
                f"({str(getattr(error, 'error_string', error)).rstrip('.')})"
            ) from error
    return Path(path)


def check_target(path: str | os.PathLike[str]) -> Path:
    """The real path of a sound that is to be written; raises what can be known before, AudioError or MissingAudioError."""
    target = Path(os.path.realpath(path))
    if target.suffix.lower() not in _FORMATS:
        raise AudioError(
            f"write_audio: {str(path)!r} has no suffix of a sound that can be written; try {', '.join(_FORMATS)}"
        )
    if not target.parent.is_dir():
        raise _no_folder(target)
    if target.is_dir():
        raise AudioError(f"write_audio: {str(target)!r} is a folder; give the path of a file in it")
    return target


def _no_folder(target: Path) -> MissingAudioError:
    return MissingAudioError(f"write_audio: there is no folder {str(target.parent)!r}; make it first")


def _checked(waveform: Any, rate: Any) -> NDArray[Any]:
    import numpy

    if not hasattr(rate, "__index__") or isinstance(rate, bool) or not 1 <= rate < 1 << 31:
        raise AudioError(f"write_audio: rate is {rate!r} but must be a whole number of frames a second, such as 16000")
    numbers = getattr(waveform, "numpy", None)
    samples = numpy.asarray(numbers() if callable(numbers) else waveform)
    if samples.dtype.kind != "f" and samples.dtype.name not in INTEGERS:
        raise AudioError(
            f"write_audio: the waveform is {samples.dtype.name} but must be a float, {', '.join(INTEGERS)}"
        )
    if samples.ndim == 1:
        samples = samples[None]
    if samples.ndim != 2 or not 1 <= len(samples) <= 1024:
        many = samples.ndim == 2 and len(samples) > 1024
        hint = "; channels come first here: waveform.T" if many else ""
        raise AudioError(
            f"write_audio: the waveform is {samples.shape} but must be (frames,) or (channels, frames){hint}"
        )
    return samples


def _encoded(frames: NDArray[Any], encoding: str, bits: int) -> NDArray[Any]:
    """The frames as the library takes them without changing them again: integers at the top of 32 bits, or floats."""
    import numpy

    if not bits:
        floats = to_float(frames, "float64" if encoding == "f64" else "float32")
        return numpy.ascontiguousarray(floats if encoding in ("f32", "f64") else floats.clip(-1, 1))
    scaled = numpy.rint(to_float(frames, "float64") * 2.0 ** (bits - 1))
    scaled = scaled.clip(-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1)
    return numpy.ascontiguousarray(scaled.astype("int64") << (32 - bits), "int32")


def _try_disk(file: BinaryIO) -> None:
    """Raise the OSError of a disk that takes no more; the sound library only says that something went wrong."""
    file.seek(0, os.SEEK_END)
    file.write(bytes(_BLOCK))
    os.fsync(file.fileno())


@contextmanager
def _publishing(target: Path) -> Iterator[BinaryIO]:
    """A new file beside `target`, which takes its place when all went well and is gone when not."""
    if target.exists() and not (target.is_file() or target.is_dir()):
        # The rename would put a file in its place; for a pipe or a device nobody wants that.
        raise AudioError(f"write_audio: {str(target)!r} is a pipe or a device; a sound is written to a file")
    part = target.with_name(f".{target.name[:80]}.{os.urandom(6).hex()}.part")
    try:
        # Not tempfile: the new file gets the rights that the user's umask asks for.
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with os.fdopen(descriptor, "w+b", buffering=0) as file:
                yield cast(BinaryIO, file)
                os.fsync(file.fileno())
            os.replace(part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except FileNotFoundError as error:
        raise _no_folder(target) from error
    except PermissionError as error:
        raise AudioAccessError(f"write_audio: {str(target)!r} cannot be written: permission denied") from error
    except IsADirectoryError as error:
        raise AudioError(f"write_audio: {str(target)!r} is a folder; give the path of a file in it") from error
