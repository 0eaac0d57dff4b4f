"""Sounds: what is read and written, to the bit where a format allows it, and what is refused."""

from __future__ import annotations

import io
import os
import resource
import signal
import stat
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numzoo import audio
from numzoo.audio import errors
from numzoo.audio import io as sounds
from numzoo.audio.numbers import INTEGERS, to_float, to_integers

RATE = 16000
RANDOM = numpy.random.default_rng(0)
TONE = (0.5 * numpy.sin(numpy.arange(24000) * 2 * numpy.pi * 440 / 48000)).astype("float32")[None]
STEREO = numpy.concatenate([TONE, -0.5 * TONE])
INTS = RANDOM.integers(-(2**15), 2**15, (2, 3000), dtype="int16")


def written(tmp_path: Path, waveform: Any = STEREO, name: str = "a.wav", rate: int = 48000, **options: Any) -> Path:
    return audio.write_audio(waveform, tmp_path / name, rate, **options)


# numbers


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_come_back_from_floats_as_they_were(dtype: str) -> None:
    limits = numpy.iinfo(dtype)
    integers = numpy.array([limits.min, limits.min + 1, limits.max // 2, limits.max - 1, limits.max], dtype)
    floats = to_float(integers, "float64")
    assert floats[0] == -1
    assert floats[-1] < 1
    assert (to_integers(floats, dtype) == integers).all()


def test_one_becomes_the_largest_integer_and_halves_go_to_even() -> None:
    assert to_integers(numpy.array([1.0, -1.0, 0.0, 0.5 / 32768, 1.5 / 32768])).tolist() == [32767, -32768, 0, 0, 2]
    assert to_integers(numpy.array([0.0, -1.0, 1.0]), "uint8").tolist() == [128, 0, 255]


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (numpy.array([0.5, 1.01]), r"from 0\.5 to 1\.01, beyond -1 and 1; scale them"),
        (numpy.array([[0.0, numpy.nan]]), r"sample at \[0, 1\] is nan"),
        (numpy.array([-numpy.inf]), r"is -inf"),
        (numpy.array([1, 2]), "int64 but must be floats"),
    ],
)
def test_what_no_integer_can_hold_is_refused(samples: Any, said: str) -> None:
    with pytest.raises(errors.AudioError, match=said):
        to_integers(samples)


def test_clipping_is_done_where_it_is_asked_for() -> None:
    assert to_integers(numpy.array([2.0, -3.0]), clip=True).tolist() == [32767, -32768]
    with pytest.raises(errors.AudioError, match="nan"):
        to_integers(numpy.array([numpy.nan]), clip=True)


# there and back


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff", "au", "caf", "w64"])
def test_integers_are_kept_to_the_bit(suffix: str, tmp_path: Path) -> None:
    path = written(tmp_path, INTS, f"a.{suffix}", RATE)
    read, rate = audio.read_audio(path, dtype="int16")
    assert (rate, read.dtype, read.shape) == (RATE, numpy.int16, INTS.shape)
    assert (read == INTS).all()
    floats, _ = audio.read_audio(path)
    assert (floats == to_float(INTS)).all()


@pytest.mark.parametrize(
    ("suffix", "encoding", "bound"),
    [
        ("wav", None, 0),
        ("wav", "f64", 0),
        ("wav", "s32", 2**-31),
        ("wav", "s24", 2**-24),
        ("wav", "s16", 2**-16),
        ("wav", "u8", 2**-8),
        ("wav", "mulaw", 0.03),
        ("flac", None, 2**-24),
        ("aiff", None, 0),
        ("caf", None, 0),
        ("ogg", None, 0.03),
        ("opus", None, 0.06),
        ("mp3", None, 0.03),
    ],
)
def test_floats_are_kept_as_well_as_the_format_can(
    suffix: str, encoding: str | None, bound: float, tmp_path: Path
) -> None:
    path = written(tmp_path, name=f"a.{suffix}", encoding=encoding)
    read, rate = audio.read_audio(path)
    assert rate == 48000
    assert read.shape == STEREO.shape
    middle = slice(2000, -2000) if bound > 0.02 and encoding is None else slice(None)  # codecs need a moment
    assert numpy.abs(read - STEREO)[:, middle].max() <= bound
    if bound <= 2**-24:
        assert numpy.abs(audio.read_audio(path, dtype="float64")[0] - STEREO).max() <= bound


