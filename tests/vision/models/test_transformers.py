"""Windows, shifts, relative places and image sizes of ViT, Swin and MaxViT, against loops that say what is meant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn
from numzoo.vision.models.maxvit import MaxViT, PartitionAttention, maxvit_t
from numzoo.vision.models.swin import SwinTransformer, WindowAttention, WindowAttentionV2
from numzoo.vision.models.vision_transformer import VisionTransformer, resize_positions
from numzoo.vision.models.windows import attend_in_windows, merge, partition, relative_position_index

# image, window, shift: whole windows, images to be padded, oblong windows, images smaller than a window, shifts both
# ways and along one axis only.
LAYOUTS = [
    ((8, 8), (4, 4), (2, 2)),
    ((8, 12), (4, 4), (2, 2)),
    ((7, 10), (4, 4), (2, 2)),
    ((6, 9), (2, 3), (1, 1)),
    ((9, 6), (3, 2), (2, 1)),
    ((3, 9), (4, 4), (2, 2)),
    ((4, 8), (4, 4), (2, 2)),
    ((3, 3), (4, 4), (2, 2)),
    ((8, 8), (4, 4), (0, 0)),
    ((8, 8), (4, 4), (0, 3)),
]
WINDOWS = [(1, 1), (2, 2), (2, 3), (3, 2), (7, 7), (8, 8)]


def numbered(height: int, width: int, channels: int = 1) -> engine.Tensor:
    """An image whose every value is different: (1, height, width, channels)."""
    count = height * width * channels
    return engine.tensor(np.arange(count, dtype=np.float32).reshape(1, height, width, channels))


def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
    """Every parameter random, also those that start from zero, so that nothing can hide; in eval mode."""
    generator = np.random.default_rng(seed)
    state: dict[str, Any] = {}
    for name, value in model.state_dict().items():
        array = np.asarray(value.numpy())
        if array.dtype == np.float32 and not name.endswith(("relative_coords_table", "running_mean", "running_var")):
            array = generator.normal(0.0, 0.3, array.shape).astype(np.float32)
        state[name] = engine.tensor(array)
    model.load_state_dict(state)
    return model.eval()


def run(model: nn.Module, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    with engine.no_grad():
        return np.array(model(engine.tensor(x)).numpy())


def noise(*shape: int, seed: int = 1) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# ---- windows --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("image", "window"), [((8, 8), (4, 4)), ((6, 9), (2, 3)), ((3, 2), (3, 2)), ((4, 6), (1, 2))])
def test_a_partition_lists_windows_and_pixels_row_by_row(image: tuple[int, int], window: tuple[int, int]) -> None:
    x = numbered(*image, channels=2)
    pixels = x.numpy()[0]
    expected = [
        [
            pixels[top + row, left + column]
            for row in range(window[0])
            for column in range(window[1])
        ]
        for top in range(0, image[0], window[0])
        for left in range(0, image[1], window[1])
    ]  # fmt: skip
    np.testing.assert_array_equal(partition(x, window).numpy()[0], np.array(expected))


@pytest.mark.parametrize(("image", "window"), [((8, 8), (4, 4)), ((6, 9), (2, 3)), ((3, 2), (3, 2)), ((4, 6), (1, 2))])
def test_merging_undoes_a_partition(image: tuple[int, int], window: tuple[int, int]) -> None:
    x = engine.tensor(noise(3, *image, 5))
    np.testing.assert_array_equal(merge(partition(x, window), window, image).numpy(), x.numpy())


@pytest.mark.parametrize("image", [(8, 6), (6, 8), (3, 3)])
def test_a_partition_that_leaves_pixels_over_is_refused(image: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"images of {image[0]} x {image[1]} for windows of 4 x 4"):
        partition(numbered(*image), (4, 4))


@pytest.mark.parametrize("window", WINDOWS)
def test_equal_steps_and_only_they_share_a_relative_position(window: tuple[int, int]) -> None:
    index = relative_position_index(window)
    places = [(row, column) for row in range(window[0]) for column in range(window[1])]
    rows = {}
    for a, first in enumerate(places):
        for b, second in enumerate(places):
            step = first[0] - second[0], first[1] - second[1]
            assert rows.setdefault(step, index[a, b]) == index[a, b]
    assert sorted(rows.values()) == list(range((2 * window[0] - 1) * (2 * window[1] - 1)))
    assert [rows[step] for step in sorted(rows)] == sorted(rows.values())  # numbered from the top left step on


@pytest.mark.parametrize(("image", "window", "shift"), LAYOUTS)
def test_shifting_padding_and_cropping_leave_every_pixel_where_it_was(
    image: tuple[int, int], window: tuple[int, int], shift: tuple[int, int]
) -> None:
    x = engine.tensor(noise(2, *image, 3))
    result = attend_in_windows(x, window, shift, lambda tokens, mask: tokens)
    np.testing.assert_array_equal(result.numpy(), x.numpy())


@pytest.mark.parametrize(("image", "window", "shift"), LAYOUTS)
def test_the_mask_parts_exactly_the_pixels_that_the_shift_brought_together(
    image: tuple[int, int], window: tuple[int, int], shift: tuple[int, int]
) -> None:
    """Two pixels of a window belong together if they are as far apart in the image as they are in the window."""
    height, width = (-(-size // side) * side for size, side in zip(image, window, strict=True))
    seen: list[Any] = []

    def attend(tokens: engine.Tensor, mask: engine.Tensor | None) -> engine.Tensor:
        seen.append((np.array(tokens.numpy()), None if mask is None else np.array(mask.numpy())))
        return tokens

    # The window functions pad, so the image that is given already has its padded size and carries its own places.
    places = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=-1)
    attend_in_windows(engine.tensor(places[None].astype(np.float32)), window, shift, attend)
    ((tokens, mask),) = seen
    in_image = tokens[0, :, :, None] - tokens[0, :, None]  # (windows, tokens, tokens, 2)
    local = np.stack(np.divmod(np.arange(window[0] * window[1]), window[1]), axis=-1)
    apart = (in_image != local[:, None] - local[None]).any(-1)
    if mask is None:
        assert not apart.any()
    else:
        assert mask.shape == (tokens.shape[1], 1, apart.shape[1], apart.shape[2])
        np.testing.assert_array_equal(mask[:, 0], np.where(apart, -100.0, 0.0))


@pytest.mark.parametrize(
    ("image", "moved"), [((4, 4), False), ((3, 2), False), ((4, 8), True), ((8, 4), True), ((5, 5), True)]
)
def test_an_image_that_one_window_covers_is_not_shifted(image: tuple[int, int], moved: bool) -> None:
    masks: list[Any] = []

    def attend(tokens: engine.Tensor, mask: engine.Tensor | None) -> engine.Tensor:
        masks.append(mask)
        return tokens

    attend_in_windows(numbered(*image), (4, 4), (2, 2), attend)
    assert (masks[0] is not None) == moved


# ---- Swin -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", [WindowAttention, WindowAttentionV2])
@pytest.mark.parametrize(("image", "window", "shift"), LAYOUTS)
def test_a_pixel_reaches_those_of_its_own_region_and_no_others(
    attention: type[WindowAttention], image: tuple[int, int], window: tuple[int, int], shift: tuple[int, int]
) -> None:
    layer = randomise(attention(6, 2, window, shift, dropout=0.0, attention_dropout=0.0))
    x = noise(1, *image, 6)
    before = run(layer, x)
    padded = [-(-size // side) * side for size, side in zip(image, window, strict=True)]
    moved = [0 if window[axis] >= padded[axis] else shift[axis] for axis in (0, 1)]

    def region(row: int, column: int) -> tuple[int, int]:
        return (row - moved[0]) // window[0], (column - moved[1]) // window[1]

    for row, column in [(0, 0), (image[0] - 1, image[1] - 1), (image[0] // 2, image[1] // 2)]:
        changed = x.copy()
        changed[0, row, column] += 1.0
        touched = np.abs(run(layer, changed) - before).max(axis=(0, 3)) > 0
        expected = [
            [region(r, c) == region(row, column) for c in range(image[1])] for r in range(image[0])
        ]  # fmt: skip
        np.testing.assert_array_equal(touched, np.array(expected))


def test_window_attention_computes_the_formula_of_the_paper() -> None:
    """softmax(q k^T / sqrt(d) + B) v for one window, one head at a time."""
    layer = randomise(WindowAttention(6, 2, (2, 2), (0, 0), dropout=0.0, attention_dropout=0.0))
    state = {name: np.asarray(value.numpy(), np.float64) for name, value in layer.state_dict().items()}
    x = noise(1, 2, 2, 6)
    tokens = x.reshape(4, 6).astype(np.float64)
    qkv = tokens @ state["qkv.weight"].T + state["qkv.bias"]
    index = relative_position_index((2, 2))
    heads = []
    for head in range(2):
        query, key, value = (qkv[:, part * 6 + head * 3 : part * 6 + head * 3 + 3] for part in range(3))
        scores = query @ key.T / np.sqrt(3) + state["relative_position_bias_table"][index, head]
        weights = np.exp(scores)
        heads.append(weights / weights.sum(axis=1, keepdims=True) @ value)
    expected = np.concatenate(heads, axis=1) @ state["proj.weight"].T + state["proj.bias"]
    np.testing.assert_allclose(run(layer, x).reshape(4, 6), expected, rtol=1e-4, atol=1e-5)


def test_version_2_computes_cosines_and_places_by_a_network() -> None:
    """softmax(cos(q, k) / tau + 16 sigmoid(network(log steps))) v, and keys without bias."""
    layer = randomise(WindowAttentionV2(6, 2, (2, 3), (0, 0), dropout=0.0, attention_dropout=0.0))
    state = {name: np.asarray(value.numpy(), np.float64) for name, value in layer.state_dict().items()}
    x = noise(1, 2, 3, 6)
    tokens = x.reshape(6, 6).astype(np.float64)
    bias = state["qkv.bias"].copy()
    bias[6:12] = 0
    qkv = tokens @ state["qkv.weight"].T + bias
    places = [(row, column) for row in range(2) for column in range(3)]
    heads = []
    for head in range(2):
        query, key, value = (qkv[:, part * 6 + head * 3 : part * 6 + head * 3 + 3] for part in range(3))
        scores = query @ key.T / np.linalg.norm(query, axis=1)[:, None] / np.linalg.norm(key, axis=1)[None]
        scores = scores * np.exp(state["logit_scale"][head, 0, 0])
        for a, first in enumerate(places):
            for b, second in enumerate(places):
                step = np.array([(first[0] - second[0]) * 8 / 1, (first[1] - second[1]) * 8 / 2])
                step = np.sign(step) * np.log2(1 + np.abs(step)) / np.log2(8)
                hidden = np.maximum(state["cpb_mlp.0.weight"] @ step + state["cpb_mlp.0.bias"], 0)
                scores[a, b] += 16 / (1 + np.exp(-(state["cpb_mlp.2.weight"][head] @ hidden)))
        weights = np.exp(scores - scores.max())
        heads.append(weights / weights.sum(axis=1, keepdims=True) @ value)
    expected = np.concatenate(heads, axis=1) @ state["proj.weight"].T + state["proj.bias"]
    np.testing.assert_allclose(run(layer, x).reshape(6, 6), expected, rtol=1e-4, atol=1e-5)


def test_the_temperature_of_version_2_never_falls_below_a_hundredth() -> None:
    layer = randomise(WindowAttentionV2(6, 2, (2, 2), (0, 0), dropout=0.0, attention_dropout=0.0))
    x = noise(1, 4, 4, 6)
    results = []
    for scale in (np.log(100.0), 50.0):
        state = layer.state_dict()
        state["logit_scale"] = engine.full((2, 1, 1), float(scale))
        layer.load_state_dict(state)
        results.append(run(layer, x))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5)


def test_padding_leaves_the_gradients_of_version_2_finite() -> None:
    """Tokens that pad an image have keys of length zero, whose direction has no derivative."""
    layer = randomise(WindowAttentionV2(6, 2, (4, 4), (2, 2), dropout=0.0, attention_dropout=0.0))
    x = engine.tensor(noise(1, 5, 6, 6), requires_grad=True)
    (layer(x) * engine.tensor(noise(1, 5, 6, 6, seed=2))).sum().backward()
    gradients = {name: parameter.grad for name, parameter in layer.named_parameters()} | {"x": x.grad}
    for name, gradient in gradients.items():
        assert gradient is not None, name
        values = np.asarray(gradient.numpy())
        assert np.isfinite(values).all(), name
        assert np.abs(values).max() > 0, name


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (4, 4), (64, 20)])
def test_swin_takes_images_of_any_size(version: int, size: tuple[int, int]) -> None:
    model = randomise(
        SwinTransformer(width=8, depths=(2, 2), heads=(2, 4), window=(4, 4), version=version, classes=5), seed=3
    )
    result = run(model, noise(2, 3, *size))
    assert result.shape == (2, 5)
    assert np.isfinite(result).all()
    assert np.abs(result[0] - result[1]).max() > 1e-4


@pytest.mark.parametrize("version", [1, 2])
def test_an_empty_batch_gives_an_empty_result(version: int) -> None:
    model = SwinTransformer(width=8, depths=(2, 2), heads=(2, 4), window=(4, 4), version=version, classes=5)
    assert run(model.eval(), noise(0, 3, 32, 32)).shape == (0, 5)
    assert run(small_maxvit().eval(), noise(0, 3, 24, 24)).shape == (0, 5)


@pytest.mark.parametrize(
    "settings",
    [
        {"depths": ()},
        {"heads": (2,)},
        {"version": 3},
        {"window": (1, 7)},
        {"heads": (3, 4)},
    ],
)
def test_swin_settings_that_do_not_fit_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        SwinTransformer(**{"width": 8, "depths": (2, 2), "heads": (2, 4), "window": (4, 4), **settings})


# ---- ViT ------------------------------------------------------------------------------------------------------------


def small_vit(image_size: int = 8, representation_size: int | None = None) -> VisionTransformer:
    return VisionTransformer(
        image_size=image_size,
        patch_size=4,
        depth=2,
        width=8,
        heads=2,
        mlp_width=16,
        classes=3,
        representation_size=representation_size,
    )


def test_without_place_embeddings_vit_does_not_see_the_order_of_patches() -> None:
    model = randomise(small_vit())
    x = noise(1, 3, 8, 8)
    swapped = np.concatenate([x[..., 4:], x[..., :4]], axis=-1)
    assert np.abs(run(model, swapped) - run(model, x)).max() > 1e-3

    state = model.state_dict()
    state["encoder.pos_embedding"] = engine.zeros((1, 5, 8))
    model.load_state_dict(state)
    np.testing.assert_allclose(run(model, swapped), run(model, x), rtol=1e-4, atol=1e-5)


def test_a_representation_layer_stands_before_the_classifier() -> None:
    model = small_vit(representation_size=6)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert shapes["heads.pre_logits.weight"] == (6, 8)
    assert shapes["heads.head.weight"] == (3, 6)
    assert run(randomise(model), noise(2, 3, 8, 8)).shape == (2, 3)


@pytest.mark.parametrize("size", [(8, 12), (12, 8), (9, 9), (4, 4)])
def test_vit_refuses_images_of_another_size(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"built for \(batch, 3, 8, 8\)"):
        run(small_vit(), noise(1, 3, *size))


@pytest.mark.parametrize(("size", "near"), [(9, 8), (11, 12), (3, 4), (0, 4), (-8, 4)])
def test_an_image_size_that_patches_do_not_cover_is_refused(size: int, near: int) -> None:
    with pytest.raises(ValueError, match=rf"got image_size {size}, .*multiple of the patch size 4, such as {near}\."):
        small_vit(size)


def test_place_embeddings_are_resized_like_a_picture_with_fixed_corners() -> None:
    """The values for 5 and 2 are what torchvision's interpolate_embeddings gives for the same numbers."""
    embedding = (np.arange(10.0) * 7 % 11).reshape(1, 10, 1)
    five = [
        [7.0, 4.34375, 3.0, 6.125, 10.0],
        [6.59375, 3.9375, 2.59375, 5.71875, 9.59375],
        [6.0, 3.34375, 2.0, 5.125, 9.0],
        [5.40625, 2.75, 1.40625, 4.53125, 8.40625],
        [5.0, 2.34375, 1.0, 4.125, 8.0],
    ]
    result = resize_positions(embedding, 5)
    np.testing.assert_allclose(result[0, 1:, 0].reshape(5, 5), five, atol=1e-12)
    assert result[0, 0, 0] == 0.0
    np.testing.assert_allclose(resize_positions(embedding, 2)[0, :, 0], [0, 7, 10, 5, 8], atol=1e-12)
    np.testing.assert_allclose(resize_positions(embedding, 1)[0, :, 0], [0, 7], atol=1e-12)


