"""MTCNN: faces and five landmarks by three small networks, each of which looks closer at what the last one left.

Zhang, Zhang, Li, Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks" (IEEE
Signal Processing Letters, 2016; arXiv:1604.02878), figure 2. Parameter names are those of the facenet-pytorch
checkpoints, with the network's name in front.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.engine import Tensor, nn, no_grad
from numzoo.engine.nn import functional as F
from numzoo.vision.boxes import suppress

__all__ = ["MTCNN", "Faces", "mtcnn"]

Array = NDArray[np.float32]

_CELL, _STRIDE = 12, 2  # the image that one place of P-net's map sees, and the step between them
_BATCH = 512


@dataclass(frozen=True, slots=True)
class Faces:
    """What was found in one image, the most certain face first, in pixels of the image.

    boxes (n, 4): left, top, right, bottom. probabilities (n,). landmarks (n, 5, 2): x and y of the left eye, the right
    eye, the nose, the left and the right corner of the mouth (left in the image).
    """

    boxes: Array
    probabilities: Array
    landmarks: Array

    def __len__(self) -> int:
        return len(self.boxes)


class PNet(nn.Module):
    """Proposals: for every 12 x 12 window whether it is a face, and how to move its edges."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 10, 3)
        self.prelu1 = nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(10, 16, 3)
        self.prelu2 = nn.PReLU(16)
        self.conv3 = nn.Conv2d(16, 32, 3)
        self.prelu3 = nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.prelu2(self.conv2(x))
        x = self.prelu3(self.conv3(x))  # (batch, 32, rows, columns)
        return self.conv4_2(x), F.softmax(self.conv4_1(x), dim=1)


class RNet(nn.Module):
    """Refinement of 24 x 24 crops."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 28, 3)
        self.prelu1 = nn.PReLU(28)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(28, 48, 3)
        self.prelu2 = nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(48, 64, 2)
        self.prelu3 = nn.PReLU(64)
        self.dense4 = nn.Linear(576, 128)
        self.prelu4 = nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x))  # (batch, 64, 3, 3)
        x = self.prelu4(self.dense4(columns_first(x)))
        return self.dense5_2(x), F.softmax(self.dense5_1(x), dim=1)


class ONet(nn.Module):
    """The last word on 48 x 48 crops, with the landmarks: five x, then five y, in parts of the box."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.prelu1 = nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.prelu2 = nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.prelu3 = nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4 = nn.Conv2d(64, 128, 2)
        self.prelu4 = nn.PReLU(128)
        self.dense5 = nn.Linear(1152, 256)
        self.prelu5 = nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)
        self.dense6_2 = nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x))  # (batch, 128, 3, 3)
        x = self.prelu5(self.dense5(columns_first(x)))
        return self.dense6_2(x), self.dense6_3(x), F.softmax(self.dense6_1(x), dim=1)


def columns_first(x: Tensor) -> Tensor:
    """(batch, channels, rows, columns) in a row: columns, then rows, then channels, as the weights were trained."""
    return x.permute(0, 3, 2, 1).flatten(1)


