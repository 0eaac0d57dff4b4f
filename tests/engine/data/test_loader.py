"""The loader in one process: batches, order, seeds, states, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import data
from numzoo.engine.data.device import is_pinned
from numzoo.engine.errors import ArgumentError, EngineError, SettingError, StateError


class Draws(data.Dataset[Any]):
    def __init__(self, length: int = 10) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        return index, data.sample_generator().random() + data.sample_generator().random()


class Lines(data.IterableDataset[int]):
    def __init__(self, count: int = 7) -> None:
        self.count = count

    def __iter__(self) -> Any:
        return iter(range(self.count))


class Measured(Lines):
    def __init__(self, count: int, claimed: int) -> None:
        super().__init__(count)
        self.claimed = claimed

    def __len__(self) -> int:
        return self.claimed


class Boastful(Draws):
    def __getitem__(self, index: int) -> int:
        return [0, 1, 2][index]


class Sampler:
    def __init__(self, indices: list[int], claimed: int) -> None:
        self.indices, self.claimed = indices, claimed

    def __len__(self) -> int:
        return self.claimed

    def __iter__(self) -> Any:
        return iter(self.indices)


def lists(loader: data.DataLoader) -> list[Any]:
    return [data.collate.walk(batch, lambda v: v.tolist() if hasattr(v, "tolist") else v) for batch in loader]


class TestBatches:
    def test_batches_come_in_order_and_are_counted(self) -> None:
        loader = data.DataLoader(range(5), batch_size=2)
        assert lists(loader) == [[0, 1], [2, 3], [4]]
        assert len(loader) == 3
        loader = data.DataLoader(range(5), 2, drop_last=True)
        assert lists(loader) == [[0, 1], [2, 3]]
        assert len(loader) == 2

    def test_without_batches_items_come_alone(self) -> None:
        loader = data.DataLoader([np.zeros(2), "text", 3], batch_size=None)
        first, *others = list(loader)
        assert isinstance(first, engine.Tensor)
        assert others == ["text", 3]
        assert len(loader) == 3

    def test_samplers_and_batch_samplers_decide(self) -> None:
        assert lists(data.DataLoader(range(9), 2, sampler=[8, 1, 1])) == [[8, 1], [1]]
        assert lists(data.DataLoader(range(9), batch_sampler=[[3], [4, 5]])) == [[3], [4, 5]]
        assert len(data.DataLoader(range(9), batch_sampler=[[3], [4, 5]])) == 2
        assert lists(data.DataLoader({"a": 1, "b": 2}, 2, sampler=["b", "a"])) == [[2, 1]]
        assert lists(data.DataLoader(range(9), 4, sampler=engine.arange(3))) == [[0, 1, 2]]

    def test_a_collate_function_replaces_the_default(self) -> None:
        assert list(data.DataLoader(range(3), 2, collate_fn=list)) == [[0, 1], [2]]

    def test_a_stream_is_read_anew_every_epoch(self) -> None:
        loader = data.DataLoader(Lines(), 3)
        assert lists(loader) == lists(loader) == [[0, 1, 2], [3, 4, 5], [6]]
        assert lists(data.DataLoader(Measured(7, 7), 3, drop_last=True)) == [[0, 1, 2], [3, 4, 5]]
        assert len(data.DataLoader(Measured(7, 7), 3)) == 3
        with pytest.raises(ArgumentError, match="has no length"):
            len(loader)

    def test_pinning_without_a_gpu_changes_nothing(self) -> None:
        assert lists(data.DataLoader(range(3), 2, pin_memory=True)) == [[0, 1], [2]]


class TestSeeds:
    def test_every_item_has_random_numbers_of_its_own_in_every_epoch(self) -> None:
        loader = data.DataLoader(Draws(), 3, seed=1)
        drawn = [x for _ in range(3) for _, numbers in lists(loader) for x in numbers]
        assert len(set(drawn)) == 30

    def test_random_numbers_belong_to_the_item_not_to_the_order_or_the_batch(self) -> None:
        def by_item(**settings: Any) -> dict[int, float]:
            return {
                i: x for a, b in lists(data.DataLoader(Draws(), seed=1, **settings)) for i, x in zip(a, b, strict=True)
            }

        wanted = by_item()
        assert by_item(batch_size=4, shuffle=True) == wanted
        with data.sampling(1, 0, 6):
            assert np.float32(Draws()[6][1]) == wanted[6]

    def test_loaders_repeat_from_the_engines_seed(self) -> None:
        def run(seed: int) -> Any:
            engine.manual_seed(seed)
            loaders = [data.DataLoader(Draws(), 5, shuffle=True) for _ in range(2)]
            return [lists(loader) for loader in loaders]

        first = run(7)
        assert first == run(7)
        assert first[0] != first[1]
        assert first != run(8)

    def test_a_loader_leaves_the_default_stream_as_it_was(self) -> None:
        engine.manual_seed(0)
        wanted = engine.rand(3).tolist()
        engine.manual_seed(0)
        lists(data.DataLoader(Draws(), shuffle=True))
        assert engine.rand(3).tolist() == wanted

    def test_outside_a_loader_the_default_stream_serves(self) -> None:
        engine.manual_seed(3)
        first = Draws()[0]
        engine.manual_seed(3)
        assert Draws()[0] == first

    def test_seeded_transforms_get_the_items_generator(self) -> None:
        class Shift:
            def __call__(self, x: float, generator: Any = None) -> float:
                return x + float(generator.random())

        shift = data.Seeded(Shift())
        with data.sampling(0, 0, 5):
            wanted = data.sample_generator().random()
        with data.sampling(0, 0, 5):
            assert shift(1.0) == 1.0 + wanted
        with pytest.raises(ArgumentError, match="callable"):
            data.Seeded(3)  # type: ignore[arg-type]

    def test_shuffling_differs_by_epoch_and_an_epoch_can_be_chosen(self) -> None:
        loader = data.DataLoader(range(20), 20, shuffle=True, seed=1)
        first, second = lists(loader), lists(loader)
        assert first != second
        assert loader.epoch == 2
        loader.set_epoch(1)
        assert lists(loader) == second


class TestStates:
    @pytest.mark.parametrize(
        "settings",
        [
            {"shuffle": True},
            {"sampler": "weighted"},
            {"batch_sampler": "random"},
            {"batch_size": None},
            {"batch_size": 3, "drop_last": True},
        ],
    )
    def test_an_epoch_goes_on_after_any_batch(self, settings: dict[str, Any]) -> None:
        def loader(seed: int) -> data.DataLoader:
            given = dict(settings)
            if given.get("sampler"):
                given["sampler"] = data.WeightedRandomSampler(range(1, 11), 12, seed=seed)
            if given.get("batch_sampler"):
                given["batch_sampler"] = data.BatchSampler(data.RandomSampler(range(10), seed=seed), 3)
            return data.DataLoader(Draws(), **given, seed=seed)

        whole = loader(1)
        wanted = [lists(whole), lists(whole), lists(whole)]
        for stop in range(1, len(wanted[1]) + 1):
            first = loader(1)
            lists(first)
            for _ in zip(range(stop), first, strict=False):
                state = json.loads(json.dumps(first.state_dict()))
            second = loader(2)
            second.load_state_dict(state)
            assert lists(second) == wanted[1][stop:]
            assert lists(second) == wanted[2]

    def test_a_stream_goes_on_too(self) -> None:
        first = data.DataLoader(Lines(), 2)
        for _ in zip(range(2), first, strict=False):
            state = first.state_dict()
        second = data.DataLoader(Lines(), 2)
        second.load_state_dict(state)
        assert lists(second) == [[4, 5], [6]]
        assert lists(second) == [[0, 1], [2, 3], [4, 5], [6]]

    def test_between_epochs_the_state_is_the_next_epochs_start(self) -> None:
        loader = data.DataLoader(Draws(), 4, shuffle=True, seed=1)
        lists(loader)
        state = loader.state_dict()
        assert (state["epoch"], state["batches"]) == (1, 0)
        wanted = lists(loader)
        other = data.DataLoader(Draws(), 4, shuffle=True, seed=99)
        other.load_state_dict(state)
        assert lists(other) == wanted

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"epoch": -1}, "epoch must be"),
            ({"batches": "two"}, "batches must be"),
            ({"length": 11}, "length 11 but this loader 10"),
            ({"batch_size": 5}, "batch_size 5 but this loader 4"),
            ({"more": 1}, "a state holds"),
        ],
    )
    def test_states_that_do_not_fit_are_refused(self, change: dict[str, Any], said: str) -> None:
        loader = data.DataLoader(Draws(), 4)
        with pytest.raises(StateError, match=said):
            loader.load_state_dict({**loader.state_dict(), **change})
        assert len(lists(loader)) == 3

    def test_a_state_beyond_the_data_is_refused(self) -> None:
        for loader in (data.DataLoader(Draws(), 4), data.DataLoader(Lines(), 4)):
            loader.load_state_dict({**loader.state_dict(), "batches": 9, "digest": 5})
            with pytest.raises(StateError, match="cannot go on after batch 9"):
                lists(loader)


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"dataset": []}, ValueError, "the list is empty"),
    ({"dataset": []} | {"shuffle": True}, ValueError, "is empty"),
    ({"batch_size": 0}, SettingError, "batch_size must be a whole number of at least 1, not 0"),
    ({"batch_size": -2}, SettingError, "batch_size"),
    ({"batch_size": 2.0}, SettingError, "batch_size"),
    ({"batch_size": True}, SettingError, "batch_size"),
    ({"num_workers": -1}, SettingError, "num_workers must be a whole number of at least 0, not -1"),
    ({"num_workers": 1.5}, SettingError, "num_workers"),
    ({"num_workers": None}, SettingError, "num_workers"),
    ({"prefetch_factor": -1}, SettingError, "prefetch_factor must be a whole number of at least 1, not -1"),
    ({"prefetch_factor": 0}, SettingError, "prefetch_factor"),
    ({"timeout": -1}, SettingError, "timeout"),
    ({"timeout": float("nan")}, SettingError, "timeout"),
    ({"seed": -1}, SettingError, "seed"),
    ({"seed": 1, "generator": engine.Generator(1)}, SettingError, "leave one out"),
    ({"generator": 3}, ArgumentError, "use seed="),
    ({"shuffle": 1}, SettingError, "shuffle must be True or False"),
    ({"collate_fn": 3}, ArgumentError, "collate_fn"),
    ({"worker_init_fn": 3}, ArgumentError, "worker_init_fn"),
    ({"persistent_workers": True}, SettingError, "needs workers"),
    ({"multiprocessing_context": "fork"}, SettingError, "must not be forked"),
    ({"shuffle": True, "sampler": [1]}, SettingError, "shuffle and sampler each decide"),
    ({"sampler": [1], "batch_sampler": [[1]]}, SettingError, "each decide"),
    ({"batch_sampler": [[1]], "batch_size": 2}, SettingError, "leave batch_size"),
    ({"batch_sampler": [[1]], "drop_last": True}, SettingError, "leave batch_size"),
    ({"batch_size": None, "drop_last": True}, SettingError, "no last one"),
    ({"batch_size": 4, "drop_last": True}, ValueError, "3 items make no batch of 4"),
    ({"sampler": 3}, ArgumentError, "must give indices"),
    ({"sampler": iter([1])}, ArgumentError, "only once"),
    ({"sampler": []}, ValueError, "nothing to load"),
    ({"dataset": 3}, ArgumentError, "a int is no data set"),
    ({"dataset": iter([1])}, ArgumentError, "only once"),
    ({"dataset": Lines(), "shuffle": True}, SettingError, "decides its own order, so shuffle"),
    ({"dataset": Lines(), "sampler": [1]}, SettingError, "decides its own order, so sampler"),
    ({"dataset": Measured(0, 0)}, ValueError, "nothing to load"),
]


@pytest.mark.parametrize(("settings", "kind", "said"), REFUSED)
def test_senseless_settings_are_refused(settings: dict[str, Any], kind: Any, said: str) -> None:
    with pytest.raises(EngineError, match=said) as caught:
        data.DataLoader(**{"dataset": [1, 2, 3], **settings})
    assert isinstance(caught.value, kind)


LIES: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"dataset": Boastful(5), "batch_size": 2},
        IndexError,
        "the Boastful says that it has 5 items, but for item 3 it raises",
    ),
    ({"dataset": Measured(7, 9), "batch_size": 2}, ValueError, "says that its length is 9, but it gave 7 items"),
    ({"dataset": Measured(7, 5), "batch_size": 2}, ValueError, "says that its length is 5, but it gave 7 items"),
    ({"dataset": Lines(0)}, ValueError, "gave nothing"),
    (
        {"dataset": range(9), "sampler": Sampler([0, 1], 3)},
        ValueError,
        "says that its length is 3, but it gave 2 indices",
    ),
    (
        {"dataset": range(9), "sampler": Sampler([0, 1, 2], 2)},
        ValueError,
        "says that its length is 2, but it gives more",
    ),
    ({"dataset": range(9), "sampler": [9]}, IndexError, "the sampler asked the range for item 9, but it has 9"),
    ({"dataset": range(9), "batch_sampler": [0, 1]}, ValueError, "gives lists of at least one index, not 0"),
    ({"dataset": range(9), "batch_sampler": [[]]}, ValueError, r"not \[\]"),
    (
        {"dataset": [np.zeros(2), np.zeros(3)], "batch_size": 2},
        ValueError,
        r"item 1 of the batch \(index 1\) has the shape \(3,\)",
    ),
]


@pytest.mark.parametrize(("settings", "kind", "said"), LIES)
def test_what_turns_out_wrong_on_the_way_is_named(settings: dict[str, Any], kind: Any, said: str) -> None:
    with pytest.raises(EngineError, match=said) as caught:
        list(data.DataLoader(**settings))
    assert isinstance(caught.value, kind)


def test_an_error_of_the_data_set_comes_through_as_it_is() -> None:
    class Broken(Draws):
        def __getitem__(self, index: int) -> Any:
            raise KeyError("missing")

    with pytest.raises(KeyError, match="missing") as caught:
        list(data.DataLoader(Broken(), 2))
    if hasattr(caught.value, "__notes__"):
        assert caught.value.__notes__ == ["DataLoader: this came from item 0 of the data set"]


def test_pinned_batches_are_copies_in_page_locked_memory(gpu: Any) -> None:
    batches = list(data.DataLoader([{"x": 1.5, "s": "a"}, {"x": 2.5, "s": "b"}], 2, pin_memory=True))
    assert is_pinned(gpu.xp, batches[0]["x"].array)
    assert batches[0]["x"].tolist() == [1.5, 2.5]
    assert batches[0]["s"] == ["a", "b"]
