// Batch and group normalisation of images, whose channels lie side by side (columns) or whose planes do (planes), with their gradients.
//
// Statistics take two stages: parts of each image's channels by Welford's method or in two passes, then the parts together in double
// precision. Everything is added up in a fixed order. GROUPED says whose statistics: those of each image's groups, or of each channel.

#include "ground.cuh"

#define TEAM 32
#define CHUNKS 0
#include "rows.cuh"

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

// Seen from the first number of a part, so that little is lost where numbers lie far from 0 and close together.
extern "C" __global__ void __launch_bounds__(MOST) column_moments(
    const SCALAR* x, double* means, double* squares, index_t rows, index_t channels, index_t per, int across
) {
    __shared__ WIDE mean_of[MOST * EACH], squares_of[MOST * EACH];
    const Tile tile(across, rows, per);
    const bool whole = channels % EACH == 0 && lies_at(x, 16);
    const SCALAR* image = x + tile.image * rows * channels;
    WIDE mean[EACH], square[EACH];
#pragma unroll
    for (int k = 0; k < EACH; k++) mean[k] = square[k] = 0;
    if (tile.line < tile.lines && tile.first < channels) {
        const Piece origin = load_piece(image + tile.from * channels, tile.first, channels, whole);
        WIDE count = 0;
#pragma unroll 4
        for (index_t row = tile.from + tile.line; row < tile.to; row += tile.lines) {
            const Piece piece = load_piece(image + row * channels, tile.first, channels, whole);
            count += 1;
            const WIDE share = WIDE(1) / count;
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                const WIDE value = (WIDE)widened(piece.at[k]) - (WIDE)widened(origin.at[k]), away = value - mean[k];
                mean[k] += away * share;
                square[k] += away * (value - mean[k]);
            }
        }
    }
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        mean_of[threadIdx.x * EACH + k] = mean[k];
        squares_of[threadIdx.x * EACH + k] = square[k];
    }
    __syncthreads();
    for (int column = threadIdx.x; column < across * EACH; column += blockDim.x) {
        const index_t channel = (index_t)blockIdx.x * across * EACH + column;
        if (channel >= channels) continue;
        WIDE middle = mean_of[column], spread = squares_of[column];
        index_t count = (tile.to - tile.from + tile.lines - 1) / tile.lines;
        for (int line = 1; line < tile.lines; line++) {
            const index_t more = tile.to - tile.from > line ? (tile.to - tile.from - line + tile.lines - 1) / tile.lines : 0;
            if (!more) break;
            const WIDE away = mean_of[line * across * EACH + column] - middle, share = (WIDE)more / (WIDE)(count + more);
            middle += away * share;
            spread += squares_of[line * across * EACH + column] + away * away * share * (WIDE)count;
            count += more;
        }
        const index_t place = (tile.image * gridDim.y + blockIdx.y) * channels + channel;
        means[place] = (double)widened(image[tile.from * channels + channel]) + middle;
        squares[place] = spread;
    }
}

// A block for each part of a plane; `parts` parts of `per` numbers.
extern "C" __global__ void __launch_bounds__(MOST) plane_moments(
    const SCALAR* x, double* means, double* squares, index_t planes, index_t channels, index_t size, index_t per, index_t parts
) {
    for (index_t block = blockIdx.x; block < planes * parts; block += gridDim.x) {
        const index_t plane = block / parts, part = block % parts, from = part * per, to = from + per < size ? from + per : size;
        const SCALAR* image = x + plane * size;
        const WIDE origin = widened(image[from]);
        WIDE sum = 0, square = 0;
        for (index_t i = from + threadIdx.x; i < to; i += blockDim.x) sum += (WIDE)widened(image[i]) - origin;
        const WIDE mean = over_block<Sum>(sum) / (WIDE)(to - from);
        for (index_t i = from + threadIdx.x; i < to; i += blockDim.x) {
            const WIDE away = (WIDE)widened(image[i]) - origin - mean;
            square += away * away;
        }
        square = over_block<Sum>(square);
        if (threadIdx.x == 0) {
            const index_t place = (plane / channels * parts + part) * channels + plane % channels;
            means[place] = (double)origin + mean;
            squares[place] = square;
        }
    }
}

