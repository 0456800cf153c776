struct egt_env {
    egt_rt *rt;
    int64_t chunk;
    int64_t error, far;
    void *const *arg;
    int64_t n_n;
    int64_t n_m;
    const float *x0;
    float *y0;
    float *k0_row6;
};

/* reduce_max, stop_gradient, subtract, exp, reduce_sum, divide
 * a0: float32[n,m] read
 * a1: float32[m] row
 * a2: float32[n,m] written
 */
static void k0(void *ctx, int64_t lo, int64_t hi)
{
    struct egt_env *const e = ctx;
    (void)lo, (void)hi;
    const int64_t n_m = e->n_m;
    const float *const restrict a0 = e->arg[0];
    float *const restrict a1 = (float *)e->arg[1] + lo / e->chunk * (n_m);
    float *const restrict a2 = e->arg[2];
    for (int64_t i0 = lo; i0 < hi; ++i0) {
        float s0 = (-__builtin_inff());
        for (int64_t b = 0; b < n_m; b += 4096) {
            const int64_t end = n_m - b < 4096 ? n_m : b + 4096;
            const int64_t step = end - b < 128 ? 16 : 128;
            float acc0[128];
            for (int64_t k = 0; k < step; ++k) acc0[k] = (-__builtin_inff());
            for (int64_t j = b; j < end; j += step) {
                const int64_t w = end - j < step ? end - j : step;
                #pragma omp simd
                for (int64_t k = 0; k < w; ++k) {
                    const int64_t i1 = j + k;
                    const float t0 = a0[n_m*i0 + i1];
                    acc0[k] = egt_max_f32(acc0[k], t0);
                }
            }
            s0 = egt_max_f32(s0, egt_fold_max_f32_128(acc0, step));
        }
        const float s1 = s0;
        float s2 = 0x0p+0f;
        for (int64_t b = 0; b < n_m; b += 4096) {
            const int64_t end = n_m - b < 4096 ? n_m : b + 4096;
            const int64_t step = end - b < 128 ? 16 : 128;
            float acc2[128];
            for (int64_t k = 0; k < step; ++k) acc2[k] = 0x0p+0f;
            for (int64_t j = b; j < end; j += step) {
                const int64_t w = end - j < step ? end - j : step;
                #pragma omp simd
                for (int64_t k = 0; k < w; ++k) {
                    const int64_t i1 = j + k;
                    const float t1 = a0[n_m*i0 + i1];
                    const float t2 = t1 - s1;
                    const float t3 = egt_exp_f32(t2);
                    acc2[k] = acc2[k] + t3;
                    a1[i1] = t3;
                }
            }
            s2 = s2 + egt_fold_add_f32_128(acc2, step);
        }
        #pragma omp simd
        for (int64_t i1 = 0; i1 < n_m; ++i1) {
            const float t4 = a1[i1];
            const float t5 = t4 / s2;
            a2[n_m*i0 + i1] = t5;
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
    const int64_t size0 = (egt_size_min(n_n, 64) * 4 * n_m + 63) / 64 * 64;
    e->k0_row6 = (void *)arena;
    arena += size0;
    return (int64_t)(arena - start);
}

int egt_prepare(const int64_t *const *in_shape, int64_t *const *out_shape, int64_t *plan)
{
    struct egt_env environment, *const e = &environment;
    (void)out_shape;
    egt_sizes(e, in_shape);
    const int64_t n_n = e->n_n; (void)n_n;
    const int64_t n_m = e->n_m; (void)n_m;
    if (egt_size_max(n_m, 1) != n_m) { plan[2] = egt_size_max(n_m, 1); plan[3] = n_m; return 1; }
    if (egt_size_max(n_m, 1) != n_m) { plan[2] = egt_size_max(n_m, 1); plan[3] = n_m; return 2; }
    out_shape[0][0] = n_n;
    out_shape[0][1] = n_m;
    plan[0] = egt_layout(e, 0);
    plan[1] = n_n * n_m * 18;
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
    e->arg = (void *[]){(void *)e->x0, (void *)e->k0_row6, (void *)e->y0};
    egt_run(e, k0, n_n, n_n * n_m, 18, 1, 64);
    return (int)e->error;
}
