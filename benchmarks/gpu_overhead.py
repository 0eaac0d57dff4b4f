"""What a call costs the host on a GPU, how fast weights get there, and a decoder's step: rows of the GPU benchmark."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CALLS = 10_000


def rows() -> list[dict[str, Any]]:
    """All of them, printed as they are found."""
    found = []
    for name, measure in {**calls(), "loading": loading, "decoding": decoding}.items():
        try:
            found.append({"model": name, **measure()})
        except Exception as error:  # one that fails must not cost the others
            found.append({"model": name, "numzoo error": f"{type(error).__name__}: {error}"[:300]})
        print(
            "  ".join(
                f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                for key, value in found[-1].items()
            ),
            flush=True,
        )
    return found


def calls() -> dict[str, Callable[[], dict[str, Any]]]:
    """Microseconds of the host's for one call on small tensors; the GPU keeps up, so only the call is seen."""
    import torch

    from numzoo import engine

    def pair(make: Callable[[Any], Callable[[], Any]]) -> Callable[[], dict[str, Any]]:
        def measure() -> dict[str, Any]:
            own, other = _host(make(engine), engine.cuda.synchronize), _host(make(torch), torch.cuda.synchronize)
            return {"numzoo us": own, "torch us": other, "ratio": other / own}

        return measure

    def small(library: Any, *shape: int, grad: bool = False) -> Any:
        values = np.ones(shape, np.float32)
        tensor = library.tensor(values).to("cuda")
        tensor.requires_grad = grad
        return tensor

    def add(library: Any) -> Callable[[], Any]:
        a, b = small(library, 64), small(library, 64)
        return lambda: a + b

    def relu(library: Any) -> Callable[[], Any]:
        a = small(library, 64)
        return lambda: library.relu(a)

    def matmul(library: Any) -> Callable[[], Any]:
        a, b = small(library, 64, 64), small(library, 64, 64)
        return lambda: a @ b

    def linear(library: Any) -> Callable[[], Any]:
        layer, x = library.nn.Linear(64, 64).to("cuda"), small(library, 16, 64)
        return library.no_grad()(lambda: layer(x))  # type: ignore[no-any-return]

    def norm(library: Any) -> Callable[[], Any]:
        layer, x = library.nn.LayerNorm(64).to("cuda"), small(library, 16, 64)
        return library.no_grad()(lambda: layer(x))  # type: ignore[no-any-return]

    def convolution(library: Any) -> Callable[[], Any]:
        layer, x = library.nn.Conv2d(16, 16, 3, padding=1).to("cuda"), small(library, 1, 16, 8, 8)
        return library.no_grad()(lambda: layer(x))  # type: ignore[no-any-return]

    def attention(library: Any) -> Callable[[], Any]:
        heads = small(library, 2, 4, 64, 64).bfloat16()
        attend = library.nn.functional.scaled_dot_product_attention
        return library.no_grad()(lambda: attend(heads, heads, heads))  # type: ignore[no-any-return]

    def graph(library: Any) -> Callable[[], Any]:
        a, b = small(library, 64, grad=True), small(library, 64, grad=True)
        return lambda: (a * b).sum().backward()

    makers = {
        "add": add,
        "relu": relu,
        "matmul": matmul,
        "linear": linear,
        "layer_norm": norm,
        "conv2d": convolution,
        "attention": attention,
        "backward": graph,
    }
    return {f"call {name}": pair(make) for name, make in makers.items()}


def _host(call: Callable[[], Any], synchronize: Callable[[], Any]) -> float:
    for _ in range(200):
        call()
    times = []
    for _ in range(5):
        synchronize()
        start = time.perf_counter()
        for _ in range(CALLS // 5):
            call()
        times.append((time.perf_counter() - start) / (CALLS // 5) * 1e6)
    synchronize()
    return min(times)


def loading() -> dict[str, Any]:
    """GB/s of 2 GB of weights from a mapped safetensors file to the GPU, beside one plain copy from page-locked memory."""
    import cupy
    import cupyx
    from safetensors.numpy import save_file

    from numzoo import hub
    from numzoo.engine import nn

    size = 64 << 20
    model = nn.Sequential(*[nn.Linear(4096, 4096, bias=False) for _ in range(32)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        weights = {
            f"{number}.weight": np.random.default_rng(number).standard_normal((4096, 4096), np.float32)
            for number in range(32)
        }
        save_file(weights, path)
        hub.load(path, model=model, device="cuda")  # the file is in the system's cache, as after a download
        times = []
        for _ in range(3):
            fresh = nn.Sequential(*[nn.Linear(4096, 4096, bias=False) for _ in range(32)])
            start = time.perf_counter()
            hub.load(path, model=fresh, device="cuda")
            cupy.cuda.Device().synchronize()
            times.append(time.perf_counter() - start)
    pinned, place = cupyx.empty_pinned(size, np.uint8), cupy.empty(size, np.uint8)
    pinned[...] = 1
    place.set(pinned)
    start = time.perf_counter()
    for _ in range(16):
        place.set(pinned, stream=cupy.cuda.get_current_stream())
    cupy.cuda.Device().synchronize()
    link = 16 * size / (time.perf_counter() - start) / 1e9
    rate = 32 * size / min(times) / 1e9
    return {"GB/s": rate, "link GB/s": link, "share": rate / link}


def decoding() -> dict[str, Any]:
    """Milliseconds of a step of GPT-2 (124M) with its cache, one text, in bfloat16, after 32 tokens."""
    import torch
    import transformers

    from numzoo import engine
    from numzoo.text import models

    own = models.gpt2_causal_lm().eval().to("cuda", dtype="bfloat16")
    cache = own.new_cache()
    prompt, token = engine.tensor(np.arange(32)[None]).to("cuda"), engine.tensor(np.array([[7]])).to("cuda")
    other = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval().to("cuda", torch.bfloat16)
    past = transformers.DynamicCache()
    with engine.no_grad(), torch.inference_mode():
        own(prompt, None, cache, last=True)
        other(torch.arange(32, device="cuda")[None], past_key_values=past, use_cache=True)
        one = torch.tensor([[7]], device="cuda")
        times = {
            "numzoo": _host_once(lambda: own(token, None, cache, last=True), engine.cuda.synchronize),
            "torch": _host_once(lambda: other(one, past_key_values=past, use_cache=True), torch.cuda.synchronize),
        }
    return {**times, "ratio": times["torch"] / times["numzoo"]}


def _host_once(step: Callable[[], Any], synchronize: Callable[[], Any]) -> float:
    times = []
    for _ in range(60):
        start = time.perf_counter()
        step()
        synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times[10:])[25]
