// Pooling of images: each window's largest number or mean, and the gradients by gathering: each number asks the windows that hold it.
//
// Images are walked in their memory's order, whichever it is: a thread takes `EACH` neighbours along the innermost axis, which are
// channels where channels lie side by side (steps of 1), or one number.

#include "ground.cuh"

typedef unsigned char uchar;

// The steps between neighbours along (batch, channel, row, column).
struct Steps {
    index_t n, c, y, x;
    __device__ __forceinline__ index_t of(index_t a, index_t b, index_t c_, index_t d) const { return a * n + b * c + c_ * y + d * x; }
};

// The coordinates of the i-th group of EACH channels where they are innermost, or of the i-th number in row order.
template <int each>
struct Place {
    index_t n, c, y, x;
    __device__ __forceinline__ Place(index_t i, index_t channels, index_t height, index_t width) {
        // Division of 32 bits takes a fraction of the time.
        if (i <= 0x7fffffff) part((unsigned)i, (unsigned)channels, (unsigned)height, (unsigned)width);
        else part(i, channels, height, width);
    }
    template <class T>
    __device__ __forceinline__ void part(T i, T channels, T height, T width) {
        if (LAST) {
            const T groups = channels / each;
            c = i % groups * each, i /= groups;
            x = i % width, i /= width;
            y = i % height, n = i / height;
        } else {
            x = i % width, i /= width;
            y = i % height, i /= height;
            c = i % channels, n = i / channels;
        }
    }
};

template <class T, int each>
__device__ __forceinline__ Several<T, each> load(const T* from) {
    return load_several<each>(from);
}

#define ARGUMENTS                                                                                                          \
    index_t batch, index_t channels, index_t height, index_t width, index_t out_height, index_t out_width, int window_y,    \
        int window_x, int stride_y, int stride_x, int pad_y, int pad_x, int dilate_y, int dilate_x

__device__ __forceinline__ bool greater(WIDE a, WIDE b) { return a > b || (a != a && b == b); }

#define AT_ONCE 3  // numbers of a window's row that a thread has under way

// The largest of each window, the first of equals, a NaN before all; and the number of its place in the window.
extern "C" __global__ void __launch_bounds__(256) max_pool(
    const SCALAR* x, SCALAR* out, OFFSET* offset, index_t xn, index_t xc, index_t xy, index_t xx, ARGUMENTS
) {
    const Steps steps = {xn, xc, xy, xx};
    const index_t count = batch * channels * out_height * out_width / GROUP;
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const Place<GROUP> place(i, channels, out_height, out_width);
        const int top = (int)place.y * stride_y - pad_y, left = (int)place.x * stride_x - pad_x;
        const SCALAR* image = x + steps.of(place.n, place.c, 0, 0);
        WIDE best[GROUP];
        int where[GROUP];
#pragma unroll
        for (int k = 0; k < GROUP; k++) best[k] = -INFINITE, where[k] = -1;
        for (int dy = 0; dy < window_y; dy++) {
            const int row = top + dy * dilate_y;
            for (int start = 0; start < window_x; start += AT_ONCE) {
                Several<SCALAR, GROUP> seen[AT_ONCE];
                bool inside[AT_ONCE];
#pragma unroll
                for (int j = 0; j < AT_ONCE; j++) {
                    const int column = left + (start + j) * dilate_x;
                    inside[j] = start + j < window_x && row >= 0 && row < (int)height && column >= 0 && column < (int)width;
                    if (inside[j]) seen[j] = load<SCALAR, GROUP>(image + row * steps.y + column * steps.x);
                }
#pragma unroll
                for (int j = 0; j < AT_ONCE; j++) {
                    if (start + j >= window_x) continue;
                    const int number = dy * window_x + start + j;
                    // The frame counts as minus infinity: it may be the first of equals.
#pragma unroll
                    for (int k = 0; k < GROUP; k++) {
                        const WIDE value = inside[j] ? (WIDE)widened(seen[j].at[k]) : WIDE(-INFINITE);
                        if (where[k] < 0 || greater(value, best[k])) best[k] = value, where[k] = number;
                    }
                }
            }
        }
        Several<SCALAR, GROUP> result;
        Several<OFFSET, GROUP> places;
#pragma unroll
        for (int k = 0; k < GROUP; k++) {
            result.at[k] = narrowed<SCALAR>(best[k]);
            places.at[k] = (OFFSET)where[k];
        }
        store_several<GROUP>(out + i * GROUP, result);
        if (offset) store_several<GROUP>(offset + i * GROUP, places);
    }
}

