// Sums of rows with a residual, some of what is added left out at random, and the sums normalised; with their gradients.

#include "ground.cuh"
#include "rows.cuh"
#include "philox.cuh"
#include "norms.cuh"

#ifndef SOURCE  // of what is added to the residual: as wide as the sums, or narrower
#define SOURCE SCALAR
#endif
#ifndef DROPS  // whether some of it is left out
#define DROPS 0
#endif
#ifndef FLOWS  // how many flows to the normalised sums are to be added up
#define FLOWS 1
#endif
#ifndef BESIDE  // whether something flows back to the sums themselves
#define BESIDE 0
#endif

typedef Several<SOURCE, EACH> Given;
typedef Several<bool, EACH> Mask;

__device__ __forceinline__ SOURCE scaled(SOURCE x, bool kept, WIDE scale) { return narrowed<SOURCE>((WIDE)widened(x) * (WIDE)kept * scale); }

// Which elements from number `at` on are kept: as the stream's next booleans would say.
template <bool whole>
__device__ __forceinline__ Mask drawn(const Stream& stream, index_t at, unsigned limit) {
    Mask kept;
    if (!whole) {  // a piece may begin anywhere among four
        for (int k = 0; k < EACH; k++) kept.at[k] = bits_of(stream, (at + k) / 4).at[(at + k) % 4] >= limit;
    } else if (EACH < 4) {
        const Bits bits = bits_of(stream, at / 4);
#pragma unroll
        for (int k = 0; k < EACH; k++) kept.at[k] = (at & 2 ? bits.at[(k + 2) % 4] : bits.at[k]) >= limit;
    } else {
#pragma unroll
        for (int four = 0; four < EACH / 4; four++) {
            const Bits bits = bits_of(stream, at / 4 + four);
#pragma unroll
            for (int k = 0; k < 4; k++) kept.at[4 * four + k] = bits.at[k] >= limit;
        }
    }
    return kept;
}

struct Sums {
    const SOURCE* x;
    const SCALAR* residual;
    SCALAR* total;  // may be missing where a row is held
    bool* mask;
    Stream stream;
    unsigned limit;
    WIDE scale;

    struct Raw { Given x; Piece residual; };

    template <bool whole> __device__ __forceinline__ Raw read(index_t row, index_t first, index_t width) const {
        return Raw{load_piece(x + row * width, first, width, whole), load_piece(residual + row * width, first, width, whole)};
    }

    template <bool whole> __device__ __forceinline__ Piece piece(const Raw& raw, index_t row, index_t first, index_t width) const {
        Piece sum;
        Mask kept;
        if (DROPS) {
            kept = drawn<whole>(stream, row * width + first, limit);
            store_piece(mask + row * width, first, width, whole, kept);
        }
#pragma unroll
        for (int k = 0; k < EACH; k++) {
            const SOURCE part = DROPS ? scaled(raw.x.at[k], kept.at[k], scale) : raw.x.at[k];
            sum.at[k] = narrowed<SCALAR>((WIDE)widened(part) + (WIDE)widened(raw.residual.at[k]));
        }
        if (total) store_piece(total + row * width, first, width, whole, sum);
        return sum;
    }

    template <bool whole> __device__ __forceinline__ Piece again(index_t row, index_t first, index_t width) const {
        return load_piece((const SCALAR*)total + row * width, first, width, whole);
    }

    __device__ __forceinline__ bool aligned() const {
        return lies_at(x, EACH * sizeof(SOURCE)) && lies_at(residual, 16) && lies_at(total, 16) && lies_at(mask, EACH);
    }
};

template <bool centred>
__device__ __forceinline__ void normalise_sums(
    Stream* stream, const SOURCE* x, const SCALAR* residual, const PARAM* weight, const PARAM* bias, SCALAR* out, TWIN* twin, SCALAR* total,
    bool* mask, WIDE* means, WIDE* inverses, index_t rows, index_t width, WIDE epsilon, unsigned limit, double scale
) {
    Sums sums{x, residual, total, mask, Stream(), limit, (WIDE)scale};
    if (DROPS) {
        sums.stream = *stream;
        advance(stream, (rows * width + 3) / 4);
    }
    normalise_rows<centred>(sums, weight, bias, out, twin, means, inverses, rows, width, epsilon);
}

extern "C" __global__ void __launch_bounds__(BLOCK) add_layer_norm(
    Stream* stream, const SOURCE* x, const SCALAR* residual, const PARAM* weight, const PARAM* bias, SCALAR* out, TWIN* twin, SCALAR* total,
    bool* mask, WIDE* means, WIDE* inverses, index_t rows, index_t width, WIDE epsilon, unsigned limit, double scale
) {
    normalise_sums<true>(stream, x, residual, weight, bias, out, twin, total, mask, means, inverses, rows, width, epsilon, limit, scale);
}

