"""Writes goldens.json of the translations' tests of vision, text and audio: what transformers and timm compute for weights
and inputs made from integers.

Run where PyTorch, transformers and timm are: ``python tests/parity/make_foreign_goldens.py``. The test beside the file
repeats it with numzoo alone: each case is a config.json, the names and shapes of the weights file, and some logits.
"""

from __future__ import annotations

import json
import runpy
import tempfile
import warnings
from pathlib import Path
from typing import Any

GOLDENS = Path(__file__).parent.parent / "vision" / "translations" / "goldens.json"
TEXTS = GOLDENS.parents[2] / "text" / "translations" / "goldens.json"
SOUNDS = GOLDENS.parents[2] / "audio" / "translations" / "goldens.json"
TIMM = ("mobilenetv3_small_100", "regnety_002", "vit_tiny_patch16_224", "densenet121", "mobilenetv2_100")

TRAINED = ("tag", "num_classes", "input_size", "crop_pct", "interpolation", "mean", "std", "crop_mode")

warnings.simplefilter("ignore")
formula = runpy.run_path(str(GOLDENS.parents[2] / "tables" / "integers.py"))
runpy.run_path(str(Path(__file__).with_name("reference.py")))  # declares torchvision's operators

import timm  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

tests = runpy.run_path(str(Path(__file__).with_name("test_foreign.py")))
sounds = runpy.run_path(str(Path(__file__).with_name("test_foreign_sounds.py")))["SOUNDS"]
cases = tests["TRANSFORMERS"]


def main() -> None:
    goldens = {}
    for case, (family, settings, size) in cases.items():
        config = getattr(transformers, f"{family}Config")(
            **settings, id2label={number: f"kind {number}" for number in range(7)}
        )
        model = getattr(transformers, f"{family}ForImageClassification")(config).eval()
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            said = json.loads((Path(folder) / "config.json").read_text())
            names = {key: list(value.shape) for key, value in load_file(f"{folder}/model.safetensors").items()}

            def logits(x: Any, state: Any, family: str = family, folder: str = folder) -> Any:
                from safetensors.torch import save_file

                stored = load_file(f"{folder}/model.safetensors") | state
                save_file(stored, f"{folder}/model.safetensors", {"format": "pt"})
                loaded = getattr(transformers, f"{family}ForImageClassification").from_pretrained(folder).eval()
                return loaded.to(x.dtype)(x).logits

            goldens[case] = golden(case, said, names, size, logits)
    for name in TIMM:
        model = timm.create_model(name, pretrained=False).eval()
        trained = {key: value for key, value in model.pretrained_cfg.items() if key in TRAINED}
        said = {"architecture": name, "num_classes": 1000, "pretrained_cfg": trained}
        names = {key: list(value.shape) for key, value in model.state_dict().items()}
        size = 224 if name.startswith("vit") else 64

        def logits(x: Any, state: Any, model: Any = model) -> Any:
            model.float().load_state_dict(state, strict=False)
            return model.to(x.dtype)(x)

        goldens[f"timm {name}"] = golden(name, said, names, size, logits)
    write(GOLDENS, goldens)
    tokens, samples = (
        torch.arange(1, 19).reshape(2, 9),
        torch.from_numpy(formula["integer_array"](5, (2, 400))).double(),
    )
    write(TEXTS, {case: sequence_golden(*settings, tokens) for case, settings in tests["TEXTS"].items()})
    write(SOUNDS, {case: sequence_golden(*settings, samples) for case, settings in sounds.items()})


def write(path: Path, goldens: dict[str, Any]) -> None:
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in goldens.items())
    path.parent.mkdir(exist_ok=True)
    path.write_text("{\n" + lines + "\n}\n")


def sequence_golden(architecture: str, config: str, settings: dict[str, Any], given: Any) -> dict[str, Any]:
    """The first numbers of the outputs for what is `given`: tokens that count up, or samples."""
    from safetensors.torch import save_file

    kind = getattr(transformers, architecture)
    with tempfile.TemporaryDirectory() as folder:
        kind(getattr(transformers, config)(**settings)).save_pretrained(folder)
        said = json.loads((Path(folder) / "config.json").read_text())
        stored = load_file(f"{folder}/model.safetensors")
        names = {key: list(value.shape) for key, value in stored.items()}
        if architecture == "T5ForConditionalGeneration" and settings.get("tie_word_embeddings") is False:
            names["lm_head.weight"] = names["shared.weight"]
        weights = formula["integer_weights"]({key: tuple(shape) for key, shape in names.items()}, 1.0)
        state = {key: torch.from_numpy(value.copy()) for key, value in weights.items()}
        save_file(state, f"{folder}/model.safetensors", {"format": "pt"})
        model = kind.from_pretrained(folder).eval()
    with torch.no_grad():
        answers = {"decoder_input_ids": given[:, :4]} if architecture == "T5ForConditionalGeneration" else {}
        double = model.double()
        outputs = (double.wav2vec2 if architecture == "Wav2Vec2ForPreTraining" else double)(given, **answers)
    values = next(iter(value for value in outputs.values() if value is not None)).flatten()[:12].tolist()
    return {"config": said, "names": names, "outputs": [float(f"{value:.8g}") for value in values]}


def golden(name: str, config: Any, names: dict[str, list[int]], size: int, logits: Any) -> dict[str, Any]:
    """Logits under the first gain that makes a fair test: rounding does not matter, the image does."""
    image = torch.from_numpy(formula["integer_image"](2, 3, size))
    for tenths in range(20, 5, -1):
        weights = formula["integer_weights"]({key: tuple(shape) for key, shape in names.items()}, tenths / 10)
        state = {key: torch.from_numpy(value.copy()) for key, value in weights.items()}
        with torch.no_grad():
            single, exact = logits(image, state).double(), logits(image.double(), state)
        scale = float(exact.abs().max())
        rounding = float((single - exact).abs().max()) / scale
        apart = float((exact[0] - exact[1]).abs().max()) / scale
        if rounding < 1e-5 and apart > 0.005 and 0.01 < scale < 1e5:
            print(
                f"{name:24} gain {tenths / 10}, scale {scale:.3g}, apart {apart:.3f}, rounding {rounding:.1e}",
                flush=True,
            )
            rows = [[float(f"{value:.8g}") for value in row[:6]] for row in exact.tolist()]
            return {"config": config, "names": names, "size": size, "gain": tenths / 10, "scale": float(f"{scale:.8g}"), "logits": rows}  # fmt: skip
    raise SystemExit(f"{name}: no gain gives a fair test")


if __name__ == "__main__":
    main()
