// Many numbers to one: sums, products, extremes, their places, and variances, over any axes of arrays that lie anyhow.
//
// An array is seen as results, each of which has terms. Where terms lie side by side a warp or a block takes a result; else
// neighbouring threads take neighbouring results. Few results are made of parts, put together in a fixed order by a second launch.

#include "ground.cuh"
#include "functions.cuh"
#include "walking.cuh"

#ifndef SCALAR
#define SCALAR float
#endif
#ifndef WIDE  // what numbers are compared and mapped in
#define WIDE float
#endif
#ifndef TOTAL  // what they are added in
#define TOTAL double
#endif
#ifndef RESULT
#define RESULT float
#endif
#ifndef HOW
#define HOW Totals
#endif
#ifndef MAP  // of a number x, for sums
#define MAP x
#endif
#ifndef END  // of a total, the count and a setting
#define END total
#endif
#ifndef PLACE  // whether an extreme's place is wanted, not the extreme
#define PLACE 0
#endif
#ifndef INDEX
#define INDEX unsigned
#endif

typedef WIDE W;
typedef TOTAL Added;

struct Steps {
    int axes, unused;
    index_t size[8];
    unsigned multiplier[8], shift[8];
    index_t stride[8];

    __device__ __forceinline__ unsigned quotient(unsigned i, int axis) const { return (__umulhi(i, multiplier[axis]) + i) >> shift[axis]; }
    __device__ __forceinline__ index_t quotient(index_t i, int axis) const { return i / size[axis]; }

    __device__ __forceinline__ index_t offset(INDEX i) const {
        index_t place = 0;
        for (int axis = axes - 1; axis > 0; axis--) {
            const INDEX above = quotient(i, axis);
            place += (index_t)(i - above * (INDEX)size[axis]) * stride[axis];
            i = above;
        }
        return place + (index_t)i * stride[0];
    }
};

// ---- what is kept of the terms so far

struct Pair { Added first, second; };
struct Found { W value; index_t place; };

__device__ __forceinline__ float across(float x, int away) { return __shfl_xor_sync(EVERYWHERE, x, away); }
__device__ __forceinline__ double across(double x, int away) { return __shfl_xor_sync(EVERYWHERE, x, away); }
__device__ __forceinline__ long long across(long long x, int away) { return __shfl_xor_sync(EVERYWHERE, x, away); }
__device__ __forceinline__ Pair across(Pair x, int away) { return Pair{across(x.first, away), across(x.second, away)}; }
__device__ __forceinline__ Found across(Found x, int away) { return Found{across(x.value, away), across(x.place, away)}; }

struct Totals {
    typedef Added Kept;
    __device__ static Kept none() { return Added(0); }
    __device__ static Kept of(W x, W, index_t) { return (Added)(MAP); }
    __device__ static Kept both(Kept a, Kept b) { return a + b; }
    __device__ static RESULT end(Kept total, Added count, Added setting) { return stored<RESULT>(END); }
    __device__ static W value(Kept) { return W(0); }
};

struct Products : Totals {
    __device__ static Kept none() { return Added(1); }
    __device__ static Kept of(W x, W, index_t) { return (Added)x; }
    __device__ static Kept both(Kept a, Kept b) { return a * b; }
};

struct Largest {
    typedef Found Kept;
    __device__ static Kept none() { return Found{W(0), -1}; }
    __device__ static Kept of(W x, W, index_t place) { return Found{(W)(MAP), place}; }
    __device__ static bool first(Kept a, Kept b) {  // whether a is the one, as between a NaN and others, and between equals
        if (b.place < 0 || a.place < 0) return b.place < 0;
        const bool wrong = a.value != a.value, other = b.value != b.value;
        if (wrong || other) return wrong && other ? a.place < b.place : wrong;
        return a.value == b.value ? a.place < b.place : a.value > b.value;
    }
    __device__ static Kept both(Kept a, Kept b) { return first(a, b) ? a : b; }
    __device__ static RESULT end(Kept found, Added, Added) {
        if (PLACE) return stored<RESULT>(found.place);
        return stored<RESULT>(found.value);
    }
    __device__ static W value(Kept found) { return found.value; }
};

