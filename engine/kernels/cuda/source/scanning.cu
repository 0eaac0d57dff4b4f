// Running sums and products along an axis: a block for a row whose numbers lie side by side, else a thread for each row.

#include "ground.cuh"
#include "functions.cuh"
#include "walking.cuh"

#ifndef SCALAR
#define SCALAR float
#endif
#ifndef TOTAL  // what is kept
#define TOTAL double
#endif
#ifndef PRODUCT
#define PRODUCT 0
#endif
#define EACH 4

typedef TOTAL Kept;
#define NONE Kept(PRODUCT)

__device__ __forceinline__ TOTAL both(TOTAL a, TOTAL b) { return PRODUCT ? a * b : a + b; }

// Rows of `size` numbers; backwards from the end in `reverse`.
extern "C" __global__ void __launch_bounds__(256) scan_rows(const SCALAR* x, SCALAR* out, index_t rows, index_t size, int reverse) {
    __shared__ TOTAL room[8];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (index_t row = blockIdx.x; row < rows; row += gridDim.x) {
        const SCALAR* from = x + row * size;
        SCALAR* to = out + row * size;
        TOTAL carried = NONE;
        for (index_t first = 0; first < size; first += 256 * EACH) {
            const index_t mine = first + threadIdx.x * EACH;
            TOTAL own[EACH], sum = NONE;
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                const index_t i = mine + k;
                if (i < size) sum = both(sum, computed<TOTAL>(from[reverse ? size - 1 - i : i]));
                own[k] = sum;
            }
            TOTAL until = sum;
#pragma unroll
            for (int away = 1; away < 32; away *= 2) {
                const TOTAL other = __shfl_up_sync(EVERYWHERE, until, away);
                if (lane >= away) until = both(other, until);
            }
            TOTAL before = __shfl_up_sync(EVERYWHERE, until, 1);
            if (lane == 0) before = NONE;
            __syncthreads();  // what was there is read
            if (lane == 31) room[warp] = until;
            __syncthreads();
            TOTAL earlier = carried;
            for (int k = 0; k < 8; k++) {
                if (k < warp) earlier = both(earlier, room[k]);
                carried = both(carried, room[k]);
            }
            before = both(earlier, before);
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                const index_t i = mine + k;
                if (i < size) to[reverse ? size - 1 - i : i] = stored<SCALAR>(both(before, own[k]));
            }
        }
    }
}

// Rows (outer, size, inner): neighbours in memory are of neighbouring rows.
extern "C" __global__ void __launch_bounds__(256) scan_columns(
    const SCALAR* x, SCALAR* out, index_t count, index_t size, index_t inner, int reverse
) {
    for (index_t row = first_index(); row < count; row += all_threads()) {
        const index_t start = row / inner * size * inner + row % inner;
        TOTAL sum = NONE;
#pragma unroll 4
        for (index_t k = 0; k < size; k++) {
            const index_t i = start + (reverse ? size - 1 - k : k) * inner;
            sum = both(sum, computed<TOTAL>(x[i]));
            out[i] = stored<SCALAR>(sum);
        }
    }
}
