"""Files that PyTorch itself writes, read equal to the bit to what PyTorch itself reads."""

from __future__ import annotations

import argparse
import collections
import importlib.util
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from numzoo.hub.checkpoint import read_checkpoint, read_metadata
from numzoo.hub.errors import FormatError, UnsafeFileError

torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")

NAMES = [
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
    "complex128", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz",
    "float8_e8m0fnu",
]  # fmt: skip
NUMBERS = [
    np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64, np.float16, np.float32, np.float64,
]  # fmt: skip
FORMATS = {"torch-zip": True, "torch-legacy": False}


@pytest.fixture(params=FORMATS)
def check(request, tmp_path):
    """Save with PyTorch, read with both, compare; give our arrays."""

    def run(value, protocol: int = 2):
        path = tmp_path / "file.pth"
        torch.save(value, path, _use_new_zipfile_serialization=FORMATS[request.param], pickle_protocol=protocol)
        wanted = dict(tensors(torch.load(path, map_location="cpu", weights_only=True)))
        found = read_checkpoint(path, format=request.param)
        assert list(found) == list(wanted)
        for name, tensor in wanted.items():
            array = found[name]
            assert array.shape == tuple(tensor.shape), name
            assert array.dtype.name == str(tensor.dtype).removeprefix("torch."), name
            assert array.tobytes() == raw(tensor), name
            assert array.flags.writeable, name
            assert array.flags.aligned, name
        described = {tensor.name: (tensor.shape, tensor.dtype) for tensor in read_metadata(path).tensors}
        assert described == {name: (array.shape, array.dtype.name) for name, array in found.items()}
        return found

    return run


@pytest.fixture(scope="module")
def forge():
    """The writer that the reader's own tests use."""
    path = Path(__file__).parents[1] / "hub" / "checkpoint" / "conftest.py"
    specification = importlib.util.spec_from_file_location("checkpoint_forge", path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module.Forge


def tensors(value, prefix: str = ""):
    if isinstance(value, torch.Tensor):
        yield prefix.removesuffix(".") or "tensor", value.detach()
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from tensors(item, f"{prefix}{key}.")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from tensors(item, f"{prefix}{index}.")


def raw(tensor) -> bytes:
    if tensor.numel() == 0:
        return b""
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def random(name: str, *shape: int):
    generator = torch.Generator().manual_seed(3)
    dtype = getattr(torch, name)
    if name == "bool":
        return torch.randint(0, 2, shape, generator=generator).bool()
    if dtype.is_complex:
        return torch.randn(shape, dtype=dtype, generator=generator)
    if dtype.is_floating_point:
        return (torch.randn(shape, generator=generator) * 3).to(dtype)
    return torch.randint(0, 100, shape, generator=generator).to(dtype)


@pytest.mark.parametrize("name", NAMES)
def test_every_dtype(request, check, name):
    if name in NAMES[12:] and request.node.callspec.params["check"] == "torch-legacy":
        pytest.skip("PyTorch cannot read its own legacy files of dtypes without a storage class")
    check({"w": random(name, 3, 4), "row": random(name, 5), "scalar": random(name), "empty": random(name, 0, 2)})


def test_values_that_are_not_numbers_keep_their_bits(check):
    check({"w": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45, -float("nan")])})


def test_views_and_shared_storages_share_memory(check):
    whole = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    found = check(
        {"whole": whole, "row": whole[1], "part": whole[1:3, 2:5], "turned": whole.t(), "steps": whole[::2, ::3]}
    )
    assert all(np.shares_memory(found["whole"], array) for array in found.values())


def test_layouts_that_are_not_contiguous(check):
    base = torch.arange(120, dtype=torch.int32).reshape(2, 3, 4, 5)
    check(
        {
            "channels_last": base.contiguous(memory_format=torch.channels_last),
            "permuted": base.permute(3, 0, 2, 1),
            "expanded": torch.arange(3).reshape(1, 3, 1).expand(2, 3, 4),
            "narrowed": base.narrow(2, 1, 2),
            "diagonal": base[0, 0].diagonal(),
            "unfolded": torch.arange(6.0).unfold(0, 3, 1),
            "ones": torch.empty(1, 1, 1),
        }
    )


def test_modules_parameters_and_metadata(check):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
    model[2].weight.data = model[2].weight.data.t().contiguous().t()
    check(model.state_dict())
    check(dict(model.named_parameters()))
    check(model.half().state_dict())


def test_tied_weights_are_one_array(check):
    shared = torch.nn.Parameter(torch.ones(3))
    found = check({"a": shared, "b": shared, "c": shared.data})
    assert found["a"] is found["b"]
    assert np.shares_memory(found["a"], found["c"])


