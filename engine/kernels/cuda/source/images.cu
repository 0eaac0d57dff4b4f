// Batch and group normalisation of images whose channels lie side by side, with their gradients; planes.cu does so for those that lie by planes,
// and shares what is done here with the parts that both make.
//
// Statistics take two stages: parts of each image's channels, several rows at a time, then the parts together in double precision.
// Everything is added up in a fixed order. GROUPED says whose statistics: those of each image's groups, or of each channel.

#include "ground.cuh"

#define TEAM 32
#define CHUNKS 0
#include "rows.cuh"
#include "images.cuh"

// Threads of a block beside one another, and rows of an image that they take at once.
struct Tile {
    int lane, line, lines;
    index_t first, from, to, image;

    // `across` threads share a row; part blockIdx.y of image blockIdx.z has `per` rows.
    __device__ __forceinline__ Tile(int across, index_t rows, index_t per) {
        lane = threadIdx.x % across;
        line = threadIdx.x / across;
        lines = blockDim.x / across;
        first = ((index_t)blockIdx.x * across + lane) * EACH;
        from = (index_t)blockIdx.y * per;
        to = from + per < rows ? from + per : rows;
        image = blockIdx.z;
    }
};

#define MOST 256

#ifndef AT_ONCE  // rows that a thread has under way, 4 or 8
#define AT_ONCE 4
#endif
#ifndef LIVING  // blocks that a multiprocessor has room for
#define LIVING (sizeof(SCALAR) == 2 ? 3 : 4)
#endif
#define SIDE (MOST + 32 / EACH)  // so that neither threads nor columns meet themselves in a bank

// A thread's piece of a row, whose first number lies at `place`; where not all pieces are whole, what lies past the row's end is 0.
template <bool whole>
__device__ __forceinline__ Piece row_piece(const SCALAR* from, index_t place, const Tile& tile, index_t channels) {
    return load_piece(from + (place - tile.first), tile.first, channels, whole);
}

template <bool whole>
__device__ __forceinline__ void store_row_piece(SCALAR* to, index_t place, const Tile& tile, index_t channels, const Piece& piece) {
    store_piece(to + (place - tile.first), tile.first, channels, whole, piece);
}

// How many rows a line of a tile's threads takes.
__device__ __forceinline__ int rows_of(const Tile& tile, int line) {
    const int rows = (int)(tile.to - tile.from);
    return rows > line ? (rows - line + tile.lines - 1) / tile.lines : 0;
}

// The rows of a thread, `several` at once where so many are left: how(place of the first one, step to the next, how many). With `back` the
// last come first: they were read last, and are at hand still.
template <int several, bool back, class How>
__device__ __forceinline__ void each_rows(const Tile& tile, index_t channels, How how) {
    const index_t step = (back ? -tile.lines : tile.lines) * channels;
    index_t place = (back ? tile.to - 1 - tile.line : tile.from + tile.line) * channels + tile.first;
    int left = rows_of(tile, tile.line);
#pragma unroll 1
    for (; left >= several; left -= several, place += several * step) how(place, step, Number<several>());
    if (several > 2 && left >= 2) {  // the rest in as few accesses one after another as may be
        how(place, step, Number<2>());
        left -= 2;
        place += 2 * step;
    }
#pragma unroll 1
    for (; left > 0; left--, place += step) how(place, step, Number<1>());
}

// Means and sums of squared distances from them, seen from an origin, of as many rows as were taken.
struct Seen {
    WIDE origin[EACH], mean[EACH], square[EACH], count;

    // What several rows have in common is taken out first, so that nothing is lost wherever the numbers lie
    // (T. Chan, G. Golub and R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979).
    template <int several>
    __device__ __forceinline__ void take(const Piece (&piece)[several]) {
        const WIDE more = count + several, share = (WIDE)several / more, weight = count * share;
        count = more;
#pragma unroll
        for (int k = 0; k < EACH; k++) {
            WIDE value[several], sum = 0, spread = square[k];
#pragma unroll
            for (int r = 0; r < several; r++) {
                value[r] = (WIDE)widened(piece[r].at[k]) - origin[k];
                sum += value[r];
            }
            const WIDE middle = sum * (WIDE(1) / several), away = middle - mean[k];
#pragma unroll
            for (int r = 0; r < several; r++) spread += (value[r] - middle) * (value[r] - middle);
            square[k] = spread + away * away * weight;
            mean[k] += away * share;
        }
    }
};

