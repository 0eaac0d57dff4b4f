"""Emformer, its transducer and VGGish beside torchaudio's, on random sizes with shared random weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from integers import integer_array

from numzoo import engine
from numzoo.audio import models
from numzoo.audio.models.emformer import Emformer, EmformerConfig

for package in ("torch", "torchaudio"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"models of torchaudio are compared where {package} is installed", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs: of its own parts that will go


def drawn(random: np.random.Generator) -> dict[str, Any]:
    """Sizes of an Emformer."""
    heads = int(random.choice([1, 2, 4]))
    return {
        "input_dim": heads * int(random.choice([4, 8])), "num_heads": heads, "ffn_dim": 24,
        "num_layers": int(random.integers(1, 4)), "segment_length": int(random.integers(1, 6)),
        "activation": str(random.choice(["relu", "gelu", "silu"])), "left_context_length": int(random.integers(0, 9)),
        "right_context_length": int(random.integers(0, 4)), "max_memory_size": int(random.integers(0, 4)),
        "tanh_on_mem": bool(random.integers(2)),
    }  # fmt: skip


def drawn_rnnt(random: np.random.Generator) -> dict[str, Any]:
    """Settings of an Emformer RNN-T."""
    stride, heads = int(random.integers(1, 4)), int(random.choice([1, 2]))
    return {
        "input_dim": int(random.integers(3, 9)), "encoding_dim": int(random.integers(4, 12)), "num_symbols": int(random.integers(4, 9)),
        "segment_length": stride * int(random.integers(1, 4)), "right_context_length": stride * int(random.integers(0, 3)),
        "time_reduction_input_dim": 4 * heads, "time_reduction_stride": stride, "transformer_num_heads": heads,
        "transformer_ffn_dim": 12, "transformer_num_layers": int(random.integers(1, 3)), "transformer_dropout": 0.1,
        "transformer_activation": str(random.choice(["relu", "gelu", "silu"])),
        "transformer_left_context_length": int(random.integers(0, 5)), "transformer_max_memory_size": int(random.integers(0, 3)),
        "transformer_weight_init_scale_strategy": "depthwise", "transformer_tanh_on_mem": bool(random.integers(2)),
        "symbol_embedding_dim": int(random.integers(4, 10)), "num_lstm_layers": int(random.integers(1, 3)),
        "lstm_layer_norm": bool(random.integers(2)), "lstm_layer_norm_epsilon": 1e-3, "lstm_dropout": 0.3,
    }  # fmt: skip


def shared(theirs: Any, ours: Any) -> None:
    """Their weights in ours, of the same names and shapes."""
    state = theirs.state_dict()
    assert {name: tuple(value.shape) for name, value in ours.state_dict().items()} == {
        name: tuple(value.shape) for name, value in state.items()
    }
    ours.load_state_dict({name: value.numpy() for name, value in state.items()})


def pair(random: np.random.Generator, settings: dict[str, Any]) -> tuple[Any, Any]:
    """An Emformer of theirs and ours."""
    import torch
    from torchaudio.models import Emformer as Theirs

    torch.manual_seed(int(random.integers(1 << 30)))
    theirs, ours = Theirs(**settings).eval(), Emformer(EmformerConfig(**settings)).eval()
    shared(theirs, ours)
    return theirs, ours


@pytest.mark.parametrize("seed", range(30))
def test_all_segments_at_once_are_torchaudios(seed: int, reference: SimpleNamespace) -> None:
    import torch

    random = np.random.default_rng(seed)
    settings = drawn(random)
    theirs, ours = pair(random, settings)
    batch, time = int(random.integers(1, 4)), int(random.integers(1, 20))
    frames = random.normal(size=(batch, time + settings["right_context_length"], settings["input_dim"]))
    lengths = random.integers(1, time + 1, batch)
    weight = random.normal(size=(batch, time, settings["input_dim"])) * (np.arange(time) < lengths[:, None])[..., None]
    given, x = torch.from_numpy(frames).float().requires_grad_(), engine.tensor(frames.astype(np.float32))
    x.requires_grad_()
    wanted, found = theirs(given, torch.from_numpy(lengths))[0], ours(x, lengths)[0]
    (wanted * torch.from_numpy(weight).float()).sum().backward()
    (found * engine.tensor(weight.astype(np.float32))).sum().backward()
    there = np.arange(time) < lengths[:, None]
    assert np.abs(found.detach().numpy() - wanted.detach().numpy())[there].max() < 1e-5
    assert x.grad is not None
    assert np.abs(x.grad.numpy() - given.grad.numpy()).max() < 1e-5 * max(np.abs(given.grad.numpy()).max(), 1)
    gradients = {name: each.grad for name, each in theirs.named_parameters()}
    largest = max(float(each.abs().max()) for each in gradients.values() if each is not None)
    for name, each in ours.named_parameters():
        expected = 0.0 if gradients[name] is None else gradients[name].numpy()
        computed = np.zeros(tuple(each.shape)) if each.grad is None else each.grad.numpy()
        assert np.abs(computed - expected).max() < 1e-5 * largest, name


@pytest.mark.parametrize("seed", range(30))
def test_segment_by_segment_results_and_states_are_torchaudios(seed: int, reference: SimpleNamespace) -> None:
    import torch

    random = np.random.default_rng(seed)
    settings = drawn(random)
    theirs, ours = pair(random, settings)
    segment, context = settings["segment_length"], settings["right_context_length"]
    batch, kept, state = int(random.integers(1, 4)), None, None
    for step in range(1, 7):
        frames = random.normal(size=(batch, segment + context, settings["input_dim"])).astype(np.float32)
        full = random.random() < 0.7
        lengths = (
            np.full(batch, segment + context) if full else random.integers(context + 1, segment + context + 1, batch)
        )
        with torch.no_grad(), engine.no_grad():
            wanted, counted, kept = theirs.infer(torch.from_numpy(frames), torch.from_numpy(lengths), kept)
            found, steps, state = ours.infer(frames, lengths, state)
        assert (steps == counted.numpy()).all()
        there = np.arange(segment) < steps[:, None]
        assert np.abs(found.numpy() - wanted.numpy())[there].max() < 1e-5
        sizes = [min(settings["max_memory_size"], step), *[min(settings["left_context_length"], step * segment)] * 2]
        for layer, of_layer in zip(state, kept, strict=True):
            assert [each.shape[1] for each in layer] == sizes
            for mine, other in zip(layer, of_layer[:3], strict=True):
                expected = other.numpy().transpose(1, 0, 2)[:, other.shape[0] - mine.shape[1] :]
                assert np.allclose(mine.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_scores_and_gradients_of_the_transducer_are_torchaudios(seed: int, reference: SimpleNamespace) -> None:
    import torch
    from torchaudio.models import emformer_rnnt_model

    random = np.random.default_rng(seed)
    settings = drawn_rnnt(random)
    torch.manual_seed(seed)
    theirs, ours = emformer_rnnt_model(**settings).eval(), models.emformer_rnnt_model(**settings).eval()
    shared(theirs, ours)
    batch, stride = int(random.integers(1, 4)), settings["time_reduction_stride"]
    time, length = stride * int(random.integers(1, 9)), int(random.integers(1, 5))
    frames = random.normal(size=(batch, time + settings["right_context_length"], settings["input_dim"])).astype(
        np.float32
    )
    steps, labels = random.integers(stride, time + 1, batch), random.integers(1, length + 1, batch)
    tokens = random.integers(0, settings["num_symbols"], (batch, length))
    wanted, *counted, kept = theirs(*map(torch.from_numpy, (frames, steps, tokens, labels)))
    found, *lengths, state = ours(frames, steps, tokens, labels)
    assert [each.tolist() for each in counted] == [each.tolist() for each in lengths]
    there = (np.arange(time // stride) < lengths[0][:, None])[:, :, None] & (np.arange(length) < lengths[1][:, None])[
        :, None
    ]
    weight = (random.normal(size=tuple(found.shape)) * there[..., None]).astype(np.float32)
    assert np.abs((found.detach().numpy() - wanted.detach().numpy()) * there[..., None]).max() < 1e-5
    for layer, of_layer in zip(state, kept, strict=True):
        for mine, other in zip(layer, of_layer, strict=True):
            assert np.abs(mine.detach().numpy() - other.detach().numpy()).max() < 1e-5
    (wanted * torch.from_numpy(weight)).sum().backward()
    (found * engine.tensor(weight)).sum().backward()
    gradients = {name: each.grad for name, each in theirs.named_parameters()}
    largest = max(float(each.abs().max()) for each in gradients.values() if each is not None)
    for name, each in ours.named_parameters():
        expected = 0.0 if gradients[name] is None else gradients[name].numpy()
        computed = np.zeros(tuple(each.shape)) if each.grad is None else each.grad.numpy()
        assert np.abs(computed - expected).max() < 1e-5 * largest, name


def test_the_defaults_of_the_base_size_are_torchaudios(reference: SimpleNamespace) -> None:
    import torch
    from torchaudio.models import emformer_rnnt_base

    for symbols in (4097, 501):
        with torch.device("meta"):
            state = emformer_rnnt_base(symbols).state_dict()
        ours = models.emformer_rnnt_base(num_symbols=symbols).state_dict()
        assert {name: tuple(value.shape) for name, value in ours.items()} == {
            name: tuple(value.shape) for name, value in state.items()
        }


def test_vggish_embeds_as_torchaudios(reference: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchaudio.prototype.pipelines", reason="VGGish is in torchaudio 2.1 to 2.8")
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import streaming_reference

    theirs, ours = streaming_reference.vggish(), models.vggish().eval()
    shared(theirs, ours)
    examples = integer_array(5, (2, 1, 96, 64))
    wanted, found = theirs(torch.from_numpy(examples)), ours(examples)
    assert np.abs(found.detach().numpy() - wanted.detach().numpy()).max() < 1e-5
    wanted.sum().backward()
    found.sum().backward()
    for name, each in ours.named_parameters():
        expected = dict(theirs.named_parameters())[name].grad.numpy()
        assert each.grad is not None
        assert np.abs(each.grad.numpy() - expected).max() < 1e-4 * np.abs(expected).max(), name


def searchers(seed: int, symbols: int, most: int) -> tuple[Any, Any, Any]:
    """A transducer of theirs and ours with weights that say something, and the two searches."""
    import torch
    from torchaudio.models import RNNTBeamSearch, emformer_rnnt_model

    from numzoo.audio.pipelines.transducer.search import TransducerSearch

    settings = {**drawn_rnnt(np.random.default_rng(seed)), "num_symbols": symbols}
    torch.manual_seed(seed)
    theirs, ours = emformer_rnnt_model(**settings).eval(), models.emformer_rnnt_model(**settings).eval()
    with torch.no_grad():
        theirs.joiner.linear.weight *= 6
        theirs.joiner.linear.bias[-1] += 3.0
    shared(theirs, ours)
    return ours, RNNTBeamSearch(theirs, symbols - 1, step_max_tokens=most), TransducerSearch(ours, longest=most)


def same(found: Any, wanted: Any) -> None:
    """The texts, their scores, and what the predictor makes of them."""
    assert [list(each.tokens) for each in found] == [each[0] for each in wanted]
    assert np.allclose([each.score for each in found], [each[3] for each in wanted], rtol=1e-5, atol=1e-5)
    for mine, other in zip(found, wanted, strict=True):
        assert np.abs(mine.said.numpy()[0] - other[1].numpy()).max() < 1e-5
        assert len(mine.steps) == len(mine.logs) == len(mine.tokens) - 1


@pytest.mark.parametrize(("seed", "width", "most"), [(0, 1, 100), (1, 4, 100), (2, 7, 100), (3, 4, 2), (4, 7, 1)])
def test_the_search_finds_the_texts_and_scores_of_torchaudios(
    seed: int, width: int, most: int, reference: SimpleNamespace
) -> None:
    import torch

    ours, their_search, our_search = searchers(seed, 9, most)
    config = ours.config
    random = np.random.default_rng(seed)
    context, frames = config.right_context_length, 12 * config.time_reduction_stride
    sound = random.normal(size=(frames + context, config.input_dim)).astype(np.float32)
    with torch.no_grad(), engine.no_grad():
        wanted = their_search(torch.from_numpy(sound), torch.tensor([frames]), width)
        found = our_search(ours.transcribe(sound[None], [frames])[0][0], width=width)
    same(found, wanted)
    assert any(len(each.tokens) > 1 for each in found)


@pytest.mark.parametrize("seed", range(2))
def test_a_search_that_goes_on_with_the_next_segment_is_torchaudios(seed: int, reference: SimpleNamespace) -> None:
    import torch

    ours, their_search, our_search = searchers(seed, 8, 100)
    config = ours.config
    random = np.random.default_rng(seed)
    kept, wanted, state, found = None, None, None, ()
    for _ in range(5):
        size = config.segment_length + config.right_context_length
        frames = random.normal(size=(size, config.input_dim)).astype(np.float32)
        with torch.no_grad(), engine.no_grad():
            wanted, kept = their_search.infer(torch.from_numpy(frames), torch.tensor([size]), 5, kept, wanted)
            heard, _, state = ours.transcribe_streaming(frames[None], [size], state)
            found = our_search(heard[0], found, width=5)
        same(found, wanted)


def test_the_features_of_both_ways_are_torchaudios(reference: SimpleNamespace, tmp_path: Path) -> None:
    import json

    import torch
    from streaming_sounds import statistics, waveform
    from torchaudio.pipelines import rnnt_pipeline
    from torchaudio.transforms import MelSpectrogram

    from numzoo.audio.transforms import TransducerMel

    (tmp_path / "global_stats.json").write_text(json.dumps(statistics()))
    power = MelSpectrogram(sample_rate=16_000, n_fft=400, n_mels=80, hop_length=160)
    norm = rnnt_pipeline._GlobalStatsNormalization(str(tmp_path / "global_stats.json"))
    ours = TransducerMel(*statistics().values())
    random = np.random.default_rng(0)
    for sound in (waveform(), random.normal(size=201).astype(np.float32), np.zeros(9999, np.float32)):
        frames = rnnt_pipeline._piecewise_linear_log(
            power(torch.from_numpy(sound)).transpose(1, 0) * rnnt_pipeline._gain
        )
        assert np.abs(ours(sound) - norm(frames).numpy()).max() < 1e-4


def test_examples_of_vggish_are_torchaudios(reference: SimpleNamespace) -> None:
    import torch

    prototype = pytest.importorskip("torchaudio.prototype.pipelines", reason="VGGish is in torchaudio 2.1 to 2.8")
    from numzoo.audio.transforms import vggish_mel

    random = np.random.default_rng(0)
    for samples in (15_600, 31_000, 80_000):
        sound = (random.normal(size=samples) * np.geomspace(1e-6, 1, samples)).astype(np.float32)
        wanted = prototype.VGGISH.get_input_processor()(torch.from_numpy(sound)).numpy()
        assert np.abs(vggish_mel()(sound) - wanted).max() < 1e-4


def test_tokens_become_texts_as_torchaudios_processor_has_it(reference: SimpleNamespace, tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece")
    from small_texts import sentencepiece_model
    from torchaudio.pipelines import rnnt_pipeline

    from numzoo.audio.pipelines.transducer.pieces import Pieces

    path = tmp_path / "spiece.model"
    path.write_bytes(sentencepiece_model())
    theirs, ours = rnnt_pipeline._SentencePieceTokenProcessor(str(path)), Pieces.of(path)
    random = np.random.default_rng(0)
    for length in (0, 1, 5, 40):
        tokens = random.integers(0, len(ours), length).tolist()
        assert ours.text(tokens) == theirs([len(ours), *tokens])
