"""The loop: what it computes, when it stops, what it says, and what it refuses."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import data, nn, optim, train
from numzoo.engine.nn import functional as F

RNG = np.random.default_rng(1)
X = RNG.standard_normal((96, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int64)


def network(seed: int = 3) -> nn.Module:
    engine.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def fitted(model: nn.Module, source: Any = None, rate: float = 0.1, **settings: Any) -> train.History:
    source = data.DataLoader(data.TensorDataset(X, Y), 24, seed=7, shuffle=True) if source is None else source
    settings.setdefault("progress", False)
    return train.fit(model, source, optim.SGD(model.parameters(), lr=rate, momentum=0.9), **settings)


def weights(model: nn.Module) -> list[np.ndarray[Any, Any]]:
    return [tensor.numpy().copy() for tensor in model.state_dict().values()]


def assert_equal(one: nn.Module, other: nn.Module) -> None:
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_fit_does_what_a_loop_by_hand_does() -> None:
    by_hand, model = network(), network()
    optimizer = optim.SGD(by_hand.parameters(), lr=0.1, momentum=0.9)
    schedule = optim.StepLR(optimizer, 2)
    loader = data.DataLoader(data.TensorDataset(X, Y), 24, seed=7, shuffle=True)
    losses = []
    for _ in range(4):
        total = 0.0
        for inputs, targets in loader:
            loss = F.cross_entropy(by_hand(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(by_hand.parameters(), 0.5)
            optimizer.step()
            total += loss.item() * len(targets)
        schedule.step()
        losses.append(total / 96)
    trainer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    history = train.fit(
        model, data.DataLoader(data.TensorDataset(X, Y), 24, seed=7, shuffle=True), trainer, epochs=4, clip_norm=0.5, schedule=optim.StepLR(trainer, 2),
        progress=False,
    )  # fmt: skip
    assert_equal(model, by_hand)
    assert history["loss"] == pytest.approx(losses)
    assert history["lr"] == pytest.approx([0.1, 0.1, 0.01, 0.01])
    assert history["step"] == [4, 8, 12, 16]


def test_accumulated_batches_make_the_gradient_of_one_large_batch() -> None:
    small, large = network(), network()
    one = fitted(
        small, data.DataLoader(data.TensorDataset(X[:90], Y[:90]), 20), accumulate=5, epochs=3
    )  # 20, 20, 20, 20, 10
    other = fitted(large, data.DataLoader(data.TensorDataset(X[:90], Y[:90]), 90), epochs=3)
    for a, b in zip(weights(small), weights(large), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)
    assert one[-1]["step"] == 3


def test_metrics_and_validation_are_in_the_history_and_are_right() -> None:
    model = network()
    metrics = [train.Accuracy(), train.ConfusionMatrix(2)]
    history = fitted(model, epochs=6, validation=(X, Y), metrics=metrics)
    model.eval()
    logits = model(X)
    assert history[-1]["val_accuracy"] == float((logits.numpy().argmax(1) == Y).mean()) > 0.9
    assert history[-1]["val_loss"] == pytest.approx(F.cross_entropy(logits, Y).item(), rel=1e-5)
    assert metrics[1].value().sum() == 96
    assert history.best("val_loss") is min(history, key=lambda row: row["val_loss"])
    with pytest.raises(engine.ArgumentError, match="val_accuracy"):
        history["val_acuracy"]


def test_evaluation_leaves_modes_and_weights_as_they_were() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(8, 2))
    model.train()
    model[1].eval()
    before = weights(model)
    found = train.evaluate(model, [(engine.rand(4, 1, 2, 2), np.array([0, 1, 0, 1]))], F.cross_entropy)
    assert set(found) == {"loss"}
    assert [module.training for module in model.children()] == [True, False, True, True, True]
    assert all((a == b).all() for a, b in zip(before, weights(model), strict=True))
    with pytest.raises(data.DataError, match="no batch"):
        train.evaluate(model, [])


def test_validation_uses_the_averaged_weights() -> None:
    model = network()
    average = optim.EMA(model, 0.9)
    history = fitted(model, epochs=2, validation=(X, Y), ema=average)
    plain = train.evaluate(model, [(engine.tensor(X), Y)], F.cross_entropy)["loss"]
    with average.swapped():
        averaged = train.evaluate(model, [(engine.tensor(X), Y)], F.cross_entropy)["loss"]
    assert history[-1]["val_loss"] == pytest.approx(averaged, rel=1e-5)
    assert abs(plain - averaged) > 1e-3


def test_precision_holds_in_training_and_validation() -> None:
    seen = set()

    class Watching(nn.Linear):
        def forward(self, x: Any) -> Any:
            seen.add((self.training, engine.modes.modes.precision))
            return super().forward(x)

    fitted(Watching(4, 2), precision="bf16", validation=(X, Y))
    assert seen == {(True, engine.bfloat16), (False, engine.bfloat16)}


class Scaler:
    """A gradient scaler with PyTorch's methods and a fixed scale."""

    told: tuple[str, ...] = ()

    def scale(self, loss: Any) -> Any:
        self.told += ("scale",)
        return loss * 8.0

    def unscale_(self, optimizer: optim.Optimizer) -> None:
        self.told += ("unscale_",)
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = parameter.grad / 8.0

    def step(self, optimizer: optim.Optimizer) -> None:
        self.told += ("step",)
        optimizer.step()

    def update(self) -> None:
        self.told += ("update",)

    def state_dict(self) -> dict[str, Any]:
        return {"told": list(self.told)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.told = tuple(state["told"])


def test_a_scaler_scales_before_backward_and_unscales_before_clipping(tmp_path: Path) -> None:
    scaled, plain, scaler = network(), network(), Scaler()
    fitted(scaled, clip_norm=0.3, scaler=scaler, checkpoint=tmp_path)
    fitted(plain, clip_norm=0.3)
    assert_equal(scaled, plain)
    assert scaler.told == ("scale", "unscale_", "step", "update") * 4
    again = Scaler()
    fitted(scaled, scaler=again, checkpoint=tmp_path, resume=True)
    assert again.told == scaler.told


def test_detect_anomaly_names_the_operation_of_the_first_nan() -> None:
    with engine.detect_anomaly(), pytest.raises(engine.GradientError, match="log: its result"):
        fitted(network(), (X, Y), loss=lambda outputs, targets: outputs.log().mean())


def test_schedules_by_step_by_epoch_by_plateau_and_made_by_a_function() -> None:
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    rates: list[float] = []

    class Rates:
        def on_step(self, run: train.Run) -> None:
            rates.append(run.rate)

    history = train.fit(
        model,
        (X, Y),
        optimizer,
        batch_size=48,
        epochs=2,
        schedule=lambda o, n: optim.LinearLR(o, 1.0, 0.5, n),
        callbacks=[Rates()],
        progress=False,
    )
    assert rates == pytest.approx([0.875, 0.75, 0.625, 0.5])  # the next step's
    assert history["lr"] == pytest.approx([0.875, 0.625])  # the last step's of each epoch
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    optimizer.param_groups[0]["lr"] = 1e-9
    plateau = optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=0.5)
    history = train.fit(
        model, data.DataLoader(data.TensorDataset(X, Y), 96), optimizer, epochs=3, schedule=plateau, progress=False
    )
    assert history["lr"] == [1e-9, 1e-9, 1e-9]  # a cut of less than eps is not made
    plateau.eps = 0.0
    train.fit(model, (X, Y), optimizer, epochs=2, schedule=plateau, progress=False)
    assert optimizer.param_groups[0]["lr"] < 1e-9


