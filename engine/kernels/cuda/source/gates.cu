// One step of recurrent layers, what stands between their products: gates, cells and states of `count` rows of `width`, and the way back.

#include "ground.cuh"

__device__ __forceinline__ WIDE sigma(WIDE x) { return WIDE(0.5) * tanh(WIDE(0.5) * x) + WIDE(0.5); }

// The place of a thread's number among its step's.
#define EVERY(i, row, column)                                                                                              \
    for (index_t i = first_index(), row = i / width, column = i % width; i < count * width; i += all_threads(), row = i / width, column = i % width)

// The gates (input, forget, cell, output) hold their sums and then themselves.
extern "C" __global__ void __launch_bounds__(256) lstm_step(
    WIDE* gates, const WIDE* cells_before, WIDE* cells, WIDE* states, index_t count, index_t width
) {
    EVERY(i, row, column) {
        WIDE* gate = gates + row * 4 * width + column;
        const WIDE in = sigma(gate[0]), keep = sigma(gate[width]), fresh = tanh(gate[2 * width]), out = sigma(gate[3 * width]);
        const WIDE cell = keep * cells_before[i] + in * fresh;
        gate[0] = in, gate[width] = keep, gate[2 * width] = fresh, gate[3 * width] = out;
        cells[i] = cell;
        states[i] = out * tanh(cell);
    }
}

// `arrived` flows back from the next step and `flow` from outside, or not at all; `down` flows through the cells.
extern "C" __global__ void __launch_bounds__(256) lstm_step_backward(
    const WIDE* gates, const WIDE* cells_before, const WIDE* cells, const WIDE* arrived, const FLOW* flow, const FLOW* flow_cells,
    WIDE* down, WIDE* flows, index_t count, index_t width
) {
    EVERY(i, row, column) {
        const WIDE* gate = gates + row * 4 * width + column;
        WIDE* into = flows + row * 4 * width + column;
        const WIDE in = gate[0], keep = gate[width], fresh = gate[2 * width], out = gate[3 * width], bent = tanh(cells[i]);
        const WIDE came = arrived[i] + (flow ? (WIDE)widened(flow[i]) : WIDE(0));
        const WIDE through = down[i] + came * out * (1 - bent * bent) + (flow_cells ? (WIDE)widened(flow_cells[i]) : WIDE(0));
        into[0] = through * fresh * in * (1 - in);
        into[width] = through * cells_before[i] * keep * (1 - keep);
        into[2 * width] = through * in * (1 - fresh * fresh);
        into[3 * width] = came * bent * out * (1 - out);
        down[i] = through * keep;
    }
}

// The gates (reset, update, new) hold what enters from the inputs and then themselves; `sums` enter from the states, with `bias`.
extern "C" __global__ void __launch_bounds__(256) gru_step(
    WIDE* gates, const WIDE* sums, const WIDE* bias, WIDE* inner, const WIDE* before, WIDE* states, index_t count, index_t width
) {
    EVERY(i, row, column) {
        WIDE* gate = gates + row * 3 * width + column;
        const WIDE* sum = sums + row * 3 * width + column;
        const WIDE reset = sigma(gate[0] + sum[0] + (bias ? bias[column] : WIDE(0)));
        const WIDE update = sigma(gate[width] + sum[width] + (bias ? bias[width + column] : WIDE(0)));
        const WIDE scaled = sum[2 * width] + (bias ? bias[2 * width + column] : WIDE(0));
        const WIDE fresh = tanh(gate[2 * width] + reset * scaled);
        gate[0] = reset, gate[width] = update, gate[2 * width] = fresh;
        inner[i] = scaled;
        states[i] = fresh + update * (before[i] - fresh);
    }
}

// What flows into the gates from the inputs' side (`flows`) and from the states' (`turned`); `arrived` keeps what passes by.
extern "C" __global__ void __launch_bounds__(256) gru_step_backward(
    const WIDE* gates, const WIDE* inner, const WIDE* before, WIDE* arrived, const FLOW* flow, WIDE* flows, WIDE* turned, index_t count, index_t width
) {
    EVERY(i, row, column) {
        const WIDE* gate = gates + row * 3 * width + column;
        WIDE *into = flows + row * 3 * width + column, *back = turned + row * 3 * width + column;
        const WIDE reset = gate[0], update = gate[width], fresh = gate[2 * width], came = arrived[i] + (WIDE)widened(flow[i]);
        const WIDE new_one = (came - came * update) * (1 - fresh * fresh);
        into[0] = back[0] = new_one * inner[i] * reset * (1 - reset);
        into[width] = back[width] = (before[i] - fresh) * came * update * (1 - update);
        into[2 * width] = new_one;
        back[2 * width] = new_one * reset;
        arrived[i] = came * update;
    }
}

extern "C" __global__ void __launch_bounds__(256) rnn_step(const WIDE* sums, WIDE* states, index_t count, index_t width, int bends) {
    EVERY(i, row, column) {
        const WIDE sum = sums[i];
        states[i] = bends ? tanh(sum) : (sum != sum || sum > 0 ? sum : WIDE(0));
    }
}

extern "C" __global__ void __launch_bounds__(256) rnn_step_backward(
    const WIDE* states, const WIDE* arrived, const FLOW* flow, WIDE* flows, index_t count, index_t width, int bends
) {
    EVERY(i, row, column) {
        const WIDE state = states[i], came = arrived[i] + (WIDE)widened(flow[i]);
        flows[i] = bends ? (1 - state * state) * came : (state > 0 ? came : WIDE(0));
    }
}
