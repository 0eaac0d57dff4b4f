// Random numbers from a stream whose place is in the GPU's memory, so that a replayed launch draws new ones.

#include "ground.cuh"
#include "functions.cuh"
#include "walking.cuh"
#include "philox.cuh"

#ifndef RESULT
#define RESULT float
#endif
#ifndef WIDE
#define WIDE float
#endif
#ifndef DIGITS  // of a number between 0 and 1: what the result holds exactly
#define DIGITS 24
#endif

// Numbers that four words make.
template <class T> struct Per { static const int count = sizeof(T) == 8 ? 2 : 4; };

__device__ __forceinline__ unsigned long long long_word(const Bits& bits, int i) {
    return (unsigned long long)bits.at[2 * i + 1] << 32 | bits.at[2 * i];
}

// The i-th number from 0 up to but not including 1.
__device__ __forceinline__ WIDE share(const Bits& bits, int i) {
    if (sizeof(WIDE) == 8) return (WIDE)(long_word(bits, i) >> 11) * (WIDE)1.1102230246251565e-16;
    return (WIDE)(bits.at[i] >> (32 - DIGITS)) * ((WIDE)1 / (WIDE)(1u << DIGITS));
}

extern "C" __global__ void start_stream(Stream* stream, unsigned long long key, unsigned long long drawn) {
    stream->key = key;
    stream->drawn = drawn;
    stream->read = 0;
}

// The four words of a counter and a key, for comparison with those that the authors published.
extern "C" __global__ void known_bits(const unsigned* given, unsigned* to) {
    const Bits bits = philox(Bits{{given[0], given[1], given[2], given[3]}}, given[4], given[5]);
    for (int k = 0; k < 4; k++) to[k] = bits.at[k];
}

extern "C" __global__ void raw_words(Stream* stream, unsigned* to, index_t groups) {
    const Stream held = *stream;
    advance(stream, groups);
    for (index_t i = first_index(); i < groups; i += all_threads()) {
        const Bits bits = bits_of(held, i);
        for (int k = 0; k < 4; k++) to[4 * i + k] = bits.at[k];
    }
}

// Call `how(index, bits, k)` for each element; four words serve `per` of them.
template <int per, class How>
__device__ __forceinline__ void each_drawn(Stream* stream, index_t count, How how) {
    const Stream held = *stream;
    advance(stream, (count + per - 1) / per);
    for (index_t i = first_index(); i * per < count; i += all_threads()) {
        const Bits bits = bits_of(held, i);
#pragma unroll
        for (int k = 0; k < per; k++)
            if (i * per + k < count) how(i * per + k, bits, k);
    }
}

// True where an element is kept: but for a share of `limit` / 2^32.
extern "C" __global__ void __launch_bounds__(256) kept(Stream* stream, bool* to, index_t count, unsigned limit) {
    const Stream held = *stream;
    const index_t groups = count / 4;
    advance(stream, (count + 3) / 4);
    for (index_t i = first_index(); i * 4 < count; i += all_threads()) {
        const Bits bits = bits_of(held, i);
        if (i < groups) {
            Several<bool, 4> four;
#pragma unroll
            for (int k = 0; k < 4; k++) four.at[k] = bits.at[k] >= limit;
            store_several<4>(to + 4 * i, four);
        } else {
            for (int k = 0; 4 * i + k < count; k++) to[4 * i + k] = bits.at[k] >= limit;
        }
    }
}

