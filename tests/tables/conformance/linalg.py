"""Linear algebra beside PyTorch's. What is known but for signs is compared through what does not depend on them."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np

from numzoo import engine

from .case import Case, Drawn, Random, shape_of, uniform
from .shape import few

SINGLE = ("float32",)


def batch_of(random: Random) -> tuple[int, ...]:
    return shape_of(random, 0, 2, 3)


def numbers(random: Random, *shape: int, whole: bool = False) -> Any:
    return uniform(random, *shape) + 1j * uniform(random, *shape) if whole else uniform(random, *shape)


def firm(random: Random, *batch: int, size: int | None = None, whole: bool = False) -> Any:
    """Square matrices far from singular."""
    n = few(random, 1, 5) if size is None else size
    return numbers(random, *batch, n, n, whole=whole) + 6 * np.eye(n)


def squares(whole: bool = False) -> Any:
    return lambda random: ([firm(random, *batch_of(random), whole=whole)], {})


def symmetric(x: Any) -> Any:
    """A Hermitian matrix with eigenvalues that lie apart, and positive ones, in the code of either side."""
    return x @ x.mH + x + x.mH


def spread_out(random: Random, whole: bool = False) -> Any:
    n = few(random, 1, 5)
    return numbers(random, *batch_of(random), n, n, whole=whole) * 0.3 + np.diag(2.0 * np.arange(1, n + 1))


def matrices(random: Random, whole: bool = False) -> Any:
    """Matrices of any two sizes, with singular values that lie apart."""
    m, n = few(random, 1, 5), few(random, 1, 5)
    return numbers(random, *batch_of(random), m, n, whole=whole) * 0.3 + np.eye(m, n) * 2 * np.arange(1, n + 1)


def given(draw: Any, **settings: Any) -> Any:
    """A draw of one tensor, and settings drawn by their own functions."""
    return lambda random: ([draw(random)], {name: value(random) for name, value in settings.items()})


def flag(random: Random) -> bool:
    return bool(few(random, 0, 2))


def one_of(*values: Any) -> Any:
    return lambda random: values[few(random, 0, len(values))]


def both(name: str, draw: Any, call: Any, **more: Any) -> Case:
    """A case whose call takes the namespace, ``engine`` or ``torch``."""
    more = {"dtypes": (), "tolerance": 1e-7, **more}
    return Case(name, draw, lambda *x, **s: call(engine, *x, **s), lambda torch, *x, **s: call(torch, *x, **s), **more)


def equations(whole: bool = False) -> Any:
    def draw(random: Random) -> Drawn:
        batch = batch_of(random)
        a = firm(random, *batch, whole=whole)
        n = a.shape[-1]
        left = flag(random)
        if random.random() < 0.3:
            return [a, numbers(random, *batch, n, whole=whole)], {"left": True}
        other = batch[few(random, 0, len(batch) + 1) :]
        sizes = (n, few(random, 1, 4)) if left else (few(random, 1, 4), n)
        b = numbers(random, *other, *sizes, whole=whole)
        return [a, b if b.shape != a.shape[:-1] else numbers(random, *batch, *sizes, whole=whole)], {"left": left}

    return draw


def triangles(whole: bool = False) -> Any:
    def draw(random: Random) -> Drawn:
        batch, n, left = batch_of(random), few(random, 1, 5), flag(random)
        sizes = (n, few(random, 1, 4)) if left else (few(random, 1, 4), n)
        a = firm(random, *batch, size=n, whole=whole)
        settings = {"upper": flag(random), "left": left, "unitriangular": flag(random)}
        return [a, numbers(random, *batch, *sizes, whole=whole)], settings

    return draw


def over(random: Random) -> Drawn:
    """More equations than unknowns, or fewer."""
    batch, m, n = batch_of(random), few(random, 1, 5), few(random, 1, 5)
    a = numbers(random, *batch, m, n) * 0.3 + np.eye(m, n) * 3
    return [a, numbers(random, *batch, m, few(random, 1, 3))], {}


def sized(*axes: str) -> Any:
    """Operands whose axes are named by letters of one alphabet of sizes."""

    def draw(random: Random) -> Drawn:
        size = {letter: few(random, 0 if random.random() < 0.1 else 1, 5) for letter in "bkmn"}
        return [uniform(random, *(size[letter] for letter in text)) for text in axes], {}

    return draw


def scaled(*axes: str) -> Any:
    plain = sized(*axes)

    def draw(random: Random) -> Drawn:
        arrays, _ = plain(random)
        shape = tuple(1 if random.random() < 0.3 else n for n in arrays[0].shape)
        arrays[0] = uniform(random, *shape)
        return arrays, {"beta": float(few(random, 0, 3)), "alpha": float(few(random, 0, 3))}

    return draw


def product(name: str, *axes: str, **more: Any) -> Case:
    return Case(
        name, sized(*axes), getattr(engine, name), lambda torch, *x: getattr(torch, name)(*x), narrow_tolerance=8, **more
    )  # fmt: skip


def sums(name: str, *axes: str) -> Case:
    return Case(
        name, scaled(*axes), getattr(engine, name), lambda torch, *x, **s: getattr(torch, name)(*x, **s), narrow_tolerance=32
    )  # fmt: skip


def contracted(random: Random) -> Drawn:
    count = few(random, 0, 3)
    shared = [few(random, 1, 4) for _ in range(count)]
    own = [[few(random, 1, 4) for _ in range(few(random, 0, 3))] for _ in range(2)]
    if random.random() < 0.5:
        return [uniform(random, *own[0], *shared), uniform(random, *shared, *own[1])], {"dims": count}
    orders, arrays = [], []
    for mine in own:
        order = random.permutation(len(mine) + count)
        sizes = [*shared, *mine]
        arrays.append(uniform(random, *(sizes[i] for i in order)))
        orders.append([int(np.flatnonzero(order == i)[0]) for i in range(count)])
    return arrays, {"dims": tuple(orders)}


def crossed(random: Random) -> Drawn:
    shape = [few(random, 1, 4) for _ in range(few(random, 1, 4))]
    dim = few(random, 0, len(shape))
    shape[dim] = 3
    other = [1 if i != dim and random.random() < 0.3 else n for i, n in enumerate(shape)]
    return [uniform(random, *shape), uniform(random, *other)], {"dim": dim - len(shape) * few(random, 0, 2)}


def plain(x: Any) -> Any:
    """The same in row order, for functions of PyTorch that take no other."""
    return x.reshape(-1).reshape(x.shape)


def chain(random: Random) -> Drawn:
    sizes = [few(random, 1, 6) for _ in range(few(random, 3, 7))]
    arrays = [uniform(random, m, n) for m, n in itertools.pairwise(sizes)]
    if flag(random):
        arrays[0] = arrays[0][0]
    if flag(random):
        arrays[-1] = arrays[-1][:, 0]
    return arrays, {}


def vector_norms(random: Random) -> Drawn:
    shape = shape_of(random, 1, 3, empty=False)
    dim = one_of(None, few(random, -len(shape), len(shape)), tuple(range(len(shape))))(random)
    order = one_of(2, 1, 3, 0.5, 2.5, -1, math.inf, -math.inf)(random)
    return [uniform(random, *shape)], {"ord": order, "dim": dim, "keepdim": flag(random)}


def matrix_norms(random: Random) -> Drawn:
    x = matrices(random)
    while not x.size:
        x = matrices(random)
    dim = (-2, -1)
    if flag(random):
        x, dim = np.moveaxis(x, -1, 0), (-1, 0)
    return [x], {"ord": one_of("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)(random), "dim": dim, "keepdim": flag(random)}  # fmt: skip


def low_rank(random: Random) -> Drawn:
    m, n, r = few(random, 1, 6), few(random, 1, 6), few(random, 1, 4)
    return [numbers(random, 2, m, r) @ numbers(random, 2, r, n)], {}


def projector(u: Any) -> Any:
    """What columns span, whatever their signs: each column times its own adjoint."""
    columns = u.mT
    return columns[..., :, None] * columns[..., None, :].conj()


def svd_parts(torch: Any, x: Any, full: bool) -> Any:
    u, s, vh = torch.linalg.svd(x, full_matrices=full)
    k = s.shape[-1]
    u, vh = u[..., :k], vh[..., :k, :]
    # Left and right vectors turn together: u_i v_i^H does not depend on it.
    return s, u.mT[..., :, None] * vh[..., None, :], projector(u), projector(vh.mH)


def eigh_parts(torch: Any, x: Any, UPLO: str) -> Any:  # noqa: N803
    values, vectors = torch.linalg.eigh(symmetric(x), UPLO)
    return values, projector(vectors)


def eig_parts(torch: Any, x: Any) -> Any:
    """Sums over all eigenvalues, since their order is nobody's."""
    values, vectors = torch.linalg.eig(x)
    weights = values.exp()
    return (values**2).sum(-1), (projector(vectors) * weights[..., None, None]).sum(-3)