extern "C" __global__ void __launch_bounds__(BLOCK) add_rms_norm(
    Stream* stream, const SOURCE* x, const SCALAR* residual, const PARAM* weight, SCALAR* out, TWIN* twin, SCALAR* total, bool* mask,
    WIDE* inverses, index_t rows, index_t width, WIDE epsilon, unsigned limit, double scale
) {
    normalise_sums<false>(
        stream, x, residual, weight, (const PARAM*)0, out, twin, total, mask, (WIDE*)0, inverses, rows, width, epsilon, limit, scale
    );
}

// What flows to the normalised sums: from each that read them.
struct Flows {
    const SCALAR* at[4];

    template <bool whole> __device__ __forceinline__ Piece read(index_t row, index_t first, index_t width) const {
        Piece sum = load_piece(at[0] + row * width, first, width, whole);
#pragma unroll
        for (int i = 1; i < FLOWS; i++) {
            const Piece other = load_piece(at[i] + row * width, first, width, whole);
#pragma unroll
            for (int k = 0; k < EACH; k++) sum.at[k] = narrowed<SCALAR>((WIDE)widened(sum.at[k]) + (WIDE)widened(other.at[k]));
        }
        return sum;
    }

    __device__ __forceinline__ bool aligned() const { return lies_at(at[0], 16) && lies_at(at[1], 16) && lies_at(at[2], 16) && lies_at(at[3], 16); }
};

// What flows to the sums flows to the residual, and to what was added to it where that was kept.
struct Summands {
    SCALAR* residual;
    SOURCE* x;  // may be missing where the same flows to both
    const SCALAR* beside;
    const bool* mask;
    WIDE scale;

    struct Held {
#if BESIDE
        Piece beside;
#endif
#if DROPS
        Mask mask;
#endif
    };

    template <bool whole> __device__ __forceinline__ Held read(index_t row, index_t first, index_t width) const {
        Held held;
#if BESIDE
        held.beside = load_piece(beside + row * width, first, width, whole);
#endif
#if DROPS
        held.mask = load_mask<whole>(row * width, first, width);
#endif
        return held;
    }

    template <bool whole> __device__ __forceinline__ Mask load_mask(index_t start, index_t first, index_t width) const {
        if (whole) return load_several<EACH>(mask + start + first);
        Mask kept;
        for (int k = 0; k < EACH; k++) kept.at[k] = first + k < width && mask[start + first + k];
        return kept;
    }

    template <bool whole>
    __device__ __forceinline__ void write(const Numbers& numbers, const Held& held, index_t row, index_t first, index_t width) const {
        Piece result;
        Given part;
#pragma unroll
        for (int k = 0; k < EACH; k++) {
            result.at[k] = narrowed<SCALAR>(numbers.at[k]);
#if BESIDE
            result.at[k] = narrowed<SCALAR>((WIDE)widened(result.at[k]) + (WIDE)widened(held.beside.at[k]));
#endif
            part.at[k] = narrowed<SOURCE>((WIDE)widened(result.at[k]));
#if DROPS
            part.at[k] = scaled(part.at[k], held.mask.at[k], scale);
#endif
        }
        store_piece(residual + row * width, first, width, whole, result);
        if (x) store_piece(x + row * width, first, width, whole, part);
    }

    __device__ __forceinline__ bool aligned() const {
        return lies_at(residual, 16) && lies_at(x, EACH * sizeof(SOURCE)) && lies_at(beside, 16) && lies_at(mask, EACH);
    }
};

extern "C" __global__ void __launch_bounds__(BLOCK) add_layer_norm_backward(
    const SCALAR* flow, const SCALAR* second, const SCALAR* third, const SCALAR* fourth, const SCALAR* beside, const SCALAR* total, const PARAM* weight, const WIDE* means, const WIDE* inverses,
    const bool* mask, SOURCE* x_out, SCALAR* residual_out, WIDE* along, WIDE* across, index_t rows, index_t width, double scale
) {
    const Summands ends{residual_out, x_out, beside, mask, (WIDE)scale};
    backward<true>(Flows{{flow, second, third, fourth}}, total, weight, means, inverses, ends, along, across, rows, width);
}

extern "C" __global__ void __launch_bounds__(BLOCK) add_rms_norm_backward(
    const SCALAR* flow, const SCALAR* second, const SCALAR* third, const SCALAR* fourth, const SCALAR* beside, const SCALAR* total, const PARAM* weight, const WIDE* inverses, const bool* mask, SOURCE* x_out,
    SCALAR* residual_out, WIDE* along, index_t rows, index_t width, double scale
) {
    const Summands ends{residual_out, x_out, beside, mask, (WIDE)scale};
    backward<false>(Flows{{flow, second, third, fourth}}, total, weight, (const WIDE*)0, inverses, ends, along, (WIDE*)0, rows, width);
}
