// Batch and group normalisation of images that lie plane by plane, with their gradients: parts of planes here, what is made of them in images.cu.
//
// A part of a plane is taken by the threads that follow one another along x: a warp where parts are short, else the block.

#include "ground.cuh"

#define TEAM 32
#define CHUNKS 0
#include "rows.cuh"
#include "images.cuh"

#define MOST 256
#define AT_ONCE 4  // pieces that a thread has under way

// One of the parts of all planes, and how many there are.
struct Part {
    index_t plane, number, from, to;

    __device__ __forceinline__ Part(index_t place, index_t size, index_t per, index_t parts) {
        plane = (unsigned)place / (unsigned)parts;  // there are fewer than 2^31
        number = (unsigned)place % (unsigned)parts;
        from = number * per;
        to = from + per < size ? from + per : size;
    }
    __device__ __forceinline__ index_t image(index_t channels) const { return (unsigned)plane / (unsigned)channels; }
    __device__ __forceinline__ index_t channel(index_t channels) const { return (unsigned)plane % (unsigned)channels; }
};

// Call how(part) for each part that this thread's team takes; with `back` the last ones first, which were read last and are at hand still.
template <bool back, class How>
__device__ __forceinline__ void each_part(index_t planes, index_t size, index_t per, index_t parts, How how) {
    const index_t all = planes * parts;
    for (index_t place = (index_t)blockIdx.x * blockDim.y + threadIdx.y; place < all; place += (index_t)gridDim.x * blockDim.y)
        how(Part(back ? all - 1 - place : place, size, per, parts));
}

// The places of a thread in a part: how(place, step to the next, how many at once).
template <int lanes, class How>
__device__ __forceinline__ void each_piece(const Part& part, How how) {
    const index_t step = (index_t)blockDim.x * lanes;
    index_t place = part.from + (index_t)threadIdx.x * lanes;
#pragma unroll 1
    for (; place + (AT_ONCE - 1) * step < part.to; place += AT_ONCE * step) how(place, step, Number<AT_ONCE>());
    if (place + step < part.to) {
        how(place, step, Number<2>());
        place += 2 * step;
    }
#pragma unroll 1
    for (; place < part.to; place += step) how(place, step, Number<1>());
}

// Whether every part begins at a multiple of 16 bytes, and can be taken so.
__device__ __forceinline__ bool in_pieces(index_t size, index_t per, const void* one, const void* two, const void* three) {
    return size % EACH == 0 && per % EACH == 0 && lies_at(one, 16) && lies_at(two, 16) && lies_at(three, 16);
}

template <int lanes>
__device__ __forceinline__ void see(const SCALAR* x, double* means, double* squares, index_t planes, index_t channels, index_t size, index_t per, index_t parts) {
    each_part<false>(planes, size, per, parts, [&](const Part& part) {
        const SCALAR* image = x + part.plane * size;
        const WIDE origin = widened(image[part.from]);
        WIDE count = 0, mean = 0, square = 0;
        each_piece<lanes>(part, [&](index_t place, index_t step, auto several) {
            Several<SCALAR, lanes> piece[several.count];
#pragma unroll
            for (int r = 0; r < several.count; r++) piece[r] = load_several<lanes>(image + place + r * step);
            // What these numbers have in common is taken out first, so that nothing is lost wherever they lie.
            const int number = several.count * lanes;
            WIDE value[several.count][lanes], sum = 0;
#pragma unroll
            for (int r = 0; r < several.count; r++)
#pragma unroll
                for (int k = 0; k < lanes; k++) {
                    value[r][k] = (WIDE)widened(piece[r].at[k]) - origin;
                    sum += value[r][k];
                }
            const WIDE middle = sum * (WIDE(1) / number), away = middle - mean, more = count + number, share = (WIDE)number / more;
#pragma unroll
            for (int r = 0; r < several.count; r++)
#pragma unroll
                for (int k = 0; k < lanes; k++) square += (value[r][k] - middle) * (value[r][k] - middle);
            square += away * away * count * share;
            mean += away * share;
            count = more;
        });
        const WIDE middle = over_block<Sum>(count * mean) / (WIDE)(part.to - part.from);
        square = over_block<Sum>(square + count * (mean - middle) * (mean - middle));
        if (threadIdx.x == 0) {
            const index_t place = (part.image(channels) * parts + part.number) * channels + part.channel(channels);
            means[place] = (double)origin + middle;
            squares[place] = square;
        }
    });
}

