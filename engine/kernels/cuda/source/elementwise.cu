// One expression of up to four operands on each element. Compiled with EXPRESSION over a, b, c, d and the settings s, t, u, v.
//
// FIRST, SECOND, THIRD, FOURTH and RESULT say how the numbers lie in memory, WIDE_FIRST, ... how they are computed with, WIDE what the expression is
// computed in. An operand without an address is a number, which came with the launch.

#include "ground.cuh"
#include "functions.cuh"
#include "walking.cuh"

#ifndef EXPRESSION
#define EXPRESSION a
#endif

struct Operands { const void* at[4]; };
struct Numbers { NUMBER at[8]; };  // of the operands, then of the settings

__device__ __forceinline__ RESULT result_of(WIDE_FIRST a, WIDE_SECOND b, WIDE_THIRD c, WIDE_FOURTH d, const Numbers& numbers) {
    const NUMBER s = numbers.at[4], t = numbers.at[5], u = numbers.at[6], v = numbers.at[7];
    typedef WIDE W;
    return stored<RESULT>(EXPRESSION);
}

template <class T, int place>
__device__ __forceinline__ Several<T, EACH> taken(const Operands& from, const Numbers& numbers, index_t offset) {
    Several<T, EACH> values;
    if (place >= INPUTS) return values;
    if (from.at[place]) return load_several<EACH>((const T*)from.at[place] + offset);
    const T number = stored<T>(numbers.at[place]);
#pragma unroll
    for (int i = 0; i < EACH; i++) values.at[i] = number;
    return values;
}

template <class T, int place>
__device__ __forceinline__ T one_taken(const Operands& from, const Numbers& numbers, index_t offset) {
    if (place >= INPUTS) return T();
    return from.at[place] ? ((const T*)from.at[place])[offset] : stored<T>(numbers.at[place]);
}

__device__ __forceinline__ void compute_one(
    const Operands& from, RESULT* to, const Numbers& numbers, index_t i, index_t at_a, index_t at_b, index_t at_c, index_t at_d
) {
    to[i] = result_of(
        computed<WIDE_FIRST>(one_taken<FIRST, 0>(from, numbers, at_a)), computed<WIDE_SECOND>(one_taken<SECOND, 1>(from, numbers, at_b)),
        computed<WIDE_THIRD>(one_taken<THIRD, 2>(from, numbers, at_c)), computed<WIDE_FOURTH>(one_taken<FOURTH, 3>(from, numbers, at_d)), numbers
    );
}

__device__ __forceinline__ void compute_several(
    RESULT* to, const Numbers& numbers, const Several<FIRST, EACH>& a, const Several<SECOND, EACH>& b, const Several<THIRD, EACH>& c, const Several<FOURTH, EACH>& d
) {
    Several<RESULT, EACH> results;
#pragma unroll
    for (int i = 0; i < EACH; i++)
        results.at[i] = result_of(computed<WIDE_FIRST>(a.at[i]), computed<WIDE_SECOND>(b.at[i]), computed<WIDE_THIRD>(c.at[i]), computed<WIDE_FOURTH>(d.at[i]), numbers);
    store_several<EACH>(to, results);
}

// Groups of EACH elements that lie `apart` elements from one another: all are read before the first is written.
template <int groups>
__device__ __forceinline__ void compute_groups(const Operands& from, RESULT* to, const Numbers& numbers, index_t at, int apart) {
    Several<FIRST, EACH> a[groups];
    Several<SECOND, EACH> b[groups];
    Several<THIRD, EACH> c[groups];
    Several<FOURTH, EACH> d[groups];
#pragma unroll
    for (int g = 0; g < groups; g++) {
        a[g] = taken<FIRST, 0>(from, numbers, at + g * apart);
        b[g] = taken<SECOND, 1>(from, numbers, at + g * apart);
        c[g] = taken<THIRD, 2>(from, numbers, at + g * apart);
        d[g] = taken<FOURTH, 3>(from, numbers, at + g * apart);
    }
#pragma unroll
    for (int g = 0; g < groups; g++) compute_several(to + at + g * apart, numbers, a[g], b[g], c[g], d[g]);
}

#ifndef AT_ONCE  // groups that a thread has under way
#define AT_ONCE 2
#endif

