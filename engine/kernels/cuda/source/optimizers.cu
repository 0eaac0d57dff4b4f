// One step of an optimiser over many parameters in one launch, and what goes before it: norms, scaling, the search for infinities.
//
// A table on the GPU says where parameters and states lie; the gradients' places, which change, come with the launch. A block takes
// one chunk of one parameter. The step's numbers come with the launch too, or are read from memory that is written before a replay.
// Where gradients were scaled, a step may be left out, which the GPU alone knows: it counts the steps itself then.

#include "ground.cuh"
#include "functions.cuh"
#include "walking.cuh"

#ifndef RULE
#define RULE sgd
#endif
#ifndef STATES
#define STATES 0
#endif
#ifndef MOMENTUM
#define MOMENTUM 0
#endif
#ifndef CENTERED
#define CENTERED 0
#endif
#ifndef MOST
#define MOST 32
#endif
#define NUMBERS 10
#define CHUNK 16384
#define EACH (sizeof(WIDE) == 8 ? 2 : 4)

struct Gradients { void* at[MOST]; };
struct Numbers { double at[NUMBERS]; };
struct Entry { PARAMETER* parameter; WIDE* state[3]; index_t count; };
struct Chunk { int entry, place; };

typedef WIDE W;

// ---- the rules: a number p of a parameter, its gradient g, its states s, and the step's numbers n

__device__ __forceinline__ void sgd(W& p, W g, W* s, const W* n) {  // rate, momentum, 1 - dampening, decay, way, fresh, nesterov
    g = g * n[4] + p * n[3];
    if (STATES) {
        s[0] = n[5] != W(0) ? g : s[0] * n[1] + g * n[2];
        g = n[6] != W(0) ? g + s[0] * n[1] : s[0];
    }
    p -= g * n[0];
}

__device__ __forceinline__ void adam(W& p, W g, W* s, const W* n) {  // rate, eps, b1, 1 - b1, b2, 1 - b2, decay, way, what stays of p
    p *= n[8];
    g = g * n[7] + p * n[6];
    s[0] = s[0] * n[2] + g * n[3];
    s[1] = s[1] * n[4] + g * g * n[5];
    W square = s[1];
    if (STATES > 2) square = s[2] = greater(s[2], square);
    p -= s[0] / (sqrt_of(square) + n[1]) * n[0];
}

__device__ __forceinline__ void lion(W& p, W g, W* s, const W* n) {  // rate, b1, 1 - b1, b2, 1 - b2, way, what stays of p
    g *= n[5];
    const W turned = s[0] * n[1] + g * n[2];
    const W sign = turned != turned ? turned : W(turned > W(0)) - W(turned < W(0));
    p = p * n[6] - sign * n[0];
    s[0] = s[0] * n[3] + g * n[4];
}

__device__ __forceinline__ void rmsprop(W& p, W g, W* s, const W* n) {  // rate, alpha, 1 - alpha, eps, decay, way, momentum
    g = g * n[5] + p * n[4];
    s[0] = s[0] * n[1] + g * g * n[2];
    W square = s[0];
    if (CENTERED) {
        W& mean = s[STATES - 1];
        mean = mean * n[1] + g * n[2];
        square = greater(square - mean * mean, W(0));
    }
    W step = g / (sqrt_of(square) + n[3]);
    if (MOMENTUM) step = s[1] = s[1] * n[6] + step;
    p -= step * n[0];
}

__device__ __forceinline__ void adagrad(W& p, W g, W* s, const W* n) {  // rate, eps, decay, way
    g = g * n[3] + p * n[2];
    s[0] += g * g;
    p -= g / (sqrt_of(s[0]) + n[1]) * n[0];
}

__device__ __forceinline__ void average(W& p, W g, W* s, const W* n) { p += (g - p) * n[0]; }  // a mean moves by a share

// ---- walks over a chunk

__device__ __forceinline__ void take_numbers(const Numbers& given, const double* live, W* n) {
#pragma unroll
    for (int i = 0; i < NUMBERS; i++) n[i] = (W)(live ? live[i] : given.at[i]);
}

__device__ __forceinline__ bool together(const Entry& entry, const void* gradient) {
    size_t places = (size_t)entry.parameter % (EACH * sizeof(PARAMETER)) | (size_t)gradient % (EACH * sizeof(GRADIENT));
    for (int i = 0; i < STATES; i++) places |= (size_t)entry.state[i] % (EACH * sizeof(W));
    return places == 0;
}