// The windows (out rows or columns) that hold a number: from `first` to `last`, though with dilation not all of these do. In 32 bits, whose
// division takes a fraction of the time: no image is so high or wide.
struct Holders {
    int first, last, at, dilate;

    __device__ __forceinline__ Holders(index_t place, int window, int stride, int pad, int dilate, index_t out) : dilate(dilate) {
        at = (int)place + pad;
        const int from = at - dilate * (window - 1), most = (int)out - 1;
        first = from <= 0 ? 0 : (int)((unsigned)(from + stride - 1) / (unsigned)stride);
        last = (int)((unsigned)at / (unsigned)stride);
        if (last > most) last = most;
    }
    // Which of a window's rows or columns the number is in; -1 where it lies between them.
    __device__ __forceinline__ int number(int holder, int stride) const {
        const int away = at - holder * stride;
        if (dilate == 1) return away;
        return (unsigned)away % (unsigned)dilate ? -1 : (int)((unsigned)away / (unsigned)dilate);
    }
};

extern "C" __global__ void __launch_bounds__(256) max_pool_input(
    const SCALAR* flow, const OFFSET* offset, SCALAR* out, index_t fn, index_t fc, index_t fy, index_t fx, ARGUMENTS
) {
    const Steps steps = {fn, fc, fy, fx};
    const index_t count = batch * channels * height * width / GROUP;
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const Place<GROUP> place(i, channels, height, width);
        const Holders down(place.y, window_y, stride_y, pad_y, dilate_y, out_height), along(place.x, window_x, stride_x, pad_x, dilate_x, out_width);
        const index_t start = steps.of(place.n, place.c, 0, 0);
        WIDE sum[GROUP];
#pragma unroll
        for (int k = 0; k < GROUP; k++) sum[k] = 0;
        for (int row = down.first; row <= down.last; row++) {
            const int dy = down.number(row, stride_y);
            if (dy < 0) continue;
            for (int column = along.first; column <= along.last; column++) {
                const int dx = along.number(column, stride_x);
                if (dx < 0) continue;
                const int number = dy * window_x + dx;
                const index_t at = start + row * steps.y + column * steps.x;
                const Several<OFFSET, GROUP> places = load<OFFSET, GROUP>(offset + at);
                const Several<SCALAR, GROUP> given = load<SCALAR, GROUP>(flow + at);
#pragma unroll
                for (int k = 0; k < GROUP; k++)
                    if (places.at[k] == number) sum[k] += (WIDE)widened(given.at[k]);
            }
        }
        Several<SCALAR, GROUP> result;
#pragma unroll
        for (int k = 0; k < GROUP; k++) result.at[k] = narrowed<SCALAR>(sum[k]);
        store_several<GROUP>(out + i * GROUP, result);
    }
}

// How many numbers a window's mean is taken over.
__device__ __forceinline__ WIDE counted(index_t row, index_t column, int window_y, int window_x, int stride_y, int stride_x, int pad_y, int pad_x, index_t height, index_t width, int framed) {
    index_t top = row * stride_y - pad_y, left = column * stride_x - pad_x;
    index_t bottom = top + window_y < height + pad_y ? top + window_y : height + pad_y;
    index_t right = left + window_x < width + pad_x ? left + window_x : width + pad_x;
    if (!framed) {
        top = top < 0 ? 0 : top, left = left < 0 ? 0 : left;
        bottom = bottom < height ? bottom : height, right = right < width ? right : width;
    }
    return (WIDE)((bottom - top) * (right - left));
}

