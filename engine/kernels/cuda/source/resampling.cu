// Images resampled by tables (which inputs, and how much of each), and sampled at points.
//
// Results are walked in their memory's order: channels innermost where LAST, GROUP of them at once; else the last axis.

#include "ground.cuh"

struct Table {
    const int* index;
    const WIDE* weight;
    int width;
};

// x (batch, channels, depth, height, width) by its steps; the result without gaps. A table without an index leaves its axis as it is.
extern "C" __global__ void __launch_bounds__(256) resample(
    const SCALAR* x, SCALAR* out, index_t batch, index_t channels, index_t depth, index_t height, index_t width, index_t xn, index_t xc,
    index_t xd, index_t xy, index_t xx, const int* index_d, const WIDE* weight_d, int width_d, const int* index_y, const WIDE* weight_y,
    int width_y, const int* index_x, const WIDE* weight_x, int width_x
) {
    const index_t count = batch * channels * depth * height * width / GROUP;
    for (index_t i = first_index(); i < count; i += all_threads()) {
        index_t rest = i, n, c, d, y, column;
        if (LAST) {
            const index_t groups = channels / GROUP;
            c = rest % groups * GROUP, rest /= groups;
            column = rest % width, rest /= width;
            y = rest % height, rest /= height;
            d = rest % depth, n = rest / depth;
        } else {
            column = rest % width, rest /= width;
            y = rest % height, rest /= height;
            d = rest % depth, rest /= depth;
            c = rest % channels, n = rest / channels;
        }
        const SCALAR* image = x + n * xn + c * xc;
        WIDE sum[GROUP];
#pragma unroll
        for (int k = 0; k < GROUP; k++) sum[k] = 0;
        for (int kd = 0; kd < width_d; kd++) {
            const index_t at_d = index_d ? index_d[d * width_d + kd] : d;
            const WIDE much_d = weight_d ? weight_d[d * width_d + kd] : WIDE(1);
            for (int ky = 0; ky < width_y; ky++) {
                const index_t at_y = index_y ? index_y[y * width_y + ky] : y;
                const WIDE much_y = weight_y ? weight_y[y * width_y + ky] * much_d : much_d;
                for (int kx = 0; kx < width_x; kx++) {
                    const index_t at_x = index_x ? index_x[column * width_x + kx] : column;
                    const WIDE much = weight_x ? weight_x[column * width_x + kx] * much_y : much_y;
                    const Several<SCALAR, GROUP> seen = load_several<GROUP>(image + at_d * xd + at_y * xy + at_x * xx);
#pragma unroll
                    for (int k = 0; k < GROUP; k++) sum[k] += much * (WIDE)widened(seen.at[k]);
                }
            }
        }
        Several<SCALAR, GROUP> result;
#pragma unroll
        for (int k = 0; k < GROUP; k++) result.at[k] = narrowed<SCALAR>(sum[k]);
        store_several<GROUP>(out + i * GROUP, result);
    }
}

#define CHANNELS 8

// x (batch, channels, elements), weight and index (batch, taps, points) to (batch, channels, points): a thread takes a point of some channels.
extern "C" __global__ void __launch_bounds__(256) sample(
    const SCALAR* x, const SCALAR* weight, const long long* index, SCALAR* out, index_t batch, index_t channels, index_t elements, index_t taps,
    index_t points, int who, long long* words
) {
    const index_t parts = (channels + CHANNELS - 1) / CHANNELS;
    for (index_t i = first_index(); i < batch * parts * points; i += all_threads()) {
        const index_t point = i % points, first = i / points % parts * CHANNELS, n = i / points / parts;
        WIDE sum[CHANNELS];
#pragma unroll
        for (int k = 0; k < CHANNELS; k++) sum[k] = 0;
        for (index_t tap = 0; tap < taps; tap++) {
            const index_t place = (n * taps + tap) * points + point;
            const long long number = index[place];
            WIDE much = widened(weight[place]);
            if (number < 0 || number >= elements) {
                if (first == 0) complain(words, who, number, elements);
                much = NOT_A_NUMBER;
            }
            const SCALAR* source = x + (n * channels + first) * elements + (much == much ? number : 0);
#pragma unroll
            for (int k = 0; k < CHANNELS; k++)
                if (first + k < channels) sum[k] += much * (WIDE)widened(source[k * elements]);
        }
#pragma unroll
        for (int k = 0; k < CHANNELS; k++)
            if (first + k < channels) out[(n * channels + first + k) * points + point] = narrowed<SCALAR>(sum[k]);
    }
}

// The gradient for the weights: over all channels what flows back times the element.
extern "C" __global__ void __launch_bounds__(256) sample_weight(
    const SCALAR* flow, const SCALAR* x, const long long* index, SCALAR* out, index_t batch, index_t channels, index_t elements, index_t taps,
    index_t points, int who, long long* words
) {
    for (index_t i = first_index(); i < batch * taps * points; i += all_threads()) {
        const index_t point = i % points, n = i / points / taps;
        const long long number = index[i];
        const bool lies = number >= 0 && number < elements;
        if (!lies) complain(words, who, number, elements);
        WIDE sum = lies ? WIDE(0) : WIDE(NOT_A_NUMBER);
        if (lies)
            for (index_t c = 0; c < channels; c++)
                sum += (WIDE)widened(flow[(n * channels + c) * points + point]) * (WIDE)widened(x[(n * channels + c) * elements + number]);
        out[i] = narrowed<SCALAR>(sum);
    }
}
