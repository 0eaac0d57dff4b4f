// Pairs of numbers turned by angles, in rows of `pairs` pairs: neighbours if INTERLEAVED, or half of a row apart.
//
// ANGLE is the type of the cosines and sines, RESULT that of what is written. A thread takes GROUP pairs.

#include "ground.cuh"

struct Axes {
    index_t a, b, c;
    __device__ __forceinline__ index_t of(index_t i, index_t j, index_t k) const { return i * a + j * b + k * c; }
};

extern "C" __global__ void __launch_bounds__(256) rotary(
    const SCALAR* x, const ANGLE* cosine, const ANGLE* sine, RESULT* out, index_t rows, index_t pairs, index_t size_b, index_t size_c,
    index_t xa, index_t xb, index_t xc, index_t ya, index_t yb, index_t yc, index_t ca, index_t cb, index_t cc, index_t sa, index_t sb, index_t sc
) {
    const Axes from = {xa, xb, xc}, to = {ya, yb, yc}, cosines = {ca, cb, cc}, sines = {sa, sb, sc};
    const index_t groups = pairs / GROUP;
    for (index_t at = first_index(); at < rows * groups; at += all_threads()) {
        index_t row, first;
        if (at <= 0x7fffffff) row = (unsigned)at / (unsigned)groups, first = (unsigned)at % (unsigned)groups * GROUP;
        else row = at / groups, first = at % groups * GROUP;
        const index_t i = row / (size_b * size_c), rest = row % (size_b * size_c), j = rest / size_c, k = rest % size_c;
        const SCALAR* source = x + from.of(i, j, k);
        RESULT* target = out + to.of(i, j, k);
        const Several<ANGLE, GROUP> c = load_several<GROUP>(cosine + cosines.of(i, j, k) + first);
        const Several<ANGLE, GROUP> s = load_several<GROUP>(sine + sines.of(i, j, k) + first);
#if INTERLEAVED
        const Several<SCALAR, 2 * GROUP> given = load_several<2 * GROUP>(source + 2 * first);
        Several<RESULT, 2 * GROUP> turned;
#pragma unroll
        for (int n = 0; n < GROUP; n++) {
            const WIDE a = widened(given.at[2 * n]), b = widened(given.at[2 * n + 1]), cn = widened(c.at[n]), sn = widened(s.at[n]);
            turned.at[2 * n] = narrowed<RESULT>(a * cn - b * sn);
            turned.at[2 * n + 1] = narrowed<RESULT>(b * cn + a * sn);
        }
        store_several<2 * GROUP>(target + 2 * first, turned);
#else
        const Several<SCALAR, GROUP> left = load_several<GROUP>(source + first), right = load_several<GROUP>(source + pairs + first);
        Several<RESULT, GROUP> low, high;
#pragma unroll
        for (int n = 0; n < GROUP; n++) {
            const WIDE a = widened(left.at[n]), b = widened(right.at[n]), cn = widened(c.at[n]), sn = widened(s.at[n]);
            low.at[n] = narrowed<RESULT>(a * cn - b * sn);
            high.at[n] = narrowed<RESULT>(b * cn + a * sn);
        }
        store_several<GROUP>(target + first, low);
        store_several<GROUP>(target + pairs + first, high);
#endif
    }
}