extern "C" __global__ void __launch_bounds__(256) avg_pool(
    const SCALAR* x, SCALAR* out, index_t xn, index_t xc, index_t xy, index_t xx, ARGUMENTS, int framed
) {
    const Steps steps = {xn, xc, xy, xx};
    const index_t count = batch * channels * out_height * out_width / GROUP;
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const Place<GROUP> place(i, channels, out_height, out_width);
        const index_t top = place.y * stride_y - pad_y, left = place.x * stride_x - pad_x;
        WIDE sum[GROUP];
#pragma unroll
        for (int k = 0; k < GROUP; k++) sum[k] = 0;
        for (index_t row = top < 0 ? 0 : top; row < height && row < top + window_y; row++)
            for (index_t column = left < 0 ? 0 : left; column < width && column < left + window_x; column++) {
                const Several<SCALAR, GROUP> seen = load<SCALAR, GROUP>(x + steps.of(place.n, place.c, row, column));
#pragma unroll
                for (int k = 0; k < GROUP; k++) sum[k] += (WIDE)widened(seen.at[k]);
            }
        const WIDE over = counted(place.y, place.x, window_y, window_x, stride_y, stride_x, pad_y, pad_x, height, width, framed);
        Several<SCALAR, GROUP> result;
#pragma unroll
        for (int k = 0; k < GROUP; k++) result.at[k] = narrowed<SCALAR>(sum[k] / over);
        store_several<GROUP>(out + i * GROUP, result);
    }
}

extern "C" __global__ void __launch_bounds__(256) avg_pool_input(
    const SCALAR* flow, SCALAR* out, index_t fn, index_t fc, index_t fy, index_t fx, ARGUMENTS, int framed
) {
    const Steps steps = {fn, fc, fy, fx};
    const index_t count = batch * channels * height * width / GROUP;
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const Place<GROUP> place(i, channels, height, width);
        const Holders down(place.y, window_y, stride_y, pad_y, 1, out_height), along(place.x, window_x, stride_x, pad_x, 1, out_width);
        WIDE sum[GROUP];
#pragma unroll
        for (int k = 0; k < GROUP; k++) sum[k] = 0;
        for (index_t row = down.first; row <= down.last; row++)
            for (index_t column = along.first; column <= along.last; column++) {
                const Several<SCALAR, GROUP> given = load<SCALAR, GROUP>(flow + steps.of(place.n, place.c, row, column));
                const WIDE over = counted(row, column, window_y, window_x, stride_y, stride_x, pad_y, pad_x, height, width, framed);
#pragma unroll
                for (int k = 0; k < GROUP; k++) sum[k] += (WIDE)widened(given.at[k]) / over;
            }
        Several<SCALAR, GROUP> result;
#pragma unroll
        for (int k = 0; k < GROUP; k++) result.at[k] = narrowed<SCALAR>(sum[k]);
        store_several<GROUP>(out + i * GROUP, result);
    }
}

// The means of whole images by columns: a block for 32 groups of channels of an image, 8 lines of its rows.
extern "C" __global__ void __launch_bounds__(256) global_columns(const SCALAR* x, SCALAR* out, index_t channels, index_t size) {
    __shared__ WIDE sums[8][32 * GROUP + 1];
    const int lane = threadIdx.x % 32, line = threadIdx.x / 32;
    const index_t first = ((index_t)blockIdx.x * 32 + lane) * GROUP, image = blockIdx.y;
    WIDE sum[GROUP];
#pragma unroll
    for (int k = 0; k < GROUP; k++) sum[k] = 0;
    if (first < channels)
#pragma unroll 4
        for (index_t row = line; row < size; row += 8) {
            const Several<SCALAR, GROUP> seen = load<SCALAR, GROUP>(x + (image * size + row) * channels + first);
#pragma unroll
            for (int k = 0; k < GROUP; k++) sum[k] += (WIDE)widened(seen.at[k]);
        }
#pragma unroll
    for (int k = 0; k < GROUP; k++) sums[line][lane * GROUP + k] = sum[k];
    __syncthreads();
    for (int column = threadIdx.x; column < 32 * GROUP; column += blockDim.x) {
        const index_t channel = (index_t)blockIdx.x * 32 * GROUP + column;
        if (channel >= channels) continue;
        WIDE total = 0;
        for (int other = 0; other < 8; other++) total += sums[other][column];
        out[image * channels + channel] = narrowed<SCALAR>(total / (WIDE)size);
    }
}