template <bool whole>
__device__ __forceinline__ void see(const SCALAR* image, const Tile& tile, index_t channels, Seen& seen) {
    const Piece first = row_piece<whole>(image, tile.from * channels + tile.first, tile, channels);
#pragma unroll
    for (int k = 0; k < EACH; k++) seen.origin[k] = widened(first.at[k]);
    each_rows<whole ? AT_ONCE : 1, false>(tile, channels, [&](index_t place, index_t step, auto several) {
        Piece piece[several.count];
#pragma unroll
        for (int r = 0; r < several.count; r++) piece[r] = row_piece<whole>(image, place + r * step, tile, channels);
        seen.take(piece);
    });
}

// Seen from the first number of a part, so that little is lost where numbers lie far from 0 and close together.
extern "C" __global__ void __launch_bounds__(MOST, LIVING) column_moments(
    const SCALAR* x, double* means, double* squares, index_t rows, index_t channels, index_t per, int across
) {
    __shared__ WIDE mean_of[SIDE * EACH], squares_of[SIDE * EACH];
    const Tile tile(across, rows, per);
    const SCALAR* image = x + tile.image * rows * channels;
    Seen seen;
    seen.count = 0;
#pragma unroll
    for (int k = 0; k < EACH; k++) seen.mean[k] = seen.square[k] = 0;
    if (tile.line < tile.lines && tile.first < channels) {
        if (channels % EACH == 0 && lies_at(x, 16)) see<true>(image, tile, channels, seen);
        else see<false>(image, tile, channels, seen);
    }
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        mean_of[k * SIDE + threadIdx.x] = seen.mean[k];
        squares_of[k * SIDE + threadIdx.x] = seen.square[k];
    }
    __syncthreads();
    const int column = threadIdx.x, start = column % EACH * SIDE + column / EACH;
    const index_t channel = (index_t)blockIdx.x * across * EACH + column;
    if (column >= across * EACH || channel >= channels) return;
    WIDE middle = 0, spread = 0;
    for (int line = 0; line < tile.lines; line++) middle += (WIDE)rows_of(tile, line) * mean_of[start + line * across];
    middle /= (WIDE)(tile.to - tile.from);
    for (int line = 0; line < tile.lines; line++) {
        const WIDE away = mean_of[start + line * across] - middle;
        spread += squares_of[start + line * across] + (WIDE)rows_of(tile, line) * away * away;
    }
    const index_t place = (tile.image * gridDim.y + blockIdx.y) * channels + channel;
    means[place] = (double)widened(image[tile.from * channels + channel]) + middle;
    squares[place] = spread;
}

__device__ __forceinline__ double numbers_of(unsigned part, unsigned parts, index_t size, index_t per) {
    const unsigned place = part % parts;
    return (double)(place + 1 < parts ? per : size - place * per);
}

