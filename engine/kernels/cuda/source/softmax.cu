// The softmax of rows and of columns, its logarithm, and their gradients.

#include "ground.cuh"
#include "rows.cuh"

template <bool logarithm>
__device__ __forceinline__ void forward(const SCALAR* x, SCALAR* out, index_t rows, index_t width) {
    const int teams = blockDim.x / TEAM, count = pieces(width);
    const bool whole = width % EACH == 0 && lies_at(x, 16) && lies_at(out, 16);
    for (index_t row = (index_t)blockIdx.x * teams + threadIdx.x / TEAM; row < rows; row += (index_t)gridDim.x * teams) {
        const SCALAR* from = x + row * width;
        WIDE held[KEPT][EACH];
        WIDE peak = -INFINITE, sum = 0;
#pragma unroll
        for (int c = 0; c < count; c++) {
            const index_t first = place_of(c);
            if (CHUNKS)
#pragma unroll
                for (int k = 0; k < EACH; k++) held[c % KEPT][k] = -INFINITE;
            if (first >= width) continue;
            const Piece piece = load_piece(from, first, width, whole);
            WIDE best = -INFINITE, values[EACH];
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                WIDE value = widened(piece.at[k]);
                if (!whole && first + k >= width) value = -INFINITE;
                values[k] = value;
                best = Greatest::of(best, value);
                if (CHUNKS) held[c % KEPT][k] = value;
            }
            if (!CHUNKS && (best > WIDE(-INFINITE) || best != best)) {  // what was added up so far, seen from a greater peak
                const WIDE next = Greatest::of(peak, best);
                sum *= exp(peak - next);
#pragma unroll
                for (int k = 0; k < EACH; k++) sum += exp(values[k] - next);
                peak = next;
            }
            if (CHUNKS) peak = Greatest::of(peak, best);
        }
        const WIDE own = peak;
        peak = over_team<Greatest>(peak);
        if (CHUNKS) {
#pragma unroll
            for (int c = 0; c < count; c++)
#pragma unroll
                for (int k = 0; k < EACH; k++) {
                    const index_t at = place_of(c) + k;
                    if (at < width) {
                        held[c % KEPT][k] -= peak;
                        const WIDE power = exp(held[c % KEPT][k]);
                        sum += power;
                        if (!logarithm) held[c % KEPT][k] = power;
                    }
                }
        } else {
            sum *= own == peak ? WIDE(1) : exp(own - peak);
        }
        sum = over_team<Sum>(sum);
        const WIDE last = logarithm ? log(sum) : sum;
        SCALAR* to = out + row * width;
#pragma unroll
        for (int c = 0; c < count; c++) {
            const index_t first = place_of(c);
            if (first >= width) continue;
            Piece result;
            if (!CHUNKS) result = load_piece(from, first, width, whole);
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                WIDE value;
                if (CHUNKS) {
                    value = held[c % KEPT][k];
                } else {
                    value = widened(result.at[k]) - peak;
                    if (!logarithm) value = exp(value);
                }
                value = logarithm ? value - last : value / last;
                result.at[k] = narrowed<SCALAR>(value);
            }
            store_piece(to, first, width, whole, result);
        }
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK) softmax_rows(const SCALAR* x, SCALAR* out, index_t rows, index_t width) {
    forward<false>(x, out, rows, width);
}

extern "C" __global__ void __launch_bounds__(BLOCK) log_softmax_rows(const SCALAR* x, SCALAR* out, index_t rows, index_t width) {
    forward<true>(x, out, rows, width);
}

