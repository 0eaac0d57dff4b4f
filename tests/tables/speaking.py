"""The models that speak: builders, small settings, inputs made from integers, and what of their results is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from integers import integer_array, integer_weights

TACOTRON = {
    "n_symbol": 20, "n_mels": 10, "symbol_embedding_dim": 16, "encoder_embedding_dim": 16, "encoder_n_convolution": 2,
    "encoder_kernel_size": 3, "decoder_rnn_dim": 24, "attention_rnn_dim": 20, "attention_hidden_dim": 12, "decoder_max_step": 25,
    "attention_location_n_filter": 6, "attention_location_kernel_size": 7, "prenet_dim": 14, "prenet_dropout": 0.0,
    "postnet_n_convolution": 3, "postnet_embedding_dim": 18,
}  # fmt: skip
WAVERNN = {
    "upsample_scales": (2, 3), "n_classes": 16, "hop_length": 6, "n_res_block": 2, "n_rnn": 20, "n_fc": 24, "n_freq": 9,
    "n_hidden": 12, "n_output": 16,
}  # fmt: skip
HIFIGAN = {
    "in_channels": 10, "upsample_rates": (4, 3), "upsample_kernel_sizes": (8, 7), "upsample_initial_channel": 16,
    "resblock_kernel_sizes": (3, 5), "resblock_dilation_sizes": ((1, 3, 5), (1, 2, 3)),
}  # fmt: skip
HIFIGAN_SHORT = {
    **HIFIGAN, "resblock_type": 2, "resblock_dilation_sizes": ((1, 2), (2, 6)), "lrelu_slope": 0.2,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One model: `builder` with its `settings`, and torchaudio's class `theirs`."""

    name: str
    builder: str
    theirs: str
    settings: dict[str, Any]


CASES = [
    Case("tacotron2", "tacotron2", "Tacotron2", TACOTRON),
    Case("tacotron2_masked", "tacotron2", "Tacotron2", {**TACOTRON, "mask_padding": True, "encoder_n_convolution": 3}),
    Case("wavernn", "wavernn", "WaveRNN", WAVERNN),
    Case("wavernn_wide", "wavernn", "WaveRNN", {**WAVERNN, "kernel_size": 3, "n_res_block": 1, "n_fc": 12}),
    Case("hifigan", "hifigan_vocoder", "HiFiGANVocoder", HIFIGAN),
    Case("hifigan_short", "hifigan_vocoder", "HiFiGANVocoder", HIFIGAN_SHORT),
]


def inputs(case: Case) -> dict[str, np.ndarray[Any, Any]]:
    """What the model is given in training: two texts, the second one padded; spectrograms; sounds."""
    if case.builder == "tacotron2":
        tokens = (np.arange(2 * 9).reshape(2, 9) * 37 + 11) % (case.settings["n_symbol"] - 1) + 1
        tokens[1, 6:] = 0
        mel = integer_array(5, (2, case.settings["n_mels"], 8))
        mel[1, :, 5:] = 0
        return {
            "tokens": tokens,
            "token_lengths": np.array([9, 6]),
            "mel_specgram": mel,
            "mel_specgram_lengths": np.array([8, 5]),
        }
    if case.builder == "wavernn":
        kernel, hop = case.settings.get("kernel_size", 5), case.settings["hop_length"]
        mel = integer_array(5, (2, 1, case.settings["n_freq"], 11))
        return {"waveform": integer_array(7, (2, 1, (12 - kernel) * hop)), "specgram": mel}
    return {"mel": integer_array(5, (2, case.settings["in_channels"], 13))}


def weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray[Any, Any]]:
    """Weights made from integers for a state dict; counters are 0."""
    counters = {name: np.zeros((), np.int64) for name in shapes if name.endswith("num_batches_tracked")}
    return {**integer_weights(shapes, 1.0), **counters}


def loss_weights(shapes: list[tuple[int, ...]]) -> list[np.ndarray[Any, Any]]:
    """A number for each number of each result; their products, summed, are the loss whose gradients are compared."""
    return [integer_array(101 * place + 13, shape) for place, shape in enumerate(shapes)]
