// Copies between arrays that lie anyhow: element by element in the order of the result's memory, or, where other axes lie innermost in the
// two, through tiles in shared memory: read as the one lies, written as the other lies.

#include "ground.cuh"
#include "functions.cuh"
#include "walking.cuh"

#ifndef UNIT  // any type of the size of what is copied at once
#define UNIT unsigned
#endif
#ifndef INDEX
#define INDEX unsigned
#endif
#define TILE 32

// The walk is over `from` and `to`.
extern "C" __global__ void __launch_bounds__(256) copied(const UNIT* __restrict__ from, UNIT* __restrict__ to, index_t count, Walk walk) {
#pragma unroll 4
    for (index_t i = first_index(); i < count; i += all_threads()) {
        index_t offset[4];
        walk.template offsets<INDEX, 2>((INDEX)i, offset);
        to[offset[1]] = from[offset[0]];
    }
}

// One element again and again along the innermost axis, 16 bytes at once: `count` such groups.
extern "C" __global__ void __launch_bounds__(256) spread(const UNIT* __restrict__ from, UNIT* __restrict__ to, index_t count, Walk walk) {
    const int each = 16 / sizeof(UNIT);
#pragma unroll 4
    for (index_t i = first_index(); i < count; i += all_threads()) {
        index_t offset[4];
        walk.template offsets<INDEX, 2>((INDEX)i, offset);
        const UNIT value = from[offset[0]];
        Several<UNIT, each> group;
#pragma unroll
        for (int k = 0; k < each; k++) group.at[k] = value;
        store_several<each>(to + offset[1], group);
    }
}

// `across` elements lie side by side in `from`, `down` in `to`; the other axes are the walk's, of `from` and of `to`.
extern "C" __global__ void __launch_bounds__(256) transposed(
    const UNIT* __restrict__ from, UNIT* __restrict__ to, index_t across, index_t down, index_t step_from, index_t step_to, index_t tiles, Walk walk
) {
    __shared__ UNIT tile[TILE][TILE + 1];  // a column more, so that neither way meets itself in a bank
    const index_t tiles_across = (across + TILE - 1) / TILE, tiles_down = (down + TILE - 1) / TILE;
    for (index_t number = blockIdx.x; number < tiles; number += gridDim.x) {
        const index_t left = number % tiles_across * TILE, rest = number / tiles_across;
        const index_t top = rest % tiles_down * TILE;
        index_t offset[4];
        walk.template offsets<INDEX, 2>((INDEX)(rest / tiles_down), offset);
        __syncthreads();  // the tile before is written
#pragma unroll
        for (int k = threadIdx.y; k < TILE; k += 8) {
            const index_t a = left + threadIdx.x, d = top + k;
            if (a < across && d < down) tile[k][threadIdx.x] = from[offset[0] + a + d * step_from];
        }
        __syncthreads();
#pragma unroll
        for (int k = threadIdx.y; k < TILE; k += 8) {
            const index_t a = left + k, d = top + threadIdx.x;
            if (a < across && d < down) to[offset[1] + d + a * step_to] = tile[threadIdx.x][k];
        }
    }
}
