// Rows of tables: picked by number, and added up by number in a fixed order, without atomic additions of floating-point numbers.
//
// INDEX is the type of the numbers, UNIT what is copied at once.

#include "ground.cuh"

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;

// A warp for each row. A row whose number lies outside is filled with ones: NaN where the table holds floating-point numbers.
extern "C" __global__ void __launch_bounds__(256) take_rows(
    const UNIT* table, const INDEX* index, UNIT* out, index_t count, index_t units, index_t step, index_t rows, int who, long long* words
) {
    const int lane = threadIdx.x % 32;
    for (index_t i = (index_t)blockIdx.x * 8 + threadIdx.x / 32; i < count; i += (index_t)gridDim.x * 8) {
        const long long row = (long long)index[i];
        if (row >= 0 && row < rows) {
            for (index_t k = lane; k < units; k += 32) out[i * units + k] = table[row * step + k];
            continue;
        }
        if (lane == 0) complain(words, who, row, rows);
        uchar* to = (uchar*)(out + i * units);
        for (index_t k = lane; k < units * (index_t)sizeof(UNIT); k += 32) to[k] = 255;
    }
}

// The other way: a warp writes each row to where its number says. Numbers are made by the engine itself, each once.
extern "C" __global__ void __launch_bounds__(256) put_rows(
    const UNIT* x, const INDEX* index, UNIT* out, index_t count, index_t units, index_t rows
) {
    const int lane = threadIdx.x % 32;
    for (index_t i = (index_t)blockIdx.x * 8 + threadIdx.x / 32; i < count; i += (index_t)gridDim.x * 8) {
        const long long row = (long long)index[i];
        if (row < 0 || row >= rows) continue;
        for (index_t k = lane; k < units; k += 32) out[row * units + k] = x[i * units + k];
    }
}

#define TILE 1024
#define AHEAD 4

// How many numbers come before each one when they are sorted, equal ones in their order: counted over a share of all of them by each block.
extern "C" __global__ void __launch_bounds__(256) rank_rows(
    const INDEX* index, int* ranks, int* keys, int count, index_t rows, int who, long long* words
) {
    __shared__ int seen[TILE];
    const int mine = blockIdx.x * 256 + threadIdx.x;
    int key = 0;
    if (mine < count) {
        const long long row = (long long)index[mine];
        key = row >= 0 && row < rows ? (int)row : (int)rows;
        if (blockIdx.y == 0) {
            keys[mine] = key;
            if (key == (int)rows) complain(words, who, row, rows);
        }
    }
    const int share = ((count + TILE - 1) / TILE + gridDim.y - 1) / gridDim.y * TILE, from = blockIdx.y * share;
    const int to = from + share < count ? from + share : count;
    int before = 0;
    for (int start = from; start < to; start += TILE) {
        const int number = to - start < TILE ? to - start : TILE;
        __syncthreads();
        for (int k = threadIdx.x; k < number; k += 256) {
            const long long row = (long long)index[start + k];
            seen[k] = row >= 0 && row < rows ? (int)row : (int)rows;
        }
        __syncthreads();
        if (mine < count) {
            // Of a tile that lies before all of this block's numbers equal ones count, of one behind them none.
            if (start + number <= (int)(blockIdx.x * 256)) {
                for (int k = 0; k < number; k++) before += seen[k] <= key;
            } else if (start >= (int)(blockIdx.x * 256 + 256)) {
                for (int k = 0; k < number; k++) before += seen[k] < key;
            } else {
                for (int k = 0; k < number; k++) before += seen[k] < key || (seen[k] == key && start + k < mine);
            }
        }
    }
    if (mine < count && before) atomicAdd(&ranks[mine], before);
}

extern "C" __global__ void __launch_bounds__(256) place_rows(const int* ranks, const int* keys, long long* order, int* sorted, int count) {
    const int mine = blockIdx.x * 256 + threadIdx.x;
    if (mine >= count) return;
    order[ranks[mine]] = mine;
    sorted[ranks[mine]] = keys[mine];
}

// Many numbers are put in order by their digits of 8 bits, the last digit first: three kernels for each digit. Equal ones keep their order.
extern "C" __global__ void __launch_bounds__(256) key_rows(
    const INDEX* index, int* keys, long long* order, index_t count, index_t rows, int who, long long* words
) {
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const long long row = (long long)index[i];
        const bool lies = row >= 0 && row < rows;
        if (!lies) complain(words, who, row, rows);
        keys[i] = lies ? (int)row : (int)rows;
        order[i] = i;
    }
}

// How many keys of each block's share have each digit: (digits, blocks).
extern "C" __global__ void __launch_bounds__(256) count_digits(const int* keys, int* counts, index_t count, index_t share, int shift) {
    __shared__ int own[256];
    own[threadIdx.x] = 0;
    __syncthreads();
    const index_t from = blockIdx.x * share, to = from + share < count ? from + share : count;
    for (index_t i = from + threadIdx.x; i < to; i += 256) atomicAdd(&own[keys[i] >> shift & 255], 1);
    __syncthreads();
    counts[threadIdx.x * gridDim.x + blockIdx.x] = own[threadIdx.x];
}

