"""Tacotron 2: a text's symbols to a mel spectrogram, frame by frame.

Shen et al., "Natural TTS Synthesis by Conditioning WaveNet on Mel Spectrogram Predictions" (arXiv:1712.05884), figure 1. Parameter
names and settings are those of torchaudio's Tacotron2.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from numzoo.audio.models.tacotron_decoder import Decoder, Tacotron2Config
from numzoo.audio.models.wave_rnn import WaveRNN, wavernn
from numzoo.engine import CPU, Tensor, inference_mode, nn, ops
from numzoo.engine.nn import functional as F
from numzoo.engine.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

__all__ = ["Said", "SpeakingTacotron2", "Tacotron2", "Tacotron2Config", "tacotron2", "tacotron2_wavernn"]


_OF_VOCODER = "vocoder_"


class Said(NamedTuple):
    """Spectrograms (batch, n_mels, frames), how many frames of each count (batch), where the decoder looked (batch, frames,
    length), and which texts ended by themselves (batch)."""

    mel: Tensor
    frames: np.ndarray[Any, Any]
    alignments: Tensor
    ended: np.ndarray[Any, Any]


def normed_convolution(narrow: int, wide: int, kernel: int, gain: str) -> nn.Sequential:
    """A convolution that keeps the length, and the normalisation of its channels."""
    convolution = nn.Conv1d(narrow, wide, kernel, padding=kernel // 2)
    nn.init.xavier_uniform_(convolution.weight, gain=nn.init.calculate_gain(gain))
    return nn.Sequential(convolution, nn.BatchNorm1d(wide))


class Encoder(nn.Module):
    """Symbols (batch, width, length) and how many of them there are to what the decoder looks at: (batch, length, width)."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        width = config.encoder_embedding_dim
        self.convolutions = nn.ModuleList(
            [
                normed_convolution(width, width, config.encoder_kernel_size, "relu")
                for _ in range(config.encoder_n_convolution)
            ]
        )
        self.lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor, lengths: np.ndarray[Any, Any]) -> Tensor:
        for convolution in self.convolutions:
            x = F.dropout(nn.norm_activation(convolution, x, F.relu), 0.5, self.training)
        x = x.transpose(1, 2).to(dtype=self.lstm.weight_ih_l0.dtype)  # (batch, length, width), as its weights are
        longest = x.shape[1]
        if (lengths == longest).all():
            heard: Tensor = self.lstm(x)[0]
            return heard
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=longest)[0]