@pytest.mark.parametrize("encoding", ["s8", "u8", "s16le", "s16be", "s24le", "s32be", "f32le", "f64le", "mulaw"])
def test_a_sound_without_a_header_is_read_as_it_is_described(encoding: str, tmp_path: Path) -> None:
    orders = {"le": "<", "be": ">"}
    letter, width = (
        {"s": "i", "u": "u", "f": "f"}.get(encoding[0], "u"),
        int("".join(filter(str.isdigit, encoding)) or 8) // 8,
    )
    data = (
        bytes(range(240))
        if width in (1, 3)
        else numpy.arange(-60, 60).astype(f"{orders[encoding[-2:]]}{letter}{width}").tobytes()
    )
    path = tmp_path / "a.raw"
    path.write_bytes(data)
    read, rate = audio.read_audio(path, raw=audio.Raw(8000, 2, encoding), dtype="float64")
    frames = len(data) // width // 2
    assert (rate, read.shape) == (8000, (2, frames))
    if encoding.startswith(("s16", "s32")):
        assert (read.T.ravel() * 2 ** (8 * width - 1) == numpy.arange(-60, 60)).all()
    if encoding == "f64le":
        assert (read.T.ravel() == numpy.arange(-60, 60)).all()
    with pytest.raises(errors.UnknownAudioFormatError, match=r"raw=Raw\(rate=16000\)"):
        audio.read_audio(path)


def test_a_sound_is_written_without_a_header_and_read_again(tmp_path: Path) -> None:
    path = written(tmp_path, INTS, "a.raw")
    assert path.read_bytes() == INTS.T.astype("<i2").tobytes()


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3"])
def test_a_piece_is_what_the_whole_has_there(suffix: str, tmp_path: Path) -> None:
    path = written(tmp_path, name=f"a.{suffix}")
    whole, _ = audio.read_audio(path)
    for start, stop in ((0, 100), (7000, 9000), (23000, 99999), (24000, None), (5, 5)):
        piece, _ = audio.read_audio(path, start=start, stop=stop)
        assert piece.shape == whole[:, start:stop].shape
        assert numpy.allclose(piece, whole[:, start:stop], atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, sounds._BLOCK - 1, sounds._BLOCK, sounds._BLOCK + 1])
def test_any_number_of_frames_is_read_and_written(count: int, tmp_path: Path) -> None:
    waveform = RANDOM.uniform(-1, 1, (3, count)).astype("float32")
    read, _ = audio.read_audio(written(tmp_path, waveform))
    assert read.shape == (3, count)
    assert (read == waveform).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int32"])
def test_one_channel_is_the_mean_of_all(dtype: str, tmp_path: Path) -> None:
    read, _ = audio.read_audio(written(tmp_path, INTS), mono=True, dtype=dtype)
    mean = INTS.astype("float64").mean(axis=0)
    scale = {"int16": 1, "int32": 65536}.get(dtype, 1 / 32768)
    assert read.shape == (1, 3000)
    assert numpy.abs(read[0] - mean * scale).max() <= (0.5 if dtype == "int16" else scale * 1e-3)


def test_floats_beyond_full_scale_are_kept_as_floats_and_cut_off_as_integers(tmp_path: Path) -> None:
    path = written(tmp_path, numpy.array([0.25, 1.5, -2.0], "float32"))
    assert audio.read_audio(path)[0].tolist() == [[0.25, 1.5, -2.0]]
    assert audio.read_audio(path, dtype="int16")[0].tolist() == [[8192, 32767, -32768]]


def test_every_kind_of_source_gives_the_same(tmp_path: Path) -> None:
    path = written(tmp_path)
    data = path.read_bytes()
    whole, _ = audio.read_audio(path)
    with open(path, "rb") as file, open(path, "rb", buffering=0) as unbuffered:
        file.read(10)
        for source in (str(path), data, bytearray(data), memoryview(data), io.BytesIO(data), file, unbuffered):
            assert (audio.read_audio(source)[0] == whole).all()
            assert audio.read_info(source).frames == 24000
        assert not file.closed


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    data = written(tmp_path).read_bytes()
    os.mkfifo(tmp_path / "pipe.wav")
    writer = threading.Thread(target=(tmp_path / "pipe.wav").write_bytes, args=(data,))
    writer.start()
    assert audio.read_audio(tmp_path / "pipe.wav")[0].shape == (2, 24000)
    writer.join()


def test_the_header_alone_tells_what_is_there(tmp_path: Path) -> None:
    info = audio.read_info(written(tmp_path, name="a.flac"))
    assert (info.rate, info.channels, info.frames, info.seconds) == (48000, 2, 24000, 0.5)
    assert (info.format, info.encoding) == ("FLAC", "PCM_24")


def test_a_tensor_is_a_waveform_too(tmp_path: Path) -> None:
    from numzoo import engine

    assert (audio.read_audio(written(tmp_path, engine.tensor(STEREO)))[0] == STEREO).all()


# what is refused


