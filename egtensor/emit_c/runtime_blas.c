/* Matrix products of every dtype and LU factorisation: floats through the BLAS and LAPACK of the
 * wheel scipy-openblas32, with its threads off and the work split over our pool; the rest in plain
 * loops. How a product is split depends on its extents alone, so its bits do not depend on the
 * threads. Part of runtime.c. */

#define EGT_SMALL_PRODUCT 512        /* multiplications: below, the call costs more than a loop */
#define EGT_PARALLEL_PRODUCT 1000000 /* multiplications worth waking a thread for */
#define EGT_PANEL_ROWS 128
#define EGT_PANEL_COLUMNS 256
#define EGT_FEW_COLUMNS 8
#define EGT_GEMM_ROWS 256 /* of a tile of c: each packs its part of a and b anew, 2% of the time */
#define EGT_GEMM_COLUMNS 512
#define EGT_GEMM_UNPACKED 1000000 /* up to here OpenBLAS packs nothing: 20 to 50% faster */
#define EGT_GEMV_ELEMENTS (1 << 18)

enum { ROW_MAJOR = 101, AS_IS = 111, TRANSPOSED = 112 };

#define BLAS_FUNCTIONS(real) \
    struct { \
        void (*gemm)(int, int, int, int, int, int, real, const real *, int, const real *, int, \
                     real, real *, int); \
        void (*gemv)(int, int, int, int, real, const real *, int, const real *, int, real, real *, \
                     int); \
        real (*dot)(int, const real *, int, const real *, int); \
        void (*getrf)(const int *, const int *, real *, const int *, int *, int *); \
    }

static struct {
    int loaded;
    BLAS_FUNCTIONS(float) s;
    BLAS_FUNCTIONS(double) d;
} blas;

typedef struct {
    char *data;
    int64_t row, column; /* strides in bytes */
} Matrix;

typedef struct {
    int dtype;
    int64_t m, n, k;
    Matrix a, b, c;
} Product;

static int64_t smaller(int64_t x, int64_t y) { return x < y ? x : y; }
static int64_t larger(int64_t x, int64_t y) { return x > y ? x : y; }
static Matrix transposed(Matrix x) { return (Matrix){x.data, x.column, x.row}; }

static double work_of(const Product *p) { return (double)p->m * (double)p->n * (double)p->k; }

/* Bytes of an element of the dtypes that have products; else 0. */
static int64_t item_size(int dtype)
{
    switch (dtype) {
    case NPY_BOOL:
    case NPY_BYTE:
    case NPY_UBYTE: return 1;
    case NPY_SHORT:
    case NPY_USHORT: return 2;
    case NPY_INT:
    case NPY_UINT: return sizeof(int);
    case NPY_LONG:
    case NPY_ULONG: return sizeof(long);
    case NPY_LONGLONG:
    case NPY_ULONGLONG: return sizeof(long long);
    case NPY_FLOAT: return sizeof(float);
    case NPY_DOUBLE: return sizeof(double);
    default: return 0;
    }
}

/* Integers multiply modulo 2^w as unsigned numbers, whatever their sign; uint32_t keeps 16-bit
 * products clear of the overflow of int. */
#define T uint8_t
#define NAME(f) f##_bool
#define ADD_PRODUCT(acc, x, y) ((acc) |= (T)(((x) != 0) & ((y) != 0)))
#include "runtime_product.h"
#define T uint8_t
#define NAME(f) f##_8
#define ADD_PRODUCT(acc, x, y) ((acc) = (T)((acc) + (x) * (y)))
#include "runtime_product.h"
#define T uint16_t
#define NAME(f) f##_16
#define ADD_PRODUCT(acc, x, y) ((acc) = (T)((acc) + (uint32_t)(x) * (y)))
#include "runtime_product.h"
#define T uint32_t
#define NAME(f) f##_32
#define ADD_PRODUCT(acc, x, y) ((acc) += (x) * (y))
#include "runtime_product.h"
#define T uint64_t
#define NAME(f) f##_64
#define ADD_PRODUCT(acc, x, y) ((acc) += (x) * (y))
#include "runtime_product.h"
#define T float
#define NAME(f) f##_float
#define ADD_PRODUCT(acc, x, y) ((acc) += (x) * (y))
#include "runtime_product.h"
#define T double
#define NAME(f) f##_double
#define ADD_PRODUCT(acc, x, y) ((acc) += (x) * (y))
#include "runtime_product.h"

