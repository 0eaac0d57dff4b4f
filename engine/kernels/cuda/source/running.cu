// The running statistics of a batch normalisation, moved towards a batch's, and the count of batches: one launch.

#include "ground.cuh"

// mean, variance: running, SCALAR; batch_mean, batch_variance: float32 or wider, as WIDE; count may be null.
extern "C" __global__ void move_statistics(
    SCALAR* mean, SCALAR* variance, long long* count, const WIDE* batch_mean, const WIDE* batch_variance, WIDE kept, WIDE share,
    WIDE share_of_variance, index_t channels) {
    for (index_t i = first_index(); i < channels; i += all_threads()) {
        mean[i] = narrowed<SCALAR>(widened(mean[i]) * kept + batch_mean[i] * share);
        variance[i] = narrowed<SCALAR>(widened(variance[i]) * kept + batch_variance[i] * share_of_variance);
    }
    if (count && blockIdx.x == 0 && threadIdx.x == 0) *count += 1;
}
