// Arrays joined along an axis, in one launch: each is rows of numbers that lie side by side, and a row of the result is theirs behind one another.

#include "ground.cuh"

#ifndef UNIT  // any type of the size of what is copied at once
#define UNIT unsigned
#endif
#ifndef INDEX
#define INDEX unsigned
#endif
#ifndef MOST
#define MOST 4
#endif

// Number k fills the places from begin[k] to begin[k + 1] of each row; its own rows are step[k] apart. Behind the last, `begin` is the width.
struct Parts {
    const UNIT* from[MOST];
    index_t step[MOST], begin[MOST];
};

extern "C" __global__ void __launch_bounds__(256) joined(const __grid_constant__ Parts parts, UNIT* __restrict__ to, index_t count, index_t width) {
#pragma unroll 4
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const INDEX row = (INDEX)i / (INDEX)width, column = (INDEX)i - row * (INDEX)width;
        int part = 0;
#pragma unroll
        for (int half = MOST / 2; half > 0; half /= 2)
            if (parts.begin[part + half] <= (index_t)column) part += half;
        to[i] = parts.from[part][(index_t)row * parts.step[part] + ((index_t)column - parts.begin[part])];
    }
}