def qr_parts(torch: Any, x: Any, mode: str) -> Any:
    q, r = torch.linalg.qr(x, mode)
    return (q, r) if mode != "r" else r.abs().detach()


def orthogonal(random: Random, whole: bool) -> Drawn:
    mode = one_of("reduced", "complete")(random)
    x = matrices(random, whole)
    while x.shape[-2] > x.shape[-1] and mode == "complete":
        x = matrices(random, whole)
    return [x], {"mode": mode}


def older(function: Any, *arguments: Any, **settings: Any) -> Any:
    """The first result of a function that PyTorch warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **settings)[0]


EQUATIONS = (
    ("ij,jk->ik", "mk", "kn"), ("bij,bjk->bik", "bmk", "bkn"), ("ij->ji", "mn"), ("ii->i", "mm"), ("ii", "mm"), ("i,j->ij", "m", "n"),
    ("ij,ij->", "mn", "mn"), ("ij,ij->ij", "mn", "mn"), ("bhid,bhjd->bhij", "bkmn", "bkmn"), ("...ij,...jk->...ik", "bbmk", "bkn"),
    ("...ij,jk", "bmk", "kn"), ("ij,jk,kl->il", "mk", "kn", "nb"), ("i,ij,j", "m", "mn", "n"), ("bi,bj,bk->ijk", "bm", "bn", "bk"),
    ("abc,cd,db->a", "mbk", "kn", "nb"), ("i...->...i", "mkn"), ("ij->", "mn"), ("ijk->j", "mkn"), ("aab,b->a", "mmn", "n"), ("ba,cb", "mn", "km"),
    ("...,...->...", "bmn", "mn"), ("b...i,b...i->b...", "bmn", "bmn"), ("iij,ijj->ij", "mmn", "mnn"),
    (",ij->ij", "", "mn"), ("ab,ac,ad->bcd", "mk", "mn", "mb"),
)  # fmt: skip


def einsums(random: Random) -> Drawn:
    equation, *axes = EQUATIONS[few(random, 0, len(EQUATIONS))]
    arrays, _ = sized(*axes)(random)
    return arrays, {"equation": equation}


def mixed_sizes(random: Random) -> Drawn:
    """Axes of size 1 that broadcast against a letter's size."""
    m, k, n = (few(random, 1, 5) for _ in range(3))
    return [
        uniform(random, one_of(1, m)(random), k),
        uniform(random, one_of(1, k)(random), n),
        uniform(random, m, n),
    ], {"equation": one_of("ij,jk,ik->ik", "ij,jk,ik", "ij,jk,ik->jki")(random)}