// All arrays lie in one piece in the same order, at addresses that 16 divides.
extern "C" __global__ void __launch_bounds__(256) flat(Operands from, RESULT* to, Numbers numbers, index_t count) {
    const index_t groups = count / EACH;
    const int apart = blockDim.x, tile = AT_ONCE * apart;
    for (index_t first = (index_t)blockIdx.x * tile; first < groups; first += (index_t)gridDim.x * tile) {
        const index_t own = first + threadIdx.x;
        if (first + tile <= groups) {
            compute_groups<AT_ONCE>(from, to, numbers, own * EACH, apart * EACH);
        } else {
            for (index_t i = own; i < groups; i += apart) compute_groups<1>(from, to, numbers, i * EACH, 0);
        }
    }
    for (index_t i = groups * EACH + first_index(); i < count; i += all_threads()) compute_one(from, to, numbers, i, i, i, i, i);
}

// An operand along the walk's innermost axis: one number again and again, or numbers side by side.
template <class T, int place>
__device__ __forceinline__ Several<T, EACH> along(const Operands& from, const Numbers& numbers, index_t offset, index_t step) {
    Several<T, EACH> values;
    if (place >= INPUTS) return values;
    if (from.at[place] && step) return load_several<EACH>((const T*)from.at[place] + offset);
    const T number = one_taken<T, place>(from, numbers, offset);
#pragma unroll
    for (int i = 0; i < EACH; i++) values.at[i] = number;
    return values;
}

// Arrays that lie anyhow but along the innermost axis, whose size EACH divides, in steps of 1 or 0.
template <class Index>
__device__ __forceinline__ void walk_rows(const Operands& from, RESULT* to, const Numbers& numbers, index_t count, const Walk& walk) {
    for (index_t i = first_index() * EACH; i < count; i += all_threads() * EACH) {
        index_t offset[4];
        walk.template offsets<Index, INPUTS>((Index)i, offset);
        const int last = walk.axes - 1;
        compute_several(
            to + i, numbers, along<FIRST, 0>(from, numbers, offset[0], walk.stride[0][last]), along<SECOND, 1>(from, numbers, offset[1], walk.stride[1][last]),
            along<THIRD, 2>(from, numbers, offset[2], walk.stride[2][last]), along<FOURTH, 3>(from, numbers, offset[3], walk.stride[3][last])
        );
    }
}

// Elements that are `apart` from one another in the walk: all are read before the first is written.
template <class Index, int several>
__device__ __forceinline__ void walk_some(const Operands& from, RESULT* to, const Numbers& numbers, index_t start, index_t apart, const Walk& walk) {
    FIRST a[several];
    SECOND b[several];
    THIRD c[several];
    FOURTH d[several];
#pragma unroll
    for (int e = 0; e < several; e++) {
        index_t offset[4];
        walk.template offsets<Index, INPUTS>((Index)(start + e * apart), offset);
        a[e] = one_taken<FIRST, 0>(from, numbers, offset[0]);
        b[e] = one_taken<SECOND, 1>(from, numbers, offset[1]);
        c[e] = one_taken<THIRD, 2>(from, numbers, offset[2]);
        d[e] = one_taken<FOURTH, 3>(from, numbers, offset[3]);
    }
#pragma unroll
    for (int e = 0; e < several; e++)
        to[start + e * apart] = result_of(computed<WIDE_FIRST>(a[e]), computed<WIDE_SECOND>(b[e]), computed<WIDE_THIRD>(c[e]), computed<WIDE_FOURTH>(d[e]), numbers);
}

template <class Index>
__device__ __forceinline__ void walk_each(const Operands& from, RESULT* to, const Numbers& numbers, index_t count, const Walk& walk) {
    index_t i = first_index();
    for (; i + 3 * all_threads() < count; i += 4 * all_threads()) walk_some<Index, 4>(from, to, numbers, i, all_threads(), walk);
    for (; i < count; i += all_threads()) walk_some<Index, 1>(from, to, numbers, i, 0, walk);
}

extern "C" __global__ void __launch_bounds__(256) rows(Operands from, RESULT* to, Numbers numbers, index_t count, Walk walk) {
    walk_rows<unsigned>(from, to, numbers, count, walk);
}

extern "C" __global__ void __launch_bounds__(256) rows_long(Operands from, RESULT* to, Numbers numbers, index_t count, Walk walk) {
    walk_rows<index_t>(from, to, numbers, count, walk);
}

extern "C" __global__ void __launch_bounds__(256) strided(Operands from, RESULT* to, Numbers numbers, index_t count, Walk walk) {
    walk_each<unsigned>(from, to, numbers, count, walk);
}

extern "C" __global__ void __launch_bounds__(256) strided_long(Operands from, RESULT* to, Numbers numbers, index_t count, Walk walk) {
    walk_each<index_t>(from, to, numbers, count, walk);
}
