"""What a call costs the host on a GPU, how fast weights get there, and a decoder's step: rows of the GPU benchmark."""

from __future__ import annotations

import os
import tempfile
import time
import unittest.mock
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CALLS = 2_000

Measure = Callable[[], dict[str, Any]]


def rows() -> list[dict[str, Any]]:
    """All of them, printed as they are found."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        measures = {"loading": _told(lambda: prepared(Path(folder))), **calls(), "decoding": decoding}
        measures["loading"] = measures.pop("loading")  # last: its file must have lain there for some seconds
        for name, measure in measures.items():
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


def _told(make: Callable[[], Measure]) -> Measure:
    """What ``make`` gives; where it fails, what fails in the same way when it is asked."""
    try:
        return make()
    except Exception as error:
        problem = error

    def fail() -> dict[str, Any]:
        raise problem

    return fail


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


def prepared(home: Path, device: str = "cuda", **smaller: int) -> Measure:
    """A registry's entry with 2 GB of weights whose file lies in the cache at ``home``: gives what measures its loading.

    The file was verified before, as after its download: of a file of one's own every byte would be hashed first.
    """
    from numzoo import engine, hub
    from numzoo.hub.checkpoint import write_safetensors
    from numzoo.hub.registry.manifest import Manifest
    from numzoo.hub.registry.names import Registry
    from numzoo.hub.store.cache import Cache, digest_of
    from numzoo.text import models

    settings = {"n_embd": 2048, "n_layer": 8, "n_head": 16, **smaller}
    state = models.gpt2_causal_lm(**settings).state_dict()
    draft = home / "draft.safetensors"
    write_safetensors(draft, {name: np.ones(tuple(value.shape), np.float32) for name, value in state.items()})
    with draft.open("rb") as file:
        digest = digest_of(file)
    place = Cache(home).path(digest)
    place.parent.mkdir(parents=True)
    draft.rename(place)
    size, written = place.stat().st_size, time.monotonic()
    file_of = {"sha256": digest, "bytes": size, "format": "safetensors", "sources": ["file:nowhere.safetensors"]}
    entry = {
        "model": "text.models.gpt2_causal_lm", "config": settings, "task": "text-generation", "files": [file_of], "license": "MIT",
        "source": "https://example.org/gpt2",
    }  # fmt: skip
    registry = Registry(Manifest({"schema": 1, "models": {"gpt2.drawn": entry}}))

    def loading() -> dict[str, Any]:
        """GB/s from the file to the GPU, beside plain copies from page-locked memory."""
        time.sleep(max(0.0, written + 5.5 - time.monotonic()))  # a file that changed just now is hashed at each use
        times = []
        with unittest.mock.patch.dict(os.environ, {"NUMZOO_HOME": str(home)}):
            for _ in range(6):
                start = time.perf_counter()
                model = hub.load("gpt2.drawn", registry=registry, device=device)
                if device == "cuda":
                    engine.cuda.synchronize()
                times.append(time.perf_counter() - start)
                del model
        found = {
            "GB": size / 1e9,
            "seconds": min(times[1:]),
            "GB/s": size / min(times[1:]) / 1e9,
        }  # the first one hashed the file
        if device != "cuda":
            return found
        link = _link()
        return {**found, "link GB/s": link, "share": found["GB/s"] / link}

    return loading


def _link() -> float:
    """GB/s of copies from page-locked memory, one after the other."""
    import cupy
    import cupyx

    size = 64 << 20
    pinned, place = cupyx.empty_pinned(size, np.uint8), cupy.empty(size, np.uint8)
    pinned[...] = 1
    best = 0.0
    for _ in range(4):
        cupy.cuda.Device().synchronize()
        start = time.perf_counter()
        for _ in range(16):
            place.set(pinned, stream=cupy.cuda.get_current_stream())
        cupy.cuda.Device().synchronize()
        best = max(best, 16 * size / (time.perf_counter() - start) / 1e9)
    return best


def decoding(device: str = "cuda") -> dict[str, Any]:
    """Milliseconds of a step of GPT-2 (124M) with its cache, one text, in bfloat16, after 32 tokens.

    PyTorch's is measured a second time without cuDNN's attention, which may have to plan anew for each length of the cache.
    """
    import torch
    import transformers
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from numzoo import engine
    from numzoo.text import models

    own = models.gpt2_causal_lm().eval().to(device, dtype="bfloat16")
    cache = own.new_cache()
    prompt, token = engine.tensor(np.arange(32)[None]).to(device), engine.tensor(np.array([[7]])).to(device)
    with torch.device(device):  # weights are drawn there
        other = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval().to(torch.bfloat16)
    past = transformers.DynamicCache()

    def nothing() -> None:
        """The CPU need not be waited for."""

    waits = (engine.cuda.synchronize, torch.cuda.synchronize) if device == "cuda" else (nothing, nothing)
    with engine.no_grad(), torch.inference_mode():
        own(prompt, None, cache, last=True)
        other(torch.arange(32, device=device)[None], past_key_values=past, use_cache=True)
        one = torch.tensor([[7]], device=device)
        times = {
            "numzoo": _host_once(lambda: own(token, None, cache, last=True), waits[0]),
            "torch": _host_once(lambda: other(one, past_key_values=past, use_cache=True), waits[1]),
        }
        others = [
            way for way in SDPBackend.__members__.values() if way not in (SDPBackend.ERROR, SDPBackend.CUDNN_ATTENTION)
        ]
        with sdpa_kernel(others):
            times["torch without cuDNN's attention"] = _host_once(
                lambda: other(one, past_key_values=past, use_cache=True), waits[1]
            )
    best = min(time for side, time in times.items() if side != "numzoo")
    return {**times, "ratio": best / times["numzoo"]}


def _host_once(step: Callable[[], Any], synchronize: Callable[[], Any]) -> float:
    times = []
    for _ in range(60):
        start = time.perf_counter()
        step()
        synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times[10:])[25]
