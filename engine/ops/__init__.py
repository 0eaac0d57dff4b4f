"""Every operation: what is computed, with its gradient beside it. How, where something faster exists, is in ``kernels``.

Each file lists in ``__all__`` what it offers.
"""

from . import (
    activation,
    arithmetic,
    attention,
    axes,
    choice,
    compare,
    complex_numbers,
    contraction,
    convolution,
    copy,
    create,
    ctc,
    cutting,
    deviation,
    diagonals,
    distance,
    distinct,
    dropping,
    elementary,
    elman,
    exponential,
    factorization,
    fourier,
    grouping,
    gru,
    heads,
    index,
    length,
    limits,
    loss,
    lstm,
    matrix,
    moments,
    names,
    normality,
    normalization,
    norms,
    older,
    order,
    padding,
    picking,
    places,
    pooling,
    products,
    ranks,
    rectifier,
    recurrent,
    reduction,
    resampling,
    rounding,
    rows,
    sampling,
    scan,
    scattering,
    shape,
    shuffling,
    solving,
    special,
    spectrogram,
    statistics,
    tapers,
    tiling,
    trigonometric,
    unfolding,
    windows,
)
from .activation import *
from .arithmetic import *
from .attention import *
from .axes import *
from .choice import *
from .compare import *
from .complex_numbers import *
from .contraction import *
from .convolution import *
from .copy import *
from .create import *
from .ctc import *
from .cutting import *
from .deviation import *
from .diagonals import *
from .distance import *
from .distinct import *
from .dropping import *
from .elementary import *
from .elman import *
from .exponential import *
from .factorization import *
from .fourier import *
from .grouping import *
from .gru import *
from .heads import *
from .index import *
from .length import *
from .limits import *
from .loss import *
from .lstm import *
from .matrix import *
from .moments import *
from .names import *
from .normality import *
from .normalization import *
from .norms import *
from .older import *
from .order import *
from .padding import *
from .picking import *
from .places import *
from .pooling import *
from .products import *
from .ranks import *
from .rectifier import *
from .recurrent import *
from .reduction import *
from .resampling import *
from .rounding import *
from .rows import *
from .sampling import *
from .scan import *
from .scattering import *
from .shape import *
from .shuffling import *
from .solving import *
from .special import *
from .spectrogram import *
from .statistics import *
from .tapers import *
from .tiling import *
from .trigonometric import *
from .unfolding import *
from .windows import *

__all__: list[str] = []
__all__ += activation.__all__
__all__ += arithmetic.__all__
__all__ += attention.__all__
__all__ += axes.__all__
__all__ += choice.__all__
__all__ += compare.__all__
__all__ += complex_numbers.__all__
__all__ += contraction.__all__
__all__ += convolution.__all__
__all__ += copy.__all__
__all__ += create.__all__
__all__ += ctc.__all__
__all__ += cutting.__all__
__all__ += deviation.__all__
__all__ += diagonals.__all__
__all__ += distance.__all__
__all__ += distinct.__all__
__all__ += dropping.__all__
__all__ += elementary.__all__
__all__ += grouping.__all__
__all__ += elman.__all__
__all__ += exponential.__all__
__all__ += factorization.__all__
__all__ += fourier.__all__
__all__ += grouping.__all__
__all__ += gru.__all__
__all__ += heads.__all__
__all__ += index.__all__
__all__ += length.__all__
__all__ += limits.__all__
__all__ += loss.__all__
__all__ += lstm.__all__
__all__ += matrix.__all__
__all__ += moments.__all__
__all__ += names.__all__
__all__ += normality.__all__
__all__ += normalization.__all__
__all__ += norms.__all__
__all__ += older.__all__
__all__ += order.__all__
__all__ += padding.__all__
__all__ += picking.__all__
__all__ += places.__all__
__all__ += pooling.__all__
__all__ += products.__all__
__all__ += ranks.__all__
__all__ += rectifier.__all__
__all__ += recurrent.__all__
__all__ += reduction.__all__
__all__ += resampling.__all__
__all__ += rounding.__all__
__all__ += rows.__all__
__all__ += sampling.__all__
__all__ += scan.__all__
__all__ += scattering.__all__
__all__ += shape.__all__
__all__ += shuffling.__all__
__all__ += solving.__all__
__all__ += special.__all__
__all__ += spectrogram.__all__
__all__ += statistics.__all__
__all__ += tapers.__all__
__all__ += tiling.__all__
__all__ += trigonometric.__all__
__all__ += unfolding.__all__
__all__ += windows.__all__
