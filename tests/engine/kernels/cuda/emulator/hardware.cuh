// The emulator's form of hardware.cuh: the same names, in portable C++, with checked alignment.

struct half { unsigned short bits; };
struct bfloat { unsigned short bits; };

inline float widened(half x) {
    const unsigned sign = (unsigned)(x.bits & 0x8000) << 16, exponent = x.bits >> 10 & 31, fraction = x.bits & 1023;
    if (exponent == 31) return __uint_as_float(sign | 0x7f800000 | fraction << 13);
    const float size = exponent ? std::ldexp(1 + fraction / 1024.0f, (int)exponent - 15) : std::ldexp(fraction / 1024.0f, -14);
    return sign ? -size : size;
}

inline float widened(bfloat x) { return __uint_as_float((unsigned)x.bits << 16); }

inline void narrow(float x, half& y) {
    const unsigned short sign = __float_as_uint(x) >> 16 & 0x8000;
    const float size = std::fabs(x);
    if (size != size) { y.bits = 0x7fff; return; }
    if (size >= 65520) { y.bits = sign | 0x7c00; return; }
    if (size < 0.00006103515625f) { y.bits = sign | (unsigned short)std::nearbyint(std::ldexp(size, 24)); return; }
    int exponent;
    const float fraction = std::frexp(size, &exponent);  // [0.5, 1)
    y.bits = sign | (unsigned short)(((exponent + 13) << 10) + (int)std::nearbyint(std::ldexp(fraction, 11)));
}

inline void narrow(float x, bfloat& y) {
    const unsigned bits = __float_as_uint(x);
    y.bits = x != x ? 0x7fff : (unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

template <class T, int count>
struct alignas(sizeof(T) * count) Several { T at[count]; };

template <int count, class T>
inline Several<T, count> load_several(const T* from) {
    emulator::aligned_to<T>(from, sizeof(T) * count);
    Several<T, count> values;
    memcpy((void*)&values, (const void*)from, sizeof values);
    return values;
}

template <int count, class T>
inline void store_several(T* to, const Several<T, count>& values) {
    emulator::aligned_to<T>(to, sizeof(T) * count);
    memcpy((void*)to, (const void*)&values, sizeof values);
}

inline float power_of_two(float x) { return std::exp2(x); }

// Copies that a thread has asked for. Half of the machines make them at once and half when they are waited for, so that neither
// what is read too early nor what is overwritten too early goes unseen.
struct Ahead { float* to; const float* from; int bytes; };
static std::vector<std::vector<Ahead>> ahead;

inline void copy_now(const Ahead& copy) {
    if (copy.from) memcpy((void*)copy.to, (const void*)copy.from, copy.bytes);
    else memset((void*)copy.to, 0, copy.bytes);
}

template <int bytes>
inline void copy_ahead(float* to, const float* from, bool there) {
    static_assert(bytes == 4 || bytes == 16, "copies ahead are of 4 or 16 bytes");
    emulator::aligned_to<float>(to, bytes);
    if (there) emulator::aligned_to<float>(from, bytes);
    const Ahead copy = {to, there ? from : nullptr, bytes};
    if (!emulator::descending) return copy_now(copy);
    if (ahead.size() <= emulator::current) ahead.resize(emulator::current + 1);
    ahead[emulator::current].push_back(copy);
}

inline void await_copies() {
    if (ahead.size() <= emulator::current) return;
    for (const Ahead& copy : ahead[emulator::current]) copy_now(copy);
    ahead[emulator::current].clear();
}
