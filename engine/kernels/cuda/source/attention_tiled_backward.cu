// The gradients of attention in float32, without its scores: they are computed again from the logarithms of the rows' sums.
//
// Compiled for three ways. WAY 0: a block has 16 ROWS queries, walks over the keys and gives the queries' gradient, and first of all how much of
// each query's flow its result takes. WAY 1, launched next: it has as many keys, walks over the queries and gives the gradients of keys and
// values. Seven products, by as many blocks as there are. WAY 2 does it all with five, for many heads: a block has one of them, walks with each
// tile of keys over the queries and adds to the queries' gradient as it goes. So each sum has one order, and nobody waits for another's part of
// it. See tiles.cuh for how a block computes.

#include "tiles.cuh"

#define KEYS_ARE_ROWS (WAY > 0)
#define WHOLE (WAY == 2)
#define EIGHT (2 * COLUMNS)  // queries of a lane where it gathers for them: eight

struct Gradients { float first[ROWS][SHARE], second[KEYS_ARE_ROWS ? ROWS : 1][SHARE]; };

// Of the queries of a tile: the logarithm of the row's sum, to the base 2, and the flow that the result takes.
struct Known { float logarithm[KEYS_ARE_ROWS ? COLUMNS : ROWS], taken[KEYS_ARE_ROWS ? COLUMNS : ROWS]; };

// Where a lane begins: in the two tiles of rows, in the two of columns (as rows of products, and where it gathers), and among its warp's weights.
struct Places { const float *row, *other_row, *column, *other_column, *gathered, *other_gathered; float* weights; const Line* kept; };

struct Setting { float factor, grown; bool biased, edge, causal; int row, column, queries, keys, count, shift; };

template <int columns>
__device__ __forceinline__ void differentiate(Gradients& to, const Known& known, const Places& at, const Setting& set) {
    float x[ROWS][COLUMNS], y[ROWS][COLUMNS];
    multiply<columns>(x, at.row, at.column);
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < columns; j++) x[i][j] *= set.factor;
    if (set.biased) {
#pragma unroll
        for (int i = 0; i < ROWS; i++)
#pragma unroll
            for (int j = 0; j < columns; j++) x[i][j] += at.weights[i * 4 * WEIGHTS + j * 8] * LOG2_E;
    }
    if (set.edge) {
#pragma unroll
        for (int i = 0; i < ROWS; i++)
#pragma unroll
            for (int j = 0; j < columns; j++) {
                const int row = set.row + i * 4, column = set.column + j * 8;
                const int query = KEYS_ARE_ROWS ? column : row, key = KEYS_ARE_ROWS ? row : column;
                if (query >= set.queries || key >= set.keys || (set.causal && key > query)) x[i][j] = -INFINITE;
            }
    }
    multiply<columns>(y, at.other_row, at.other_column);
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < columns; j++) {
            const int n = KEYS_ARE_ROWS ? j : i;
            const float weight = power_of_two(x[i][j] - known.logarithm[n]);
            bool kept = true;
            if (DROPS) {
                kept = KEYS_ARE_ROWS ? at.kept[j * 8] >> (set.shift + i * 4) & 1 : at.kept[i * 4] >> (set.shift + j * 8) & 1;
                y[i][j] = kept ? y[i][j] * set.grown : 0.0f;
            }
            y[i][j] = weight * (y[i][j] - known.taken[n]);
            if (KEYS_ARE_ROWS) at.weights[i * 4 * WEIGHTS + j * 8] = kept ? weight : 0.0f;
        }
    const float* weights = at.weights - column_of_lane();
#if KEYS_ARE_ROWS
    __syncwarp();
    gather(to.second, weights, at.other_gathered, set.count);
    __syncwarp();
#endif
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < columns; j++) at.weights[i * 4 * WEIGHTS + j * 8] = y[i][j];
    __syncwarp();
    gather(to.first, weights, at.gathered, set.count);
    __syncwarp();
}

