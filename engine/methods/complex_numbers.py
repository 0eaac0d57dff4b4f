"""The methods of complex tensors, and of the spectra that they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ShapeError

if TYPE_CHECKING:
    from .. import ops
    from ..tensor import Tensor
else:
    ops = None


def matrix_only(name: str, x: Tensor) -> Tensor:
    """The tensor, if it is one matrix."""
    if x.ndim != 2:
        raise ShapeError(f"{name}: wants one matrix, not shape {tuple(x.shape)}; use .m{name} for the last two axes")
    return x


class ComplexMethods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    @property
    def real(self: Any) -> Tensor:
        return ops.real(self)

    @property
    def imag(self: Any) -> Tensor:
        return ops.imag(self)

    @property
    def H(self: Any) -> Tensor:  # noqa: N802 - PyTorch's name
        return ops.adjoint(matrix_only("H", self))

    @property
    def mH(self: Any) -> Tensor:  # noqa: N802
        return ops.adjoint(self)

    def adjoint(self: Any) -> Tensor:
        return ops.adjoint(self)

    def conj(self: Any) -> Tensor:
        return ops.conj(self)

    def resolve_conj(self: Any) -> Any:
        return self

    def angle(self: Any) -> Tensor:
        return ops.angle(self)

    def sgn(self: Any) -> Tensor:
        return ops.sgn(self)

    def isreal(self: Any) -> Tensor:
        return ops.isreal(self)

    def is_complex(self: Any) -> Any:
        return ops.is_complex(self)

    def stft(
        self: Any,
        n_fft: Any,
        hop_length: Any = None,
        win_length: Any = None,
        window: Any = None,
        center: Any = True,
        pad_mode: Any = "reflect",
        normalized: Any = False,
        onesided: Any = None,
        return_complex: Any = True,
    ) -> Tensor:
        return ops.stft(
            self, n_fft, hop_length, win_length, window, center, pad_mode, normalized, onesided, return_complex
        )

    def istft(
        self: Any,
        n_fft: Any,
        hop_length: Any = None,
        win_length: Any = None,
        window: Any = None,
        center: Any = True,
        normalized: Any = False,
        onesided: Any = None,
        length: Any = None,
        return_complex: Any = False,
    ) -> Tensor:
        return ops.istft(
            self, n_fft, hop_length, win_length, window, center, normalized, onesided, length, return_complex
        )

    def conj_physical(self: Any) -> Tensor:
        return ops.conj(self)

    def resolve_neg(self: Any) -> Any:
        return self

    def cfloat(self: Any) -> Tensor:
        return self.to(dtype="complex64")  # type: ignore[no-any-return]

    def cdouble(self: Any) -> Tensor:
        return self.to(dtype="complex128")  # type: ignore[no-any-return]

    def is_conj(self: Any) -> Any:
        return False


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    globals()["ops"] = operations
