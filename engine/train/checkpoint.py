"""Checkpoints of a run, for the loop of this package and for loops written by hand."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, StateError
from ..nn import Module
from ..random import default_generator
from . import archive
from .errors import CheckpointError, MissingCheckpointError

__all__ = ["Checkpoint"]

FORMAT = 1


class Checkpoint:
    """A folder of checkpoints of everything that is named here; each is one file, written wholly or not at all.

    The parts have ``state_dict`` and ``load_state_dict``: models, optimisers, schedules, EMA, data loaders, metrics. The state of all random numbers (the
    engine's, NumPy's and Python's) is kept beside them, and comes back last: a run goes on to the same bits.

    >>> from numzoo import engine
    >>> model = engine.nn.Linear(2, 1)
    >>> optimizer = engine.optim.SGD(model.parameters(), lr=0.1)
    >>> import tempfile
    >>> checkpoint = engine.train.Checkpoint(tempfile.mkdtemp(), model=model, optimizer=optimizer)
    >>> path = checkpoint.save("last", epoch=3)
    >>> checkpoint.load("last")
    {'epoch': 3}
    """

    def __init__(self, folder: str | os.PathLike[str], **parts: Any) -> None:
        if not isinstance(folder, (str, os.PathLike)) or not os.fspath(folder):
            raise ArgumentError(f"Checkpoint: wants the path of a folder, not {folder!r:.60}")
        for name, part in parts.items():
            if not callable(getattr(part, "state_dict", None)) or not callable(getattr(part, "load_state_dict", None)):
                raise ArgumentError(
                    f"Checkpoint: {name} is a {type(part).__name__}, which has no state_dict and load_state_dict"
                )
        self.folder = Path(folder)
        self.parts = parts
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"Checkpoint: {folder} cannot be made a folder: {error.strerror or error}", error.errno
            ) from error

    def path(self, name: str = "last") -> Path:
        """Where the checkpoint of this name lies, or will."""
        if not name or name != os.path.basename(name):
            raise ArgumentError(
                f"Checkpoint: a name is a file's name without its suffix, such as 'last', not {name!r:.60}"
            )
        return self.folder / f"{name}.safetensors"

    def exists(self, name: str = "last") -> bool:
        """Whether there is one of this name."""
        return self.path(name).is_file()

    def save(self, name: str = "last", **notes: Any) -> Path:
        """Write one, with ``notes`` that ``load`` gives back; the path. Raises CheckpointError, and the former one of this name is whole then."""
        path = self.path(name)
        kept = {part: value.state_dict() for part, value in self.parts.items()}
        archive.write(path, {**kept, "$format": FORMAT, "$notes": notes, "$random": random_state()})
        return path

    def load(self, name: str = "last") -> dict[str, Any]:
        """Give every part its state of then, and the random numbers theirs; the notes.

        Raises MissingCheckpointError, CheckpointError for a damaged file, StateError for the checkpoint of another run: another model, other parts.
        Models are compared first and changed last: after an error they are as they were.
        """
        path = self.path(name)
        if not path.is_file():
            found = ", ".join(sorted(file.stem for file in self.folder.glob("*.safetensors"))) or "none"
            raise MissingCheckpointError(f"Checkpoint: there is no {name!r} in {self.folder}; there are {found}")
        state = archive.read(path)
        if state.get("$format") != FORMAT:
            raise CheckpointError(
                f"Checkpoint: {path} is of format {state.get('$format')!r}, and this version reads {FORMAT}"
            )
        given = {part for part in state if not part.startswith("$")}
        if given != set(self.parts):
            only = sorted(given ^ set(self.parts))[0]
            where = "the checkpoint" if only in given else "this run"
            raise StateError(
                f"Checkpoint: {path} is of another run: only {where} has {only!r}; give the same parts as then"
            )
        models = {part: value for part, value in self.parts.items() if isinstance(value, Module)}
        for part, model in models.items():
            _refuse_another(path, model, state[part])
        loads: dict[str, Callable[[Any], Any]] = {
            p: v.load_state_dict for p, v in self.parts.items() if p not in models
        }
        loads |= {"$random": restore_random, **{part: model.load_state_dict for part, model in models.items()}}
        for part, load in loads.items():
            try:
                load(state[part])
            except StateError as error:
                raise StateError(f"Checkpoint: {path} does not fit {part}: {error}") from error
            except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError) as error:
                raise CheckpointError(
                    f"Checkpoint: {path} is damaged, or of another version: {part} cannot read it ({type(error).__name__}: {error})"
                ) from error
        notes: dict[str, Any] = state["$notes"]
        return notes


def random_state() -> dict[str, Any]:
    """Where all streams of random numbers stand: the engine's, NumPy's global one and Python's."""
    version, words, gauss = random.getstate()
    return {
        "engine": default_generator().get_state(),
        "numpy": np.random.get_state(legacy=False),
        "python": [version, np.array(words, np.uint32), gauss],
    }


def restore_random(state: Mapping[str, Any]) -> None:
    """Let all streams go on from where ``random_state`` stood."""
    default_generator().set_state(state["engine"])
    np.random.set_state(state["numpy"])
    version, words, gauss = state["python"]
    random.setstate((version, tuple(int(word) for word in words), gauss))


def _refuse_another(path: Path, model: Module, state: Any) -> None:
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    given = {name: np.shape(array) for name, array in state.items()} if isinstance(state, Mapping) else {}
    if own == given:
        return
    name = next(n for n in {**own, **given} if own.get(n) != given.get(n))

    def of(shapes: Mapping[str, tuple[int, ...]]) -> str:
        return str(shapes[name]) if name in shapes else "nothing"

    raise StateError(
        f"Checkpoint: {path} is of another model than this {type(model).__name__}: {name!r} is {of(given)} in the checkpoint and {of(own)} in the model; "
        "build the model that was trained, or choose another folder"
    )