__device__ __forceinline__ double numbers_of(index_t part, index_t parts, index_t size, index_t per) {
    const index_t left = size - part % parts * per;
    return (double)(left < per ? left : per);
}

// The mean and variance of each channel over all images' parts: threads (32 channels, 8 parts).
extern "C" __global__ void __launch_bounds__(256) channel_moments(
    const double* means, const double* squares, WIDE* mean_out, WIDE* variance_out, index_t images, index_t parts, index_t channels, index_t size, index_t per
) {
    __shared__ double sums[8][33];
    const int lane = threadIdx.x % 32, line = threadIdx.x / 32;
    const index_t channel = (index_t)blockIdx.x * 32 + lane;
    const bool there = channel < channels;
    double sum = 0;
    if (there)
        for (index_t part = line; part < images * parts; part += 8) sum += numbers_of(part, parts, size, per) * means[part * channels + channel];
    sums[line][lane] = sum;
    __syncthreads();
    sum = 0;
    for (int other = 0; other < 8; other++) sum += sums[other][lane];
    const double mean = sum / ((double)images * size);
    double square = 0;
    if (there)
        for (index_t part = line; part < images * parts; part += 8) {
            const double away = means[part * channels + channel] - mean;
            square += squares[part * channels + channel] + numbers_of(part, parts, size, per) * away * away;
        }
    __syncthreads();
    sums[line][lane] = square;
    __syncthreads();
    if (line || !there) return;
    square = 0;
    for (int other = 0; other < 8; other++) square += sums[other][lane];
    mean_out[channel] = (WIDE)mean;
    variance_out[channel] = (WIDE)(square / ((double)images * size));
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
        sum += numbers_of(i / width, parts, size, per) * means[(image * parts + i / width) * channels + group * width + i % width];
    const double mean = over_block<Sum>(sum) / count;
    for (index_t i = threadIdx.x; i < parts * width; i += blockDim.x) {
        const index_t place = (image * parts + i / width) * channels + group * width + i % width;
        const double away = means[place] - mean;
        square += squares[place] + numbers_of(i / width, parts, size, per) * away * away;
    }
    square = over_block<Sum>(square);
    if (threadIdx.x) return;
    mean_out[blockIdx.x] = (WIDE)mean;
    inverse_out[blockIdx.x] = WIDE(1) / sqrt((WIDE)(square / count) + epsilon);
}

// What the numbers of one channel are normalised by.
struct Scale {
    WIDE mean, inverse, weight, bias;

    // `factors` are variances of channels, or 1 / sqrt(variance + epsilon) of groups.
    __device__ __forceinline__ void read(
        const WIDE* means, const WIDE* factors, const PARAM* weights, const PARAM* biases, index_t image, index_t channel, index_t groups,
        index_t width, WIDE epsilon
    ) {
        const index_t place = GROUPED ? image * groups + channel / width : channel;
        mean = means[place];
        inverse = GROUPED ? factors[place] : WIDE(1) / sqrt(factors[place] + epsilon);
        weight = weights ? (WIDE)widened(weights[channel]) : WIDE(1);
        bias = biases ? (WIDE)widened(biases[channel]) : WIDE(0);
    }
    __device__ __forceinline__ SCALAR of(SCALAR x) const { return narrowed<SCALAR>(((WIDE)widened(x) - mean) * (inverse * weight) + bias); }
};

extern "C" __global__ void __launch_bounds__(MOST) column_normalise(
    const SCALAR* x, const WIDE* means, const WIDE* factors, const PARAM* weights, const PARAM* biases, SCALAR* out, index_t rows,
    index_t channels, index_t per, int across, index_t groups, WIDE epsilon
) {
    const Tile tile(across, rows, per);
    if (tile.line >= tile.lines || tile.first >= channels) return;
    const bool whole = channels % EACH == 0 && lies_at(x, 16) && lies_at(out, 16);
    Scale scale[EACH];
#pragma unroll
    for (int k = 0; k < EACH; k++)
        if (tile.first + k < channels) scale[k].read(means, factors, weights, biases, tile.image, tile.first + k, groups, channels / groups, epsilon);
    const index_t start = tile.image * rows * channels;
#pragma unroll 4
    for (index_t row = tile.from + tile.line; row < tile.to; row += tile.lines) {
        Piece piece = load_piece(x + start + row * channels, tile.first, channels, whole);
#pragma unroll
        for (int k = 0; k < EACH; k++) piece.at[k] = scale[k].of(piece.at[k]);
        store_piece(out + start + row * channels, tile.first, channels, whole, piece);
    }
}

