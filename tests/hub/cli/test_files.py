"""`numzoo convert`, `scan` and `diff` on real files of several formats, and what each refuses."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo import engine, hub
from numzoo.hub.checkpoint import write_safetensors
from numzoo.vision import models

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]
GOLDENS = json.loads((Path(__file__).parents[2] / "vision" / "translations" / "goldens.json").read_text())


@pytest.fixture
def arrays() -> Arrays:
    generator = np.random.default_rng(2)
    state = models.lenet(classes=3).state_dict()
    return {
        name: np.array(5, np.int64) if tensor.dtype == np.int64 else generator.random(tensor.shape, np.float32) + 1
        for name, tensor in state.items()
    }


@pytest.fixture
def npz(tmp_path: Path, arrays: Arrays) -> Path:
    """The network as a training run left it, in NumPy's own format."""
    np.savez(tmp_path / "run.npz", **{f"model.{name}": array for name, array in arrays.items()}, step=np.array([7]))
    return tmp_path / "run.npz"


def hostile(path: Path, pickle: bytes) -> Path:
    """A file of torch.save's zip form around one pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/version", b"3\n")
    return path


# c os system: a global, called on a text.
CALL = b"\x80\x02cos\nsystem\nq\x00X\x04\x00\x00\x00true\x85R."


class TestConvert:
    def test_names_without_their_beginning_are_written_and_the_rest_is_named(
        self, numzoo: Callable[..., Any], npz: Path, tmp_path: Path, arrays: Arrays
    ) -> None:
        ended = numzoo("convert", npz, tmp_path / "out.safetensors", "--prefix", "model.")
        assert (ended.code, ended.out) == (0, f"{tmp_path / 'out.safetensors'}\n")
        assert "left out: step" in ended.err
        written = hub.read_checkpoint(tmp_path / "out.safetensors")
        assert written.keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(written[name], array)

    def test_a_model_holds_every_tensor_to_its_shape_and_the_file_says_which_it_is(
        self, numzoo: Callable[..., Any], npz: Path, tmp_path: Path, arrays: Arrays
    ) -> None:
        out = tmp_path / "out.safetensors"
        options = ("--prefix", "model.", "--model", "vision.models.lenet", "--classes", 3)
        assert numzoo("convert", npz, out, *options).code == 0
        model = hub.load(out)
        np.testing.assert_array_equal(model.state_dict()["classifier.5.bias"].numpy(), arrays["classifier.5.bias"])
        refused = numzoo("convert", npz, tmp_path / "other.safetensors", *options[:4])
        assert refused.code == 2
        assert "another shape: model.classifier.5.bias" in refused.err
        assert not (tmp_path / "other.safetensors").exists()

    def test_an_entry_gives_its_categories_and_its_transform(
        self, numzoo: Callable[..., Any], manifest: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "own.safetensors"
        options = ("--registry", manifest, "--model", "lenet.here", "--accept-license", "CC-BY-NC-4.0")
        assert numzoo("convert", "lenet.here", out, *options).code == 0
        assert hub.pipeline(out).categories[3] == "3"
        assert numzoo("diff", "lenet.here", out, "--registry", manifest).code == 0

    @pytest.mark.parametrize("case", ["vit", "swinv2", "convnext", "timm mobilenetv3_small_100"])
    def test_a_folder_of_another_library_is_written_under_numzoos_names(
        self, case: str, numzoo: Callable[..., Any], tmp_path: Path
    ) -> None:
        from integers import integer_image, integer_weights

        golden = GOLDENS[case]
        folder = tmp_path / "theirs"
        folder.mkdir()
        shapes = {name: tuple(shape) for name, shape in golden["names"].items()}
        weights = integer_weights(shapes, golden["gain"])
        counters = {name: np.zeros(shape, np.int64) for name, shape in shapes.items() if name not in weights}
        write_safetensors(folder / "model.safetensors", weights | counters)
        (folder / "config.json").write_text(json.dumps(golden["config"]))
        assert numzoo("convert", folder, tmp_path / "ours.safetensors", "--model", "config").code == 0
        x = integer_image(1, 3, golden["size"])
        with engine.no_grad():
            ours, theirs = hub.load(tmp_path / "ours.safetensors")(x).numpy(), hub.load(folder)(x).numpy()
        np.testing.assert_array_equal(ours, theirs)

    def test_a_quantised_file_keeps_its_numbers_and_other_types_are_left_alone(
        self, numzoo: Callable[..., Any], npz: Path, tmp_path: Path, arrays: Arrays
    ) -> None:
        out = tmp_path / "half.safetensors"
        assert numzoo("convert", npz, out, "--dtype", "bf16").code == 0
        written = hub.read_checkpoint(out)
        assert written["step"].dtype == np.int64
        name = "model.classifier.0.weight"
        assert written[name].dtype == ml_dtypes.bfloat16
        np.testing.assert_array_equal(written[name], arrays["classifier.0.weight"].astype(ml_dtypes.bfloat16))

    def test_numbers_beyond_the_range_of_float16_are_refused(self, numzoo: Callable[..., Any], tmp_path: Path) -> None:
        write_safetensors(tmp_path / "large.safetensors", {"w": np.array([1.0, 1e6], np.float32)})
        ended = numzoo("convert", tmp_path / "large.safetensors", tmp_path / "out.safetensors", "--dtype", "f16")
        assert ended.code == 2
        assert "w holds numbers beyond the range of float16; take bf16" in ended.err
        assert sorted(path.name for path in tmp_path.glob("out*")) == []

    def test_a_file_that_is_there_is_only_replaced_by_force(
        self, numzoo: Callable[..., Any], npz: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.safetensors"
        out.write_bytes(b"mine")
        assert numzoo("convert", npz, out).code == 2
        assert numzoo("convert", npz, out, "--dry-run").code == 0
        assert out.read_bytes() == b"mine"
        assert numzoo("convert", npz, out, "--force").code == 0
        assert len(hub.read_checkpoint(out)) > 1

    def test_notes_of_a_safetensors_file_stay(self, numzoo: Callable[..., Any], tmp_path: Path) -> None:
        write_safetensors(tmp_path / "a.safetensors", {"w": np.ones(3, np.float32)}, {"format": "pt", "by": "me"})
        assert numzoo("convert", tmp_path / "a.safetensors", tmp_path / "b.safetensors").code == 0
        assert numzoo("scan", tmp_path / "b.safetensors", "--json").json["files"][0]["notes"] == {
            "format": "pt",
            "by": "me",
        }

    def test_shards_have_an_index_and_load_as_one(
        self, numzoo: Callable[..., Any], npz: Path, tmp_path: Path, arrays: Arrays
    ) -> None:
        folder = tmp_path / "many"
        folder.mkdir()
        out = folder / "model.safetensors"
        options = ("--prefix", "model.", "--shard-size", "200kB")
        ended = numzoo("convert", npz, out, *options)
        assert ended.code == 0
        names = [Path(line).name for line in ended.out.splitlines()]
        assert names[-1] == "model.safetensors.index.json"
        assert len(names) > 2
        model = hub.load(folder, model="vision.models.lenet", classes=3)
        np.testing.assert_array_equal(model.state_dict()["features.0.weight"].numpy(), arrays["features.0.weight"])
        assert numzoo("diff", folder, npz, "--rename", r"(.+)=model.\1").code == 10  # the step is only in one
        assert numzoo("convert", npz, out, *options).code == 2

    def test_new_names_come_from_patterns(self, numzoo: Callable[..., Any], npz: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.safetensors"
        assert numzoo("convert", npz, out, "--rename", r"model\.(.+)=net.\1").code == 0
        assert "net.features.0.weight" in hub.read_checkpoint(out)
        clash = numzoo("convert", npz, tmp_path / "clash.safetensors", "--rename", "model.+=one")
        assert clash.code == 2
        assert "both become one" in clash.err

    @pytest.mark.parametrize("text", ["", "=x", "x", "(=x", r"x=\1", r"x=\w"])
    def test_a_pattern_that_is_none_is_refused(
        self, text: str, numzoo: Callable[..., Any], npz: Path, tmp_path: Path
    ) -> None:
        ended = numzoo("convert", npz, tmp_path / "out.safetensors", f"--rename={text}")
        assert ended.code == 2
        assert "as in --rename" in ended.err

    def test_nothing_is_left_behind_where_the_disk_is_full(
        self, numzoo: Callable[..., Any], npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        ended = numzoo("convert", npz, tmp_path / "out.safetensors")
        assert ended.code == 8
        assert [path.name for path in tmp_path.glob("out*")] == []

    @pytest.mark.parametrize("target", ["out.bin", "out", "."])
    def test_only_safetensors_is_written(self, target: str, numzoo: Callable[..., Any], npz: Path) -> None:
        assert numzoo("convert", npz, target).code == 2


class TestDiff:
    @pytest.fixture
    def pair(self, tmp_path: Path) -> tuple[Path, Path]:
        a = {"same": np.ones(4, np.float32), "w": np.arange(4, dtype=np.float32), "shape": np.ones(3, np.float32)}
        b = {**a, "w": np.array([0, 1, 2, 3.3], np.float32), "shape": np.ones((3, 1), np.float32)}
        a["gone"], b["new"] = np.ones(1, np.int64), np.ones(2, np.float16)
        a["half"], b["half"] = np.ones(2, np.float32), np.ones(2, np.float16)
        write_safetensors(tmp_path / "a.safetensors", a)
        write_safetensors(tmp_path / "b.safetensors", b)
        return tmp_path / "a.safetensors", tmp_path / "b.safetensors"

    def test_each_difference_is_named_with_its_size(self, numzoo: Callable[..., Any], pair: tuple[Path, Path]) -> None:
        ended = numzoo("diff", *pair, "--json")
        assert ended.code == 10
        found = {line["name"]: line for line in ended.json["tensors"]}
        assert {name: line["kind"] for name, line in found.items()} == {
            "gone": "only in A", "new": "only in B", "shape": "shape", "w": "values", "half": "dtype",
        }  # fmt: skip
        assert found["w"]["largest"] == pytest.approx(0.3)
        assert found["w"]["relative"] == pytest.approx(0.3 / 3.3)
        assert found["w"]["norm"] == pytest.approx(0.3 / np.sqrt(14))
        assert ended.json["equal"] is False
        assert ended.json["counts"]["equal"] == 1

    def test_equal_files_give_no_line_and_exit_with_zero(
        self, numzoo: Callable[..., Any], pair: tuple[Path, Path]
    ) -> None:
        ended = numzoo("diff", pair[0], pair[0])
        assert (ended.code, ended.out) == (0, "")
        assert "5 equal" in ended.err

    def test_a_tolerance_is_of_the_larger_number(self, numzoo: Callable[..., Any], tmp_path: Path) -> None:
        write_safetensors(tmp_path / "a.safetensors", {"w": np.array([100.0], np.float32)})
        write_safetensors(tmp_path / "b.safetensors", {"w": np.array([101.0], np.float32)})
        pair = (tmp_path / "a.safetensors", tmp_path / "b.safetensors")
        assert numzoo("diff", *pair).code == 10
        assert numzoo("diff", *pair, "--tolerance", "0.01").code == 0
        assert numzoo("diff", *pair, "--tolerance", "0.009").code == 10
        assert numzoo("diff", *pair, "--tolerance", "-1").code == 2

    def test_what_is_not_a_number_equals_only_itself(self, numzoo: Callable[..., Any], tmp_path: Path) -> None:
        write_safetensors(tmp_path / "a.safetensors", {"w": np.array([np.nan, np.inf, 1], np.float32)})
        write_safetensors(tmp_path / "b.safetensors", {"w": np.array([np.nan, np.inf, np.nan], np.float32)})
        assert numzoo("diff", tmp_path / "a.safetensors", tmp_path / "a.safetensors").code == 0
        ended = numzoo("diff", tmp_path / "a.safetensors", tmp_path / "b.safetensors", "--tolerance", "1e9", "--json")
        assert ended.code == 10
        assert ended.json["tensors"][0]["largest"] is None

    def test_whole_numbers_are_told_apart_beyond_what_float64_holds(
        self, numzoo: Callable[..., Any], tmp_path: Path
    ) -> None:
        write_safetensors(tmp_path / "a.safetensors", {"w": np.array([2**62], np.int64)})
        write_safetensors(tmp_path / "b.safetensors", {"w": np.array([2**62 + 1], np.int64)})
        assert numzoo("diff", tmp_path / "a.safetensors", tmp_path / "b.safetensors").code == 10

    def test_an_empty_tensor_is_equal_to_another(self, numzoo: Callable[..., Any], tmp_path: Path) -> None:
        write_safetensors(tmp_path / "a.safetensors", {"w": np.zeros((0, 3), np.float32)})
        assert numzoo("diff", tmp_path / "a.safetensors", tmp_path / "a.safetensors").code == 0


class TestScan:
    def test_a_file_is_described(self, numzoo: Callable[..., Any], npz: Path) -> None:
        ended = numzoo("scan", npz, "--tensors")
        assert ended.code == 0
        assert "npz" in ended.out
        assert "model.features.0.weight  float32  (32, 1, 5, 5)" in ended.out

    def test_code_in_a_pickle_is_named_and_not_run(self, numzoo: Callable[..., Any], tmp_path: Path) -> None:
        path = hostile(tmp_path / "bad.pth", CALL)
        ended = numzoo("scan", path)
        assert ended.code == 9
        assert "os.system" in ended.out
        document = numzoo("scan", path, "--json").json
        assert document["safe"] is False
        assert [name["name"] for name in document["files"][0]["pickles"][0]["names"]] == ["os.system"]

    def test_a_bare_pickle_is_unsafe_and_a_damaged_file_is_only_damaged(
        self, numzoo: Callable[..., Any], tmp_path: Path
    ) -> None:
        (tmp_path / "bare.pkl").write_bytes(CALL)
        assert numzoo("scan", tmp_path / "bare.pkl").code == 9
        (tmp_path / "cut.safetensors").write_bytes(struct.pack("<Q", 100) + b"{" + b" " * 20)
        ended = numzoo("scan", tmp_path / "cut.safetensors")
        assert ended.code == 5
        assert "refused" in ended.out

    def test_a_folder_is_looked_through_with_its_configuration_and_its_code(
        self, numzoo: Callable[..., Any], npz: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "config.json").write_text('{"model_type": "vit", "auto_map": {"AutoModel": "modeling.Net"}}')
        (tmp_path / "modeling.py").write_text("raise SystemExit(3)")
        ended = numzoo("scan", tmp_path)
        assert ended.code == 0
        assert "never runs code of a repository" in ended.out
        assert "Python code, which is never run" in ended.out
        hostile(tmp_path / "hidden.bin", CALL)
        assert numzoo("scan", tmp_path).code == 9

    def test_a_name_of_the_registry_is_scanned(self, numzoo: Callable[..., Any], manifest: Path) -> None:
        options = ("--registry", manifest, "--accept-license", "CC-BY-NC-4.0")
        ended = numzoo("scan", "lenet.here", *options)
        assert ended.code == 0
        assert "safetensors" in ended.out

    def test_text_of_a_file_does_not_steer_the_terminal(self, numzoo: Callable[..., Any], tmp_path: Path) -> None:
        write_safetensors(
            tmp_path / "a.safetensors", {"w\x1b[2J": np.ones(1, np.float32)}, {"k\x1b]0;x\x07": "v\x1b[0m"}
        )
        ended = numzoo("scan", tmp_path / "a.safetensors", "--tensors")
        assert ended.code == 0
        assert "\x1b" not in ended.out
        assert "\\x1b" in ended.out

    def test_what_is_not_there_is_not_found(self, numzoo: Callable[..., Any], tmp_path: Path) -> None:
        assert numzoo("scan", tmp_path / "none.pth").code == 3
        (tmp_path / "empty").mkdir()
        assert numzoo("scan", tmp_path / "empty").code == 3


def test_large_files_are_converted_and_compared_a_tensor_at_a_time(
    numzoo: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of eight tensors of 4 MB in float16, never more than a few lie in memory."""
    import tracemalloc

    arrays = {f"w{number}": np.full((1 << 21,), number, np.float16) for number in range(8)}
    source = tmp_path / "a.safetensors"
    write_safetensors(source, arrays)
    del arrays
    assert numzoo("convert", source, tmp_path / "b.safetensors", "--dtype", "f32", "--dry-run").code == 0  # imports
    tracemalloc.start()
    try:
        assert numzoo("convert", source, tmp_path / "b.safetensors", "--dtype", "f32").code == 0
        converting = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        assert numzoo("diff", source, tmp_path / "b.safetensors").code == 10  # other types, the same values
        comparing = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert converting < 45 << 20  # a tensor in float32, float64 for the look at infinities, and the bytes to write
    assert comparing < 120 << 20