def test_callbacks_are_told_in_order_and_may_stop_the_run() -> None:
    told: list[str] = []

    class Listener:
        def on_start(self, run: train.Run) -> None:
            told.append("start")

        def on_step(self, run: train.Run) -> None:
            told.append(f"step {run.step} {run.step_of_epoch}")
            if run.step == 3:
                run.stop("enough")

        def on_epoch(self, run: train.Run) -> None:
            told.append(f"epoch {run.epoch}")

        def on_end(self, run: train.Run) -> None:
            told.append("end")

    history = fitted(
        network(), (X, Y), batch_size=48, epochs=9, callbacks=[Listener(), lambda run: told.append("function")]
    )
    assert told == ["start", "step 1 1", "step 2 2", "epoch 1", "function", "step 3 1", "end"]
    assert (history.stopped, len(history)) == ("enough", 1)


@pytest.mark.parametrize("bad", [object(), type("Wrong", (), {"on_batch": print})(), train.EarlyStopping, 3])
def test_what_is_no_callback_is_refused(bad: Any) -> None:
    with pytest.raises(engine.ArgumentError, match="on_start, on_step, on_epoch, on_end"):
        fitted(network(), callbacks=[bad])


@pytest.mark.parametrize(("rows", "bar"), [(0, False), (24, True)])
def test_a_bar_is_for_terminals_that_have_room(rows: int, bar: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    master, side = os.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("4H", rows, 100, 0, 0))
    with open(side, "w") as terminal, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", terminal)
        fitted(network(), epochs=2, progress=True)
    shown = ""
    with contextlib.suppress(OSError):  # the other side is closed: what a terminal says at its end
        while piece := os.read(master, 10_000):
            shown += piece.decode()
    os.close(master)
    assert ("epoch 2/2" in shown, "epoch 2/2: loss" in shown) == (True, not bar)
    assert shown.count("loss") >= 2


