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


def _rows(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    return streaming_sounds.golden({}, [array], {})


def _golden_search() -> dict[str, Any]:
    """The texts that beam search finds, their scores; widths 1, 4 and 7."""
    from torchaudio.models import RNNTBeamSearch

    settings = streaming_sounds.BASE
    model = rnnt(settings)
    with torch.no_grad():
        model.joiner.linear.weight.mul_(6)
        model.joiner.linear.bias[-1] += 6
        frames = torch.from_numpy(streaming_sounds.sounds(settings)["sources"][:1])
        found = {
            width: RNNTBeamSearch(model, settings["num_symbols"] - 1)(frames, torch.tensor([32]), width)
            for width in (1, 4, 7)
        }
    return {str(width): [[each[0], float(f"{each[3]:.7g}")] for each in best] for width, best in found.items()}


def _golden_features() -> dict[str, Any]:
    """What the feature extractor of the pipelines makes of a sound."""
    from torchaudio.pipelines import rnnt_pipeline as theirs
    from torchaudio.transforms import MelSpectrogram

    said = streaming_sounds.statistics()
    power = MelSpectrogram(sample_rate=16_000, n_fft=400, n_mels=80, hop_length=160)(
        torch.from_numpy(streaming_sounds.waveform())
    )
    frames = theirs._piecewise_linear_log(power.transpose(1, 0) * theirs._gain)
    return _rows(((frames - torch.tensor(said["mean"])) * torch.tensor(said["invstddev"])).numpy())


def _golden_examples() -> dict[str, Any]:
    """What VGGish's input processor makes of a sound."""
    from torchaudio.prototype.pipelines import VGGISH

    return _rows(VGGISH.get_input_processor()(torch.from_numpy(streaming_sounds.waveform())).numpy())


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
    others = {"search": _golden_search, "transducer mel": _golden_features, "vggish mel": _golden_examples}
    streaming_sounds.write({**made, "vggish": _golden_vggish, **others})
