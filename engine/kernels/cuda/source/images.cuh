// What the numbers of an image's channels are normalised by, and the way back of it: for images in any layout.
//
// GROUPED says whose statistics: those of each image's groups, or of each channel. SCALAR are the numbers, WIDE what is computed with,
// PARAM weights and biases. With RESIDUAL other images are added, and then the ACTIVATION is taken: 0 none, 1 relu, 2 relu6; and 3
// silu, 4 hardswish, which have no way back here.

// Of statistics that stand in the place of a batch's.
#ifndef RUNNING
#define RUNNING WIDE
#endif

#ifndef ACTIVATION
#define ACTIVATION 0
#endif
#ifndef RESIDUAL
#define RESIDUAL 0
#endif
// Whether the way back computes the activation's argument again, to see what passes it; with a residual it reads the result.
#define AGAIN (ACTIVATION && !RESIDUAL)
#if ACTIVATION > 2
#include "functions.cuh"
#endif

__device__ __forceinline__ WIDE activated(WIDE y) {  // a NaN stays one
#if ACTIVATION > 2
    return y * (ACTIVATION == 3 ? sigmoid_of(y) : hardsigmoid_of(y));
#endif
    if (ACTIVATION && y < 0) return 0;
    return ACTIVATION == 2 && y > 6 ? WIDE(6) : y;
}

// What flows back through an activation of this result, or of this argument; nothing does on its corners.
__device__ __forceinline__ SCALAR past(SCALAR flow, SCALAR result) {
    const WIDE y = widened(result);
    return y > 0 && (ACTIVATION != 2 || y < 6) ? flow : narrowed<SCALAR>(WIDE(0));
}

template <int number> struct Number { static const int count = number; };

// What the numbers of one channel are normalised by.
struct Scale {
    WIDE mean, inverse, weight, bias;

    // `factors` are variances of channels, or 1 / sqrt(variance + epsilon) of groups.
    template <class Statistic>
    __device__ __forceinline__ void read(
        const Statistic* means, const Statistic* factors, const PARAM* weights, const PARAM* biases, index_t image, index_t channel,
        index_t groups, index_t width, WIDE epsilon
    ) {
        const index_t place = GROUPED ? image * groups + (unsigned)channel / (unsigned)width : channel;
        mean = (WIDE)widened(means[place]);
        inverse = GROUPED ? (WIDE)widened(factors[place]) : inverse_root((WIDE)widened(factors[place]) + epsilon);
        weight = weights ? (WIDE)widened(weights[channel]) : WIDE(1);
        bias = biases ? (WIDE)widened(biases[channel]) : WIDE(0);
    }
    __device__ __forceinline__ WIDE normal(SCALAR x) const { return ((WIDE)widened(x) - mean) * (inverse * weight) + bias; }
    __device__ __forceinline__ SCALAR of(SCALAR x) const { return narrowed<SCALAR>(activated(normal(x))); }
    __device__ __forceinline__ SCALAR of(SCALAR x, SCALAR beside) const { return narrowed<SCALAR>(activated(normal(x) + (WIDE)widened(beside))); }
    // Of what flows back, what is left before the activation.
    __device__ __forceinline__ SCALAR before(SCALAR flow, SCALAR x) const { return past(flow, narrowed<SCALAR>(normal(x))); }
};

// The gradient of one channel's numbers: (flow weight - mean of it - normalised number times mean of the product) inverse.
struct Slope {
    WIDE mean, by_flow, by_distance, shift, bias;

    // `products` and `sums` are those of channels, or the means of groups; `share` is 1 over the numbers of a channel.
    __device__ __forceinline__ void read(
        const WIDE* means, const WIDE* factors, const PARAM* weights, const PARAM* biases, const WIDE* products, const WIDE* sums, index_t image,
        index_t channel, index_t groups, index_t width, WIDE epsilon, WIDE share
    ) {
        Scale scale;
        scale.read(means, factors, weights, AGAIN ? biases : 0, image, channel, groups, width, epsilon);
        const index_t place = GROUPED ? image * groups + (unsigned)channel / (unsigned)width : channel;
        const WIDE times = GROUPED ? WIDE(1) : scale.weight * share;
        mean = scale.mean;
        by_flow = scale.inverse * scale.weight;
        bias = scale.bias;
        by_distance = -times * products[place] * scale.inverse * scale.inverse;
        shift = -times * sums[place] * scale.inverse;
    }
    __device__ __forceinline__ SCALAR of(SCALAR flow, SCALAR x) const {
        const WIDE away = (WIDE)widened(x) - mean;
        if (AGAIN) flow = past(flow, narrowed<SCALAR>(away * by_flow + bias));  // as ``Scale`` computes it
        return narrowed<SCALAR>((WIDE)widened(flow) * by_flow + (away * by_distance + shift));
    }
};
