// Functions of one number or two for elementwise kernels: in float and in double by the same name, NaN and infinities as in the bodies.

#define OF_ONE(name)                                                                                   \
    __device__ __forceinline__ float name##_of(float x) { return name##f(x); }                         \
    __device__ __forceinline__ double name##_of(double x) { return name(x); }
#define OF_TWO(name)                                                                                   \
    __device__ __forceinline__ float name##_of(float x, float y) { return name##f(x, y); }             \
    __device__ __forceinline__ double name##_of(double x, double y) { return name(x, y); }

OF_ONE(exp) OF_ONE(exp2) OF_ONE(expm1) OF_ONE(log) OF_ONE(log2) OF_ONE(log10) OF_ONE(log1p) OF_ONE(sqrt)
OF_ONE(sin) OF_ONE(cos) OF_ONE(tan) OF_ONE(asin) OF_ONE(acos) OF_ONE(atan)
OF_ONE(sinh) OF_ONE(cosh) OF_ONE(tanh) OF_ONE(asinh) OF_ONE(acosh) OF_ONE(atanh)
OF_ONE(erf) OF_ONE(erfc) OF_ONE(floor) OF_ONE(ceil) OF_ONE(trunc) OF_ONE(rint) OF_ONE(fabs)
OF_TWO(pow) OF_TWO(fmod) OF_TWO(atan2) OF_TWO(hypot) OF_TWO(copysign) OF_TWO(fmax) OF_TWO(fmin)

// Around its zeros below 0 a float would lose what the terms have in common.
template <class T> __device__ __forceinline__ T lgamma_of(T x) { return (T)lgamma((double)x); }

template <class T> __device__ __forceinline__ bool is_finite(T x) { return x - x == x - x; }
template <class T> __device__ __forceinline__ bool is_infinite(T x) { return x == x && !is_finite(x); }
__device__ __forceinline__ bool sign_of(float x) { return __float_as_int(x) < 0; }
__device__ __forceinline__ bool sign_of(double x) { return __double_as_longlong(x) < 0; }

// The larger and the smaller; a NaN wins.
template <class T> __device__ __forceinline__ T greater(T a, T b) { return a != a ? a : (b != b ? b : (a > b ? a : b)); }
template <class T> __device__ __forceinline__ T lesser(T a, T b) { return a != a ? a : (b != b ? b : (a < b ? a : b)); }

template <class T> __device__ __forceinline__ T sigmoid_of(T x) { return T(1) / (T(1) + exp_of(-x)); }
template <class T> __device__ __forceinline__ T softplus_of(T x) { return greater(x, T(0)) + log1p_of(exp_of(-fabs_of(x))); }
template <class T> __device__ __forceinline__ T sinc_of(T x) { return x == T(0) ? T(1) : sin_of(x * T(3.141592653589793)) / (x * T(3.141592653589793)); }

template <class T> __device__ __forceinline__ T gelu_slope(T x) {
    return (erf_of(x * T(0.7071067811865476)) + T(1)) * T(0.5) + x * exp_of(x * x * T(-0.5)) * T(0.3989422804014327);
}
template <class T> __device__ __forceinline__ T gelu_tanh_of(T x) {
    return T(0.5) * x * (T(1) + tanh_of(T(0.7978845608028654) * (x + T(0.044715) * x * x * x)));
}
template <class T> __device__ __forceinline__ T gelu_tanh_slope(T x) {
    const T bent = tanh_of(T(0.7978845608028654) * (x + T(0.044715) * x * x * x));
    return (bent + T(1)) * T(0.5) + x * (T(1) - bent * bent) * (T(1) + T(0.134145) * x * x) * T(0.3989422804014327);
}
template <class T> __device__ __forceinline__ T silu_slope(T x) {
    const T gate = sigmoid_of(x);
    return gate * (x * (T(1) - gate) + T(1));
}
template <class T> __device__ __forceinline__ T mish_slope(T x) {
    const T bent = tanh_of(softplus_of(x));
    return bent + x * (T(1) - bent * bent) * sigmoid_of(x);
}
template <class T> __device__ __forceinline__ T hardsigmoid_of(T x) { return lesser(greater(x + T(3), T(0)), T(6)) * T(1.0 / 6); }
template <class T> __device__ __forceinline__ T hardswish_slope(T x) { return x <= T(-3) ? T(0) : (x < T(3) ? x / T(3) + T(0.5) : T(1)); }

