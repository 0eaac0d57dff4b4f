"""What happened when a checkpoint met a model: the load report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LoadReport"]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was loaded, renamed, ignored and freshly initialised. Nothing else can have happened.

    `loaded`, `initialised` and `defaulted` are names of the model and together all of its state; `ignored` and the keys
    of `renamed` are names of the file. `defaulted` are counters that old files lack and inference never reads
    (``num_batches_tracked``, zero). `converted` says which tensors changed their type, as "float16 to float32".
    `model` and `config` are the builder and the settings that made the model, empty for one that was built elsewhere. `base` and `base_sha256`
    are the registry entry and the file that the weights come from, empty for a file of one's own; `adapted` are the layers into whose
    weights low-rank adapters were added. `zeros` are names of the model that are zero because the file lacks them, as declared. A tensor that
    was joined from several has each of them in `renamed`, as "NAME[1/3]". `notes` are a file's own words about itself.
    """

    name: str
    source: str
    sha256: str
    loaded: tuple[str, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    initialised: tuple[str, ...] = ()
    defaulted: tuple[str, ...] = ()
    converted: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    base: str = ""
    base_sha256: str = ""
    adapted: tuple[str, ...] = ()
    zeros: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{self.name} from {self.source}", f"  sha256       {self.sha256}"]
        lines.append(f"  loaded       {_count(len(self.loaded), 'tensor')}")
        if self.base and self.base != self.name:
            lines.append(f"  base         {self.base}, sha256 {self.base_sha256}")
        if self.adapted:
            lines.append(
                f"  adapted      {_count(len(self.adapted), 'layer')} (low-rank differences added to their weights)"
            )
        if self.renamed:
            lines.append(f"  renamed      {_some(f'{old} -> {new}' for old, new in self.renamed.items())}")
        if self.converted:
            kinds = sorted(set(self.converted.values()))
            lines.append(f"  converted    {_count(len(self.converted), 'tensor')} ({', '.join(kinds)})")
        if self.ignored:
            lines.append(f"  ignored      {_some(self.ignored)} (declared, or the head of other classes)")
        if self.zeros:
            lines.append(f"  zeros        {_some(self.zeros)} (declared: the file has no such tensor)")
        if self.defaulted:
            lines.append(f"  defaulted    {_some(self.defaulted)} (not in the file; counters start at zero)")
        if self.initialised:
            lines.append(f"  initialised  {_some(self.initialised)} ({'; '.join(self._why())})")
        else:
            lines.append("  initialised  nothing")
        return "\n".join(lines)

    def _why(self) -> list[str]:
        return sorted({self.reasons.get(name, "fresh") for name in self.initialised})


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _some(names: Iterable[str], most: int = 4) -> str:
    """The first names of many, and how many more there are."""
    known = list(names)
    shown = ", ".join(known[:most])
    return shown if len(known) <= most else f"{shown} and {len(known) - most} more"
