"""ViT, the Vision Transformer.

Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale" (arXiv:2010.11929),
figure 1 and table 1.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from numzoo import engine
from numzoo.engine import Tensor, nn

from .blocks import MLP


class EncoderBlock(nn.Module):
    """Self-attention and a perceptron, each on normalised tokens and with a shortcut (equations 2 and 3)."""

    def __init__(
        self, width: int, heads: int, mlp_width: int, *, dropout: float, attention_dropout: float, norm_eps: float
    ) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=norm_eps)
        self.self_attention = nn.MultiheadAttention(width, heads, dropout=attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = nn.LayerNorm(width, eps=norm_eps)
        self.mlp = MLP(width, (mlp_width, width), activation=nn.GELU, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        x, part, _ = self.parts(x, self.ln_1(x))
        return x + part  # (batch, tokens, width)

    def parts(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, None]:
        """x, normalised y, after attention, and what the perceptron would add to it."""
        y, _ = self.self_attention(y, y, y, need_weights=False)
        x, y = nn.add_and_normalise(y, x, self.ln_2, self.dropout)
        return x, self.mlp(y), None


class Encoder(nn.Module):
    """Tokens plus what is learnt about their places, through the blocks, normalised (equations 1 to 4)."""

    def __init__(
        self,
        tokens: int,
        depth: int,
        width: int,
        heads: int,
        mlp_width: int,
        *,
        dropout: float,
        attention_dropout: float,
        norm_eps: float,
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter.of(1, tokens, width)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(
            {
                f"encoder_layer_{number}": EncoderBlock(
                    width,
                    heads,
                    mlp_width,
                    dropout=dropout,
                    attention_dropout=attention_dropout,
                    norm_eps=norm_eps,
                )
                for number in range(depth)
            }
        )
        self.ln = nn.LayerNorm(width, eps=norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        # Nothing here holds what the blocks are given: they free it when they are done with it.
        if nn.is_plain(self.layers, nn.Sequential):
            return nn.through_blocks(self.layers, self._placed(x), EncoderBlock, "ln_1", self.ln)
        result: Tensor = self.ln(self.layers(self._placed(x)))
        return result

    def _placed(self, x: Tensor) -> Tensor:
        placed: Tensor = self.dropout(x + self.pos_embedding)  # (batch, tokens, width)
        return placed


class VisionTransformer(nn.Module):
    """Patches as words: a class token and one token per patch through a transformer encoder; the class token decides.

    Shapes: (batch, 3, image_size, image_size) -> (batch, classes). The place embeddings fit one image size only;
    `resize_positions` carries trained ones over to another. `representation_size` puts a tanh layer of that width
    before the classifier, as in the paper's pre-training; `norm_eps` is what the norms add to the variance.
    Raises ValueError for sizes that patches do not cover.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("heads.head",)

    def __init__(
        self,
        *,
        image_size: int,
        patch_size: int,
        depth: int,
        width: int,
        heads: int,
        mlp_width: int,
        classes: int = 1000,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        representation_size: int | None = None,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        if image_size < patch_size or image_size % patch_size:
            raise ValueError(
                f"VisionTransformer: got image_size {image_size}, but wanted a multiple of the patch size "
                f"{patch_size}, such as {max(1, round(image_size / patch_size)) * patch_size}."
            )
        self.image_size = image_size
        self.patch_size = patch_size
        self.class_token = nn.Parameter.of(1, 1, width)
        self.conv_proj = nn.Conv2d(3, width, patch_size, stride=patch_size)
        self.encoder = Encoder(
            (image_size // patch_size) ** 2 + 1,
            depth,
            width,
            heads,
            mlp_width,
            dropout=dropout,
            attention_dropout=attention_dropout,
            norm_eps=norm_eps,
        )
        if representation_size is None:
            self.heads = nn.Sequential({"head": nn.Linear(width, classes)})
        else:
            self.heads = nn.Sequential(
                {
                    "pre_logits": nn.Linear(width, representation_size),
                    "act": nn.Tanh(),
                    "head": nn.Linear(representation_size, classes),
                }
            )
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[-2:]) != (self.image_size, self.image_size):
            raise ValueError(
                f"VisionTransformer: got images of shape {tuple(x.shape)}, but this model was built for "
                f"(batch, 3, {self.image_size}, {self.image_size}); resize the images, or build it with image_size=... "
                "and adapt trained place embeddings with resize_positions."
            )
        x = self.conv_proj(x)  # (batch, width, rows, columns)
        x = x.flatten(2).transpose(1, 2)  # (batch, patches, width)
        token = self.class_token.expand(x.shape[0], 1, x.shape[2])
        x = engine.cat([token, x], axis=1)  # (batch, 1 + patches, width)
        x = self.encoder(x)
        result: Tensor = self.heads(x[:, 0])  # (batch, classes)
        return result


def any_vit(
    *, image_size: int, patch_size: int, depth: int, width: int, heads: int, mlp_width: int, **settings: Any
) -> VisionTransformer:
    """A ViT of any size; the other `settings` are those of `VisionTransformer`."""
    sizes = {"depth": depth, "width": width, "heads": heads, "mlp_width": mlp_width}
    return VisionTransformer(image_size=image_size, patch_size=patch_size, **sizes, **settings)


def vit_b_16(
    *,
    classes: int = 1000,
    image_size: int = 224,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    representation_size: int | None = None,
) -> VisionTransformer:
    """ViT-B/16, table 1 (arXiv:2010.11929)."""
    return VisionTransformer(
        image_size=image_size,
        patch_size=16,
        depth=12,
        width=768,
        heads=12,
        mlp_width=3072,
        classes=classes,
        dropout=dropout,
        attention_dropout=attention_dropout,
        representation_size=representation_size,
    )


def vit_b_32(
    *,
    classes: int = 1000,
    image_size: int = 224,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    representation_size: int | None = None,
) -> VisionTransformer:
    """ViT-B/32, table 1 (arXiv:2010.11929)."""
    return VisionTransformer(
        image_size=image_size,
        patch_size=32,
        depth=12,
        width=768,
        heads=12,
        mlp_width=3072,
        classes=classes,
        dropout=dropout,
        attention_dropout=attention_dropout,
        representation_size=representation_size,
    )


def vit_l_16(
    *,
    classes: int = 1000,
    image_size: int = 224,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    representation_size: int | None = None,
) -> VisionTransformer:
    """ViT-L/16, table 1 (arXiv:2010.11929)."""
    return VisionTransformer(
        image_size=image_size,
        patch_size=16,
        depth=24,
        width=1024,
        heads=16,
        mlp_width=4096,
        classes=classes,
        dropout=dropout,
        attention_dropout=attention_dropout,
        representation_size=representation_size,
    )


def vit_l_32(
    *,
    classes: int = 1000,
    image_size: int = 224,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    representation_size: int | None = None,
) -> VisionTransformer:
    """ViT-L/32, table 1 (arXiv:2010.11929)."""
    return VisionTransformer(
        image_size=image_size,
        patch_size=32,
        depth=24,
        width=1024,
        heads=16,
        mlp_width=4096,
        classes=classes,
        dropout=dropout,
        attention_dropout=attention_dropout,
        representation_size=representation_size,
    )


def vit_h_14(
    *,
    classes: int = 1000,
    image_size: int = 224,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    representation_size: int | None = None,
) -> VisionTransformer:
    """ViT-H/14, table 1 (arXiv:2010.11929)."""
    return VisionTransformer(
        image_size=image_size,
        patch_size=14,
        depth=32,
        width=1280,
        heads=16,
        mlp_width=5120,
        classes=classes,
        dropout=dropout,
        attention_dropout=attention_dropout,
        representation_size=representation_size,
    )


def resize_positions(embedding: NDArray[Any], side: int) -> NDArray[Any]:
    """Trained place embeddings (`encoder.pos_embedding`) for images of `side` x `side` patches (section 3.2).

    The class token's stays; those of the patches, taken as a square picture, are resized by bicubic interpolation
    (Keys, a = -0.75) with the corners kept in place. Shapes: (1, 1 + n * n, width) -> (1, 1 + side * side, width), in
    the same dtype. Raises ValueError for another shape or a side below 1.

    >>> resize_positions(np.ones((1, 50, 8), np.float32), 12).shape
    (1, 145, 8)
    """
    patches = embedding.shape[1] - 1 if embedding.ndim == 3 else -1
    old = math.isqrt(max(patches, 0))
    if embedding.ndim != 3 or embedding.shape[0] != 1 or old < 1 or old * old != patches or side < 1:
        raise ValueError(
            f"resize_positions: got an embedding of shape {embedding.shape} and side {side}, but wanted the shape "
            "(1, 1 + n * n, width) and a side of at least 1."
        )
    if side == old:
        return np.array(embedding)
    picture = embedding[0, 1:].reshape(old, old, -1).astype(np.float64)
    weights = _bicubic_weights(old, side)  # (side, old)
    picture = np.einsum("ai,bj,ijw->abw", weights, weights, picture, optimize=True)
    patches_resized = picture.reshape(1, side * side, -1).astype(embedding.dtype)
    return np.concatenate([embedding[:, :1], patches_resized], axis=1)


def _bicubic_weights(old: int, new: int, a: float = -0.75) -> NDArray[np.float64]:
    """How much each of `old` samples counts in each of `new` ones; the first and last keep their places."""
    places = np.arange(new) * ((old - 1) / (new - 1) if new > 1 else 0.0)
    first = np.floor(places).astype(int)
    weights = np.zeros((new, old))
    for tap in range(-1, 3):
        distance = np.abs(places - (first + tap))
        near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
        far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
        share = np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
        np.add.at(weights, (np.arange(new), np.clip(first + tap, 0, old - 1)), share)
    return weights


def _initialize(model: VisionTransformer) -> None:
    """Patches by fan-in, places normal with 0.02, perceptrons by Xavier, the classifier zero."""
    fan_in = 3 * model.patch_size**2
    nn.init.trunc_normal_(model.conv_proj.weight, std=math.sqrt(1 / fan_in))
    nn.init.normal_(model.encoder.pos_embedding, std=0.02)
    for module in model.encoder.modules():
        if isinstance(module, MLP):
            for layer in module.modules():
                if isinstance(layer, nn.Linear):
                    nn.init.xavier_uniform_(layer.weight)
                    if layer.bias is not None:
                        nn.init.normal_(layer.bias, std=1e-6)
    for name, layer in model.heads.named_children():
        if isinstance(layer, nn.Linear):
            if name == "head":
                nn.init.zeros_(layer.weight)
            else:
                nn.init.trunc_normal_(layer.weight, std=math.sqrt(1 / layer.in_features))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    if model.conv_proj.bias is not None:
        nn.init.zeros_(model.conv_proj.bias)