static int rows_in_loops(const Product *p, int64_t lo, int64_t hi)
{
    if (p->dtype == NPY_BOOL)
        return product_bool(p, lo, hi);
    if (p->dtype == NPY_FLOAT)
        return product_float(p, lo, hi);
    if (p->dtype == NPY_DOUBLE)
        return product_double(p, lo, hi);
    switch (item_size(p->dtype)) {
    case 1: return product_8(p, lo, hi);
    case 2: return product_16(p, lo, hi);
    case 4: return product_32(p, lo, hi);
    default: return product_64(p, lo, hi);
    }
}

/* A product shared by threads, and what went wrong in any of them. */
typedef struct {
    const Product *product;
    int a_form, b_form;
    int64_t tile_rows, tile_columns; /* extents of a tile of c */
    _Atomic int failed;
} SharedProduct;

static void loops_chunk(void *context, int64_t lo, int64_t hi)
{
    SharedProduct *shared = context;
    int failed = rows_in_loops(shared->product, lo, hi);
    if (failed)
        atomic_store(&shared->failed, failed);
}

static int product_in_loops(const Product *p)
{
    SharedProduct shared = {.product = p};
    double work = work_of(p);
    if (work < EGT_PARALLEL_PRODUCT)
        return rows_in_loops(p, 0, p->m);
    parallel_for(p->m, (int64_t)(EGT_PARALLEL_PRODUCT / 4 / (work / (double)p->m)) + 1, loops_chunk,
                 &shared);
    return atomic_load(&shared.failed);
}

/* How BLAS can read x[rows, columns] in place: AS_IS, TRANSPOSED, or 0 when it must be copied. */
static int blas_form(Matrix x, int64_t rows, int64_t columns, int64_t item)
{
    if ((x.column == item || columns == 1) && x.row % item == 0 && x.row >= columns * item &&
        x.row / item <= INT_MAX)
        return AS_IS;
    if ((x.row == item || rows == 1) && x.column % item == 0 && x.column >= rows * item &&
        x.column / item <= INT_MAX)
        return TRANSPOSED;
    return 0;
}

static void copy_matrix(Matrix to, Matrix from, int64_t rows, int64_t columns, int64_t item)
{
    for (int64_t i = 0; i < rows; i++) {
        char *x = to.data + i * to.row;
        const char *y = from.data + i * from.row;
        if (item == sizeof(float))
            for (int64_t j = 0; j < columns; j++)
                *(float *)(x + j * to.column) = *(const float *)(y + j * from.column);
        else
            for (int64_t j = 0; j < columns; j++)
                *(double *)(x + j * to.column) = *(const double *)(y + j * from.column);
    }
}

/* Room for a contiguous matrix; its data are NULL when there is no memory. */
static Matrix new_matrix(int64_t rows, int64_t columns, int64_t item)
{
    return (Matrix){allocate_aligned(rows * columns * item), columns * item, item};
}

/* Make x readable by BLAS: its form; *copy is to be freed. 0: no memory. */
static int into_blas_form(Matrix *x, int64_t rows, int64_t columns, int64_t item, void **copy)
{
    int form = blas_form(*x, rows, columns, item);
    if (form)
        return form;
    Matrix dense = new_matrix(rows, columns, item);
    if (!dense.data)
        return 0;
    copy_matrix(dense, *x, rows, columns, item);
    *x = dense;
    *copy = dense.data;
    return AS_IS;
}

static int leading(Matrix x, int form, int64_t item)
{
    return (int)((form == AS_IS ? x.row : x.column) / item);
}

