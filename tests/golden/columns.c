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

/* multiply
 * a0: float32[n,m] read
 * a1: float32[m,n] written
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

/* reduce_sum
 * a0: float32[n,m] read
 * a1: float32[m] written
 */
static void k1(void *ctx, int64_t lo, int64_t hi)
{
    struct egt_env *const e = ctx;
    (void)lo, (void)hi;
    const int64_t n_m = e->n_m;
    const int64_t n_n = e->n_n;
    const float *const restrict a0 = e->arg[0];
    float *const restrict a1 = e->arg[1];
    const int64_t width = egt_columns(n_m, 1);
    for (int64_t u = lo; u < hi; ++u) {
        const int64_t b = u * width;
        const int64_t w = n_m - b < width ? n_m - b : width;
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
    e->x0 = (void *)rt->contiguous(rt, data[0], 2, shape[0], strides[0], 4);
    if (!e->x0) return EGT_OUT_OF_MEMORY;
    e->y0 = (void *)data[1];
    e->y1 = (void *)data[2];
    e->arg = (void *[]){(void *)e->x0, (void *)e->y1};
    egt_run(e, k0, ((n_m + 31) / 32), n_m * n_n, 2, 1, 0);
    e->arg = (void *[]){(void *)e->x0, (void *)e->y0};
    egt_run(e, k1, ((n_m + egt_columns(n_m, 1) - 1) / egt_columns(n_m, 1)), n_m * n_n, 2, 1, 0);
    return (int)e->error;
}
