"""One window of 30 s to tokens: the encoder once, then the search, again at higher temperatures where it went wrong."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.models.openai_whisper import DecoderCache
from numzoo.audio.pipelines.whisper import search
from numzoo.audio.pipelines.whisper.alignment import heads_of, token_times
from numzoo.audio.pipelines.whisper.rules import Rules
from numzoo.audio.pipelines.whisper.vocabulary import Vocabulary
from numzoo.engine import Tensor, inference_mode

__all__ = ["Decoded", "Decoder", "Decoding", "Heard"]

_AT_ONCE = 32  # tokens of a known text that the decoder is given at a time: their logits take 6.6 MB


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a window is decoded; the defaults are those of the authors' ``transcribe``.

    The `temperatures` are tried in turn, 0 being the likeliest tokens (by `beams`, where there are several), a higher one the
    best of `best_of` draws, until the text repeats itself no more than `compression` (its length over its packed length) and
    its mean log-probability is at least `log_probability`. A window whose chance of `no_speech` is higher than that, and
    whose text is not sure, is taken for silence. None switches a threshold off. With `word_timestamps` the times of the words
    are found, and those of segments and windows follow them.
    """

    language: str | None = None
    task: str = "transcribe"
    times: bool = True
    beams: int = 1
    patience: float = 1.0
    length_penalty: float | None = None
    best_of: int = 5
    temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    compression: float | None = 2.4
    log_probability: float | None = -1.0
    no_speech: float | None = 0.6
    word_timestamps: bool = False

    def __post_init__(self) -> None:
        if self.task not in ("transcribe", "translate"):
            raise ValueError(f"task is {self.task!r} but must be 'transcribe' or 'translate'")
        for name in ("beams", "best_of"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} is {value!r} but must be a whole number, 1 or more")
        if not self.temperatures or min(self.temperatures) < 0:
            raise ValueError(f"temperatures are {self.temperatures!r} but must be numbers from 0, at least one")
        if not self.patience > 0:
            raise ValueError(f"patience is {self.patience!r} but must be above 0")
        if self.length_penalty is not None and not 0 <= self.length_penalty <= 1:
            raise ValueError(f"length_penalty is {self.length_penalty!r} but must lie between 0 and 1, or be None")


@dataclass(frozen=True, slots=True)
class Decoded:
    """The tokens of a window, its text, and how sure it is."""

    tokens: list[int]
    text: str
    temperature: float
    log_probability: float
    no_speech: float
    compression: float


@dataclass(slots=True)
class Heard:
    """What the encoder made of a window, and what the decoder's layers compute of that, once for all that is asked of it."""

    features: Tensor
    sound: list[tuple[Tensor, Tensor]] = field(default_factory=list)


