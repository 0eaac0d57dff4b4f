"""Attention on a GPU: by products and kernels of our own, and by cuDNN's engines with a model in their place."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import emulated_libraries
import numpy as np
import pytest
from emulated_gpu import EmulatedMachine
from recorded_cudnn import Cudnn, opened

import numzoo.engine as engine
from numzoo.engine import Tensor
from numzoo.engine.kernels.cuda.algebra import matrix
from numzoo.engine.kernels.cuda.attention import few_queries, fused, held_scores, launches, operands
from numzoo.engine.kernels.cuda.attention.graph import Attention, Laid, fourfold
from numzoo.engine.nn import functional
from numzoo.engine.ops.layers import blockwise
from numzoo.engine.ops.layers.attention import _whole_mask as whole_mask
from numzoo.engine.ops.layers.dropping import threshold

ATTENTION = functional.scaled_dot_product_attention
TOLERANCE = {"float32": 2e-5, "float64": 1e-12, "float16": 8e-3, "bfloat16": 5e-2}
CASES: dict[str, dict[str, Any]] = {
    "plain": {}, "causal": {"is_causal": True}, "scaled": {"scale": 0.3}, "few queries": {"shapes": ((2, 3, 1, 8), (2, 3, 19, 8), (2, 3, 19, 8))},
    "causal and more keys": {"is_causal": True, "shapes": ((1, 2, 17, 8), (1, 2, 29, 8), (1, 2, 29, 8))},
    "causal and fewer keys": {"is_causal": True, "shapes": ((1, 2, 29, 8), (1, 2, 17, 8), (1, 2, 17, 8))},
    "other width": {"shapes": ((1, 2, 16, 8), (1, 2, 20, 8), (1, 2, 20, 16))}, "odd width": {"shapes": ((1, 2, 16, 7), (1, 2, 20, 7), (1, 2, 20, 5))},
    "no heads": {"shapes": ((18, 8), (20, 8), (20, 8))}, "one axis": {"shapes": ((3, 18, 8), (3, 20, 8), (3, 20, 8))},
    "groups": {"enable_gqa": True, "shapes": ((2, 4, 17, 8), (2, 2, 18, 8), (2, 2, 18, 8))},
    "one shared head": {"shapes": ((2, 3, 16, 8), (2, 1, 18, 8), (2, 1, 18, 8))},
    "padding": {"mask": (2, 1, 1, 18), "shapes": ((2, 3, 17, 8), (2, 3, 18, 8), (2, 3, 18, 8))},
    "a mask for each head": {"mask": (1, 3, 17, 18), "shapes": ((2, 3, 17, 8), (2, 3, 18, 8), (2, 3, 18, 8))},
    "a mask of rows": {"mask": (17, 18), "shapes": ((2, 3, 17, 8), (2, 3, 18, 8), (2, 3, 18, 8))},
    "hidden rows": {"mask": (17, 18), "hidden": 5, "shapes": ((2, 3, 17, 8), (2, 3, 18, 8), (2, 3, 18, 8))},
    "hidden and causal": {"mask": (2, 1, 17, 17), "hidden": 0, "is_causal": True, "shapes": ((2, 3, 17, 8),) * 3},
}  # fmt: skip


@pytest.fixture
def asked(gpu: Any) -> list[Any]:
    """What the libraries are asked for from now on."""
    for plans in (few_queries.PLANS, fused.PLANS, held_scores.PLANS, matrix.PLANS):
        plans.clear()
    emulated_libraries.ASKED.clear()
    return emulated_libraries.ASKED


@pytest.fixture
def own_masks(gpu: Any) -> None:
    """Masks of dropout that a test can draw again."""
    if not isinstance(gpu, EmulatedMachine):
        pytest.skip("cuDNN's masks of dropout are its own (tests/gpu holds them to what they drop)")


def run_on(place: str, case: str, dtype: str, laid: str = "heads first", times: int = 1) -> list[Any]:
    """The result and three gradients of a case on a device."""
    settings = {"shapes": ((2, 3, 18, 8),) * 3, **CASES[case]}
    generator = np.random.default_rng(1)
    leaves = []
    for shape in settings.pop("shapes"):
        values = generator.standard_normal(shape)
        if laid == "length first" and len(shape) == 4:
            values = np.ascontiguousarray(values.swapaxes(1, 2)).swapaxes(1, 2)
        leaves.append(Tensor(values).to(dtype=getattr(engine, dtype)).to(place).requires_grad_())
    shape = settings.pop("mask", None)
    if shape is not None:
        mask = generator.random(shape) > 0.3
        mask[..., 0] = True
        hidden = settings.pop("hidden", None)
        if hidden is not None:
            mask[..., hidden, :] = False
        settings["attn_mask"] = Tensor(mask).to(place)
    for _ in range(times):
        for leaf in leaves:
            leaf.grad = None
        out = ATTENTION(*leaves, **settings)
        (out * out).sum().backward()
    return [t.cpu().double().numpy() for t in (out.detach(), *(leaf.grad for leaf in leaves))]  # type: ignore[union-attr]


def check(found: list[Any], wanted: list[Any], tolerance: float) -> None:
    for mine, theirs in zip(found, wanted, strict=True):
        assert not np.isnan(theirs).any()
        np.testing.assert_allclose(mine, theirs, atol=tolerance * max(1.0, float(np.abs(theirs).max())))


HELD = [
    *((case, dtype, laid) for case in CASES if case != "hidden and causal" for dtype, laid in (("float32", "heads first"), ("float64", "length first"))),
    *((case, dtype, "heads first") for case in ("plain", "groups", "padding") for dtype in ("float16", "bfloat16")),
]  # fmt: skip


@pytest.mark.parametrize(("case", "dtype", "laid"), HELD)
def test_attention_with_held_scores_is_the_body_s(asked: list[Any], case: str, dtype: str, laid: str) -> None:
    check(run_on("cuda", case, dtype, laid), run_on("cpu", case, "float64"), TOLERANCE[dtype])
    assert not any(isinstance(each, Attention) for each in asked)


def test_a_mask_of_places_becomes_a_bias_once_until_it_is_written_to(asked: list[Any]) -> None:
    values = Tensor(np.random.default_rng(0).standard_normal((2, 2, 18, 8)).astype(np.float32))
    places = np.arange(18) < np.array([[[[18]]], [[[7]]]])
    mask, own = Tensor(places).to("cuda"), Tensor(places)
    heads = values.to("cuda")
    for written in (False, True):
        if written:
            for each in (mask, own):
                each[1, 0, 0, 10] = True
        found = [ATTENTION(heads, heads, heads, mask).cpu().double().numpy() for _ in range(2)]
        check(found, [ATTENTION(values, values, values, own).double().numpy()] * 2, 1e-5)
        if not written:
            made = mask.twin
            assert made is not None
    assert mask.twin is not made


FEW: dict[str, tuple[Any, Any, Any]] = {  # query, keys and values, mask
    "one query": ((1, 3, 1, 64), (1, 3, 200, 64), None),
    "a group": ((2, 2, 3, 8), (2, 2, 29, 8), None),
    "wide heads": ((1, 2, 2, 72), (1, 2, 40, 72), None),
    "padding": ((2, 3, 2, 16), (2, 3, 33, 16), (2, 1, 1, 33)),
    "a mask of rows": ((2, 3, 4, 16), (2, 3, 150, 16), (1, 3, 4, 150)),
    "one key": ((1, 1, 1, 16), (1, 1, 1, 16), None),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("case", FEW)
def test_few_queries_look_at_any_number_of_keys_by_one_plan(asked: list[Any], case: str, dtype: str) -> None:
    asked_for, looked_at, masked = FEW[case]
    generator = np.random.default_rng(7)
    batch, heads, length, width = looked_at
    room = [generator.standard_normal((batch, length + 5, heads, width)) for _ in range(2)]
    query = generator.standard_normal(asked_for)
    mask = None if masked is None else generator.random(masked) > 0.4
    if mask is not None:
        mask[..., 0, :] = False  # a whole row (of an entry, where the rows are one)
        mask[1:] = mask[1:] | (np.arange(masked[3]) == 3)
    kind = getattr(engine, dtype)

    def at(place: str, keys: int) -> Any:
        tensors = [Tensor(each).to(dtype=kind).to(place) for each in (query, *room)]
        looked = (each.transpose(1, 2)[:, :, :keys] for each in tensors[1:])  # the beginning of room for more
        seen = None if mask is None else Tensor(np.ascontiguousarray(mask[..., :keys])).to(place)
        return ATTENTION(tensors[0], *looked, seen).cpu().double().numpy()

    with engine.no_grad():
        for keys in (length, max(1, length - 3), length):
            check([at("cuda", keys)], [at("cpu", keys)], TOLERANCE[dtype])
    assert len(few_queries.PLANS) == 1
    assert few_queries._refuse not in few_queries.PLANS.values()
    assert not held_scores.PLANS


def test_nan_and_infinity_among_few_queries_stay_in_their_rows(asked: list[Any]) -> None:
    values = np.random.default_rng(0).standard_normal((1, 1, 8, 8)).astype(np.float32)
    broken = values.copy()
    broken[0, 0, 4, 2], broken[0, 0, 5, 1] = np.nan, np.inf
    with engine.no_grad():
        found = ATTENTION(Tensor(broken).to("cuda"), *(Tensor(values).to("cuda") for _ in range(2))).cpu().numpy()
    assert few_queries.PLANS
    assert np.isnan(found[0, 0, 4:6]).all()
    assert np.isfinite(np.delete(found, (4, 5), 2)).all()


@pytest.mark.parametrize("case", ["plain", "causal", "few queries", "odd width", "padding", "a mask of rows"])
def test_scores_of_one_block_are_planned_once(asked: list[Any], case: str) -> None:
    run_on("cuda", case, "float32", "length first", times=2)
    assert len(held_scores.PLANS) == 2
    assert held_scores._refuse not in held_scores.PLANS.values()


@pytest.mark.parametrize("scores", [40, 400])
@pytest.mark.parametrize("case", ["plain", "causal", "a mask for each head", "hidden rows", "causal and more keys"])
def test_attention_in_many_blocks_is_the_body_s(asked: list[Any], monkeypatch: Any, case: str, scores: int) -> None:
    wanted = run_on("cpu", case, "float64")
    monkeypatch.setattr(blockwise, "SCORES_OF_GPU", scores)
    monkeypatch.setattr(blockwise, "FEWEST_ROWS", 3)
    monkeypatch.setattr(blockwise, "KEYS_STEP", 4)
    check(run_on("cuda", case, "float32"), wanted, 2e-5)


@pytest.mark.parametrize(("dtype", "laid"), [("float16", "heads first"), ("bfloat16", "length first")])
@pytest.mark.parametrize("case", CASES)
def test_attention_by_cudnn_is_the_body_s_from_the_second_time_on(
    asked: list[Any], case: str, dtype: str, laid: str
) -> None:
    found = run_on("cuda", case, dtype, laid, times=2)
    if (
        case == "hidden and causal"
    ):  # the first query sees the first key alone, which the mask hides: the body gives NaN
        assert not np.isnan(found[0]).any()
        assert (found[0][:, :, 0] == 0).all()
        return
    check(found, run_on("cpu", case, "float64"), TOLERANCE[dtype])
    served = case not in ("few queries", "odd width")
    kinds = [each.kind for each in asked if isinstance(each, Attention)]
    assert kinds == (["statistics", "backward"] if served else [])


def test_heads_cut_out_of_one_projection_are_not_copied(asked: list[Any], monkeypatch: Any) -> None:
    copies = []
    real = operands.copy_like
    monkeypatch.setattr(operands, "copy_like", lambda *a: copies.append(a[0].shape) or real(*a))
    into = fused.copy_into
    monkeypatch.setattr(fused, "copy_into", lambda out, x: copies.append(out.strides) or into(out, x))  # type: ignore[func-returns-value]
    x = (
        Tensor(np.random.default_rng(0).standard_normal((2, 17, 3 * 2 * 8)).astype(np.float16))
        .to("cuda")
        .requires_grad_()
    )
    for _ in range(2):
        query, key, value = engine.ops.split_heads(x, heads=2, batch_first=True)
        out = ATTENTION(query, key, value)
        out.transpose(1, 2).reshape(2, 17, 16).sum().backward()
    assert out.array.strides == (17 * 16 * 2, 8 * 2, 16 * 2, 2)  # as (batch, length, heads, width)
    assert copies == [out.array.strides]  # what flows back from a sum is one number, repeated


@pytest.mark.parametrize("p", [0.1, 0.5, 0.00007])
def test_masks_of_dropout_are_philox_s_stream(gpu: Any, p: float) -> None:
    """NumPy has the same generator: a key, and a counter whose last word is the block's number."""
    key = (7, 2**63 + 5)
    for block, shape in ((0, (2, 3, 5, 5)), (3, (1, 1, 37, 41))):
        count = math.prod(shape)
        words: Any = np.random.Philox(key=np.array(key, np.uint64), counter=[0, 0, 0, block]).random_raw(count)
        bits, limit = threshold(p)
        wanted = words.view(np.uint16 if bits == 16 else np.uint32)[:count] >= limit
        np.testing.assert_array_equal(launches.drawn_mask(key, block, shape, p).get(), wanted.reshape(shape))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_dropout_drops_the_same_on_the_way_back(asked: list[Any], dtype: str) -> None:
    generator = np.random.default_rng(0)
    values = [generator.standard_normal((1, 2, 20, 8)) * 0.5 for _ in range(3)]
    query, key, value = (Tensor(v).to(dtype=getattr(engine, dtype)).to("cuda").requires_grad_() for v in values)
    engine.manual_seed(3)
    out = ATTENTION(query, key, value, dropout_p=0.4)
    out.sum().backward()
    # The result is linear in the values: each value's gradient is what it weighs, dropped and grown.
    assert value.grad is not None
    weighed = value.grad.cpu().double().numpy()
    total = (weighed * value.detach().cpu().double().numpy()).sum()
    np.testing.assert_allclose(total, out.cpu().double().numpy().sum(), rtol=2e-2 if dtype == "float16" else 1e-5)
    if dtype == "float16":
        kinds = [(each.kind, each.dropout) for each in asked if isinstance(each, Attention)]
        assert kinds == [("statistics", 0.4), ("backward", 0.4)]


