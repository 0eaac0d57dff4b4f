// Numbers that must lie within bounds, looked at where they lie; the first that does not is complained of.

#include "ground.cuh"

typedef signed char schar;
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;

// With `within`, those that lie inside are wrong.
extern "C" __global__ void __launch_bounds__(256) look_at_integers(
    const INDEX* x, index_t count, long long low, long long high, int within, int who, long long* words
) {
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const long long number = (long long)x[i];
        if ((number >= low && number <= high) == (within != 0)) complain(words, who, number, high + 1);
    }
}

// A NaN lies nowhere. The number is told by its bits.
extern "C" __global__ void __launch_bounds__(256) look_at_numbers(
    const SCALAR* x, index_t count, double low, double high, int who, long long* words
) {
    for (index_t i = first_index(); i < count; i += all_threads()) {
        const double number = (double)widened(x[i]);
        if (!(number >= low && number <= high)) complain(words, who, __double_as_longlong(number), 0);
    }
}