def test_the_precision_around_the_call_holds_unless_one_is_given() -> None:
    def trained(**settings: Any) -> nn.Module:
        model = network()
        fitted(model, epochs=2, **settings)
        return model

    plain, narrow = trained(precision="f32"), trained(precision="bf16")
    assert any((a != b).any() for a, b in zip(weights(plain), weights(narrow), strict=True))
    with engine.precision("bf16"):
        assert_equal(trained(), narrow)
        assert_equal(trained(precision="f32"), plain)


class Largest:
    """A metric of one's own, of the least that one needs."""

    name = "largest"

    def reset(self) -> None:
        self.found = np.float32(0)

    def update(self, outputs: Any, targets: Any) -> None:
        self.found = max(self.found, np.float32(outputs.numpy().max()))

    def value(self) -> Any:
        return self.found


@pytest.mark.parametrize("kind", [np.float32, np.array, engine.tensor, float])
def test_a_metric_of_ones_own_needs_three_methods_and_a_name(kind: Any, tmp_path: Path) -> None:
    class Own(Largest):
        def value(self) -> Any:
            return kind(self.found)

    settings: Any = {
        "validation": (X, Y),
        "metrics": [Own()],
        "monitor": "val_largest",
        "checkpoint": tmp_path,
        "resume": True,
    }
    fitted(network(), epochs=1, **settings)
    history = fitted(network(), epochs=2, **settings)
    assert len(history["val_largest"]) == 2
    assert min(history["largest"]) > 0


@pytest.mark.parametrize("name", ["", "loss", "seconds", "val_f1", None, 3])
def test_a_metric_cannot_take_a_column_that_is_there(name: Any) -> None:
    metric = train.Accuracy()
    metric.name = name
    with pytest.raises(engine.ArgumentError, match="give it a name"):
        fitted(network(), metrics=[metric])


def test_early_stopping_waits_for_its_patience() -> None:
    losses = iter([5.0, 4.0, 4.5, 4.2, 3.9, 4.0, 4.0, 4.0, 1.0])
    history = fitted(network(), epochs=20, rate=0.0, loss=lambda outputs, targets: outputs.sum() * 0 + next(losses),
                     source=data.DataLoader(data.TensorDataset(X, Y), 96), patience=3)  # fmt: skip
    assert len(history) == 8
    assert "has not improved for 3 epochs; its best is 3.9" in history.stopped


@pytest.mark.parametrize(("epochs", "stopped"), [(2, False), (3, True)])
def test_a_last_epoch_without_improvement_is_no_early_stop(epochs: int, stopped: bool) -> None:
    history = fitted(network(), (X, Y), epochs=epochs, batch_size=96, patience=1, rate=0.0)
    assert (len(history), bool(history.stopped)) == (2, stopped)


