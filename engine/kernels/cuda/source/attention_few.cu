// Attention of few queries, as a decoder's steps ask for it: a block for each query, in one launch for any number of keys.
//
// LANES threads hold a key's width, 16 bytes each, so that the block walks over 256 / LANES keys at once, AHEAD times before it thinks.
// Each such group keeps the greatest score it has met, and what it summed with that taken away; in the end they are put together.

#include "ground.cuh"

#define EACH (16 / (int)sizeof(SCALAR))
#define GROUPS (256 / LANES)
#define AHEAD 4

extern "C" __global__ void __launch_bounds__(256) attention_few(
    const SCALAR* query, const SCALAR* key, const SCALAR* value, const SCALAR* bias, SCALAR* out, index_t keys, index_t bias_entry,
    index_t bias_head, index_t bias_query, index_t bias_key, index_t heads, index_t queries, index_t width, index_t query_entry,
    index_t query_head, index_t query_row, index_t key_entry, index_t key_head, index_t key_row, index_t value_entry,
    index_t value_head, index_t value_row, index_t out_entry, index_t out_head, index_t out_row, float scale) {
    __shared__ float peaks[GROUPS], sums[GROUPS], parts[256 * EACH];
    const int lane = threadIdx.x % LANES, group = threadIdx.x / LANES;
    const index_t row = blockIdx.x % queries, head = blockIdx.x / queries % heads, entry = blockIdx.x / queries / heads;
    const index_t column = lane * EACH;
    const bool mine = column < width;
    query += entry * query_entry + head * query_head + row * query_row + column;
    key += entry * key_entry + head * key_head + column;
    value += entry * value_entry + head * value_head + column;
    if (bias) bias += entry * bias_entry + head * bias_head + row * bias_query;
    float asked[EACH], gathered[EACH], peak = -INFINITE, sum = 0;
    Several<SCALAR, EACH> given;
    if (mine) given = load_several<EACH>(query);
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        asked[i] = mine ? widened(given.at[i]) * scale : 0.0f;
        gathered[i] = 0;
    }
    for (index_t base = 0; base < keys; base += GROUPS * AHEAD) {
        Several<SCALAR, EACH> looked[AHEAD], held[AHEAD];
        float score[AHEAD];
#pragma unroll
        for (int n = 0; n < AHEAD; n++) {
            const index_t at = base + n * GROUPS + group;
            if (at >= keys || !mine) continue;
            looked[n] = load_several<EACH>(key + at * key_row);
            held[n] = load_several<EACH>(value + at * value_row);
        }
        float highest = peak;
#pragma unroll
        for (int n = 0; n < AHEAD; n++) {
            const index_t at = base + n * GROUPS + group;
            float fit = 0;
            if (at < keys && mine) {
#pragma unroll
                for (int i = 0; i < EACH; i++) fit += asked[i] * widened(looked[n].at[i]);
            }
#pragma unroll
            for (int away = LANES / 2; away > 0; away >>= 1) fit += __shfl_xor_sync(EVERYWHERE, fit, away);
            if (at < keys && bias) fit += widened(bias[at * bias_key]);
            score[n] = at < keys ? fit : -INFINITE;
            highest = Peak::of(highest, score[n]);
        }
        const float kept = peak == -INFINITE ? 0.0f : exp(peak - highest);
        sum *= kept;
#pragma unroll
        for (int i = 0; i < EACH; i++) gathered[i] *= kept;
#pragma unroll
        for (int n = 0; n < AHEAD; n++) {
            if (score[n] == -INFINITE) continue;
            const float weight = exp(score[n] - highest);
            sum += weight;
            if (!mine) continue;
#pragma unroll
            for (int i = 0; i < EACH; i++) gathered[i] += weight * widened(held[n].at[i]);
        }
        peak = highest;
    }
    if (lane == 0) {
        peaks[group] = peak;
        sums[group] = sum;
    }
#pragma unroll
    for (int i = 0; i < EACH; i++) parts[group * (LANES * EACH) + column + i] = gathered[i];
    __syncthreads();
    float highest = -INFINITE, total = 0;
    for (int g = 0; g < GROUPS; g++) highest = Peak::of(highest, peaks[g]);
    for (int g = 0; g < GROUPS; g++) total += sums[g] * (peaks[g] == -INFINITE ? 0.0f : exp(peaks[g] - highest));
    for (index_t at = threadIdx.x; at < width; at += 256) {
        float gathered_all = 0;
        for (int g = 0; g < GROUPS; g++)
            gathered_all += parts[g * (LANES * EACH) + at] * (peaks[g] == -INFINITE ? 0.0f : exp(peaks[g] - highest));
        // A query that may see no key gets 0; what is no number stays none.
        out[entry * out_entry + head * out_head + row * out_row + at] = narrowed<SCALAR>(total == 0 ? 0.0f : gathered_all / total);
    }
}
