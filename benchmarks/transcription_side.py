"""One side of the benchmark of transcriptions: SIDE FOLDER SOUND...

All have the weights of numzoo's entry whisper_base, write English with times, and take the likeliest token each time.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

THREADS = int(os.environ["OMP_NUM_THREADS"])
Hear = Callable[[Any], str]


def numzoo(precision: str | None) -> Hear:
    from numzoo import engine, hub

    engine.set_threads(THREADS)
    pipe = hub.pipeline("whisper_base")

    def hear(sound: Any) -> str:
        with engine.precision(precision) if precision else contextlib.nullcontext():
            return str(pipe(sound, language="en"))

    return hear


def transformers() -> Hear:
    import torch

    if not hasattr(torch.ops.torchvision, "nms"):  # transformers imports a torchvision that may lack its compiled part
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    from numzoo import hub

    torch.set_num_threads(THREADS)
    sizes = {"layers": 6, "attention_heads": 8, "ffn_dim": 2048}
    sizes = {f"{side}_{what}": count for side in ("encoder", "decoder") for what, count in sizes.items()}
    model = WhisperForConditionalGeneration(WhisperConfig(**sizes, d_model=512)).eval()
    given = hub.load("whisper_base").state_dict()
    arrays = {_their_name(name): torch.from_numpy(np.array(tensor.numpy())) for name, tensor in given.items()}
    arrays["proj_out.weight"] = arrays["model.decoder.embed_tokens.weight"]
    model.load_state_dict(arrays)
    del given, arrays
    words = hub.pipeline("whisper_base").decoder.vocabulary
    model.generation_config = GenerationConfig(
        lang_to_id={f"<|{code}|>": words.language(code) for code in words.languages},
        task_to_id={"transcribe": words.transcribe, "translate": words.translate},
        is_multilingual=True,
        no_timestamps_token_id=words.no_times,
        max_initial_timestamp_index=50,
        suppress_tokens=words.suppressed,
        begin_suppress_tokens=words.blank,
        decoder_start_token_id=words.start,
        eos_token_id=words.end,
        pad_token_id=words.end,
        max_length=448,
        prev_sot_token_id=words.previous,
    )
    extract = WhisperFeatureExtractor()

    def hear(sound: Any) -> str:
        mel = extract(sound, sampling_rate=16000, return_tensors="pt").input_features
        with torch.inference_mode():
            tokens = model.generate(mel, language="en", return_timestamps=True, num_beams=1, do_sample=False)
        return words.decode(tokens[0].tolist())

    return hear


def faster_whisper(folder: str, kind: str) -> Hear:
    from faster_whisper import WhisperModel

    model = WhisperModel(folder, device="cpu", compute_type=kind, cpu_threads=THREADS, local_files_only=True)

    def hear(sound: Any) -> str:
        segments, _ = model.transcribe(sound, language="en", beam_size=1, best_of=1)
        return "".join(segment.text for segment in segments)

    return hear


def _their_name(name: str) -> str:
    """The name in transformers of a tensor of the authors'."""
    name = re.sub(r"(encoder|decoder)\.blocks\.", r"\1.layers.", name)
    for own, other in (
        ("cross_attn_ln", "encoder_attn_layer_norm"), ("attn_ln", "self_attn_layer_norm"), ("mlp_ln", "final_layer_norm"),
        ("mlp.0", "fc1"), ("mlp.2", "fc2"), ("token_embedding", "embed_tokens"), ("encoder.ln_post", "encoder.layer_norm"),
        ("decoder.ln.", "decoder.layer_norm."), ("cross_attn.", "encoder_attn."), (".attn.", ".self_attn."), (".query.", ".q_proj."),
        (".key.", ".k_proj."), (".value.", ".v_proj."), (".out.", ".out_proj."),
    ):  # fmt: skip
        name = name.replace(own, other)
    return "model." + re.sub(r"positional_embedding$", "embed_positions.weight", name)


def main() -> None:
    side, folder, *paths = sys.argv[1:]
    kinds: dict[str, Callable[[], Hear]] = {
        "numzoo": lambda: numzoo(None),
        "numzoo bf16": lambda: numzoo("bf16"),
        "transformers": transformers,
    }
    hear = kinds[side]() if side in kinds else faster_whisper(folder, side.split(" ")[1])
    sounds = [_samples(Path(path)) for path in paths]
    hear(sounds[0])
    peak = _peak()
    best = {"processor": float("inf"), "wall": float("inf")}
    for _ in range(2):
        start, begun = time.process_time(), time.perf_counter()
        texts = [hear(sound) for sound in sounds]
        best["processor"] = min(best["processor"], time.process_time() - start)
        best["wall"] = min(best["wall"], time.perf_counter() - begun)
    print(*texts, sep="\n", file=sys.stderr)
    figures = {"seconds of the processor": best["processor"], "seconds by the wall": best["wall"]}
    print(json.dumps({**figures, "peak MiB after the first": peak, "peak MiB": _peak()}))


def _samples(path: Path) -> Any:
    import soundfile

    sound, rate = soundfile.read(path, dtype="float32")
    if rate != 16000:
        raise SystemExit(f"{path} is at {rate} Hz; wanted 16000")
    return sound


def _peak() -> float:
    """The most that the process has held, as Linux has it: where another program started it, getrusage says that one's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


if __name__ == "__main__":
    main()