def test_gradients_with_dropout_can_be_differentiated_where_scores_are_held(asked: list[Any]) -> None:
    engine.manual_seed(5)
    x = Tensor(np.random.default_rng(0).standard_normal((1, 2, 20, 8))).to("cuda").requires_grad_()
    out = ATTENTION(x, x, x, dropout_p=0.3)
    (plain,) = engine.grad(out.sum(), x, retain_graph=True)
    (again,) = engine.grad(out.sum(), x, create_graph=True)
    np.testing.assert_allclose(
        again.detach().cpu().numpy(), plain.cpu().numpy(), rtol=1e-10
    )  # the same mask, drawn whole
    assert np.isfinite(engine.grad((again * again).sum(), x)[0].cpu().numpy()).all()


def dropped_by_hand(
    given: list[Any], seed: tuple[int, int], p: float, settings: dict[str, Any], held: bool = False
) -> Any:
    """The attention in float64 on the CPU, with the masks of the model that stands for cuDNN, or our own where scores are held."""
    query, key, value = given
    entries, heads, shared = *query.shape[:2], key.shape[1]
    if settings.get("enable_gqa"):
        key, value = (t.repeat_interleave(query.shape[1] // key.shape[1], 1) for t in (key, value))
    scores = query @ key.mT * query.shape[-1] ** -0.5
    if "attn_mask" in settings:
        scores = engine.where(settings["attn_mask"].cpu(), scores, -math.inf)
    if settings.get("is_causal"):
        scores = engine.where(Tensor(np.tril(np.ones(scores.shape[-2:], bool))), scores, -math.inf)
    if held:
        own = (entries, -1, heads // shared, *scores.shape[2:]) if heads != shared else scores.shape
        blocks = np.empty(scores.shape, bool).reshape(own)
        drawn = whole_mask(Tensor(blocks).to("cuda"), False, p, seed).get().reshape(scores.shape)
    else:
        drawn = np.random.Generator(np.random.Philox(key=list(seed))).random(scores.shape) >= p
    return engine.softmax(scores, axis=-1) * Tensor(drawn / (1 - p)) @ value


SECOND: dict[str, tuple[Any, dict[str, Any]]] = {
    "plain": (((1, 2, 20, 8),) * 3, {}),
    "causal": (((2, 2, 17, 8),) * 3, {"is_causal": True}),
    "more keys than columns": (((1, 1, 16, 8), (1, 1, 21, 8), (1, 1, 21, 8)), {}),
    "groups": (((2, 4, 17, 8), (2, 2, 18, 8), (2, 2, 18, 8)), {"enable_gqa": True}),
    "padding": (((2, 2, 17, 8), (2, 2, 18, 8), (2, 2, 18, 8)), {"attn_mask": np.arange(18) < np.array([[[[18]]], [[[7]]]])}),
}  # fmt: skip


@pytest.mark.usefixtures("own_masks")
@pytest.mark.parametrize("refused", [False, True], ids=["", "where the way back is refused"])
@pytest.mark.parametrize("narrowed", [False, True], ids=["float16", "precision fp16"])
@pytest.mark.parametrize("case", SECOND)
def test_gradients_with_dropout_are_of_the_mask_that_dropped_and_can_be_differentiated(
    asked: list[Any], gpu: Any, monkeypatch: Any, case: str, narrowed: bool, refused: bool
) -> None:
    shapes, settings = SECOND[case]
    settings = {name: Tensor(v).to("cuda") if name == "attn_mask" else v for name, v in settings.items()}
    if refused:
        real = gpu.prepare
        monkeypatch.setattr(
            gpu, "prepare", lambda wanted: None if getattr(wanted, "kind", "") == "backward" else real(wanted)
        )
    generator = np.random.default_rng(3)
    values = [generator.standard_normal(shape).astype(np.float16) * 0.5 for shape in shapes]
    flow = generator.standard_normal((*shapes[0][:-1], shapes[2][-1]))
    exact = [Tensor(v.astype(np.float64)).requires_grad_() for v in values]
    own = [Tensor(v.astype(np.float32) if narrowed else v).to("cuda").requires_grad_() for v in values]
    engine.manual_seed(9)
    drawn: list[Any] = []
    real_attend = fused.attend
    monkeypatch.setattr(fused, "attend", lambda *a: drawn.append(a[8]) or real_attend(*a))  # type: ignore[func-returns-value]
    with engine.precision("fp16" if narrowed else "f32"):
        out = ATTENTION(*own, dropout_p=0.3, **settings)
    assert any(isinstance(each, Attention) for each in asked)
    seed = drawn[0]
    wanted = dropped_by_hand(exact, seed, 0.3, settings, refused)

    def gradients(result: Any, leaves: Any, **more: Any) -> Any:
        return engine.grad((result.double() * Tensor(flow).to(result.device)).sum(), leaves, **more)

    check([t.cpu().double().numpy() for t in gradients(out, own, retain_graph=True)],
          [t.numpy() for t in gradients(wanted, exact, retain_graph=True)], 1e-2)  # fmt: skip
    first, right = gradients(out, own, create_graph=True), gradients(wanted, exact, create_graph=True)
    check([t.detach().cpu().double().numpy() for t in first], [t.detach().numpy() for t in right], 1e-2)
    second = engine.grad(sum((t.double() * t.double()).sum() for t in first), own)
    right = engine.grad(sum((t * t).sum() for t in right), exact)
    check([t.cpu().double().numpy() for t in second], [t.numpy() for t in right], 3e-2)


@pytest.mark.usefixtures("own_masks")
def test_the_gradient_of_a_bias_beside_dropout_is_of_cudnn_s_mask(asked: list[Any], monkeypatch: Any) -> None:
    values = [np.random.default_rng(i).standard_normal((1, 2, 16, 8)).astype(np.float16) for i in range(3)]
    bias = np.random.default_rng(5).standard_normal((16, 16)).astype(np.float16)
    drawn: list[Any] = []
    real = fused.attend
    monkeypatch.setattr(fused, "attend", lambda *a: drawn.append(a[8]) or real(*a))  # type: ignore[func-returns-value]
    added = Tensor(bias).to("cuda").requires_grad_()
    out = ATTENTION(*(Tensor(v).to("cuda") for v in values), added, dropout_p=0.3)
    (found,) = engine.grad(out.double().sum(), added)
    exact = Tensor(bias.astype(np.float64)).requires_grad_()
    query, key, value = (Tensor(v.astype(np.float64)) for v in values)
    mask = np.random.Generator(np.random.Philox(key=list(drawn[0]))).random((1, 2, 16, 16)) >= 0.3
    weights = engine.softmax(query @ key.mT * 8**-0.5 + exact, axis=-1)
    (wanted,) = engine.grad((weights * Tensor(mask / 0.7) @ value).sum(), exact)
    check([found.cpu().double().numpy()], [wanted.numpy()], 1e-2)


def test_the_way_back_runs_nothing_of_the_way_there_again(asked: list[Any], gpu: Any, monkeypatch: Any) -> None:
    ran: list[str] = []
    real = gpu.prepare

    def prepare(wanted: Any) -> Any:
        run = real(wanted)
        if run is None or not isinstance(wanted, Attention):
            return run
        return lambda *places: ran.append(wanted.kind) or run(*places)  # type: ignore[func-returns-value]

    monkeypatch.setattr(gpu, "prepare", prepare)
    x = Tensor(np.ones((1, 2, 20, 8), np.float16)).to("cuda").requires_grad_()
    for _ in range(2):
        ran.clear()
        ATTENTION(x, x, x).sum().backward()
    assert ran == ["statistics", "backward"]
    for _ in range(2):
        with engine.no_grad():
            ATTENTION(x, x, x)
    assert ran[2:] == ["forward"]


@pytest.mark.parametrize("odd", ["query", "value", "flow"])
def test_operands_between_multiples_of_16_bytes_are_copied(asked: list[Any], odd: str) -> None:
    generator = np.random.default_rng(2)
    values = {
        name: generator.standard_normal((2, 17, 3, 16)).astype(np.float16) for name in ("query", "key", "value", "flow")
    }
    found, wanted = [], []
    for place, results in (("cuda", found), ("cpu", wanted)):
        tensors = {name: Tensor(v).to(place)[..., 4:12] for name, v in values.items()}
        tensors = {name: t if name == odd else t.clone() for name, t in tensors.items()}
        *leaves, flow = (t.transpose(1, 2).detach().requires_grad_(name != "flow") for name, t in tensors.items())
        for _ in range(2):
            for leaf in leaves:
                leaf.grad = None
            out = ATTENTION(*leaves)
            out.backward(flow)
        results += [t.cpu().double().numpy() for t in (out.detach(), *(leaf.grad for leaf in leaves))]  # type: ignore[union-attr]
    check(found, wanted, 1e-2)
    assert [each.kind for each in asked if isinstance(each, Attention)] == ["statistics", "backward"]


def test_operands_that_lie_elsewhere_need_no_new_engine(asked: list[Any]) -> None:
    held = []
    for step in range(1, 5):
        leaves = []
        for place in range(3):
            leaves.append(Tensor(np.ones((1, 2, 20, 8), np.float16)).to("cuda").requires_grad_())
            held.append(Tensor(np.ones(1000 * step + 7000 * place, np.float32)).to("cuda"))
        held.append(leaves)
        ATTENTION(*leaves).sum().backward()
    assert [each.kind for each in asked if isinstance(each, Attention)] == ["statistics", "backward"]
    assert len([name for name in fused.PLANS if name[0] == "backward"]) == 1  # type: ignore[index]


def test_nan_in_a_query_stays_in_its_row(asked: list[Any]) -> None:
    values = np.random.default_rng(0).standard_normal((1, 1, 18, 8)).astype(np.float32)
    broken = values.copy()
    broken[0, 0, 4, 2] = np.nan
    found = ATTENTION(Tensor(broken).to("cuda"), *(Tensor(values).to("cuda") for _ in range(2))).cpu().numpy()
    assert np.isnan(found[0, 0, 4]).all()
    assert np.isfinite(np.delete(found, 4, 2)).all()


@pytest.mark.parametrize(
    ("shape", "strides", "grouped", "laid"),
    [
        ((5, 8), (8, 1), False, Laid((1, 1, 5, 8), (0, 0, 8, 1))),
        ((2, 3, 5, 8), (120, 40, 8, 1), False, Laid((2, 3, 5, 8), (120, 40, 8, 1))),
        ((2, 2, 3, 5, 8), (240, 120, 40, 8, 1), True, Laid((2, 6, 5, 8), (240, 40, 8, 1))),
        ((2, 2, 1, 5, 8), (80, 40, 0, 8, 1), True, Laid((2, 2, 5, 8), (80, 40, 8, 1))),
        ((2, 1, 3, 5, 8), (120, 0, 40, 8, 1), True, Laid((2, 3, 5, 8), (120, 40, 8, 1))),
        ((2, 2, 3, 5, 8), (240, 8, 40, 8, 1), True, None),
        ((2, 2, 3, 5, 8), (240, 120, 40, 8, 1), False, None),
    ],
)  # fmt: skip
def test_axes_before_the_rows_are_two(shape: Any, strides: Any, grouped: bool, laid: Any) -> None:
    assert fourfold(shape, strides, grouped) == laid


def test_an_attention_is_written_down_as_a_graph(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("NUMZOO_KERNEL_CACHE", str(tmp_path))
    given = Laid((2, 3, 20, 8), (480, 160, 8, 1))
    cudnn = Cudnn()
    wanted = Attention(
        "backward", given, given, given, given, "bfloat16", 0.5, True, 0.1, Laid((2, 1, 1, 20), (20, 20, 20, 1)), given, (given,) * 3, deterministic=True,
    )  # fmt: skip
    cudnn.tuples["sdpa_backward"] = 3
    run = opened(cudnn).prepare(wanted)
    assert run is not None
    tensors = {call[1]: call[2:] for call in cudnn.calls if call[0] == "tensor"}
    assert sorted(tensors) == [1, 2, 3, 4, 5, 6, 10, 11, 12]
    assert tensors[6] == ([2, 3, 20, 1], [60, 20, 1, 1])
    assert tensors[10] == ([2, 1, 1, 20], [20, 20, 20, 1])
    (operation,) = [call[1] for call in cudnn.calls if call[0] == "sdpa_backward"]
    assert {name: repr(operation[name]) for name in ("q", "k", "v", "o", "dO", "stats", "bias")} == {
        "q": "t1", "k": "t2", "v": "t3", "o": "t4", "dO": "t5", "stats": "t6", "bias": "t10",
    }  # fmt: skip
    assert operation["attn_scale"] == 0.5
    assert operation["diagonal_band_right_bound"] == 0
    assert operation["use_deterministic_algorithm"] is True
    assert (operation["dropout"][0], repr(operation["dropout"][1:])) == (0.1, "(t11, t12)")
    assert [call[2] for call in cudnn.calls if call[0] == "set_uid"] == [7, 8, 9]
    assert math.isclose(fused.LOWEST["float16"], -65504)
