// One step of recurrent layers in one launch, for few examples: a warp for each unit multiplies the states before by the unit's rows of the weight, which
// it reads once for all examples, and goes on to the unit's gates, cells and states.

#include "ground.cuh"
#include "gates.cuh"

#define EACH ((int)(16 / sizeof(WIDE)))
#ifndef EXAMPLES  // at most
#define EXAMPLES 4
#endif

// Sums of `number` rows of a weight, `apart` numbers apart, with each example's vector of `length` numbers: all lanes hold all of them.
template <int number>
__device__ __forceinline__ void products(
    const WIDE* rows, index_t apart, const WIDE* vectors, index_t length, int count, WIDE sums[number][EXAMPLES]
) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int r = 0; r < number; r++)
#pragma unroll
        for (int e = 0; e < EXAMPLES; e++) sums[r][e] = 0;
#pragma unroll 2
    for (index_t at = lane * EACH; at < length; at += 32 * EACH) {
        Several<WIDE, EACH> weight[number];
#pragma unroll
        for (int r = 0; r < number; r++) weight[r] = load_several<EACH>(rows + r * apart + at);
#pragma unroll
        for (int e = 0; e < EXAMPLES; e++) {
            if (e >= count) break;
            const Several<WIDE, EACH> vector = load_several<EACH>(vectors + e * length + at);
#pragma unroll
            for (int r = 0; r < number; r++)
#pragma unroll
                for (int k = 0; k < EACH; k++) sums[r][e] += weight[r].at[k] * vector.at[k];
        }
    }
#pragma unroll
    for (int r = 0; r < number; r++)
#pragma unroll
        for (int e = 0; e < EXAMPLES; e++) sums[r][e] = over_warp<Sum>(sums[r][e]);
}

// A sum of this lane's example. Registers have no addresses, so all are looked at.
template <int number>
__device__ __forceinline__ WIDE of_mine(const WIDE sums[number][EXAMPLES], int row) {
    WIDE found = 0;
#pragma unroll
    for (int e = 0; e < EXAMPLES; e++)
        if (e == threadIdx.x % 32) found = sums[row][e];
    return found;
}

#define UNITS(unit) for (index_t unit = ((index_t)blockIdx.x * blockDim.x + threadIdx.x) / 32; unit < width; unit += (index_t)gridDim.x * blockDim.x / 32)

// The gates (input, forget, cell, output) hold what enters from the inputs and then themselves.
extern "C" __global__ void __launch_bounds__(128) lstm_whole_step(
    const WIDE* before, const WIDE* weight, WIDE* gates, const WIDE* cells_before, WIDE* cells, WIDE* states, int count, index_t width
) {
    const int example = threadIdx.x % 32;
    UNITS(unit) {
        WIDE sums[4][EXAMPLES];
        products<4>(weight + unit * width, width * width, before, width, count, sums);
        if (example >= count) continue;
        WIDE* gate = gates + example * 4 * width + unit;
        const index_t i = example * width + unit;
        lstm_number(
            gate, width, gate[0] + of_mine<4>(sums, 0), gate[width] + of_mine<4>(sums, 1), gate[2 * width] + of_mine<4>(sums, 2),
            gate[3 * width] + of_mine<4>(sums, 3), cells_before[i], cells[i], states[i]
        );
    }
}

// `later` are the flows of the step behind, of `arriving` examples, and `turned` the weight with the gates side by side: (width, 4 width).
extern "C" __global__ void __launch_bounds__(128) lstm_whole_step_backward(
    const WIDE* later, const WIDE* turned, const WIDE* gates, const WIDE* cells_before, const WIDE* cells, const FLOW* flow, const FLOW* flow_cells,
    WIDE* down, WIDE* flows, int arriving, int count, index_t width
) {
    const int example = threadIdx.x % 32;
    UNITS(unit) {
        WIDE sums[1][EXAMPLES];
        products<1>(turned + unit * 4 * width, 0, later, 4 * width, arriving, sums);
        if (example >= count) continue;
        const index_t i = example * width + unit;
        const WIDE* gate = gates + example * 4 * width + unit;
        WIDE* into = flows + example * 4 * width + unit;
        const WIDE came = of_mine<1>(sums, 0) + (flow ? (WIDE)widened(flow[i]) : WIDE(0));
        const WIDE beside = flow_cells ? (WIDE)widened(flow_cells[i]) : WIDE(0);
        lstm_number_backward(gate, into, width, came, beside, cells_before[i], cells[i], down[i]);
    }
}

// The gates (reset, update, new) hold what enters from the inputs and then themselves; `bias` enters from the states.
extern "C" __global__ void __launch_bounds__(128) gru_whole_step(
    const WIDE* before, const WIDE* weight, WIDE* gates, const WIDE* bias, WIDE* inner, WIDE* states, int count, index_t width
) {
    const int example = threadIdx.x % 32;
    UNITS(unit) {
        WIDE sums[3][EXAMPLES];
        products<3>(weight + unit * width, width * width, before, width, count, sums);
        if (example >= count) continue;
        WIDE* gate = gates + example * 3 * width + unit;
        const index_t i = example * width + unit;
        const WIDE to_reset = of_mine<3>(sums, 0) + (bias ? bias[unit] : WIDE(0)), to_update = of_mine<3>(sums, 1) + (bias ? bias[width + unit] : WIDE(0));
        const WIDE scaled = of_mine<3>(sums, 2) + (bias ? bias[2 * width + unit] : WIDE(0));
        gru_number(gate, width, to_reset, to_update, scaled, before[i], inner[i], states[i]);
    }
}

// As for the LSTM, with `turned` (width, 3 width) and the flows that go that way in `later` and `back`; `passed` keeps what passes by.
extern "C" __global__ void __launch_bounds__(128) gru_whole_step_backward(
    const WIDE* later, const WIDE* turned, const WIDE* gates, const WIDE* inner, const WIDE* before, WIDE* passed, const FLOW* flow, WIDE* flows,
    WIDE* back, int arriving, int count, index_t width
) {
    const int example = threadIdx.x % 32;
    UNITS(unit) {
        WIDE sums[1][EXAMPLES];
        products<1>(turned + unit * 3 * width, 0, later, 3 * width, arriving, sums);
        if (example >= count) continue;
        const index_t i = example * width + unit;
        const WIDE* gate = gates + example * 3 * width + unit;
        WIDE *into = flows + example * 3 * width + unit, *to = back + example * 3 * width + unit;
        const WIDE came = passed[i] + of_mine<1>(sums, 0) + (WIDE)widened(flow[i]);
        gru_number_backward(gate, into, to, width, came, inner[i], before[i], passed[i]);
    }
}
