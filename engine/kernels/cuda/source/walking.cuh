// Numbers of any dtype brought to the type they are computed in and back, and places in arrays that lie anyhow.

template <class W, class T> __device__ __forceinline__ W computed(T x) { return (W)x; }
template <class W> __device__ __forceinline__ W computed(half x) { return (W)widened(x); }
template <class W> __device__ __forceinline__ W computed(bfloat x) { return (W)widened(x); }

// A double becomes a half in one rounding: the float between is rounded to odd, which loses nothing that a half would show.
__device__ __forceinline__ void narrow(double x, half& y) {
    float between = (float)x;
    if ((double)between != x && between == between) {
        int bits = __float_as_int(between);
        if (fabs((double)between) > fabs(x)) bits--;
        between = __int_as_float(bits | 1);
    }
    narrow(between, y);
}
__device__ __forceinline__ void narrow(double x, bfloat& y) { narrow((float)x, y); }

template <class T> struct Stored {
    template <class V> __device__ __forceinline__ static T from(V x) { return (T)x; }
};
template <> struct Stored<half> {
    template <class V> __device__ __forceinline__ static half from(V x) { return narrowed<half>((float)x); }
    __device__ __forceinline__ static half from(double x) { return narrowed<half>(x); }
    __device__ __forceinline__ static half from(half x) { return x; }
};
template <> struct Stored<bfloat> {
    template <class V> __device__ __forceinline__ static bfloat from(V x) { return narrowed<bfloat>((float)x); }
    __device__ __forceinline__ static bfloat from(bfloat x) { return x; }
};
// Fractions become small whole numbers by way of large ones, which wrap.
#define WHOLE(type)                                                                                    \
    template <> struct Stored<type> {                                                                  \
        template <class V> __device__ __forceinline__ static type from(V x) { return (type)x; }        \
        __device__ __forceinline__ static type from(float x) { return (type)(long long)x; }            \
        __device__ __forceinline__ static type from(double x) { return (type)(long long)x; }           \
    };
WHOLE(signed char) WHOLE(unsigned char) WHOLE(short) WHOLE(unsigned short)

template <class T, class V> __device__ __forceinline__ T stored(V x) { return Stored<T>::from(x); }

// Sizes of up to eight axes, the outermost first, and for up to four arrays how far apart neighbours along them are.
struct Walk {
    int axes, unused;
    index_t size[8];
    unsigned multiplier[8], shift[8];  // which divide by a size, for numbers below 2^31
    index_t stride[4][8];

    __device__ __forceinline__ unsigned quotient(unsigned i, int axis) const { return (__umulhi(i, multiplier[axis]) + i) >> shift[axis]; }
    __device__ __forceinline__ index_t quotient(index_t i, int axis) const { return i / size[axis]; }

    // Where the element number `i` of the walk lies in each array.
    template <class Index, int arrays>
    __device__ __forceinline__ void offsets(Index i, index_t* offset) const {
#pragma unroll
        for (int array = 0; array < 4; array++) offset[array] = 0;
        for (int axis = axes - 1; axis > 0; axis--) {
            const Index above = quotient(i, axis);
            const index_t place = (index_t)(i - above * (Index)size[axis]);
            i = above;
#pragma unroll
            for (int array = 0; array < arrays; array++) offset[array] += place * stride[array][axis];
        }
#pragma unroll
        for (int array = 0; array < arrays; array++) offset[array] += (index_t)i * stride[array][0];
    }
};