extern "C" __global__ void __launch_bounds__(MOST) plane_normalise(
    const SCALAR* x, const WIDE* means, const WIDE* factors, const PARAM* weights, const PARAM* biases, SCALAR* out, index_t planes,
    index_t channels, index_t size, index_t per, index_t parts, index_t groups, WIDE epsilon
) {
    for (index_t block = blockIdx.x; block < planes * parts; block += gridDim.x) {
        const index_t plane = block / parts, from = block % parts * per, to = from + per < size ? from + per : size;
        Scale scale;
        scale.read(means, factors, weights, biases, plane / channels, plane % channels, groups, channels / groups, epsilon);
        for (index_t i = from + threadIdx.x; i < to; i += blockDim.x) out[plane * size + i] = scale.of(x[plane * size + i]);
    }
}

// Parts of each channel's sums of what flows back: with the normalised numbers, and alone.
extern "C" __global__ void __launch_bounds__(MOST) column_products(
    const SCALAR* flow, const SCALAR* x, const WIDE* means, const WIDE* factors, WIDE* along, WIDE* total, index_t rows, index_t channels,
    index_t per, int across, index_t groups, WIDE epsilon
) {
    __shared__ WIDE with_hat[MOST * EACH], alone[MOST * EACH];
    const Tile tile(across, rows, per);
    const bool whole = channels % EACH == 0 && lies_at(x, 16) && lies_at(flow, 16);
    const index_t start = tile.image * rows * channels;
    WIDE product[EACH], sum[EACH];
#pragma unroll
    for (int k = 0; k < EACH; k++) product[k] = sum[k] = 0;
    if (tile.line < tile.lines && tile.first < channels) {
        Scale scale[EACH];
#pragma unroll
        for (int k = 0; k < EACH; k++)
            if (tile.first + k < channels)
                scale[k].read(means, factors, (const PARAM*)0, (const PARAM*)0, tile.image, tile.first + k, groups, channels / groups, epsilon);
#pragma unroll 4
        for (index_t row = tile.from + tile.line; row < tile.to; row += tile.lines) {
            const Piece piece = load_piece(x + start + row * channels, tile.first, channels, whole);
            const Piece given = load_piece(flow + start + row * channels, tile.first, channels, whole);
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                const WIDE flowing = widened(given.at[k]);
                sum[k] += flowing;
                product[k] += flowing * (((WIDE)widened(piece.at[k]) - scale[k].mean) * scale[k].inverse);
            }
        }
    }
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        with_hat[threadIdx.x * EACH + k] = product[k];
        alone[threadIdx.x * EACH + k] = sum[k];
    }
    __syncthreads();
    for (int column = threadIdx.x; column < across * EACH; column += blockDim.x) {
        const index_t channel = (index_t)blockIdx.x * across * EACH + column;
        if (channel >= channels) continue;
        WIDE a = 0, b = 0;
        for (int line = 0; line < tile.lines; line++) {
            a += with_hat[line * across * EACH + column];
            b += alone[line * across * EACH + column];
        }
        const index_t place = (tile.image * gridDim.y + blockIdx.y) * channels + channel;
        along[place] = a;
        total[place] = b;
    }
}

