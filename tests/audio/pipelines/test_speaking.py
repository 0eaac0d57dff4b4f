"""Texts said by small models: symbols, pronunciations, pieces, vocoders, the whole way from a server, bad input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from speaking import HIFIGAN, TACOTRON
from speaking_entries import CONFIGS, SMALL, VOCODER, WORDS, write_site
from whole_way import serving

from numzoo import engine, hub
from numzoo.audio import models, read_audio, write_audio
from numzoo.audio.errors import AudioError, DatasetError, MissingDatasetError
from numzoo.audio.pipelines import TextToSpeech
from numzoo.audio.pipelines.speaking.pronunciation import Pronunciation
from numzoo.audio.pipelines.speaking.sentences import sentences
from numzoo.audio.pipelines.speaking.symbols import CHARACTERS, PHONEMES, plain, spelt
from numzoo.hub.errors import HubWarning, UsageError

pytestmark = pytest.mark.filterwarnings("ignore:text-to-speech. no end")  # weights that nobody trained know none


@pytest.fixture
def words(tmp_path: Path) -> Pronunciation:
    (tmp_path / "cmudict.dict").write_text(WORDS)
    return Pronunciation.load(tmp_path / "cmudict.dict")


@pytest.fixture
def speak() -> TextToSpeech:
    engine.manual_seed(0)
    return TextToSpeech(models.tacotron2(**{**SMALL, "n_symbol": 38, "prenet_dropout": 0.5}))


def test_symbols_have_the_numbers_that_torchaudio_gives_them() -> None:
    letters, left = spelt(plain("Hello world! Text to speech!"))
    numbers = [CHARACTERS.index(each) for each in letters]
    wanted = [
        19,
        16,
        23,
        23,
        26,
        11,
        34,
        26,
        29,
        23,
        15,
        2,
        11,
        31,
        16,
        35,
        31,
        11,
        31,
        26,
        11,
        30,
        27,
        16,
        16,
        14,
        19,
        2,
    ]
    assert (numbers, left, len(CHARACTERS)) == (wanted, set(), 38)
    assert [PHONEMES.index(each) for each in ("_", " ", "AA", "AA2", "B", "HH", "AH", "L", "OW", "ZH")] == [
        0, 11, 12, 15, 36, 54, 20, 65, 69, 95,
    ]  # fmt: skip
    assert len(PHONEMES) == 96


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("  two\n\twords ", "two words"),
        ("It\u2019s \u2018so\u2019 \u2014 na\u00efve caf\u00e9\u2026", "It's 'so' - naive cafe..."),
        ("\uff28\uff49 \u00c6sir stra\u00dfe", "Hi AEsir strasse"),
        ("e\u0301 \u200b\ufeff x", "e x"),
        ("", ""),
    ],
)
def test_a_text_becomes_plain(text: str, wanted: str) -> None:
    assert plain(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Hello world!", "HH AH L OW   W ER L D !"),
        ("this is (a cat)", "DH IH S   IH Z   ( AH   K AE T )"),
        ("'hello' \"cat\"", "HH AH L OW   K AE T"),
        ("'bout", "B AW T"),
        ("Thomas's cat's, Thomas' world's", "T AA M AH S IH Z   K AE T S ,   T AA M AH S   W ER L D Z"),
        ("TTS, ATS", "T IY - T IY - EH S ,   EY - T IY - EH S"),
        ("[t ah0 m ey1 t ow2] [HH][AH]", "T AH M EY T OW   HH AH"),
        ("cat-world", "K AE T - W ER L D"),
    ],
)
def test_words_are_said_as_the_dictionary_says(text: str, wanted: str, words: Pronunciation) -> None:
    symbols, left = words.phonemes(plain(text))
    assert " ".join(symbols) == wanted
    assert left == set()


def test_words_of_ones_own_go_before_the_dictionary(words: Pronunciation) -> None:
    own = words.also({"Numzoo": "N AH1 M Z UW2", "cat": ["M", "Y", "AW"]})
    assert own.phonemes("numzoo's cat")[0] == [*"N AH M Z UW Z".split(), " ", "M", "Y", "AW"]  # noqa: SIM905
    assert own.also({"cat": "K"}).word("cat") == ["K"]
    assert words.word("cat") == ["K", "AE", "T"]
    accents = words.also(
        {"Caf\u00e9": "K AE F EY", "rock\u2019n": "R AA K AH N"}
    )  # as texts have them, before they are plain
    assert accents.phonemes(plain("caf\u00e9 rock\u2019n"))[0] == [*"K AE F EY".split(), " ", *"R AA K AH N".split()]  # noqa: SIM905


@pytest.mark.parametrize(
    ("own", "error", "message"),
    [
        ("numzoo", TypeError, "pronunciations are words with their phonemes"),
        ({5: "AH"}, ValueError, "of single words, and 5 is none"),
        ({"num zoo": "AH"}, ValueError, "of single words, and 'num zoo' is none"),
        ({"numzoo": 5}, TypeError, "of 'numzoo' is a str or a list of phonemes, not int"),
        ({"numzoo": " "}, ValueError, "the pronunciation of 'numzoo' is empty"),
        ({"numzoo": "XX"}, ValueError, "'XX' is no phoneme"),
    ],
)
def test_pronunciations_that_cannot_be_are_refused(own: Any, error: Any, message: str, words: Pronunciation) -> None:
    with pytest.raises(error, match=message):
        words.also(own)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "hello Numzoo and 42",
            "how 'Numzoo', 'and', '42' is said; write numbers as words, write phonemes in brackets",
        ),
        ("one two three four five six seven", "'five' and 2 more is said"),
        ("\u041f\u0440\u0438\u0432\u0435\u0442", "how '\u041f\u0440\u0438\u0432\u0435\u0442' is said"),
        ("[XX]", "'XX' is no phoneme; ARPAbet has AA AE"),
        ("[]", "pronunciation is empty"),
        ("x" * 5000, "how 'xxx"),
    ],
)
def test_what_the_dictionary_does_not_know_is_named_with_ways_out(
    text: str, message: str, words: Pronunciation
) -> None:
    with pytest.raises(ValueError, match=message.replace("[", r"\[")) as caught:
        words.phonemes(text)
    assert len(str(caught.value)) < 500


def test_a_dictionary_of_the_older_form_is_read_and_another_file_refused(tmp_path: Path) -> None:
    older = ";;; notes\nHELLO  HH AH0 L OW1\nHELLO(1)  HH EH0 L OW1\nODD  Q Q\n"
    (tmp_path / "older").write_text(older, encoding="latin-1")
    words = Pronunciation.load(tmp_path / "older")
    assert words.word("hello") == ["HH", "AH", "L", "OW"]
    with pytest.raises(DatasetError, match="says 'odd' as"):
        words.word("odd")
    (tmp_path / "other").write_bytes(bytes(range(256)))
    with pytest.raises(DatasetError, match="no dictionary of pronunciations"):
        Pronunciation.load(tmp_path / "other")
    with pytest.raises(MissingDatasetError, match="cannot be read"):
        Pronunciation.load(tmp_path / "none")


def test_long_texts_are_cut_where_sentences_end() -> None:
    text = "Hello there. A longer one, with a part [A B C D E F] and more; then the end! And"
    assert sentences(text, 200) == [text]
    assert sentences(text, 40) == [
        "Hello there.",
        "A longer one,",
        "with a part [A B C D E F] and more;",
        "then the end! And",
    ]
    assert sentences("x" * 50 + " yy", 10) == ["x" * 50, "yy"]
    assert sentences("", 10) == []
    assert " ".join(sentences(text * 30, 25)) == text * 30


def test_what_is_longer_than_any_word_is_cut_and_brackets_between_phonemes() -> None:
    for text in ("x" * 1_000_000, "[x" * 500_000, "'" * 1_000_000, "[" + "x" * 1_000_000 + "]"):
        pieces = sentences(text, 50)
        assert max(map(len, pieces)) == 200
        assert "".join(pieces).replace("][", "") == text
    cut = sentences("so [" + "AH " * 400 + "B] it is", 50)
    assert max(map(len, cut)) <= 200
    assert " ".join(cut).replace("] [", " ") == "so [" + "AH " * 400 + "B] it is"
    assert sentences("x" * 300, 300) == ["x" * 300]


def test_a_text_is_said_with_its_rate_and_the_same_by_the_same_seed(speak: TextToSpeech, tmp_path: Path) -> None:
    engine.manual_seed(5)
    said = speak("Hello world.", seed=3)
    assert (said.samples.dtype, said.samples.ndim, said.rate) == (np.float32, 1, 22050)
    assert len(said.samples) in range(39 * 256, 40 * 256 + 1)
    engine.manual_seed(6)
    again, other = speak("Hello world.", seed=3), speak("Hello world.", seed=4)
    assert np.array_equal(said.samples, again.samples)
    assert not np.array_equal(said.samples, other.samples)
    write_audio(np.clip(said.samples, -1, 1), tmp_path / "said.wav", said.rate)
    assert read_audio(tmp_path / "said.wav")[1] == 22050
    many = speak(["Hello world.", "So."], seed=3, max_steps=5)
    assert [each.samples.shape for each in many] == [(4 * 256,), (4 * 256,)]


def test_a_long_text_is_said_in_pieces(speak: TextToSpeech) -> None:
    text = "Hello world. " * 4
    parts = list(speak.stream(text, longest=26, seed=0, max_steps=6))
    assert len(parts) == 2
    whole = speak(text, longest=26, seed=0, max_steps=6)
    pause = np.zeros(round(0.15 * 22050), np.float32)
    assert np.array_equal(whole.samples, np.concatenate([parts[0].samples, pause, parts[1].samples]))


def test_even_one_frame_is_heard(speak: TextToSpeech) -> None:
    assert speak("a", max_steps=1).samples.shape == (256,)


@pytest.mark.parametrize(
    ("vocoder", "hop"),
    [
        ("griffin-lim", 256),
        (lambda: models.wavernn(**VOCODER), 6),
        (lambda: models.hifigan_vocoder(**{**HIFIGAN, "in_channels": 80}), 12),
    ],
)
def test_each_vocoder_makes_its_samples_for_a_frame(vocoder: Any, hop: int, speak: TextToSpeech) -> None:
    voice = vocoder() if callable(vocoder) else vocoder
    one, other = (speak("Hello.", max_steps=9, seed=0, vocoder=voice).samples for _ in range(2))
    assert len(one) == (8 if hop == 256 else 9) * hop
    assert np.array_equal(one, other)
    assert np.isfinite(one).all()
    brought = TextToSpeech(speak.model, vocoder=voice)
    assert np.array_equal(brought("Hello.", max_steps=9, seed=0).samples, one)


def test_griffin_lim_finds_a_tone_in_its_mel_bands() -> None:
    from numzoo.audio.pipelines.speaking.vocoders import GriffinLimVocoder
    from numzoo.audio.transforms import MelSpectrogram

    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(22050) / 22050).astype(np.float32)
    mel = MelSpectrogram(
        22050, n_fft=1024, hop_length=256, n_mels=80, power=1.0, f_max=8000.0, norm="slaney", mel_scale="slaney"
    )
    logarithm = np.log(np.maximum(mel(tone), 1e-5))
    sound = GriffinLimVocoder()(logarithm, np.random.default_rng(0), 1.0)
    middle = sound[2000:-2000] * np.hanning(len(sound) - 4000)
    assert np.abs(np.fft.rfft(middle)).argmax() / len(middle) * 22050 == pytest.approx(
        440, abs=25
    )  # a band is 37 Hz wide
    assert sound[2000:-2000].std() == pytest.approx(0.35, abs=0.15)


def test_samples_of_wavernn_are_classes_of_mu_law() -> None:
    from numzoo.audio.pipelines.speaking.vocoders import WaveRNNVocoder
    from numzoo.audio.transforms import mu_law_decode

    sound = WaveRNNVocoder(models.wavernn(**VOCODER))(np.zeros((80, 20), np.float32), np.random.default_rng(0), 1.0)
    assert np.isin(sound, mu_law_decode(np.arange(256))).all()


def test_phonemes_are_said_too(words: Pronunciation) -> None:
    speak = TextToSpeech(models.tacotron2(**{**SMALL, "n_symbol": 96}), pronunciation=words)
    assert speak.symbols("Hello [W ER L D]!") == [["HH", "AH", "L", "OW", " ", "W", "ER", "L", "D", "!"]]
    assert speak("Hello numzoo.", max_steps=5, pronunciations={"numzoo": "N AH M Z UW"}).samples.shape == (1024,)


def test_what_has_no_symbol_is_left_out_with_a_warning_and_quotes_without(speak: TextToSpeech) -> None:
    with pytest.warns(HubWarning, match="no symbols for '%', '3', which were left out; write numbers"):
        assert speak.symbols('"Hi" 3% so') == [[*"hi  so"]]
    assert speak.symbols("\u201cHi\u201d") == [[*"hi"]]


def test_a_text_that_does_not_end_is_cut_with_a_warning(speak: TextToSpeech) -> None:
    with pytest.warns(HubWarning, match="no end was heard within 7 frames, where the sound was cut"):
        speak("Hello.", max_steps=7)


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("", {}, "the text is empty"),
        (" \n\t ", {}, "the text is empty"),
        ("?! ...", {}, "has no letter"),
        ("\u041f\u0440\u0438\u0432\u0435\u0442 \u4f60\u597d", {}, "those of English"),
        ("\ud800\udfff", {}, "has no letter"),
        ("word " * 200_000, {}, "has 1000000 characters, and at most 10000 are said at once"),
        ("a", {"longest": 0}, "longest is a positive number"),
        ("a", {"seed": -1}, "seed is a whole number from 0, not -1"),
        ("a", {"temperature": 0.5}, "temperature is for WaveRNN"),
        ("a", {"max_steps": 0}, "max_steps is a positive number"),
        ("a", {"pronunciations": {"a": "AH"}}, "pronunciations are for models of phonemes"),
        ("a", {"vocoder": "waveglow"}, "a vocoder is 'griffin-lim' or a model"),
        ("a", {"vocoder": 3}, "not 3"),
        ("a", {"vocoder": engine.nn.Linear(2, 2)}, "not Linear$"),
    ],
)
def test_bad_input_is_named(text: str, settings: dict[str, Any], message: str, speak: TextToSpeech) -> None:
    with pytest.raises(ValueError, match=message):
        speak(text, **settings)


@pytest.mark.parametrize("given", [None, 3, b"text", [1]])
def test_what_is_no_text_is_named(given: Any, speak: TextToSpeech) -> None:
    with pytest.raises(TypeError, match="text-to-speech"):
        speak(given)


def test_models_that_do_not_fit_are_named(speak: TextToSpeech, words: Pronunciation) -> None:
    with pytest.raises(AudioError, match="has 20 symbols; models of characters have 38"):
        TextToSpeech(models.tacotron2(**TACOTRON))
    with pytest.raises(AudioError, match="has 38 symbols"):
        TextToSpeech(speak.model, pronunciation=words)
    with pytest.raises(ValueError, match="the vocoder hears 9 mel bands, but the model gives 80"):
        speak("a", vocoder=models.wavernn(**{**VOCODER, "n_freq": 9}))
    state = {
        name: value.numpy() * np.float32("nan") for name, value in speak.model.state_dict().items() if value.ndim > 0
    }
    speak.model.load_state_dict(state, strict=False)
    with pytest.raises(AudioError, match="its weights may be damaged"):
        speak("a", max_steps=3)


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "home"))
    (tmp_path / "site").mkdir()
    with serving(tmp_path / "site") as address:
        yield write_site(tmp_path / "site", f"{address}/")


@pytest.mark.parametrize("name", CONFIGS)
def test_every_entry_goes_the_whole_way(name: str, manifest: Path) -> None:
    model = hub.load(name, registry=manifest, progress=False)
    assert model.load_report.initialised == ()
    if not name.startswith("tacotron2"):
        with pytest.raises(UsageError, match="is for vocoding; use hub"):
            hub.pipeline(name, registry=manifest)
        return
    speak = hub.pipeline(name, registry=manifest, progress=False)
    said = speak("Hello world.", seed=0, max_steps=8)
    assert said.samples.shape == (8 * 6 if name.endswith("wavernn") else 7 * 256,)
    hifigan = hub.load("hifigan_vocoder_v3", registry=manifest, progress=False)
    assert speak("Hello.", max_steps=8, vocoder=hifigan).samples.shape == (8 * 256,)
    if "phonemes" in name:
        with pytest.raises(ValueError, match="does not say how 'nobody'"):
            speak("Hello nobody.")


def test_the_mel_that_hifigan_was_trained_with_is_its_entrys_transform(manifest: Path) -> None:
    prepare = hub.transform("hifigan_vocoder_v3", registry=manifest)
    mel = prepare(np.zeros(5120, np.float32))
    sound = hub.load("hifigan_vocoder_v3", registry=manifest, progress=False)(mel[None])
    assert sound.shape == (1, 1, 5120)
