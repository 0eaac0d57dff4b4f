"""torchaudio's Tacotron 2 and WaveRNN, and its prototype of HiFi-GAN (up to 2.8), for the cases of tests/tables/speaking.py."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch
from speaking import Case, inputs, loss_weights, weights

_HOMES = {
    "Tacotron2": "torchaudio.models.tacotron2",
    "WaveRNN": "torchaudio.models.wavernn",
    "HiFiGANVocoder": "torchaudio.prototype.models.hifi_gan",
}
_HIFIGAN = {"resblock_type": 1, "lrelu_slope": 0.1}  # which theirs has no defaults for


def missing(case: Case) -> str | None:
    """Why torchaudio here has no such model, or None."""
    try:
        getattr(importlib.import_module(_HOMES[case.theirs]), case.theirs)
    except (ImportError, AttributeError) as error:
        return f"{case.theirs} is compared where torchaudio has it: {error}"
    return None


def make(case: Case) -> Any:
    """Their model, with what it was given at random at its beginning; the prenet's dropout rests."""
    kind: Any = getattr(importlib.import_module(_HOMES[case.theirs]), case.theirs)
    settings = {key: value for key, value in case.settings.items() if key != "prenet_dropout"}
    if case.theirs == "HiFiGANVocoder":
        settings = {**_HIFIGAN, **settings}
    model = kind(**settings).eval()
    if case.theirs == "Tacotron2":
        model.decoder.prenet.forward = lambda x: _without_dropout(model.decoder.prenet, x)
    return model


def _without_dropout(prenet: Any, x: Any) -> Any:
    for layer in prenet.layers:
        x = torch.relu(layer(x))
    return x


def build(case: Case) -> tuple[Any, dict[str, tuple[int, ...]]]:
    """Their model with weights made from integers, in evaluation mode, and its layout, names sorted."""
    model = make(case)
    shapes = {name: tuple(value.shape) for name, value in sorted(model.state_dict().items())}
    model.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights(shapes).items()})
    return model, shapes


def run(case: Case, model: Any) -> list[Any]:
    """What theirs computes in training: its results, as tensors.

    Theirs masks padding in place, through which PyTorch then refuses to go back: here that is done beside it.
    """
    given = inputs(case)
    masked, model.mask_padding = getattr(model, "mask_padding", False), False
    found = model(*(torch.from_numpy(value) for value in given.values()))
    parts = list(found) if isinstance(found, tuple) else [found]
    model.mask_padding = masked
    if masked:
        frames = torch.from_numpy(given["mel_specgram_lengths"])
        beyond = torch.arange(parts[2].shape[1]) >= frames[:, None]
        parts[:2] = [part.masked_fill(beyond[:, None], 0.0) for part in parts[:2]]
        parts[2] = parts[2].masked_fill(beyond, 1e3)
    return parts


def gradients(case: Case, model: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The gradient of every parameter, of the results weighted and summed."""
    parts = run(case, model)
    model.zero_grad()
    factors = loss_weights([tuple(part.shape) for part in parts])
    sum((part * torch.from_numpy(each)).sum() for part, each in zip(parts, factors, strict=True)).backward()
    return {
        name: np.zeros(tuple(each.shape), np.float32) if each.grad is None else each.grad.numpy()
        for name, each in model.named_parameters()
    }


def infer(case: Case, model: Any) -> list[np.ndarray[Any, Any]]:
    """What theirs makes by itself; WaveRNN takes the likeliest class of each sample."""
    given = inputs(case)
    with torch.no_grad():
        if case.builder == "tacotron2":
            results = model.infer(torch.from_numpy(given["tokens"]), torch.from_numpy(given["token_lengths"]))
        elif case.builder == "wavernn":
            draw = torch.multinomial
            torch.multinomial = lambda chances, many: chances.argmax(1, keepdim=True)
            try:
                results = model.infer(torch.from_numpy(given["specgram"][:, 0]), torch.tensor([11, 7]))
            finally:
                torch.multinomial = draw
        else:
            results = (model(torch.from_numpy(given["mel"])),)
    return [each.numpy() for each in results]