/* One tile of c; dimensions and forms are known to suit BLAS. */
static void gemm_tile(void *context, int64_t tile, int64_t end)
{
    (void)end;
    const SharedProduct *shared = context;
    Product p = *shared->product;
    int64_t item = item_size(p.dtype), across = (p.n - 1) / shared->tile_columns + 1;
    int64_t row = tile / across * shared->tile_rows, column = tile % across * shared->tile_columns;
    p.a.data += row * p.a.row;
    p.b.data += column * p.b.column;
    p.c.data += row * p.c.row + column * item;
    p.m = smaller(p.m - row, shared->tile_rows);
    p.n = smaller(p.n - column, shared->tile_columns);
    int lda = leading(p.a, shared->a_form, item), ldb = leading(p.b, shared->b_form, item);
    int ldc = (int)(p.c.row / item);
    if (p.dtype == NPY_FLOAT)
        blas.s.gemm(ROW_MAJOR, shared->a_form, shared->b_form, (int)p.m, (int)p.n, (int)p.k, 1,
                    (const float *)p.a.data, lda, (const float *)p.b.data, ldb, 0,
                    (float *)p.c.data, ldc);
    else
        blas.d.gemm(ROW_MAJOR, shared->a_form, shared->b_form, (int)p.m, (int)p.n, (int)p.k, 1,
                    (const double *)p.a.data, lda, (const double *)p.b.data, ldb, 0,
                    (double *)p.c.data, ldc);
}

/* Elements lo to hi of the vector c = a b. c is cleared first: gemv may scale what it finds. */
static void gemv_chunk(void *context, int64_t lo, int64_t hi)
{
    const SharedProduct *shared = context;
    const Product *p = shared->product;
    int64_t item = item_size(p->dtype);
    int form = shared->a_form, lda = leading(p->a, form, item);
    int rows = (int)(form == AS_IS ? hi - lo : p->k),
        columns = (int)(form == AS_IS ? p->k : hi - lo);
    const char *a = p->a.data + lo * p->a.row;
    char *c = p->c.data + lo * item;
    memset(c, 0, (size_t)((hi - lo) * item));
    if (p->dtype == NPY_FLOAT)
        blas.s.gemv(ROW_MAJOR, form, rows, columns, 1, (const float *)a, lda,
                    (const float *)p->b.data, 1, 0, (float *)c, 1);
    else
        blas.d.gemv(ROW_MAJOR, form, rows, columns, 1, (const double *)a, lda,
                    (const double *)p->b.data, 1, 0, (double *)c, 1);
}

static int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

/* About equal parts of an extent, each a multiple of 16. */
static int64_t part_of(int64_t extent, int64_t parts)
{
    return round_up((extent - 1) / larger(parts, 1) + 1, 16);
}

static void gemm_in_tiles(SharedProduct *shared)
{
    const Product *p = shared->product;
    int64_t down = 1, across = 1;
    if (work_of(p) >= EGT_PARALLEL_PRODUCT) {
        down = larger(p->m / EGT_GEMM_ROWS, 1);
        across = larger(p->n / EGT_GEMM_COLUMNS, 1);
        if (down * across == 1 && larger(p->m, p->n) >= EGT_GEMM_ROWS)
            *(p->m >= p->n ? &down : &across) = 2;
    }
    shared->tile_rows = part_of(p->m, down);
    shared->tile_columns = part_of(p->n, across);
    int64_t unpacked = EGT_GEMM_UNPACKED / p->k / p->n / 16 * 16;
    if (across == 1 && unpacked >= 32)
        shared->tile_rows = smaller(shared->tile_rows, unpacked);
    down = (p->m - 1) / shared->tile_rows + 1;
    across = (p->n - 1) / shared->tile_columns + 1;
    parallel_for(down * across, 1, gemm_tile, shared);
}

/* c = a b where a, b and c suit BLAS, and c is row-major. */
static void blas_dense(SharedProduct *shared)
{
    const Product *p = shared->product;
    int parallel = work_of(p) >= EGT_PARALLEL_PRODUCT;
    if (p->n == 1 && p->m == 1) {
        if (p->dtype == NPY_FLOAT)
            *(float *)p->c.data =
                blas.s.dot((int)p->k, (const float *)p->a.data, 1, (const float *)p->b.data, 1);
        else
            *(double *)p->c.data =
                blas.d.dot((int)p->k, (const double *)p->a.data, 1, (const double *)p->b.data, 1);
    } else if (p->n == 1) {
        int64_t rows =
            larger(round_up(EGT_GEMV_ELEMENTS / p->k, 16), shared->a_form == AS_IS ? 16 : 512);
        parallel_for(p->m, parallel ? rows : p->m, gemv_chunk, shared);
    } else
        gemm_in_tiles(shared);
}

