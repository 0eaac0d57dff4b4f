// The gates of recurrent layers for one number: from their sums to cells and states, and the way back. `gate` and what flows into it are `width` apart.
// A whole step (steps.cu) and what stands between its products (gates.cu) compute by these.

#pragma once

__device__ __forceinline__ WIDE sigma(WIDE x) { return WIDE(0.5) * tanh(WIDE(0.5) * x) + WIDE(0.5); }

// `to_in` to `to_out` are the sums that enter; the gates (input, forget, cell, output) themselves stay in `gate`.
__device__ __forceinline__ void lstm_number(
    WIDE* gate, index_t width, WIDE to_in, WIDE to_keep, WIDE to_fresh, WIDE to_out, WIDE cell_before, WIDE& cell, WIDE& state
) {
    const WIDE in = sigma(to_in), keep = sigma(to_keep), fresh = tanh(to_fresh), out = sigma(to_out);
    const WIDE made = keep * cell_before + in * fresh;
    gate[0] = in, gate[width] = keep, gate[2 * width] = fresh, gate[3 * width] = out;
    cell = made;
    state = out * tanh(made);
}

// `came` flows into the state, `beside` into the cell from outside, `down` through the cells.
__device__ __forceinline__ void lstm_number_backward(
    const WIDE* gate, WIDE* into, index_t width, WIDE came, WIDE beside, WIDE cell_before, WIDE cell, WIDE& down
) {
    const WIDE in = gate[0], keep = gate[width], fresh = gate[2 * width], out = gate[3 * width], bent = tanh(cell);
    const WIDE through = down + came * out * (1 - bent * bent) + beside;
    into[0] = through * fresh * in * (1 - in);
    into[width] = through * cell_before * keep * (1 - keep);
    into[2 * width] = through * in * (1 - fresh * fresh);
    into[3 * width] = came * bent * out * (1 - out);
    down = through * keep;
}

// `gate` holds what enters from the inputs and then the gates (reset, update, new); the other sums enter from the states.
__device__ __forceinline__ void gru_number(
    WIDE* gate, index_t width, WIDE to_reset, WIDE to_update, WIDE scaled, WIDE before, WIDE& inner, WIDE& state
) {
    const WIDE reset = sigma(gate[0] + to_reset), update = sigma(gate[width] + to_update);
    const WIDE fresh = tanh(gate[2 * width] + reset * scaled);
    gate[0] = reset, gate[width] = update, gate[2 * width] = fresh;
    inner = scaled;
    state = fresh + update * (before - fresh);
}

// What flows into the gates from the inputs' side (`into`) and from the states' (`to`); `passed` keeps what passes by.
__device__ __forceinline__ void gru_number_backward(
    const WIDE* gate, WIDE* into, WIDE* to, index_t width, WIDE came, WIDE inner, WIDE before, WIDE& passed
) {
    const WIDE reset = gate[0], update = gate[width], fresh = gate[2 * width];
    const WIDE new_one = (came - came * update) * (1 - fresh * fresh);
    into[0] = to[0] = new_one * inner * reset * (1 - reset);
    into[width] = to[width] = (before - fresh) * came * update * (1 - update);
    into[2 * width] = new_one;
    to[2 * width] = new_one * reset;
    passed = came * update;
}