// The mean of each part and the sum of squared distances from it; `parts` parts of `per` numbers in a plane.
extern "C" __global__ void __launch_bounds__(MOST) plane_moments(
    const SCALAR* x, double* means, double* squares, index_t planes, index_t channels, index_t size, index_t per, index_t parts
) {
    if (in_pieces(size, per, x, x, x)) see<EACH>(x, means, squares, planes, channels, size, per, parts);
    else see<1>(x, means, squares, planes, channels, size, per, parts);
}

template <int lanes>
__device__ __forceinline__ void normalise(
    const SCALAR* x, const RUNNING* means, const RUNNING* factors, const PARAM* weights, const PARAM* biases, SCALAR* out, const SCALAR* residual,
    index_t planes, index_t channels, index_t size, index_t per, index_t parts, index_t groups, WIDE epsilon
) {
    each_part<true>(planes, size, per, parts, [&](const Part& part) {
        const index_t start = part.plane * size;
        Scale scale;
        scale.read(means, factors, weights, biases, part.image(channels), part.channel(channels), groups, channels / groups, epsilon);
        each_piece<lanes>(part, [&](index_t place, index_t step, auto several) {
            Several<SCALAR, lanes> piece[several.count], beside[several.count];
#pragma unroll
            for (int r = 0; r < several.count; r++) {
                piece[r] = load_several<lanes>(x + start + place + r * step);
                if (RESIDUAL) beside[r] = load_several<lanes>(residual + start + place + r * step);
            }
#pragma unroll
            for (int r = 0; r < several.count; r++) {
#pragma unroll
                for (int k = 0; k < lanes; k++) piece[r].at[k] = RESIDUAL ? scale.of(piece[r].at[k], beside[r].at[k]) : scale.of(piece[r].at[k]);
                store_several<lanes>(out + start + place + r * step, piece[r]);
            }
        });
    });
}

extern "C" __global__ void __launch_bounds__(MOST) plane_normalise(
    const SCALAR* x, const RUNNING* means, const RUNNING* factors, const PARAM* weights, const PARAM* biases, SCALAR* out, const SCALAR* residual,
    index_t planes, index_t channels, index_t size, index_t per, index_t parts, index_t groups, WIDE epsilon
) {
    if (in_pieces(size, per, x, out, RESIDUAL ? residual : x))
        normalise<EACH>(x, means, factors, weights, biases, out, residual, planes, channels, size, per, parts, groups, epsilon);
    else normalise<1>(x, means, factors, weights, biases, out, residual, planes, channels, size, per, parts, groups, epsilon);
}

template <int lanes>
__device__ __forceinline__ void multiply(
    const SCALAR* flow, const SCALAR* x, const WIDE* means, const WIDE* factors, WIDE* along, WIDE* total, const PARAM* weights, const PARAM* biases,
    const SCALAR* result, SCALAR* left, index_t planes, index_t channels, index_t size, index_t per, index_t parts, index_t groups, WIDE epsilon
) {
    each_part<false>(planes, size, per, parts, [&](const Part& part) {
        const index_t start = part.plane * size;
        Scale scale;
        scale.read(
            means, factors, AGAIN ? weights : 0, AGAIN ? biases : 0, part.image(channels), part.channel(channels), groups, channels / groups, epsilon
        );
        WIDE a = 0, b = 0;
        each_piece<lanes>(part, [&](index_t place, index_t step, auto several) {
            Several<SCALAR, lanes> given[several.count], piece[several.count], made[several.count];
#pragma unroll
            for (int r = 0; r < several.count; r++) {
                given[r] = load_several<lanes>(flow + start + place + r * step);
                piece[r] = load_several<lanes>(x + start + place + r * step);
                if (RESIDUAL) made[r] = load_several<lanes>(result + start + place + r * step);
            }
#pragma unroll
            for (int r = 0; r < several.count; r++) {
#pragma unroll
                for (int k = 0; k < lanes; k++) {
                    if (RESIDUAL) given[r].at[k] = past(given[r].at[k], made[r].at[k]);
                    const WIDE flowing = widened(AGAIN ? scale.before(given[r].at[k], piece[r].at[k]) : given[r].at[k]);
                    a += flowing * ((WIDE)widened(piece[r].at[k]) - scale.mean);
                    b += flowing;
                }
                if (RESIDUAL) store_several<lanes>(left + start + place + r * step, given[r]);
            }
        });
        a = over_block<Sum>(a) * scale.inverse;
        b = over_block<Sum>(b);
        if (threadIdx.x == 0) {
            const index_t place = (part.image(channels) * parts + part.number) * channels + part.channel(channels);
            along[place] = a;
            total[place] = b;
        }
    });
}

