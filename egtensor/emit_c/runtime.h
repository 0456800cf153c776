/* The calling convention between a compiled function and the runtime of egtensor.
 * Standard headers cost gcc 40 to 130 ms per function, so this text includes none: it is put as it
 * is before every generated file, and runtime.c includes it. */
#ifndef EGT_RUNTIME_H
#define EGT_RUNTIME_H
typedef __INT8_TYPE__ int8_t;
typedef __INT16_TYPE__ int16_t;
typedef __INT32_TYPE__ int32_t;
typedef __INT64_TYPE__ int64_t;
typedef __UINT8_TYPE__ uint8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;

/* What the entry points below may return besides 0 and a positive site number. */
#define EGT_OUT_OF_MEMORY (-1)
#define EGT_UNSUPPORTED (-2)

/* Strides are in bytes everywhere; dtype is NumPy's type number. parallel_for and matmul may be
 * called from any thread; the other members are for the thread that called egt_main. */
typedef struct egt_rt egt_rt;
struct egt_rt {
    /* f(ctx, lo, hi) once for each lo = 0, chunk, 2 chunk, ... with hi = min(lo + chunk, n), in any
     * order and on any thread; what is computed therefore never depends on the number of threads. */
    void (*parallel_for)(int64_t n, int64_t chunk, void (*f)(void *ctx, int64_t lo, int64_t hi),
                         void *ctx);
    /* A temporary of data-dependent size, 64-byte aligned, freed when the call ends; or 0. */
    void *(*alloc)(egt_rt *rt, int64_t bytes);
    /* Output j of data-dependent size, C-contiguous, also entered into data, shape and strides; or
     * 0 when there is no memory. */
    void *(*alloc_output)(egt_rt *rt, int32_t j, const int64_t *shape);
    /* c[i,j] = sum_k a[i,k] b[k,j] for each of the batch; returns 0 or a status above. */
    int (*matmul)(egt_rt *rt, int dtype, int64_t m, int64_t n, int64_t k, const char *a,
                  int64_t a_row, int64_t a_column, const char *b, int64_t b_row, int64_t b_column,
                  char *c, int64_t c_row, int64_t c_column, int64_t batch, int64_t a_batch,
                  int64_t b_batch, int64_t c_batch);
    /* LAPACK's getrf in place: its info, 0 or the 1-based place of a zero pivot; or as matmul. */
    int (*getrf)(egt_rt *rt, int dtype, int64_t n, char *a_column_major, int32_t *pivots);
    /* data itself if it is C-contiguous, else a packed copy that is freed when the call ends; 0: no
     * memory. */
    char *(*contiguous)(egt_rt *rt, char *data, int32_t rank, const int64_t *shape,
                        const int64_t *strides, int64_t itemsize);
    char *arena;     /* plan[0] bytes, 64-byte aligned; contents undefined */
    int64_t info[4]; /* detail of an error, for the message */
};

/* The two entry points of a compiled function.
 *
 * in_shape   shapes of all inputs, then of all shared variables
 * out_shape  room for the shapes of the outputs; -1 in dimension 0: decided while running
 * plan       [0] bytes of arena, [1] estimated work in elementary operations; [2] to [5]
 *            detail of an error
 * returns    0, or a positive site number when sizes do not agree */
int egt_prepare(const int64_t *const *in_shape, int64_t *const *out_shape, int64_t *plan);
/* data, shape, strides: inputs, then shared variables, then outputs. Outputs overlap
 * nothing. Returns 0, a positive site number, or a status above. */
int egt_main(egt_rt *rt, char **data, const int64_t *const *shape, const int64_t *const *strides);
#endif
