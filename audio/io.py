"""Reading and writing sounds: any usual file in, an array of floats and its rate out, or one clear error.

>>> from numzoo.audio import read_audio
>>> waveform, rate = read_audio("speech.wav")               # doctest: +SKIP
>>> waveform.shape, waveform.dtype, rate                    # doctest: +SKIP
((1, 44580), dtype('float32'), 16000)

A waveform is (channels, frames), as the engine's convolutions take it. The library is libsndfile (`pip install
"numzoo[audio]"`): WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF, AU, CAF, W64 and more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from .containers import check_length
from .errors import AudioError, AudioTooLargeError, DamagedAudioError, UnknownAudioFormatError
from .library import failure_of, handle, sound_library, straight_reader
from .numbers import to_integers
from .sources import opened
from .writing import write_audio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .sources import Source

__all__ = ["Info", "Raw", "read_audio", "read_info", "write_audio"]

MAX_SAMPLES = 1 << 29  # of all channels, in one call: 2 GiB as float32; nine hours of speech at 16 kHz

_BLOCK = 1 << 18  # frames
_SEEKS_BADLY = ("MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III")  # read from the beginning in place of it
_DTYPES = ("float32", "float64", "int16", "int32")
_FLOATING = ("FLOAT", "DOUBLE", "VORBIS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III")
_RAW = {
    "s8": ("PCM_S8", None, 1),
    "u8": ("PCM_U8", None, 1),
    "s16le": ("PCM_16", "LITTLE", 2),
    "s16be": ("PCM_16", "BIG", 2),
    "s24le": ("PCM_24", "LITTLE", 3),
    "s24be": ("PCM_24", "BIG", 3),
    "s32le": ("PCM_32", "LITTLE", 4),
    "s32be": ("PCM_32", "BIG", 4),
    "f32le": ("FLOAT", "LITTLE", 4),
    "f32be": ("FLOAT", "BIG", 4),
    "f64le": ("DOUBLE", "LITTLE", 8),
    "mulaw": ("ULAW", None, 1),
    "alaw": ("ALAW", None, 1),
}
_OTHERS = {  # what files begin with that are taken for sounds
    b"<!DOC": "a web page",
    b"<html": "a web page",
    b"\x1aE\xdf\xa3": "WebM or Matroska, which ffmpeg can convert",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a file packed by gzip",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself",
}


@dataclass(frozen=True, slots=True)
class Raw:
    """What the file of a sound without a header does not say: frames a second, channels, and how a sample is written.

    `encoding` is s8, u8, s16le, s16be, s24le, s24be, s32le, s32be, f32le, f32be, f64le (letters: signed, unsigned,
    float, little or big endian), mulaw or alaw.
    """

    rate: int
    channels: int = 1
    encoding: str = "s16le"

    def __post_init__(self) -> None:
        if self.encoding not in _RAW:
            raise AudioError(f"Raw: encoding is {self.encoding!r} but must be one of {', '.join(_RAW)}")
        for what, number in (("rate", self.rate), ("channels", self.channels)):
            if not isinstance(number, int) or isinstance(number, bool) or number < 1:
                raise AudioError(f"Raw: {what} is {number!r} but must be a whole number above 0")


@dataclass(frozen=True, slots=True)
class Info:
    """What a sound's header says: frames a second, channels, frames, and the names of its format and encoding."""

    rate: int
    channels: int
    frames: int
    format: str
    encoding: str

    @property
    def seconds(self) -> float:
        """How long the sound is."""
        return self.frames / self.rate


def read_audio(
    source: Source,
    *,
    start: int = 0,
    stop: int | None = None,
    mono: bool = False,
    dtype: str = "float32",
    raw: Raw | None = None,
    max_samples: int | None = MAX_SAMPLES,
) -> tuple[NDArray[Any], int]:
    """The waveform (channels, frames) in `source`, and its rate in frames a second.

    `source` is a path, the file's bytes, or an open binary file (read from its beginning, left open). Only the frames
    from `start` to before `stop` are decoded; a `stop` beyond the end is the end. `mono` gives the mean of the channels,
    (1, frames). `dtype` is "float32", "float64" (between -1 and 1; numzoo.audio.numbers says how), "int16" or "int32" (of
    full scale; what a float file has beyond is cut off). `raw` is for sounds without a header.

    Raises MissingAudioError, AudioAccessError, UnknownAudioFormatError, DamagedAudioError, AudioTooLargeError (more than
    `max_samples`; None: no limit), MissingLibraryError, all of them AudioError.
    """
    if dtype not in _DTYPES:
        raise AudioError(f"read_audio: dtype is {dtype!r} but must be one of {', '.join(map(repr, _DTYPES))}")
    _check_place(start, stop)
    with opened(source, "read_audio") as (file, name), _decoder(file, name, raw) as sound:
        stop = sound.frames if stop is None else min(stop, sound.frames)
        if start > sound.frames:
            raise AudioError(f"read_audio: start is {start} but {name} has {sound.frames} frames")
        count = max(stop - start, 0)
        if max_samples is not None and count * sound.channels > max_samples:
            raise AudioTooLargeError(
                f"{name} has {count:,} frames of {sound.channels} channels, more than {max_samples:,} samples; read it in "
                "pieces by start and stop, or raise max_samples"
            )
        return _decode(sound, name, start, count, mono, dtype), int(sound.samplerate)


