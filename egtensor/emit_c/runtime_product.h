/* c[i,j] = sum_k a[i,k] b[k,j] in plain loops, for one element type. Included by runtime_blas.c
 * once for each type, with T its C type, NAME(f) the function names, and ADD_PRODUCT(acc, x, y). */

static int NAME(product_direct)(const Product *p, int64_t lo, int64_t hi)
{
    for (int64_t i = lo; i < hi; i++)
        for (int64_t j = 0; j < p->n; j++) {
            const char *x = p->a.data + i * p->a.row, *y = p->b.data + j * p->b.column;
            T acc = 0;
            for (int64_t k = 0; k < p->k; k++, x += p->a.column, y += p->b.row)
                ADD_PRODUCT(acc, *(const T *)x, *(const T *)y);
            *(T *)(p->c.data + i * p->c.row + j * p->c.column) = acc;
        }
    return 0;
}

/* Rows k0.. and columns j0.. of b, contiguous: b itself where its columns are, else a copy. */
static const T *NAME(panel)(const Product *p, int64_t k0, int64_t nk, int64_t j0, int64_t nj,
                            T *copy)
{
    for (int64_t k = 0; k < nk; k++) {
        const char *from = p->b.data + (k0 + k) * p->b.row + j0 * p->b.column;
        for (int64_t j = 0; j < nj; j++)
            copy[k * nj + j] = *(const T *)(from + j * p->b.column);
    }
    return copy;
}

/* One row of c += one row of a times the panel; the accumulators stay in cache. */
static void NAME(row_times_panel)(const Product *p, int64_t i, int64_t k0, int64_t nk, int64_t j0,
                                  int64_t nj, const T *panel, int64_t panel_row)
{
    T acc[EGT_PANEL_COLUMNS];
    char *c = p->c.data + i * p->c.row + j0 * p->c.column;
    const char *a = p->a.data + i * p->a.row + k0 * p->a.column;
    for (int64_t j = 0; j < nj; j++)
        acc[j] = k0 ? *(T *)(c + j * p->c.column) : 0;
    int64_t k = 0;
    for (; k + 4 <= nk; k += 4) {
        const T x0 = *(const T *)(a + k * p->a.column),
                x1 = *(const T *)(a + (k + 1) * p->a.column);
        const T x2 = *(const T *)(a + (k + 2) * p->a.column),
                x3 = *(const T *)(a + (k + 3) * p->a.column);
        const T *y = panel + k * panel_row;
        for (int64_t j = 0; j < nj; j++) {
            T sum = acc[j];
            ADD_PRODUCT(sum, x0, y[j]);
            ADD_PRODUCT(sum, x1, y[j + panel_row]);
            ADD_PRODUCT(sum, x2, y[j + 2 * panel_row]);
            ADD_PRODUCT(sum, x3, y[j + 3 * panel_row]);
            acc[j] = sum;
        }
    }
    for (; k < nk; k++) {
        const T x = *(const T *)(a + k * p->a.column), *y = panel + k * panel_row;
        for (int64_t j = 0; j < nj; j++)
            ADD_PRODUCT(acc[j], x, y[j]);
    }
    for (int64_t j = 0; j < nj; j++)
        *(T *)(c + j * p->c.column) = acc[j];
}

static int NAME(product_blocked)(const Product *p, int64_t lo, int64_t hi)
{
    int copies = p->b.column != (int64_t)sizeof(T) || p->b.row % (int64_t)sizeof(T);
    T *copy = NULL;
    if (copies && !(copy = allocate_plain(sizeof(T) * EGT_PANEL_ROWS * EGT_PANEL_COLUMNS)))
        return EGT_OUT_OF_MEMORY;
    for (int64_t j0 = 0; j0 < p->n; j0 += EGT_PANEL_COLUMNS)
        for (int64_t k0 = 0; k0 < p->k; k0 += EGT_PANEL_ROWS) {
            int64_t nj = smaller(p->n - j0, EGT_PANEL_COLUMNS),
                    nk = smaller(p->k - k0, EGT_PANEL_ROWS);
            const T *panel = copies ? NAME(panel)(p, k0, nk, j0, nj, copy)
                                    : (const T *)(p->b.data + k0 * p->b.row) + j0;
            int64_t panel_row = copies ? nj : p->b.row / (int64_t)sizeof(T);
            for (int64_t i = lo; i < hi; i++)
                NAME(row_times_panel)(p, i, k0, nk, j0, nj, panel, panel_row);
        }
    free(copy);
    return 0;
}

static int NAME(product)(const Product *p, int64_t lo, int64_t hi)
{
    if (p->n < EGT_FEW_COLUMNS || work_of(p) < EGT_SMALL_PRODUCT)
        return NAME(product_direct)(p, lo, hi);
    return NAME(product_blocked)(p, lo, hi);
}
#undef T
#undef NAME
#undef ADD_PRODUCT