// Apply `how(i, p, g, s)` to each number of this block's chunk, and keep what it makes of p (if `moves`) and of s.
template <bool moves, class How>
__device__ __forceinline__ void over_chunk(const Entry& entry, const GRADIENT* gradient, const Chunk& chunk, How how) {
    const index_t start = (index_t)chunk.place * CHUNK;
    const index_t end = start + CHUNK < entry.count ? start + CHUNK : entry.count;
    index_t rest = start;
    if (together(entry, gradient)) {
        rest = start + (end - start) / EACH * EACH;
        for (index_t i = start + threadIdx.x * EACH; i < rest; i += blockDim.x * EACH) {
            Several<PARAMETER, EACH> p = load_several<EACH>(entry.parameter + i);
            const Several<GRADIENT, EACH> g = load_several<EACH>(gradient + i);
            Several<W, EACH> s[STATES + 1];
#pragma unroll
            for (int k = 0; k < STATES; k++) s[k] = load_several<EACH>(entry.state[k] + i);
#pragma unroll
            for (int j = 0; j < EACH; j++) {
                W own[STATES + 1], wide = computed<W>(p.at[j]);
#pragma unroll
                for (int k = 0; k < STATES; k++) own[k] = s[k].at[j];
                how(wide, computed<W>(g.at[j]), own);
                p.at[j] = stored<PARAMETER>(wide);
#pragma unroll
                for (int k = 0; k < STATES; k++) s[k].at[j] = own[k];
            }
            if (moves) store_several<EACH>(entry.parameter + i, p);
#pragma unroll
            for (int k = 0; k < STATES; k++) store_several<EACH>(entry.state[k] + i, s[k]);
        }
    }
    for (index_t i = rest + threadIdx.x; i < end; i += blockDim.x) {
        W own[STATES + 1], wide = computed<W>(entry.parameter[i]);
        for (int k = 0; k < STATES; k++) own[k] = entry.state[k][i];
        how(wide, computed<W>(gradient[i]), own);
        if (moves) entry.parameter[i] = stored<PARAMETER>(wide);
        for (int k = 0; k < STATES; k++) entry.state[k][i] = own[k];
    }
}

extern "C" __global__ void write_numbers(Numbers given, double* to) {
    for (int i = 0; i < NUMBERS; i++) to[i] = given.at[i];
}

// Count a step unless it is left out, and work out its numbers, of which some depend on the count.
extern "C" __global__ void count_step(
    Numbers given, const double* live, int rule, double first, double second, const float* left_out, double* count, double* to
) {
    double n[NUMBERS];
    for (int i = 0; i < NUMBERS; i++) n[i] = live ? live[i] : given.at[i];
    const double step = *count + 1;
    if (*left_out == 0) *count = step;
    if (rule == 1 || rule == 2) {  // adam, lamb: running means without their start-up bias
        const double root = sqrt(1 - pow(second, step));
        n[1] *= root;
        n[rule == 1 ? 0 : 8] *= root / (1 - pow(first, step));
    }
    if (rule == 3) n[5] = step == 1;                      // sgd: the first velocity is the gradient
    if (rule == 4) n[0] /= 1 + (step - 1) * first;        // adagrad: a rate that falls
    for (int i = 0; i < NUMBERS; i++) to[i] = n[i];
}

extern "C" __global__ void __launch_bounds__(512) update(
    Gradients gradients, const Entry* table, const Chunk* chunks, Numbers given, const double* live, const float* left_out
) {
    if (left_out && *left_out != 0) return;
    W n[NUMBERS];
    take_numbers(given, live, n);
    const Chunk chunk = chunks[blockIdx.x];
    over_chunk<true>(table[chunk.entry], (const GRADIENT*)gradients.at[chunk.entry], chunk, [&](W& p, W g, W* s) { RULE(p, g, s, n); });
}

// ---- LAMB: first the running means and the lengths of parameters and directions, chunk by chunk; then the step itself

__device__ __forceinline__ W direction(W p, const W* s, const W* n) {  // rate, eps, b1, 1 - b1, b2, 1 - b2, decay, way, factor, adapt
    return s[0] / (sqrt_of(s[STATES > 1]) + n[1]) * n[8] + p * n[6];
}

extern "C" __global__ void __launch_bounds__(512) lamb_means(
    Gradients gradients, const Entry* table, const Chunk* chunks, Numbers given, const double* live, const float* left_out, double* lengths
) {
    if (left_out && *left_out != 0) return;
    W n[NUMBERS];
    take_numbers(given, live, n);
    const Chunk chunk = chunks[blockIdx.x];
    double own = 0, way = 0;
    over_chunk<false>(table[chunk.entry], (const GRADIENT*)gradients.at[chunk.entry], chunk, [&](W& p, W g, W* s) {
        g *= n[7];
        s[0] = s[0] * n[2] + g * n[3];
        s[STATES > 1] = s[STATES > 1] * n[4] + g * g * n[5];
        const double u = (double)direction(p, s, n);
        own += (double)p * (double)p;
        way += u * u;
    });
    own = over_block<Sum>(own);
    way = over_block<Sum>(way);
    if (threadIdx.x == 0) {
        lengths[2 * (index_t)blockIdx.x] = own;
        lengths[2 * (index_t)blockIdx.x + 1] = way;
    }
}