extern "C" __global__ void __launch_bounds__(MOST) plane_products(
    const SCALAR* flow, const SCALAR* x, const WIDE* means, const WIDE* factors, WIDE* along, WIDE* total, index_t planes, index_t channels,
    index_t size, index_t per, index_t parts, index_t groups, WIDE epsilon
) {
    for (index_t block = blockIdx.x; block < planes * parts; block += gridDim.x) {
        const index_t plane = block / parts, part = block % parts, from = part * per, to = from + per < size ? from + per : size;
        Scale scale;
        scale.read(means, factors, (const PARAM*)0, (const PARAM*)0, plane / channels, plane % channels, groups, channels / groups, epsilon);
        WIDE a = 0, b = 0;
        for (index_t i = plane * size + from + threadIdx.x; i < plane * size + to; i += blockDim.x) {
            const WIDE flowing = widened(flow[i]);
            a += flowing * (((WIDE)widened(x[i]) - scale.mean) * scale.inverse);
            b += flowing;
        }
        a = over_block<Sum>(a);
        b = over_block<Sum>(b);
        if (threadIdx.x == 0) {
            const index_t place = (plane / channels * parts + part) * channels + plane % channels;
            along[place] = a;
            total[place] = b;
        }
    }
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

// The gradient of one channel's numbers: (flow weight - mean of it - normalised number times mean of the product) inverse.
struct Slope {
    Scale scale;
    WIDE product, sum;

    // `products` and `sums` are those of channels, or the means of groups.
    __device__ __forceinline__ void read(
        const WIDE* means, const WIDE* factors, const PARAM* weights, const WIDE* products, const WIDE* sums, index_t image, index_t channel,
        index_t groups, index_t width, WIDE epsilon, WIDE count
    ) {
        scale.read(means, factors, weights, (const PARAM*)0, image, channel, groups, width, epsilon);
        const index_t place = GROUPED ? image * groups + channel / width : channel;
        product = GROUPED ? products[place] : scale.weight * products[place] / count;
        sum = GROUPED ? sums[place] : scale.weight * sums[place] / count;
    }
    __device__ __forceinline__ SCALAR of(SCALAR flow, SCALAR x) const {
        const WIDE hat = ((WIDE)widened(x) - scale.mean) * scale.inverse;
        return narrowed<SCALAR>(((WIDE)widened(flow) * scale.weight - sum - hat * product) * scale.inverse);
    }
};

extern "C" __global__ void __launch_bounds__(MOST) column_slopes(
    const SCALAR* flow, const SCALAR* x, const WIDE* means, const WIDE* factors, const PARAM* weights, const WIDE* products, const WIDE* sums,
    SCALAR* out, index_t rows, index_t channels, index_t per, int across, index_t groups, WIDE epsilon, WIDE count
) {
    const Tile tile(across, rows, per);
    if (tile.line >= tile.lines || tile.first >= channels) return;
    const bool whole = channels % EACH == 0 && lies_at(x, 16) && lies_at(flow, 16) && lies_at(out, 16);
    Slope slope[EACH];
#pragma unroll
    for (int k = 0; k < EACH; k++)
        if (tile.first + k < channels)
            slope[k].read(means, factors, weights, products, sums, tile.image, tile.first + k, groups, channels / groups, epsilon, count);
    const index_t start = tile.image * rows * channels;
#pragma unroll 2
    for (index_t row = tile.from + tile.line; row < tile.to; row += tile.lines) {
        const Piece given = load_piece(flow + start + row * channels, tile.first, channels, whole);
        Piece piece = load_piece(x + start + row * channels, tile.first, channels, whole);
#pragma unroll
        for (int k = 0; k < EACH; k++) piece.at[k] = slope[k].of(given.at[k], piece.at[k]);
        store_piece(out + start + row * channels, tile.first, channels, whole, piece);
    }
}

extern "C" __global__ void __launch_bounds__(MOST) plane_slopes(
    const SCALAR* flow, const SCALAR* x, const WIDE* means, const WIDE* factors, const PARAM* weights, const WIDE* products, const WIDE* sums,
    SCALAR* out, index_t planes, index_t channels, index_t size, index_t per, index_t parts, index_t groups, WIDE epsilon, WIDE count
) {
    for (index_t block = blockIdx.x; block < planes * parts; block += gridDim.x) {
        const index_t plane = block / parts, from = block % parts * per, to = from + per < size ? from + per : size;
        Slope slope;
        slope.read(means, factors, weights, products, sums, plane / channels, plane % channels, groups, channels / groups, epsilon, count);
        for (index_t i = plane * size + from + threadIdx.x; i < plane * size + to; i += blockDim.x) out[i] = slope.of(flow[i], x[i]);
    }
}
