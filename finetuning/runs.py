"""A run in a folder: what began it, whether it may go on, and what it ends with."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from numzoo import hub
from numzoo.engine import data, nn, optim, train
from numzoo.finetuning.plan import Plan
from numzoo.finetuning.recipe import BACKBONE, schedule
from numzoo.finetuning.report import Report, per_class, write_confusion, write_curves, write_json
from numzoo.hub.errors import IntegrityError, NotFoundError, StorageError, UsageError

__all__ = ["adapt", "check_out", "run"]

RUN = "run.json"
"""The file that says how a run began."""


def adapt(network: nn.Module, plan: Plan) -> None:
    """Freeze, or lay adapters beside, what the recipe says."""
    if plan.recipe.lora is not None:
        nn.add_lora(network, plan.recipe.lora)
    for pattern in plan.recipe.freeze:
        nn.freeze(network, *([] if pattern == BACKBONE else [pattern]))


def run(
    plan: Plan, network: nn.Module, loader: data.DataLoader, held_out: data.DataLoader, optimizer: optim.Optimizer, out: Path, *,
    compute: Callable[[Any, Any], Any], save: Callable[[nn.Module, Path], Path], resume: bool = False, keep_adapters: bool = False, progress: bool = True,
) -> Report:  # fmt: skip
    """Train, judge the best epoch's weights, and write all of it below `out`; `save` writes the model's file there.

    Raises IntegrityError for a damaged checkpoint, StorageError where one cannot be written, and what reading samples and training raise.
    """
    recipe = plan.recipe
    scaler = optim.GradScaler() if recipe.precision == "fp16" else None
    began = time.perf_counter()
    write_json(_settings(plan), out / RUN)  # only now: what was refused before is no run, and leaves the folder free
    try:
        history = train.fit(
            network, loader, optimizer, epochs=recipe.epochs, compute=compute, validation=held_out, metrics=[train.Accuracy()], schedule=schedule,
            clip_norm=1.0, precision=recipe.precision, scaler=scaler, monitor="val_accuracy", patience=recipe.patience,
            checkpoint=out / "checkpoints", save_every=50, resume=resume, log=out / "log.csv", progress=progress,
        )  # fmt: skip
        best = hub.read_checkpoint(out / "checkpoints" / "best.safetensors")
        network.load_state_dict(
            {name.removeprefix("model."): array for name, array in best.items() if name.startswith("model.")}
        )
        counts = [
            sum(p.numel() for p in network.parameters() if p.requires_grad or not wanted) for wanted in (False, True)
        ]
        classes = plan.samples.classes
        accuracy, matrix = train.Accuracy(), train.ConfusionMatrix(len(classes))
        found = train.evaluate(
            network, held_out, metrics=[accuracy, matrix], compute=compute, precision=recipe.precision
        )
    except train.CheckpointError as error:
        raise (IntegrityError if error.errno is None else StorageError)(str(error)) from error
    finally:
        loader.close()
        held_out.close()
    if recipe.lora is not None and not keep_adapters:
        nn.remove_lora(network)
    path = save(network, out / "model.safetensors")
    files, notes = write_confusion(matrix.value(), classes, out)
    files = {
        "model": str(path),
        "log": str(out / "log.csv"),
        **files,
        **write_curves(history, out),
        "report": str(out / "report.json"),
    }
    report = Report(
        model=plan.model, accuracy=found["accuracy"], loss=found["loss"], classes=classes, per_class=per_class(matrix, classes, plan.samples.noun),
        confusion=tuple(tuple(row) for row in matrix.value().tolist()), epochs=len(history),
        best_epoch=int(history.best("val_accuracy", "max")["epoch"]), stopped=history.stopped, seconds=round(time.perf_counter() - began, 1),
        parameters=counts[0], trained_parameters=counts[1], history=tuple(history.rows), files=files, notes=notes,
    )  # fmt: skip
    write_json(report.document(), out / "report.json")
    return report


def check_out(out: Path, plan: Plan, resume: bool) -> None:
    """Make the folder to write to, if need be. Refuse one that holds a run to which this plan does not belong."""
    settings, noun = _settings(plan), plan.samples.noun
    if plan.samples.would_hold(out):
        raise UsageError(
            f"{out} lies where the class folders of {plan.samples.folder} are, and would be taken for one; --out names a folder elsewhere."
        )
    try:
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out} is a file; --out names a folder, old or new.")
        held = _held(out / RUN)
        if held is None and resume:
            raise NotFoundError(f"There is no run in {out} to resume; leave --resume out to begin one.")
        if not resume and (held is not None or (out / "checkpoints").exists()):
            raise UsageError(f"{out} holds a run already; --resume goes on with it, --out names another folder.")
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise StorageError(f"{out} cannot be written: {error.strerror or error}.") from error
    other = next((name for name in settings if held is not None and held.get(name) != settings[name]), None)
    if other == noun:
        raise UsageError(
            f"The {noun} in {plan.samples.folder} are no longer those that the run in {out} began with; begin another with --out."
        )
    if held is not None and other is not None:
        raise UsageError(
            f"The run in {out} began with {other} {held.get(other)!r}, not {settings[other]!r}; resume it with the "
            "same options, or begin another with --out."
        )


def _settings(plan: Plan) -> dict[str, Any]:
    """What a run is: it goes on only as it began."""
    recipe = json.loads(json.dumps(asdict(plan.recipe)))
    recipe.pop("workers")  # batches do not depend on it
    return {"model": plan.model, plan.samples.noun: plan.samples.digest(), **recipe}


def _held(note: Path) -> dict[str, Any] | None:
    """The settings of the run that a folder holds, None where there is none."""
    if not note.is_file():
        return None
    try:
        held = json.loads(note.read_text("utf-8"))
    except ValueError:
        held = None
    if not isinstance(held, dict):
        raise IntegrityError(f"{note} is damaged, and says no longer how the run began; begin another with --out.")
    return held
