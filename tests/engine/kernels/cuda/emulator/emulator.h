// CUDA C++ on one CPU thread: blocks run one after another, the threads of a block as fibers that take turns at barriers.
//
// Included before a source. It knows what the sources use of the language; what it does not know fails to compile. Every
// barrier that some threads of a block (or a warp) never reach is an error, and so is an access at a wrong alignment.
#pragma once
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <tuple>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define __shared__ static
#define __constant__ static
#define __launch_bounds__(...)
#define __grid_constant__

struct dim3 { unsigned x = 1, y = 1, z = 1; };
static dim3 threadIdx, blockIdx, blockDim, gridDim;
static const int warpSize = 32;

namespace emulator {

const size_t STACK = 256 << 10;
enum State { RUNS, AT_BLOCK, AT_WARP, ENDED };

struct Fiber {
    ucontext_t context;
    char* stack = nullptr;
    dim3 index;
    State state = RUNS;
    uint64_t slot = 0;
    int votes = 0;
};

static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static unsigned current, in_block, descending;
static char complaint[400];
static void (*body)(const char*);
static const char* arguments;

inline void complain(const char* text) {
    if (!complaint[0]) snprintf(complaint, sizeof complaint, "%s (block %u %u %u, thread %u)", text, blockIdx.x, blockIdx.y, blockIdx.z, current);
}

inline void wait(State state) {
    Fiber& me = fibers[current];
    me.state = state;
    swapcontext(&me.context, &scheduler);
}

static void enter() {
    body(arguments);
    fibers[current].state = ENDED;
    swapcontext(&fibers[current].context, &scheduler);
}

// Let those go on whose barrier all living threads of their block or warp have reached; gives whether there were any.
inline bool release() {
    bool released = false;
    unsigned living = 0, waiting = 0;
    for (unsigned i = 0; i < in_block; i++) {
        living += fibers[i].state != ENDED;
        waiting += fibers[i].state == AT_BLOCK;
    }
    if (living && waiting == living) {
        for (unsigned i = 0; i < in_block; i++) if (fibers[i].state == AT_BLOCK) fibers[i].state = RUNS;
        return true;
    }
    for (unsigned warp = 0; warp < in_block; warp += 32) {
        const unsigned end = std::min(warp + 32, in_block);
        living = waiting = 0;
        for (unsigned i = warp; i < end; i++) {
            living += fibers[i].state != ENDED;
            waiting += fibers[i].state == AT_WARP;
        }
        if (!living || waiting != living) continue;
        for (unsigned i = warp; i < end; i++) if (fibers[i].state == AT_WARP) fibers[i].state = RUNS;
        released = true;
    }
    return released;
}

inline void run_block(unsigned order) {
    for (unsigned i = 0; i < in_block; i++) {
        Fiber& fiber = fibers[i];
        if (!fiber.stack)
            fiber.stack = (char*)mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        fiber.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
        fiber.state = RUNS;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack;
        fiber.context.uc_stack.ss_size = STACK;
        fiber.context.uc_link = &scheduler;
        makecontext(&fiber.context, enter, 0);
    }
    for (;;) {
        bool ran = false, living = false;
        for (unsigned turn = 0; turn < in_block; turn++) {
            const unsigned i = order ? in_block - 1 - turn : turn;  // a missing barrier shows in one of the two orders
            if (fibers[i].state == RUNS) {
                current = i;
                threadIdx = fibers[i].index;
                swapcontext(&scheduler, &fibers[i].context);
                ran = true;
            }
            living |= fibers[i].state != ENDED;
        }
        if (!living) return;
        if (!release() && !ran) {
            complain("some threads wait at a barrier that others never reach");
            return;
        }
    }
}

template <class... A>
struct Arguments {
    static size_t aligned(size_t at, size_t to) { return (at + to - 1) / to * to; }
    template <class T> static T take(const char* from, size_t& at) {
        at = aligned(at, alignof(T));
        T value;
        memcpy((void*)&value, from + at, sizeof(T));
        at += sizeof(T);
        return value;
    }
    static void call(void (*kernel)(A...), const char* from) {
        size_t at = 0;
        std::tuple<A...> values{take<A>(from, at)...};  // a braced list is worked out from left to right
        std::apply(kernel, values);
    }
    static size_t bytes(void (*)(A...)) {
        size_t at = 0;
        ((at = aligned(at, alignof(A)) + sizeof(A)), ...);
        return at;
    }
};

template <class... A> void call(void (*kernel)(A...), const char* from) { Arguments<A...>::call(kernel, from); }
template <class... A> size_t bytes(void (*kernel)(A...)) { return Arguments<A...>::bytes(kernel); }

inline const char* run(void (*entered)(const char*), const char* packed, const unsigned* sizes, unsigned order) {
    gridDim = {sizes[0], sizes[1], sizes[2]};
    blockDim = {sizes[3], sizes[4], sizes[5]};
    in_block = blockDim.x * blockDim.y * blockDim.z;
    complaint[0] = 0;
    if (in_block > 1024 || blockDim.z > 64 || gridDim.y > 65535 || gridDim.z > 65535) {
        complain("the grid or the block is larger than a GPU takes");
        return complaint;
    }
    if (fibers.size() < in_block) fibers.resize(in_block);
    body = entered;
    arguments = packed;
    descending = order;
    for (unsigned z = 0; z < gridDim.z; z++)
        for (unsigned y = 0; y < gridDim.y; y++)
            for (unsigned x = 0; x < gridDim.x && !complaint[0]; x++) {
                blockIdx = {x, y, z};
                run_block(order);
            }
    return complaint;
}

// What `lane` of this warp holds; every lane of the warp must call it.
template <class T> inline T exchanged(T value, unsigned lane) {
    static_assert(sizeof(T) <= 8, "warps exchange at most 8 bytes");
    Fiber& me = fibers[current];
    me.slot = 0;
    memcpy((void*)&me.slot, (void*)&value, sizeof(T));
    wait(AT_WARP);
    const unsigned other = current / 32 * 32 + (lane & 31);
    T result = value;
    if (other < in_block) memcpy((void*)&result, (void*)&fibers[other].slot, sizeof(T));
    wait(AT_WARP);
    return result;
}

template <class T> inline const T* aligned_to(const void* address, size_t bytes) {
    if ((uintptr_t)address % bytes) complain("an access is not aligned to its size");
    return (const T*)address;
}

}  // namespace emulator

