// Rows of numbers that lie side by side, each held by a team of TEAM threads: a warp or a part of one, or all of a block.
//
// A thread's pieces lie TEAM * EACH numbers apart, EACH of them in one access. With CHUNKS pieces at most a row stays in
// registers and is read once; with CHUNKS 0 it is read as often as it is needed, however wide it is.

#define EACH ((int)(16 / sizeof(SCALAR)))
#define KEPT (CHUNKS ? CHUNKS : 1)

typedef Several<SCALAR, EACH> Piece;

template <class How, class T>
__device__ __forceinline__ T over_team(T value) {
    if (TEAM > 32) return over_block<How>(value);
#pragma unroll
    for (int away = (TEAM < 32 ? TEAM : 32) / 2; away > 0; away >>= 1) value = How::of(value, __shfl_xor_sync(EVERYWHERE, value, away));
    return value;
}

// Two sums over a team at once.
template <class T>
__device__ __forceinline__ void over_team(T& first, T& second) {
    first = over_warp<Sum>(first);
    second = over_warp<Sum>(second);
    if (TEAM <= 32) return;
    __shared__ T parts[2][32];
    const int lane = threadIdx.x & 31, warps = blockDim.x >> 5;
    __syncthreads();  // the parts of a call before are read
    if (lane == 0) {
        parts[0][threadIdx.x >> 5] = first;
        parts[1][threadIdx.x >> 5] = second;
    }
    __syncthreads();
    first = over_warp<Sum>(lane < warps ? parts[0][lane] : T(0));
    second = over_warp<Sum>(lane < warps ? parts[1][lane] : T(0));
}

// Call how(row, whether there is such a row) for each row of this thread's team. All teams of a warp call it equally often, so that what they
// ask of each other is answered.
template <class How>
__device__ __forceinline__ void each_row(index_t rows, How how) {
    const int teams = blockDim.x / TEAM, team = threadIdx.x / TEAM, ahead = TEAM < 32 ? team % (32 / (TEAM < 32 ? TEAM : 32)) : 0;
    for (index_t row = (index_t)blockIdx.x * teams + team; row - ahead < rows; row += (index_t)gridDim.x * teams) how(row, row < rows);
}

__device__ __forceinline__ bool lies_at(const void* address, int bytes) { return ((unsigned long long)address & (bytes - 1)) == 0; }

// Pieces of a thread in a row.
__device__ __forceinline__ int pieces(index_t width) { return CHUNKS ? CHUNKS : (int)((width + TEAM * EACH - 1) / (TEAM * EACH)); }

// The place of a piece's first number.
__device__ __forceinline__ index_t place_of(int piece) { return ((index_t)piece * TEAM + threadIdx.x % TEAM) * EACH; }

// `whole` says that every piece is aligned and lies within the row; else numbers past its end are `none`.
template <class T>
__device__ __forceinline__ Several<T, EACH> load_piece(const T* row, index_t first, index_t width, bool whole, float none = 0) {
    if (whole) return load_several<EACH>(row + first);
    Several<T, EACH> values;
#pragma unroll
    for (int k = 0; k < EACH; k++) values.at[k] = first + k < width ? row[first + k] : narrowed<T>(none);
    return values;
}

template <class T>
__device__ __forceinline__ void store_piece(T* row, index_t first, index_t width, bool whole, const Several<T, EACH>& values) {
    if (whole) {
        store_several<EACH>(row + first, values);
        return;
    }
#pragma unroll
    for (int k = 0; k < EACH; k++)
        if (first + k < width) row[first + k] = values.at[k];
}
