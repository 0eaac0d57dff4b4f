// Elements picked along an axis by number, and their gradient, which asks for each place what points to it: nothing is added by two threads.
//
// Arrays are (outer, axis, inner) after joining; an index may be smaller than x on the other axes, so it has its own sizes and steps.

#include "ground.cuh"

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;

#ifndef HOW  // 0 the product, 1 the larger, 2 the smaller
#define HOW 0
#endif

#ifdef WHOLE  // numbers without a fraction are computed with as they are
#define TO_WIDE(x) (x)
#define TO_SCALAR(x) (x)
#else
#define TO_WIDE(x) (WIDE)widened(x)
#define TO_SCALAR(x) narrowed<SCALAR>(x)
#endif

// A NaN wins, as in the bodies. The least whole number cannot be negated.
template <class T> __device__ __forceinline__ T smaller(T a, T b) { return a != a ? a : (b != b ? b : (a < b ? a : b)); }

struct Four {
    index_t a, b, c, d;
};

// The coordinates of the i-th element in row order.
__device__ __forceinline__ Four split(index_t i, const Four& sizes) {
    Four at;
    if (i <= 0x7fffffff) {
        unsigned j = (unsigned)i;
        at.d = j % (unsigned)sizes.d, j /= (unsigned)sizes.d;
        at.c = j % (unsigned)sizes.c, j /= (unsigned)sizes.c;
        at.b = j % (unsigned)sizes.b, at.a = j / (unsigned)sizes.b;
    } else {
        at.d = i % sizes.d, i /= sizes.d;
        at.c = i % sizes.c, i /= sizes.c;
        at.b = i % sizes.b, at.a = i / sizes.b;
    }
    return at;
}

__device__ __forceinline__ index_t at(const Four& place, const Four& steps) {
    return place.a * steps.a + place.b * steps.b + place.c * steps.c + place.d * steps.d;
}

// x's steps have 0 where the axis is, whose step is `along`. Numbers from -size to size - 1.
extern "C" __global__ void __launch_bounds__(256) gather_along(
    const UNIT* x, const INDEX* index, UNIT* out, index_t count, index_t sa, index_t sb, index_t sc, index_t sd, index_t xa, index_t xb,
    index_t xc, index_t xd, index_t ia, index_t ib, index_t ic, index_t id, index_t along, index_t size, int who, long long* words
) {
    const Four sizes = {sa, sb, sc, sd}, from = {xa, xb, xc, xd}, numbers = {ia, ib, ic, id};
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const Four place = split(i, sizes);
        long long number = (long long)index[at(place, numbers)];
        const bool lies = number >= -size && number < size;
        if (!lies) complain(words, who, number, size);
        if (number < 0) number += size;
        if (lies) {
            out[i] = x[at(place, from) + number * along];
        } else {
            uchar* to = (uchar*)(out + i);
            for (int k = 0; k < (int)sizeof(UNIT); k++) to[k] = 255;
        }
    }
}

// For each element of the result the sum of those numbers of x (in the index's shape) along the axis that point to it.
extern "C" __global__ void __launch_bounds__(256) spread_along(
    const SCALAR* x, const INDEX* index, SCALAR* out, index_t count, index_t sa, index_t sb, index_t sc, index_t sd, index_t na, index_t nb,
    index_t nc, index_t nd, index_t xa, index_t xb, index_t xc, index_t xd, index_t ia, index_t ib, index_t ic, index_t id, int axis,
    index_t number, index_t x_along, index_t i_along, index_t size, int who, long long* words
) {
    const Four sizes = {sa, sb, sc, sd}, limits = {na, nb, nc, nd}, from = {xa, xb, xc, xd}, numbers = {ia, ib, ic, id};
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const Four place = split(i, sizes);
        const index_t mine = axis == 0 ? place.a : axis == 1 ? place.b : axis == 2 ? place.c : place.d;
        WIDE sum = 0;
        if ((axis == 0 || place.a < limits.a) && (axis == 1 || place.b < limits.b) && (axis == 2 || place.c < limits.c) && (axis == 3 || place.d < limits.d)) {
            const SCALAR* source = x + at(place, from);
            const INDEX* pointer = index + at(place, numbers);
            for (index_t k = 0; k < number; k++) {
                long long target = (long long)pointer[k * i_along];
                if (mine == 0 && (target < -size || target >= size)) complain(words, who, target, size);
                if (target < 0) target += size;
                if (target == mine) sum += TO_WIDE(source[k * x_along]);
            }
        }
        out[i] = TO_SCALAR(sum);
    }
}

