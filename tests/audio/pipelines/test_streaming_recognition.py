"""Emformer RNN-T as a pipeline: from a server to a text, piece by piece as the whole, searches as torchaudio's, bad input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streaming_sounds
from handmade.pytorch import Forge
from small_texts import sentencepiece_model
from whole_way import serving

from numzoo import audio, engine, hub
from numzoo.audio import models
from numzoo.audio.errors import AudioError
from numzoo.audio.pipelines import Transcript, TransducerRecognition, speech_recognition
from numzoo.audio.pipelines.transducer import recognition as pipeline_file
from numzoo.audio.pipelines.transducer.hearing import Hearing, Resampling
from numzoo.audio.pipelines.transducer.pieces import Pieces
from numzoo.audio.pipelines.transducer.search import TransducerSearch
from numzoo.audio.transforms import TransducerMel, resample
from numzoo.engine import nn, optim
from numzoo.engine.nn import functional as F
from numzoo.hub.cli.main import main
from numzoo.hub.errors import TrustError

SETTINGS: dict[str, Any] = {
    **streaming_sounds.BASE, "input_dim": 80, "num_symbols": 95, "segment_length": 16, "time_reduction_input_dim": 8,
}  # fmt: skip
RANDOM = np.random.default_rng(0)
SOUND = (RANDOM.normal(size=24_000) * np.repeat(RANDOM.uniform(0, 0.2, 24), 1000)).astype(np.float32)
SHIPPED: dict[str, Any] = json.loads((Path(hub.__file__).parents[1] / "weights_manifest.json").read_text())["models"]
STATISTICS = TransducerMel(*streaming_sounds.statistics().values())


def weights(settings: dict[str, Any]) -> dict[str, np.ndarray]:
    """Weights made from integers, with which about every third step says something."""
    shapes = {name: tuple(value.shape) for name, value in models.emformer_rnnt_model(**settings).state_dict().items()}
    made = streaming_sounds.weights_of(shapes)
    made["joiner.linear.weight"] = made["joiner.linear.weight"] * 20
    made["joiner.linear.bias"] = made["joiner.linear.bias"] + 26 * np.eye(settings["num_symbols"], dtype=np.float32)[-1]
    return made


def pipe_of(**more: Any) -> TransducerRecognition:
    settings = {**SETTINGS, **more}
    model = models.emformer_rnnt_model(**settings).eval()
    model.load_state_dict(weights(settings), assign=True)
    pipe = TransducerRecognition(model, PIECES, STATISTICS)
    pipe.search.longest = 3
    return pipe


@pytest.fixture(autouse=True)
def few_tokens_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that nobody trained go on and on."""
    monkeypatch.setitem(TransducerSearch.__init__.__kwdefaults__, "longest", 3)


@pytest.fixture(scope="module")
def hear() -> TransducerRecognition:
    return pipe_of()


SYLLABLES = [consonant + vowel for consonant in "bcdfghjklmnprstvwxz" for vowel in "aeiou"][:94]
PIECES = Pieces([f"▁{each}" if place % 3 == 0 else each for place, each in enumerate(SYLLABLES)])


