// Philox 4x32 with 10 rounds (J. Salmon, M. Moraes, R. Dror and D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011).

struct Bits { unsigned at[4]; };

// The bits at a place of a stream: every counter and key gives four words.
__device__ __forceinline__ Bits philox(Bits counter, unsigned key, unsigned other_key) {
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const unsigned first = 0xD2511F53u, second = 0xCD9E8D57u;
        const unsigned high = __umulhi(first, counter.at[0]), low = first * counter.at[0];
        const unsigned other_high = __umulhi(second, counter.at[2]), other_low = second * counter.at[2];
        counter = Bits{{other_high ^ counter.at[1] ^ key, other_low, high ^ counter.at[3] ^ other_key, low}};
        key += 0x9E3779B9u;
        other_key += 0xBB67AE85u;
    }
    return counter;
}

// The same with words of 64 bits: a counter becomes what the stream has there.
__device__ __forceinline__ void philox(unsigned long long* word, unsigned long long first, unsigned long long second) {
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const unsigned long long a = word[0] * 0xD2E7470EE14C6C93ull, b = word[2] * 0xCA5A826395121157ull;
        const unsigned long long high_a = __umul64hi(word[0], 0xD2E7470EE14C6C93ull);
        const unsigned long long high_b = __umul64hi(word[2], 0xCA5A826395121157ull);
        word[0] = high_b ^ word[1] ^ first;
        word[1] = b;
        word[2] = high_a ^ word[3] ^ second;
        word[3] = a;
        first += 0x9E3779B97F4A7C15ull;
        second += 0xBB67AE8584CAA73Bull;
    }
}

// A stream in the GPU's memory: its key, how many places of it are drawn, and how many blocks of a launch have read so.
struct Stream { unsigned long long key, drawn, read; };

// The last block to have read where the stream stands moves it on. Every thread of a grid of one axis calls it, once it has read.
__device__ __forceinline__ void advance(Stream* stream, unsigned long long places) {
    __syncthreads();
    if (threadIdx.x) return;
    __threadfence();
    if (atomicAdd(&stream->read, 1ull) != gridDim.x - 1) return;
    stream->drawn += places;
    stream->read = 0;
}

__device__ __forceinline__ Bits bits_of(const Stream& stream, unsigned long long place) {
    place += stream.drawn;
    return philox(Bits{{(unsigned)place, (unsigned)(place >> 32), 0, 0}}, (unsigned)stream.key, (unsigned)(stream.key >> 32));
}
