// What every kernel here stands on: narrow floats as numbers, indices that may pass 2^31, sums over warps and blocks.

#include "hardware.cuh"

typedef long long index_t;
struct alignas(16) quad { unsigned part[4]; };  // what is copied 16 bytes at a time

#define EVERYWHERE 0xffffffffu
#define INFINITE __int_as_float(0x7f800000)
#define NOT_A_NUMBER __int_as_float(0x7fffffff)

__device__ __forceinline__ float widened(float x) { return x; }
__device__ __forceinline__ double widened(double x) { return x; }
__device__ __forceinline__ void narrow(float x, float& y) { y = x; }
__device__ __forceinline__ void narrow(double x, double& y) { y = x; }
__device__ __forceinline__ void narrow(double x, float& y) { y = (float)x; }

// A number as a T, rounded to the nearest.
template <class T, class W>
__device__ __forceinline__ T narrowed(W x) {
    T y;
    narrow(x, y);
    return y;
}

// The place of this thread among all of the grid's first axis, and how many there are: for loops over long arrays.
__device__ __forceinline__ index_t first_index() { return (index_t)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ index_t all_threads() { return (index_t)gridDim.x * blockDim.x; }

struct Sum {
    template <class T> __device__ __forceinline__ static T of(T a, T b) { return a + b; }
    template <class T> __device__ __forceinline__ static T none() { return T(0); }
};

struct Greatest {  // a NaN wins, as in the bodies
    template <class T> __device__ __forceinline__ static T of(T a, T b) { return a != a ? a : (b != b ? b : (a > b ? a : b)); }
    template <class T> __device__ __forceinline__ static T none() { return T(-INFINITE); }
};

struct Peak {  // where a NaN need not win: what is computed from it is NaN in any case
    __device__ __forceinline__ static float of(float a, float b) { return fmaxf(a, b); }
    __device__ __forceinline__ static double of(double a, double b) { return fmax(a, b); }
    template <class T> __device__ __forceinline__ static T none() { return T(-INFINITE); }
};

// What all 32 threads of a warp hold, put together; each gets the result. All of them must be here.
template <class How, class T>
__device__ __forceinline__ T over_warp(T value) {
#pragma unroll
    for (int away = 16; away > 0; away >>= 1) value = How::of(value, __shfl_xor_sync(EVERYWHERE, value, away));
    return value;
}

// The same over a block whose size is a multiple of 32, at most 1024; each thread gets the result, and may call it again.
template <class How, class T>
__device__ __forceinline__ T over_block(T value) {
    __shared__ T parts[32];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = (blockDim.x + 31) >> 5;
    value = over_warp<How>(value);
    if (warps == 1) return value;
    __syncthreads();  // the parts of a call before are read
    if (lane == 0) parts[warp] = value;
    __syncthreads();
    return over_warp<How>(lane < warps ? parts[lane] : How::template none<T>());
}

// What every `beside`-th thread of a block of 256 holds, added up; the first `beside` threads get the results.
template <int beside, class T>
__device__ __forceinline__ T over_lines(T value) {
    __shared__ T parts[8][beside];
#pragma unroll
    for (int away = 16; away >= beside; away >>= 1) value += __shfl_xor_sync(EVERYWHERE, value, away);
    __syncthreads();  // the parts of a call before are read
    if (threadIdx.x % 32 < beside) parts[threadIdx.x / 32][threadIdx.x % 32] = value;
    __syncthreads();
    if (threadIdx.x >= beside) return value;
#pragma unroll
    for (int warp = 1; warp < 8; warp++) value += parts[warp][threadIdx.x];
    return value;
}

__device__ __forceinline__ float inverse_root(float x) { return rsqrtf(x); }
__device__ __forceinline__ double inverse_root(double x) { return 1 / sqrt(x); }

// Words that the CPU reads as well: which kernel met a number that it cannot take, the number, and the first one too large.
__device__ __forceinline__ void complain(volatile long long* words, int who, long long number, long long count) {
    words[1] = number;
    words[2] = count;
    __threadfence_system();  // whoever sees the last word sees the others
    words[0] = who;
}