// log(exp(a) + exp(b)), and the same with powers of 2.
template <class T> __device__ __forceinline__ T logaddexp_of(T a, T b) {
    return greater(a, b) + log1p_of(exp_of(a == b ? T(0) : -fabs_of(a - b)));
}
template <class T> __device__ __forceinline__ T logaddexp2_of(T a, T b) {
    return greater(a, b) + log1p_of(exp2_of(a == b ? T(0) : -fabs_of(a - b))) * T(1.4426950408889634);
}
template <class T> __device__ __forceinline__ T xlogy_of(T a, T b) { return a == T(0) && b == b ? T(0) : a * log_of(b); }

// Quotients rounded down and their rests, which have the divisor's sign.
template <class T> __device__ __forceinline__ T rest_of(T a, T b) {
    const T rest = fmod_of(a, b);
    if (b == T(0) || rest != rest) return rest;
    if (rest == T(0)) return copysign_of(T(0), b);
    return (b < T(0)) != (rest < T(0)) ? rest + b : rest;
}
template <class T> __device__ __forceinline__ T floor_quotient(T a, T b) {
    if (b == T(0)) return a / b;
    const T rest = fmod_of(a, b);
    T whole = (a - rest) / b;
    if (rest != T(0) && (b < T(0)) != (rest < T(0))) whole -= T(1);
    if (whole == T(0)) return copysign_of(T(0), a / b);
    const T down = floor_of(whole);
    return whole - down > T(0.5) ? down + T(1) : down;
}
// The same of whole numbers; the divisor is not 0. Dividing by -1 may pass the type's end, negating without a sign may not.
template <class T> __device__ __forceinline__ T whole_quotient(T a, T b) {
    if (b == T(-1) && T(-1) < T(0)) return (T)(0ull - (unsigned long long)a);
    const T q = a / b;
    return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}
template <class T> __device__ __forceinline__ T whole_rest(T a, T b) {
    if (b == T(-1) && T(-1) < T(0)) return T(0);
    const T rest = a % b;
    return (rest != 0 && (rest < 0) != (b < 0)) ? rest + b : rest;
}
template <class T> __device__ __forceinline__ T whole_power(T base, T times) {
    unsigned long long result = 1, factor = (unsigned long long)base;
    for (unsigned long long left = (unsigned long long)times; left; left >>= 1, factor *= factor)
        if (left & 1) result *= factor;
    return (T)result;
}
// A shift by as many places as there are bits, or more, leaves nothing but the sign.
template <class T> __device__ __forceinline__ T shifted_up(T a, T b) {
    return b < 0 || b >= (T)(8 * sizeof(T)) ? T(0) : (T)((unsigned long long)a << (int)b);
}
template <class T> __device__ __forceinline__ T shifted_down(T a, T b) {
    if (b < 0 || b >= (T)(8 * sizeof(T))) return a < 0 ? (T)-1 : T(0);
    return (T)(a >> (int)b);
}

template <class T> __device__ __forceinline__ bool close_to(T a, T b, T relative, T absolute, bool nan_too) {
    if (a == b) return true;
    if (nan_too && a != a && b != b) return true;
    const T gap = fabs_of(a - b);
    return is_finite(gap) && gap <= absolute + relative * fabs_of(b);
}
template <class T> __device__ __forceinline__ T lerp_of(T a, T b, T weight) {
    return fabs_of(weight) < T(0.5) ? a + weight * (b - a) : b - (b - a) * (T(1) - weight);
}
template <class T> __device__ __forceinline__ T logit_of(T x) { return log_of(x / (T(1) - x)); }
template <class T> __device__ __forceinline__ T huber_of(T away, T delta) {
    const T size = fabs_of(away), near = lesser(size, delta);
    return near * (size - T(0.5) * near);
}