def test_the_engines_scaler_trains_in_float16_and_resumes_to_the_same_bits(tmp_path: Path) -> None:
    def trained(epochs: int, **more: Any) -> tuple[nn.Module, train.History, float]:
        model, scaler = network(), optim.GradScaler(init_scale=2.0**40)
        history = fitted(model, precision="fp16", scaler=scaler, clip_norm=1.0, epochs=epochs, **more)
        return model, history, scaler.get_scale()

    whole, history, scale = trained(12)
    assert scale < 2**40  # gradients overflowed at first, and those updates were passed over
    assert history["loss"][-1] < history["loss"][0] - 0.1
    trained(5, checkpoint=tmp_path)
    resumed, again, end = trained(12, checkpoint=tmp_path, resume=True)
    assert_equal(resumed, whole)
    assert (again["loss"], end) == (history["loss"], scale)


def test_the_best_checkpoint_is_the_best_epochs(tmp_path: Path) -> None:
    history = fitted(
        network(),
        epochs=8,
        rate=1.5,
        validation=(X[:9], Y[:9]),
        metrics=[train.Accuracy()],
        monitor="val_accuracy",
        checkpoint=tmp_path,
    )
    best = history.best("val_accuracy", "max")
    assert train.archive.read(tmp_path / "best.safetensors")["$notes"]["epoch"] == best["epoch"]
    assert train.archive.read(tmp_path / "last.safetensors")["$notes"] == {"epoch": 8, "step": 32}


class Streamed:
    """Batches without a length, a state or an index."""

    def __iter__(self) -> Iterator[Any]:
        return ((engine.tensor(X[at : at + 24]), Y[at : at + 24]) for at in range(0, 96, 24))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("at", [2, 3, 4, 5, 8])
def test_a_run_that_failed_anywhere_resumes_to_the_same_bits(at: int, streamed: bool, tmp_path: Path) -> None:
    class Failing:
        def on_step(self, run: train.Run) -> None:
            if run.step == at:
                raise RuntimeError("the machine burns")

    def run(model: nn.Module, **settings: Any) -> train.History:
        source: Any = Streamed() if streamed else data.DataLoader(data.TensorDataset(X, Y), 24, shuffle=True)
        optimizer = optim.AdamW(model.parameters(), lr=0.05)
        return train.fit(
            model, source, optimizer, epochs=3, validation=(X, Y), metrics=[train.Accuracy()], schedule=optim.CosineAnnealingLR(optimizer, 3),
            ema=0.9, progress=False, **settings,
        )  # fmt: skip

    def dropping() -> nn.Module:
        engine.manual_seed(4)
        return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 2))

    whole = dropping()
    wanted = run(whole)
    resumed = dropping()
    with pytest.raises(RuntimeError, match="burns"):
        run(resumed, checkpoint=tmp_path, save_every=1, callbacks=[Failing()])
    engine.manual_seed(99)  # whatever the new process begins with
    resumed = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 2))
    found = run(resumed, checkpoint=tmp_path, save_every=1, resume=True, callbacks=[])
    assert_equal(whole, resumed)
    for one, other in zip(wanted, found, strict=True):
        assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}


def test_a_run_that_a_callback_stopped_has_a_checkpoint_and_is_over(tmp_path: Path) -> None:
    stop: Any = type("Stop", (), {"on_step": lambda self, run: run.stop("enough") if run.step == 2 else None})()
    model, again = network(), network(8)
    fitted(model, epochs=3, checkpoint=tmp_path, callbacks=[stop])
    history = fitted(again, epochs=3, checkpoint=tmp_path, resume=True)
    assert (history.stopped, len(history)) == ("enough", 0)
    assert_equal(model, again)


def test_a_finished_run_resumes_to_nothing_and_to_more_epochs(tmp_path: Path) -> None:
    model, whole = network(), network()
    fitted(model, epochs=2, checkpoint=tmp_path)
    again = network()
    assert len(fitted(again, epochs=2, checkpoint=tmp_path, resume=True)) == 2
    assert_equal(model, again)
    assert len(fitted(again, epochs=3, checkpoint=tmp_path, resume=True)) == 3
    fitted(whole, epochs=3)
    assert_equal(again, whole)


