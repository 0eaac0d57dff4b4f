// Normalisation of rows, and its gradients, whatever the rows are read from and whatever is done with what flows back: see layer_norm.cu, residuals.cu.
//
// The gradients of weight and bias are sums over rows: each block adds up the rows it takes, and column_totals the blocks.

#ifndef TWIN  // what the results are written in besides, where that is wanted
#define TWIN SCALAR
#endif
#define RESTS (CHUNKS && CHUNKS * EACH <= 24)  // whether weight and bias stay in registers from row to row

typedef Several<PARAM, EACH> Factors;
typedef Several<WIDE, EACH> Numbers;

// Where rows come from. `Raw` is what is read of a piece, from which `piece` makes its numbers; `again` gives the numbers of a piece once more.
struct Rows {
    const SCALAR* x;
    typedef Piece Raw;
    template <bool whole> __device__ __forceinline__ Raw read(index_t row, index_t first, index_t width) const {
        return load_piece(x + row * width, first, width, whole);
    }
    template <bool whole> __device__ __forceinline__ Piece piece(const Raw& raw, index_t, index_t, index_t) const { return raw; }
    template <bool whole> __device__ __forceinline__ Piece again(index_t row, index_t first, index_t width) const {
        return read<whole>(row, first, width);
    }
    __device__ __forceinline__ bool aligned() const { return lies_at(x, 16); }
};

template <bool centred, bool whole, class Source>
__device__ __forceinline__ void normalise(
    const Source& given, const PARAM* weight, const PARAM* bias, SCALAR* out, TWIN* twin, WIDE* means, WIDE* inverses, index_t rows, index_t width,
    WIDE epsilon
) {
    const int count = pieces(width);
    Factors scales[KEPT], shifts[KEPT];
    if (RESTS) {
#pragma unroll
        for (int c = 0; c < KEPT; c++) {
            if (weight && place_of(c) < width) scales[c] = load_piece(weight, place_of(c), width, whole);
            if (bias && place_of(c) < width) shifts[c] = load_piece(bias, place_of(c), width, whole);
        }
    }
    each_row(rows, [&](index_t row, bool) {
        Piece held[KEPT];
        WIDE mean = 0, squares = 0;
        if (CHUNKS) {  // all that a thread takes of a row is read before any of it is looked at
            typename Source::Raw raw[KEPT];
#pragma unroll
            for (int c = 0; c < KEPT; c++)
                if (place_of(c) < width) raw[c] = given.template read<whole>(row, place_of(c), width);
#pragma unroll
            for (int c = 0; c < KEPT; c++)
                if (place_of(c) < width) held[c] = given.template piece<whole>(raw[c], row, place_of(c), width);
        }
#pragma unroll
        for (int c = 0; c < count; c++) {
            const index_t first = place_of(c);
            if (first >= width) continue;
            const Piece piece = CHUNKS ? held[c % KEPT] : given.template piece<whole>(given.template read<whole>(row, first, width), row, first, width);
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                const WIDE value = widened(piece.at[k]);
                if (centred) mean += value;
                else squares += value * value;
            }
        }
        if (centred) {
            mean = over_team<Sum>(mean) / (WIDE)width;
#pragma unroll
            for (int c = 0; c < count; c++) {
                const index_t first = place_of(c);
                if (first >= width) continue;
                const Piece piece = CHUNKS ? held[c % KEPT] : given.template again<whole>(row, first, width);
#pragma unroll
                for (int k = 0; k < EACH; k++) {
                    const WIDE away = (WIDE)widened(piece.at[k]) - mean;
                    if (whole || first + k < width) squares += away * away;
                }
            }
        }
        const WIDE inverse = WIDE(1) / sqrt(over_team<Sum>(squares) / (WIDE)width + epsilon);
        if (inverses && threadIdx.x % TEAM == 0) {  // where they are wanted for the way back
            if (centred) means[row] = mean;
            inverses[row] = inverse;
        }
        SCALAR* to = out + row * width;
#pragma unroll
        for (int c = 0; c < count; c++) {
            const index_t first = place_of(c);
            if (first >= width) continue;
            const Piece piece = CHUNKS ? held[c % KEPT] : given.template again<whole>(row, first, width);
            Factors scale, shift;
            if (weight) scale = RESTS ? scales[c % KEPT] : load_piece(weight, first, width, whole);
            if (bias) shift = RESTS ? shifts[c % KEPT] : load_piece(bias, first, width, whole);
            Piece result;
            Several<TWIN, EACH> narrow;
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                WIDE value = ((WIDE)widened(piece.at[k]) - mean) * inverse;
                if (weight) value *= (WIDE)widened(scale.at[k]);
                if (bias) value += (WIDE)widened(shift.at[k]);
                result.at[k] = narrowed<SCALAR>(value);
                narrow.at[k] = narrowed<TWIN>(value);
            }
            store_piece(to, first, width, whole, result);
            if (twin) store_piece(twin + row * width, first, width, whole, narrow);
        }
    });
}