class Postnet(nn.Module):
    """What a spectrogram (batch, n_mels, frames) lacks, of the same shape: convolutions see frames on both sides."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        layers, width = config.postnet_n_convolution, config.postnet_embedding_dim
        widths = [config.n_mels, *[width] * (layers - 1), config.n_mels]
        self.convolutions = nn.ModuleList(
            [
                normed_convolution(
                    widths[place],
                    widths[place + 1],
                    config.postnet_kernel_size,
                    "linear" if place == layers - 1 else "tanh",
                )
                for place in range(layers)
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        last = len(self.convolutions) - 1
        for place, convolution in enumerate(self.convolutions):
            x = convolution(x)
            x = F.dropout(ops.tanh(x) if place < last else x, 0.5, self.training)
        return x


class Tacotron2(nn.Module):
    """Symbols to the logarithm of a mel spectrogram, ``forward`` by the true one (teacher forcing), ``infer`` by its own.

    The dropout of the prenet acts in evaluation too, as in the paper (section 2.2): the same text is never said twice in the
    same way. ``engine.manual_seed`` makes it repeatable, ``prenet_dropout=0`` takes it away.
    """

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.n_symbol, config.symbol_embedding_dim)
        nn.init.xavier_uniform_(self.embedding.weight)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.postnet = Postnet(config)

    def forward(
        self, tokens: Any, token_lengths: Any, mel_specgram: Any, mel_specgram_lengths: Any
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the decoder says of each frame that it is given the frames before.

        `tokens` (batch, length), `token_lengths` (batch), `mel_specgram` (batch, n_mels, frames), `mel_specgram_lengths` (batch).
        Gives the spectrogram before and after the postnet (batch, n_mels, frames), the logit that it ends at each frame
        (batch, frames), and how the decoder looks at the symbols (batch, frames, length). With the setting ``mask_padding``
        frames beyond a spectrogram's length are 0, and their logits 1000.
        """
        symbols, lengths = self._symbols(tokens, token_lengths)
        given = _tensor(mel_specgram).to(device=symbols.device, dtype=self.embedding.weight.dtype)
        if given.ndim != 3 or given.shape[:2] != (symbols.shape[0], self.config.n_mels) or not given.shape[2]:
            raise ValueError(
                f"tacotron2: wants a mel spectrogram ({symbols.shape[0]}, {self.config.n_mels}, frames), not an array {tuple(given.shape)}"
            )
        frames = _lengths("mel_specgram_lengths", mel_specgram_lengths, symbols.shape[0], given.shape[2])
        memory = self._encoded(symbols, lengths)
        mel, gates, alignments = self.decoder(memory, given, lengths)
        finished = mel + self.postnet(mel)
        if self.config.mask_padding:
            beyond = Tensor(np.arange(given.shape[2]) >= frames[:, None]).to(device=mel.device)  # (batch, frames)
            mel, finished = (ops.masked_fill(each, beyond.unsqueeze(1), 0.0) for each in (mel, finished))
            gates = ops.masked_fill(gates, beyond, 1e3)
        return mel, finished, gates, alignments

    def infer(
        self, tokens: Any, lengths: Any = None, *, max_steps: int | None = None, generator: np.random.Generator | None = None
    ) -> tuple[Tensor, np.ndarray[Any, Any], Tensor]:  # fmt: skip
        """The spectrograms (batch, n_mels, frames), how many frames of each count (batch), and where the decoder looked
        (batch, frames, length).

        `tokens` (batch, length), of which the first `lengths` (batch) count. A text ends at the frame whose chance of being the
        last exceeds ``gate_threshold``, or, with a warning, after `max_steps` frames (``decoder_max_step``). `generator` draws
        the prenet's dropout (the engine's default stream).
        """
        said = self.say(tokens, lengths, max_steps=max_steps, generator=generator)
        if not said.ended.all():
            warnings.warn(
                f"tacotron2: no end was heard within {said.mel.shape[2]} frames, where the spectrogram was cut; the text may be too "
                "long, or nothing that the model knows how to say",
                stacklevel=2,
            )
        return said.mel, said.frames, said.alignments

    def say(
        self, tokens: Any, lengths: Any = None, *, max_steps: int | None = None, generator: np.random.Generator | None = None
    ) -> Said:  # fmt: skip
        """What `infer` gives, and which of the texts ended by themselves, without a warning."""
        symbols, counts = self._symbols(tokens, lengths)
        most = self.config.decoder_max_step if max_steps is None else max_steps
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise ValueError(f"tacotron2: max_steps is a positive number of frames, not {most!r:.40}")
        with inference_mode():
            memory = self._encoded(symbols, counts)
            mel, frames, alignments, ended = self.decoder.infer(memory, counts, most, generator)
            return Said(mel + self.postnet(mel), frames, alignments, ended)

    def _encoded(self, symbols: Tensor, lengths: np.ndarray[Any, Any]) -> Tensor:
        heard: Tensor = self.encoder(self.embedding(symbols).transpose(1, 2), lengths)
        return heard

    def _symbols(self, tokens: Any, lengths: Any) -> tuple[Tensor, np.ndarray[Any, Any]]:
        """The numbers of the symbols and how many of them count, checked."""
        symbols = _tensor(tokens)
        if symbols.ndim != 2 or not symbols.numel():
            raise ValueError(f"tacotron2: wants symbols (batch, length), not an array {tuple(symbols.shape)}")
        if symbols.dtype.kind not in "iu":
            raise TypeError(f"tacotron2: symbols are whole numbers, not {symbols.dtype}")
        if (
            symbols.device == CPU
            and not 0 <= int(symbols.array.min()) <= int(symbols.array.max()) < self.config.n_symbol
        ):
            raise ValueError(
                f"tacotron2: symbols run from 0 to {self.config.n_symbol - 1}; {symbols.array.min()} to {symbols.array.max()} were given"
            )
        batch, longest = symbols.shape
        counts = np.full(batch, longest) if lengths is None else _lengths("token_lengths", lengths, batch, longest)
        return symbols.to(device=self.embedding.weight.device), counts


class SpeakingTacotron2(Tacotron2):
    """Tacotron 2 with the WaveRNN, its ``vocoder``, that makes its spectrograms heard."""

    def __init__(self, config: Tacotron2Config, vocoder: WaveRNN) -> None:
        super().__init__(config)
        self.vocoder = vocoder


def tacotron2(**settings: Any) -> Tacotron2:
    """Symbols to mel spectrograms, 28 million parameters; `settings` as in `Tacotron2Config`."""
    return Tacotron2(Tacotron2Config(**settings))


def tacotron2_wavernn(**settings: Any) -> SpeakingTacotron2:
    """Tacotron 2 and the WaveRNN for its spectrograms; `settings` as in `Tacotron2Config`, and those of `WaveRNNConfig` with
    "vocoder_" before their names."""
    vocoder = {name[len(_OF_VOCODER) :]: value for name, value in settings.items() if name.startswith(_OF_VOCODER)}
    own = {name: value for name, value in settings.items() if not name.startswith(_OF_VOCODER)}
    return SpeakingTacotron2(Tacotron2Config(**own), wavernn(**vocoder))


def _tensor(values: Any) -> Tensor:
    return values if isinstance(values, Tensor) else Tensor(np.asarray(values))


def _lengths(name: str, given: Any, batch: int, longest: int) -> np.ndarray[Any, Any]:
    """How much counts of each of a batch, checked, on the CPU."""
    counts = np.asarray(given.numpy() if isinstance(given, Tensor) else given)
    if counts.shape != (batch,) or counts.dtype.kind not in "iu":
        raise ValueError(f"tacotron2: {name} has a whole number for each of {batch}, not an array {counts.shape}")
    if counts.min() < 1 or counts.max() > longest:
        raise ValueError(f"tacotron2: {name} lie from 1 to {longest}, not from {counts.min()} to {counts.max()}")
    return counts