def test_a_schedule_that_was_planned_for_other_epochs_is_not_stretched(tmp_path: Path) -> None:
    def run(epochs: int) -> train.History:
        plan = lambda optimizer, steps: optim.OneCycleLR(optimizer, 0.1, steps)  # noqa: E731
        return fitted(network(), epochs=epochs, schedule=plan, checkpoint=tmp_path, resume=True)

    assert len(run(2)) == 2
    assert len(run(2)) == 2
    with pytest.raises(engine.StateError, match=r"planned for 2 epochs.*resume it with epochs=2"):
        run(3)


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    fitted(network(), checkpoint=tmp_path)
    with pytest.raises(engine.SettingError, match="resume=True"):
        fitted(network(), checkpoint=tmp_path)


def test_ctrl_c_ends_after_the_step_with_a_good_checkpoint(tmp_path: Path) -> None:
    class Pressed:
        def on_step(self, run: train.Run) -> None:
            if run.step == 5:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fitted(network(), epochs=4, checkpoint=tmp_path, callbacks=[Pressed()])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert train.archive.read(tmp_path / "last.safetensors")["$notes"] == {"epoch": 1, "step": 5}
    whole, resumed = network(), network(8)
    fitted(whole, epochs=4)
    fitted(resumed, epochs=4, checkpoint=tmp_path, resume=True, callbacks=[])
    assert_equal(whole, resumed)


def test_ctrl_c_in_validation_resumes_with_the_validation(tmp_path: Path) -> None:
    class Pressing(data.Dataset[Any]):
        pressed = False

        def __len__(self) -> int:
            return 96

        def __getitem__(self, index: int) -> Any:
            if index == 40 and not Pressing.pressed:
                Pressing.pressed = True
                os.kill(os.getpid(), signal.SIGINT)
            return X[index], Y[index]

    resumed, whole = network(), network()
    with pytest.raises(KeyboardInterrupt):
        fitted(resumed, epochs=2, checkpoint=tmp_path, validation=Pressing())
    resumed = network(8)
    found = fitted(resumed, epochs=2, checkpoint=tmp_path, validation=Pressing(), resume=True)
    wanted = fitted(whole, epochs=2, validation=(X, Y))
    assert_equal(whole, resumed)
    assert (found["val_loss"], found["step"]) == (wanted["val_loss"], [4, 8])


def test_an_interruption_in_the_middle_of_a_step_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    class Torn(optim.SGD):
        def step(self, closure: Any = None) -> Any:
            if self.param_groups[0]["params"][0].grad is not None and train.archive and len(list(tmp_path.iterdir())):
                raise KeyboardInterrupt
            return super().step(closure)

    model = network()
    with pytest.raises(KeyboardInterrupt):
        train.fit(
            model, (X, Y), Torn(model.parameters(), lr=0.1), epochs=3, checkpoint=tmp_path, save_every=2, progress=False
        )
    assert train.archive.read(tmp_path / "last.safetensors")["$notes"] == {"epoch": 0, "step": 2}


def test_a_nan_loss_stops_says_where_and_updates_nothing(tmp_path: Path) -> None:
    rows = X.copy()
    rows[60] = np.nan
    model = network()
    loader = data.DataLoader(data.TensorDataset(rows, Y), 24)
    with pytest.raises(train.NonFiniteError, match=r"the loss is nan at step 3 \(epoch 1, batch 3\).*detect_anomaly"):
        fitted(model, loader, checkpoint=tmp_path, save_every=1)
    assert all(np.isfinite(w).all() for w in weights(model))
    assert train.archive.read(tmp_path / "last.safetensors")["$notes"]["step"] == 2


def test_a_checkpoint_of_nan_weights_is_not_written_over_a_good_one(tmp_path: Path) -> None:
    class Poison:
        def on_step(self, run: train.Run) -> None:
            if run.step == 3:
                next(iter(run.model.parameters())).array[0] = np.nan

    with pytest.raises(train.NonFiniteError, match=r"after step 3 .* parameter 0.weight"):
        fitted(network(), checkpoint=tmp_path, save_every=1, callbacks=[Poison()])
    assert train.archive.read(tmp_path / "last.safetensors")["$notes"]["step"] == 2


