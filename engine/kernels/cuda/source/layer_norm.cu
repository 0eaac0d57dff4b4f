// Layer normalisation and normalisation by the root of the mean square, row by row, with their gradients.

#include "ground.cuh"
#include "rows.cuh"
#include "norms.cuh"

extern "C" __global__ void __launch_bounds__(BLOCK) layer_norm(
    const SCALAR* x, const PARAM* weight, const PARAM* bias, SCALAR* out, TWIN* twin, WIDE* means, WIDE* inverses, index_t rows, index_t width,
    WIDE epsilon
) {
    normalise_rows<true>(Rows{x}, weight, bias, out, twin, means, inverses, rows, width, epsilon);
}

extern "C" __global__ void __launch_bounds__(BLOCK) rms_norm(
    const SCALAR* x, const PARAM* weight, SCALAR* out, TWIN* twin, WIDE* inverses, index_t rows, index_t width, WIDE epsilon
) {
    normalise_rows<false>(Rows{x}, weight, (const PARAM*)0, out, twin, (WIDE*)0, inverses, rows, width, epsilon);
}

extern "C" __global__ void __launch_bounds__(BLOCK) layer_norm_backward(
    const SCALAR* flow, const SCALAR* x, const PARAM* weight, const WIDE* means, const WIDE* inverses, SCALAR* out,
    WIDE* along, WIDE* total, index_t rows, index_t width
) {
    backward<true>(Rows{flow}, x, weight, means, inverses, Slopes{out}, along, total, rows, width);
}

extern "C" __global__ void __launch_bounds__(BLOCK) rms_norm_backward(
    const SCALAR* flow, const SCALAR* x, const PARAM* weight, const WIDE* inverses, SCALAR* out, WIDE* along, index_t rows, index_t width
) {
    backward<false>(Rows{flow}, x, weight, (const WIDE*)0, inverses, Slopes{out}, along, (WIDE*)0, rows, width);
}
