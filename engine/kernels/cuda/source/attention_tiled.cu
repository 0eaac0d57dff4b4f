// Attention in float32 without its scores: a block has 16 ROWS queries and walks over the keys, 8 COLUMNS at a time, with the greatest score
// and the sum that each query has met so far (Milakov and Gimelshein, 2018; Dao et al., 2022). See tiles.cuh for how a block computes.
//
// Scores count in powers of two, which is what the units compute. Each tile of keys and of values is fetched while the other is computed with; a
// bias goes ahead to where the weights will lie.

#include "tiles.cuh"

struct Online { float gathered[ROWS][SHARE], peak[ROWS], sum[ROWS]; };

// A tile of scores becomes weights in shared memory, and what was gathered is brought down to the new peaks. All places are the lane's first.
template <int columns>
__device__ __forceinline__ void weigh(
    Online& state, float (&x)[ROWS][COLUMNS], float* weights, const Line* kept, float factor, bool biased, bool edge, bool causal, int row, int key, int keys) {
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < columns; j++) x[i][j] *= factor;
    if (biased) {
#pragma unroll
        for (int i = 0; i < ROWS; i++)
#pragma unroll
            for (int j = 0; j < columns; j++) x[i][j] += weights[i * 4 * WEIGHTS + j * 8] * LOG2_E;
    }
    if (edge) {
#pragma unroll
        for (int i = 0; i < ROWS; i++)
#pragma unroll
            for (int j = 0; j < columns; j++)
                if (key + j * 8 >= keys || (causal && key + j * 8 > row + i * 4)) x[i][j] = -INFINITE;
    }
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        float highest = state.peak[i];
#pragma unroll
        for (int j = 0; j < columns; j++) highest = Peak::of(highest, x[i][j]);
        highest = over_row<Peak>(highest);
        const float base = highest == -INFINITE ? 0.0f : highest, shrunk = power_of_two(state.peak[i] - base);
        state.peak[i] = highest;
        state.sum[i] *= shrunk;
#pragma unroll
        for (int n = 0; n < SHARE; n++) state.gathered[i][n] *= shrunk;
        Line bits = 0;
        if (DROPS) bits = kept[i * 4] >> column_of_lane();
#pragma unroll
        for (int j = 0; j < columns; j++) {
            const float weight = power_of_two(x[i][j] - base);
            state.sum[i] += weight;
            weights[i * 4 * WEIGHTS + j * 8] = DROPS && !(bits >> j * 8 & 1) ? 0.0f : weight;
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 2) attention_tiled(
    const float* query, const float* key, const float* value, const float* bias, float* out, float* logarithms, const unsigned long long* seed,
    index_t heads, int queries, int keys, int width, int parts, Steps query_steps, Steps key_steps, Steps value_steps, Steps out_steps,
    index_t bias_entry, index_t bias_head, index_t bias_query, index_t bias_key, float factor, float grown, unsigned limit, int causal) {
    DYNAMIC_SHARED(memory);
    float* asking = (float*)memory;
    float* looked_at = asking + BLOCK_ROWS * PITCH;
    float* taken = looked_at + KEYS * PITCH;
    const int warp = threadIdx.x >> 5;
    float* weights = taken + KEYS * PITCH + warp * WARP_ROWS * WEIGHTS;
    Line* kept = (Line*)(taken + KEYS * PITCH + BLOCK_ROWS * WEIGHTS) + warp * WARP_ROWS;
    const index_t which = blockIdx.x / parts, entry = which / heads, head = which % heads;
    const int first = (parts - 1 - (int)(blockIdx.x % parts)) * BLOCK_ROWS, own = first + warp * WARP_ROWS;  // longest walks first
    const int row = own + row_of_lane(), column = column_of_lane();
    query += place_of(query_steps, entry, head);
    key += place_of(key_steps, entry, head);
    value += place_of(value_steps, entry, head);
    out += place_of(out_steps, entry, head);
    float* mine = weights + row_of_lane() * WEIGHTS;  // the lane's first row of weights
    if (bias) bias += entry * bias_entry + head * bias_head + row * bias_query;
    const int seen = causal ? min(keys, first + BLOCK_ROWS) : keys;
    fetch<BLOCK_ROWS>(asking, query, query_steps.row, first, queries, width);
    fetch<KEYS>(looked_at, key, key_steps.row, 0, keys, width);
    Online state;
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        state.peak[i] = -INFINITE;
        state.sum[i] = 0;
#pragma unroll
        for (int n = 0; n < SHARE; n++) state.gathered[i][n] = 0;
    }
    await_copies();
    __syncthreads();
#pragma unroll 1
    for (int start = 0; start < seen; start += KEYS) {
        const int count = min(KEYS, seen - start);
        const bool busy = own < queries && (!causal || start < own + WARP_ROWS);
        fetch<KEYS>(taken, value, value_steps.row, start, keys, width);
        if (busy && bias) {
#pragma unroll
            for (int i = 0; i < ROWS; i++)
#pragma unroll
                for (int j = 0; j < COLUMNS; j++) {
                    const index_t at = start + column + j * 8;
                    const bool there = row + i * 4 < queries && at < keys;
                    copy_ahead<4>(mine + i * 4 * WEIGHTS + j * 8 + column, there ? bias + i * 4 * bias_query + at * bias_key : bias, there);
                }
        }
        float x[ROWS][COLUMNS];
        const float *a = asking + (warp * WARP_ROWS + row_of_lane()) * PITCH, *b = looked_at + column * PITCH;
        if (busy) {
            if (count > 4 * COLUMNS) multiply<COLUMNS>(x, a, b);
            else if (count > 8) multiply<COLUMNS / 2>(x, a, b);
            else multiply<1>(x, a, b);
        }
        await_copies();
        __syncthreads();  // the keys are done with, the values are there
        if (start + KEYS < seen) fetch<KEYS>(looked_at, key, key_steps.row, start + KEYS, keys, width);
        if (busy) {
            if (DROPS)
                draw(kept, WARP_ROWS, KEYS / 16, seed, ((entry * heads + head) * queries + own) * keys + start, keys, limit);
            const bool edge = start + KEYS > keys || (causal && start + KEYS > own + 1);
            const Line* bits = kept + row_of_lane();
            if (count > 4 * COLUMNS) weigh<COLUMNS>(state, x, mine + column, bits, factor, bias, edge, causal, row, start + column, keys);
            else if (count > 8) weigh<COLUMNS / 2>(state, x, mine + column, bits, factor, bias, edge, causal, row, start + column, keys);
            else weigh<1>(state, x, mine + column, bits, factor, bias, edge, causal, row, start + column, keys);
            __syncwarp();
            gather(state.gathered, mine, taken + column * PIECE, count);
            __syncwarp();
        }
        await_copies();
        __syncthreads();  // the values are done with, the next keys are there
    }
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        const float sum = over_row<Sum>(state.sum[i]);
        state.sum[i] = sum == 0 ? 0.0f : grown / sum;  // a query that may see no key gets 0
        if (logarithms && column == 0 && row + i * 4 < queries)
            logarithms[(entry * heads + head) * queries + row + i * 4] = sum == 0 ? INFINITE : state.peak[i] + log2(sum);
    }
    store_rows(out, out_steps.row, state.gathered, state.sum, row, queries, width);
}
