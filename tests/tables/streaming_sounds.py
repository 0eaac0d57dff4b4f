"""Emformer RNN-T and VGGish: small settings, inputs made from integers, and what is kept of results as golden.

The same functions run numzoo's models and torchaudio's, wrapped by `tests/parity/streaming_reference.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from integers import integer_array, integer_weights, layout_digest
from sequences import summary

GOLDENS = Path(__file__).with_name("streaming_sounds_goldens.json")

BASE = {
    "input_dim": 12, "encoding_dim": 20, "num_symbols": 9, "segment_length": 8, "right_context_length": 4,
    "time_reduction_input_dim": 8, "time_reduction_stride": 4, "transformer_num_heads": 4, "transformer_ffn_dim": 24,
    "transformer_num_layers": 3, "transformer_dropout": 0.1, "transformer_activation": "gelu",
    "transformer_left_context_length": 5, "transformer_max_memory_size": 0,
    "transformer_weight_init_scale_strategy": "depthwise", "transformer_tanh_on_mem": True, "symbol_embedding_dim": 16,
    "num_lstm_layers": 2, "lstm_layer_norm": True, "lstm_layer_norm_epsilon": 1e-3, "lstm_dropout": 0.3,
}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {
    "base": BASE,
    "memory": {**BASE, "transformer_max_memory_size": 2, "transformer_activation": "silu"},
    "plain": {
        **BASE, "transformer_max_memory_size": 1, "transformer_tanh_on_mem": False, "transformer_activation": "relu",
        "right_context_length": 0, "transformer_left_context_length": 0, "lstm_layer_norm": False,
    },
}  # fmt: skip
"""Settings of small Emformer RNN-Ts."""

LENGTHS = np.array([31, 18])
LABELS = np.array([5, 3])


def weights_of(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray[Any, Any]]:
    """Weights made from integers for a layout, names sorted."""
    return dict(integer_weights(dict(sorted(shapes.items())), 1.0))


def sounds(settings: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """A batch of two sounds and their tokens, as `RNNT.forward` takes them."""
    frames = integer_array(5, (2, 32 + settings["right_context_length"], settings["input_dim"]))
    tokens = (np.arange(2 * 6).reshape(2, 6) * 5 + 2) % settings["num_symbols"]
    return {"sources": frames, "source_lengths": LENGTHS, "targets": tokens, "target_lengths": LABELS + 1}


def segments(settings: Mapping[str, Any]) -> list[np.ndarray[Any, Any]]:
    """Four segments of one sound, each with its right context."""
    segment, context = settings["segment_length"], settings["right_context_length"]
    frames = integer_array(77, (1, 4 * segment + context, settings["input_dim"]))
    return [frames[:, start : start + segment + context] for start in range(0, 4 * segment, segment)]


def waveform() -> np.ndarray[Any, Any]:
    """Two seconds of a sound that grows from nearly nothing to loud."""
    return np.asarray(integer_array(11, (32_000,)) * np.geomspace(1e-7, 0.5, 32_000), np.float32)


def statistics() -> dict[str, list[float]]:
    """A mean and the inverse of a deviation for each of 80 mel bands."""
    return {
        "mean": (10 + 4 * integer_array(3, (80,))).tolist(),
        "invstddev": (0.5 + 0.25 * integer_array(9, (80,))).tolist(),
    }


def counted(scores: Any) -> Any:
    """The scores (batch, time, length, symbols) of `sounds` that count, as rows."""
    return [scores[row, : LENGTHS[row] // 4, : LABELS[row] + 1] for row in range(2)]


def golden(
    shapes: Mapping[str, tuple[int, ...]], results: list[np.ndarray[Any, Any]], gradients: Mapping[str, Any]
) -> dict[str, Any]:
    """What is stored: the layout, of each result its shape, scale and numbers from all over it, a summary of the gradients."""
    return {
        "layout_sha256": layout_digest(dict(sorted(shapes.items()))),
        "results": [
            {
                "shape": list(result.shape),
                "scale": float(f"{np.abs(result).max():.8g}"),
                "values": [float(f"{value:.8g}") for value in result.ravel()[:: max(1, result.size // 24)]],
            }
            for result in results
        ],
        "gradients": [[float(f"{number:.6g}") for number in row] for row in summary(dict(gradients))],
    }


def check(name: str, found: dict[str, Any]) -> None:
    """Raise AssertionError unless what was found is what is stored."""
    wanted = json.loads(GOLDENS.read_text())[name]
    assert found["layout_sha256"] == wanted["layout_sha256"]
    assert [result["shape"] for result in found["results"]] == [result["shape"] for result in wanted["results"]]
    for ours, theirs in zip(found["results"], wanted["results"], strict=True):
        assert abs(ours["scale"] - theirs["scale"]) < 1e-5 * theirs["scale"]
        assert np.abs(np.array(ours["values"]) - np.array(theirs["values"])).max() < 1e-5 * theirs["scale"]
    if not wanted["gradients"]:
        return
    ours, theirs = np.array(found["gradients"]), np.array(wanted["gradients"])
    assert ours.shape == theirs.shape
    scale = theirs[:, 1] + 1e-4 * theirs[:, 1].max()  # one that is 0 but for rounding has no digits to compare
    assert (np.abs(ours - theirs) < 1e-3 * scale[:, None]).all()


def write(made: Mapping[str, Callable[[], dict[str, Any]]]) -> None:
    """Store what the authors' code computes."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(make())}" for name, make in made.items())
    GOLDENS.write_text("{\n" + lines + "\n}\n")