// The mean and variance of each channel over all images' parts, seen from the first: threads (4 channels, 64 parts). Running statistics, if
// there are any, are moved towards them, and the count of batches grows by 1.
extern "C" __global__ void __launch_bounds__(256) channel_moments(
    const double* means, const double* squares, WIDE* mean_out, WIDE* variance_out, PARAM* running_mean, PARAM* running_variance,
    long long* batches, WIDE kept, WIDE share, WIDE share_of_variance, index_t images, index_t parts, index_t channels, index_t size, index_t per
) {
    const int lane = threadIdx.x % 4;
    const index_t channel = (index_t)blockIdx.x * 4 + lane, own = channel < channels ? channel : 0;
    const unsigned all = (unsigned)(images * parts);
    const double origin = means[own];
    double sum = 0, square = 0;
#pragma unroll 4
    for (unsigned part = threadIdx.x / 4; part < all; part += 64) {
        const double count = numbers_of(part, (unsigned)parts, size, per), away = means[part * channels + own] - origin;
        sum += count * away;
        square += squares[part * channels + own] + count * away * away;
    }
    sum = over_lines<4>(sum);
    square = over_lines<4>(square);
    if (threadIdx.x >= 4 || channel >= channels) return;
    const double count = (double)images * size, middle = sum / count, variance = square / count - middle * middle;
    const WIDE own_mean = (WIDE)(origin + middle), own_variance = (WIDE)(variance > 0 || variance != variance ? variance : 0);
    mean_out[channel] = own_mean;
    variance_out[channel] = own_variance;
    if (!running_mean) return;
    running_mean[channel] = narrowed<PARAM>((WIDE)widened(running_mean[channel]) * kept + own_mean * share);
    running_variance[channel] = narrowed<PARAM>((WIDE)widened(running_variance[channel]) * kept + own_variance * share_of_variance);
    if (batches && channel == 0) *batches += 1;
}

// The mean and 1 / sqrt(variance + epsilon) of each image's groups of `width` channels: a block for each.
extern "C" __global__ void __launch_bounds__(128) group_moments(
    const double* means, const double* squares, WIDE* mean_out, WIDE* inverse_out, index_t groups, index_t width, index_t parts, index_t size,
    index_t per, WIDE epsilon
) {
    const index_t image = blockIdx.x / groups, group = blockIdx.x % groups, channels = groups * width;
    const double count = (double)width * size;
    double sum = 0, square = 0;
    for (index_t i = threadIdx.x; i < parts * width; i += blockDim.x)
        sum += numbers_of((unsigned)(i / width), (unsigned)parts, size, per) * means[(image * parts + i / width) * channels + group * width + i % width];
    const double mean = over_block<Sum>(sum) / count;
    for (index_t i = threadIdx.x; i < parts * width; i += blockDim.x) {
        const index_t place = (image * parts + i / width) * channels + group * width + i % width;
        const double away = means[place] - mean;
        square += squares[place] + numbers_of((unsigned)(i / width), (unsigned)parts, size, per) * away * away;
    }
    square = over_block<Sum>(square);
    if (threadIdx.x) return;
    mean_out[blockIdx.x] = (WIDE)mean;
    inverse_out[blockIdx.x] = WIDE(1) / sqrt((WIDE)(square / count) + epsilon);
}

template <bool whole>
__device__ __forceinline__ void normalise(
    const SCALAR* x, const SCALAR* residual, SCALAR* out, const Tile& tile, index_t channels, const Scale (&scale)[EACH]
) {
    each_rows<whole ? AT_ONCE / (1 + RESIDUAL) : 1, true>(tile, channels, [&](index_t place, index_t step, auto several) {
        Piece piece[several.count], beside[several.count];
#pragma unroll
        for (int r = 0; r < several.count; r++) {
            piece[r] = row_piece<whole>(x, place + r * step, tile, channels);
            if (RESIDUAL) beside[r] = row_piece<whole>(residual, place + r * step, tile, channels);
        }
#pragma unroll
        for (int r = 0; r < several.count; r++) {
#pragma unroll
            for (int k = 0; k < EACH; k++) piece[r].at[k] = RESIDUAL ? scale[k].of(piece[r].at[k], beside[r].at[k]) : scale[k].of(piece[r].at[k]);
            store_row_piece<whole>(out, place + r * step, tile, channels, piece[r]);
        }
    });
}