def test_a_failing_checkpoint_ends_the_run_with_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter([None, None, OSError(28, "No space left on device")])

    def failing(descriptor: int) -> None:
        error = next(calls)
        if error is not None:
            raise error

    monkeypatch.setattr(os, "fsync", failing)  # twice a checkpoint: the file, then its folder
    with pytest.raises(train.CheckpointError, match="No space left on device"):
        fitted(network(), checkpoint=tmp_path, save_every=1)
    assert train.archive.read(tmp_path / "last.safetensors")["$notes"]["step"] == 1


def test_batches_of_another_form_are_computed_by_a_function() -> None:
    def compute(model: Any, batch: Any) -> Any:
        outputs = model(batch["x"])
        return F.cross_entropy(outputs, batch["y"]), outputs, batch["y"]

    class Rows(data.Dataset[Any]):
        def __len__(self) -> int:
            return 96

        def __getitem__(self, index: int) -> Any:
            return {"x": X[index], "y": Y[index]}

    named, paired = network(), network()
    history = fitted(
        named, data.DataLoader(Rows(), 24, seed=7, shuffle=True), compute=compute, metrics=[train.Accuracy()]
    )
    assert history["accuracy"] == fitted(paired, metrics=[train.Accuracy()])["accuracy"]
    assert_equal(named, paired)


def test_the_log_is_a_table_that_a_resumed_run_continues(tmp_path: Path) -> None:
    log = tmp_path / "runs" / "log.csv"
    fitted(network(), epochs=2, checkpoint=tmp_path, log=log)
    fitted(network(), epochs=3, checkpoint=tmp_path, log=log, resume=True)
    lines = log.read_text().splitlines()
    assert lines[0] == "epoch,step,loss,lr,seconds"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3"]


