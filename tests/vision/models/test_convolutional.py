"""Blocks and the convolutional families: what their settings do, and what training returns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn
from numzoo.vision import models
from numzoo.vision.models.blocks import ConvNormActivation, SqueezeExcitation, make_divisible
from numzoo.vision.models.densenet import DenseNet
from numzoo.vision.models.inception import GoogLeNetOutputs, InceptionOutputs
from numzoo.vision.models.resnet import BasicBlock, Bottleneck, ResNet
from numzoo.vision.models.shufflenet import ShuffleNetV2, ShuffleUnit, shuffle


def images(batch: int, size: int, channels: int = 3) -> engine.Tensor:
    return engine.tensor(np.random.default_rng(0).standard_normal((batch, channels, size, size), dtype=np.float32))


@pytest.mark.parametrize(
    ("width", "divisor", "minimum", "rounded"),
    [
        (32, 8, None, 32),
        (18, 8, None, 24),  # 16 would be more than 10 % below
        (18.9, 8, None, 24),
        (17.7, 8, None, 16),
        (3, 8, None, 8),
        (3, 8, 16, 16),
        (10, 1, None, 10),
        (12, 8, None, 16),
    ],
)
def test_widths_are_rounded_and_lose_at_most_a_tenth(
    width: float, divisor: int, minimum: int | None, rounded: int
) -> None:
    assert make_divisible(width, divisor, minimum) == rounded
    assert rounded % divisor == 0
    assert rounded >= 0.9 * width


@pytest.mark.parametrize(("kernel_size", "stride", "dilation"), [(1, 1, 1), (3, 1, 1), (3, 2, 1), (5, 2, 1), (3, 1, 2)])
def test_a_block_pads_so_that_only_its_stride_changes_the_size(kernel_size: int, stride: int, dilation: int) -> None:
    block = ConvNormActivation(3, 4, kernel_size, stride, dilation=dilation)
    assert block(images(1, 12)).shape == (1, 4, 12 // stride, 12 // stride)


def test_a_block_has_a_bias_only_where_no_norm_follows_unless_told() -> None:
    assert ConvNormActivation(3, 4)[0].bias is None
    assert ConvNormActivation(3, 4, norm=None)[0].bias is not None
    assert ConvNormActivation(3, 4, bias=True)[0].bias is not None
    assert [type(layer) for layer in ConvNormActivation(3, 4, norm=None, activation=None)] == [nn.Conv2d]


def test_squeeze_excitation_scales_each_channel_by_its_gate() -> None:
    block, x = SqueezeExcitation(3, 2), images(2, 4)
    block.fc2.weight.array[...] = 0
    block.fc2.bias.array[...] = np.log(3)  # a sigmoid of 3/4
    np.testing.assert_allclose(block(x).numpy(), 0.75 * x.numpy(), rtol=1e-6)


def test_shuffling_deals_the_channels_out_in_turn() -> None:
    x = engine.tensor(np.arange(6, dtype=np.float32).reshape(1, 6, 1, 1))
    assert shuffle(x, 2).numpy().ravel().tolist() == [0, 3, 1, 4, 2, 5]
    assert shuffle(x, 3).numpy().ravel().tolist() == [0, 2, 4, 1, 3, 5]


def test_a_shuffle_unit_at_stride_one_passes_half_the_channels_unchanged() -> None:
    unit, x = ShuffleUnit(8, 8, stride=1).eval(), images(1, 5, channels=8)
    np.testing.assert_array_equal(unit(x).numpy()[:, 0::2], x.numpy()[:, :4])


def test_shuffle_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="got 8 in and 12 out"):
        ShuffleUnit(8, 12, stride=1)
    with pytest.raises(ValueError, match="got 4 widths and 3 depths"):
        ShuffleNetV2((24, 48, 96, 192))


def test_lenet_is_small_and_answers_for_ten_digits() -> None:
    model = models.lenet().eval()
    assert sum(parameter.numel() for parameter in model.parameters()) < 250_000
    assert model(images(2, 28, channels=1)).shape == (2, 10)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_zero_init_residual_starts_every_block_as_relu_of_its_shortcut(name: str) -> None:
    model = getattr(models, name)(zero_init_residual=True).eval()
    x = images(1, 8, channels=64 * model.layer1[1].expansion)
    np.testing.assert_array_equal(model.layer1[1](x).numpy(), np.maximum(x.numpy(), 0))


def test_dilation_instead_of_stride_keeps_the_resolution() -> None:
    usual = models.resnet50().eval()
    dilated = models.resnet50(replace_stride_with_dilation=(False, True, True)).eval()
    assert {key: v.shape for key, v in usual.state_dict().items()} == {
        key: v.shape for key, v in dilated.state_dict().items()
    }
    sizes = []
    for model in (usual, dilated):
        x = model.maxpool(model.conv1(images(1, 64)))
        sizes.append(model.layer4(model.layer3(model.layer2(model.layer1(x)))).shape)
    assert sizes == [(1, 2048, 2, 2), (1, 2048, 8, 8)]
    assert dilated.layer4[0].conv2.dilation in (2, (2, 2))
    assert dilated.layer4[1].conv2.dilation in (4, (4, 4))


@pytest.mark.parametrize(
    "settings", [{"groups": 2}, {"width_per_group": 128}, {"replace_stride_with_dilation": (True,) * 3}]
)
def test_the_basic_block_refuses_what_only_the_bottleneck_can(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"BasicBlock: got .* models with bottlenecks"):
        models.resnet18(**settings)


def test_a_resnet_asks_for_a_choice_per_stage() -> None:
    with pytest.raises(ValueError, match="must hold three booleans"):
        models.resnet50(replace_stride_with_dilation=(True,))


def test_groups_and_widths_can_be_chosen() -> None:
    assert models.resnext50_32x4d(groups=8, width_per_group=16).layer1[0].conv2.weight.shape == (128, 16, 3, 3)
    assert models.resnet50(width_per_group=128).layer1[0].conv2.weight.shape == (128, 128, 3, 3)
    small = ResNet(Bottleneck, (1, 1, 1, 1), classes=3)
    assert small.eval()(images(1, 32)).shape == (1, 3)
    assert BasicBlock(4, 4)(images(1, 5, channels=4)).shape == (1, 4, 5, 5)


@pytest.mark.parametrize(
    ("builder", "settings", "entry", "shape"),
    [
        ("mobilenet_v2", {"width_multiplier": 0.5}, "features.0.0.weight", (16, 3, 3, 3)),
        ("mobilenet_v2", {"width_multiplier": 0.5}, "classifier.1.weight", (1000, 1280)),
        ("mobilenet_v2", {"width_multiplier": 1.4}, "classifier.1.weight", (1000, 1792)),
        ("mobilenet_v3_large", {"width_multiplier": 0.5}, "features.0.0.weight", (8, 3, 3, 3)),
        ("mobilenet_v3_large", {"reduced_tail": True}, "classifier.3.weight", (1000, 640)),
        ("mobilenet_v3_small", {"reduced_tail": True}, "classifier.0.weight", (512, 288)),
        ("mnasnet0_5", {}, "layers.0.weight", (16, 3, 3, 3)),
        ("densenet121", {"growth_rate": 16}, "features.denseblock1.denselayer1.conv2.weight", (16, 64, 3, 3)),
    ],
)
def test_a_width_setting_scales_the_layers(
    builder: str, settings: dict[str, Any], entry: str, shape: tuple[int, ...]
) -> None:
    assert getattr(models, builder)(**settings).state_dict()[entry].shape == shape


def test_a_dilated_mobilenet_keeps_the_resolution_of_its_last_stage() -> None:
    x = images(1, 64)
    assert models.mobilenet_v3_large().eval().features(x).shape == (1, 960, 2, 2)
    assert models.mobilenet_v3_large(dilated=True).eval().features(x).shape == (1, 960, 4, 4)


def test_mnasnet_refuses_a_width_of_nothing() -> None:
    with pytest.raises(ValueError, match="width_multiplier is 0, but must be positive"):
        type(models.mnasnet1_0())(0)


def test_a_dense_block_passes_on_what_it_was_given() -> None:
    model = DenseNet((2,), classes=2, growth_rate=4, stem_width=8).eval()
    x = images(1, 6, channels=8)
    out = model.features.denseblock1(x)
    assert out.shape == (1, 16, 6, 6)
    np.testing.assert_array_equal(out.numpy()[:, :8], x.numpy())


@pytest.mark.parametrize(
    ("builder", "size", "kind"), [("googlenet", 64, GoogLeNetOutputs), ("inception_v3", 299, InceptionOutputs)]
)
def test_auxiliary_heads_answer_in_training_only(builder: str, size: int, kind: type[tuple[Any, ...]]) -> None:
    model, x = getattr(models, builder)(classes=5), images(2, size)
    outputs = model(x)
    assert isinstance(outputs, kind)
    assert [output.shape for output in outputs] == [(2, 5)] * len(outputs)
    assert outputs[0] is outputs.logits
    logits = model.eval()(x)
    assert isinstance(logits, engine.Tensor)
    assert logits.shape == (2, 5)


@pytest.mark.parametrize(("builder", "size"), [("googlenet", 64), ("inception_v3", 96)])
def test_without_auxiliary_heads_training_gives_logits_and_the_rest_stays(builder: str, size: int) -> None:
    model = getattr(models, builder)(classes=5, aux_logits=False)
    assert model(images(2, size)).shape == (2, 5)
    usual = [key for key in getattr(models, builder)().state_dict() if not key.lower().startswith("aux")]
    assert list(model.state_dict()) == usual


@pytest.mark.parametrize(("builder", "size"), [("googlenet", 48), ("inception_v3", 80)])
def test_transform_input_takes_imagenets_normalisation_to_one_half(builder: str, size: int) -> None:
    plain = getattr(models, builder)(classes=5, aux_logits=False).eval()
    transforming = getattr(models, builder)(classes=5, aux_logits=False, transform_input=True).eval()
    assert list(plain.state_dict()) == list(transforming.state_dict())
    transforming.load_state_dict(plain.state_dict())
    pixels = np.random.default_rng(1).random((1, 3, size, size), dtype=np.float32)
    mean = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
    deviation = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)
    expected = plain(engine.tensor((pixels - 0.5) / 0.5)).numpy()
    np.testing.assert_allclose(
        transforming(engine.tensor((pixels - mean) / deviation)).numpy(), expected, atol=1e-5 * np.abs(expected).max()
    )


@pytest.mark.parametrize(
    ("builder", "entry", "deviation"),
    [
        ("resnet18", "layer3.0.conv1.weight", math.sqrt(2 / (256 * 9))),  # fan out
        ("densenet121", "features.conv0.weight", math.sqrt(2 / (3 * 49))),  # fan in
        ("vgg11", "classifier.6.weight", 0.01),
        ("mobilenet_v2", "classifier.1.weight", 0.01),
        ("squeezenet1_1", "classifier.1.weight", 0.01),
        ("squeezenet1_1", "features.12.squeeze.weight", math.sqrt(2 / 512)),
        ("mnasnet1_0", "classifier.1.weight", 1 / math.sqrt(1000)),
        ("googlenet", "fc.weight", 0.01),
        ("inception_v3", "Mixed_7c.branch1x1.conv.weight", 0.1),
        ("inception_v3", "AuxLogits.fc.weight", 0.001),
    ],
)
def test_fresh_weights_have_the_deviation_of_the_published_scheme(builder: str, entry: str, deviation: float) -> None:
    engine.manual_seed(0)
    values = getattr(models, builder)().state_dict()[entry].numpy()
    assert values.std() == pytest.approx(deviation, rel=0.05)
    assert abs(values.mean()) < 0.05 * deviation


@pytest.mark.parametrize(
    ("builder", "setting"), [("alexnet", "dropout"), ("vgg11", "dropout"), ("mobilenet_v2", "dropout")]
)
def test_dropout_can_be_set(builder: str, setting: str) -> None:
    model = getattr(models, builder)(**{setting: 0.125})
    assert {m.p for m in model.modules() if isinstance(m, nn.Dropout)} == {0.125}


@pytest.mark.parametrize("builder", ["resnet18", "alexnet", "mobilenet_v2"])
def test_an_image_with_the_wrong_channels_is_refused_with_both_numbers(builder: str) -> None:
    with pytest.raises(ValueError, match=r"\b4\b.*\b3\b"):
        getattr(models, builder)().eval()(images(1, 64, channels=4))


@pytest.mark.parametrize("builder", ["alexnet", "inception_v3", "squeezenet1_0", "vgg11"])
def test_an_image_that_is_too_small_is_refused(builder: str) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        getattr(models, builder)().eval()(images(1, 4))
