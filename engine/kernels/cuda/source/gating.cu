// A number through an activation, times another, and what flows back to both: rounded between the two as two operations round.

#include "ground.cuh"
#include "functions.cuh"

#ifndef GATE  // 0: silu, 1: gelu, 2: its tanh form
#define GATE 0
#endif
#define EACH ((int)(16 / sizeof(SCALAR)))

__device__ __forceinline__ WIDE bent(WIDE x) {
    if (GATE == 0) return x * sigmoid_of(x);
    if (GATE == 1) return WIDE(0.5) * x * (erf_of(x * WIDE(0.7071067811865476)) + WIDE(1));
    return gelu_tanh_of(x);
}

__device__ __forceinline__ WIDE slope(WIDE x) {
    if (GATE == 0) return silu_slope(x);
    if (GATE == 1) return gelu_slope(x);
    return gelu_tanh_slope(x);
}

__device__ __forceinline__ WIDE rounded(WIDE x) { return (WIDE)widened(narrowed<SCALAR>(x)); }

__device__ __forceinline__ SCALAR forward(SCALAR x, SCALAR y) { return narrowed<SCALAR>(rounded(bent((WIDE)widened(x))) * (WIDE)widened(y)); }

__device__ __forceinline__ void backward(SCALAR flow, SCALAR x, SCALAR y, SCALAR& by_x, SCALAR& by_y) {
    const WIDE flowing = widened(flow), of = widened(x);
    by_x = narrowed<SCALAR>(rounded(flowing * (WIDE)widened(y)) * slope(of));
    by_y = narrowed<SCALAR>(flowing * rounded(bent(of)));
}

// All arrays lie in one piece in the same order; `groups` of EACH numbers are taken at once, which is none where they are not aligned.
extern "C" __global__ void __launch_bounds__(256) gated(const SCALAR* x, const SCALAR* y, SCALAR* out, index_t count, index_t groups) {
    for (index_t i = first_index(); i < groups; i += all_threads()) {
        const Several<SCALAR, EACH> a = load_several<EACH>(x + i * EACH), b = load_several<EACH>(y + i * EACH);
        Several<SCALAR, EACH> made;
#pragma unroll
        for (int k = 0; k < EACH; k++) made.at[k] = forward(a.at[k], b.at[k]);
        store_several<EACH>(out + i * EACH, made);
    }
    for (index_t i = groups * EACH + first_index(); i < count; i += all_threads()) out[i] = forward(x[i], y[i]);
}

extern "C" __global__ void __launch_bounds__(256) gated_backward(
    const SCALAR* flow, const SCALAR* x, const SCALAR* y, SCALAR* by_x, SCALAR* by_y, index_t count, index_t groups
) {
    for (index_t i = first_index(); i < groups; i += all_threads()) {
        const Several<SCALAR, EACH> f = load_several<EACH>(flow + i * EACH), a = load_several<EACH>(x + i * EACH), b = load_several<EACH>(y + i * EACH);
        Several<SCALAR, EACH> first, second;
#pragma unroll
        for (int k = 0; k < EACH; k++) backward(f.at[k], a.at[k], b.at[k], first.at[k], second.at[k]);
        store_several<EACH>(by_x + i * EACH, first);
        store_several<EACH>(by_y + i * EACH, second);
    }
    for (index_t i = groups * EACH + first_index(); i < count; i += all_threads()) backward(flow[i], x[i], y[i], by_x[i], by_y[i]);
}