def test_progress_prints_a_line_an_epoch_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    fitted(network(), epochs=2, validation=(X, Y), progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert "val_loss" in lines[0]
    assert "lr 0.1" in lines[0]


def test_a_bar_shows_steps_loss_and_rate(capsys: pytest.CaptureFixture[str]) -> None:
    fitted(network(), epochs=2, callbacks=[train.Progress(bar=True)])
    shown = capsys.readouterr().err
    assert "epoch 2/2" in shown
    assert "4/4" in shown
    assert "lr 0.1" in shown


def test_pictures_and_event_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("tensorboardX")
    history = fitted(network(), epochs=2, validation=(X, Y), tensorboard=tmp_path / "events")
    history.plot(tmp_path / "history.png")
    train.plot_confusion(
        [[3, 1], [0, 4]], ["$\\frac$", "\U00013000"], tmp_path / "confusion.png"
    )  # no formula; in no font
    for name in ("history.png", "confusion.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
    (events,) = (tmp_path / "events").iterdir()
    body = events.read_bytes()
    for tag in (b"epoch/val_loss", b"epoch/loss", b"epoch/lr"):
        assert tag in body
    with pytest.raises(engine.ArgumentError, match="2 classes"):
        train.plot_confusion([[1]], ["cat", "dog"], tmp_path / "x.png")


@pytest.mark.parametrize(("module", "call"), [
    ("matplotlib.figure", lambda: train.plot_confusion([[1]], ["a"], "x.png")),
    ("tensorboardX", lambda: train.TensorBoard("events")),
])  # fmt: skip
def test_a_missing_extra_says_how_to_get_it(module: str, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "numzoo\[(plot|tensorboard)\]"'):
        call()


LINEAR = nn.Linear(4, 2)


def sgd(model: nn.Module = LINEAR, lr: float = 0.1) -> optim.Optimizer:
    return optim.SGD(model.parameters(), lr=lr)


BAD = [
    (lambda: train.fit(LINEAR, (X, Y), sgd(lr=-1.0)), engine.SettingError, "lr must be"),
    (lambda: train.fit(LINEAR, (X[:0], Y[:0]), sgd()), data.DataError, "data is empty"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), validation=(X[:0], Y[:0])), data.DataError, "validation is empty"),
    (lambda: train.fit(LINEAR, Streamed.__iter__(Streamed()), sgd()), engine.ArgumentError, "only once"),
    (lambda: train.fit(LINEAR, "photos", sgd()), engine.ArgumentError, "not a str"),
    (lambda: train.fit(LINEAR, (X, Y[:5]), sgd()), engine.ShapeError, "same length"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), epochs=0), engine.SettingError, "epochs must be"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), accumulate=1.5), engine.SettingError, "accumulate must be"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), precision="bf61"), engine.SettingError, "bf61"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), resume=True), engine.SettingError, "checkpoint="),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), mode="best"), engine.SettingError, "'min' or 'max'"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), monitor="val_accuracy", progress=False), engine.ArgumentError, "no 'val_accuracy'"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), schedule_every="batch"), engine.SettingError, "'epoch' or 'step'"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(nn.Linear(4, 2))), engine.ArgumentError, "none of the model's parameters"),
    (lambda: train.fit(LINEAR, (X, Y), "adam"), engine.ArgumentError, "optim.AdamW"),
    (lambda: train.fit("resnet", (X, Y), sgd()), engine.ArgumentError, "nn.Module"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), metrics=["accuracy"]), engine.ArgumentError, "train.Accuracy"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), metrics=[train.Accuracy(), train.Accuracy()]), engine.ArgumentError, "two metrics"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), metrics=[train.Accuracy]), engine.ArgumentError, "train.Accuracy"),  # type: ignore[list-item]
    (lambda: train.fit(LINEAR, (X, Y), sgd(), metrics=train.Accuracy()), engine.ArgumentError, r"write metrics=\[\.\.\.\]"),  # type: ignore[arg-type]
    (lambda: train.fit(LINEAR, (X, Y), sgd(), callbacks=print), engine.ArgumentError, r"write callbacks=\[\.\.\.\]"),  # type: ignore[arg-type]
    (lambda: train.fit(LINEAR, (X, Y), sgd(), ema="0.9"), engine.ArgumentError, "ema is a decay"),  # type: ignore[arg-type]
    (lambda: train.fit(LINEAR, (X, Y), sgd(), scaler=True), engine.ArgumentError, "GradScaler"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), schedule=optim.StepLR(sgd(), 1)), engine.ArgumentError, "another optimizer"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), schedule=lambda o, n: None), engine.ArgumentError, "returned None"),  # type: ignore[arg-type, return-value]
    (lambda: train.fit(LINEAR, (X, Y), sgd(), loss=None), engine.ArgumentError, "no loss to train with"),  # type: ignore[arg-type]
    (lambda: train.fit(LINEAR, (X, Y), sgd(), metrics=[train.Accuracy()], compute=lambda m, b: m(b[0]).mean()), engine.ArgumentError, "loss alone"),
    (lambda: train.Stepper(LINEAR, sgd(), F.cross_entropy)(), data.DataError, "wants a batch"),
    (lambda: train.evaluate(LINEAR, (X, Y), F.cross_entropy), engine.ArgumentError, "DataLoader"),
    (lambda: train.evaluate(LINEAR, data.TensorDataset(X, Y), F.cross_entropy), engine.ArgumentError, "DataLoader"),
    (lambda: train.fit(LINEAR, data.TensorDataset(X), sgd()), engine.ArgumentError, "compute="),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), loss=lambda o, t: o), engine.ArgumentError, "one number"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), patience=-1), engine.SettingError, "patience"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), ema=2.0), engine.SettingError, "decay"),
    (lambda: train.fit(LINEAR, (X, Y), sgd(), clip_norm=-1.0), engine.SettingError, "max_norm"),
    (lambda: train.fit(LINEAR, Streamed(), sgd(), schedule=lambda o, n: None), engine.ArgumentError, "without a length"),  # type: ignore[arg-type, return-value]
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), BAD)
def test_bad_input_is_refused(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_history_ignores_nan_when_it_looks_for_the_best() -> None:
    history = train.History()
    history.rows = [{"loss": math.nan}, {"loss": 2.0}, {"loss": 1.0}]
    assert history.best("loss") == {"loss": 1.0}
    assert history.best("loss", "max") == {"loss": 2.0}
    with pytest.raises(engine.SettingError, match="'min' or 'max'"):
        history.best("loss", "low")
