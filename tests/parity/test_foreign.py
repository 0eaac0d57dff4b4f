"""Checkpoints that transformers and timm write: loaded by hub.load from their own folders, with their own logits.

Sizes are small and weights random; what matters is that every tensor finds its place and that the mathematics is theirs.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import warnings
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from numzoo import engine, hub
from numzoo.hub.errors import LoadError
from numzoo.vision.translations import timm as ours

Config = dict[str, Any]


def library(name: str) -> Any:
    """transformers or timm, imported after torchvision's operators are there; their warnings at import are theirs."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"parity is measured where {name} is installed (the parity extra)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


_VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "patch_size": 8}
_SWIN = {"embed_dim": 12, "depths": [2, 2], "num_heads": [2, 3], "window_size": 4, "image_size": 64, "mlp_ratio": 2.0}
_REGNET = {"embedding_size": 8, "hidden_sizes": [16, 24, 32, 48], "depths": [1, 2, 1, 1], "groups_width": 8}
_BASIC = {"embedding_size": 16, "hidden_sizes": [16, 24, 32, 40], "depths": [2, 1, 1, 2], "layer_type": "basic"}
_DEEP = {"embedding_size": 16, "hidden_sizes": [32, 64, 96, 128], "depths": [2, 1, 2, 1]}

_EFFICIENT = {"width_coefficient": 1.0, "depth_coefficient": 1.0, "hidden_dim": 1280, "batch_norm_eps": 0.01}
_EFFICIENT_B2 = {**_EFFICIENT, "width_coefficient": 1.1, "depth_coefficient": 1.2, "hidden_dim": 1408, "image_size": 68}
_EFFICIENT_B2["depthwise_padding"] = [5, 8, 16]

TRANSFORMERS: dict[str, tuple[str, Config, int]] = {
    "resnet bottleneck": ("ResNet", _DEEP, 64),
    "resnet basic": ("ResNet", _BASIC, 64),
    "vit": ("ViT", {**_VIT, "image_size": 32}, 32),
    "vit without qkv bias": ("ViT", {**_VIT, "image_size": 24, "qkv_bias": False, "layer_norm_eps": 1e-3}, 24),
    "convnext": ("ConvNext", {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 2, 1, 1], "layer_norm_eps": 1e-2}, 64),
    "swin": ("Swin", _SWIN, 64),
    "swinv2": ("Swinv2", _SWIN, 64),
    "mobilenet_v2": ("MobileNetV2", {"layer_norm_eps": 1e-2}, 75),
    "mobilenet_v2, thin": ("MobileNetV2", {"depth_multiplier": 0.5}, 64),
    "mobilenet_v2, padded evenly": ("MobileNetV2", {"depth_multiplier": 1.4, "tf_padding": False}, 64),
    "efficientnet b0": ("EfficientNet", {**_EFFICIENT, "image_size": 64}, 64),
    "efficientnet b2": ("EfficientNet", _EFFICIENT_B2, 68),
    "regnet y": ("RegNet", _REGNET, 64),
    "regnet x": ("RegNet", {**_REGNET, "layer_type": "x"}, 64),
}


@pytest.mark.parametrize("case", TRANSFORMERS)
def test_a_folder_of_transformers_gives_its_logits(case: str, reference: SimpleNamespace, tmp_path: Path) -> None:
    import torch

    transformers = library("transformers")
    family, settings, size = TRANSFORMERS[case]
    settings = {**settings, "id2label": {number: f"kind {number}" for number in range(7)}}
    config = getattr(transformers, f"{family}Config")(**settings)
    theirs = getattr(transformers, f"{family}ForImageClassification")(config).eval()
    shake(theirs, case)
    settle(theirs, size)
    theirs.save_pretrained(tmp_path)
    model = hub.load(tmp_path)
    x = images(size)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).logits.numpy()
    agree(model, x, expected)
    assert set(model.load_report.initialised) <= {name for name, _ in model.named_buffers()}


