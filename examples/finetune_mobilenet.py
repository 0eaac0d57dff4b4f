"""Fine-tune MobileNetV2, trained on ImageNet, on a small set of images, with all the parts in sight.

    python examples/finetune_mobilenet.py                     # 50 handwritten digits of each kind, through the hub
    python examples/finetune_mobilenet.py --folder photos     # your own: train/CLASS/IMAGE and val/CLASS/IMAGE

``numzoo finetune mobilenet_v2 photos`` does this and more without a script; docs/finetuning.md has the figures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from numzoo import engine, hub
from numzoo.engine import data, optim, train
from numzoo.vision import transforms
from numzoo.vision.datasets import MNIST, ImageFolder
from numzoo.vision.io import from_array, write_image


def digits(folder: Path, each: int = 50) -> Path:
    """The first digits of each kind as PNG files, a folder for each: a small real image set that everybody can have."""
    for part, split in (("train", "train"), ("val", "test")):
        source = MNIST(split=split)
        for digit in range(10):
            place = folder / part / str(digit)
            place.mkdir(parents=True, exist_ok=True)
            for index in np.flatnonzero(source.labels == digit)[:each]:
                write_image(from_array(source.images[index]), place / f"{index:05}.png")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description="Fine-tune MobileNetV2.")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("mobilenet-run"))
    options = parser.parse_args()

    engine.manual_seed(0)
    folder = options.folder or digits(options.out / "digits")
    preset = hub.transform("mobilenet_v2")  # what the weights were trained with
    changed = transforms.Compose(
        [
            transforms.RandomResizedCrop(preset.crop, scale=(0.6, 1.0)),
            transforms.ToArray(),
            transforms.Normalize(preset.mean, preset.std),
        ]
    )
    training = ImageFolder(folder / "train", transform=data.Seeded(changed))
    validation = ImageFolder(folder / "val", transform=preset)

    model = hub.load("mobilenet_v2", classes=len(training.classes))
    print(model.load_report)
    groups = optim.layer_groups(model, 1e-3, decay=0.9, weight_decay=0.02)  # slower towards the input
    history = train.fit(
        model,
        data.DataLoader(training, 32, shuffle=True),
        optim.AdamW(groups),
        epochs=options.epochs,
        validation=data.DataLoader(validation, 32),
        metrics=[train.Accuracy()],
        clip_norm=1.0,
        checkpoint=options.out / "checkpoints",
        resume=True,
    )
    path = hub.save(model, options.out / "model.safetensors", categories=training.classes, transform=preset)
    print(f"accuracy {history[-1]['val_accuracy']:.3f}; {path}")
    image, label = validation.samples[0]
    print(f"{image}: {hub.pipeline(path)(image, top=2)}, and it is {training.classes[label]}")


if __name__ == "__main__":
    main()