@pytest.mark.parametrize("suffix", ["wav", "aiff", "au", "flac", "ogg", "opus", "mp3"])
@pytest.mark.parametrize("kept", [0.5, 0.9, -1])
def test_a_truncated_sound_is_damaged_and_never_a_shorter_one(suffix: str, kept: float, tmp_path: Path) -> None:
    data = written(tmp_path, RANDOM.uniform(-0.5, 0.5, (1, 24000)).astype("float32"), f"a.{suffix}").read_bytes()
    cut = data[: int(len(data) * kept)] if kept > 0 else data[:-1]
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(cut)
    with pytest.raises(errors.DamagedAudioError, match=r"truncated|damaged"):
        audio.read_audio(path)


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFF])
def test_a_length_that_a_recorder_could_not_know_is_no_promise(length: int, tmp_path: Path) -> None:
    data = written(tmp_path, INTS, rate=RATE).read_bytes()
    place = data.index(b"data") + 4
    streamed = data[:place] + struct.pack("<I", length) + data[place + 4 :]
    assert (audio.read_audio(streamed, dtype="int16")[0] == INTS).all()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><html>quota exceeded</html>", "it is a web page"),
        (b"hello, world, this is a text" * 20, "begins with the bytes 68 65 6c 6c"),
        (b"\x00\x00\x00\x20ftypM4A " + bytes(500), "M4A, which ffmpeg can convert"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "pointer of Git LFS"),
        (b"PK\x03\x04" + bytes(100), "a zip archive"),
        (bytes(1000), "begins with the bytes 00 00"),
        (b"x", "begins with the bytes 78"),
    ],
)
def test_a_file_of_another_kind_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(errors.UnknownAudioFormatError, match=said):
            audio.read_audio(source)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_changed_bytes_end_in_an_audio_error_or_a_sound(data: st.DataObject, tmp_path_factory: Any) -> None:
    suffix = data.draw(st.sampled_from(["wav", "flac", "ogg", "aiff", "au", "caf", "w64"]))
    if suffix not in ORIGINALS:
        path = tmp_path_factory.mktemp("fuzz") / f"a.{suffix}"
        ORIGINALS[suffix] = audio.write_audio(TONE[:, :2000], path, RATE).read_bytes()
    changed = bytearray(ORIGINALS[suffix])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(changed), 400) - 1) | st.integers(0, len(changed) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    try:
        waveform, rate = audio.read_audio(
            bytes(changed[: data.draw(st.integers(1, len(changed)))]), max_samples=1 << 22
        )
    except errors.AudioError:
        return
    assert waveform.ndim == 2
    assert rate > 0


ORIGINALS: dict[str, bytes] = {}


def test_a_header_that_promises_hours_takes_no_memory(tmp_path: Path) -> None:
    data = bytearray(written(tmp_path, INTS, "a.flac").read_bytes())
    data[21] |= 0x0F  # the number of frames, 36 bits of the stream's description
    data[22:26] = b"\xff" * 4
    with pytest.raises(errors.AudioTooLargeError, match="68,719,476,735 frames of 2 channels"):
        audio.read_audio(bytes(data))
    data[21:26] = bytes([data[21] & 0xF0]) + (1 << 27).to_bytes(4, "big")
    path = tmp_path / "b.flac"
    path.write_bytes(data)
    script = (
        "import resource, sys\nfrom numzoo import audio\naudio.read_info(sys.argv[1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    audio.read_audio(sys.argv[1])\nexcept audio.errors.DamagedAudioError as error:\n    print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(root / ".dev")},
    )  # fmt: skip
    told, grown = done.stdout.splitlines()
    assert "truncated" in told or "damaged" in told
    assert int(grown) < 64


def test_more_samples_than_the_limit_are_refused_before_decoding(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(errors.AudioTooLargeError, match="read it in pieces"):
        audio.read_audio(path, max_samples=47_999)
    assert audio.read_audio(path, max_samples=48_000)[0].shape == (2, 24000)
    assert audio.read_audio(path, stop=10, max_samples=20)[0].shape == (2, 10)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"start": -1}, "start is -1"),
        ({"start": 0.5}, r"start is 0\.5"),
        ({"stop": -1}, "stop is -1"),
        ({"start": 5, "stop": 4}, "stop is 4, before start"),
        ({"start": 24001}, "has 24000 frames"),
        ({"dtype": "int8"}, "dtype is 'int8'"),
    ],
)
def test_a_wrong_request_is_refused(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(errors.AudioError, match=said):
        audio.read_audio(written(tmp_path), **options)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ((0,), "rate is 0"),
        ((8000, 0), "channels is 0"),
        ((8000, 1, "s12"), "encoding is 's12'"),
        ((True,), "rate is True"),
    ],
)
def test_a_wrong_description_of_raw_sound_is_refused(raw: tuple[Any, ...], said: str) -> None:
    with pytest.raises(errors.AudioError, match=said):
        audio.Raw(*raw)