// Parts of each channel's sums of what flows back: with the normalised numbers, and alone. Of an activation only what passes it counts; with a
// residual that is seen by the `result`, and `left` in memory.
extern "C" __global__ void __launch_bounds__(MOST) plane_products(
    const SCALAR* flow, const SCALAR* x, const WIDE* means, const WIDE* factors, WIDE* along, WIDE* total, const PARAM* weights, const PARAM* biases,
    const SCALAR* result, SCALAR* left, index_t planes, index_t channels, index_t size, index_t per, index_t parts, index_t groups, WIDE epsilon
) {
    if (in_pieces(size, per, flow, x, RESIDUAL ? result : x) && (!RESIDUAL || lies_at(left, 16)))
        multiply<EACH>(flow, x, means, factors, along, total, weights, biases, result, left, planes, channels, size, per, parts, groups, epsilon);
    else multiply<1>(flow, x, means, factors, along, total, weights, biases, result, left, planes, channels, size, per, parts, groups, epsilon);
}

template <int lanes>
__device__ __forceinline__ void slide(
    const SCALAR* flow, const SCALAR* x, const WIDE* means, const WIDE* factors, const PARAM* weights, const WIDE* products, const WIDE* sums,
    SCALAR* out, const PARAM* biases, index_t planes, index_t channels, index_t size, index_t per, index_t parts, index_t groups, WIDE epsilon,
    WIDE share
) {
    each_part<true>(planes, size, per, parts, [&](const Part& part) {
        const index_t start = part.plane * size;
        Slope slope;
        slope.read(
            means, factors, weights, biases, products, sums, part.image(channels), part.channel(channels), groups, channels / groups, epsilon, share
        );
        each_piece<lanes>(part, [&](index_t place, index_t step, auto several) {
            Several<SCALAR, lanes> given[several.count], piece[several.count];
#pragma unroll
            for (int r = 0; r < several.count; r++) {
                given[r] = load_several<lanes>(flow + start + place + r * step);
                piece[r] = load_several<lanes>(x + start + place + r * step);
            }
#pragma unroll
            for (int r = 0; r < several.count; r++) {
#pragma unroll
                for (int k = 0; k < lanes; k++) piece[r].at[k] = slope.of(given[r].at[k], piece[r].at[k]);
                store_several<lanes>(out + start + place + r * step, piece[r]);
            }
        });
    });
}

extern "C" __global__ void __launch_bounds__(MOST) plane_slopes(
    const SCALAR* flow, const SCALAR* x, const WIDE* means, const WIDE* factors, const PARAM* weights, const WIDE* products, const WIDE* sums,
    SCALAR* out, const PARAM* biases, index_t planes, index_t channels, index_t size, index_t per, index_t parts, index_t groups, WIDE epsilon,
    WIDE share
) {
    if (in_pieces(size, per, flow, x, out))
        slide<EACH>(flow, x, means, factors, weights, products, sums, out, biases, planes, channels, size, per, parts, groups, epsilon, share);
    else slide<1>(flow, x, means, factors, weights, products, sums, out, biases, planes, channels, size, per, parts, groups, epsilon, share);
}