class Decoder:
    """A Whisper model and its vocabulary: windows (n_mels, 3000) to what is said in them. `heads` are those of `heads_of`, which tell
    when words are said."""

    def __init__(self, model: Any, vocabulary: Vocabulary, heads: Any = None) -> None:
        self.model, self.vocabulary, self.heads = model, vocabulary, heads
        self._rules = {times: Rules(vocabulary, times=times) for times in (True, False)}

    def hear(self, mel: NDArray[np.float32]) -> Heard:
        """What the encoder makes of a window."""
        weight = self.model.encoder.conv1.weight
        with inference_mode():
            return Heard(self.model.encoder(Tensor(mel[None]).to(device=weight.device, dtype=weight.dtype)))

    def languages(self, heard: Heard) -> dict[str, float]:
        """How probable each language is, the most probable first."""
        vocabulary = self.vocabulary
        if not vocabulary.multilingual:
            return {"en": 1.0}
        logits = _Step(self.model, heard)(np.array([[vocabulary.start]]))[0]
        places = logits[[vocabulary.language(code) for code in vocabulary.languages]].astype(np.float64)
        powers = np.exp(places - places.max())
        chances = powers / powers.sum()
        order = np.argsort(-chances, kind="stable")
        return {vocabulary.languages[place]: float(chances[place]) for place in order}

    def decode(
        self, heard: Heard, settings: Decoding, prompt: Sequence[int], generator: np.random.Generator
    ) -> Decoded:
        """The first of the temperatures' results that is good enough, or the last."""
        decoded = None
        for temperature in settings.temperatures:
            decoded = self._at(heard, settings, prompt, temperature, generator)
            sure = settings.log_probability is None or decoded.log_probability >= settings.log_probability
            varied = settings.compression is None or decoded.compression <= settings.compression
            silent = settings.no_speech is not None and decoded.no_speech > settings.no_speech and not sure
            if silent or (sure and varied):
                break
        assert decoded is not None
        return decoded

    def _at(
        self, heard: Heard, settings: Decoding, prompt: Sequence[int], temperature: float, generator: np.random.Generator
    ) -> Decoded:  # fmt: skip
        vocabulary, places = self.vocabulary, self.model.config.n_text_ctx
        before = [vocabulary.previous, *prompt[-(places // 2 - 1) :]] if prompt else []
        tokens = [*before, *vocabulary.beginning(settings.language, settings.task, settings.times)]
        step = _Step(self.model, heard)
        start, last = step.two(np.array([tokens]), len(before))
        silent = float(np.exp(search.log_softmax(start))[0, vocabulary.no_speech])
        longest = min(places // 2, places - len(tokens) + 1)
        rules, end, penalty = self._rules[settings.times].apply, vocabulary.end, settings.length_penalty
        if temperature == 0 and settings.beams > 1:
            found = search.beam(
                step, last, rules, end, longest=longest, beams=settings.beams, patience=settings.patience, penalty=penalty
            )  # fmt: skip
        else:
            found = search.sample(
                step, last, rules, end, longest=longest, temperature=temperature, rows=settings.best_of, penalty=penalty,
                generator=generator,
            )  # fmt: skip
        text = vocabulary.decode(found.tokens).strip()
        return Decoded(
            found.tokens, text, temperature, found.total / (len(found.tokens) + 1), silent, _compression(text)
        )

    def align(
        self, heard: Heard, tokens: Sequence[int], settings: Decoding, places: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """When each of the text's `tokens` begins, and at last when the text ends, in seconds of the first `places` that were
        heard (tokens + 1); and how probable the model finds each token (tokens)."""
        vocabulary = self.vocabulary
        before = vocabulary.beginning(settings.language, settings.task, True)
        given = np.array([[*before, vocabulary.no_times, *tokens, vocabulary.end]])
        heads = heads_of(self.model.config, self.heads)
        looks: dict[int, list[NDArray[np.float32]]] = {layer: [] for layer, _ in heads}

        def watch(layer: int) -> Any:
            def note(attention: Any, arguments: tuple[Any, ...]) -> None:
                x, keys = arguments[:2]
                looks[layer].append(np.asarray(attention.scores(x, keys).numpy(), np.float32)[0, ..., :places])

            return self.model.decoder.blocks[layer].cross_attn.register_forward_pre_hook(note)

        hooks = [watch(layer) for layer in looks]
        chances: list[float] = []
        try:
            step = _Step(self.model, heard)
            for start in range(0, given.shape[1], _AT_ONCE):
                part = given[:, start : start + _AT_ONCE]
                logits = step.all(part)[0, :, : vocabulary.end]
                logits -= logits.max(axis=1, keepdims=True)
                following = given[0, start + 1 : start + 1 + len(logits)]
                own = logits[np.arange(len(following)), np.minimum(following, vocabulary.end - 1)]
                chances += np.exp(own - np.log(np.exp(logits[: len(following)]).sum(axis=1))).tolist()
        finally:
            for hook in hooks:
                hook.remove()
        scores = np.stack([np.concatenate([look[head] for look in looks[layer]]) for layer, head in heads])
        first = len(before)
        return token_times(scores, first), np.array(chances[first : first + len(tokens)])


class _Step:
    """The decoder on one sound, with its cache."""

    def __init__(self, model: Any, heard: Heard) -> None:
        self.model, self.features, self.cache = model, heard.features, DecoderCache(sound=heard.sound)

    def __call__(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._run(tokens, (tokens.shape[1] - 1,))[:, 0]

    def two(self, tokens: NDArray[np.int64], place: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The logits after the token at `place`, and after the last."""
        logits = self._run(tokens, (place, tokens.shape[1] - 1))
        return logits[:, 0], logits[:, 1]

    def all(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """The logits after every token."""
        return self._run(tokens, tuple(range(tokens.shape[1])))

    def select(self, rows: NDArray[np.intp]) -> None:
        self.cache.select(rows)

    def _run(self, tokens: NDArray[np.int64], wanted: tuple[int, ...]) -> NDArray[np.float32]:
        with inference_mode():
            given = Tensor(tokens).to(device=self.features.device)
            logits = self.model.decoder(given, self.features, self.cache, wanted=wanted)
        return np.array(logits.numpy(), np.float32)


def _compression(text: str) -> float:
    """How many times shorter a text becomes when it is packed: a text that repeats itself much."""
    data = text.encode("utf-8")
    return len(data) / len(zlib.compress(data))
