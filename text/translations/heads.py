"""What a repository's encoder carries: the head that `architectures` names, or the pooling of sentence-transformers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from numzoo.hub.foreign.fields import Fields
from numzoo.hub.foreign.places import POOLING

__all__ = ["encoder"]

_HEADS = {
    "Model": ("encoder", "feature-extraction"),
    "ForMaskedLM": ("masked_lm", "fill-mask"),
    "ForSequenceClassification": ("sequence_classification", "text-classification"),
    "ForTokenClassification": ("token_classification", "token-classification"),
    "ForQuestionAnswering": ("question_answering", "question-answering"),
}
_CLASSIFIERS = ("sequence_classification", "token_classification")
_WITH_POOLER = {"encoder", "sequence_classification"}
_POOLING = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_max_tokens": "max"}
_MODULES = ("Transformer", "Pooling", "Normalize")


def encoder(
    fields: Fields,
    extras: Mapping[str, Any],
    config: dict[str, Any],
    *,
    name: str,
    builders: str,
    family: str,
    more: Mapping[str, tuple[str, str]] | None = None,
    parts: str = "embeddings|encoder|pooler",
    poolers: Iterable[str] = ("encoder",),
    head: str = "",
    rename: Iterable[tuple[str, str]] = (),
    sentences: bool = True,
) -> dict[str, Any]:
    """What an entry would say of an encoder with its head.

    `name` begins the names of transformers' classes ("Bert"), `builders` numzoo's ("bert"), `family` the tensors' ("bert."
    in files with a head). `more` are heads beside the usual ones, `parts` what an encoder consists of, `poolers` the builders
    whose model has the pooler, `head` what matches the tensors of heads, `rename` spellings of the family's own.
    """
    fields.must("tie_word_embeddings", True, True)
    for setting in ("is_decoder", "add_cross_attention"):
        fields.must(setting, False, False)
    heads = {**{f"{name}{ending}": said for ending, said in _HEADS.items()}, **(more or {})}
    pooling = _pooling(fields, extras)
    if pooling is not None and not sentences:
        fields.differs("modules.json makes it an encoder of sentences, which numzoo has no builder for in this family")
    if pooling is not None:
        builder, task = "sentence_encoder", "sentence-similarity"
    else:
        named = fields.values.get("architectures") or [f"{name}Model"]
        kind = named[0] if isinstance(named, list) and len(named) == 1 and isinstance(named[0], str) else ""
        if kind not in heads:
            fields.fail("architectures", f"one of {', '.join(heads)}")
        builder, task = heads[kind]
    before = "" if builder in ("encoder", "sentence_encoder") else f"{family}."
    labels = fields.labels()
    if builder in _CLASSIFIERS:
        config = {**config, "classes": len(labels) or fields.whole("num_labels", 2)}
        fields.must("problem_type", ("single_label_classification", "multi_label_classification", None), None)
    ignore = [rf"({family}\.)?embeddings\.(position_ids|token_type_ids)"]
    if builder not in poolers:
        ignore.append(rf"({family}\.)?pooler\.(dense\.)?(weight|bias)")
        if pooling is not None and "encoder" in poolers:
            config = {**config, "pooler": False}
    if pooling is not None and head:
        ignore.append(head)
    inner = rf"(?:{family}\.)?((?:{parts})\.(?:.+\.)?LayerNorm)"
    return {
        "model": f"text.models.{builders}_{builder}",
        "config": {**config, **(pooling or {})},
        "keys": {
            "rename": [
                *({"match": match, "to": to} for match, to in rename),
                # The oldest files call a norm's parameters gamma and beta.
                {"match": rf"{inner}\.gamma", "to": rf"{before}\1.weight"},
                {"match": rf"{inner}\.beta", "to": rf"{before}\1.bias"},
                {"match": rf"(?:{family}\.)?((?:{parts})\..+)", "to": rf"{before}\1"},
            ],
            "ignore": ignore,
        },
        "task": task,
        "categories": labels if builder in _CLASSIFIERS else [],
    }


def _pooling(fields: Fields, extras: Mapping[str, Any]) -> dict[str, Any] | None:
    """How modules.json of sentence-transformers makes one vector of a text; None where there is none."""
    modules = extras.get("modules.json")
    if modules is None:
        return None
    if not isinstance(modules, list) or not all(isinstance(each, Mapping) for each in modules):
        fields.fail("modules.json", "a list of modules")
    kinds = [str(each.get("type", "")).rpartition(".")[2] for each in modules]
    paths = [each.get("path", "") for each in modules]
    if [kind for kind in kinds if kind not in _MODULES]:
        fields.differs(
            f"modules.json lists {', '.join(ascii(kind)[1:61] for kind in kinds)}; numzoo's are {', '.join(_MODULES)}"
        )
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        fields.differs("modules.json has another order than Transformer, Pooling, Normalize")
    if paths[0] or paths[1] != POOLING.partition("/")[0]:
        fields.differs(f"modules.json has its modules in other folders than here and {POOLING.partition('/')[0]}")
    said = Fields(extras.get(POOLING) or {}, who=f"{fields.who}, {POOLING}", family=fields.family)
    return {"pooling": _kind(said), "normalize": "Normalize" in kinds}


def _kind(said: Fields) -> str:
    """The pooling by the newer setting, or by the flags of older files, of which one must be set."""
    if "pooling_mode" in said:
        kind = said.text("pooling_mode")
        if kind not in _POOLING.values():
            said.differs(f"pooling_mode is {ascii(kind)[:40]}, and numzoo's are {', '.join(_POOLING.values())}")
        return kind
    flags = [name for name in said.values if name.startswith("pooling_mode_") and said.flag(name)]
    if len(flags) != 1 or flags[0] not in _POOLING:
        said.differs(f"it pools by {', '.join(flags)[:200] or 'nothing'}, and numzoo by one of {', '.join(_POOLING)}")
    return _POOLING[flags[0]]