struct Smallest : Largest {
    __device__ static bool first(Kept a, Kept b) {
        if (b.place < 0 || a.place < 0) return b.place < 0;
        const bool wrong = a.value != a.value, other = b.value != b.value;
        if (wrong || other) return wrong && other ? a.place < b.place : wrong;
        return a.value == b.value ? a.place < b.place : a.value < b.value;
    }
    __device__ static Kept both(Kept a, Kept b) { return first(a, b) ? a : b; }
};

// Sums of distances from one of the terms and of their squares: what they have in common is not lost.
struct Spread {
    typedef Pair Kept;
    __device__ static Kept none() { return Pair{Added(0), Added(0)}; }
    __device__ static Kept of(W x, W from, index_t) {
        const Added away = (Added)x - (Added)from;
        return Pair{away, away * away};
    }
    __device__ static Kept both(Kept a, Kept b) { return Pair{a.first + b.first, a.second + b.second}; }
    __device__ static RESULT end(Kept sums, Added count, Added correction) {
        const Added squares = greater(sums.second - sums.first * sums.first / count, Added(0));
        return stored<RESULT>(squares / (count > correction ? count - correction : Added(0)));
    }
    __device__ static W value(Kept) { return W(0); }
};

// The greatest so far, and the sum of exp(x - greatest): the logarithm of a sum of powers, without overflow.
struct Powers {
    typedef Pair Kept;
    typedef decltype(Added(0) * 1.0f) Real;  // whole numbers have no powers, but what is compiled for them is to compile
    __device__ static Kept none() { return Pair{(Added)-INFINITE, Added(0)}; }
    __device__ static Kept of(W x, W, index_t) { return Pair{(Added)x, Added(1)}; }
    __device__ static Kept both(Kept a, Kept b) {
        if (a.first == b.first) return Pair{a.first, a.second + b.second};
        if (a.first != a.first || b.first != b.first) return a.first != a.first ? a : b;
        if (a.first > b.first) return Pair{a.first, a.second + b.second * (Added)exp_of((Real)(b.first - a.first))};
        return Pair{b.first, b.second + a.second * (Added)exp_of((Real)(a.first - b.first))};
    }
    __device__ static RESULT end(Kept sums, Added, Added) { return stored<RESULT>(is_finite(sums.first) ? (Real)sums.first + log_of((Real)sums.second) : (Real)sums.first); }
    __device__ static W value(Kept) { return W(0); }
};

typedef HOW::Kept Kept;

struct Job {
    index_t results, terms, parts, each;  // `each` terms in a part
    double count, setting;
};

// A finished result goes to `out` (and the value itself to `values`, if wanted), one of several parts to `kept`.
__device__ __forceinline__ void deliver(const Job& job, index_t result, index_t part, Kept found, RESULT* out, SCALAR* values, Kept* kept) {
    if (job.parts > 1) {
        kept[result * job.parts + part] = found;
    } else {
        out[result] = HOW::end(found, (Added)job.count, (Added)job.setting);
        if (values) values[result] = stored<SCALAR>(HOW::value(found));
    }
}

__device__ __forceinline__ Kept warp_of(Kept found) {
#pragma unroll
    for (int away = 16; away > 0; away >>= 1) found = HOW::both(found, across(found, away));
    return found;
}

#define PER (16 / sizeof(SCALAR))

