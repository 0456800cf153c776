struct egt_env {
    egt_rt *rt;
    int64_t chunk;
    int64_t error, far;
    void *const *arg;
    int64_t n_n;
    int64_t n_m;
    const float *x0;
    float *y0;
    float *y1;
};

/* reduce_sum
 * a0: float32[n,m] read
 * a1: float32[m] written
 */
static void k0(void *ctx, int64_t lo, int64_t hi)
{
    struct egt_env *const e = ctx;
    (void)lo, (void)hi;
    const int64_t n_m = e->n_m;
    const int64_t n_n = e->n_n;
    const float *const restrict a0 = e->arg[0];
    float *const restrict a1 = e->arg[1];
    for (int64_t u = lo; u < hi; ++u) {
        const int64_t b = u * 512;
        const int64_t w = n_m - b < 512 ? n_m - b : 512;
        float s0[512];
        for (int64_t k = 0; k < w; ++k) s0[k] = 0x0p+0f;
        for (int64_t c = 0; c < n_n; c += 256) {
            float acc0[512];
            for (int64_t k = 0; k < w; ++k) acc0[k] = 0x0p+0f;
            const int64_t end = n_n - c < 256 ? n_n : c + 256;
            for (int64_t i1 = c; i1 < end; ++i1) {
                #pragma omp simd
                for (int64_t k = 0; k < w; ++k) {
                    const int64_t i0 = b + k;
                    const float t0 = a0[i0 + n_m*i1];
                    acc0[k] = acc0[k] + t0;
                }
            }
            for (int64_t k = 0; k < w; ++k) s0[k] = s0[k] + acc0[k];
        }
        #pragma omp simd
        for (int64_t k = 0; k < w; ++k) {
            const int64_t i0 = b + k;
            a1[i0] = s0[k];
        }
    }
}

/* multiply
 * a0: float32[n,m] read
 * a1: float32[m,n] written
 */
static void k1(void *ctx, int64_t lo, int64_t hi)
{
    struct egt_env *const e = ctx;
    (void)lo, (void)hi;
    const int64_t n_m = e->n_m;
    const int64_t n_n = e->n_n;
    const float *const restrict a0 = e->arg[0];
    float *const restrict a1 = e->arg[1];
    for (int64_t u = lo; u < hi; ++u) {
        const int64_t b = u * 32;
        const int64_t top = n_m - b < 32 ? n_m : b + 32;
        for (int64_t c = 0; c < n_n; c += 32) {
            const int64_t end = n_n - c < 32 ? n_n : c + 32;
            float w0[1056];
            for (int64_t i1 = c; i1 < end; ++i1)
                for (int64_t i0 = b; i0 < top; ++i0) w0[(i0 - b) * 33 + i1 - c] = a0[i0 + n_m*i1];
            for (int64_t i0 = b; i0 < top; ++i0) {
                #pragma omp simd
                for (int64_t i1 = c; i1 < end; ++i1) {
                    const float t0 = w0[(i0 - b) * 33 + i1 - c];
                    const float t1 = t0 * 0x1p+1f;
                    a1[n_n*i0 + i1] = t1;
                }
            }
        }
    }
}

static void egt_sizes(struct egt_env *e, const int64_t *const *shape)
{
    (void)e, (void)shape;
    e->n_n = shape[0][0];
    e->n_m = shape[0][1];
}

static __attribute__((noinline)) int64_t egt_layout(struct egt_env *e, uint64_t arena)
{
    const uint64_t start = arena;
    (void)e;
    const int64_t n_n = e->n_n; (void)n_n;
    const int64_t n_m = e->n_m; (void)n_m;
    return (int64_t)(arena - start);
}

int egt_prepare(const int64_t *const *in_shape, int64_t *const *out_shape, int64_t *plan)
{
    struct egt_env environment, *const e = &environment;
    (void)out_shape;
    egt_sizes(e, in_shape);
    const int64_t n_n = e->n_n; (void)n_n;
    const int64_t n_m = e->n_m; (void)n_m;
    out_shape[0][0] = n_m;
    out_shape[1][0] = n_m;
    out_shape[1][1] = n_n;
    plan[0] = egt_layout(e, 0);
    plan[1] = n_m * n_n * 2 + n_m * n_n * 2;
    return 0;
}

/* Run a kernel over its units, in pieces of about 25000 additions where there is much to do; never
 * more than ``limit`` pieces where there is one. */