// A parameter's chunks follow one another: this block's is number `place` of them.
extern "C" __global__ void __launch_bounds__(512) lamb_step(
    Gradients gradients, const Entry* table, const Chunk* chunks, Numbers given, const double* live, const float* left_out, const double* lengths
) {
    if (left_out && *left_out != 0) return;
    W n[NUMBERS];
    take_numbers(given, live, n);
    const Chunk chunk = chunks[blockIdx.x];
    const Entry entry = table[chunk.entry];
    W rate = n[0];
    if (n[9] != W(0)) {
        const index_t first = (index_t)blockIdx.x - chunk.place, count = (entry.count + CHUNK - 1) / CHUNK;
        double own = 0, way = 0;
        for (index_t i = first + threadIdx.x; i < first + count; i += blockDim.x) {
            own += lengths[2 * i];
            way += lengths[2 * i + 1];
        }
        own = over_block<Sum>(own);
        way = over_block<Sum>(way);
        if (own != 0 && way != 0) rate = (W)((double)rate * (sqrt(own) / sqrt(way)));
    }
    over_chunk<true>(entry, (const GRADIENT*)gradients.at[chunk.entry], chunk, [&](W& p, W g, W* s) { p -= direction(p, s, n) * rate; });
}

// ---- gradients alone: their length, and scaling them

struct Sized { index_t count; };

// The sum of squares of a chunk, or with `largest` its largest size.
extern "C" __global__ void __launch_bounds__(512) lengths(Gradients gradients, const Sized* table, const Chunk* chunks, double* parts, int largest) {
    const Chunk chunk = chunks[blockIdx.x];
    const GRADIENT* gradient = (const GRADIENT*)gradients.at[chunk.entry];
    const index_t start = (index_t)chunk.place * CHUNK, count = table[chunk.entry].count;
    const index_t end = start + CHUNK < count ? start + CHUNK : count;
    double total = 0;
    for (index_t i = start + threadIdx.x; i < end; i += blockDim.x) {
        const double x = fabs((double)computed<W>(gradient[i]));
        total = largest ? greater(total, x) : total + x * x;
    }
    total = largest ? over_block<Greatest>(total) : over_block<Sum>(total);
    if (threadIdx.x == 0) parts[blockIdx.x] = total;
}

// From the parts of all gradients their norm, and the factor that brings it to `limit`; one block.
extern "C" __global__ void __launch_bounds__(1024) norm_of_parts(const double* parts, index_t count, TOTAL* norm, double* factor, double limit, int largest) {
    double total = 0;
    for (index_t i = threadIdx.x; i < count; i += blockDim.x) total = largest ? greater(total, parts[i]) : total + parts[i];
    total = largest ? over_block<Greatest>(total) : over_block<Sum>(total);
    if (threadIdx.x == 0) {
        if (!largest) total = sqrt(total);
        *norm = (TOTAL)total;
        const double scale = limit - limit == 0 ? limit / (total + 1e-6) : 1.0;
        *factor = scale >= 1.0 ? 1.0 : scale;  // a NaN scales too
    }
}

// A loss's scale after a step, from whether one of the `count` gradients' flags, or the CPU's `wrong`, tells of an overflow; the flags are
// lowered. `scale` holds the scale, 1 / scale, good steps in a row, and what it grows by, falls by, and after how many steps it grows.
extern "C" __global__ void update_scale(double* scale, float* flags, int count, int wrong, double given) {
    for (int i = 0; i < count; i++) {
        wrong |= flags[i] != 0;
        flags[i] = 0;
    }
    if (given > 0) {
        scale[0] = given;
    } else if (wrong) {
        scale[0] *= scale[4];
        scale[2] = 0;
    } else if ((scale[2] += 1) == scale[5]) {
        const double grown = scale[0] * scale[3];
        if (grown < 3.4028234663852886e38) scale[0] = grown;
        scale[2] = 0;
    }
    scale[1] = 1 / scale[0];
}

// Every gradient times a factor; with `found`, 1 is written there if a product is not finite.
extern "C" __global__ void __launch_bounds__(512) scale_all(
    Gradients gradients, const Sized* table, const Chunk* chunks, double given, const double* live, float* found
) {
    const double factor = live ? *live : given;
    if (live && !found && factor == 1.0) return;
    const Chunk chunk = chunks[blockIdx.x];
    GRADIENT* gradient = (GRADIENT*)gradients.at[chunk.entry];
    const index_t start = (index_t)chunk.place * CHUNK, count = table[chunk.entry].count;
    const index_t end = start + CHUNK < count ? start + CHUNK : count;
    bool wrong = false;
    for (index_t i = start + threadIdx.x; i < end; i += blockDim.x) {
        const GRADIENT scaled = stored<GRADIENT>(computed<W>(gradient[i]) * (W)factor);
        gradient[i] = scaled;
        wrong = wrong || !is_finite(computed<W>(scaled));
    }
    if (found && wrong) *found = 1;  // whoever writes it writes the same
}