template <bool logarithm>
__device__ __forceinline__ void backward(const SCALAR* flow, const SCALAR* result, SCALAR* out, index_t rows, index_t width) {
    const int teams = blockDim.x / TEAM, count = pieces(width);
    const bool whole = width % EACH == 0 && lies_at(flow, 16) && lies_at(result, 16) && lies_at(out, 16);
    for (index_t row = (index_t)blockIdx.x * teams + threadIdx.x / TEAM; row < rows; row += (index_t)gridDim.x * teams) {
        Piece came[KEPT], gave[KEPT];
        WIDE sum = 0;
#pragma unroll
        for (int c = 0; c < count; c++) {
            const index_t first = place_of(c);
            if (first >= width) continue;
            const Piece given = load_piece(flow + row * width, first, width, whole), made = load_piece(result + row * width, first, width, whole);
            if (CHUNKS) came[c % KEPT] = given, gave[c % KEPT] = made;
#pragma unroll
            for (int k = 0; k < EACH; k++) sum += (WIDE)widened(given.at[k]) * (logarithm ? WIDE(1) : (WIDE)widened(made.at[k]));
        }
        sum = over_team<Sum>(sum);
#pragma unroll
        for (int c = 0; c < count; c++) {
            const index_t first = place_of(c);
            if (first >= width) continue;
            const Piece given = CHUNKS ? came[c % KEPT] : load_piece(flow + row * width, first, width, whole);
            const Piece made = CHUNKS ? gave[c % KEPT] : load_piece(result + row * width, first, width, whole);
            Piece slope;
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                const WIDE flowing = widened(given.at[k]), value = widened(made.at[k]);
                slope.at[k] = narrowed<SCALAR>(logarithm ? flowing - exp(value) * sum : (flowing - sum) * value);
            }
            store_piece(out + row * width, first, width, whole, slope);
        }
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK) softmax_rows_backward(
    const SCALAR* flow, const SCALAR* result, SCALAR* out, index_t rows, index_t width
) {
    backward<false>(flow, result, out, rows, width);
}

extern "C" __global__ void __launch_bounds__(BLOCK) log_softmax_rows_backward(
    const SCALAR* flow, const SCALAR* result, SCALAR* out, index_t rows, index_t width
) {
    backward<true>(flow, result, out, rows, width);
}

// Along an axis that is not the innermost: a thread for each line, whose numbers lie `inner` apart.
template <bool logarithm>
__device__ __forceinline__ void columns(const SCALAR* x, SCALAR* out, index_t outer, index_t width, index_t inner) {
    for (index_t line = first_index(); line < outer * inner; line += all_threads()) {
        const index_t start = line / inner * width * inner + line % inner;
        WIDE peak = -INFINITE, sum = 0;
        for (index_t i = 0; i < width; i++) peak = Greatest::of(peak, (WIDE)widened(x[start + i * inner]));
        for (index_t i = 0; i < width; i++) sum += exp((WIDE)widened(x[start + i * inner]) - peak);
        const WIDE last = logarithm ? log(sum) : sum;
        for (index_t i = 0; i < width; i++) {
            const WIDE value = (WIDE)widened(x[start + i * inner]) - peak;
            out[start + i * inner] = narrowed<SCALAR>(logarithm ? value - last : exp(value) / last);
        }
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK) softmax_columns(const SCALAR* x, SCALAR* out, index_t outer, index_t width, index_t inner) {
    columns<false>(x, out, outer, width, inner);
}

extern "C" __global__ void __launch_bounds__(BLOCK) log_softmax_columns(const SCALAR* x, SCALAR* out, index_t outer, index_t width, index_t inner) {
    columns<true>(x, out, outer, width, inner);
}

template <bool logarithm>
__device__ __forceinline__ void columns_backward(const SCALAR* flow, const SCALAR* result, SCALAR* out, index_t outer, index_t width, index_t inner) {
    for (index_t line = first_index(); line < outer * inner; line += all_threads()) {
        const index_t start = line / inner * width * inner + line % inner;
        WIDE sum = 0;
        for (index_t i = 0; i < width; i++)
            sum += (WIDE)widened(flow[start + i * inner]) * (logarithm ? WIDE(1) : (WIDE)widened(result[start + i * inner]));
        for (index_t i = 0; i < width; i++) {
            const WIDE flowing = widened(flow[start + i * inner]), value = widened(result[start + i * inner]);
            out[start + i * inner] = narrowed<SCALAR>(logarithm ? flowing - exp(value) * sum : (flowing - sum) * value);
        }
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK) softmax_columns_backward(
    const SCALAR* flow, const SCALAR* result, SCALAR* out, index_t outer, index_t width, index_t inner
) {
    columns_backward<false>(flow, result, out, outer, width, inner);
}

extern "C" __global__ void __launch_bounds__(BLOCK) log_softmax_columns_backward(
    const SCALAR* flow, const SCALAR* result, SCALAR* out, index_t outer, index_t width, index_t inner
) {
    columns_backward<true>(flow, result, out, outer, width, inner);
}
