"""Every operation: what is computed, with its gradient beside it. How, where something faster exists, is in ``kernels``.

A folder is a family, a file an idea; each file lists in ``__all__`` what it offers.
"""

from . import names
from .algebra import contraction, factorization, matrix, older, products, solving
from .algebra.contraction import *
from .algebra.factorization import *
from .algebra.matrix import *
from .algebra.older import *
from .algebra.products import *
from .algebra.solving import *
from .elementwise import (
    arithmetic,
    compare,
    complex_numbers,
    elementary,
    exponential,
    limits,
    normality,
    rounding,
    special,
    trigonometric,
)
from .elementwise.arithmetic import *
from .elementwise.compare import *
from .elementwise.complex_numbers import *
from .elementwise.elementary import *
from .elementwise.exponential import *
from .elementwise.limits import *
from .elementwise.normality import *
from .elementwise.rounding import *
from .elementwise.special import *
from .elementwise.trigonometric import *
from .images import convolution, pooling, resampling, sampling, shuffling, unfolding, windows
from .images.convolution import *
from .images.pooling import *
from .images.resampling import *
from .images.sampling import *
from .images.shuffling import *
from .images.unfolding import *
from .images.windows import *
from .indexing import accumulation, index, indices, picking, places, rows, scattering
from .indexing.accumulation import *
from .indexing.index import *
from .indexing.indices import *
from .indexing.picking import *
from .indexing.places import *
from .indexing.rows import *
from .indexing.scattering import *
from .layers import (
    activation,
    attention,
    batching,
    convolved_norm,
    dropping,
    gating,
    grouping,
    heads,
    normalization,
    rectifier,
    residuals,
)
from .layers import rotary as rotations
from .layers.activation import *
from .layers.attention import *
from .layers.batching import *
from .layers.convolved_norm import *
from .layers.dropping import *
from .layers.gating import *
from .layers.grouping import *
from .layers.heads import *
from .layers.normalization import *
from .layers.rectifier import *
from .layers.residuals import *
from .layers.rotary import *
from .losses import deviation, distance, loss
from .losses.deviation import *
from .losses.distance import *
from .losses.loss import *
from .names import *
from .reductions import choice, distinct, length, moments, norms, order, ranks, reduction, scan, statistics
from .reductions.choice import *
from .reductions.distinct import *
from .reductions.length import *
from .reductions.moments import *
from .reductions.norms import *
from .reductions.order import *
from .reductions.ranks import *
from .reductions.reduction import *
from .reductions.scan import *
from .reductions.statistics import *
from .sequences import ctc, elman, gru, lstm, recurrent, transducer
from .sequences.ctc import *
from .sequences.elman import *
from .sequences.gru import *
from .sequences.lstm import *
from .sequences.recurrent import *
from .sequences.transducer import *
from .shapes import axes, copy, create, cutting, diagonals, padding, shape, tiling
from .shapes.axes import *
from .shapes.copy import *
from .shapes.create import *
from .shapes.cutting import *
from .shapes.diagonals import *
from .shapes.padding import *
from .shapes.shape import *
from .shapes.tiling import *
from .signals import fourier, spectrogram, tapers
from .signals.fourier import *
from .signals.spectrogram import *
from .signals.tapers import *

__all__: list[str] = []
__all__ += contraction.__all__
__all__ += factorization.__all__
__all__ += matrix.__all__
__all__ += older.__all__
__all__ += products.__all__
__all__ += solving.__all__
__all__ += arithmetic.__all__
__all__ += compare.__all__
__all__ += complex_numbers.__all__
__all__ += elementary.__all__
__all__ += exponential.__all__
__all__ += limits.__all__
__all__ += normality.__all__
__all__ += rounding.__all__
__all__ += special.__all__
__all__ += trigonometric.__all__
__all__ += convolution.__all__
__all__ += pooling.__all__
__all__ += resampling.__all__
__all__ += sampling.__all__
__all__ += shuffling.__all__
__all__ += unfolding.__all__
__all__ += windows.__all__
__all__ += accumulation.__all__
__all__ += index.__all__
__all__ += indices.__all__
__all__ += picking.__all__
__all__ += places.__all__
__all__ += rows.__all__
__all__ += scattering.__all__
__all__ += activation.__all__
__all__ += attention.__all__
__all__ += batching.__all__
__all__ += convolved_norm.__all__
__all__ += dropping.__all__
__all__ += gating.__all__
__all__ += grouping.__all__
__all__ += heads.__all__
__all__ += normalization.__all__
__all__ += rectifier.__all__
__all__ += residuals.__all__
__all__ += rotations.__all__
__all__ += deviation.__all__
__all__ += distance.__all__
__all__ += loss.__all__
__all__ += choice.__all__
__all__ += distinct.__all__
__all__ += length.__all__
__all__ += moments.__all__
__all__ += norms.__all__
__all__ += order.__all__
__all__ += ranks.__all__
__all__ += reduction.__all__
__all__ += scan.__all__
__all__ += statistics.__all__
__all__ += ctc.__all__
__all__ += elman.__all__
__all__ += gru.__all__
__all__ += lstm.__all__
__all__ += recurrent.__all__
__all__ += transducer.__all__
__all__ += axes.__all__
__all__ += copy.__all__
__all__ += create.__all__
__all__ += cutting.__all__
__all__ += diagonals.__all__
__all__ += padding.__all__
__all__ += shape.__all__
__all__ += tiling.__all__
__all__ += fourier.__all__
__all__ += spectrogram.__all__
__all__ += tapers.__all__
__all__ += names.__all__
