// Many arrays of float rounded to a narrower type in one launch: a block takes one chunk of one array.

#include "ground.cuh"

#ifndef SCALAR
#define SCALAR bfloat
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
