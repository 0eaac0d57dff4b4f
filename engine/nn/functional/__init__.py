"""The layers' computations as functions, under the names that PyTorch's users know.

Each file lists in ``__all__`` what it offers; what needs no settings of PyTorch's is the operation itself.
"""

from ...ops import (
    attention_in_heads,
    cosine_similarity,
    cross_entropy,
    pad,
    pairwise_distance,
    scaled_dot_product_attention,
)
from . import (
    activation,
    classification,
    convolution,
    ctc,
    dropping,
    encoding,
    lookup,
    loss,
    margin,
    matrix,
    normalization,
    pooling,
    resampling,
    residuals,
    transducer,
)
from .activation import *
from .classification import *
from .convolution import *
from .ctc import *
from .dropping import *
from .encoding import *
from .lookup import *
from .loss import *
from .margin import *
from .matrix import *
from .normalization import *
from .pooling import *
from .resampling import *
from .residuals import *
from .transducer import *

__all__ = [
    "attention_in_heads",
    "cosine_similarity",
    "cross_entropy",
    "pad",
    "pairwise_distance",
    "scaled_dot_product_attention",
]
__all__ += activation.__all__
__all__ += classification.__all__
__all__ += convolution.__all__
__all__ += ctc.__all__
__all__ += dropping.__all__
__all__ += encoding.__all__
__all__ += lookup.__all__
__all__ += loss.__all__
__all__ += margin.__all__
__all__ += matrix.__all__
__all__ += normalization.__all__
__all__ += pooling.__all__
__all__ += resampling.__all__
__all__ += residuals.__all__
__all__ += transducer.__all__
