// One step of recurrent layers, what stands between their products: gates, cells and states of `count` rows of `width`, and the way back.

#include "ground.cuh"
#include "gates.cuh"

// The place of a thread's number among its step's.
#define EVERY(i, row, column)                                                                                              \
    for (index_t i = first_index(), row = i / width, column = i % width; i < count * width; i += all_threads(), row = i / width, column = i % width)

// The gates (input, forget, cell, output) hold their sums and then themselves.
extern "C" __global__ void __launch_bounds__(256) lstm_step(
    WIDE* gates, const WIDE* cells_before, WIDE* cells, WIDE* states, index_t count, index_t width
) {
    EVERY(i, row, column) {
        WIDE* gate = gates + row * 4 * width + column;
        lstm_number(gate, width, gate[0], gate[width], gate[2 * width], gate[3 * width], cells_before[i], cells[i], states[i]);
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
        const WIDE came = arrived[i] + (flow ? (WIDE)widened(flow[i]) : WIDE(0));
        const WIDE beside = flow_cells ? (WIDE)widened(flow_cells[i]) : WIDE(0);
        lstm_number_backward(gate, into, width, came, beside, cells_before[i], cells[i], down[i]);
    }
}

// The gates (reset, update, new) hold what enters from the inputs and then themselves; `sums` enter from the states, with `bias`.
extern "C" __global__ void __launch_bounds__(256) gru_step(
    WIDE* gates, const WIDE* sums, const WIDE* bias, WIDE* inner, const WIDE* before, WIDE* states, index_t count, index_t width
) {
    EVERY(i, row, column) {
        WIDE* gate = gates + row * 3 * width + column;
        const WIDE* sum = sums + row * 3 * width + column;
        const WIDE to_reset = sum[0] + (bias ? bias[column] : WIDE(0)), to_update = sum[width] + (bias ? bias[width + column] : WIDE(0));
        const WIDE scaled = sum[2 * width] + (bias ? bias[2 * width + column] : WIDE(0));
        gru_number(gate, width, to_reset, to_update, scaled, before[i], inner[i], states[i]);
    }
}

// What flows into the gates from the inputs' side (`flows`) and from the states' (`turned`); `arrived` keeps what passes by.
extern "C" __global__ void __launch_bounds__(256) gru_step_backward(
    const WIDE* gates, const WIDE* inner, const WIDE* before, WIDE* arrived, const FLOW* flow, WIDE* flows, WIDE* turned, index_t count, index_t width
) {
    EVERY(i, row, column) {
        const WIDE* gate = gates + row * 3 * width + column;
        WIDE *into = flows + row * 3 * width + column, *back = turned + row * 3 * width + column;
        gru_number_backward(gate, into, back, width, arrived[i] + (WIDE)widened(flow[i]), inner[i], before[i], arrived[i]);
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
