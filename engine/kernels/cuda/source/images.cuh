// What the numbers of an image's channels are normalised by, and the way back of it: for images in any layout.
//
// GROUPED says whose statistics: those of each image's groups, or of each channel. SCALAR are the numbers, WIDE what is computed with,
// PARAM weights and biases.

// Of statistics that stand in the place of a batch's.
#ifndef RUNNING
#define RUNNING WIDE
#endif

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
    __device__ __forceinline__ SCALAR of(SCALAR x) const { return narrowed<SCALAR>(((WIDE)widened(x) - mean) * (inverse * weight) + bias); }
};

// The gradient of one channel's numbers: (flow weight - mean of it - normalised number times mean of the product) inverse.
struct Slope {
    WIDE mean, by_flow, by_distance, shift;

    // `products` and `sums` are those of channels, or the means of groups; `share` is 1 over the numbers of a channel.
    __device__ __forceinline__ void read(
        const WIDE* means, const WIDE* factors, const PARAM* weights, const WIDE* products, const WIDE* sums, index_t image, index_t channel,
        index_t groups, index_t width, WIDE epsilon, WIDE share
    ) {
        Scale scale;
        scale.read(means, factors, weights, (const PARAM*)0, image, channel, groups, width, epsilon);
        const index_t place = GROUPED ? image * groups + (unsigned)channel / (unsigned)width : channel;
        const WIDE times = GROUPED ? WIDE(1) : scale.weight * share;
        mean = scale.mean;
        by_flow = scale.weight * scale.inverse;
        by_distance = -times * products[place] * scale.inverse * scale.inverse;
        shift = -times * sums[place] * scale.inverse;
    }
    __device__ __forceinline__ SCALAR of(SCALAR flow, SCALAR x) const {
        return narrowed<SCALAR>((WIDE)widened(flow) * by_flow + (((WIDE)widened(x) - mean) * by_distance + shift));
    }
};