inline unsigned lane_of_mine() { return emulator::current % 32; }
inline void __syncthreads() { emulator::wait(emulator::AT_BLOCK); }
inline void __syncwarp(unsigned = ~0u) { emulator::wait(emulator::AT_WARP); }
template <class T> T __shfl_sync(unsigned, T value, int lane, int width = 32) {
    return emulator::exchanged(value, lane_of_mine() / width * width + lane % width);
}
template <class T> T __shfl_xor_sync(unsigned, T value, int mask, int = 32) { return emulator::exchanged(value, lane_of_mine() ^ mask); }
template <class T> T __shfl_down_sync(unsigned, T value, unsigned away, int width = 32) {
    const unsigned lane = lane_of_mine();
    return emulator::exchanged(value, lane % width + away < (unsigned)width ? lane + away : lane);
}
template <class T> T __shfl_up_sync(unsigned, T value, unsigned away, int width = 32) {
    const unsigned lane = lane_of_mine();
    return emulator::exchanged(value, lane % width >= away ? lane - away : lane);
}
inline unsigned __ballot_sync(unsigned, int vote) {
    unsigned result = 0;
    for (unsigned lane = 0; lane < 32; lane++) {
        const unsigned holder = emulator::current / 32 * 32 + lane;
        const int said = emulator::exchanged(vote, lane);
        if (holder < emulator::in_block && emulator::fibers[holder].state != emulator::ENDED && said) result |= 1u << lane;
    }
    return result;
}
inline int __any_sync(unsigned mask, int vote) { return __ballot_sync(mask, vote) != 0; }
inline int __all_sync(unsigned mask, int vote) { return __ballot_sync(mask, !vote) == 0; }
inline int __syncthreads_or(int vote) {
    static int any;
    __syncthreads(); any = 0; __syncthreads();
    if (vote) any = 1;
    __syncthreads();
    return any;
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

template <class T, class V> T atomicAdd(T* at, V value) { T old = *at; *at = old + (T)value; return old; }
template <class T> T atomicMax(T* at, T value) { T old = *at; *at = std::max(old, value); return old; }
template <class T> T atomicMin(T* at, T value) { T old = *at; *at = std::min(old, value); return old; }
template <class T> T atomicExch(T* at, T value) { T old = *at; *at = value; return old; }
template <class T> T atomicOr(T* at, T value) { T old = *at; *at = old | value; return old; }
template <class T> T atomicAnd(T* at, T value) { T old = *at; *at = old & value; return old; }
template <class T> T atomicCAS(T* at, T expected, T value) { T old = *at; if (old == expected) *at = value; return old; }
template <class T> T __ldg(const T* at) { return *at; }

template <class To, class From> To same_bits(From x) { static_assert(sizeof(To) == sizeof(From)); To y; memcpy(&y, &x, sizeof y); return y; }
inline float __int_as_float(int x) { return same_bits<float>(x); }
inline int __float_as_int(float x) { return same_bits<int>(x); }
inline float __uint_as_float(unsigned x) { return same_bits<float>(x); }
inline unsigned __float_as_uint(float x) { return same_bits<unsigned>(x); }
inline double __longlong_as_double(long long x) { return same_bits<double>(x); }
inline long long __double_as_longlong(double x) { return same_bits<long long>(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((uint64_t)a * b) >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned long long)(((unsigned __int128)a * b) >> 64); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline double rsqrt(double x) { return 1 / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float x) { return 1 / x; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __saturatef(float x) { return x < 0 ? 0 : (x > 1 ? 1 : x); }
inline void sincospif(float x, float* s, float* c) { *s = std::sin((float)M_PI * x); *c = std::cos((float)M_PI * x); }
inline void sincospi(double x, double* s, double* c) { *s = std::sin(M_PI * x); *c = std::cos(M_PI * x); }
using std::isfinite;
using std::isinf;
using std::isnan;
template <class A, class B> auto min(A a, B b) -> decltype(a + b) { return a < b ? a : b; }
template <class A, class B> auto max(A a, B b) -> decltype(a + b) { return a > b ? a : b; }

#define DYNAMIC_SHARED(name) static unsigned char name[228 << 10] __attribute__((aligned(16)))

// Ends a source: one line for each kernel that is to be called from outside.
#define EMULATE(kernel)                                                                                              \
    extern "C" const char* emulate_##kernel(const char* packed, const unsigned* sizes, unsigned order) {             \
        return emulator::run([](const char* from) { emulator::call(kernel, from); }, packed, sizes, order);           \
    }                                                                                                                \
    extern "C" size_t bytes_of_##kernel() { return emulator::bytes(kernel); }
