"""Speech to text by Emformer RNN-T: a whole sound, or one that is still going on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.io import Raw
from numzoo.audio.pipelines.letters import read_json
from numzoo.audio.pipelines.recognition import Segment, Transcript, Word
from numzoo.audio.pipelines.sounds import RATE, given_to, sound_of
from numzoo.audio.pipelines.transducer.hearing import Hearing
from numzoo.audio.pipelines.transducer.pieces import Pieces
from numzoo.audio.pipelines.transducer.search import Hypothesis, TransducerSearch
from numzoo.audio.transforms.transducer_mel import FRAME, HOP, TransducerMel
from numzoo.engine import Tensor, no_grad

__all__ = ["Listener", "TransducerRecognition", "transducer_recognition"]

_AT_ONCE = 30 * RATE  # samples; time and memory grow with the square, and a longer sound is heard in parts
_PART, _PIECE = 10 * RATE, RATE // 2  # samples of a part, and of what a file is streamed by


class TransducerRecognition:
    """``pipe(sound)`` gives a `Transcript` of a sound of any length, with a segment for each word.

    >>> hear = hub.pipeline("emformer_rnnt_base", trust_first_use=True)   # doctest: +SKIP
    >>> hear("speech.wav").text                                           # doctest: +SKIP
    'go forward ten meters'
    >>> for said in hear.stream(microphone, rate=48000):                  # doctest: +SKIP
    ...     print(said.text)                                              # what was said so far

    A sound is a path, bytes, an array at 16 kHz or a pair (array, rate); a file without a header needs `raw`. Beam search keeps `width`
    texts. With `word_timestamps` a segment's word is in its `words` too, as it is with Whisper. Of a segment's fields those of
    Whisper's decoding (temperature, no_speech, compression) say nothing here. What is too short for a frame of the model, 40 ms,
    says nothing.
    """

    task = "speech-recognition"

    def __init__(self, model: Any, pieces: Pieces, mel: TransducerMel) -> None:
        model.requires_grad_(False)
        model.eval()
        if len(pieces) + 1 != model.config.num_symbols:
            raise AudioError(
                f"{self.task}: there are {len(pieces)} pieces of words and a blank, but the model tells {model.config.num_symbols} symbols apart"
            )
        if mel.n_mels != model.config.input_dim:
            raise AudioError(
                f"{self.task}: there are statistics of {mel.n_mels} mel bands, but the model hears {model.config.input_dim}"
            )
        self.model, self.pieces, self.mel = model, pieces, mel
        self.search = TransducerSearch(model)

    def __call__(
        self, sound: Any, *, width: int = 10, raw: Raw | None = None, word_timestamps: bool = False
    ) -> Transcript:
        _checked(width)
        waveform = sound_of(sound, self.task, raw=raw)
        if len(waveform) > _AT_ONCE:
            listener = Listener(self, width=width, word_timestamps=word_timestamps)
            for start in range(0, len(waveform), _PART):
                listener.feed(waveform[start : start + _PART])
            return listener.finish()
        with no_grad():
            heard = self._encoded(waveform)
            found = [] if heard is None else self.search(heard, width=width)
        return self._transcript(found, word_timestamps)

    def listen(self, *, rate: int = RATE, width: int = 10, word_timestamps: bool = False) -> Listener:
        """What takes a sound as it comes, of `rate` samples a second: its `feed` and `finish` give what was said so far."""
        return Listener(self, rate=rate, width=width, word_timestamps=word_timestamps)

    def stream(
        self, sound: Any, *, rate: int = RATE, width: int = 10, raw: Raw | None = None, word_timestamps: bool = False
    ) -> Iterator[Transcript]:
        """What was said so far, each time that it changes, and in the end once more.

        `sound` is an iterable of pieces, arrays (samples,) or (channels, samples) of `rate` samples a second, each taken when what came
        before it is heard; or any sound as a call takes it.
        """
        listener = self.listen(rate=rate if _is_pieces(sound) else RATE, width=width, word_timestamps=word_timestamps)
        before = ""
        for piece in sound if _is_pieces(sound) else self._cut(sound, rate, raw):
            said = listener.feed(piece)
            if said.text != before:
                yield said
            before = said.text
        yield listener.finish()

    def draw(self, sound: Any, path: str | os.PathLike[str], *, raw: Raw | None = None, **settings: Any) -> None:
        """The waveform and its mel spectrogram with what was said, as a picture. Wants matplotlib."""
        from numzoo.audio.pipelines.drawing import draw_spectrogram

        waveform = sound_of(sound, self.task, raw=raw)
        said = self((waveform, RATE), **settings)
        draw_spectrogram(waveform, [(each.start, each.end, each.text) for each in said.segments], path)

    def _cut(self, sound: Any, rate: int, raw: Raw | None) -> Iterator[NDArray[np.float32]]:
        waveform = sound_of(sound, self.task, raw=raw, rate=rate)
        for start in range(0, len(waveform), _PIECE):
            yield waveform[start : start + _PIECE]

    def _encoded(self, waveform: NDArray[np.float32]) -> Tensor | None:
        """The encodings (time, width) of a whole sound."""
        context, stride = self.model.config.right_context_length, self.model.config.time_reduction_stride
        if 1 + len(waveform) // HOP < stride or len(waveform) <= FRAME // 2:
            return None
        frames = np.pad(self.mel(waveform), ((0, context), (0, 0)))
        heard: Tensor = self.model.transcribe(given_to(self.model, frames[None]), [len(frames) - context])[0][0]
        return heard

    def _transcript(self, found: Sequence[Hypothesis], words: bool) -> Transcript:
        if not found:
            return Transcript("", "", ())
        best = found[0]
        tokens = best.tokens[1:]
        seconds = self.model.config.time_reduction_stride * HOP / RATE
        segments = []
        for places in self.pieces.words(tokens):
            numbers = tuple(tokens[place] for place in places)
            log = float(np.mean([best.logs[place] for place in places]))
            start, end = best.steps[places[0]] * seconds, (best.steps[places[-1]] + 1) * seconds
            one = Word(self.pieces.text(numbers), start, end, float(np.exp(log)))
            segments.append(
                Segment(
                    start=start, end=end, text=one.text, tokens=numbers, temperature=0.0, log_probability=log, no_speech=0.0,
                    compression=1.0, words=(one,) if words else (),
                )
            )  # fmt: skip
        return Transcript(self.pieces.text(tokens), "", tuple(segments))


class Listener:
    """A sound that is going on. `feed` takes its next samples, `finish` says that there are no more; both give what was said so far.

    What was said changes while there are better ways to understand what came last.
    """

    def __init__(
        self, pipe: TransducerRecognition, *, rate: int = RATE, width: int = 10, word_timestamps: bool = False
    ) -> None:
        _checked(width)
        if isinstance(rate, bool) or not hasattr(rate, "__index__") or not 1 <= rate < 1 << 31:
            raise AudioError(
                f"speech-recognition: rate is {rate!r:.40} but must be a whole number of samples a second, such as 16000"
            )
        self._pipe, self._width, self._words = pipe, width, word_timestamps
        self._hearing = Hearing(pipe.model, pipe.mel, int(rate))
        self._found: list[Hypothesis] = []
        self._steps, self._over = 0, False

    def feed(self, samples: ArrayLike) -> Transcript:
        """Take (samples,) or (channels, samples). Raises AudioError, and then takes nothing."""
        self._check_open()
        values = samples.numpy() if hasattr(samples, "numpy") else samples
        if isinstance(values, tuple):
            raise AudioError("speech-recognition: feed takes samples; say their rate once, in listen(rate=...)")
        nothing = values.size == 0 if isinstance(values, np.ndarray) else values == []
        if not nothing:
            with no_grad():
                self._search(self._hearing.feed(values))
        return self._pipe._transcript(self._found, self._words)

    def finish(self) -> Transcript:
        """What was said in all."""
        self._check_open()
        self._over = True
        with no_grad():
            self._search(self._hearing.finish())
        return self._pipe._transcript(self._found, self._words)

    def _search(self, heard: Tensor | None) -> None:
        if heard is not None:
            self._found = self._pipe.search(heard, self._found, width=self._width, first=self._steps)
            self._steps += heard.shape[0]

    def _check_open(self) -> None:
        if self._over:
            raise AudioError("speech-recognition: the sound is finished; listen() begins another")


def _is_pieces(sound: Any) -> bool:
    """Whether these are several pieces of a sound, and no sound by itself."""
    if isinstance(sound, (str, bytes, bytearray, memoryview, os.PathLike, np.ndarray)) or hasattr(sound, "read"):
        return False
    if isinstance(sound, (list, tuple)):
        return all(np.ndim(piece) > 0 for piece in sound)
    return isinstance(sound, Iterable) and not hasattr(sound, "numpy")


def _checked(width: Any) -> None:
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise ValueError(f"width is a number of texts from 1, not {width!r:.40}")


def transducer_recognition(model: Any, files: Mapping[str, Path]) -> TransducerRecognition:
    """The pipeline of an entry whose model is a transducer: spiece.model says its tokens, global_stats.json what it hears. Raises AudioError."""
    for name in ("spiece.model", "global_stats.json"):
        if name not in files:
            raise AudioError(
                f"speech-recognition: there is no {name} among the files {', '.join(files) or '(none)'}, which a transducer needs"
            )
    said = read_json(files["global_stats.json"])
    try:
        mean, deviation = (np.asarray(said[name], np.float32) for name in ("mean", "invstddev"))
        mel = TransducerMel(mean, deviation, n_mels=model.config.input_dim)
    except (KeyError, TypeError, ValueError) as error:
        raise AudioError(
            f"{files['global_stats.json']} has no mean and invstddev of {model.config.input_dim} mel bands each: {error}"
        ) from error
    return TransducerRecognition(model, Pieces.of(files["spiece.model"]), mel)