static int is_dense_vector(int64_t stride, int64_t n, int64_t item)
{
    return n == 1 || stride == item;
}

/* Make the elements of a vector adjacent, which is how gemv and dot read them; -1: no memory. */
static int into_dense_vector(Matrix *x, int64_t stride, int64_t n, int64_t item, void **copy)
{
    if (is_dense_vector(stride, n, item))
        return 0;
    Matrix dense = new_matrix(n, 1, item);
    if (!dense.data)
        return -1;
    copy_matrix(dense, (Matrix){x->data, stride, item}, n, 1, item);
    *x = dense;
    *copy = dense.data;
    return 0;
}

/* Bring a and b of shared->product into forms BLAS reads; -1: no memory. */
static int into_blas_forms(SharedProduct *shared, Product *p, void **a_copy, void **b_copy)
{
    int64_t item = item_size(p->dtype);
    if (p->n == 1 && into_dense_vector(&p->b, p->b.row, p->k, item, b_copy))
        return -1;
    if (p->n == 1 && p->m == 1)
        return into_dense_vector(&p->a, p->a.column, p->k, item, a_copy);
    shared->a_form = into_blas_form(&p->a, p->m, p->k, item, a_copy);
    shared->b_form = p->n == 1 ? AS_IS : into_blas_form(&p->b, p->k, p->n, item, b_copy);
    return shared->a_form && shared->b_form ? 0 : -1;
}

/* c = a b by BLAS, c row-major. */
static int blas_row_major(Product p)
{
    SharedProduct shared = {.product = &p};
    void *a_copy = NULL, *b_copy = NULL;
    int failed = into_blas_forms(&shared, &p, &a_copy, &b_copy);
    if (!failed)
        blas_dense(&shared);
    free(a_copy);
    free(b_copy);
    return failed ? EGT_OUT_OF_MEMORY : 0;
}

static int product_by_blas(Product p)
{
    int64_t item = item_size(p.dtype);
    int64_t widest = larger(larger(p.m, p.n), p.k);
    if (widest > INT_MAX / 2)
        return product_in_loops(&p);
    int by_rows =
        (p.c.column == item || p.n == 1) && (p.m == 1 || blas_form(p.c, p.m, p.n, item) == AS_IS);
    int by_columns =
        (p.c.row == item || p.m == 1) && (p.n == 1 || blas_form(p.c, p.m, p.n, item) == TRANSPOSED);
    if ((p.m == 1 && p.n > 1) || (!by_rows && by_columns)) { /* c' = b' a' */
        p = (Product){p.dtype, p.n, p.m, p.k, transposed(p.b), transposed(p.a), transposed(p.c)};
        by_rows = by_columns;
    }
    if (p.n == 1)
        by_rows = is_dense_vector(p.c.row, p.m, item);
    if (by_rows) {
        if (p.m == 1)
            p.c.row = p.n * item;
        return blas_row_major(p);
    }
    Matrix c = p.c;
    p.c = new_matrix(p.m, p.n, item);
    int failed = p.c.data ? blas_row_major(p) : EGT_OUT_OF_MEMORY;
    if (!failed)
        copy_matrix(c, p.c, p.m, p.n, item);
    free(p.c.data);
    return failed;
}

static int product(const Product *p)
{
    int real = p->dtype == NPY_FLOAT || p->dtype == NPY_DOUBLE;
    if (real && blas.loaded && work_of(p) >= EGT_SMALL_PRODUCT)
        return product_by_blas(*p);
    return product_in_loops(p);
}

static void clear_matrix(const Product *p, int64_t item)
{
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++)
            memset(p->c.data + i * p->c.row + j * p->c.column, 0, (size_t)item);
}

