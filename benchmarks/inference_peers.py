"""The peers' side of the inference benchmark: SIDE MODEL BATCH SECONDS."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torchvision_import import torchvision


def main() -> None:
    side, name, batch, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    threads = int(os.environ["OMP_NUM_THREADS"])
    torch.set_num_threads(threads)
    model = torchvision().models.get_model(name, weights=None).eval()
    size = 299 if name == "inception_v3" else 224
    images = torch.randn(batch, 3, size, size)
    run = onnxruntime(model, images, threads) if side == "onnxruntime" else pytorch(side, model, images)
    times = []
    with torch.no_grad():
        for _ in range(3):
            run()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    print(json.dumps({"milliseconds": min(times) * 1e3}))


def pytorch(side: str, model: Any, images: Any) -> Callable[[], Any]:
    """Eager as it comes, in the layout that suits it best, or compiled in that layout."""
    if side in ("channels_last", "compiled"):
        model, images = model.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    if side == "compiled":
        model = torch.compile(model)
    return lambda: model(images)


def onnxruntime(model: Any, images: Any, threads: int) -> Callable[[], Any]:
    """The exported graph, with all of ONNX Runtime's optimisations."""
    import onnxruntime as runtime

    file = io.BytesIO()
    torch.onnx.export(model, (images,), file, input_names=["images"], dynamo=False)
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 4
    session = runtime.InferenceSession(file.getvalue(), settings, providers=["CPUExecutionProvider"])
    array = images.numpy()
    return lambda: session.run(None, {"images": array})


if __name__ == "__main__":
    main()