extern "C" __global__ void __launch_bounds__(MOST, LIVING) column_normalise(
    const SCALAR* x, const RUNNING* means, const RUNNING* factors, const PARAM* weights, const PARAM* biases, SCALAR* out, const SCALAR* residual,
    index_t rows, index_t channels, index_t per, int across, index_t groups, WIDE epsilon
) {
    const Tile tile(across, rows, per);
    if (tile.line >= tile.lines || tile.first >= channels) return;
    Scale scale[EACH];
#pragma unroll
    for (int k = 0; k < EACH; k++)
        if (tile.first + k < channels) scale[k].read(means, factors, weights, biases, tile.image, tile.first + k, groups, channels / groups, epsilon);
    const index_t start = tile.image * rows * channels;
    if (channels % EACH == 0 && lies_at(x, 16) && lies_at(out, 16) && (!RESIDUAL || lies_at(residual, 16)))
        normalise<true>(x + start, residual + start, out + start, tile, channels, scale);
    else normalise<false>(x + start, residual + start, out + start, tile, channels, scale);
}

// What flows back to each channel, with its numbers' distances from the mean, and alone.
struct Products {
    Scale scale[EACH];
    WIDE along[EACH], alone[EACH];

    __device__ __forceinline__ void take(const Piece& given, const Piece& piece) {
#pragma unroll
        for (int k = 0; k < EACH; k++) {
            const WIDE flowing = widened(AGAIN ? scale[k].before(given.at[k], piece.at[k]) : given.at[k]);
            along[k] += flowing * ((WIDE)widened(piece.at[k]) - scale[k].mean);
            alone[k] += flowing;
        }
    }
};

template <bool whole>
__device__ __forceinline__ void multiply(
    const SCALAR* flow, const SCALAR* x, const SCALAR* result, SCALAR* left, const Tile& tile, index_t channels, Products& products
) {
    each_rows<whole ? AT_ONCE / 2 : 1, false>(tile, channels, [&](index_t place, index_t step, auto several) {
        Piece given[several.count], piece[several.count], made[several.count];
#pragma unroll
        for (int r = 0; r < several.count; r++) {
            given[r] = row_piece<whole>(flow, place + r * step, tile, channels);
            piece[r] = row_piece<whole>(x, place + r * step, tile, channels);
            if (RESIDUAL) made[r] = row_piece<whole>(result, place + r * step, tile, channels);
        }
#pragma unroll
        for (int r = 0; r < several.count; r++) {
            if (RESIDUAL) {
#pragma unroll
                for (int k = 0; k < EACH; k++) given[r].at[k] = past(given[r].at[k], made[r].at[k]);
                store_row_piece<whole>(left, place + r * step, tile, channels, given[r]);
            }
            products.take(given[r], piece[r]);
        }
    });
}

// Parts of each channel's sums of what flows back: with the normalised numbers, and alone. Of an activation only what passes it counts; with a
// residual that is seen by the `result`, and `left` in memory.
extern "C" __global__ void __launch_bounds__(MOST, LIVING) column_products(
    const SCALAR* flow, const SCALAR* x, const WIDE* means, const WIDE* factors, WIDE* along, WIDE* total, const PARAM* weights, const PARAM* biases,
    const SCALAR* result, SCALAR* left, index_t rows, index_t channels, index_t per, int across, index_t groups, WIDE epsilon
) {
    __shared__ WIDE with_hat[SIDE * EACH], alone[SIDE * EACH];
    const Tile tile(across, rows, per);
    const index_t start = tile.image * rows * channels;
    Products products;
#pragma unroll
    for (int k = 0; k < EACH; k++) products.scale[k].mean = products.scale[k].inverse = products.along[k] = products.alone[k] = 0;
    if (tile.line < tile.lines && tile.first < channels) {
#pragma unroll
        for (int k = 0; k < EACH; k++)
            if (tile.first + k < channels)
                products.scale[k].read(means, factors, AGAIN ? weights : 0, AGAIN ? biases : 0, tile.image, tile.first + k, groups, channels / groups, epsilon);
        if (channels % EACH == 0 && lies_at(x, 16) && lies_at(flow, 16) && (!RESIDUAL || (lies_at(result, 16) && lies_at(left, 16))))
            multiply<true>(flow + start, x + start, result + start, left + start, tile, channels, products);
        else multiply<false>(flow + start, x + start, result + start, left + start, tile, channels, products);
    }
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        with_hat[k * SIDE + threadIdx.x] = AGAIN ? products.along[k] : products.along[k] * products.scale[k].inverse;
        alone[k * SIDE + threadIdx.x] = products.alone[k];
    }
    const int column = threadIdx.x;
    const index_t channel = (index_t)blockIdx.x * across * EACH + column;
    const bool mine = column < across * EACH && channel < channels;
    // Where a mask is computed again, threads have no registers left to keep this one on the way.
    const WIDE factor = AGAIN && mine ? inverse_root((WIDE)widened(factors[channel]) + epsilon) : WIDE(1);
    __syncthreads();
    if (!mine) return;
    WIDE a = 0, b = 0;
    for (int line = 0; line < tile.lines; line++) {
        a += with_hat[column % EACH * SIDE + column / EACH + line * across];
        b += alone[column % EACH * SIDE + column / EACH + line * across];
    }
    const index_t place = (tile.image * gridDim.y + blockIdx.y) * channels + channel;
    along[place] = a * factor;
    total[place] = b;
}