template <bool centred, class Source>
__device__ __forceinline__ void normalise_rows(
    const Source& given, const PARAM* weight, const PARAM* bias, SCALAR* out, TWIN* twin, WIDE* means, WIDE* inverses, index_t rows, index_t width,
    WIDE epsilon
) {
    const int bytes = EACH * sizeof(PARAM);
    if (width % EACH == 0 && given.aligned() && lies_at(out, 16) && lies_at(weight, bytes) && lies_at(bias, bytes))
        normalise<centred, true>(given, weight, bias, out, twin, means, inverses, rows, width, epsilon);
    else normalise<centred, false>(given, weight, bias, out, twin, means, inverses, rows, width, epsilon);
}

// Where what flows back to rows goes. `Held` is what is read of a piece before it is known what flows to it.
struct Slopes {
    SCALAR* out;
    struct Held {};
    template <bool whole> __device__ __forceinline__ Held read(index_t, index_t, index_t) const { return Held(); }
    template <bool whole> __device__ __forceinline__ void write(const Numbers& numbers, const Held&, index_t row, index_t first, index_t width) const {
        Piece result;
#pragma unroll
        for (int k = 0; k < EACH; k++) result.at[k] = narrowed<SCALAR>(numbers.at[k]);
        store_piece(out + row * width, first, width, whole, result);
    }
    __device__ __forceinline__ bool aligned() const { return lies_at(out, 16); }
};

// A thread's part of the sums over the rows that its team takes.
struct Columns { WIDE with_hat[KEPT][EACH], alone[KEPT][EACH]; };

