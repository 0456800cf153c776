"""C text of what is computed from LU factorisations: inverses, solutions, determinants.

Partial pivoting; columns are solved by substitution (Golub and Van Loan 2013, sections 3.1 and 3.4).
"""

from __future__ import annotations

from egtensor.emit_c.primitives import c_type, suffix
from egtensor.lang.types import DType

SOLVE = """\
/* x of n rows and m columns with a x = b; b = 0 stands for the identity. Strides are in elements.
 * 0, a positive number where a is singular, or EGT_OUT_OF_MEMORY. */
static int egt_solve_@s@(egt_rt *rt, int64_t n, int64_t m, const @t@ *a, int64_t ar, int64_t ac,
                         const @t@ *b, int64_t br, int64_t bc, @t@ *x, int64_t xr, int64_t xc)
{
    if (!n || !m) return 0;
    @t@ *const lu = rt->alloc(rt, (n * n + n) * sizeof(@t@));
    int32_t *const pivots = rt->alloc(rt, n * sizeof(int32_t));
    if (!lu || !pivots) return EGT_OUT_OF_MEMORY;
    @t@ *const column = lu + n * n;
    for (int64_t j = 0; j < n; ++j)
        for (int64_t i = 0; i < n; ++i) lu[j * n + i] = a[i * ar + j * ac];
    const int status = rt->getrf(rt, @d@, n, (char *)lu, pivots);
    if (status) return status;
    for (int64_t j = 0; j < m; ++j) {
        for (int64_t i = 0; i < n; ++i) column[i] = b ? b[i * br + j * bc] : i == j;
        for (int64_t k = 0; k < n; ++k) {
            const int64_t p = pivots[k] - 1;
            const @t@ swapped = column[p];
            column[p] = column[k];
            column[k] = swapped;
        }
        for (int64_t k = 0; k < n; ++k) {
            const @t@ *const l = lu + k * n, y = column[k];
            #pragma omp simd
            for (int64_t i = k + 1; i < n; ++i) column[i] -= l[i] * y;
        }
        for (int64_t k = n - 1; k >= 0; --k) {
            const @t@ *const u = lu + k * n, y = column[k] / u[k];
            column[k] = y;
            #pragma omp simd
            for (int64_t i = 0; i < k; ++i) column[i] -= u[i] * y;
        }
        for (int64_t i = 0; i < n; ++i) x[i * xr + j * xc] = column[i];
    }
    return 0;
}"""

SLOGDET = """\
/* Sign and logarithm of the absolute value of the determinant of a; 0 or EGT_OUT_OF_MEMORY. */
static int egt_slogdet_@s@(egt_rt *rt, int64_t n, const @t@ *a, int64_t ar, int64_t ac, @t@ *sign,
                           @t@ *magnitude)
{
    @t@ *const lu = rt->alloc(rt, (n * n + 1) * sizeof(@t@));
    int32_t *const pivots = rt->alloc(rt, (n + 1) * sizeof(int32_t));
    if (!lu || !pivots) return EGT_OUT_OF_MEMORY;
    for (int64_t j = 0; j < n; ++j)
        for (int64_t i = 0; i < n; ++i) lu[j * n + i] = a[i * ar + j * ac];
    const int status = n ? rt->getrf(rt, @d@, n, (char *)lu, pivots) : 0;
    if (status < 0) return status;
    @t@ s = 1, sum = 0;
    for (int64_t k = 0; k < n; ++k) {
        const @t@ u = lu[k * n + k];
        s = pivots[k] == k + 1 ? s : -s;
        s = u == 0 ? 0 : u < 0 ? -s : s;
        sum += __builtin_log@f@(__builtin_fabs@f@(u));
    }
    *sign = s;
    *magnitude = sum;
    return 0;
}"""


def instance(template: str, dtype: DType) -> str:
    """The text for one dtype."""
    marks = {
        "@t@": c_type(dtype),
        "@s@": suffix(dtype),
        "@f@": "f" if dtype.itemsize == 4 else "",
        "@d@": str(dtype.num),
    }
    for mark, text in marks.items():
        template = template.replace(mark, text)
    return template