#if WHOLE
// What the warp's keys give to a tile of queries: the weights (scores' gradients) turned, times keys. Weights begin with the lane's first
// query, keys with its first column.
__device__ __forceinline__ void gather_for_queries(float (&part)[EIGHT][SHARE], const float* weights, const float* keys) {
#pragma unroll 4
    for (int row = 0; row < WARP_ROWS; row++) {
        Several<float, 4> weight[EIGHT / 4];
#pragma unroll
        for (int n = 0; n < EIGHT / 4; n++) weight[n] = load_several<4>(weights + row * WEIGHTS + n * 16);
#pragma unroll
        for (int p = 0; p < PIECES; p++) {
            const Several<float, PIECE> key = load_several<PIECE>(keys + row * PITCH + p * 8 * PIECE);
#pragma unroll
            for (int n = 0; n < PIECE; n++)
#pragma unroll
                for (int i = 0; i < EIGHT; i++) part[i][p * PIECE + n] += weight[i / 4].at[i % 4] * key.at[n];
        }
    }
}

// The parts of four warps, in one order, times `scale`: written to a tile of the queries' gradient, or added to it.
__device__ __forceinline__ void add_parts(
    float* tile, const float (&part)[EIGHT][SHARE], float* gradient, int step, float scale, bool adds, int start, int queries, int width) {
    const int across = WIDTH / 4;
    float* mine = tile + ((threadIdx.x >> 5) * KEYS + row_of_lane() * 4) * PITCH + column_of_lane() * PIECE;
#pragma unroll
    for (int i = 0; i < EIGHT; i++)
#pragma unroll
        for (int p = 0; p < PIECES; p++) {
            Several<float, PIECE> piece;
#pragma unroll
            for (int n = 0; n < PIECE; n++) piece.at[n] = part[i][p * PIECE + n];
            store_several<PIECE>(mine + (i / 4 * 16 + i % 4) * PITCH + p * 8 * PIECE, piece);
        }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < (KEYS * across + THREADS - 1) / THREADS; k++) {
        const int at = k * THREADS + threadIdx.x, row = at / across, column = at % across * 4;
        if (row >= KEYS || start + row >= queries || column >= width) continue;
        float* to = gradient + (index_t)(start + row) * step + column;
        Several<float, 4> sum = {{0, 0, 0, 0}};
#pragma unroll
        for (int warp = 0; warp < THREADS / 32; warp++) {
            const Several<float, 4> more = load_several<4>(tile + (warp * KEYS + row) * PITCH + column);
#pragma unroll
            for (int n = 0; n < 4; n++) sum.at[n] += more.at[n];
        }
        Several<float, 4> before = {{0, 0, 0, 0}};
        if (adds) before = load_several<4>(to);
#pragma unroll
        for (int n = 0; n < 4; n++) sum.at[n] = before.at[n] + sum.at[n] * scale;
        store_several<4>(to, sum);
    }
}

// How much of the flow of a tile's queries their results take: four threads for each.
__device__ __forceinline__ void take(float* taken, const float* flow, const float* out, int step, int start, int queries, int width) {
    for (int row = threadIdx.x / 4; row < KEYS; row += THREADS / 4) {
        float sum = 0;
        for (int column = threadIdx.x % 4 * 4; start + row < queries && column < width; column += 16) {
            const Several<float, 4> given = load_several<4>(out + (index_t)(start + row) * step + column);
#pragma unroll
            for (int n = 0; n < 4; n++) sum += given.at[n] * flow[row * PITCH + column + n];
        }
        sum += __shfl_xor_sync(EVERYWHERE, sum, 1);
        sum += __shfl_xor_sync(EVERYWHERE, sum, 2);
        if (threadIdx.x % 4 == 0 && start + row < queries) taken[start + row] = sum;
    }
}
#endif

