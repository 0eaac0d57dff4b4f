// Matrices copied into longer rows, and more of them, filled up with zeros: what products of odd sizes read.

#include "ground.cuh"
#include "functions.cuh"

#ifndef UNIT  // any type of the size of an element
#define UNIT unsigned short
#endif
#define EACH ((int)(16 / sizeof(UNIT)))

typedef Several<UNIT, EACH> Piece;

// From rows of `width` elements, `row` apart, `count` in each matrix, the matrices `step` apart, to rows of `pieces` times 16 bytes, `rows` in
// each, without gaps. A block's second axis counts rows.
extern "C" __global__ void __launch_bounds__(256) lengthened(
    const UNIT* from, UNIT* to, index_t all, index_t rows, index_t count, index_t width, index_t pieces, index_t row, index_t step
) {
    const bool aligned = ((unsigned long long)from & 15) == 0 && row % EACH == 0 && step % EACH == 0;
    for (index_t each = (index_t)blockIdx.x * blockDim.y + threadIdx.y; each < all; each += (index_t)gridDim.x * blockDim.y) {
        const index_t matrix = each / rows, place = each - matrix * rows;
        const index_t own = place < count ? width : 0;
        const UNIT* source = from + matrix * step + place * row;
        UNIT* target = to + each * pieces * EACH;
#pragma unroll 4
        for (index_t piece = threadIdx.x; piece < pieces; piece += blockDim.x) {
            const index_t first = piece * EACH;
            Piece values;
            if (aligned && first + EACH <= own) {
                values = load_several<EACH>(source + first);
            } else {
#pragma unroll
                for (int k = 0; k < EACH; k++) values.at[k] = first + k < own ? source[first + k] : (UNIT)0;
            }
            store_several<EACH>(target + first, values);
        }
    }
}
