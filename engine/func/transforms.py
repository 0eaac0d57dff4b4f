"""Gradients, Jacobians and products with them, of functions; and a module called with other parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import gradient as _gradient
from ..errors import ArgumentError, GradientError, ShapeError, StateError
from ..modes import Recording
from ..node import Output
from ..ops import stack, zeros_like
from ..tensor import Tensor, new_tensor, tensor_of

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "value_and_grad",
    "vjp",
]

Function = Callable[..., Any]
Places = int | tuple[int, ...]


def grad(function: Function, argnums: Places = 0, has_aux: bool = False) -> Function:
    """The function that gives the gradient of ``function``, a single number, with respect to the arguments ``argnums``.

    With ``has_aux`` the function gives a pair, and its second part comes along: (gradient, aux).
    """
    both = value_and_grad(function, argnums, has_aux)

    def gradient_of(*args: Any, **kwargs: Any) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient_of


def value_and_grad(function: Function, argnums: Places = 0, has_aux: bool = False) -> Function:
    """The function that gives (value, gradient); with ``has_aux`` ((value, aux), gradient)."""

    def value_and_gradient_of(*args: Any, **kwargs: Any) -> Any:
        with Recording(True):
            inputs = _Inputs("grad", args, argnums)
            given = function(*inputs.args, **kwargs)
            value, aux = _pair("grad", given) if has_aux else (given, None)
            if not isinstance(value, Tensor) or value.numel() != 1:
                raise ShapeError(
                    f"grad: the function must give a single number, not {_shown(value)}; use jacobian or vjp for more"
                )
            results = inputs.gradients([value], [None], inputs.outside([value]))
        value = inputs.freed(value)
        inputs.close()
        return ((value, aux) if has_aux else value), inputs.shaped(results)

    return value_and_gradient_of


def grad_and_value(function: Function, argnums: Places = 0, has_aux: bool = False) -> Function:
    """As PyTorch has it: (gradient, value); with ``has_aux`` (gradient, (value, aux))."""
    both = value_and_grad(function, argnums, has_aux)
    return lambda *args, **kwargs: both(*args, **kwargs)[::-1]


def vjp(function: Function, *primals: Any, has_aux: bool = False) -> Any:
    """(output, pull): ``pull(cotangents)`` gives the gradients of the primals, one for each, for cotangents shaped as the output."""
    with Recording(True):
        inputs = _Inputs("vjp", primals, tuple(range(len(primals))))
        given = function(*inputs.args)
    output, aux = _pair("vjp", given) if has_aux else (given, None)
    outputs = _leaves(output)

    def pull(cotangents: Any) -> tuple[Any, ...]:
        seeds = _leaves(cotangents)
        if len(seeds) != len(outputs):
            raise ArgumentError(f"vjp: {len(outputs)} outputs want as many cotangents, not {len(seeds)}")
        with Recording(True):
            results = inputs.gradients(outputs, seeds, inputs.outside([*outputs, *seeds]))
        return tuple(inputs.shaped(results))

    value = _mapped(output, inputs.freed)
    inputs.close()
    return (value, pull, aux) if has_aux else (value, pull)


def jvp(function: Function, primals: tuple[Any, ...], tangents: tuple[Any, ...], has_aux: bool = False) -> Any:
    """(output, its derivative along the tangents), by differentiating the vector-Jacobian product by its vector."""
    primals, tangents = tuple(primals), tuple(tangents)
    with Recording(True):
        inputs = _Inputs("jvp", primals, tuple(range(len(primals))))
        along = inputs.along("jvp", tangents)
        given = function(*inputs.args)
        output, aux = _pair("jvp", given) if has_aux else (given, None)
        outputs = _leaves(output)
        outside = inputs.outside([*outputs, *along])
        vectors = [tensor_of(zeros_like(o).array).requires_grad_() for o in outputs]
        pulled = inputs.gradients(outputs, vectors, True)
        total = _dot(pulled, along)
        moved: Any = (None,) * len(vectors)
        if total.requires_grad:
            moved = _gradient.grad(total, vectors, create_graph=outside, allow_unused=True)
    results = [zeros_like(o) if m is None else m for o, m in zip(outputs, moved, strict=True)]
    tangent = _rebuilt(output, iter([r if outside else r.detach() for r in results]))
    value = _mapped(output, inputs.freed)
    inputs.close()
    return (value, tangent, aux) if has_aux else (value, tangent)


def hvp(function: Function, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
    """(value, H t): the Hessian of a single number with respect to all primals, times the tangents; one result for each primal."""
    primals, tangents = tuple(primals), tuple(tangents)
    with Recording(True):
        inputs = _Inputs("hvp", primals, tuple(range(len(primals))))
        along = inputs.along("hvp", tangents)
        value = function(*inputs.args)
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise ShapeError(f"hvp: the function must give a single number, not {_shown(value)}")
        outside = inputs.outside([value, *along])
        slope = _dot(inputs.gradients([value], [None], True), along)
        results = inputs.gradients([slope], [None], outside) if slope.requires_grad else inputs.nothing()
    value = inputs.freed(value)
    inputs.close()
    return value, tuple(inputs.shaped(results))


def jacobian(function: Function, argnums: Places = 0) -> Function:
    """The function that gives d output / d argument, of shape (output..., argument...): one backward pass for each number of the output.

    Where the output is a tuple, so is the result; where ``argnums`` is, each of them is.
    """

    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        with Recording(True):
            inputs = _Inputs("jacobian", args, argnums)
            output = function(*inputs.args, **kwargs)
            outside = inputs.outside(_leaves(output))
            result = _mapped(output, lambda out: inputs.shaped(_rows(inputs, out, outside)))
        inputs.close()
        return result

    return jacobian_of


def hessian(function: Function, argnums: Places = 0) -> Function:
    """The function that gives the second derivatives of a single number, of shape (argument..., argument...)."""
    return jacobian(jacobian(function, argnums), argnums)


def functional_call(
    module: Any, state: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None, *, tie_weights: bool = True, strict: bool = False
) -> Any:  # fmt: skip
    """``module(*args, **kwargs)`` with other tensors in the place of its parameters and buffers, which stay as they are.

    ``state`` maps dotted names to tensors (or is a tuple of such mappings). What it does not name is the module's own; with ``strict`` that is
    an error. A tensor that the module holds under several names is replaced under all of them, unless ``tie_weights`` is False.
    """
    given: dict[str, Any] = {}
    for part in state if isinstance(state, (tuple, list)) else (state,):
        given.update(part)
    places = _places(module)
    unknown = [name for name in given if name not in places]
    missing = [name for name in places if name not in given] if strict else []
    if unknown or missing:
        what = f"has no parameter or buffer {unknown[0]!r}" if unknown else f"wants {missing[0]!r} too (strict)"
        raise StateError(
            f"functional_call: {type(module).__name__} {what}; named_parameters() and named_buffers() list them"
        )
    swaps: list[tuple[dict[str, Any], str, Any, Any]] = []
    named = {id(places[name][2]): value for name, value in given.items()} if tie_weights else {}
    for name, (held, attribute, own) in places.items():
        value = given.get(name, named.get(id(own)))
        if value is None:
            continue
        if not isinstance(value, Tensor):
            raise StateError(f"functional_call: {name!r} must be a tensor, not {type(value).__name__}")
        swaps.append((held, attribute, own, value))
    try:
        for held, attribute, _, value in swaps:
            held[attribute] = value
        return module(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))
    finally:
        for held, attribute, own, _ in swaps:
            held[attribute] = own


def _places(module: Any) -> dict[str, tuple[dict[str, Any], str, Tensor]]:
    """Dotted names of all parameters and buffers, each with the dictionary that holds it, its name there, and itself."""
    found: dict[str, tuple[dict[str, Any], str, Tensor]] = {}
    for path, part in module.named_modules():
        names = [name for name, _ in part.named_parameters(recurse=False)]
        # A parameter held twice by one module is listed once; its other names count here.
        names += [n for n, v in part.__dict__.items() if isinstance(v, Tensor) and n not in names]
        for name in names:
            found[f"{path}.{name}" if path else name] = (part.__dict__, name, part.__dict__[name])
    return found


class _Leaf(Tensor):
    """A tensor that a transformation made to differentiate by; ``open`` while that is at work."""

    __slots__ = ("open",)
    open: bool


class _Inputs:
    """The arguments of a function that is to be differentiated, with tensors of their own in the places that count."""

    def __init__(self, who: str, args: tuple[Any, ...], argnums: Places) -> None:
        self.who = who
        self.single = not isinstance(argnums, tuple)
        self.places = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        for place in self.places:
            if isinstance(place, bool) or not isinstance(place, int) or not -len(args) <= place < len(args):
                raise ArgumentError(f"{who}: there is no argument {place!r:.40} among {len(args)}")
        self.given = [args[place] for place in self.places]
        self.nested = any(t.requires_grad for t in _leaves(self.given))
        self.fresh = [_mapped(tree, self._fresh) for tree in self.given]
        held = list(args)
        for place, tree in zip(self.places, self.fresh, strict=True):
            held[place] = tree
        self.args = tuple(held)
        self.tensors = _leaves(self.fresh)
        if not self.tensors:
            raise ArgumentError(f"{who}: the arguments {self.places} hold no tensor")
        self._own = {id(t) for t in self.tensors}

    def _fresh(self, value: Tensor) -> Tensor:
        # What takes part in an outer graph stays part of it; anything else becomes a leaf.
        if value.requires_grad:
            return value.clone()
        leaf: _Leaf = new_tensor(_Leaf)
        leaf.array, leaf.node, leaf.open = value.array, None, True
        leaf.requires_grad_()
        return leaf

    def outside(self, values: list[Tensor]) -> bool:
        """Whether somebody outside may want the gradient of the results: then they are recorded."""
        if self.nested:
            return True
        seen: set[int] = set()
        stack = [value.node or value for value in values if value.requires_grad]
        while stack:
            edge = stack.pop()
            if edge is None:
                continue
            if isinstance(edge, Tensor):
                if id(edge) not in self._own and getattr(edge, "open", True):
                    return True
                continue
            node = edge.node if isinstance(edge, Output) else edge
            if id(node) not in seen:
                seen.add(id(node))
                stack += node.edges
        return False

    def close(self) -> None:
        """Say that nobody waits for gradients of these tensors any more."""
        for tensor in self.tensors:
            if isinstance(tensor, _Leaf):
                tensor.open = False

    def gradients(self, outputs: list[Tensor], seeds: list[Any], create_graph: bool) -> list[Tensor]:
        """The gradients of all tensors, zeros where the outputs do not depend on them."""
        pairs = [(o, s) for o, s in zip(outputs, seeds, strict=True) if o.requires_grad]
        if not pairs:
            return self.nothing()
        seeds = None if all(s is None for _, s in pairs) else [s for _, s in pairs]  # type: ignore[assignment]
        found = _gradient.grad(
            [o for o, _ in pairs], self.tensors, seeds, create_graph=create_graph, retain_graph=True, allow_unused=True
        )
        return [zeros_like(t) if g is None else g for t, g in zip(self.tensors, found, strict=True)]

    def nothing(self) -> list[Tensor]:
        """Zeros for every tensor."""
        return [zeros_like(t) for t in self.tensors]

    def along(self, who: str, tangents: tuple[Any, ...]) -> list[Tensor]:
        """The tangents, checked."""
        given = _leaves(list(tangents))
        if len(given) != len(self.tensors) or any(t.shape != p.shape for t, p in zip(given, self.tensors, strict=True)):
            raise ShapeError(
                f"{who}: tangents must have the shapes of the primals {[tuple(p.shape) for p in self.tensors]}, not {[tuple(t.shape) for t in given]}"
            )
        return given

    def shaped(self, results: list[Tensor]) -> Any:
        """Results, one for each tensor, in the form of the arguments."""
        flow = iter(results)
        trees = [_rebuilt(tree, flow) for tree in self.given]
        return trees[0] if self.single else tuple(trees)

    def freed(self, value: Any) -> Any:
        """A result without the part of the graph that only leads to our own tensors."""
        return value if not isinstance(value, Tensor) or self.outside([value]) else value.detach()


def _rows(inputs: _Inputs, out: Tensor, outside: bool) -> list[Tensor]:
    """The gradients of each number of one output, put together."""
    count = out.numel()
    rows = []
    for place in range(count):
        seed = zeros_like(out).detach()
        seed.array.reshape(-1)[place] = 1
        rows.append(inputs.gradients([out], [seed], outside))
    shapes = [(*out.shape, *t.shape) for t in inputs.tensors]
    if not rows:
        return [
            zeros_like(t.reshape(1, -1)[:0]).reshape(shape) for t, shape in zip(inputs.tensors, shapes, strict=True)
        ]
    return [
        stack(list(column), 0).reshape(shape) for column, shape in zip(zip(*rows, strict=True), shapes, strict=True)
    ]


def _dot(left: list[Tensor], right: list[Tensor]) -> Tensor:
    total = (left[0] * right[0]).sum()
    for a, b in zip(left[1:], right[1:], strict=True):
        total = total + (a * b).sum()
    return total


def _pair(who: str, given: Any) -> tuple[Any, Any]:
    if not isinstance(given, tuple) or len(given) != 2:
        raise ArgumentError(f"{who}: with has_aux the function gives a pair (output, aux), not {_shown(given)}")
    return given


def _shown(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def _leaves(tree: Any) -> list[Tensor]:
    """The tensors of nested tuples, lists and dictionaries, in order."""
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, Mapping):
        return [leaf for part in tree.values() for leaf in _leaves(part)]
    if isinstance(tree, (tuple, list)):
        return [leaf for part in tree for leaf in _leaves(part)]
    if tree is None or isinstance(tree, (int, float, str)):
        raise GradientError(f"func: wants tensors, or tuples, lists and dictionaries of them, not {tree!r:.40}")
    raise GradientError(f"func: wants tensors, or tuples, lists and dictionaries of them, not {type(tree).__name__}")


def _mapped(tree: Any, function: Callable[[Tensor], Any]) -> Any:
    """The same form with ``function`` of every tensor."""
    return _rebuilt(tree, iter([function(leaf) for leaf in _leaves(tree)]))


def _rebuilt(tree: Any, flow: Any) -> Any:
    if isinstance(tree, Mapping):
        return {name: _rebuilt(part, flow) for name, part in tree.items()}
    if isinstance(tree, (tuple, list)):
        parts = [_rebuilt(part, flow) for part in tree]
        return parts if isinstance(tree, list) else tuple(parts)
    return next(flow)