typedef struct {
    Product first;
    int64_t a_step, b_step, c_step;
    _Atomic int failed;
} Batch;

static void batch_chunk(void *context, int64_t lo, int64_t hi)
{
    Batch *batch = context;
    for (int64_t i = lo; i < hi; i++) {
        Product p = batch->first;
        p.a.data += i * batch->a_step;
        p.b.data += i * batch->b_step;
        p.c.data += i * batch->c_step;
        int failed = 0;
        if (p.k)
            failed = product(&p);
        else
            clear_matrix(&p, item_size(p.dtype));
        if (failed)
            atomic_store(&batch->failed, failed);
    }
}

/* When all of a batch share b, and a and c lie row after row, the batch is one tall product. */
static int64_t fold_batch(Batch *batch, int64_t n)
{
    Product *p = &batch->first;
    if (n > 1 && p->m == 1) {
        p->a.row = batch->a_step;
        p->c.row = batch->c_step;
    }
    if (n == 1 || batch->b_step || batch->a_step != p->m * p->a.row ||
        batch->c_step != p->m * p->c.row)
        return n;
    p->m *= n;
    return 1;
}

static int matmul(egt_rt *rt, int dtype, int64_t m, int64_t n, int64_t k, const char *a,
                  int64_t a_row, int64_t a_column, const char *b, int64_t b_row, int64_t b_column,
                  char *c, int64_t c_row, int64_t c_column, int64_t batch, int64_t a_batch,
                  int64_t b_batch, int64_t c_batch)
{
    (void)rt;
    if (!item_size(dtype))
        return EGT_UNSUPPORTED;
    if (m <= 0 || n <= 0 || batch <= 0)
        return 0;
    Batch all = {.first = {dtype,
                           m,
                           n,
                           k,
                           {(char *)a, a_row, a_column},
                           {(char *)b, b_row, b_column},
                           {c, c_row, c_column}},
                 .a_step = a_batch,
                 .b_step = b_batch,
                 .c_step = c_batch};
    batch = fold_batch(&all, batch);
    double each = work_of(&all.first);
    if (batch == 1 || each >= EGT_PARALLEL_PRODUCT)
        batch_chunk(&all, 0, batch);
    else
        parallel_for(batch, (int64_t)(EGT_PARALLEL_PRODUCT / 2 / (each + 1)) + 1, batch_chunk,
                     &all);
    return atomic_load(&all.failed);
}

static int getrf(egt_rt *rt, int dtype, int64_t n, char *a, int32_t *pivots)
{
    (void)rt;
    int order = (int)n, leading_dimension = order > 1 ? order : 1, info = 0;
    if (n > INT_MAX || !blas.loaded || (dtype != NPY_FLOAT && dtype != NPY_DOUBLE))
        return EGT_UNSUPPORTED;
    if (dtype == NPY_FLOAT)
        blas.s.getrf(&order, &order, (float *)a, &leading_dimension, pivots, &info);
    else
        blas.d.getrf(&order, &order, (double *)a, &leading_dimension, pivots, &info);
    return info;
}

/* The name of the first function the library lacks; NULL when all are there. */
static const char *blas_resolve(void *library)
{
    struct {
        const char *name;
        void **place;
    } wanted[] = {
        {"scipy_cblas_sgemm", (void **)&blas.s.gemm}, {"scipy_cblas_dgemm", (void **)&blas.d.gemm},
        {"scipy_cblas_sgemv", (void **)&blas.s.gemv}, {"scipy_cblas_dgemv", (void **)&blas.d.gemv},
        {"scipy_cblas_sdot", (void **)&blas.s.dot},   {"scipy_cblas_ddot", (void **)&blas.d.dot},
        {"scipy_sgetrf_", (void **)&blas.s.getrf},    {"scipy_dgetrf_", (void **)&blas.d.getrf},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!(*wanted[i].place = dlsym(library, wanted[i].name)))
            return wanted[i].name;
    void (*set_threads)(int);
    if (!(*(void **)&set_threads = dlsym(library, "scipy_openblas_set_num_threads")))
        return "scipy_openblas_set_num_threads";
    set_threads(1);
    blas.loaded = 1;
    return NULL;
}
