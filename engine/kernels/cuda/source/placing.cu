// Arrays whose elements stand where another's stood, moved along the axes: with borders around them, turned around their ends, put into a
// larger array of one number; triangles of matrices.

#include "ground.cuh"

#ifndef UNIT  // any type of the size of what is moved at once
#define UNIT unsigned
#endif
#ifndef INDEX
#define INDEX unsigned
#endif
#define MOST 6

enum Border { BESIDE, MIRRORED, REPEATED, AROUND };

// For each axis of the result: its size and a divider; where the source begins in it, how large that is, how many places apart its elements stand
// in the result and in memory, and what lies around it.
struct Axes {
    int axes, unused;
    index_t size[MOST], start[MOST], held[MOST], apart[MOST], stride[MOST];
    unsigned multiplier[MOST], shift[MOST];
    int border[MOST];
};

__device__ __forceinline__ unsigned quotient(unsigned i, const Axes& axes, int axis) { return (__umulhi(i, axes.multiplier[axis]) + i) >> axes.shift[axis]; }
__device__ __forceinline__ index_t quotient(index_t i, const Axes& axes, int axis) { return i / axes.size[axis]; }

// Numbers below 2^31 are divided in 32 bits.
__device__ __forceinline__ index_t over(index_t i, index_t by) {
    return sizeof(INDEX) == 4 ? (index_t)((unsigned)i / (unsigned)by) : i / by;
}

// Where the element at a place of an axis comes from; below 0 if from nowhere.
__device__ __forceinline__ index_t source_of(index_t place, const Axes& axes, int axis) {
    index_t from = place - axes.start[axis];
    const index_t held = axes.held[axis], apart = axes.apart[axis];
    if (apart != 1) {
        if (from < 0) return -1;
        const index_t number = over(from, apart);
        return number * apart == from && number < held ? number : -1;
    }
    if (from >= 0 && from < held) return from;
    switch (axes.border[axis]) {
        case MIRRORED: return from < 0 ? -from : 2 * held - 2 - from;
        case REPEATED: return from < 0 ? 0 : held - 1;
        case AROUND: return from < 0 ? from + held : from - held;
        default: return -1;
    }
}

extern "C" __global__ void __launch_bounds__(256) placed(
    const UNIT* __restrict__ from, UNIT* __restrict__ to, index_t count, unsigned long long low, unsigned long long high, Axes axes
) {
    union {  // not a pointer to another type: 16 bytes are not read at an address that only 8 divide
        unsigned long long given[2];
        UNIT blank;
    } filling = {{low, high}};
#pragma unroll 2
    for (index_t i = first_index(); i < count; i += all_threads()) {
        INDEX rest = (INDEX)i;
        index_t offset = 0;
        bool there = true;
        for (int axis = axes.axes - 1; axis >= 0; axis--) {
            const INDEX above = axis ? quotient(rest, axes, axis) : (INDEX)0;
            const index_t source = source_of((index_t)(rest - above * (INDEX)axes.size[axis]), axes, axis);
            there = there && source >= 0;
            offset += source * axes.stride[axis];
            rest = above;
        }
        to[i] = there ? from[offset] : filling.blank;
    }
}

// Matrices (rows, columns) in row order, with zeros above (or below) a diagonal.
extern "C" __global__ void __launch_bounds__(256) triangle(
    const UNIT* __restrict__ from, UNIT* __restrict__ to, index_t count, index_t rows, index_t columns, index_t diagonal, int upper
) {
    const UNIT nothing = {};
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const INDEX line = (INDEX)i / (INDEX)columns;
        const index_t column = (index_t)((INDEX)i - line * (INDEX)columns), row = (index_t)(line % (INDEX)rows);
        const bool below = column <= row + diagonal;
        to[i] = (upper ? !below : below) ? from[i] : nothing;
    }
}

#ifndef SCALAR  // for sums
#define SCALAR float
#define WIDE float
#endif
#ifndef NARROW  // what the sums are kept in
#define NARROW SCALAR
#endif

// Along the middle axis the inner part, `held` places from `start` on, with what lies around it added to the elements that it repeats.
extern "C" __global__ void __launch_bounds__(256) gathered_in(
    const SCALAR* __restrict__ from, NARROW* __restrict__ to, index_t count, index_t size, index_t start, index_t held, index_t inner, int border
) {
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const index_t line = over(i, inner), beside = i - line * inner, lead = over(line, held), place = line - lead * held;
        const SCALAR* own = from + lead * size * inner + beside;
        const index_t after = size - start - held;
        WIDE sum = (WIDE)widened(own[(start + place) * inner]);
        if (border == MIRRORED) {
            if (place > 0 && place <= start) sum += (WIDE)widened(own[(start - place) * inner]);
            if (place < held - 1 && held - 1 - place <= after) sum += (WIDE)widened(own[(start + 2 * held - 2 - place) * inner]);
        } else if (border == AROUND) {
            if (place + start >= held) sum += (WIDE)widened(own[(start + place - held) * inner]);
            if (place < after) sum += (WIDE)widened(own[(start + place + held) * inner]);
        } else {
            if (place == 0)
                for (index_t k = 0; k < start; k++) sum += (WIDE)widened(own[k * inner]);
            if (place == held - 1)
                for (index_t k = start + held; k < size; k++) sum += (WIDE)widened(own[k * inner]);
        }
        to[i] = narrowed<NARROW>(sum);
    }
}
