// The likelihood of labels over all their alignments with a sequence, forward and backward: a block for each example, which goes through all steps.
//
// States are the labels with blanks around each; `forward` is (time, batch, states + 2), its first two columns impossible.

#include "ground.cuh"
#include "functions.cuh"

#ifndef SCALAR
#define SCALAR float
#endif
#define MOST 1026  // states and two more
#define IMPOSSIBLE SCALAR(-1e30)

__device__ __forceinline__ SCALAR sum3(SCALAR a, SCALAR b, SCALAR c) {
    const SCALAR peak = greater(greater(a, b), c);
    return peak + log_of(exp_of(a - peak) + exp_of(b - peak) + exp_of(c - peak));
}

// Numbers that lie outside were complained of, and an error comes later; what they say is not looked for in memory.
__device__ __forceinline__ long long within(long long number, long long last) { return number < 0 ? 0 : number > last ? last : number; }

// An alignment ends in the last label or in the blank behind it.
__device__ __forceinline__ SCALAR likelihood_of(const SCALAR* forward, index_t step_of_time, long long steps, long long labels) {
    const SCALAR* last = forward + ((steps > 1 ? steps : 1) - 1) * step_of_time;
    return logaddexp_of(last[2 * labels + 2], last[2 * labels + 1]);
}

extern "C" __global__ void __launch_bounds__(256) ctc_forward(
    const SCALAR* x, const long long* states, const long long* steps, const long long* labels, SCALAR* loss, SCALAR* forward,
    index_t time, index_t batch, index_t classes, int width
) {
    __shared__ SCALAR before[2][MOST];
    for (index_t b = blockIdx.x; b < batch; b += gridDim.x) {
        const long long* own = states + b * width;
        const long long count = within(steps[b], time), length = within(labels[b], (width - 1) / 2);
        const SCALAR* emitted = x + b * classes;
        SCALAR* kept = forward + b * (width + 2);
        const index_t step = batch * (width + 2);
        __syncthreads();
        for (index_t t = 0; t < time; t++) {
            SCALAR* now = before[t & 1];
            const SCALAR* then = before[(t & 1) ^ 1];
            for (int s = threadIdx.x; s < width + 2; s += blockDim.x) {
                SCALAR value = IMPOSSIBLE;
                if (s >= 2) {
                    const int state = s - 2;
                    const SCALAR out = greater(emitted[t * batch * classes + within(own[state], classes - 1)], IMPOSSIBLE);
                    if (t) {
                        const bool leaps = state >= 2 && state % 2 == 1 && own[state] != own[state - 2];
                        value = sum3(then[s], then[s - 1], then[s - 2] + (leaps ? SCALAR(0) : IMPOSSIBLE)) + out;
                    } else if (state < 2) {
                        value = out;
                    }
                }
                now[s] = value;
                kept[t * step + s] = value;
            }
            __syncthreads();
        }
        if (threadIdx.x == 0) {
            SCALAR likelihood = likelihood_of(kept, step, count, length);
            if (count == 0) likelihood = length == 0 ? SCALAR(0) : IMPOSSIBLE;
            loss[b] = likelihood < IMPOSSIBLE / 2 ? SCALAR(INFINITE) : -likelihood;
        }
    }
}

// `out` holds zeros. At each step the shares of the blanks are summed over the block, those of a label that comes again by the thread of its first.
extern "C" __global__ void __launch_bounds__(256) ctc_backward(
    const SCALAR* flow, const SCALAR* x, const long long* states, const long long* steps, const long long* labels, const SCALAR* forward,
    SCALAR* out, index_t time, index_t batch, index_t classes, int width
) {
    __shared__ SCALAR after[2][MOST], share[MOST];
    __shared__ short next[MOST];  // the next state of the same label, or none
    __shared__ bool first[MOST];
    for (index_t b = blockIdx.x; b < batch; b += gridDim.x) {
        const long long* own = states + b * width;
        const SCALAR* kept = forward + b * (width + 2);
        const index_t step = batch * (width + 2), row = batch * classes;
        const long long count = within(steps[b], time), length = within(labels[b], (width - 1) / 2);
        const SCALAR flowing = flow[b];
        SCALAR likelihood = likelihood_of(kept, step, count, length);
        const bool possible = likelihood >= IMPOSSIBLE / 2 && count > 0;
        if (!possible) {
            if (flowing != 0 && !(count == 0 && length == 0))
                for (index_t i = threadIdx.x; i < time * classes; i += blockDim.x)
                    out[i / classes * row + b * classes + i % classes] = SCALAR(NOT_A_NUMBER);
            continue;
        }
        __syncthreads();
        for (int s = threadIdx.x; s < width + 2; s += blockDim.x) {
            after[0][s] = after[1][s] = IMPOSSIBLE;
            first[s] = s < width && own[s] != own[0];  // what stands behind an example's labels is blank, too
            next[s] = 0;
            if (!first[s]) continue;
            for (int other = 1; other < s; other += 2)
                if (own[other] == own[s]) first[s] = false;
            for (int other = s + 2; other < width && !next[s]; other += 2)
                if (own[other] == own[s]) next[s] = (short)other;
        }
        __syncthreads();
        for (index_t t = time - 1; t >= 0; t--) {
            SCALAR* now = after[t & 1];
            const SCALAR* then = after[(t & 1) ^ 1];  // what completes an alignment from each state of the next step
            SCALAR blank = 0;
            for (int s = threadIdx.x; s < width; s += blockDim.x) {
                SCALAR value = then[s];
                if (t + 1 < time) {
                    const SCALAR* emitted = x + (t + 1) * row + b * classes;
                    SCALAR ways[3] = {IMPOSSIBLE, IMPOSSIBLE, IMPOSSIBLE};
#pragma unroll
                    for (int k = 0; k < 3; k++)
                        if (s + k < width) ways[k] = then[s + k] + greater(emitted[within(own[s + k], classes - 1)], IMPOSSIBLE);
                    const bool leaps = s + 2 < width && s % 2 == 1 && own[s] != own[s + 2];
                    if (s + 2 < width && !leaps) ways[2] += IMPOSSIBLE;
                    value = sum3(ways[0], ways[1], ways[2]);
                }
                if (count == t + 1) value = s == 2 * length || s == 2 * length - 1 ? SCALAR(0) : IMPOSSIBLE;
                now[s] = value;
                SCALAR part = 0;
                if (count > t) part = exp_of(lesser(kept[t * step + s + 2] + value - likelihood, SCALAR(0))) * -flowing;
                share[s] = part;
                if (own[s] == own[0]) blank += part;
            }
            blank = over_block<Sum>(blank);
            __syncthreads();
            SCALAR* to = out + t * row + b * classes;
            if (threadIdx.x == 0) to[within(own[0], classes - 1)] = blank;
            for (int s = threadIdx.x; s < width; s += blockDim.x) {
                if (!first[s]) continue;
                SCALAR sum = share[s];
                for (int other = next[s]; other; other = next[other]) sum += share[other];
                to[within(own[s], classes - 1)] = sum;
            }
            __syncthreads();
        }
    }
}