static void egt_run(struct egt_env *e, void (*kernel)(void *, int64_t, int64_t), int64_t units,
                    int64_t points, double work, int64_t grain, int64_t limit)
{
    const double total = (double)points * work;
    int64_t chunk = units > 0 ? units : 1;
    if (total > 100000 && units > 1) {
        chunk = (int64_t)(25000 / total * (double)units);
        chunk = (chunk + grain - 1) / grain * grain;
        chunk = chunk < grain ? grain : chunk;
        if (limit && chunk * limit < units) chunk = (units + limit - 1) / limit;
    }
    e->chunk = chunk;
    if (chunk >= units) kernel(e, 0, units);
    else e->rt->parallel_for(units, chunk, kernel, e);
}

/* One plane of a copy, in tiles: rows of the copy are contiguous, columns of the original may be. */
#define EGT_PACK(name, type) \
    static void name(char *to, int64_t to_row, const char *from, int64_t row, int64_t step, \
                     int64_t m, int64_t n) \
    { \
        for (int64_t b = 0; b < m; b += 32) \
            for (int64_t c = 0; c < n; c += 32) \
                for (int64_t i = b; i < m && i < b + 32; ++i) \
                    for (int64_t j = c; j < n && j < c + 32; ++j) \
                        ((type *)(to + i * to_row))[j] = *(const type *)(from + i * row + j * step); \
    }
EGT_PACK(egt_pack1, int8_t)
EGT_PACK(egt_pack2, int16_t)
EGT_PACK(egt_pack4, int32_t)
EGT_PACK(egt_pack8, int64_t)

/* The argument itself if it is C-contiguous, else a packed copy; 0: no memory. */
static char *egt_contiguous(egt_rt *rt, char *data, int rank, const int64_t *shape,
                            const int64_t *strides, int64_t itemsize)
{
    int64_t bytes = itemsize, packed = 1, size[32];
    for (int k = rank - 1; k >= 0; --k) {
        packed &= shape[k] == 1 || strides[k] == bytes;
        size[k] = bytes;
        bytes *= shape[k];
    }
    if (packed || !bytes) return data;
    char *const made = rt->alloc(rt, bytes);
    if (!made) return 0;
    /* planes over the last axis and the one along which the original is most nearly contiguous */
    int across = rank - 2;
    for (int k = rank - 2; k >= 0; --k) across = strides[k] == itemsize ? k : across;
    const int64_t last = rank - 1, m = rank > 1 ? shape[across] : 1;
    const int64_t row = rank > 1 ? strides[across] : 0, to_row = rank > 1 ? size[across] : 0;
    int64_t index[32] = {0};
    for (int k = 0; k >= 0;) {
        int64_t to = 0, from = 0;
        for (k = 0; k < last; ++k) to += index[k] * size[k], from += index[k] * strides[k];
        (itemsize == 8 ? egt_pack8 : itemsize == 4 ? egt_pack4 : itemsize == 2 ? egt_pack2 : egt_pack1)(
            made + to, to_row, data + from, row, strides[last], m, shape[last]);
        for (k = (int)last - 1; k >= 0; --k) {
            if (k == across) continue;
            if (++index[k] < shape[k]) break;
            index[k] = 0;
        }
    }
    return made;
}

int egt_main(egt_rt *rt, char **data, const int64_t *const *shape, const int64_t *const *strides)
{
    struct egt_env environment, *const e = &environment;
    (void)data, (void)strides;
    e->rt = rt;
    e->error = 0, e->far = 0;
    egt_sizes(e, shape);
    egt_layout(e, (uint64_t)rt->arena);
    const int64_t n_n = e->n_n; (void)n_n;
    const int64_t n_m = e->n_m; (void)n_m;
    e->x0 = (void *)egt_contiguous(rt, data[0], 2, shape[0], strides[0], 4);
    if (!e->x0) return EGT_OUT_OF_MEMORY;
    e->y0 = (void *)data[1];
    e->y1 = (void *)data[2];
    e->arg = (void *[]){(void *)e->x0, (void *)e->y0};
    egt_run(e, k0, (n_m + 511) / 512, n_m * n_n, 2, 1, 0);
    e->arg = (void *[]){(void *)e->x0, (void *)e->y1};
    egt_run(e, k1, (n_m + 31) / 32, n_m * n_n, 2, 1, 0);
    return (int)e->error;
}
