// Sums over the rows of matrices, column by column: of what flows back, and of its product with normalised numbers.

#include "ground.cuh"

// Partial sums over the rows that each block of the second axis takes: threads (32 columns, 8 rows).
extern "C" __global__ void __launch_bounds__(256) row_norm_columns(
    const SCALAR* flow, const SCALAR* x, const WIDE* means, const WIDE* inverses, WIDE* along, WIDE* total, index_t rows, index_t width
) {
    __shared__ WIDE with_hat[8][33], alone[8][33];
    const int lane = threadIdx.x % 32, line = threadIdx.x / 32;
    const index_t column = (index_t)blockIdx.x * 32 + lane;
    WIDE product = 0, sum = 0;
    if (column < width)
        for (index_t row = (index_t)blockIdx.y * 8 + line; row < rows; row += (index_t)gridDim.y * 8) {
            const WIDE flowing = widened(flow[row * width + column]);
            product += flowing * (((WIDE)widened(x[row * width + column]) - (means ? means[row] : WIDE(0))) * inverses[row]);
            sum += flowing;
        }
    with_hat[line][lane] = product;
    alone[line][lane] = sum;
    __syncthreads();
    if (line || column >= width) return;
    for (int other = 1; other < 8; other++) {
        product += with_hat[other][lane];
        sum += alone[other][lane];
    }
    along[blockIdx.y * width + column] = product;
    if (total) total[blockIdx.y * width + column] = sum;
}

// The columns' sums over so many parts; the second matrix may be missing. Threads (8 columns, 32 parts).
extern "C" __global__ void __launch_bounds__(256) column_totals(
    const WIDE* first, const WIDE* second, WIDE* first_out, WIDE* second_out, index_t parts, index_t width
) {
    const index_t column = (index_t)blockIdx.x * 8 + threadIdx.x % 8, own = column < width ? column : 0;
    WIDE a = 0, b = 0;
#pragma unroll 4
    for (index_t part = threadIdx.x / 8; part < parts; part += 32) {
        a += first[part * width + own];
        if (second) b += second[part * width + own];
    }
    a = over_lines<8>(a);
    b = over_lines<8>(b);
    if (threadIdx.x >= 8 || column >= width) return;
    first_out[column] = a;
    if (second) second_out[column] = b;
}