extern "C" __global__ void __launch_bounds__(THREADS, 2) attention_tiled_backward(
    const float* query, const float* key, const float* value, const float* bias, const float* flow, const float* out, const float* logarithms,
    float* taken, float* first_gradient, float* second_gradient, float* query_gradient, const unsigned long long* seed, index_t heads, int queries, int keys, int width, int parts,
    Steps query_steps, Steps key_steps, Steps value_steps, Steps flow_steps, Steps out_steps, Steps first_steps, Steps second_steps, Steps query_gradient_steps,
    index_t bias_entry, index_t bias_head, index_t bias_query, index_t bias_key, float factor, float scale, float grown, unsigned limit, int causal) {
    DYNAMIC_SHARED(memory);
    float* rows = (float*)memory;
    float* other_rows = rows + BLOCK_ROWS * PITCH;
    float* columns = other_rows + BLOCK_ROWS * PITCH;
    float* other_columns = columns + KEYS * PITCH;
    float* all_weights = other_columns + KEYS * PITCH;
    const int warp = threadIdx.x >> 5, lane_row = row_of_lane(), lane_column = column_of_lane();
    float* weights = all_weights + (warp * WARP_ROWS + lane_row) * WEIGHTS + lane_column;
    const int lines = KEYS_ARE_ROWS ? KEYS : WARP_ROWS;
    Line* kept = (Line*)(all_weights + BLOCK_ROWS * WEIGHTS) + warp * lines;
    const index_t which = blockIdx.x / parts, entry = which / heads, head = which % heads;
    const int part = blockIdx.x % parts;
    query += place_of(query_steps, entry, head);
    key += place_of(key_steps, entry, head);
    value += place_of(value_steps, entry, head);
    flow += place_of(flow_steps, entry, head);
    out += place_of(out_steps, entry, head);
    first_gradient += place_of(first_steps, entry, head);
    if (KEYS_ARE_ROWS) second_gradient += place_of(second_steps, entry, head);
    if (WHOLE) query_gradient += place_of(query_gradient_steps, entry, head);
    if (bias) bias += entry * bias_entry + head * bias_head;
    logarithms += which * queries;
    taken += which * queries;
    const int count_rows = KEYS_ARE_ROWS ? keys : queries, count_columns = KEYS_ARE_ROWS ? queries : keys;
    int first = (KEYS_ARE_ROWS ? part : parts - 1 - part) * BLOCK_ROWS;  // longest walks first
    for (;;) {
        const int own = first + warp * WARP_ROWS, row = own + lane_row;
        const int begin = KEYS_ARE_ROWS && causal ? first / KEYS * KEYS : 0;
        const int end = !KEYS_ARE_ROWS && causal ? min(keys, first + BLOCK_ROWS) : count_columns;
        const index_t row_step = KEYS_ARE_ROWS ? bias_key : bias_query, column_step = KEYS_ARE_ROWS ? bias_query : bias_key;

        // The columns' two tiles, and what is added to the scores, to where the weights will lie.
        auto fetch_columns = [&](int start) {
            fetch<KEYS>(columns, KEYS_ARE_ROWS ? query : key, KEYS_ARE_ROWS ? query_steps.row : key_steps.row, start, count_columns, width);
            fetch<KEYS>(other_columns, KEYS_ARE_ROWS ? flow : value, KEYS_ARE_ROWS ? flow_steps.row : value_steps.row, start, count_columns, width);
            if (bias == nullptr) return;
#pragma unroll
            for (int i = 0; i < ROWS; i++)
#pragma unroll
                for (int j = 0; j < COLUMNS; j++) {
                    const int column = start + lane_column + j * 8;
                    const bool there = row + i * 4 < count_rows && column < count_columns;
                    copy_ahead<4>(weights + i * 4 * WEIGHTS + j * 8, there ? bias + (row + i * 4) * row_step + column * column_step : bias, there);
                }
        };
        fetch<BLOCK_ROWS>(rows, KEYS_ARE_ROWS ? key : query, KEYS_ARE_ROWS ? key_steps.row : query_steps.row, first, count_rows, width);
        fetch<BLOCK_ROWS>(other_rows, KEYS_ARE_ROWS ? value : flow, KEYS_ARE_ROWS ? value_steps.row : flow_steps.row, first, count_rows, width);
        if (begin < end) fetch_columns(begin);
        Gradients gradients;
#pragma unroll
        for (int n = 0; n < SHARE; n++) {
#pragma unroll
            for (int i = 0; i < ROWS; i++) gradients.first[i][n] = 0;
#pragma unroll
            for (int i = 0; i < (KEYS_ARE_ROWS ? ROWS : 1); i++) gradients.second[i][n] = 0;
        }
        await_copies();
        __syncthreads();
        Known known;
        const int lane_place = (warp * WARP_ROWS + lane_row) * PITCH;
#if !KEYS_ARE_ROWS
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            const bool there = row + i * 4 < queries;
            float sum = 0;
            for (int p = 0; there && p < PIECES; p++) {
                const int column = (p * 8 + lane_column) * PIECE;
                if (column >= width) break;
                const Several<float, PIECE> given = load_several<PIECE>(out + (index_t)(row + i * 4) * out_steps.row + column);
#pragma unroll
                for (int n = 0; n < PIECE; n++) sum += given.at[n] * other_rows[lane_place + i * 4 * PITCH + column + n];
            }
            known.taken[i] = over_row<Sum>(sum);
            known.logarithm[i] = there ? logarithms[row + i * 4] : INFINITE;
            if (there && lane_column == 0) taken[row + i * 4] = known.taken[i];
        }
#endif
        const Places places = {
            rows + lane_place, other_rows + lane_place, columns + lane_column * PITCH, other_columns + lane_column * PITCH,
            columns + lane_column * PIECE, other_columns + lane_column * PIECE, weights, kept + (KEYS_ARE_ROWS ? lane_column : lane_row)};
#pragma unroll 1
        for (int start = begin; start < end; start += KEYS) {
            const int count = min(KEYS, end - start), last = own + WARP_ROWS - 1;
            const bool busy = own < count_rows && (!causal || (KEYS_ARE_ROWS ? start + KEYS > own : start <= last));
#if WHOLE
            if (first == 0) {
                take(taken, other_columns, out, out_steps.row, start, queries, width);
                __syncthreads();
            }
            float share[EIGHT][SHARE];
#endif
            if (busy) {
#if KEYS_ARE_ROWS
#pragma unroll
                for (int j = 0; j < COLUMNS; j++) {
                    const int at = start + lane_column + j * 8;
                    known.logarithm[j] = at < queries ? logarithms[at] : INFINITE;
                    known.taken[j] = at < queries ? taken[at] : 0.0f;
                }
#endif
                if (DROPS) {
                    const int from = KEYS_ARE_ROWS ? own & ~15 : start, groups = KEYS_ARE_ROWS ? (own - from + WARP_ROWS + 15) / 16 : KEYS / 16;
                    draw(kept, lines, groups, seed, (which * queries + (KEYS_ARE_ROWS ? start : own)) * keys + from, keys, limit);
                }
                const bool edge = start + KEYS > count_columns || own + WARP_ROWS > count_rows || (causal && (KEYS_ARE_ROWS ? last > start : start + KEYS > own + 1));
                const Setting set = {
                    factor, grown, bias != nullptr, edge, causal != 0, row, start + lane_column, queries, keys, count,
                    KEYS_ARE_ROWS ? (own & 15) + lane_row : lane_column};
                if (count > 4 * COLUMNS) differentiate<COLUMNS>(gradients, known, places, set);
                else if (count > 8) differentiate<COLUMNS / 2>(gradients, known, places, set);
                else differentiate<1>(gradients, known, places, set);
            }
#if WHOLE
#pragma unroll
            for (int i = 0; i < EIGHT; i++)
#pragma unroll
                for (int n = 0; n < SHARE; n++) share[i][n] = 0;
            if (busy)
                gather_for_queries(share, all_weights + warp * WARP_ROWS * WEIGHTS + lane_row * 4, rows + warp * WARP_ROWS * PITCH + lane_column * PIECE);
            __syncthreads();  // columns and weights are done with, and make room
            add_parts(columns, share, query_gradient, query_gradient_steps.row, scale, first > 0, start, queries, width);
#endif
            __syncthreads();  // the columns are done with
            if (start + KEYS < end) {
                fetch_columns(start + KEYS);
                await_copies();
            }
            __syncthreads();
        }
        float factors[ROWS];
#pragma unroll
        for (int i = 0; i < ROWS; i++) factors[i] = scale;
        store_rows(first_gradient, first_steps.row, gradients.first, factors, row, count_rows, width);
#if KEYS_ARE_ROWS
#pragma unroll
        for (int i = 0; i < ROWS; i++) factors[i] = grown;
        store_rows(second_gradient, second_steps.row, gradients.second, factors, row, count_rows, width);
#endif
        first += BLOCK_ROWS;
        if (!WHOLE || first >= keys) return;
    }
}