_BERT = {"vocab_size": 40, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 32}
_LLAMA = {**_BERT, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
_ROBERTA = {**_BERT, "type_vocab_size": 1, "pad_token_id": 1, "max_position_embeddings": 60, "layer_norm_eps": 1e-5}
_DISTIL = {"vocab_size": 40, "dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 32, "max_position_embeddings": 60}
_ALBERT = {**_BERT, "embedding_size": 16, "num_hidden_groups": 2, "inner_group_num": 2, "max_position_embeddings": 60}
_ELECTRA = {**_BERT, "embedding_size": 16, "max_position_embeddings": 60}
_GPT2 = {
    "vocab_size": 40,
    "n_embd": 24,
    "n_layer": 2,
    "n_head": 3,
    "n_positions": 60,
    "bos_token_id": 1,
    "eos_token_id": 1,
}
_T5 = {"vocab_size": 40, "d_model": 24, "d_kv": 6, "d_ff": 32, "num_layers": 2, "num_heads": 3}

TEXTS: dict[str, tuple[str, str, Config]] = {
    "bert": ("BertModel", "BertConfig", _BERT),
    "bert masked": ("BertForMaskedLM", "BertConfig", {**_BERT, "hidden_act": "gelu_new"}),
    "bert pretraining": ("BertForPreTraining", "BertConfig", _BERT),
    "bert classes": ("BertForSequenceClassification", "BertConfig", {**_BERT, "num_labels": 5}),
    "bert tokens": ("BertForTokenClassification", "BertConfig", {**_BERT, "num_labels": 4, "layer_norm_eps": 1e-2}),
    "bert answers": ("BertForQuestionAnswering", "BertConfig", _BERT),
    "roberta": ("RobertaModel", "RobertaConfig", _ROBERTA),
    "roberta masked": ("RobertaForMaskedLM", "RobertaConfig", _ROBERTA),
    "roberta classes": ("RobertaForSequenceClassification", "RobertaConfig", {**_ROBERTA, "num_labels": 5}),
    "xlm-roberta tokens": ("XLMRobertaForTokenClassification", "XLMRobertaConfig", {**_ROBERTA, "num_labels": 4}),
    "camembert answers": ("CamembertForQuestionAnswering", "CamembertConfig", _ROBERTA),
    "distilbert": ("DistilBertModel", "DistilBertConfig", _DISTIL),
    "distilbert masked": ("DistilBertForMaskedLM", "DistilBertConfig", _DISTIL),
    "distilbert classes": ("DistilBertForSequenceClassification", "DistilBertConfig", {**_DISTIL, "num_labels": 5}),
    "distilbert answers": ("DistilBertForQuestionAnswering", "DistilBertConfig", _DISTIL),
    "albert": ("AlbertModel", "AlbertConfig", _ALBERT),
    "albert masked": ("AlbertForMaskedLM", "AlbertConfig", _ALBERT),
    "albert classes": ("AlbertForSequenceClassification", "AlbertConfig", {**_ALBERT, "num_labels": 5}),
    "electra discriminator": ("ElectraForPreTraining", "ElectraConfig", _ELECTRA),
    "electra masked": ("ElectraForMaskedLM", "ElectraConfig", _ELECTRA),
    "electra tokens": ("ElectraForTokenClassification", "ElectraConfig", {**_ELECTRA, "num_labels": 4}),
    "mpnet": ("MPNetModel", "MPNetConfig", _BERT),
    "mpnet masked": ("MPNetForMaskedLM", "MPNetConfig", _BERT),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", _GPT2),
    "gpt2 with a perceptron of its own": (
        "GPT2LMHeadModel",
        "GPT2Config",
        {**_GPT2, "n_inner": 40, "layer_norm_epsilon": 1e-2},
    ),
    "t5": ("T5ForConditionalGeneration", "T5Config", _T5),
    "t5 gated": (
        "T5ForConditionalGeneration",
        "T5Config",
        {**_T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    ),
    "mt5": (
        "MT5ForConditionalGeneration",
        "MT5Config",
        {**_T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    ),
    "t5 vectors": ("T5Model", "T5Config", _T5),
    "t5 encoder": ("T5EncoderModel", "T5Config", _T5),
    "llama": ("LlamaForCausalLM", "LlamaConfig", _LLAMA),
    "llama tied": ("LlamaForCausalLM", "LlamaConfig", {**_LLAMA, "tie_word_embeddings": True, "attention_bias": True}),
    "llama with wide heads": ("LlamaForCausalLM", "LlamaConfig", {**_LLAMA, "head_dim": 8, "rms_norm_eps": 1e-2}),
    "llama scaled linearly": (
        "LlamaForCausalLM",
        "LlamaConfig",
        {**_LLAMA, "rope_scaling": {"rope_type": "linear", "factor": 2.5}},
    ),
    "llama 3": (
        "LlamaForCausalLM",
        "LlamaConfig",
        {
            **_LLAMA,
            "rope_theta": 100.0,
            "head_dim": 16,
            "rope_scaling": {
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 48,
            },
        },
    ),
    "mistral": ("MistralForCausalLM", "MistralConfig", {**_LLAMA, "sliding_window": 4}),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", _LLAMA),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_folder_of_a_text_model_gives_its_outputs(case: str, reference: SimpleNamespace, tmp_path: Path) -> None:
    import torch

    transformers = library("transformers")
    architecture, config, settings = TEXTS[case]
    theirs = getattr(transformers, architecture)(getattr(transformers, config)(**settings)).eval()
    if architecture.endswith("T5ForConditionalGeneration") and settings.get("tie_word_embeddings") is False:
        theirs.lm_head.weight = torch.nn.Parameter(theirs.lm_head.weight.detach().clone())
    shake(theirs, case)
    theirs.save_pretrained(tmp_path)
    model = hub.load(tmp_path)
    tokens = np.random.default_rng(3).integers(1, 40, (2, 9))
    answers = (
        {"decoder_input_ids": tokens[:, :4]}
        if architecture in ("T5ForConditionalGeneration", "MT5ForConditionalGeneration", "T5Model")
        else {}
    )
    with torch.no_grad():
        outputs = theirs(torch.from_numpy(tokens), **{name: torch.from_numpy(each) for name, each in answers.items()})
    expected = next(iter(value for value in outputs.values() if value is not None)).numpy()
    with engine.no_grad():
        given = model(tokens, **answers)
    given = (given[0] if isinstance(given, tuple) else given).numpy()
    assert np.abs(given - expected).max() < 1e-4 * np.abs(expected).max()
    assert model.load_report.initialised == ()


ENTRIES: dict[str, tuple[str, str, Config]] = {
    "bert_base.uncased": ("BertForPreTraining", "BertConfig", {}),
    "bert_base.cased": ("BertForPreTraining", "BertConfig", {"vocab_size": 28996}),
    "distilbert_base.uncased": ("DistilBertForMaskedLM", "DistilBertConfig", {}),
    "distilbert_base.sst2": ("DistilBertForSequenceClassification", "DistilBertConfig", {}),
    "roberta_base.v1": ("RobertaForMaskedLM", "RobertaConfig", {"max_position_embeddings": 514, "type_vocab_size": 1}),
    "gpt2.v1": ("GPT2LMHeadModel", "GPT2Config", {}),
    "distilgpt2.v1": ("GPT2LMHeadModel", "GPT2Config", {"n_layer": 6}),
    "t5_small.v1": ("T5ForConditionalGeneration", "T5Config", {}),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_takes_the_tensors_of_transformers(name: str, reference: SimpleNamespace) -> None:
    import torch

    from numzoo.hub.loading.contract import fit
    from numzoo.hub.loading.resolve import build
    from numzoo.hub.registry.manifest import parse_keys

    transformers = library("transformers")
    architecture, config, settings = ENTRIES[name]
    with torch.device("meta"):
        theirs = getattr(transformers, architecture)(getattr(transformers, config)(**settings))
    twins = set(getattr(theirs, "all_tied_weights_keys", {}))
    state = {
        key: np.broadcast_to(np.zeros((), np.float32), tuple(value.shape))
        for key, value in theirs.state_dict().items()
        if key not in twins
    }
    entry = json.loads(Path(__file__).parents[2].joinpath("weights_manifest.json").read_text())["models"][name]
    model = build(entry["model"], "models", entry["config"], who=name)
    keys = parse_keys(entry["keys"], who=name)
    loaded, report = fit(state, model.state_dict(), name=name, source="transformers", sha256="", keys=keys)
    assert len(loaded) == len(model.state_dict())
    assert report.initialised == ()
    assert sum(parameter.numel() for parameter in model.parameters()) == entry["parameters"]


_HEAVY = (
    "net_b3",
    "net_b5",
    "net_b6",
    "net_b7",
    "large",
    "base",
    "152",
    "101",
    "320",
    "160",
    "vgg13",
    "vgg16",
    "vgg19",
)
BIG = {name for name in ours.ARCHITECTURES if any(part in name for part in _HEAVY)}
TWINS = {name for name in ours.ARCHITECTURES if name.endswith(("_384", "vgg11", "_064", "_080", "_120"))}


@pytest.mark.parametrize("name", sorted(set(ours.ARCHITECTURES) - BIG - TWINS))
def test_a_folder_of_timm_gives_its_logits(name: str, reference: SimpleNamespace, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    timm = library("timm")
    theirs = timm.create_model(name, pretrained=False).eval()
    shake(theirs, name)
    size = theirs.pretrained_cfg["input_size"][1]
    if not any(part in name for part in ("vit", "swin", "vgg", "inception")):
        size = 64
    settle(theirs, size)
    save_file({key: value.contiguous() for key, value in theirs.state_dict().items()}, tmp_path / "model.safetensors")
    trained = {key: value for key, value in theirs.pretrained_cfg.items() if key != "classifier"}
    config = {"architecture": name, "num_classes": 1000, "num_features": theirs.num_features, "pretrained_cfg": trained}
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = hub.load(tmp_path)
    x = images(size)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).numpy()
    agree(model, x, expected)


@pytest.mark.parametrize("name", sorted(BIG | TWINS))
def test_the_larger_ones_of_timm_have_the_tensors_that_the_translation_expects(
    name: str, reference: SimpleNamespace
) -> None:
    import torch

    from numzoo.hub.foreign.translation import translate
    from numzoo.hub.loading.contract import fit
    from numzoo.hub.loading.resolve import build

    timm = library("timm")
    with torch.device("meta"):
        theirs = timm.create_model(name, pretrained=False, num_classes=1000)
    said = translate(
        {"architecture": name, "num_classes": 1000, "pretrained_cfg": theirs.pretrained_cfg}, {}, who="config.json"
    )
    state = {
        key: np.broadcast_to(np.zeros((), _NUMPY[str(value.dtype)]), tuple(value.shape))
        for key, value in theirs.state_dict().items()
    }
    fit(
        state,
        build(said.model, "models", said.config, who=name).state_dict(),
        name=name,
        source="timm",
        sha256="",
        keys=said.keys,
    )


_NUMPY = {"torch.float32": np.float32, "torch.int64": np.int64}

_MANIFEST = json.loads(Path(__file__).parents[2].joinpath("weights_manifest.json").read_text())["models"]


@pytest.mark.parametrize("name", [name for name in _MANIFEST if ".timm-" in name])
def test_an_entry_takes_the_tensors_of_timm_and_prepares_images_as_it_does(
    name: str, reference: SimpleNamespace
) -> None:
    import torch

    from numzoo.hub.loading.contract import fit
    from numzoo.hub.loading.resolve import build
    from numzoo.hub.registry.manifest import parse_keys

    timm = library("timm")
    entry = _MANIFEST[name]
    with torch.device("meta"):
        theirs = timm.create_model(entry["source"].rpartition("/")[2], pretrained=False)
    state = {
        key: np.broadcast_to(np.zeros((), _NUMPY[str(value.dtype)]), tuple(value.shape))
        for key, value in theirs.state_dict().items()
    }
    model = build(entry["model"], "models", entry["config"], who=name)
    keys = parse_keys(entry.get("keys", {}), who=name)
    loaded, report = fit(state, model.state_dict(), name=name, source="timm", sha256="", keys=keys)
    assert all("relative_position_index" in key for key in set(model.state_dict()) - set(loaded))
    assert all("relative_position_index" in key for key in report.initialised)
    said, trained = entry["transform"], theirs.pretrained_cfg
    assert (said["crop"], said["interpolation"]) == (trained["input_size"][1], trained["interpolation"])
    assert said["resize"] == int(trained["input_size"][1] / trained["crop_pct"])
    assert (tuple(said["mean"]), tuple(said["std"])) == (trained["mean"], trained["std"])


ALIKE = (
    "resnet18d", "tf_efficientnetv2_s", "efficientnet_b5", "seresnet50", "convnextv2_tiny", "deit_tiny_patch16_224",
    "swinv2_tiny_window16_256", "vit_base_patch16_clip_224", "mobilenetv3_small_050",
)  # fmt: skip


def test_what_timm_calls_alike_and_computes_otherwise_is_refused(reference: SimpleNamespace) -> None:
    from numzoo.hub.foreign.translation import translate

    timm = library("timm")
    for name in ALIKE:
        assert timm.is_model(name), name
        with pytest.raises(LoadError, match="compute otherwise"):
            translate({"architecture": name}, {}, who="config.json")


def images(size: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    noise = np.random.default_rng(0).standard_normal((2, 3, size, size), dtype=np.float32)
    return noise + 2 * sum(np.roll(noise, shift, (2, 3)) for shift in (1, 2, 3)) / 3


def shake(model: Any, name: str) -> None:
    """Give every parameter and every statistic values of its own, so that no two could be exchanged unseen."""
    import torch

    generator = np.random.default_rng(zlib.crc32(name.encode()))
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if not tensor.is_floating_point() or "coords_table" in key:
                continue
            values = generator.standard_normal(tuple(tensor.shape), dtype=np.float32)
            if "running_var" in key:
                values = 1 + np.abs(values)
            elif tensor.ndim > 1 and "bias_table" not in key and "logit_scale" not in key:
                values *= np.float32(np.sqrt(2 / max(np.prod(tensor.shape[1:]), 1)))
            elif key.endswith("weight"):
                values = 1 + values / 8
            else:
                values /= 4
            tensor.copy_(torch.from_numpy(values))


def settle(model: Any, size: int) -> None:
    """Statistics for the batch norms, as training would leave them: with others a deep network dies."""
    import torch

    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = None
        norm.reset_running_stats()
    with torch.no_grad():
        model(torch.from_numpy(images(size)))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.running_var.clamp_(min=0.5 * float(norm.running_var.mean()) + 1e-6)
            norm.momentum = momentum
    model.eval()


def agree(model: Any, x: Any, expected: Any) -> None:
    with engine.no_grad():
        logits = model(x).numpy()
    scale = np.abs(expected).max()
    assert np.isfinite(scale)
    assert scale > 0
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * scale, "the images make no difference"
    assert np.abs(logits - expected).max() < 1e-4 * scale


def photograph(height: int, width: int) -> Any:
    """A picture with edges, slopes and noise."""
    import PIL.Image

    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    noise = np.random.default_rng(4).integers(0, 40, (height, width, 3))
    return PIL.Image.fromarray(((x * 3 + y * 5 + c * 40 + x * y // 50) % 216 + noise).astype(np.uint8))


PREPARED: dict[str, Config] = {
    "centre": {"input_size": (3, 64, 64), "crop_pct": 0.875, "interpolation": "bicubic"},
    "whole": {"input_size": (3, 96, 96), "crop_pct": 1.0, "interpolation": "bilinear", "mean": (0.5,) * 3},
    "squashed": {"input_size": (3, 64, 64), "crop_pct": 1.0, "interpolation": "bicubic", "crop_mode": "squash"},
    "squashed and cut": {"input_size": (3, 64, 64), "crop_pct": 0.9, "interpolation": "bicubic", "crop_mode": "squash"},
}


@pytest.mark.parametrize("size", [(200, 300), (311, 143), (64, 64), (40, 50)])
@pytest.mark.parametrize("case", PREPARED)
def test_timms_preprocessing_gives_the_same_numbers(
    case: str, size: tuple[int, int], reference: SimpleNamespace
) -> None:
    from numzoo.hub.foreign.translation import translate
    from numzoo.hub.loading.resolve import build

    library("timm")
    data = importlib.import_module("timm.data")
    trained = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "crop_mode": "center", **PREPARED[case]}
    said = translate(
        {
            "architecture": "resnet18",
            "pretrained_cfg": {k: list(v) if isinstance(v, tuple) else v for k, v in trained.items()},
        },
        {},
        who="c",
    ).transform
    assert said is not None
    settings = {name: value for name, value in said.items() if name != "preset"}
    image = photograph(*size)
    theirs = data.create_transform(**data.resolve_data_config(trained), is_training=False)(image).numpy()
    assert np.abs(build(said["preset"], "transforms", settings, who=case)(image) - theirs).max() < 1e-5


PROCESSORS: dict[str, tuple[str, Config]] = {
    "vit": ("ViTImageProcessor", {"size": {"height": 64, "width": 64}}),
    "vit bicubic": ("ViTImageProcessor", {"size": {"height": 48, "width": 48}, "resample": 3}),
    "convnext small": ("ConvNextImageProcessor", {"size": {"shortest_edge": 64}, "resample": 3}),
    "convnext large": ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}),
    "efficientnet": ("EfficientNetImageProcessor", {"size": {"height": 64, "width": 64}, "resample": 2}),
    "efficientnet without a top": ("EfficientNetImageProcessor", {"size": {"height": 64, "width": 64}, "resample": 2, "include_top": False}),
    "shorter side": ("MobileNetV2ImageProcessor", {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}}),
}  # fmt: skip


@pytest.mark.parametrize("case", PROCESSORS)
def test_transformers_preprocessing_gives_nearly_the_same_numbers(
    case: str, reference: SimpleNamespace, tmp_path: Path
) -> None:
    """Its processors resize tensors where ours resize pictures, which rounds otherwise by a step of 255 here and there."""
    from numzoo.hub.foreign.translation import translate
    from numzoo.hub.loading.resolve import build

    transformers = library("transformers")
    name, settings = PROCESSORS[case]
    processor = getattr(transformers, name)(**settings)
    processor.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "preprocessor_config.json").read_text())
    said = translate({"model_type": "resnet"}, {"preprocessor_config.json": written}, who="config.json").transform
    assert said is not None, written
    image = photograph(200, 300)
    theirs = np.asarray(processor(image, return_tensors="np")["pixel_values"][0])
    ours = build(said["preset"], "transforms", {k: v for k, v in said.items() if k != "preset"}, who=case)(image)
    assert ours.shape == theirs.shape
    step = 1 / 255 / min(said["std"])
    assert np.abs(ours - theirs).max() < 2.01 * step
    assert np.abs(ours - theirs).mean() < 0.3 * step
