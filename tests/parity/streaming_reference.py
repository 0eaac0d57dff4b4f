"""torchaudio's Emformer RNN-T and VGGish for the comparison with numzoo's, and the goldens of tests/tables/streaming_sounds.py.

``PYTHONPATH=.dev:tests/tables python tests/parity/streaming_reference.py`` writes the goldens, where a torchaudio with
torchaudio.prototype (2.1 to 2.8) is installed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import streaming_sounds
import torch
from integers import integer_array


def rnnt(settings: dict[str, Any]) -> Any:
    """Their model of these settings, in evaluation mode, with weights made from integers."""
    from torchaudio.models import emformer_rnnt_model

    return filled(emformer_rnnt_model(**settings).eval())


def filled(model: Any) -> Any:
    """The model with weights made from integers."""
    weights = streaming_sounds.weights_of(shapes_of(model))
    model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.items()})
    return model


def shapes_of(model: Any) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the state dict."""
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def results(model: Any, settings: dict[str, Any]) -> tuple[list[np.ndarray[Any, Any]], dict[str, Any]]:
    """Scores of a batch, encodings segment by segment, and the gradients of the batch's weighted scores."""
    given = {name: torch.from_numpy(value) for name, value in streaming_sounds.sounds(settings).items()}
    scores = streaming_sounds.counted(model(**given)[0])
    sum((row * torch.from_numpy(integer_array(13, tuple(row.shape)))).sum() for row in scores).backward()
    gradients = {
        name: np.zeros(tuple(each.shape), np.float32) if each.grad is None else each.grad.numpy()
        for name, each in model.named_parameters()
    }
    heard, state = [], None
    with torch.no_grad():
        for frames in streaming_sounds.segments(settings):
            encoded, _, state = model.transcribe_streaming(
                torch.from_numpy(frames), torch.tensor([frames.shape[1]]), state
            )
            heard.append(encoded.numpy())
    return [*(row.detach().numpy() for row in scores), np.concatenate(heard, 1)], gradients


def vggish() -> Any:
    """Their VGGish with weights made from integers."""
    from torchaudio.prototype.pipelines import VGGISH

    return filled(type(VGGISH).VGGish().eval())


def _golden_rnnt(settings: dict[str, Any]) -> dict[str, Any]:
    model = rnnt(settings)
    return streaming_sounds.golden(shapes_of(model), *results(model, settings))


def _golden_vggish() -> dict[str, Any]:
    model = vggish()
    with torch.no_grad():
        found = model(torch.from_numpy(integer_array(5, (2, 1, 96, 64)))).numpy()
    return streaming_sounds.golden(shapes_of(model), [found], {})


if __name__ == "__main__":
    made: dict[str, Any] = {
        name: lambda settings=settings: _golden_rnnt(settings) for name, settings in streaming_sounds.SETTINGS.items()
    }
    streaming_sounds.write({**made, "vggish": _golden_vggish})