@pytest.mark.parametrize("side", [1, 2, 7, 12, 24])
def test_resized_place_embeddings_keep_dtype_class_token_and_constants(side: int) -> None:
    embedding = np.concatenate([noise(1, 1, 6), np.ones((1, 49, 6), np.float32)], axis=1)
    result = resize_positions(embedding, side)
    assert result.dtype == np.float32
    assert result.shape == (1, 1 + side * side, 6)
    np.testing.assert_array_equal(result[:, 0], embedding[:, 0])
    np.testing.assert_allclose(result[:, 1:], 1.0, rtol=1e-6)


def test_resizing_to_the_same_side_gives_an_equal_copy() -> None:
    embedding = noise(1, 17, 3)
    result = resize_positions(embedding, 4)
    np.testing.assert_array_equal(result, embedding)
    assert not np.shares_memory(result, embedding)


@pytest.mark.parametrize(
    ("shape", "side"),
    [((1, 6, 4), 3), ((2, 5, 4), 3), ((5, 4), 3), ((1, 1, 4), 3), ((1, 0, 4), 3), ((1, 5, 4), 0), ((1, 5, 4), -1)],
)
def test_place_embeddings_that_are_no_square_are_refused(shape: tuple[int, ...], side: int) -> None:
    with pytest.raises(ValueError, match="resize_positions: got"):
        resize_positions(np.zeros(shape, np.float32), side)