// x scale where it is kept, else 0, and where that is: as drawn by `kept`, and multiplied by the expression of "drop".
extern "C" __global__ void __launch_bounds__(256) dropped(
    Stream* stream, const RESULT* x, RESULT* out, bool* to, index_t count, unsigned limit, double scale
) {
    const int each = 16 / sizeof(RESULT), group = each > 4 ? each : 4;
    const WIDE times = (WIDE)scale;
    const bool whole = ((size_t)x | (size_t)out) % 16 == 0 && (size_t)to % group == 0;
    const Stream held = *stream;
    advance(stream, (count + 3) / 4);
    for (index_t at = first_index() * group; at < count; at += all_threads() * group) {
        Bits bits[group / 4];
        if (whole && at + group <= count) {
            Several<RESULT, each> values[group / each];
            Several<bool, group> mask;
#pragma unroll
            for (int part = 0; part < group / each; part++) values[part] = load_several<each>(x + at + part * each);
#pragma unroll
            for (int four = 0; four < group / 4; four++) bits[four] = bits_of(held, at / 4 + four);
#pragma unroll
            for (int k = 0; k < group; k++) {
                mask.at[k] = bits[k / 4].at[k % 4] >= limit;
                values[k / each].at[k % each] = stored<RESULT>(computed<WIDE>(values[k / each].at[k % each]) * WIDE(mask.at[k]) * times);
            }
#pragma unroll
            for (int part = 0; part < group / each; part++) store_several<each>(out + at + part * each, values[part]);
            store_several<group>(to + at, mask);
        } else {
            for (index_t i = at; i < at + group && i < count; i++) {
                const bool kept = bits_of(held, i / 4).at[i % 4] >= limit;
                out[i] = stored<RESULT>(computed<WIDE>(x[i]) * WIDE(kept) * times);
                to[i] = kept;
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) uniform(Stream* stream, RESULT* to, index_t count, double low, double width) {
    each_drawn<Per<WIDE>::count>(stream, count, [&](index_t i, const Bits& bits, int k) {
        to[i] = stored<RESULT>((WIDE)low + share(bits, k) * (WIDE)width);
    });
}

// Two normal numbers: a pair on a circle whose radius is random (G. Box and M. Muller, 1958).
__device__ __forceinline__ void normal_pair(const Bits& bits, int pair, float& first, float& second) {
    const float radius = sqrtf(-2 * logf(((float)bits.at[pair] + 1) * 2.3283064365386963e-10f));
    sincospif((float)bits.at[pair + 1] * 4.656612873077393e-10f, &second, &first);
    first *= radius;
    second *= radius;
}

__device__ __forceinline__ void normal_pair(const Bits& bits, int pair, double& first, double& second) {
    const double radius = sqrt(-2 * log((double)((long_word(bits, 0) >> 11) + 1) * 1.1102230246251565e-16));
    sincospi((double)(long_word(bits, 1) >> 11) * 2.220446049250313e-16, &second, &first);
    first *= radius;
    second *= radius;
}

extern "C" __global__ void __launch_bounds__(256) normal(Stream* stream, RESULT* to, index_t count, double mean, double deviation) {
    each_drawn<Per<WIDE>::count>(stream, count, [&](index_t i, const Bits& bits, int k) {
        WIDE first, second;
        normal_pair(bits, k / 2 * 2, first, second);
        to[i] = stored<RESULT>((WIDE)mean + (WIDE)deviation * (k & 1 ? second : first));
    });
}

// Whole numbers from `low`, `width` of them; a width of 0 stands for 2^64.
extern "C" __global__ void __launch_bounds__(256) integers(Stream* stream, RESULT* to, index_t count, long long low, unsigned long long width) {
    each_drawn<2>(stream, count, [&](index_t i, const Bits& bits, int k) {
        const unsigned long long word = long_word(bits, k);
        to[i] = stored<RESULT>((long long)((unsigned long long)low + (width ? __umul64hi(word, width) : word)));
    });
}

// Classes, each with its share of its row: `ends` (rows, width) holds the running sums of the shares. The result is (count / rows, rows).
extern "C" __global__ void __launch_bounds__(256) classes(
    Stream* stream, RESULT* to, index_t count, const double* ends, index_t rows, index_t width
) {
    each_drawn<2>(stream, count, [&](index_t i, const Bits& bits, int k) {
        const double* row = ends + i % rows * width;
        const double total = row[width - 1], place = (double)(long_word(bits, k) >> 11) * 1.1102230246251565e-16 * total;
        index_t low = 0, high = width - 1;
        while (low < high) {  // the first whose end lies above, never one beyond the last that has a share
            const index_t middle = (low + high) / 2;
            if (row[middle] > place || row[middle] >= total) high = middle;
            else low = middle + 1;
        }
        to[i] = stored<RESULT>((long long)low);
    });
}

extern "C" __global__ void __launch_bounds__(256) bernoulli(Stream* stream, RESULT* to, index_t count, double chance) {
    each_drawn<4>(stream, count, [&](index_t i, const Bits& bits, int k) {
        to[i] = stored<RESULT>((double)bits.at[k] * 2.3283064365386963e-10 < chance ? 1.0f : 0.0f);
    });
}
