// Many arrays of float rounded to a narrower type in one launch, or narrow ones widened: a block takes one chunk of one array.

#include "ground.cuh"

#ifndef SCALAR
#define SCALAR bfloat
#endif
#ifndef MOST
#define MOST 16
#endif
#define CHUNK 16384
#define EACH 8

struct Entry { const float* from; SCALAR* to; index_t count; };
struct Chunk { int entry, place; };

extern "C" __global__ void __launch_bounds__(256) narrow_all(const Entry* table, const Chunk* chunks) {
    const Chunk chunk = chunks[blockIdx.x];
    const Entry entry = table[chunk.entry];
    const index_t start = (index_t)chunk.place * CHUNK;
    const index_t end = start + CHUNK < entry.count ? start + CHUNK : entry.count;
    index_t rest = start;
    if ((size_t)entry.from % 16 == 0 && (size_t)entry.to % 16 == 0) {
        rest = start + (end - start) / EACH * EACH;
        for (index_t i = start + threadIdx.x * EACH; i < rest; i += blockDim.x * EACH) {
            const Several<float, 4> first = load_several<4>(entry.from + i), second = load_several<4>(entry.from + i + 4);
            Several<SCALAR, EACH> narrow;
#pragma unroll
            for (int k = 0; k < 4; k++) {
                narrow.at[k] = narrowed<SCALAR>(first.at[k]);
                narrow.at[k + 4] = narrowed<SCALAR>(second.at[k]);
            }
            store_several<EACH>(entry.to + i, narrow);
        }
    }
    for (index_t i = rest + threadIdx.x; i < end; i += blockDim.x) entry.to[i] = narrowed<SCALAR>(entry.from[i]);
}

struct Places { const SCALAR* from[MOST]; float* to[MOST]; };

// Arrays that lie elsewhere each time: their places come with the launch.
extern "C" __global__ void __launch_bounds__(256) widen_all(Places places, const index_t* counts, const Chunk* chunks) {
    const Chunk chunk = chunks[blockIdx.x];
    const SCALAR* from = places.from[chunk.entry];
    float* to = places.to[chunk.entry];
    const index_t start = (index_t)chunk.place * CHUNK, count = counts[chunk.entry];
    const index_t end = start + CHUNK < count ? start + CHUNK : count;
    index_t rest = start;
    if ((size_t)from % 16 == 0 && (size_t)to % 16 == 0) {
        rest = start + (end - start) / EACH * EACH;
        for (index_t i = start + threadIdx.x * EACH; i < rest; i += blockDim.x * EACH) {
            const Several<SCALAR, EACH> narrow = load_several<EACH>(from + i);
            Several<float, 4> first, second;
#pragma unroll
            for (int k = 0; k < 4; k++) {
                first.at[k] = widened(narrow.at[k]);
                second.at[k] = widened(narrow.at[k + 4]);
            }
            store_several<4>(to + i, first);
            store_several<4>(to + i + 4, second);
        }
    }
    for (index_t i = rest + threadIdx.x; i < end; i += blockDim.x) to[i] = widened(from[i]);
}