// Where the keys of each digit and block begin: the sums of what comes before. One block, a digit for each thread.
extern "C" __global__ void __launch_bounds__(256) start_digits(int* counts, int blocks) {
    __shared__ int totals[256];
    int* own = counts + threadIdx.x * blocks;
    int sum = 0;
    for (int k = 0; k < blocks; k++) sum += own[k];
    totals[threadIdx.x] = sum;
    __syncthreads();
    int before = 0;
    for (int digit = 0; digit < (int)threadIdx.x; digit++) before += totals[digit];
    for (int k = 0; k < blocks; k++) {
        const int number = own[k];
        own[k] = before;
        before += number;
    }
}

// Each key to its place: where its digit and block begin, behind those of its digit that the block has met.
extern "C" __global__ void __launch_bounds__(256) move_digits(
    const int* keys, const long long* order, int* keys_out, long long* order_out, const int* starts, index_t count, index_t share, int shift
) {
    __shared__ int next[256], digits[256];
    next[threadIdx.x] = starts[threadIdx.x * gridDim.x + blockIdx.x];
    const index_t from = blockIdx.x * share, to = from + share < count ? from + share : count;
    for (index_t start = from; start < to; start += 256) {
        const index_t i = start + threadIdx.x;
        const int key = i < to ? keys[i] : 0, digit = i < to ? key >> shift & 255 : 256;
        digits[threadIdx.x] = digit;
        __syncthreads();
        if (i < to) {
            int rank = 0;
            for (int k = 0; k < (int)threadIdx.x; k++) rank += digits[k] == digit;
            const int place = next[digit] + rank;
            keys_out[place] = key;
            order_out[place] = order[i];
        }
        __syncthreads();
        if (i < to) atomicAdd(&next[digit], 1);
        __syncthreads();
    }
}

// Sums of runs of equal keys in pieces of `piece` sorted places. What reaches over a piece's ends is left in `heads` and `tails`.
extern "C" __global__ void __launch_bounds__(128) sum_pieces(
    const SCALAR* x, const long long* order, const int* sorted, SCALAR* out, WIDE* heads, WIDE* tails, index_t count, index_t width, index_t rows, int piece
) {
    const index_t column = (index_t)blockIdx.x * 128 + threadIdx.x, from = (index_t)blockIdx.y * piece, to = from + piece < count ? from + piece : count;
    if (column >= width) return;
    int key = sorted[from];
    bool open = from > 0 && sorted[from - 1] == key;  // whether this run began before
    WIDE sum = 0;
    for (index_t place = from; place < to; place += AHEAD) {
        // Several loads are under way before the first of them is needed.
        SCALAR value[AHEAD];
        int next[AHEAD];
#pragma unroll
        for (int k = 0; k < AHEAD; k++)
            if (place + k < to) {
                next[k] = sorted[place + k];
                value[k] = x[order[place + k] * width + column];
            }
#pragma unroll
        for (int k = 0; k < AHEAD; k++) {
            if (place + k >= to) break;
            if (next[k] != key) {
                if (open) heads[(index_t)blockIdx.y * width + column] = sum;
                else if (key < rows) out[(index_t)key * width + column] = narrowed<SCALAR>(sum);
                open = false;
                key = next[k];
                sum = 0;
            }
            sum += (WIDE)widened(value[k]);
        }
    }
    const bool goes_on = to < count && sorted[to] == key;
    if (open) heads[(index_t)blockIdx.y * width + column] = sum;
    else if (goes_on) tails[(index_t)blockIdx.y * width + column] = sum;
    else if (key < rows) out[(index_t)key * width + column] = narrowed<SCALAR>(sum);
}

// The runs that reach over the ends of pieces, each put together by the piece in which it began.
extern "C" __global__ void __launch_bounds__(128) sum_runs(
    const int* sorted, SCALAR* out, const WIDE* heads, const WIDE* tails, index_t count, index_t width, index_t rows, int piece
) {
    const index_t column = (index_t)blockIdx.x * 128 + threadIdx.x, from = (index_t)blockIdx.y * piece, to = from + piece;
    if (column >= width || to >= count) return;
    const int key = sorted[to - 1];
    if (sorted[to] != key || key >= rows) return;
    if (from > 0 && sorted[from - 1] == key) return;  // it began before
    WIDE sum = tails[(index_t)blockIdx.y * width + column];
    for (index_t next = blockIdx.y + 1; next * piece < count && sorted[next * piece] == key; next++) sum += heads[next * width + column];
    out[(index_t)key * width + column] = narrowed<SCALAR>(sum);
}