// For each image's groups the means of what flows back times weight, with the normalised numbers and alone: a block for each.
extern "C" __global__ void __launch_bounds__(128) group_products(
    const WIDE* along, const WIDE* total, const PARAM* weights, WIDE* product_out, WIDE* sum_out, index_t groups, index_t width, index_t parts, index_t size
) {
    const index_t image = blockIdx.x / groups, group = blockIdx.x % groups, channels = groups * width;
    double product = 0, sum = 0;
    for (index_t i = threadIdx.x; i < parts * width; i += blockDim.x) {
        const index_t channel = group * width + i % width, place = (image * parts + i / width) * channels + channel;
        const double weight = weights ? (double)widened(weights[channel]) : 1.0;
        product += weight * along[place];
        sum += weight * total[place];
    }
    product = over_block<Sum>(product);
    sum = over_block<Sum>(sum);
    if (threadIdx.x) return;
    product_out[blockIdx.x] = (WIDE)(product / ((double)width * size));
    sum_out[blockIdx.x] = (WIDE)(sum / ((double)width * size));
}

template <bool whole>
__device__ __forceinline__ void slide(const SCALAR* flow, const SCALAR* x, SCALAR* out, const Tile& tile, index_t channels, const Slope (&slope)[EACH]) {
    each_rows<whole ? AT_ONCE / 2 : 1, true>(tile, channels, [&](index_t place, index_t step, auto several) {
        Piece given[several.count], piece[several.count];
#pragma unroll
        for (int r = 0; r < several.count; r++) {
            given[r] = row_piece<whole>(flow, place + r * step, tile, channels);
            piece[r] = row_piece<whole>(x, place + r * step, tile, channels);
        }
#pragma unroll
        for (int r = 0; r < several.count; r++) {
#pragma unroll
            for (int k = 0; k < EACH; k++) piece[r].at[k] = slope[k].of(given[r].at[k], piece[r].at[k]);
            store_row_piece<whole>(out, place + r * step, tile, channels, piece[r]);
        }
    });
}

extern "C" __global__ void __launch_bounds__(MOST, LIVING) column_slopes(
    const SCALAR* flow, const SCALAR* x, const WIDE* means, const WIDE* factors, const PARAM* weights, const WIDE* products, const WIDE* sums,
    SCALAR* out, const PARAM* biases, index_t rows, index_t channels, index_t per, int across, index_t groups, WIDE epsilon, WIDE share
) {
    const Tile tile(across, rows, per);
    if (tile.line >= tile.lines || tile.first >= channels) return;
    Slope slope[EACH];
#pragma unroll
    for (int k = 0; k < EACH; k++)
        if (tile.first + k < channels)
            slope[k].read(means, factors, weights, biases, products, sums, tile.image, tile.first + k, groups, channels / groups, epsilon, share);
    const index_t start = tile.image * rows * channels;
    if (channels % EACH == 0 && lies_at(x, 16) && lies_at(flow, 16) && lies_at(out, 16))
        slide<true>(flow + start, x + start, out + start, tile, channels, slope);
    else slide<false>(flow + start, x + start, out + start, tile, channels, slope);
}
