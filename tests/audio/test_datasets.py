"""Data sets of sounds, each on a small stand-in in its real layout: what is read, and what is refused."""

from __future__ import annotations

import io
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from changed_data import read_changed
from whole_way import Members, loaded_through_the_hub, unpacked

from numzoo.audio import datasets, errors


def sound(value: int = 0, rate: int = 16000, form: str = "WAV", frames: int = 40) -> bytes:
    """A sound whose samples are all `value` (of 16 bits)."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, numpy.full(frames, value, "int16"), rate, format=form, subtype="PCM_16")
    return buffer.getvalue()


def yesno() -> dict[str, Members]:
    names = ("0_0_0_0_1_1_1_1", "0_1_0_1_0_1_1_0")
    made = {f"waves_yesno/{name}.wav": sound(7 * (i + 1), 8000) for i, name in enumerate(names)}
    return {"waves_yesno.tar.gz": {**made, "waves_yesno/README": b"ken and lo"}}


def speech_commands() -> dict[str, Members]:
    made = {"./README.md": b"words", "./_background_noise_/pink_noise.wav": sound(1, frames=200)}
    for place, word in enumerate(("bed", "cat", "zero")):
        for speaker in range(4):
            made[f"./{word}/{speaker:08x}_nohash_{place}.wav"] = sound(10 * place + speaker)
    made["./validation_list.txt"] = b"bed/00000000_nohash_0.wav\ncat/00000001_nohash_1.wav\n"
    made["./testing_list.txt"] = b"zero/00000003_nohash_2.wav\n"
    return {"speech_commands_v0.02.tar.gz": made}


def librispeech() -> dict[str, Members]:
    made: Members = {"LibriSpeech/SPEAKERS.TXT": b"; about"}
    for speaker, chapter in ((84, 121550), (84, 121123), (777, 126732)):
        place = f"LibriSpeech/dev-clean/{speaker}/{chapter}"
        names = [f"{speaker}-{chapter}-{number:04}" for number in range(2)]
        made[f"{place}/{speaker}-{chapter}.trans.txt"] = "".join(
            f"{name} GO ON {name[-1]}\n" for name in names
        ).encode()
        made |= {f"{place}/{name}.flac": sound(chapter % 100, form="FLAC") for name in names}
    return {"dev-clean.tar.gz": made}


def libritts() -> dict[str, Members]:
    made: Members = {}
    for name in ("84_121123_000007_000001", "84_121123_000008_000000"):
        place = f"LibriTTS/test-other/84/121123/{name}"
        made |= {
            f"{place}.wav": sound(3, 24000),
            f"{place}.normalized.txt": b"mister five",
            f"{place}.original.txt": b"Mr. 5\n",
        }
    return {"test-other.tar.gz": made}


def esc50() -> dict[str, Members]:
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    made: Members = {}
    for place, (fold, target, category, ten) in enumerate(
        [(1, 0, "dog", True), (5, 1, "rooster", False), (5, 0, "dog", True), (2, 2, "pig", False)]
    ):
        name = f"{fold}-{place}-A-{target}.wav"
        rows.append(f"{name},{fold},{target},{category},{ten},{place},A")
        made[f"ESC-50-master/audio/{name}"] = sound(place, 44100)
    made["ESC-50-master/meta/esc50.csv"] = ("\n".join(rows) + "\n").encode()
    return {"ESC-50-master.zip": made}


def ljspeech() -> dict[str, Members]:
    lines = ['LJ001-0001|Printing, in "1455"|Printing, in "fourteen fifty-five"', "LJ001-0002|café|café\u2028\x85"]
    made = {f"LJSpeech-1.1/wavs/{line[:10]}.wav": sound(2, 22050) for line in lines}
    return {"LJSpeech-1.1.tar.bz2": {**made, "LJSpeech-1.1/metadata.csv": "\n".join(lines).encode()}}


def vctk() -> dict[str, Members]:
    made: Members = {"txt/p225/p225_001.txt": b"Please call Stella.\n"}
    for microphone in (1, 2):
        for name in ("p225/p225_001", "p315/p315_001"):
            made[f"wav48_silence_trimmed/{name}_mic{microphone}.flac"] = sound(microphone, 48000, "FLAC")
    return {"VCTK-Corpus-0.92.zip": made}


def arctic() -> dict[str, Members]:
    top = "cmu_us_slt_arctic"
    lines = (
        b'( arctic_a0001 "Author of the danger trail, Philip Steels, etc." )\n( arctic_a0002 "He said \\"no\\"." )\n'
    )
    made = {f"{top}/wav/arctic_a000{number}.wav": sound(number) for number in (1, 2)}
    return {"cmu_us_slt_arctic.tar.bz2": {**made, f"{top}/etc/txt.done.data": lines}}


def tedlium() -> dict[str, Members]:
    lines = (
        b";; comment\nAjayTalk 1 Ajay 0.5 0.75 <o,f0,male> we begin here\n"
        b"AjayTalk 1 inter 0.75 0.8 <o,f0,male> ignore_time_segment_in_scoring\nAjayTalk 1 Ajay 0.8 1.00 <o,f0,male> and end\n"
    )
    top = "TEDLIUM_release1/dev"
    ramp = io.BytesIO()
    import soundfile

    soundfile.write(ramp, numpy.arange(16000, dtype="int16"), 16000, format="NIST", subtype="PCM_16")
    return {"TEDLIUM_release1.tar.gz": {f"{top}/stm/AjayTalk.stm": lines, f"{top}/sph/AjayTalk.sph": ramp.getvalue()}}


def gtzan() -> dict[str, Members]:
    made = {
        f"genres/{genre}/{genre}.{number:05}.{suffix}": sound(number, 22050, form)
        for genre in datasets.GTZAN.classes
        for number, suffix, form in ((0, "wav", "WAV"), (1, "au", "AU"))
    }
    return {"genres.tar.gz": made}


def sphinx() -> dict[str, Members]:
    names = datasets.SphinxSpeech.files["librivox"][1:]
    lines = "".join(f"<s> he was no {i} </s> ({name[:-4]})\n" for i, name in enumerate(names))
    files: dict[str, Members] = {name: {name: sound(i)} for i, name in enumerate(names)}
    return {"transcription": {"transcription": lines.encode()}, **files}


def order() -> dict[str, Members]:
    return {"goforward.raw": {"goforward.raw": numpy.full(20, 9, "<i2").tobytes()}}


def labels() -> dict[str, Members]:
    return {name: {name: sound(i, 48000)} for i, name in enumerate(datasets.SpokenLabels.files[""])}


# class, its files, split, how many, one example: (place, first sample of 32768, rate, target), its details
CASES: dict[str, tuple[type[Any], Callable[[], dict[str, Members]], str, int, tuple[int, int, int, Any], dict[str, Any]]] = {
    "yesno": (datasets.YesNo, yesno, "all", 2, (0, 7, 8000, (0, 0, 0, 0, 1, 1, 1, 1)), {}),
    "speech-commands-train": (
        datasets.SpeechCommands, speech_commands, "train", 9, (3, 10, 16000, 1),
        {"word": "cat", "speaker": "00000000", "utterance": 1},
    ),
    "speech-commands-validation": (
        datasets.SpeechCommands, speech_commands, "validation", 2, (1, 11, 16000, 1),
        {"word": "cat", "speaker": "00000001", "utterance": 1},
    ),
    "speech-commands-test": (
        datasets.SpeechCommands, speech_commands, "test", 1, (0, 23, 16000, 2),
        {"word": "zero", "speaker": "00000003", "utterance": 2},
    ),
    "speech-commands-all": (
        datasets.SpeechCommands, speech_commands, "all", 12, (-1, 23, 16000, 2),
        {"word": "zero", "speaker": "00000003", "utterance": 2},
    ),
    "librispeech": (
        datasets.LibriSpeech, librispeech, "dev-clean", 6, (3, 50, 16000, "GO ON 1"),
        {"speaker": 84, "chapter": 121550, "utterance": 1},
    ),
    "libritts": (
        datasets.LibriTTS, libritts, "test-other", 2, (0, 3, 24000, "mister five"),
        {"original": "Mr. 5", "speaker": 84, "chapter": 121123, "utterance": "000007_000001"},
    ),
    "esc50-test": (
        datasets.ESC50, esc50, "test", 2, (0, 1, 44100, 1),
        {"fold": 5, "category": "rooster", "esc10": False, "source": "1", "take": "A"},
    ),
    "esc50-train": (
        datasets.ESC50, esc50, "train", 2, (1, 3, 44100, 2),
        {"fold": 2, "category": "pig", "esc10": False, "source": "3", "take": "A"},
    ),
    "ljspeech": (
        datasets.LJSpeech, ljspeech, "all", 2, (0, 2, 22050, 'Printing, in "fourteen fifty-five"'),
        {"name": "LJ001-0001", "printed": 'Printing, in "1455"'},
    ),
    "vctk": (
        datasets.VCTK, vctk, "all", 1, (0, 2, 48000, "Please call Stella."), {"speaker": "p225", "sentence": "001"},
    ),
    "cmu-arctic": (datasets.CMUArctic, arctic, "slt", 2, (1, 2, 16000, 'He said "no".'), {"name": "arctic_a0002"}),
    "tedlium": (
        datasets.TEDLIUM, tedlium, "dev", 2, (1, 12800, 16000, "and end"),
        {"talk": "AjayTalk", "speaker": "Ajay", "begin": 0.8, "end": 1.0},
    ),
    "gtzan": (datasets.GTZAN, gtzan, "all", 20, (3, 1, 22050, 1), {}),
    "sphinx-speech": (
        datasets.SphinxSpeech, sphinx, "librivox", 5, (1, 1, 16000, "he was no 1"),
        {"name": "sense_and_sensibility_01_austen_64kb-0880"},
    ),
    "sphinx-speech-commands": (
        datasets.SphinxSpeech, order, "commands", 1, (0, 9, 16000, "go forward ten meters"), {"name": "goforward"},
    ),
    "spoken-labels": (datasets.SpokenLabels, labels, "all", 9, (3, 3, 48000, 3), {}),
}  # fmt: skip


def check(dataset: Any, case: str) -> None:
    _, _, split, count, (place, sample, rate, target), details = CASES[case]
    assert (dataset.split, len(dataset), len(dataset.targets), len(dataset.paths)) == (split, count, count, count)
    waveform, found_rate, found = dataset[place]
    assert (waveform.shape[0], waveform.dtype, found_rate, found) == (1, numpy.float32, rate, target)
    assert waveform[0, 0] * 32768 == sample
    assert dataset.details(place) == details
    assert [target for _, _, target in dataset] == dataset.targets


@pytest.mark.parametrize("case", CASES)
def test_a_data_set_is_read_from_its_folder(case: str, tmp_path: Path) -> None:
    kind, make, split, *_ = CASES[case]
    dataset = kind(unpacked(tmp_path, make()), split)
    check(dataset, case)
    assert len(pickle.loads(pickle.dumps(dataset))) == len(dataset)  # as workers that load data get it


@pytest.mark.parametrize("case", CASES)
def test_a_data_set_goes_the_whole_way_from_a_server_to_its_examples(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, make, split, *_ = CASES[case]
    dataset = loaded_through_the_hub(f"audio.datasets.{kind.__name__}", make(), split, tmp_path, monkeypatch)
    check(dataset, case)


def test_the_first_version_of_speech_commands_is_read_alike(tmp_path: Path) -> None:
    assert datasets.SpeechCommands1(unpacked(tmp_path, speech_commands())).classes == ("bed", "cat", "zero")
    assert datasets.SpeechCommands1.files != datasets.SpeechCommands.files


def test_noise_is_no_word(tmp_path: Path) -> None:
    commands = datasets.SpeechCommands(unpacked(tmp_path, speech_commands()), "all")
    assert commands.classes == ("bed", "cat", "zero")
    assert [Path(path).name for path in commands.noise] == ["pink_noise.wav"]
    assert commands.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_folds_and_the_ten_easy_classes_are_chosen(tmp_path: Path) -> None:
    folder = unpacked(tmp_path, esc50())
    assert [datasets.ESC50(folder, "test", fold=fold).targets for fold in (1, 2, 5)] == [[0], [2], [1, 0]]
    assert datasets.ESC50(folder, "all", ten=True).targets == [0, 0]
    assert datasets.ESC50(folder).classes == ("dog", "rooster", "pig")
    with pytest.raises(errors.DatasetError, match="not one recording of 'test'"):
        datasets.ESC50(folder, "test", fold=3)
    with pytest.raises(ValueError, match="fold is 6"):
        datasets.ESC50(folder, fold=6)


@pytest.mark.parametrize(("split", "place"), [("train", "data"), ("dev", "legacy/dev")])
def test_the_third_release_of_talks_lies_elsewhere(split: str, place: str, tmp_path: Path) -> None:
    (members,) = tedlium().values()
    folder = unpacked(tmp_path, {"": {name.replace("TEDLIUM_release1/dev", f"TEDLIUM_release-3/{place}"): content
                                      for name, content in members.items()}})  # fmt: skip
    assert datasets.TEDLIUM3(folder, split).targets == ["we begin here", "and end"]


def test_both_microphones_of_vctk_are_there(tmp_path: Path) -> None:
    folder = unpacked(tmp_path, vctk())
    assert [datasets.VCTK(folder, microphone=number)[0][0][0, 0] * 32768 for number in (1, 2)] == [1, 2]
    with pytest.raises(ValueError, match="microphone is 3"):
        datasets.VCTK(folder, microphone=3)


def test_common_voice_is_read_from_the_folder_of_a_language(tmp_path: Path) -> None:
    lines = ["client_id\tpath\tsentence\tup_votes", 'abc\ta.mp3\tEr sagte "ja".\t2', "def\tb.mp3\tNein.\t3"]
    unpacked(tmp_path, {"": {"de/dev.tsv": "\n".join(lines).encode(), "de/clips/a.mp3": sound(5), "de/clips/b.mp3": sound(6)}})  # fmt: skip
    voices = datasets.CommonVoice(tmp_path, "dev")
    assert voices.targets == ['Er sagte "ja".', "Nein."]
    assert voices.details(1) == {"client_id": "def", "path": "b.mp3", "sentence": "Nein.", "up_votes": "3"}
    assert voices[1][0][0, 0] * 32768 == 6


def test_a_folder_for_each_class_is_a_data_set(tmp_path: Path) -> None:
    unpacked(tmp_path, {"": {"dog/x/a.wav": sound(1), "dog/b.flac": sound(2, form="FLAC"), "cat/c.wav": sound(3)}})
    (tmp_path / "cat" / "notes.txt").write_text("meow")
    (tmp_path / ".hidden").mkdir()
    animals = datasets.AudioFolder(tmp_path)
    assert animals.classes == ("cat", "dog")
    assert animals.labels.tolist() == [0, 1, 1]
    (tmp_path / "eel").mkdir()
    with pytest.raises(errors.DatasetError, match="no sound in 'eel'"):
        datasets.AudioFolder(tmp_path)


def test_the_transform_is_given_the_waveform_and_its_rate(tmp_path: Path) -> None:
    folder = unpacked(tmp_path, yesno())
    seconds, rate, _ = datasets.YesNo(folder, transform=lambda waveform, rate: waveform.shape[1] / rate)[0]
    assert (seconds, rate) == (40 / 8000, 8000)


@pytest.mark.parametrize(
    ("case", "path", "content", "said"),
    [
        ("yesno", "waves_yesno/0_1.wav", b"", "not named by eight"),
        ("speech-commands-test", "testing_list.txt", b"cat/none.wav\n", "testing_list.txt names cat/none.wav, but"),
        ("librispeech", "LibriSpeech/dev-clean/84/121123/84-121123.trans.txt", b"84-121123-0009 HI\n", "names 84-121123-0009"),
        ("librispeech", "LibriSpeech/dev-clean/84/121123/84-121123.trans.txt", b"what\n", "no name and transcript"),
        ("librispeech", "LibriSpeech/dev-clean/84/121123/84-121123.trans.txt", b"\xff\xfe", "not text in UTF-8"),
        ("libritts", "LibriTTS/test-other/84/121123/a_b.wav", b"", "SPEAKER_CHAPTER"),
        ("esc50-test", "ESC-50-master/meta/esc50.csv", b"a,b\n1,2\n", "has the columns"),
        ("ljspeech", "LJSpeech-1.1/metadata.csv", b"a|b\n", "line 1 of metadata.csv has 2 fields"),
        ("cmu-arctic", "cmu_us_slt_arctic/etc/txt.done.data", b"( a )\n", r"in place of \( NAME"),
        ("tedlium", "TEDLIUM_release1/dev/stm/AjayTalk.stm", b"a 1 b\n", "3 fields of 7"),
        ("sphinx-speech", "transcription", b"<s> hello </s>\n", "in place of <s> words </s>"),
    ],
)  # fmt: skip
def test_a_list_that_does_not_fit_is_refused(case: str, path: str, content: bytes, said: str, tmp_path: Path) -> None:
    kind, make, split, *_ = CASES[case]
    folder = unpacked(tmp_path, make())
    (folder / path).write_bytes(content)
    with pytest.raises(errors.DatasetError, match=said):
        kind(folder, split)


@pytest.mark.parametrize("case", CASES)
def test_changed_files_end_in_examples_or_the_packages_own_errors(case: str, tmp_path: Path) -> None:
    kind, make, split, *_ = CASES[case]
    allowed = (errors.DatasetError, errors.AudioError)
    read_changed(lambda folder: kind(folder, split), make(), tmp_path, allowed, rounds=40, seed=len(case))


@pytest.mark.parametrize("name", ["../../../etc/hostname", "/etc/hostname", "a/../b.wav", "", "a\\..\\b"])
def test_a_list_cannot_lead_out_of_the_data_set(name: str, tmp_path: Path) -> None:
    folder = unpacked(tmp_path, esc50())
    rows = f"filename,fold,target,category,esc10,src_file,take\n{name},5,0,dog,True,1,A\n"
    (folder / "ESC-50-master" / "meta" / "esc50.csv").write_text(rows)
    with pytest.raises(errors.DatasetError, match="leads out of the data set"):
        datasets.ESC50(folder, "test")


def test_a_damaged_recording_is_named_when_it_is_asked_for(tmp_path: Path) -> None:
    folder = unpacked(tmp_path, yesno())
    path = folder / "waves_yesno" / "0_1_0_1_0_1_1_0.wav"
    path.write_bytes(path.read_bytes()[:-10])
    recordings = datasets.YesNo(folder)
    assert recordings[0][1] == 8000
    with pytest.raises(errors.DamagedAudioError, match=r"0_1_0_1_0_1_1_0\.wav"):
        recordings[1]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(errors.MissingDatasetError, match="no waves_yesno in"):
        datasets.YesNo(tmp_path)
    with pytest.raises(errors.MissingDatasetError, match="there is no folder"):
        datasets.YesNo(tmp_path / "none")
    with pytest.raises(ValueError, match="split is 'train' but must be one of 'all'"):
        datasets.YesNo(tmp_path, "train")
    with pytest.raises(ValueError, match="both given"):
        datasets.YesNo(tmp_path, fetch=lambda name: tmp_path)
    unpacked(tmp_path, yesno())
    recordings = datasets.YesNo(tmp_path)
    with pytest.raises(IndexError, match="no recording 2 among 2"):
        recordings[2]
    with pytest.raises(TypeError, match="str but must be a whole number"):
        recordings["a"]  # type: ignore[index]
    with pytest.raises(AttributeError, match=r"targets are in \.targets"):
        _ = recordings.labels
    shutil.rmtree(tmp_path / "waves_yesno")
    (tmp_path / "waves_yesno").mkdir()
    with pytest.raises(errors.DatasetError, match="not one recording"):
        datasets.YesNo(tmp_path)


def test_files_are_fetched_by_their_names_in_the_hub(tmp_path: Path) -> None:
    unpacked(tmp_path, yesno())
    asked = []

    def fetch(name: str) -> Path:
        asked.append(name)
        return tmp_path

    datasets.YesNo(fetch=fetch)
    datasets.YesNo(fetch=fetch, resource="data:mine")
    assert asked == ["data:yesno/waves_yesno.tar.gz", "data:mine/waves_yesno.tar.gz"]


def test_every_name_of_the_package_can_be_had() -> None:
    for name in datasets.__all__:
        assert getattr(datasets, name).__doc__
    with pytest.raises(AttributeError, match="it has ESC50"):
        _ = datasets.Nothing