def test_whole_training_states(check, tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    state = {
        "model_state": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": 3,
        "loss": 0.25,
        "name": "größe",
        "size": torch.Size([1, 2]),
        "device": torch.device("cpu"),
        "dtype": torch.bfloat16,
        "counts": collections.Counter("aab"),
        "classes": ["cat", "dog"],
        "layers": [torch.ones(2), {"w": torch.zeros(1)}],
    }
    check(state)
    values = read_metadata(tmp_path / "file.pth").values
    assert values["step"] == 3
    assert values["classes.1"] == "dog"
    assert values["dtype"] == "torch.bfloat16"
    assert values["optimizer.param_groups.0.lr"] == 0.001


@pytest.mark.parametrize("value", [torch.arange(3), [torch.ones(2), torch.zeros(1)], (torch.ones(1),)])
def test_files_that_are_no_dictionary(check, value):
    check(value)


def test_tensors_with_python_attributes(check):
    tensor = torch.ones(3)
    tensor.note = "kept by PyTorch, of no value here"
    check({"w": tensor})


@pytest.mark.parametrize(
    ("writer", "settings"),
    [*product(["state_zip", "state_legacy"], [{"order": "little"}, {"order": "big"}]), ("state_tar", {})],
)
@pytest.mark.filterwarnings("ignore")
def test_the_files_that_the_tests_write_by_hand_mean_the_same_to_pytorch(forge, tmp_path, writer, settings):
    """PyTorch no longer writes tar or big-endian files here, but it still reads them."""
    path = tmp_path / "file"
    arrays = forge.arrays()
    if writer == "state_tar":
        arrays = {name: array for name, array in arrays.items() if array.dtype.kind != "c"}
    path.write_bytes(getattr(forge, writer)(arrays, **settings))
    wanted = torch.load(path, map_location="cpu", weights_only=False)
    found = read_checkpoint(path)
    assert list(found) == list(wanted) == list(arrays)
    for name, tensor in wanted.items():
        assert found[name].tobytes() == raw(tensor), name


@pytest.mark.parametrize(("protocol", "new"), list(product((3, 4, 5), (True, False))))
def test_other_pickle_protocols_are_refused(tmp_path, protocol, new):
    torch.save({"w": torch.ones(1)}, tmp_path / "w", pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    with pytest.raises((UnsafeFileError, FormatError)):
        read_checkpoint(tmp_path / "w")


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.filterwarnings("ignore")
def test_what_a_script_keeps_of_its_run_becomes_plain_values(tmp_path, new):
    numbers = {f"{dtype.__name__}": dtype(1) for dtype in NUMBERS} | {"half": np.float64(0.5), "minus": np.int16(-7)}
    arguments = argparse.Namespace(
        lr=0.1, out=Path("/a/b"), relative=Path("c/d"), here=Path("."), inner=argparse.Namespace(x=1)
    )
    state = {"state_dict": {"w": torch.ones(2)}, "args": arguments, "best": numbers}
    torch.save(state, tmp_path / "w", _use_new_zipfile_serialization=new)
    assert list(read_checkpoint(tmp_path / "w")) == ["state_dict.w"]
    assert read_metadata(tmp_path / "w").values == {
        "args.lr": 0.1, "args.out": "/a/b", "args.relative": "c/d", "args.here": "", "args.inner.x": 1,
        **{f"best.{name}": number.item() for name, number in numbers.items()},
    }  # fmt: skip


REFUSED = {
    "a whole module": lambda: torch.nn.Linear(2, 2),
    "a sparse tensor": lambda: torch.eye(3).to_sparse(),
    "a quantised tensor": lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    "a meta tensor": lambda: torch.empty(2, device="meta"),
    "a NumPy array": lambda: {"a": np.ones(2)},
}


@pytest.mark.parametrize(("name", "new"), list(product(REFUSED, (True, False))))
@pytest.mark.filterwarnings("ignore")
def test_what_needs_code_or_pytorch_is_refused(tmp_path, name, new):
    torch.save(REFUSED[name](), tmp_path / "w", _use_new_zipfile_serialization=new)
    with pytest.raises(UnsafeFileError):
        read_checkpoint(tmp_path / "w")


@pytest.mark.filterwarnings("ignore")
def test_torchscript_is_refused(tmp_path):
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), tmp_path / "w")
    with pytest.raises(UnsafeFileError, match="TorchScript"):
        read_checkpoint(tmp_path / "w")