def test_raw_bytes_that_are_no_whole_frames_are_refused() -> None:
    with pytest.raises(errors.DamagedAudioError, match="no whole number of frames of 2 x 2"):
        audio.read_audio(bytes(10), raw=audio.Raw(8000, 2))


def test_an_error_of_ones_own_stream_is_not_lost(tmp_path: Path) -> None:
    class Weak(io.BytesIO):
        def read(self, count: int | None = -1) -> bytes:
            if self.tell() + (count or 0) > 60_000:
                raise OSError("the line went dead")
            return super().read(count)

    for name in ("a.wav", "a.flac"):
        data = written(tmp_path, RANDOM.uniform(-0.5, 0.5, (1, 24000)), name).read_bytes()
        with pytest.raises(errors.AudioError, match="cannot be read to its end: the line went dead"):
            audio.read_audio(Weak(data))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    written(tmp_path, name="speech.wav")
    for source, kind, said, code in (
        (tmp_path / "speach.wav", errors.MissingAudioError, r"Did you mean .*speech\.wav", 3),
        ("https://example.org/a.wav", errors.MissingAudioError, "It is an address", 3),
        (tmp_path, errors.AudioError, "is a folder", 2),
        (b"", errors.AudioError, "empty", 2),
        ("/dev/null", errors.AudioError, "device", 2),
    ):
        with pytest.raises(kind, match=said) as caught:
            audio.read_audio(source)
        assert caught.value.exit_code == code
    (tmp_path / "empty.wav").write_bytes(b"")
    with pytest.raises(errors.AudioError, match="0 bytes"):
        audio.read_audio(tmp_path / "empty.wav")
    with pytest.raises(TypeError, match="int but must be a path"):
        audio.read_audio(7)  # type: ignore[arg-type]
    with open(tmp_path / "speech.wav") as text, pytest.raises(TypeError, match="open as text"):
        audio.read_audio(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("waveform", "name", "options", "said"),
    [
        (STEREO, "a.xyz", {}, "no suffix of a sound"),
        (STEREO, "a.wav", {"encoding": "s12"}, "encoding is 's12'"),
        (STEREO, "a.mp3", {"encoding": "f32"}, "MP3 cannot hold f32"),
        (STEREO * 3, "a.flac", {}, "beyond -1 and 1"),
        (STEREO * numpy.nan, "a.wav", {}, "is nan"),
        (STEREO.T, "a.wav", {}, r"channels come first here: waveform\.T"),
        (STEREO[None], "a.wav", {}, r"\(1, 2, 24000\) but must be"),
        (STEREO.astype(complex), "a.wav", {}, "complex128 but must be a float"),
        (STEREO.astype("int64"), "a.wav", {}, "int64 but must be"),
        (STEREO, "a.wav", {"rate": 0}, "rate is 0"),
        (STEREO, "a.wav", {"rate": 16000.0}, r"rate is 16000\.0"),
        (STEREO, "a.opus", {"rate": 44100}, "does not take 2 channels of 44100"),
        (STEREO, "none/a.wav", {}, "there is no folder"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    waveform: Any, name: str, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(errors.AudioError, match=said):
        written(tmp_path, waveform, name, **options)
    assert list(tmp_path.iterdir()) == []


def test_clipping_while_writing_is_done_where_it_is_asked_for(tmp_path: Path) -> None:
    read, _ = audio.read_audio(
        written(tmp_path, numpy.array([2.0, -2.0, 0.5]), encoding="s16", clip=True), dtype="int16"
    )
    assert read.tolist() == [[32767, -32768, 16384]]


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_a_disk_that_takes_no_more_is_an_error_and_the_old_file_stays(suffix: str, tmp_path: Path) -> None:
    path = written(tmp_path, name=f"a.{suffix}")
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            written(tmp_path, RANDOM.uniform(-0.5, 0.5, (2, 200_000)), f"a.{suffix}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_a_file_gets_the_rights_that_the_umask_gives(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        path = written(tmp_path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_without_the_library_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = written(tmp_path)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(errors.MissingLibraryError, match=r'pip install "numzoo\[audio\]"') as caught:
        audio.read_audio(path)
    assert isinstance(caught.value, ImportError)


def test_the_package_is_imported_without_the_library() -> None:
    script = "import sys, numzoo.audio.io, numzoo.audio.datasets; print(*{'soundfile', 'numpy'} & set(sys.modules))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(root / ".dev")},
    )  # fmt: skip
    assert done.stdout.split() == []
