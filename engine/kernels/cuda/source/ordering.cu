// The largest few of each row, found by their bits without putting the rest in order, and short rows put in order. Of equal ones the first come first.

#include "ground.cuh"
#include "functions.cuh"
#include "walking.cuh"

#ifndef SCALAR
#define SCALAR float
#endif
#ifndef KEY  // whole numbers without a sign that are ordered as the numbers are
#define KEY unsigned
#endif
#ifndef LENGTH  // a power of two: so many are put in order by a block
#define LENGTH 32
#endif
#define BITS (8 * (int)sizeof(KEY))

// A NaN is larger than every number; both zeros are equal.
__device__ __forceinline__ unsigned key_of(float x) {
    if (x != x) return 0xffffffffu;
    const unsigned bits = (unsigned)__float_as_int(x == 0 ? 0.0f : x);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ unsigned long long key_of(double x) {
    if (x != x) return 0xffffffffffffffffull;
    const unsigned long long bits = (unsigned long long)__double_as_longlong(x == 0 ? 0.0 : x);
    return bits >> 63 ? ~bits : bits | 0x8000000000000000ull;
}
__device__ __forceinline__ unsigned key_of(half x) { return key_of(widened(x)); }
__device__ __forceinline__ unsigned key_of(bfloat x) { return key_of(widened(x)); }
__device__ __forceinline__ unsigned long long key_of(long long x) { return (unsigned long long)x ^ 0x8000000000000000ull; }
__device__ __forceinline__ unsigned key_of(int x) { return (unsigned)x ^ 0x80000000u; }
__device__ __forceinline__ unsigned key_of(short x) { return key_of((int)x); }
__device__ __forceinline__ unsigned key_of(signed char x) { return key_of((int)x); }
__device__ __forceinline__ unsigned key_of(unsigned char x) { return x; }
__device__ __forceinline__ unsigned key_of(bool x) { return x; }

// The keys of a row in rising order, and equal ones in that of their places: `number` of them, the rest filled up. By a block of any size.
__device__ __forceinline__ void put_in_order(KEY* keys, int* places, int number) {
    for (int i = number + threadIdx.x; i < LENGTH; i += blockDim.x) keys[i] = ~(KEY)0, places[i] = 0x7fffffff;
    for (int size = 2; size <= LENGTH; size *= 2)
        for (int apart = size / 2; apart > 0; apart /= 2) {
            __syncthreads();
            for (int i = threadIdx.x; i < LENGTH / 2; i += blockDim.x) {
                const int a = 2 * i - (i & (apart - 1)), b = a + apart;
                const bool falls = (a & size) != 0;
                const bool after = keys[a] > keys[b] || (keys[a] == keys[b] && places[a] > places[b]);
                if (after != falls) {
                    const KEY key = keys[a];
                    const int place = places[a];
                    keys[a] = keys[b], places[a] = places[b];
                    keys[b] = key, places[b] = place;
                }
            }
        }
    __syncthreads();
}

// Rows are (outer, size, inner), dense: a block for each, all of it in shared memory. `values` may be null.
extern "C" __global__ void __launch_bounds__(256) ordered(
    const SCALAR* x, SCALAR* values, long long* order, index_t rows, int size, index_t inner, int falling
) {
    __shared__ KEY keys[LENGTH];
    __shared__ int places[LENGTH];
    for (index_t row = blockIdx.x; row < rows; row += gridDim.x) {
        const index_t start = row / inner * size * inner + row % inner;
        __syncthreads();
        for (int i = threadIdx.x; i < size; i += blockDim.x) {
            const KEY key = key_of(x[start + i * inner]);
            keys[i] = falling ? ~key : key;
            places[i] = i;
        }
        put_in_order(keys, places, size);
        for (int i = threadIdx.x; i < size; i += blockDim.x) {
            order[start + i * inner] = places[i];
            if (values) values[start + i * inner] = x[start + places[i] * inner];
        }
    }
}

// How many in the threads before this one, and in all of the block: two numbers below 2^15 in each word.
__device__ __forceinline__ int before_mine(int word, int* room, int& all) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    int sum = word;
#pragma unroll
    for (int away = 1; away < 32; away *= 2) {
        const int other = __shfl_up_sync(EVERYWHERE, sum, away);
        if (lane >= away) sum += other;
    }
    __syncthreads();
    if (lane == 31) room[warp] = sum;
    __syncthreads();
    int earlier = 0;
    all = 0;
    for (int k = 0; k < warps; k++) {
        if (k < warp) earlier += room[k];
        all += room[k];
    }
    return earlier + sum - word;
}

// The `wanted` largest (or smallest) of rows (outer, size, inner), to (outer, wanted, inner): first the key of the last of them, digit by digit from
// the top, then those beyond it and the first of its equals, in their order, then the few are put in order.
extern "C" __global__ void __launch_bounds__(256) foremost(
    const SCALAR* x, SCALAR* values, long long* order, index_t rows, index_t size, index_t inner, int wanted, int smallest
) {
    __shared__ KEY keys[LENGTH];
    __shared__ int places[LENGTH], counts[256], room[8], digit_found, left;
    for (index_t row = blockIdx.x; row < rows; row += gridDim.x) {
        const SCALAR* own = x + row / inner * size * inner + row % inner;
        KEY last = 0;
        int still = wanted;
        for (int shift = BITS - 8; shift >= 0; shift -= 8) {
            __syncthreads();
            counts[threadIdx.x] = 0;
            __syncthreads();
            for (index_t i = threadIdx.x; i < size; i += 256) {
                const KEY raw = key_of(own[i * inner]), key = smallest ? ~raw : raw;
                if (shift + 8 >= BITS || key >> (shift + 7) >> 1 == last >> (shift + 7) >> 1) atomicAdd(&counts[(int)(key >> shift & 255)], 1);
            }
            __syncthreads();
            if (threadIdx.x == 0) {
                int above = 0, digit = 255;
                while (above + counts[digit] < still) above += counts[digit--];
                digit_found = digit;
                left = still - above;
            }
            __syncthreads();
            last |= (KEY)digit_found << shift;
            still = left;
        }
        int found = 0, equal = 0;
        for (index_t first = 0; first < size && found < wanted; first += 256) {
            const index_t i = first + threadIdx.x;
            KEY key = 0;
            if (i < size) {
                const KEY raw = key_of(own[i * inner]);
                key = smallest ? ~raw : raw;
            }
            const int beyond = i < size && key > last, same = i < size && key == last;
            if (!__syncthreads_or(beyond || same)) continue;
            int all;
            const int before = before_mine(beyond + (same << 16), room, all);
            const int equals_before = equal + (before >> 16), taken = equals_before < still ? equals_before : still;
            if (beyond || (same && equals_before < still)) {
                // Those taken so far: all beyond, and as many of the equal ones as are wanted.
                const int place = found - (equal < still ? equal : still) + (before & 0xffff) + taken;
                keys[place] = ~key;
                places[place] = (int)i;
            }
            const int equals_now = equal + (all >> 16);
            found += (all & 0xffff) + (equals_now < still ? equals_now : still) - (equal < still ? equal : still);
            equal = equals_now;
        }
        put_in_order(keys, places, wanted);
        const index_t to = row / inner * wanted * inner + row % inner;
        for (int k = threadIdx.x; k < wanted; k += 256) {
            order[to + k * inner] = places[k];
            values[to + k * inner] = own[places[k] * inner];
        }
    }
}
