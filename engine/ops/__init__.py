"""Every operation: what is computed, with its gradient beside it. How, where something faster exists, is in ``kernels``.

Each file lists in ``__all__`` what it offers.
"""

from . import (
    activation,
    arithmetic,
    attention,
    axes,
    compare,
    complex_numbers,
    convolution,
    copy,
    create,
    ctc,
    deviation,
    diagonals,
    distance,
    dropping,
    elementary,
    index,
    loss,
    matrix,
    normalization,
    padding,
    picking,
    places,
    pooling,
    rectifier,
    reduction,
    resampling,
    rows,
    scattering,
    shape,
    tiling,
    windows,
)
from .activation import *
from .arithmetic import *
from .attention import *
from .axes import *
from .compare import *
from .complex_numbers import *
from .convolution import *
from .copy import *
from .create import *
from .ctc import *
from .deviation import *
from .diagonals import *
from .distance import *
from .dropping import *
from .elementary import *
from .index import *
from .loss import *
from .matrix import *
from .normalization import *
from .padding import *
from .picking import *
from .places import *
from .pooling import *
from .rectifier import *
from .reduction import *
from .resampling import *
from .rows import *
from .scattering import *
from .shape import *
from .tiling import *
from .windows import *

__all__: list[str] = []
__all__ += activation.__all__
__all__ += arithmetic.__all__
__all__ += attention.__all__
__all__ += axes.__all__
__all__ += compare.__all__
__all__ += complex_numbers.__all__
__all__ += convolution.__all__
__all__ += copy.__all__
__all__ += create.__all__
__all__ += ctc.__all__
__all__ += deviation.__all__
__all__ += diagonals.__all__
__all__ += distance.__all__
__all__ += dropping.__all__
__all__ += elementary.__all__
__all__ += index.__all__
__all__ += loss.__all__
__all__ += matrix.__all__
__all__ += normalization.__all__
__all__ += padding.__all__
__all__ += picking.__all__
__all__ += places.__all__
__all__ += pooling.__all__
__all__ += rectifier.__all__
__all__ += reduction.__all__
__all__ += resampling.__all__
__all__ += rows.__all__
__all__ += scattering.__all__
__all__ += shape.__all__
__all__ += tiling.__all__
__all__ += windows.__all__