// For each element of `base` itself and those numbers of x along the axis that point to it, put together; as `spread_along` otherwise.
extern "C" __global__ void __launch_bounds__(256) combine_along(
    const SCALAR* base, const SCALAR* x, const INDEX* index, SCALAR* out, index_t count, index_t sa, index_t sb, index_t sc, index_t sd,
    index_t na, index_t nb, index_t nc, index_t nd, index_t ba, index_t bb, index_t bc, index_t bd, index_t xa, index_t xb, index_t xc,
    index_t xd, index_t ia, index_t ib, index_t ic, index_t id, int axis, index_t number, index_t x_along, index_t i_along, index_t size,
    int who, long long* words
) {
    const Four sizes = {sa, sb, sc, sd}, limits = {na, nb, nc, nd}, own = {ba, bb, bc, bd}, from = {xa, xb, xc, xd}, numbers = {ia, ib, ic, id};
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const Four place = split(i, sizes);
        const index_t mine = axis == 0 ? place.a : axis == 1 ? place.b : axis == 2 ? place.c : place.d;
        WIDE held = TO_WIDE(base[at(place, own)]);
        if ((axis == 0 || place.a < limits.a) && (axis == 1 || place.b < limits.b) && (axis == 2 || place.c < limits.c) && (axis == 3 || place.d < limits.d)) {
            const SCALAR* source = x + at(place, from);
            const INDEX* pointer = index + at(place, numbers);
            for (index_t k = 0; k < number; k++) {
                long long target = (long long)pointer[k * i_along];
                if (mine == 0 && (target < -size || target >= size)) complain(words, who, target, size);
                if (target < 0) target += size;
                if (target != mine) continue;
                const WIDE value = TO_WIDE(source[k * x_along]);
                held = HOW == 0 ? held * value : HOW == 1 ? Greatest::of(held, value) : smaller(held, value);
            }
        }
        out[i] = TO_SCALAR(held);
    }
}

// Rows of `inner` units at the numbers of a vector: x (outer, size, inner) to (outer, count, inner).
extern "C" __global__ void __launch_bounds__(256) take_slices(
    const UNIT* x, const INDEX* index, UNIT* out, index_t outer, index_t count, index_t inner, index_t size, int who, long long* words
) {
    for (index_t i = first_index(); i < outer * count * inner; i += all_threads()) {
        const index_t unit = i % inner, row = i / inner, which = row % count, lead = row / count;
        long long number = (long long)index[which];
        const bool lies = number >= -size && number < size;
        if (!lies) complain(words, who, number, size);
        if (number < 0) number += size;
        if (lies) {
            out[i] = x[(lead * size + number) * inner + unit];
        } else {
            uchar* to = (uchar*)(out + i);
            for (int k = 0; k < (int)sizeof(UNIT); k++) to[k] = 255;
        }
    }
}

// -x[i, target[i]] scale[i]; a target below 0 counts as class 0.
extern "C" __global__ void __launch_bounds__(256) nll(
    const SCALAR* x, const INDEX* target, const SCALAR* scale, SCALAR* out, index_t count, index_t step, index_t along, index_t of_target,
    index_t of_scale, index_t classes, int who, long long* words
) {
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const long long given = (long long)target[i * of_target], place = given < 0 ? 0 : given;
        const bool lies = place < classes;
        if (!lies) complain(words, who, given, classes);
        const WIDE value = lies ? TO_WIDE(x[i * step + place * along]) : (WIDE)NOT_A_NUMBER;
        out[i] = TO_SCALAR(-value * TO_WIDE(scale[i * of_scale]));
    }
}
