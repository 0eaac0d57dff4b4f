// Cross-entropy of rows of logits against classes, without their probabilities: a row is read once on the way there, and once on the way back.
//
// LABEL is the type of the classes, WEIGHT that of the classes' weights. Rows lie `step` numbers apart, which may be more than `width`.

#include "ground.cuh"
#include "rows.cuh"

// Whether all pieces of rows so far apart begin where 16 bytes can be read.
__device__ __forceinline__ bool are_aligned(const SCALAR* x, index_t step) { return step % EACH == 0 && lies_at(x, 16); }

typedef signed char schar;
typedef unsigned char uchar;

// Which classes count, and how much; part of the sum of it for each block. Those to be ignored become class 0.
extern "C" __global__ void __launch_bounds__(1024) class_counts(
    const LABEL* targets, const WEIGHT* weight, long long* labels, WIDE* scale, WIDE* totals, index_t count, index_t classes,
    long long ignored, int ignores, int who, long long* words
) {
    WIDE total = 0;
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const long long target = (long long)targets[i];
        const bool counts = !(ignores && target == ignored);
        WIDE much = counts ? 1 : 0;
        if (counts && (target < 0 || target >= classes)) {
            complain(words, who, target, classes);
            much = NOT_A_NUMBER;
        } else if (counts && weight) {
            much = (WIDE)widened(weight[target]);
        }
        labels[i] = counts && much == much ? target : 0;
        scale[i] = much;
        total += much;
    }
    total = over_block<Sum>(total);
    if (threadIdx.x == 0) totals[blockIdx.x] = total;
}

// The sum, over `total` if there is one; a part of it for each block.
extern "C" __global__ void __launch_bounds__(1024) sum_of(const WIDE* values, WIDE* out, index_t count, const WIDE* total) {
    WIDE sum = 0;
    for (index_t i = first_index(); i < count; i += all_threads()) sum += values[i];
    sum = over_block<Sum>(sum);
    if (threadIdx.x == 0) out[blockIdx.x] = total ? sum / *total : sum;
}

// Each row's peak and sum of powers, and its loss.
extern "C" __global__ void __launch_bounds__(BLOCK) entropy_rows(
    const SCALAR* x, const LABEL* targets, const WIDE* scale, WIDE* losses, WIDE* kept, index_t rows, index_t width, index_t step
) {
    const int teams = blockDim.x / TEAM, count = pieces(width);
    const bool aligned = are_aligned(x, step);
    for (index_t row = (index_t)blockIdx.x * teams + threadIdx.x / TEAM; row < rows; row += (index_t)gridDim.x * teams) {
        const SCALAR* from = x + row * step;
        WIDE peak = -INFINITE, sum = 0;
        for (int c = 0; c < count; c++) {
            const index_t first = place_of(c);
            if (first >= width) continue;
            const Piece piece = load_piece(from, first, width, aligned && first + EACH <= width, -INFINITE);
            WIDE best = peak;
#pragma unroll
            for (int k = 0; k < EACH; k++) best = Greatest::of(best, (WIDE)widened(piece.at[k]));
            if (best == WIDE(-INFINITE)) continue;
            if (best != peak) {
                sum *= exp(peak - best);
                peak = best;
            }
#pragma unroll
            for (int k = 0; k < EACH; k++) sum += exp((WIDE)widened(piece.at[k]) - peak);
        }
        const WIDE own = peak;
        peak = over_team<Greatest>(peak);
        if (own != peak) sum *= exp(own - peak);
        sum = over_team<Sum>(sum);
        if (threadIdx.x % TEAM) continue;
        if (kept) {
            kept[2 * row] = peak;
            kept[2 * row + 1] = sum;
        }
        if (!losses) continue;
        const long long target = (long long)targets[row];
        WIDE loss = target >= 0 && target < width ? log(sum) - ((WIDE)widened(from[target]) - peak) : WIDE(NOT_A_NUMBER);
        if (scale) loss *= scale[row];
        losses[row] = loss;
    }
}

// What flows back to the logits: (softmax - 1 at the target) scale flow / total, and zeros in the room at the rows' ends.
extern "C" __global__ void __launch_bounds__(BLOCK) entropy_rows_backward(
    const WIDE* flow, const SCALAR* x, const LABEL* targets, const WIDE* scale, const WIDE* total, const WIDE* kept, SCALAR* out,
    index_t rows, index_t width, index_t step, index_t step_out
) {
    const int teams = blockDim.x / TEAM, count = pieces(step_out);
    const bool aligned = are_aligned(x, step), aligned_out = are_aligned(out, step_out);
    const WIDE arrived = total ? *flow / *total : *flow;
    for (index_t row = (index_t)blockIdx.x * teams + threadIdx.x / TEAM; row < rows; row += (index_t)gridDim.x * teams) {
        const WIDE peak = kept[2 * row], sum = kept[2 * row + 1], much = scale ? scale[row] : WIDE(1);
        // What does not count has no gradient, even where nothing counts and the mean is NaN.
        const WIDE weight = much != 0 ? arrived * much : WIDE(0);
        const index_t target = (index_t)targets[row];
        for (int c = 0; c < count; c++) {
            const index_t first = place_of(c);
            if (first >= step_out) continue;
            const Piece piece = load_piece(x + row * step, first, width, aligned && first + EACH <= width);
            Piece slope;
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                WIDE value = exp((WIDE)widened(piece.at[k]) - peak) / sum * weight;
                if (first + k == target) value -= weight;
                slope.at[k] = narrowed<SCALAR>(first + k < width ? value : WIDE(0));
            }
            store_piece(out + row * step_out, first, step_out, aligned_out && first + EACH <= step_out, slope);
        }
    }
}
