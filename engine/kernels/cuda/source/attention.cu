// What attention does between its two products where the scores are held: the softmax of a block of them, its gradient, the
// masks of dropout; and what biases that hide whole rows need where the scores are not held.

#include "ground.cuh"
#include "philox.cuh"

// Where the rows of a bias lie beside the rows of scores (entries, heads, queries), which it may repeat.
struct Places {
    index_t heads, queries, entry_step, head_step, query_step, key_step;

    __device__ __forceinline__ index_t of(index_t row) const {
        const index_t head = row / queries;
        return head / heads * entry_step + head % heads * head_step + row % queries * query_step;
    }
};

// Scores plus bias become weights, in place. A key that comes after its query has no weight, nor has any key of a query that
// may see none; `before` queries come before the first.
extern "C" __global__ void __launch_bounds__(256) attention_softmax(
    WIDE* scores, const SCALAR* bias, index_t rows, index_t keys, index_t heads, index_t queries, index_t entry_step,
    index_t head_step, index_t query_step, index_t key_step, index_t before, int causal) {
    const Places places = {heads, queries, entry_step, head_step, query_step, key_step};
    for (index_t row = blockIdx.x; row < rows; row += gridDim.x) {
        WIDE* at = scores + row * keys;
        const index_t last = before + row % queries + 1;
        const index_t seen = causal && last < keys ? last : keys;
        WIDE peak = -INFINITE;
        if (bias) {
            const SCALAR* added = bias + places.of(row);
            for (index_t key = threadIdx.x; key < seen; key += blockDim.x) {
                const WIDE value = at[key] + (WIDE)widened(added[key * key_step]);
                at[key] = value;
                peak = Greatest::of(peak, value);
            }
        } else {
            for (index_t key = threadIdx.x; key < seen; key += blockDim.x) peak = Greatest::of(peak, at[key]);
        }
        peak = over_block<Greatest>(peak);
        const bool hidden = peak == WIDE(-INFINITE);
        WIDE sum = 0;
        for (index_t key = threadIdx.x; key < seen; key += blockDim.x) {
            const WIDE value = hidden ? WIDE(0) : exp(at[key] - peak);
            at[key] = value;
            sum += value;
        }
        sum = over_block<Sum>(sum);
        const WIDE share = hidden ? WIDE(0) : WIDE(1) / sum;
        for (index_t key = threadIdx.x; key < keys; key += blockDim.x) at[key] = key < seen ? at[key] * share : WIDE(0);
    }
}

// weights (flow - sum of weights flow), in place of flow.
extern "C" __global__ void __launch_bounds__(256) attention_gradient(const WIDE* weights, WIDE* flow, index_t rows, index_t keys) {
    for (index_t row = blockIdx.x; row < rows; row += gridDim.x) {
        const WIDE* weight = weights + row * keys;
        WIDE* at = flow + row * keys;
        WIDE sum = 0;
        for (index_t key = threadIdx.x; key < keys; key += blockDim.x) sum += weight[key] * at[key];
        sum = over_block<Sum>(sum);
        for (index_t key = threadIdx.x; key < keys; key += blockDim.x) at[key] = weight[key] * (at[key] - sum);
    }
}

// What dropout leaves of a block: 16 bits of Philox's stream for each element, or 32. The key lies at `seed`, and the block's
// number is the counter's last word.
extern "C" __global__ void attention_mask(
    bool* mask, index_t count, const unsigned long long* seed, unsigned long long block, unsigned int limit, int bits) {
    const int each = 256 / bits;
    const unsigned long long first = seed[0], second = seed[1];
    for (index_t place = first_index(); place * each < count; place += all_threads()) {
        unsigned long long word[4] = {(unsigned long long)place + 1, 0, 0, block};
        philox(word, first, second);
        // Words by numbers that the compiler knows, or they would leave the registers.
#pragma unroll
        for (int w = 0; w < 4; w++)
            for (int shift = 0; shift < 64; shift += bits) {
                const index_t at = place * each + (w * 64 + shift) / bits;
                const unsigned long long drawn = word[w] >> shift;
                const unsigned int number = (unsigned int)(bits == 16 ? drawn & 0xffff : drawn & 0xffffffff);
                if (at < count) mask[at] = number >= limit;
            }
    }
}

// Two numbers to the GPU without a copy from the host.
extern "C" __global__ void attention_seed(unsigned long long* seed, unsigned long long first, unsigned long long second) {
    seed[0] = first;
    seed[1] = second;
}

// A bias without gaps whose numbers are finite: `lowest` instead of anything below.
extern "C" __global__ void attention_bias(
    const SCALAR* bias, SCALAR* out, index_t count, index_t heads, index_t queries, index_t keys, index_t entry_step,
    index_t head_step, index_t query_step, index_t key_step, WIDE lowest) {
    const Places places = {heads, queries, entry_step, head_step, query_step, key_step};
    for (index_t place = first_index(); place < count; place += all_threads()) {
        const WIDE value = (WIDE)widened(bias[places.of(place / keys) + place % keys * key_step]);
        out[place] = narrowed<SCALAR>(value < lowest ? lowest : value);
    }
}

// Zeros for every query whose bias is minus infinity throughout, and (if they are kept) so great a sum of its row that all of
// its weights are 0 on the way back. A warp looks at a row of the bias, which may serve many queries; most are known by their first keys.
extern "C" __global__ void attention_hidden(
    const SCALAR* bias, SCALAR* out, float* sums, index_t rows, index_t own_entries, index_t own_heads, index_t own_queries,
    index_t keys, index_t entry_step, index_t head_step, index_t query_step, index_t key_step, index_t entries, index_t heads,
    index_t queries, index_t width, index_t out_entry, index_t out_head, index_t out_query) {
    const Places places = {own_heads, own_queries, entry_step, head_step, query_step, key_step};
    const int lane = threadIdx.x & 31;
    for (index_t row = first_index() >> 5; row < rows; row += all_threads() >> 5) {
        const SCALAR* at = bias + places.of(row);
        bool hidden = true;
        for (index_t first = 0; hidden && first < keys; first += 32) {
            const index_t key = first + lane;
            const WIDE value = key < keys ? (WIDE)widened(at[key * key_step]) : WIDE(-INFINITE);
            hidden = over_warp<Greatest>(value) == WIDE(-INFINITE);
        }
        if (!hidden) continue;
        const index_t own_query = row % own_queries, others = row / own_queries;
        for (index_t entry = others / own_heads; entry < entries; entry += own_entries)
            for (index_t head = others % own_heads; head < heads; head += own_heads)
                for (index_t query = own_query; query < queries; query += own_queries) {
                    SCALAR* zeroed = out + entry * out_entry + head * out_head + query * out_query;
                    for (index_t column = lane; column < width; column += 32) zeroed[column] = narrowed<SCALAR>(WIDE(0));
                    if (sums != nullptr && lane == 0) sums[(entry * heads + head) * queries + query] = 1e30f;
                }
    }
}