// The terms of one result from `first` on, every `team`-th group of them.
__device__ __forceinline__ Kept terms_of(const SCALAR* from, const Steps& steps, index_t first, index_t end, int member, int team) {
    const W origin = computed<W>(from[0]);
    Kept found = HOW::none();
    index_t start = first;
    if (steps.axes <= 1 && steps.stride[0] == 1 && (size_t)(from + first) % 16 == 0) {
        start = first + (end - first) / PER * PER;
#pragma unroll 4
        for (index_t i = first + member * (index_t)PER; i < start; i += team * (index_t)PER) {
            const Several<SCALAR, PER> several = load_several<PER>(from + i);
#pragma unroll
            for (int k = 0; k < PER; k++) found = HOW::both(found, HOW::of(computed<W>(several.at[k]), origin, i + k));
        }
    }
#pragma unroll 4
    for (index_t i = start + member; i < end; i += team)
        found = HOW::both(found, HOW::of(computed<W>(from[steps.offset((INDEX)i)]), origin, i));
    return found;
}

// Terms lie side by side: each warp (blockDim.y of them in a block) takes one result.
extern "C" __global__ void __launch_bounds__(256) rows_by_warp(
    const SCALAR* from, RESULT* out, SCALAR* values, Kept* kept, Job job, Steps results, Steps terms
) {
    for (index_t result = (index_t)blockIdx.x * blockDim.y + threadIdx.y; result < job.results; result += (index_t)gridDim.x * blockDim.y) {
        const Kept found = warp_of(terms_of(from + results.offset((INDEX)result), terms, 0, job.terms, threadIdx.x, 32));
        if (threadIdx.x == 0) deliver(job, result, 0, found, out, values, kept);
    }
}

// The same with a block for each result, or for a part of one.
extern "C" __global__ void __launch_bounds__(256) rows_by_block(
    const SCALAR* from, RESULT* out, SCALAR* values, Kept* kept, Job job, Steps results, Steps terms
) {
    __shared__ unsigned long long room[8 * sizeof(Kept) / 8];
    Kept* shared = reinterpret_cast<Kept*>(room);
    const index_t work = job.results * job.parts;
    for (index_t place = blockIdx.x; place < work; place += gridDim.x) {
        const index_t result = place / job.parts, part = place % job.parts, first = part * job.each;
        const index_t end = first + job.each < job.terms ? first + job.each : job.terms;
        Kept found = warp_of(terms_of(from + results.offset((INDEX)result), terms, first, end, threadIdx.x, blockDim.x));
        __syncthreads();  // the results of a round before are read
        if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = found;
        __syncthreads();
        if (threadIdx.x == 0) {
            for (int warp = 1; warp < (int)blockDim.x / 32; warp++) found = HOW::both(found, shared[warp]);
            deliver(job, result, part, found, out, values, kept);
        }
    }
}

// Results lie side by side: 32 threads take 32 of them, eight such rows of threads share their terms.
extern "C" __global__ void __launch_bounds__(256) columns(
    const SCALAR* from, RESULT* out, SCALAR* values, Kept* kept, Job job, Steps results, Steps terms
) {
    __shared__ unsigned long long room[256 * sizeof(Kept) / 8];
    Kept* shared = reinterpret_cast<Kept*>(room);
    const index_t columns = (job.results + 31) / 32, work = columns * job.parts;
    for (index_t place = blockIdx.x; place < work; place += gridDim.x) {
        const index_t part = place / columns, result = place % columns * 32 + threadIdx.x;
        const index_t first = part * job.each, end = first + job.each < job.terms ? first + job.each : job.terms;
        Kept found = HOW::none();
        if (result < job.results) {
            const SCALAR* own = from + results.offset((INDEX)result);
            const W origin = computed<W>(own[0]);
#pragma unroll 4
            for (index_t i = first + threadIdx.y; i < end; i += 8)
                found = HOW::both(found, HOW::of(computed<W>(own[terms.offset((INDEX)i)]), origin, i));
        }
        __syncthreads();
        shared[threadIdx.y * 32 + threadIdx.x] = found;
        __syncthreads();
        if (threadIdx.y == 0 && result < job.results) {
            for (int row = 1; row < 8; row++) found = HOW::both(found, shared[row * 32 + threadIdx.x]);
            deliver(job, result, part, found, out, values, kept);
        }
    }
}

