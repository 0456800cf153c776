/* Physical ceilings of this machine, as JSON on stdout: fused multiply-add rate, and bandwidth per cache level.
 * Usage: ceilings THREADS.  Each figure is the best of many short blocks: a ceiling, not a median.
 * Method: J. D. McCalpin's STREAM (copy, triad), with a read-only sum added. */
#define _GNU_SOURCE
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#ifdef __AVX512F__
enum { VECTOR_BYTES = 64 };
#else
enum { VECTOR_BYTES = 32 };
#endif
typedef double f64v __attribute__((vector_size(VECTOR_BYTES)));
typedef float f32v __attribute__((vector_size(VECTOR_BYTES)));

enum { LANES_F64 = VECTOR_BYTES / 8, LANES_F32 = VECTOR_BYTES / 4, CHAINS = 12, BLOCKS = 31, MAX_THREADS = 64 };
static const double BLOCK_SECONDS = 0.004, ASSUMED_BANDWIDTH = 20e9;
static volatile double sink;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static __attribute__((noinline)) double fma_f64(long rounds)
{
    f64v acc[CHAINS] = {0}, x = {0}, y = {0};
    x += 0.999;
    y += 1e-3;
    for (int j = 0; j < CHAINS; j++) acc[j] += j; /* equal chains would be merged */
    for (long i = 0; i < rounds; i++)
        for (int j = 0; j < CHAINS; j++) acc[j] = acc[j] * x + y;
    for (int j = 1; j < CHAINS; j++) acc[0] += acc[j];
    return acc[0][0];
}

static __attribute__((noinline)) double fma_f32(long rounds)
{
    f32v acc[CHAINS] = {0}, x = {0}, y = {0};
    x += 0.999f;
    y += 1e-3f;
    for (int j = 0; j < CHAINS; j++) acc[j] += (float)j;
    for (long i = 0; i < rounds; i++)
        for (int j = 0; j < CHAINS; j++) acc[j] = acc[j] * x + y;
    for (int j = 1; j < CHAINS; j++) acc[0] += acc[j];
    return acc[0][0];
}

static __attribute__((noinline)) double copy(double *restrict z, const double *restrict x, const double *restrict y, long n)
{
    (void)y;
    for (long i = 0; i < n; i++) z[i] = x[i] + 0.0; /* the addition keeps gcc from calling memcpy */
    return z[n - 1];
}

static __attribute__((noinline)) double triad(double *restrict z, const double *restrict x, const double *restrict y, long n)
{
    for (long i = 0; i < n; i++) z[i] = x[i] + 3.0 * y[i];
    return z[n - 1];
}

static __attribute__((noinline)) double triad_streamed(double *restrict z, const double *restrict x, const double *restrict y, long n)
{
#if defined __AVX512F__
    const __m512d three = _mm512_set1_pd(3.0);
    for (long i = 0; i < n; i += 8)
        _mm512_stream_pd(z + i, _mm512_fmadd_pd(three, _mm512_load_pd(y + i), _mm512_load_pd(x + i)));
    _mm_sfence();
    return z[n - 1];
#elif defined __SSE2__
    for (long i = 0; i < n; i += 2)
        _mm_stream_pd(z + i, _mm_add_pd(_mm_load_pd(x + i), _mm_mul_pd(_mm_set1_pd(3.0), _mm_load_pd(y + i))));
    _mm_sfence();
    return z[n - 1];
#else
    return triad(z, x, y, n);
#endif
}

static __attribute__((noinline)) double read_only(double *restrict z, const double *restrict x, const double *restrict y, long n)
{
    (void)z;
    (void)y;
    f64v acc[4] = {0};
    for (long i = 0; i < n; i += 4 * LANES_F64)
        for (int j = 0; j < 4; j++) acc[j] += *(const f64v *)(x + i + j * LANES_F64);
    return (acc[0] + acc[1] + acc[2] + acc[3])[0];
}

static double fma_rate(int threads, int is_f32)
{
    const long rounds = 150000;
    double best = 0;
    for (int block = 0; block < BLOCKS; block++) {
        double start = 0, stop = 0;
        usleep(2000);
#pragma omp parallel num_threads(threads)
        {
#pragma omp barrier
#pragma omp master
            start = now();
            sink = is_f32 ? fma_f32(rounds) : fma_f64(rounds);
#pragma omp barrier
#pragma omp master
            stop = now();
        }
        const double rate = 2.0 * threads * rounds * CHAINS * (is_f32 ? LANES_F32 : LANES_F64) / (stop - start);
        if (rate > best) best = rate;
    }
    return best;
}

typedef double kernel(double *restrict, const double *restrict, const double *restrict, long);

/* Best bytes per second of `run`, which touches `arrays` arrays, when each thread works on `bytes` in all. */
static double bandwidth(kernel *run, int arrays, long bytes, int threads)
{
    const long n = bytes / arrays / 8 / 64 * 64, repeats = 1 + (long)(BLOCK_SECONDS * ASSUMED_BANDWIDTH / (double)bytes);
    double *data[MAX_THREADS][3], best = 0;
#pragma omp parallel num_threads(threads)
    for (int k = 0; k < 3; k++) { /* first touch by the thread that will use it */
        double *array = data[omp_get_thread_num()][k] = aligned_alloc(64, (size_t)n * 8);
        for (long i = 0; i < n; i++) array[i] = k;
    }
    for (int block = 0; block < BLOCKS; block++) {
        double start = 0, stop = 0;
        usleep(2000);
#pragma omp parallel num_threads(threads)
        {
            double **mine = data[omp_get_thread_num()];
#pragma omp barrier
#pragma omp master
            start = now();
            for (long r = 0; r < repeats; r++) sink = run(mine[0], mine[1], mine[2], n);
#pragma omp barrier
#pragma omp master
            stop = now();
        }
        const double rate = 8.0 * arrays * (double)n * (double)repeats * threads / (stop - start);
        if (rate > best) best = rate;
    }
    for (int t = 0; t < threads; t++)
        for (int k = 0; k < 3; k++) free(data[t][k]);
    return best;
}

int main(int argc, char **argv)
{
    static const struct { const char *name; long bytes; } levels[] = {
        {"L1", 24L << 10}, {"L2", 384L << 10}, {"L3", 6L << 20}, {"DRAM", 192L << 20}};
    static const struct { kernel *run; int arrays; } kernels[] = {
        {copy, 2}, {triad, 3}, {triad_streamed, 3}, {read_only, 1}};
    const int threads = argc > 1 ? atoi(argv[1]) : 1;
    if (threads < 1 || threads > MAX_THREADS) return 1;
    printf("{\"float32\": %.4g, \"float64\": %.4g", fma_rate(threads, 1), fma_rate(threads, 0));
    for (int level = 0; level < 4; level++) {
        double best = 0;
        for (int k = 0; k < 4; k++) {
            const double rate = bandwidth(kernels[k].run, kernels[k].arrays, levels[level].bytes, threads);
            if (rate > best) best = rate;
        }
        printf(", \"%s\": %.4g", levels[level].name, best);
    }
    puts("}");
    return 0;
}
