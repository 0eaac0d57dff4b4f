// A processor kept busy, so that work that is given meanwhile starts without gaps between its parts.

extern "C" __global__ void wait_cycles(long long cycles) {
    for (long long begin = clock64(); clock64() - begin < cycles;) {
    }
}