def listed(random: Random) -> Drawn:
    return sized("bmk", "bkn")(random)


def einsum(name: str, draw: Any) -> Case:
    return Case(
        name, draw, lambda *x, equation: engine.einsum(equation, *x), lambda torch, *x, equation: torch.einsum(equation, *x),
        repeats=120, narrow_tolerance=32, dtypes=("float32", "bfloat16"),
    )  # fmt: skip


CASES = [
    product("mm", "mk", "kn"),
    product("bmm", "bmk", "bkn"),
    product("mv", "mk", "k"),
    product("dot", "k", "k"),
    product("outer", "m", "n"),
    product("inner", "bmk", "nk"),
    Case("kron", sized("mk", "bn"), engine.kron, lambda torch, x, y: torch.kron(plain(x), plain(y))),
    product("vdot", "k", "k"),
    product("trace", "mn"),
    both(
        "svd, older",
        lambda r: ([matrices(r)], {"some": flag(r)}),
        lambda e, x, some: (e.svd(x, some=some)[1], projector(e.svd(x, some=True)[2])),
    ),
    both(
        "triangular_solve",
        lambda r: (
            [uniform(r, 3, 2), firm(r, size=3)],
            {"upper": flag(r), "transpose": flag(r), "unitriangular": flag(r)},
        ),
        lambda e, b, a, **s: older(e.triangular_solve, b, a, **s),
    ),
    sums("addmm", "mn", "mk", "kn"),
    sums("addmv", "m", "mk", "k"),
    sums("addr", "mn", "m", "n"),
    sums("baddbmm", "bmn", "bmk", "bkn"),
    sums("addbmm", "mn", "bmk", "bkn"),
    both(
        "tensordot",
        contracted,
        lambda e, x, y, dims: e.tensordot(x, y, dims),
        dtypes=SINGLE,
        narrow_tolerance=16,
        repeats=60,
    ),
    both("cross", crossed, lambda e, x, y, dim: e.linalg.cross(x, y, dim=dim), dtypes=SINGLE, narrow_tolerance=8),
    both("vecdot", crossed, lambda e, x, y, dim: e.linalg.vecdot(x, y, dim=dim), dtypes=SINGLE, narrow_tolerance=8),
    both("multi_dot", chain, lambda e, *x: e.linalg.multi_dot(x), dtypes=SINGLE, narrow_tolerance=500),
    both(
        "matrix_power",
        given(lambda r: firm(r, *batch_of(r)) / 4, n=one_of(-3, -2, -1, 1, 2, 3, 6)),
        lambda e, x, n: e.linalg.matrix_power(x, n),
    ),
    both("matrix_power 0", squares(), lambda e, x: e.linalg.matrix_power(x, 0), gradient=False),
    einsum("einsum", einsums),
    einsum("einsum of axes of size 1", mixed_sizes),
    both(
        "einsum of numbered axes",
        listed,
        lambda e, x, y: e.einsum(x, [0, 1, 2], y, [0, 2, 5], [5, 0, 1]),
        narrow_tolerance=16,
    ),
    *(
        both(f"{kind}{name}", squares(bool(kind)), call, dtypes=() if kind else SINGLE, narrow_tolerance=64)
        for kind in ("", "complex ")
        for name, call in (
            ("inverse", lambda e, x: e.linalg.inv(x)),
            ("det", lambda e, x: e.linalg.det(x) / 100),
            ("slogdet", lambda e, x: tuple(e.linalg.slogdet(x))),
            ("logdet", lambda e, x: e.logdet(x)),
        )
    ),
    *(
        both(f"{kind}solve", equations(bool(kind)), lambda e, a, b, left: e.linalg.solve(a, b, left=left), repeats=50)
        for kind in ("", "complex ")
    ),
    *(
        both(
            f"{kind}solve_triangular",
            triangles(bool(kind)),
            lambda e, a, b, **s: e.linalg.solve_triangular(a, b, **s),
            repeats=50,
        )
        for kind in ("", "complex ")
    ),
    *(
        both(
            f"{kind}cholesky",
            given(lambda r, k=kind: firm(r, *batch_of(r), whole=bool(k)), upper=flag),
            lambda e, x, upper: e.linalg.cholesky(symmetric(x), upper=upper),
        )
        for kind in ("", "complex ")
    ),
    both(
        "cholesky_solve",
        lambda r: ([firm(r, size=3), uniform(r, 3, 2)], {"upper": flag(r)}),
        lambda e, x, b, upper: e.cholesky_solve(b, e.triu(x) if upper else e.tril(x), upper),
    ),
    both(
        "cholesky_inverse",
        lambda r: ([firm(r, size=3)], {"upper": flag(r)}),
        lambda e, x, upper: e.cholesky_inverse(e.triu(x) if upper else e.tril(x), upper),
    ),
    *(both(f"{kind}qr", lambda r, k=kind: orthogonal(r, bool(k)), qr_parts, repeats=50) for kind in ("", "complex ")),
    both("qr, R alone", given(matrices, mode=one_of("r")), qr_parts, gradient=False),
    *(
        both(f"{kind}eigh", given(lambda r, k=kind: spread_out(r, bool(k)), UPLO=one_of("L", "U")), eigh_parts)
        for kind in ("", "complex ")
    ),
    both("eigvalsh", given(spread_out), lambda e, x: e.linalg.eigvalsh(symmetric(x))),
    *(
        both(f"{kind}svd", given(lambda r, k=kind: matrices(r, bool(k)), full=flag), svd_parts, repeats=50)
        for kind in ("", "complex ")
    ),
    both("svdvals", given(matrices), lambda e, x: e.linalg.svdvals(x)),
    *(
        both(f"{kind}eig", given(lambda r, k=kind: spread_out(r, bool(k))), eig_parts, second=False)
        for kind in ("", "complex ")
    ),
    *(
        both(f"{kind}pinv", given(lambda r, k=kind: matrices(r, bool(k))), lambda e, x: e.linalg.pinv(x))
        for kind in ("", "complex ")
    ),
    both("pinv of low rank", low_rank, lambda e, x: e.linalg.pinv(x, rtol=1e-9), gradient=False),
    both("hermitian pinv", given(spread_out), lambda e, x: e.linalg.pinv(symmetric(x), hermitian=True), second=False),
    both("lstsq", over, lambda e, a, b: e.linalg.lstsq(a, b).solution),
    both("lstsq, the rest", over, lambda e, a, b: tuple(e.linalg.lstsq(a, b, driver="gelsd"))[1:], gradient=False),
    both("matrix_rank", low_rank, lambda e, x: e.linalg.matrix_rank(x), gradient=False),
    both(
        "vector_norm",
        vector_norms,
        lambda e, x, **s: e.linalg.vector_norm(x, **s),
        dtypes=SINGLE,
        narrow_tolerance=32,
        repeats=80,
    ),
    both(
        "vector_norm 0",
        given(lambda r: numbers(r, 3, 4).round()),
        lambda e, x: e.linalg.vector_norm(x, 0, dim=-1),
        gradient=False,
    ),
    both("matrix_norm", matrix_norms, lambda e, x, **s: e.linalg.matrix_norm(x, **s), repeats=80),
    both(
        "norm",
        given(lambda r: numbers(r, 3, 4), ord=one_of(None, "fro", 1, 2, math.inf)),
        lambda e, x, ord: e.linalg.norm(x, ord),
    ),
    both(
        "complex vector_norm",
        given(lambda r: numbers(r, 3, 4, whole=True), ord=one_of(2, 1, 3, math.inf)),
        lambda e, x, ord: e.linalg.vector_norm(x, ord, dim=-1),
    ),
    both("cond", given(lambda r: firm(r), p=one_of(None, 2, -2)), lambda e, x, p: e.linalg.cond(x, p)),
    both(
        "cond by the inverse",
        given(lambda r: firm(r), p=one_of(1, -1, math.inf, "fro", "nuc")),
        lambda e, x, p: e.linalg.cond(x, p),
        gradient=False,
    ),
    *(
        both(
            f"{kind}matrix_exp",
            given(lambda r, k=kind: numbers(r, *batch_of(r), 3, 3, whole=bool(k)) * few(r, 0, 3)),
            lambda e, x: e.linalg.matrix_exp(plain(x)),
        )
        for kind in ("", "complex ")
    ),
    both(
        "vander",
        given(lambda r: uniform(r, *shape_of(r, 1, 2)), N=one_of(2, 3, 5)),
        lambda e, x, N: e.linalg.vander(x, N=N),  # noqa: N803
    ),
    both("tensorinv", given(lambda r: firm(r, size=6).reshape(2, 3, 3, 2)), lambda e, x: e.linalg.tensorinv(x)),
    both(
        "tensorsolve",
        lambda r: ([firm(r, size=6).reshape(2, 3, 3, 2), uniform(r, 2, 3)], {}),
        lambda e, a, b: e.linalg.tensorsolve(a, b),
    ),
]
