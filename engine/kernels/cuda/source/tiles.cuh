// Products of tiles in shared memory, for attention in float32: on the ordinary units, from registers that hold a part of the result.
//
// A block has four warps. A warp has 4 ROWS rows of the result and all of its 8 COLUMNS columns (of scores) or WIDTH columns (of what is
// gathered with them as weights): a lane has every fourth row and every eighth column, so that what eight lanes read at once lies in
// all banks, and that neighbours which read the same are one access. Rows in shared memory are PITCH apart, an odd number of
// 16 bytes; those of weights WEIGHTS, so that their single numbers meet in no bank. Definitions: WIDTH (a multiple of 16), ROWS,
// COLUMNS (4 or 8), and DROPS, whether weights are dropped.

#include "ground.cuh"
#include "philox.cuh"

#define THREADS 128
#define BLOCK_ROWS (16 * ROWS)
#define WARP_ROWS (4 * ROWS)
#define KEYS (8 * COLUMNS)
#define PITCH (WIDTH + 4)
#define WEIGHTS (KEYS + 8)
#define PIECE (WIDTH % 32 ? 2 : 4)  // neighbouring columns of what is gathered that one lane has
#define PIECES (WIDTH / (8 * PIECE))
#define SHARE (WIDTH / 8)
#define LOG2_E 1.4426950408889634f

__device__ __forceinline__ int row_of_lane() { return (threadIdx.x & 1) | (threadIdx.x >> 3 & 2); }
__device__ __forceinline__ int column_of_lane() { return threadIdx.x >> 1 & 7; }

// What the eight lanes of a row hold, put together.
template <class How>
__device__ __forceinline__ float over_row(float value) {
#pragma unroll
    for (int away = 2; away < 16; away <<= 1) value = How::of(value, __shfl_xor_sync(EVERYWHERE, value, away));
    return value;
}

// How an operand lies: numbers from one entry, head and row to the next.
struct Steps { index_t entry, head; int row; };

__device__ __forceinline__ index_t place_of(const Steps& steps, index_t entry, index_t head) { return entry * steps.entry + head * steps.head; }

// `rows` rows from `first` on to shared memory, with zeros for those past `count` and for columns past `width`.
template <int rows>
__device__ __forceinline__ void fetch(float* tile, const float* from, int step, int first, int count, int width) {
    const int across = WIDTH / 4;
#pragma unroll
    for (int k = 0; k < (rows * across + THREADS - 1) / THREADS; k++) {
        const int at = k * THREADS + threadIdx.x, row = at / across, column = at % across * 4;
        if (rows * across % THREADS && at >= rows * across) break;
        const bool there = first + row < count && column < width;
        copy_ahead<16>(tile + row * PITCH + column, there ? from + (index_t)(first + row) * step + column : from, there);
    }
}

// x = a b^T for the lane's rows and the first `columns` of its columns; a and b begin with the lane's first row and column.
template <int columns>
__device__ __forceinline__ void multiply(float (&x)[ROWS][COLUMNS], const float* a, const float* b) {
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < columns; j++) x[i][j] = 0;
#pragma unroll 2
    for (int at = 0; at < WIDTH; at += 4) {
        Several<float, 4> first[ROWS];
#pragma unroll
        for (int i = 0; i < ROWS; i++) first[i] = load_several<4>(a + i * 4 * PITCH + at);
#pragma unroll
        for (int j = 0; j < columns; j++) {
            const Several<float, 4> second = load_several<4>(b + j * 8 * PITCH + at);
#pragma unroll
            for (int k = 0; k < 4; k++)
#pragma unroll
                for (int i = 0; i < ROWS; i++) x[i][j] += first[i].at[k] * second.at[k];
        }
    }
}

// gathered += weights values, over the first `keys` of them and up to seven more, whose weights are 0; weights begin with the lane's first row, values
// with its first column.
__device__ __forceinline__ void gather(float (&gathered)[ROWS][SHARE], const float* weights, const float* values, int keys) {
#pragma unroll 1
    for (int eight = 0; eight < keys; eight += 8)
#pragma unroll
        for (int key = 0; key < 8; key += 4) {
            Several<float, 4> weight[ROWS];
#pragma unroll
            for (int i = 0; i < ROWS; i++) weight[i] = load_several<4>(weights + i * 4 * WEIGHTS + eight + key);
#pragma unroll
            for (int k = 0; k < 4; k++)
#pragma unroll
                for (int p = 0; p < PIECES; p++) {
                    const Several<float, PIECE> value = load_several<PIECE>(values + (eight + key + k) * PITCH + p * 8 * PIECE);
#pragma unroll
                    for (int n = 0; n < PIECE; n++)
#pragma unroll
                        for (int i = 0; i < ROWS; i++) gathered[i][p * PIECE + n] += weight[i].at[k] * value.at[n];
                }
        }
}

// The lane's rows of a result times `factor`, those that there are.
__device__ __forceinline__ void store_rows(float* out, int step, const float (&gathered)[ROWS][SHARE], const float (&factor)[ROWS], int first, int count, int width) {
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        const int row = first + 4 * i;
        if (row >= count) continue;
#pragma unroll
        for (int p = 0; p < PIECES; p++) {
            const int column = (p * 8 + column_of_lane()) * PIECE;
            if (column >= width) continue;
            Several<float, PIECE> piece;
#pragma unroll
            for (int n = 0; n < PIECE; n++) piece.at[n] = gathered[i][p * PIECE + n] * factor[i];
            store_several<PIECE>(out + (index_t)row * step + column, piece);
        }
    }
}

// What dropout leaves of weights: a line of 64 bits for each query, of which 16 come from one place of Philox's stream.
typedef unsigned long long Line;

// The bits of a warp's `lines` lines, `groups` of 16 each, whose first weight is the `origin`-th of all; the lines of weights are `apart`.
__device__ __forceinline__ void draw(Line* kept, int lines, int groups, const unsigned long long* seed, index_t origin, index_t apart, unsigned limit) {
    const unsigned long long first = seed[0], second = seed[1];
    __syncwarp();  // what was there is read
#pragma unroll 1
    for (int at = threadIdx.x & 31; at < lines * groups; at += 32) {
        const int line = at / groups, group = at % groups;
        unsigned long long word[4] = {(unsigned long long)(origin + line * apart) / 16 + group + 1, 0, 0, 0};
        philox(word, first, second);
        unsigned bits = 0;
#pragma unroll
        for (int n = 0; n < 16; n++) bits |= (unsigned)((unsigned)(word[n / 4] >> n % 4 * 16 & 0xffff) >= limit) << n;
        reinterpret_cast<unsigned short*>(kept + line)[group] = (unsigned short)bits;
    }
    __syncwarp();
}