template <bool centred, bool whole, class Flow, class Ends>
__device__ __forceinline__ void slopes(
    const Flow& flow, const SCALAR* x, const PARAM* weight, const WIDE* means, const WIDE* inverses, const Ends& ends, Columns& columns,
    index_t rows, index_t width
) {
    const int count = pieces(width);
    const WIDE share = WIDE(1) / (WIDE)width;
    each_row(rows, [&](index_t row, bool) {
        const SCALAR* from = x + row * width;
        Piece held[KEPT], came[KEPT];
        typename Ends::Held more[KEPT];
        if (CHUNKS) {  // all that a thread takes of a row is read before any of it is looked at
#pragma unroll
            for (int c = 0; c < KEPT; c++)
                if (place_of(c) < width) {
                    held[c] = load_piece(from, place_of(c), width, whole);
                    came[c] = flow.template read<whole>(row, place_of(c), width);
                    more[c] = ends.template read<whole>(row, place_of(c), width);
                }
        }
        const WIDE mean = centred ? means[row] : WIDE(0), inverse = inverses[row];
        WIDE sum = 0, product = 0;
#pragma unroll
        for (int c = 0; c < count; c++) {
            const index_t first = place_of(c);
            if (first >= width) continue;
            const Piece piece = CHUNKS ? held[c % KEPT] : load_piece(from, first, width, whole);
            const Piece given = CHUNKS ? came[c % KEPT] : flow.template read<whole>(row, first, width);
            Several<PARAM, EACH> scale;
            if (weight) scale = load_piece(weight, first, width, whole);
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                const WIDE hat = ((WIDE)widened(piece.at[k]) - mean) * inverse, flowing = widened(given.at[k]);
                const WIDE part = weight ? flowing * (WIDE)widened(scale.at[k]) : flowing;
                if (centred) sum += part;
                product += part * hat;
                if (CHUNKS) {
                    columns.with_hat[c % KEPT][k] += flowing * hat;
                    columns.alone[c % KEPT][k] += flowing;
                }
            }
        }
        over_team(sum, product);
        // (part - mean of the parts - hat times mean of the products) inverse, as three factors of what is at hand.
        const WIDE by_distance = -product * share * inverse * inverse, shift = -sum * share * inverse;
#pragma unroll
        for (int c = 0; c < count; c++) {
            const index_t first = place_of(c);
            if (first >= width) continue;
            const Piece piece = CHUNKS ? held[c % KEPT] : load_piece(from, first, width, whole);
            const Piece given = CHUNKS ? came[c % KEPT] : flow.template read<whole>(row, first, width);
            Several<PARAM, EACH> scale;
            if (weight) scale = load_piece(weight, first, width, whole);
            Numbers result;
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                const WIDE flowing = widened(given.at[k]), part = weight ? flowing * (WIDE)widened(scale.at[k]) : flowing;
                result.at[k] = part * inverse + (((WIDE)widened(piece.at[k]) - mean) * by_distance + shift);
            }
            if (!CHUNKS) more[0] = ends.template read<whole>(row, first, width);
            ends.template write<whole>(result, more[c % KEPT], row, first, width);
        }
    });
}

template <bool centred, class Flow, class Ends>
__device__ __forceinline__ void backward(
    const Flow& flow, const SCALAR* x, const PARAM* weight, const WIDE* means, const WIDE* inverses, const Ends& ends,
    WIDE* along, WIDE* total, index_t rows, index_t width
) {
    const bool whole = width % EACH == 0 && lies_at(x, 16) && flow.aligned() && ends.aligned() && lies_at(weight, EACH * sizeof(PARAM));
    Columns columns;
#pragma unroll
    for (int c = 0; c < KEPT; c++)
#pragma unroll
        for (int k = 0; k < EACH; k++) columns.with_hat[c][k] = columns.alone[c][k] = 0;
    if (whole) slopes<centred, true>(flow, x, weight, means, inverses, ends, columns, rows, width);
    else slopes<centred, false>(flow, x, weight, means, inverses, ends, columns, rows, width);
#if CHUNKS && BLOCK == TEAM
#pragma unroll
    for (int c = 0; c < KEPT; c++) {
        const index_t first = place_of(c);
#pragma unroll
        for (int k = 0; k < EACH; k++)
            if (first + k < width) {
                along[blockIdx.x * width + first + k] = columns.with_hat[c][k];
                if (centred) total[blockIdx.x * width + first + k] = columns.alone[c][k];
            }
    }
#elif CHUNKS
    // The teams of a block one after another, so that the order of additions is always the same.
    DYNAMIC_SHARED(memory);
    WIDE* sums = (WIDE*)memory;
    for (int team = 0; team < (int)blockDim.x / TEAM; team++) {
        if ((int)threadIdx.x / TEAM == team) {
#pragma unroll
            for (int c = 0; c < KEPT; c++) {
                const index_t first = place_of(c);
#pragma unroll
                for (int k = 0; k < EACH; k++)
                    if (first + k < width) {
                        sums[first + k] = (team ? sums[first + k] : WIDE(0)) + columns.with_hat[c][k];
                        if (centred) sums[width + first + k] = (team ? sums[width + first + k] : WIDE(0)) + columns.alone[c][k];
                    }
            }
        }
        __syncthreads();
    }
    for (index_t column = threadIdx.x; column < width; column += blockDim.x) {
        along[blockIdx.x * width + column] = sums[column];
        if (centred) total[blockIdx.x * width + column] = sums[width + column];
    }
#endif
}