@pytest.mark.parametrize("name", ["emformer_rnnt_base.librispeech", "emformer_rnnt_base.mustc"])
def test_a_published_entry_goes_the_whole_way_from_a_server_to_a_text(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NUMZOO_ACCEPT_LICENSE", SHIPPED[name]["license"])
    (tmp_path / "site").mkdir()
    written = [
        Forge.state_zip(weights(SETTINGS)),
        json.dumps(streaming_sounds.statistics()).encode(),
        sentencepiece_model(),
    ]
    entry = {**SHIPPED[name], "model": "audio.models.emformer_rnnt_model", "config": SETTINGS}
    del entry["parameters"]
    audio.write_audio(SOUND[None], tmp_path / "speech.wav", 16_000, encoding="f32")
    with serving(tmp_path / "site") as address:
        for file, content in zip(entry["files"], written, strict=True):
            place = Path(file["sources"][0]).name
            (tmp_path / "site" / place).write_bytes(content)
            file["sources"] = [f"{address}/{place}"]
        (tmp_path / "manifest.json").write_text(json.dumps({"schema": 1, "models": {name: entry}}))
        registry = str(tmp_path / "manifest.json")
        with pytest.raises(TrustError, match="--trust-first-use"):
            hub.pipeline("emformer_rnnt_base", registry=registry, progress=False)
        hear = hub.pipeline("emformer_rnnt_base", registry=registry, trust_first_use=True, progress=False)
    assert isinstance(hear, TransducerRecognition)
    assert hear.model.load_report.initialised == hear.model.load_report.ignored == ()
    said = hear(tmp_path / "speech.wav")
    assert said.text
    assert said.text == hear(SOUND).text
    assert main(["--registry", registry, "predict", "emformer_rnnt_base", "speech.wav", "--beams", "10", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["text"] == said.text
    assert [each["start"] for each in result["segments"]] == [each.start for each in said.segments]


def test_the_search_finds_the_golden_texts_and_scores() -> None:
    model = models.emformer_rnnt_model(**streaming_sounds.BASE).eval()
    made = streaming_sounds.weights_of({name: tuple(value.shape) for name, value in model.state_dict().items()})
    made["joiner.linear.weight"] = made["joiner.linear.weight"] * 6
    made["joiner.linear.bias"] = made["joiner.linear.bias"] + 6 * np.eye(9, dtype=np.float32)[-1]
    model.load_state_dict(made, assign=True)
    search = TransducerSearch(model, longest=100)
    wanted = json.loads(streaming_sounds.GOLDENS.read_text())["search"]
    with engine.no_grad():
        heard = model.transcribe(streaming_sounds.sounds(streaming_sounds.BASE)["sources"][:1], [32])[0][0]
        for width, texts in wanted.items():
            found = search(heard, width=int(width))
            assert [list(each.tokens) for each in found] == [text for text, _ in texts]
            assert np.allclose([each.score for each in found], [score for _, score in texts], atol=1e-4)
            halves = search(heard[3:], search(heard[:3], width=int(width)), width=int(width), first=3)
            assert [(each.tokens, each.steps) for each in halves] == [(each.tokens, each.steps) for each in found]


def test_what_the_model_hears_is_the_golden_spectrogram() -> None:
    found = STATISTICS(streaming_sounds.waveform())
    streaming_sounds.check("transducer mel", streaming_sounds.golden({}, [found], {}))


def test_a_text_has_its_words_with_times(hear: TransducerRecognition) -> None:
    said = hear(SOUND)
    assert len(said.segments) > 1
    assert " ".join(segment.text for segment in said.segments) == said.text == str(said)
    times = [time for segment in said.segments for time in (segment.start, segment.end)]
    assert 0 <= times[0] < times[-1] <= 1.52
    assert all(first.start <= second.start for first, second in zip(said.segments, said.segments[1:], strict=False))
    assert all(segment.words == () for segment in said.segments)
    for segment in hear(SOUND, word_timestamps=True).segments:
        (word,) = segment.words
        assert (word.text, word.start, word.end) == (segment.text, segment.start, segment.end)
        assert 0 < word.probability <= 1
    assert hear((np.stack([SOUND, SOUND]), 16_000)).text == said.text


@pytest.mark.parametrize("samples", [1, 200, 201, 479, 480, 640, 2559, 2560, 2600, 3240, 3241, 5121, 9999, 24_000])
@pytest.mark.parametrize("piece", [160, 2500, 30_000])
def test_pieces_of_any_size_are_heard_as_the_whole(hear: TransducerRecognition, samples: int, piece: int) -> None:
    sound = SOUND[:samples]
    with engine.no_grad():
        whole = hear._encoded(sound)
        hearing = Hearing(hear.model, hear.mel)
        parts = [hearing.feed(sound[start : start + piece]) for start in range(0, samples, piece)]
        parts.append(hearing.finish())
    heard = [part.numpy() for part in parts if part is not None]
    if whole is None:
        assert not heard
        assert samples < 480
    else:
        found = np.concatenate(heard)
        assert found.shape == tuple(whole.shape) == ((1 + samples // 160) // 4, 20)
        assert np.abs(found - whole.numpy()).max() < 1e-4


def test_a_text_grows_as_its_sound_comes(hear: TransducerRecognition) -> None:
    whole = hear(SOUND)
    asked: list[int] = []

    def pieces() -> Iterator[np.ndarray]:
        for start in range(0, len(SOUND), 1600):
            asked.append(start)
            yield SOUND[start : start + 1600]

    said, when = [], []
    for each in hear.stream(pieces()):
        said.append(each.text)
        when.append(len(asked))
    assert said[-1] == whole.text
    assert len(set(said)) > 3
    assert when[0] < when[1] < when[-1]  # a piece is asked for when what came before is heard
    assert [each.text for each in hear.stream(SOUND)][-1] == whole.text
    assert [each.text for each in hear.stream((SOUND, 16_000))][-1] == whole.text
    assert [each.text for each in hear.stream([SOUND[:5000], SOUND[5000:]])][-1] == whole.text
    listener = hear.listen(word_timestamps=True)
    for start in range(0, len(SOUND), 1000):
        listener.feed(SOUND[None, start : start + 1000])
    end = listener.finish()
    assert (end.text, [each.start for each in end.segments]) == (whole.text, [each.start for each in whole.segments])
    assert all(each.words for each in end.segments)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000, 96_000, 11_025])
@pytest.mark.parametrize("piece", [37, 1000, 10_000])
def test_pieces_at_another_rate_are_resampled_as_the_whole(rate: int, piece: int) -> None:
    sound = SOUND[:9000]
    resampling = Resampling(rate)
    parts = [resampling.feed(sound[start : start + piece]) for start in range(0, len(sound), piece)]
    found = np.concatenate([*parts, resampling.finish()])
    wanted = resample(sound, rate, 16_000)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-6
    assert sum(map(len, parts)) > len(found) - 16_000 * (piece + 200) / rate


def test_a_stream_of_another_rate_says_what_its_whole_says(hear: TransducerRecognition) -> None:
    sound = resample(SOUND, 16_000, 22_050)
    pieces = [sound[start : start + 999] for start in range(0, len(sound), 999)]
    assert list(hear.stream(pieces, rate=22_050))[-1].text == hear((sound, 22_050)).text


def test_a_long_sound_is_heard_in_parts(hear: TransducerRecognition, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = hear(SOUND)
    monkeypatch.setattr(pipeline_file, "_AT_ONCE", 4000)
    monkeypatch.setattr(pipeline_file, "_PART", 7000)
    monkeypatch.setattr(hear, "_encoded", None)
    assert hear(SOUND).text == whole.text


def test_a_model_of_fewer_bits_hears_nearly_the_same(hear: TransducerRecognition) -> None:
    narrow = pipe_of()
    narrow.model.to(dtype="bfloat16")
    with engine.no_grad():
        wanted, found = hear._encoded(SOUND), narrow._encoded(SOUND)
        assert wanted is not None
        assert found is not None
        assert str(found.dtype) == "bfloat16"
        difference = found.numpy().astype(np.float32) - wanted.numpy()
    assert np.sqrt(np.mean(difference**2)) < 0.05
    assert list(narrow.stream(SOUND))[-1].text


def test_silence_and_what_is_too_short_are_sounds_as_well(hear: TransducerRecognition) -> None:
    assert hear(SOUND[:479]) == hear(np.zeros(100, np.float32)) == Transcript("", "", ())
    silence = hear(np.zeros(16_000, np.float32))
    assert silence.text == list(hear.stream([np.zeros(16_000, np.float32)]))[-1].text
    assert [each.text for each in hear.stream([])] == [""]
    listener = hear.listen()
    assert listener.feed(np.zeros(0, np.float32)).text == ""


def test_a_piece_that_is_no_sound_is_refused_and_the_rest_is_heard(hear: TransducerRecognition) -> None:
    listener = hear.listen()
    listener.feed(SOUND[:7000])
    for bad in (
        np.full(100, np.nan, np.float32),
        np.zeros((2, 3, 4), np.float32),
        np.array(["a"]),
        np.full(9, 1e30),
        [SOUND, None],
        5,
    ):
        with pytest.raises(AudioError):
            listener.feed(bad)
    with pytest.raises(AudioError, match="say their rate once"):
        listener.feed((SOUND, 16_000))
    listener.feed(SOUND[7000:])
    assert listener.finish().text == hear(SOUND).text
    for call in (listener.finish, lambda: listener.feed(SOUND)):
        with pytest.raises(AudioError, match="the sound is finished"):
            call()


FILES = {
    "spiece.model": sentencepiece_model,
    "global_stats.json": lambda: json.dumps(streaming_sounds.statistics()).encode(),
}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("spiece.model", None, "no spiece.model among the files global_stats.json"),
        ("global_stats.json", None, "no global_stats.json among the files spiece.model"),
        ("spiece.model", b"<html>", "no model of SentencePiece"),
        ("global_stats.json", b"<html>", "no JSON"),
        ("global_stats.json", b"{}", "no mean and invstddev of 80 mel bands each"),
        ("global_stats.json", b'{"mean": [1, 2], "invstddev": [1, 2]}', "no mean and invstddev of 80 mel bands"),
        ("global_stats.json", b'{"mean": "x", "invstddev": 1}', "no mean and invstddev of 80 mel bands"),
        (
            "global_stats.json",
            json.dumps({"mean": [float("nan")] * 80, "invstddev": [1.0] * 80}).encode(),
            "80 mel bands",
        ),
    ],
)
def test_files_that_are_missing_or_of_another_kind_are_named(
    file: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    model = models.emformer_rnnt_model(**SETTINGS)
    paths = {}
    for name, make in FILES.items():
        made = make() if name != file else content
        if made is not None:
            paths[name] = tmp_path / name
            paths[name].write_bytes(made)
    with pytest.raises(AudioError, match=message):
        speech_recognition(model, paths)


def test_parts_that_do_not_fit_and_settings_that_mean_nothing_are_named(hear: TransducerRecognition) -> None:
    with pytest.raises(AudioError, match="2 pieces of words and a blank, but the model tells 95 symbols apart"):
        TransducerRecognition(hear.model, Pieces(["a", "b"]), hear.mel)
    with pytest.raises(AudioError, match="statistics of 40 mel bands, but the model hears 80"):
        TransducerRecognition(hear.model, PIECES, TransducerMel(n_mels=40))
    for width in (0, True, 2.5):
        with pytest.raises(ValueError, match="width is a number of texts from 1"):
            hear(SOUND, width=width)  # type: ignore[arg-type]
    for rate in (0, 16_000.0, True):
        with pytest.raises(AudioError, match="rate is"):
            hear.listen(rate=rate)  # type: ignore[arg-type]
    with pytest.raises(AudioError, match="at least 1 are wanted"):
        hear(SOUND[:0])
    with pytest.raises(AudioError, match="is nan"):
        hear(np.full(1000, np.nan, np.float32))
    with pytest.raises(AudioError, match="rows of different lengths"):
        hear([SOUND[:9], SOUND[:8]])
    damaged = pipe_of()
    damaged.model.joiner.linear.bias = nn.Parameter(np.full(SETTINGS["num_symbols"], np.nan, np.float32))
    with pytest.raises(AudioError, match="its weights may be damaged"):
        damaged(SOUND)
    with pytest.raises(ValueError, match="temperature is above 0"):
        TransducerSearch(hear.model, temperature=0.0)
    with pytest.raises(ValueError, match="longest at least 1"):
        TransducerSearch(hear.model, longest=0)


def test_pieces_become_words_without_what_is_no_part_of_a_text() -> None:
    pieces = Pieces(["<unk>", "</s>", "▁go", "▁for", "ward", "▁", "s"], (0, 1, -1))
    assert pieces.text([2, 3, 4, 0, 5, 6, 1]) == "go forward s"
    assert pieces.words([2, 3, 4, 0, 5, 6, 1]) == [[0], [1, 2], [4, 5]]
    assert pieces.words([5]) == []
    assert pieces.text([]) == ""


def test_a_model_learns_to_say_what_it_is_told_by_the_transducers_loss() -> None:
    engine.manual_seed(0)
    model = models.emformer_rnnt_model(**{**streaming_sounds.BASE, "transformer_dropout": 0.0, "lstm_dropout": 0.0})
    frames = RANDOM.normal(size=(2, 36, 12)).astype(np.float32)
    texts = np.array([[1, 5, 2], [7, 3, 0]])
    steps = optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(40):
        before = np.concatenate([np.full((2, 1), 8), texts], axis=1)
        scores, heard, said, _ = model(frames, [32, 28], before, [4, 3])
        loss = F.rnnt_loss(scores, texts, heard, said - 1)
        steps.zero_grad()
        loss.backward()
        steps.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    model.eval()
    with engine.no_grad():
        found = [TransducerSearch(model)(model.transcribe(frames[n : n + 1], [32])[0][0])[0].tokens for n in range(1)]
    assert found == [(8, 1, 5, 2)]


def test_the_answer_is_drawn(hear: TransducerRecognition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from numzoo.audio.pipelines import drawing

    drawn: list[Any] = []
    monkeypatch.setattr(drawing, "draw_spectrogram", lambda *given: drawn.append(SimpleNamespace(marks=given[1])))
    hear.draw(SOUND, tmp_path / "out.png")
    assert [text for _, _, text in drawn[0].marks] == [each.text for each in hear(SOUND).segments]
