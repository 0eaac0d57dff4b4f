// The softmax of rows and of columns, its logarithm, and their gradients.

#include "ground.cuh"
#include "rows.cuh"

#if CHUNKS
// A row stays in registers; all that a thread takes of it is read before any of it is looked at.
template <bool logarithm, bool whole>
__device__ __forceinline__ void forward(const SCALAR* x, SCALAR* out, index_t rows, index_t width) {
    each_row(rows, [&](index_t row, bool there) {
        Piece piece[CHUNKS];
#pragma unroll
        for (int c = 0; c < CHUNKS; c++)
            if (there && place_of(c) < width) piece[c] = load_piece(x + row * width, place_of(c), width, whole);
        WIDE held[CHUNKS][EACH], peak = -INFINITE, sum = 0;
#pragma unroll
        for (int c = 0; c < CHUNKS; c++)
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                held[c][k] = there && place_of(c) + (whole ? 0 : k) < width ? (WIDE)widened(piece[c].at[k]) : WIDE(-INFINITE);
                peak = Peak::of(peak, held[c][k]);
            }
        peak = over_team<Peak>(peak);
#pragma unroll
        for (int c = 0; c < CHUNKS; c++)
#pragma unroll
            for (int k = 0; k < EACH; k++) {  // past the row's end it is exp(-infinity)
                held[c][k] -= peak;
                const WIDE power = exp(held[c][k]);
                sum += power;
                if (!logarithm) held[c][k] = power;
            }
        sum = over_team<Sum>(sum);
        const WIDE last = logarithm ? log(sum) : 1 / sum;
#pragma unroll
        for (int c = 0; c < CHUNKS; c++)
            if (there && place_of(c) < width) {
#pragma unroll
                for (int k = 0; k < EACH; k++) piece[c].at[k] = narrowed<SCALAR>(logarithm ? held[c][k] - last : held[c][k] * last);
                store_piece(out + row * width, place_of(c), width, whole, piece[c]);
            }
    });
}
#else
template <bool logarithm, bool whole>
__device__ __forceinline__ void forward(const SCALAR* x, SCALAR* out, index_t rows, index_t width) {
    const int count = pieces(width);
    each_row(rows, [&](index_t row, bool) {
        const SCALAR* from = x + row * width;
        WIDE peak = -INFINITE, sum = 0;
#pragma unroll 4
        for (int c = 0; c < count; c++) {
            const index_t first = place_of(c);
            if (first >= width) continue;
            const Piece piece = load_piece(from, first, width, whole, -INFINITE);
            WIDE best = -INFINITE;
#pragma unroll
            for (int k = 0; k < EACH; k++) best = Greatest::of(best, (WIDE)widened(piece.at[k]));
            if (best > WIDE(-INFINITE) || best != best) {  // what was added up so far, seen from a greater peak
                const WIDE next = Greatest::of(peak, best);
                sum *= exp(peak - next);
#pragma unroll
                for (int k = 0; k < EACH; k++) sum += exp((WIDE)widened(piece.at[k]) - next);
                peak = next;
            }
        }
        const WIDE own = peak;
        peak = over_team<Greatest>(peak);
        sum = over_team<Sum>(sum * (own == peak ? WIDE(1) : exp(own - peak)));
        const WIDE last = logarithm ? log(sum) : 1 / sum;
#pragma unroll 4
        for (int c = 0; c < count; c++) {
            const index_t first = place_of(c);
            if (first >= width) continue;
            Piece result = load_piece(from, first, width, whole);
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                const WIDE value = (WIDE)widened(result.at[k]) - peak;
                result.at[k] = narrowed<SCALAR>(logarithm ? value - last : exp(value) * last);
            }
            store_piece(out + row * width, first, width, whole, result);
        }
    });
}
#endif

template <bool logarithm>
__device__ __forceinline__ void forward_rows(const SCALAR* x, SCALAR* out, index_t rows, index_t width) {
    if (width % EACH == 0 && lies_at(x, 16) && lies_at(out, 16)) forward<logarithm, true>(x, out, rows, width);
    else forward<logarithm, false>(x, out, rows, width);
}

extern "C" __global__ void __launch_bounds__(BLOCK) softmax_rows(const SCALAR* x, SCALAR* out, index_t rows, index_t width) {
    forward_rows<false>(x, out, rows, width);
}

extern "C" __global__ void __launch_bounds__(BLOCK) log_softmax_rows(const SCALAR* x, SCALAR* out, index_t rows, index_t width) {
    forward_rows<true>(x, out, rows, width);
}

template <bool logarithm, bool whole>
__device__ __forceinline__ void backward(const SCALAR* flow, const SCALAR* result, SCALAR* out, index_t rows, index_t width) {
    const int count = pieces(width);
    each_row(rows, [&](index_t row, bool there) {
        Piece came[KEPT], gave[KEPT];
        WIDE sum = 0;
        if (CHUNKS) {
#pragma unroll
            for (int c = 0; c < KEPT; c++)
                if (there && place_of(c) < width) {
                    came[c] = load_piece(flow + row * width, place_of(c), width, whole);
                    gave[c] = load_piece(result + row * width, place_of(c), width, whole);
                }
        }
#pragma unroll
        for (int c = 0; c < count; c++) {
            const index_t first = place_of(c);
            if (!there || first >= width) continue;
            const Piece given = CHUNKS ? came[c % KEPT] : load_piece(flow + row * width, first, width, whole);
            const Piece made = CHUNKS ? gave[c % KEPT] : load_piece(result + row * width, first, width, whole);
#pragma unroll
            for (int k = 0; k < EACH; k++) sum += (WIDE)widened(given.at[k]) * (logarithm ? WIDE(1) : (WIDE)widened(made.at[k]));
        }
        sum = over_team<Sum>(sum);
#pragma unroll
        for (int c = 0; c < count; c++) {
            const index_t first = place_of(c);
            if (!there || first >= width) continue;
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
    });
}

template <bool logarithm>
__device__ __forceinline__ void backward_rows(const SCALAR* flow, const SCALAR* result, SCALAR* out, index_t rows, index_t width) {
    if (width % EACH == 0 && lies_at(flow, 16) && lies_at(result, 16) && lies_at(out, 16)) backward<logarithm, true>(flow, result, out, rows, width);
    else backward<logarithm, false>(flow, result, out, rows, width);
}

extern "C" __global__ void __launch_bounds__(BLOCK) softmax_rows_backward(
    const SCALAR* flow, const SCALAR* result, SCALAR* out, index_t rows, index_t width
) {
    backward_rows<false>(flow, result, out, rows, width);
}

extern "C" __global__ void __launch_bounds__(BLOCK) log_softmax_rows_backward(
    const SCALAR* flow, const SCALAR* result, SCALAR* out, index_t rows, index_t width
) {
    backward_rows<true>(flow, result, out, rows, width);
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