def test_a_model_for_larger_images_loads_resized_embeddings() -> None:
    small, large = randomise(small_vit(8)), small_vit(12)
    state = small.state_dict()
    positions = resize_positions(np.asarray(state["encoder.pos_embedding"].numpy()), 3)
    large.load_state_dict({**state, "encoder.pos_embedding": engine.tensor(positions)})
    assert run(large.eval(), noise(1, 3, 12, 12)).shape == (1, 3)


# ---- MaxViT ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image", [(6, 6), (6, 9), (3, 3)])
@pytest.mark.parametrize("grid", [False, True])
def test_a_window_holds_neighbours_and_a_grid_holds_the_same_place_of_every_cell(
    image: tuple[int, int], grid: bool
) -> None:
    layer = randomise(
        PartitionAttention(
            8,
            4,
            3,
            grid=grid,
            expansion=2,
            dropout=0.0,
            attention_dropout=0.0,
            stochastic_depth=0.0,
            activation=nn.GELU,
        )
    )
    x = noise(1, 8, *image)
    before = run(layer, x)
    cell = image[0] // 3, image[1] // 3

    def group(row: int, column: int) -> tuple[int, int]:
        return (row % cell[0], column % cell[1]) if grid else (row // 3, column // 3)

    for row, column in [(0, 0), (image[0] - 1, 1), (1, image[1] - 1)]:
        changed = x.copy()
        changed[0, :, row, column] += noise(8, seed=5)
        touched = np.abs(run(layer, changed) - before).max(axis=(0, 1)) > 0
        expected = [[group(r, c) == group(row, column) for c in range(image[1])] for r in range(image[0])]
        np.testing.assert_array_equal(touched, np.array(expected))


def small_maxvit(input_size: int | tuple[int, int] = 24) -> MaxViT:
    return MaxViT((8, 16), (1, 2), input_size=input_size, stem_width=8, head_width=4, side=3, classes=5)


@pytest.mark.parametrize("size", [(24, 24), (48, 24), (24, 72), (21, 23)])
def test_maxvit_takes_every_size_of_whole_windows(size: tuple[int, int]) -> None:
    model = randomise(small_maxvit(size))
    result = run(model, noise(2, 3, *size))
    assert result.shape == (2, 5)
    assert np.isfinite(result).all()


@pytest.mark.parametrize("size", [(24, 36), (12, 24), (25, 24), (8, 8)])
def test_maxvit_refuses_sizes_that_leave_pixels_over(size: tuple[int, int]) -> None:
    message = rf"images of {size[0]} x {size[1]} pixels, which stage \d .* multiples of 24 always fit"
    with pytest.raises(ValueError, match=message):
        small_maxvit(size)
    with pytest.raises(ValueError, match=message):
        run(small_maxvit(), noise(1, 3, *size))


def test_the_published_maxvit_is_made_for_multiples_of_224() -> None:
    square, oblong = (maxvit_t(input_size=size).state_dict() for size in (224, (448, 224)))
    assert {name: value.shape for name, value in square.items()} == {name: v.shape for name, v in oblong.items()}
    with pytest.raises(ValueError, match="multiples of 224 always fit"):
        maxvit_t(input_size=256)
