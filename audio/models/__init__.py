"""Models of sound: a family per file, a builder function per published model, parameter names as in the authors' files.

A family is imported when one of its builders is first asked for.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numzoo.engine import nn

_FAMILIES: dict[str, tuple[str, ...]] = {
    "conv_tasnet": ("conv_tasnet_base",),
    "crepe": ("crepe_tiny", "crepe_full"),
    "ge2e": ("speaker_encoder",),
    "hifi_gan": ("hifigan_vocoder", "hifigan_vocoder_v1", "hifigan_vocoder_v2", "hifigan_vocoder_v3"),
    "hdemucs": ("hdemucs_high", "hdemucs_low", "hdemucs_medium"),
    "m5": ("m5_classifier",),
    "rnnt": ("emformer_rnnt_base", "emformer_rnnt_model"),
    "silero": ("silero_vad",),
    "speech_heads": (
        "hubert_ctc", "hubert_sequence_classification", "wav2vec2_ctc", "wav2vec2_sequence_classification",
        "wavlm_ctc", "wavlm_sequence_classification",
    ),
    "vgg_sounds": ("vggish",),
    "tacotron": ("tacotron2", "tacotron2_wavernn"),
    "squim": ("squim_objective_base", "squim_subjective_base"),
    "wav2vec2": ("hubert_encoder", "wav2vec2_encoder"),
    "wave_rnn": ("wavernn",),
    "wavlm": ("wavlm_encoder",),
    "openai_whisper": ("whisper",),
    "whisper_heads": ("whisper_classification",),
}  # fmt: skip

_BUILDERS: dict[str, str] = {builder: family for family, names in _FAMILIES.items() for builder in names}

__all__ = ["builders", *_BUILDERS]


def builders() -> list[str]:
    """The names of all builder functions, sorted."""
    return sorted(_BUILDERS)


def __getattr__(name: str) -> Callable[..., nn.Module]:
    family = _BUILDERS.get(name)
    if family is None:
        close = difflib.get_close_matches(name, _BUILDERS, n=3)
        way_out = f"did you mean {' or '.join(close)}?" if close else "builders() lists what there is."
        raise AttributeError(f"{__name__} has no model named {name!r}; {way_out}")
    builder: Callable[..., nn.Module] = getattr(importlib.import_module(f"{__name__}.{family}"), name)
    return builder


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