class MTCNN(nn.Module):
    """The cascade. `smallest` is the side in pixels of the smallest face that is looked for."""

    def __init__(
        self, *, smallest: int = 20, thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7), factor: float = 0.709
    ) -> None:
        super().__init__()
        if not smallest > 0 or not 0 < factor < 1:
            raise ValueError(f"mtcnn: smallest must be above 0 and factor between 0 and 1, not {smallest} and {factor}")
        self.smallest, self.thresholds, self.factor = smallest, thresholds, factor
        self.pnet, self.rnet, self.onet = PNet(), RNet(), ONet()

    def forward(self, images: Any) -> list[Faces]:
        """The faces in each of `images`: uint8 or float values 0 to 255, (batch, height, width, 3) or one image of them."""
        pixels = np.asarray(images.numpy() if isinstance(images, Tensor) else images)
        if pixels.ndim == 3:
            pixels = pixels[None]
        if pixels.ndim != 4 or pixels.shape[3] != 3:
            raise ValueError(f"mtcnn: wants images (batch, height, width, 3) in RGB, not {pixels.shape}")
        with no_grad():
            return [self._faces(image.transpose(2, 0, 1).astype(np.float32)) for image in pixels]

    def _faces(self, image: Array) -> Faces:
        boxes = self._proposed(image)
        boxes = self._refined(image, boxes)
        return self._judged(image, boxes)

    def _proposed(self, image: Array) -> Array:
        """Boxes (n, 4) from P-net at every scale at which the smallest face fills its window."""
        found = []
        scale = _CELL / self.smallest
        while min(image.shape[1:]) * scale >= _CELL:
            size = (int(image.shape[1] * scale + 1), int(image.shape[2] * scale + 1))
            moves, chances = _seen(self.pnet, _prepared(image[None], size))
            chance = chances[0, 1]
            rows, columns = np.nonzero(chance >= self.thresholds[0])
            corner = np.stack([columns, rows], axis=1).astype(np.float32)
            low, high = ((_STRIDE * corner + 1) / scale), ((_STRIDE * corner + _CELL) / scale)
            boxes = np.concatenate(
                [np.floor(low), np.floor(high), chance[rows, columns, None], moves[0][:, rows, columns].T],
                axis=1,
                dtype=np.float32,
            )
            found.append(boxes[suppress(boxes[:, :4], boxes[:, 4], 0.5)])
            scale *= self.factor
        boxes = np.concatenate(found) if found else np.zeros((0, 9), np.float32)
        boxes = boxes[suppress(boxes[:, :4], boxes[:, 4], 0.7)]
        return _squares(_moved(boxes[:, :4], boxes[:, 5:9], edge=0))

    def _refined(self, image: Array, boxes: Array) -> Array:
        boxes, crops = _cut(image, boxes, 24)
        if not len(boxes):
            return boxes
        moves, chance = _through(self.rnet, crops)
        chance = chance[:, 1]
        passed = chance > self.thresholds[1]
        boxes, moves, chance = boxes[passed], moves[passed], chance[passed]
        kept = suppress(boxes, chance, 0.7)
        return _squares(_moved(boxes[kept], moves[kept], edge=1))

    def _judged(self, image: Array, boxes: Array) -> Faces:
        boxes, crops = _cut(image, boxes, 48)
        if not len(boxes):
            return Faces(boxes, np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))
        moves, points, chances = _through(self.onet, crops)
        chance = chances[:, 1]
        passed = chance > self.thresholds[2]
        boxes, moves, points, chance = boxes[passed], moves[passed], points[passed], chance[passed]
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        landmarks = points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None] + boxes[:, None, :2] - 1
        boxes = _moved(boxes, moves, edge=1)
        kept = suppress(boxes, chance, 0.7, over="smaller", edge=1)
        return Faces(boxes[kept], chance[kept], landmarks[kept])


def _prepared(crops: Array, size: tuple[int, int]) -> Array:
    """Shrunk (or grown) by areas, and from 0..255 to about -1..1."""
    shrunk = F.interpolate(Tensor(crops), size=size, mode="area").numpy()
    return np.asarray((shrunk - 127.5) * 0.0078125)


def _cut(image: Array, boxes: Array, side: int) -> tuple[Array, Array]:
    """The boxes that lie in the image, and what they show, (n, 3, side, side); pixels are counted from 1."""
    height, width = image.shape[1:]
    whole = np.trunc(boxes).astype(np.int64)
    low, high = np.maximum(whole[:, :2], 1), np.minimum(whole[:, 2:], [width, height])
    inside = (high > low - 1).all(axis=1)
    crops = [
        _prepared(image[None, :, top - 1 : bottom, left - 1 : right], (side, side))
        for (left, top), (right, bottom) in zip(low[inside], high[inside], strict=True)
    ]
    return boxes[inside], np.concatenate(crops) if crops else np.zeros((0, 3, side, side), np.float32)


def _through(net: nn.Module, crops: Array) -> tuple[Array, ...]:
    """The network's results for all crops, some at a time."""
    parts = [_seen(net, crops[start : start + _BATCH]) for start in range(0, len(crops), _BATCH)]
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _seen(net: nn.Module, crops: Array) -> tuple[Array, ...]:
    """The network's results for crops, which it is given where its weights are and in their type; boxes are reckoned in float32."""
    weight = next(net.parameters())
    return tuple(
        np.asarray(each.numpy(), np.float32) for each in net(Tensor(crops).to(device=weight.device, dtype=weight.dtype))
    )


def _moved(boxes: Array, moves: Array, *, edge: int) -> Array:
    """Each edge moved by a part of the box's side."""
    sides = boxes[:, 2:] - boxes[:, :2] + edge
    return np.asarray(boxes + moves * np.concatenate([sides, sides], axis=1), dtype=np.float32)


def _squares(boxes: Array) -> Array:
    """The squares around the boxes' centres, as long as their longer side."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longest = sides.max(axis=1, keepdims=True) if len(boxes) else sides[:, :1]
    low = boxes[:, :2] + sides * 0.5 - longest * 0.5
    return np.concatenate([low, low + longest], axis=1, dtype=np.float32)


def mtcnn(*, smallest: int = 20, factor: float = 0.709) -> MTCNN:
    """The face detector (arXiv:1604.02878): images (batch, height, width, 3) of 0 to 255 to a `Faces` for each."""
    return MTCNN(smallest=smallest, factor=factor)