#define BESIDE 4  // results that a thread takes
#define AT_ONCE 4  // terms of each that it has under way
#ifndef LINES  // rows of threads in a block: more for a few hundred terms, so that one launch is enough for them
#define LINES 8
#endif

// The same where the results lie side by side in fours, which are read in one access.
extern "C" __global__ void __launch_bounds__(32 * LINES) columns_in_fours(
    const SCALAR* from, RESULT* out, SCALAR* values, Kept* kept, Job job, Steps results, Steps terms
) {
    __shared__ unsigned long long room[32 * LINES * BESIDE * sizeof(Kept) / 8];
    Kept* shared = reinterpret_cast<Kept*>(room);
    const index_t columns = (job.results + 32 * BESIDE - 1) / (32 * BESIDE), work = columns * job.parts;
    for (index_t place = blockIdx.x; place < work; place += gridDim.x) {
        const index_t part = place / columns, start = place % columns * 32 * BESIDE, result = start + threadIdx.x * BESIDE;
        const index_t first = part * job.each, end = first + job.each < job.terms ? first + job.each : job.terms;
        Kept found[BESIDE];
#pragma unroll
        for (int k = 0; k < BESIDE; k++) found[k] = HOW::none();
        if (result < job.results) {
            const SCALAR* own = from + results.offset((INDEX)result);
            const Several<SCALAR, BESIDE> origin = load_several<BESIDE>(own);
            index_t i = first + threadIdx.y;
            for (; i + (AT_ONCE - 1) * LINES < end; i += AT_ONCE * LINES) {
                Several<SCALAR, BESIDE> piece[AT_ONCE];
#pragma unroll
                for (int r = 0; r < AT_ONCE; r++) piece[r] = load_several<BESIDE>(own + terms.offset((INDEX)(i + r * LINES)));
#pragma unroll
                for (int r = 0; r < AT_ONCE; r++)
#pragma unroll
                    for (int k = 0; k < BESIDE; k++)
                        found[k] = HOW::both(found[k], HOW::of(computed<W>(piece[r].at[k]), computed<W>(origin.at[k]), i + r * LINES));
            }
            for (; i < end; i += LINES) {
                const Several<SCALAR, BESIDE> piece = load_several<BESIDE>(own + terms.offset((INDEX)i));
#pragma unroll
                for (int k = 0; k < BESIDE; k++) found[k] = HOW::both(found[k], HOW::of(computed<W>(piece.at[k]), computed<W>(origin.at[k]), i));
            }
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < BESIDE; k++) shared[(threadIdx.y * BESIDE + k) * 32 + threadIdx.x] = found[k];
        __syncthreads();
        const int one = threadIdx.y * 32 + threadIdx.x;
        if (one < 32 * BESIDE && start + one < job.results) {
            Kept all = shared[one % BESIDE * 32 + one / BESIDE];
            for (int row = 1; row < LINES; row++) all = HOW::both(all, shared[(row * BESIDE + one % BESIDE) * 32 + one / BESIDE]);
            deliver(job, start + one, part, all, out, values, kept);
        }
    }
}

// The parts of each result, put together by a warp.
extern "C" __global__ void __launch_bounds__(256) parts(const Kept* kept, RESULT* out, SCALAR* values, Job job) {
    for (index_t result = (index_t)blockIdx.x * blockDim.y + threadIdx.y; result < job.results; result += (index_t)gridDim.x * blockDim.y) {
        Kept found = HOW::none();
        for (index_t part = threadIdx.x; part < job.parts; part += 32) found = HOW::both(found, kept[result * job.parts + part]);
        found = warp_of(found);
        if (threadIdx.x == 0) {
            out[result] = HOW::end(found, (Added)job.count, (Added)job.setting);
            if (values) values[result] = stored<SCALAR>(HOW::value(found));
        }
    }
}
