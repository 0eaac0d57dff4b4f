"""The layers' computations as functions, under the names that PyTorch's users know.

Each file lists in ``__all__`` what it offers; what needs no settings of PyTorch's is the operation itself.
"""

from ...ops import cross_entropy, pad, scaled_dot_product_attention
from . import activation, convolution, dropping, lookup, matrix, normalization, pooling
from .activation import *
from .convolution import *
from .dropping import *
from .lookup import *
from .matrix import *
from .normalization import *
from .pooling import *

__all__ = ["cross_entropy", "pad", "scaled_dot_product_attention"]
__all__ += activation.__all__
__all__ += convolution.__all__
__all__ += dropping.__all__
__all__ += lookup.__all__
__all__ += matrix.__all__
__all__ += normalization.__all__
__all__ += pooling.__all__
