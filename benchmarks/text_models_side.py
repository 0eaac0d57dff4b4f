"""One side of the benchmark of texts: SIDE CASE [alone]. Its last line has the least milliseconds of a step, of wall and of processor time.

"numzoo bf16" computes with float32 weights in that precision, "numzoo as bf16" has its weights in it. With "alone" nothing else runs while steps are timed.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SMOLLM = {
    "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
    "num_key_value_heads": 3, "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "max_position_embeddings": 8192,
}  # fmt: skip
PROMPT, STEPS = 32, 24


def main() -> None:
    side, case = sys.argv[1:3]
    sides = {"transformers": theirs, "onnxruntime": exported}
    step = sides[side](case) if side in sides else ours(case, side)
    wall, busy = [], []
    if "alone" in sys.argv:
        step(0)
        for thread in os.listdir("/proc/self/task"):
            os.sched_setscheduler(int(thread), os.SCHED_RR, os.sched_param(1))
    for number in range(10 if case.startswith("bert_8") else STEPS):
        start, work = time.perf_counter(), time.process_time()
        step(number)
        wall.append(time.perf_counter() - start)
        busy.append(time.process_time() - work)
    print(json.dumps({"wall": min(wall[3:]) * 1e3, "cpu": min(busy[3:]) * 1e3}))


def tokens_of(case: str) -> np.ndarray[Any, Any]:
    """Token numbers (texts, length) of an encoder's case, as bert_8x128."""
    texts, length = map(int, case.rpartition("_")[2].split("x"))
    return np.random.default_rng(0).integers(1, 30000, (texts, length))


def ours(case: str, side: str) -> Callable[[int], None]:
    """A step of numzoo's."""
    from numzoo import engine
    from numzoo.text import models

    def precision() -> Any:
        return engine.precision("bf16") if side == "numzoo bf16" else contextlib.nullcontext()

    if case.startswith("bert"):
        encoder, tokens = models.bert_encoder().eval(), tokens_of(case)
        if side == "numzoo as bf16":
            encoder.to(dtype="bfloat16")

        def encode(_: int) -> None:
            with engine.no_grad(), precision():
                encoder(tokens).last_hidden_state.numpy()

        return encode
    model = (models.gpt2_causal_lm() if case == "gpt2" else models.llama_causal_lm(**SMOLLM)).eval()
    if side == "numzoo as bf16":
        model.to(dtype="bfloat16")
    cache = model.new_cache()
    with engine.no_grad(), precision():
        model(np.arange(PROMPT)[None], None, cache, last=True)

    def step(number: int) -> None:
        with engine.no_grad(), precision():
            model(np.array([[number]]), None, cache, last=True).numpy()

    return step


def theirs(case: str) -> Callable[[int], None]:
    """A step of transformers'."""
    sys.modules["torchvision"] = None  # type: ignore[assignment]  # texts do without, and it may be of another build
    import torch
    import transformers

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if case.startswith("bert"):
        encoder, tokens = transformers.BertModel(transformers.BertConfig()).eval(), torch.from_numpy(tokens_of(case))

        def encode(_: int) -> None:
            with torch.inference_mode():
                encoder(tokens).last_hidden_state.numpy()

        return encode
    if case == "gpt2":
        model = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval()
    else:
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMOLLM)).eval()
    cache = transformers.DynamicCache()
    with torch.inference_mode():
        model(torch.arange(PROMPT)[None], past_key_values=cache, use_cache=True, logits_to_keep=1)

    def step(number: int) -> None:
        with torch.inference_mode():
            model(torch.tensor([[number]]), past_key_values=cache, use_cache=True, logits_to_keep=1).logits.numpy()

    return step


def exported(case: str) -> Callable[[int], None]:
    """A step of ONNX Runtime's, by transformers' model as PyTorch exports it, with all optimisations of graphs."""
    sys.modules["torchvision"] = None  # type: ignore[assignment]
    import onnxruntime
    import torch
    import transformers

    class Vectors(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.bert = transformers.BertModel(transformers.BertConfig(attn_implementation="eager"))

        def forward(self, tokens: Any) -> Any:
            return self.bert(tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state

    model, tokens = Vectors().eval(), tokens_of(case)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/bert.onnx"
        with torch.no_grad():
            torch.onnx.export(model, (torch.from_numpy(tokens),), path, input_names=["tokens"], dynamo=False)
        session = onnxruntime.InferenceSession(path, options)
    wanted = model(torch.from_numpy(tokens)).detach().numpy()
    assert np.abs(session.run(None, {"tokens": tokens})[0] - wanted).max() < 1e-3
    return lambda _: session.run(None, {"tokens": tokens})


if __name__ == "__main__":
    main()
