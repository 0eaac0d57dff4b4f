// What can only be said in the machine's own words: conversions of narrow floats, and accesses of several numbers at once.

struct half { unsigned short bits; };
struct bfloat { unsigned short bits; };

__device__ __forceinline__ float widened(half x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}

__device__ __forceinline__ float widened(bfloat x) { return __uint_as_float((unsigned)x.bits << 16); }

__device__ __forceinline__ void narrow(float x, half& y) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x)); }

__device__ __forceinline__ void narrow(float x, bfloat& y) { asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x)); }

// `count` numbers that lie side by side at an address that their size divides: one access for up to 16 bytes.
template <class T, int count>
struct alignas(sizeof(T) * count) Several { T at[count]; };

template <int count, class T>
__device__ __forceinline__ Several<T, count> load_several(const T* from) {
    return *reinterpret_cast<const Several<T, count>*>(from);
}

template <int count, class T>
__device__ __forceinline__ void store_several(T* to, const Several<T, count>& values) {
    *reinterpret_cast<Several<T, count>*>(to) = values;
}

// 2 to the power of x, of which the last bits may be wrong.
__device__ __forceinline__ float power_of_two(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// `bytes` (4 or 16) from the GPU's memory to shared memory while this thread goes on, or zeros instead of them. They are there for this
// thread once it has awaited its copies, and for others after a barrier.
template <int bytes>
__device__ __forceinline__ void copy_ahead(float* to, const float* from, bool there) {
    const unsigned place = (unsigned)__cvta_generic_to_shared(to);
    const int count = there ? bytes : 0;
    if (bytes == 16) asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(place), "l"(from), "r"(count) : "memory");
    else asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(place), "l"(from), "r"(count) : "memory");
}

__device__ __forceinline__ void await_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// Shared memory of whatever size the launch asks for.
#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