def read_info(source: Source, *, raw: Raw | None = None) -> Info:
    """What the header of `source` says, without decoding the sound. `source`, `raw` and errors as in `read_audio`."""
    with opened(source, "read_info") as (file, name), _decoder(file, name, raw) as sound:
        return Info(int(sound.samplerate), int(sound.channels), int(sound.frames), sound.format, sound.subtype)


def _check_place(start: Any, stop: Any) -> None:
    for what, frame in (("start", start), ("stop", stop)):
        if frame is None and what == "stop":
            continue
        if not hasattr(frame, "__index__") or isinstance(frame, bool) or frame < 0:
            raise AudioError(f"read_audio: {what} is {frame!r} but must be a number of frames, 0 or more")
    if stop is not None and stop < start:
        raise AudioError(f"read_audio: stop is {stop}, before start, which is {start}")


@contextmanager
def _decoder(file: BinaryIO, name: str, raw: Raw | None) -> Iterator[Any]:
    """The open sound; whatever the library says of a bad one becomes an AudioError, also while it is decoded."""
    library = sound_library()
    settings: dict[str, Any] = {}
    if raw is None:
        check_length(file, name)
        if name.endswith(".raw'"):
            raise UnknownAudioFormatError(
                f"{name} is a sound without a header, by its name; say what it holds, such as raw=Raw(rate=16000), or --rate 16000 on the command line"
            )
    else:
        subtype, endian, width = _RAW[raw.encoding]
        size = file.seek(0, 2)
        file.seek(0)
        if size % (width * raw.channels):
            raise DamagedAudioError(
                f"{name} has {size:,} bytes, which are no whole number of frames of {raw.channels} x {width}; it is "
                f"truncated, or not {raw.encoding} with {raw.channels} channels"
            )
        settings = {"samplerate": raw.rate, "channels": raw.channels, "format": "RAW", "subtype": subtype}
        settings |= {"endian": endian} if endian else {}
    given = handle(file)
    try:
        with straight_reader()(given, closefd=False, **settings) as sound:
            if sound.samplerate < 1:
                raise DamagedAudioError(f"{name} says that it has {sound.samplerate} frames a second")
            yield sound
    except (library.LibsndfileError, DamagedAudioError) as error:
        if (failure := failure_of(given)) is not None:
            raise AudioError(f"{name} cannot be read to its end: {failure}") from failure
        if isinstance(error, AudioError):
            raise
        raise _explained(file, name, error) from error


def _decode(sound: Any, name: str, start: int, count: int, mono: bool, dtype: str) -> NDArray[Any]:
    """`count` frames from `start`, block by block: pages that are never written to cost no memory."""
    import numpy

    floats = dtype.startswith("float")
    given = dtype if floats or sound.subtype not in _FLOATING else "float64"
    waveform = numpy.empty((1 if mono else sound.channels, count), dtype)
    block = numpy.empty((min(count + start, _BLOCK), sound.channels), given)
    if sound.subtype in _SEEKS_BADLY:
        _skip(sound, block, start)
    elif start:
        sound.seek(start)
    done = 0
    while done < count:
        frames = sound.read(out=block[: min(count - done, _BLOCK)])
        if not len(frames):
            raise DamagedAudioError(
                f"{name} is truncated or damaged: it ends after {start + done:,} of {sound.frames:,} frames; get it again"
            )
        if mono:
            frames = frames.mean(axis=1, keepdims=True, dtype=None if floats else "float64")
            frames = frames if floats or given != dtype else numpy.rint(frames)
        if given != dtype:
            frames = to_integers(frames, dtype, clip=True)
        waveform[:, done : done + len(frames)] = frames.T
        done += len(frames)
    return waveform


def _skip(sound: Any, block: NDArray[Any], frames: int) -> None:
    while frames and (got := len(sound.read(out=block[: min(frames, len(block))]))):
        frames -= got


def _explained(file: BinaryIO, name: str, error: Any) -> AudioError:
    file.seek(0)
    head = file.read(24)
    said = str(getattr(error, "error_string", error)).rstrip(".")
    if getattr(error, "code", 0) not in (1, 7):
        return DamagedAudioError(f"{name} is damaged or truncated: the decoder says {said!r}; get it again")
    kind = next((kind for magic, kind in _OTHERS.items() if head.lower().startswith(magic.lower())), "")
    if head[4:8] == b"ftyp":
        kind = "MP4 or M4A, which ffmpeg can convert"
    what = f"it is {kind}" if kind else f"it begins with the bytes {head[:8].hex(' ')}"
    return UnknownAudioFormatError(
        f"{name} is not a sound that can be read: {what}. Read are WAV, FLAC, Ogg, MP3, AIFF, AU, CAF and W64; for a sound "
        "without a header give raw=Raw(rate=...)"
    )
