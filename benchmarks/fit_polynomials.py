"""Fit the polynomials of egtensor/emit_c/support: print each, and say whether the C text has it.

Weighted minimax by iteratively reweighted least squares on Chebyshev points (Lawson 1961), in 60
digits; then the coefficients are rounded.  The error printed is that before rounding.

    python benchmarks/fit_polynomials.py [name ...]
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mpmath
import numpy as np
from mpmath import mpf

SUPPORT = Path(__file__).parents[1] / "egtensor" / "emit_c" / "support"
Real = Callable[[mpf], mpf]


@dataclass(frozen=True)
class Fit:
    """Approximate ``f`` on [low, high]; ``weight`` turns an error of ``f`` into a relative one."""

    name: str
    f: Real
    low: mpf
    high: mpf
    degree: int
    weight: Real
    dtype: type[np.float32] | type[np.float64]


def minimax(fit: Fit, rounds: int = 60) -> tuple[mpf, list[mpf]]:
    """Give the largest weighted error and the coefficients, lowest first."""
    n, size = 5 * (fit.degree + 1), fit.degree + 1
    middle, radius = (fit.low + fit.high) / 2, (fit.high - fit.low) / 2
    xs = [middle + radius * mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * n)) for i in range(n)]
    ys, ws = [fit.f(x) for x in xs], [fit.weight(x) for x in xs]
    emphasis, best = [mpf(1)] * n, (mpmath.inf, [])
    for _ in range(rounds):
        scale = [e * w**2 for e, w in zip(emphasis, ws, strict=True)]
        moments = [sum(s * x**j for s, x in zip(scale, xs, strict=True)) for j in range(2 * size)]
        right = [
            sum(s * x**j * y for s, x, y in zip(scale, xs, ys, strict=True)) for j in range(size)
        ]
        matrix = mpmath.matrix(size, size)
        for i in range(size):
            for j in range(size):
                matrix[i, j] = moments[i + j]
        coefficients = list(mpmath.lu_solve(matrix, mpmath.matrix(right)))
        errors = [
            abs(w * (mpmath.polyval(coefficients[::-1], x) - y))
            for w, x, y in zip(ws, xs, ys, strict=True)
        ]
        worst = max(errors)
        best = min(best, (worst, coefficients), key=lambda pair: pair[0])
        emphasis = [
            e * (error / worst + mpf("1e-4")) for e, error in zip(emphasis, errors, strict=True)
        ]
        total = sum(emphasis)
        emphasis = [e * n / total for e in emphasis]
    return best


def series(term: Callable[[int], mpf]) -> Real:
    """Sum a power series that converges fast where it is fitted."""
    return lambda x: mpmath.fsum(term(j) * x**j for j in range(200))


def odd(f: Real) -> Real:
    """The function g with f(x) = x + x^3 g(x^2)."""
    return lambda z: (f(mpmath.sqrt(z)) / mpmath.sqrt(z) - 1) / z


def fits() -> list[Fit]:
    """List every polynomial of the support functions."""
    f32, f64, tiny = np.float32, np.float64, mpf("1e-12")
    half_log2 = mpmath.log(2) / 2 * mpf("1.0001")
    low, high = mpmath.sqrt(mpf(1) / 2) - 1, mpmath.sqrt(2) - 1
    s2 = ((mpmath.sqrt(2) - 1) / (mpmath.sqrt(2) + 1)) ** 2
    octant = (mpmath.pi / 4 * mpf("1.0005")) ** 2
    tail = series(lambda j: 1 / mpmath.factorial(j + 3))
    log_cube = series(lambda j: mpf(-1) ** j / (j + 3))
    atanh_tail = series(lambda j: mpf(2) / (2 * j + 3))
    pow_tail = series(lambda j: mpf(2) / (2 * j + 5))

    def cos_tail(z: mpf) -> mpf:
        return (mpmath.cos(mpmath.sqrt(z)) - 1 + z / 2) / z**2

    def erf_ratio(z: mpf) -> mpf:
        return mpmath.erf(mpmath.sqrt(z)) / mpmath.sqrt(z) - 1

    def log_erfc(a: mpf) -> mpf:
        return mpmath.log(mpmath.erfc(a)) / a

    def by(power: int) -> Real:
        return lambda x: abs(x) ** power

    def exp_weight(r: mpf) -> mpf:
        return abs(r) ** 3 / mpmath.exp(r)

    def log_weight(f: mpf) -> mpf:
        return abs(f**3 / mpmath.log1p(f))

    def erf_weight(z: mpf) -> mpf:
        return 1 / (1 + erf_ratio(z))

    def erfc_weight(a: mpf) -> mpf:
        return a * mpmath.erfc(a)

    zero, one, six = mpf("1e-20"), mpf(1), mpf(6)
    return [
        Fit("exptail", tail, -half_log2, half_log2, 4, exp_weight, f32),
        Fit("exptail", tail, -half_log2, half_log2, 8, exp_weight, f64),
        Fit("logsum", log_cube, low, high, 7, log_weight, f32),
        Fit("logtail", atanh_tail, mpf(0), s2, 6, by(1), f64),
        Fit("log1punit", atanh_tail, mpf(0), one / 9, 4, by(1), f32),
        Fit("log1punit", atanh_tail, mpf(0), one / 9, 10, by(1), f64),
        Fit("loglong", pow_tail, mpf(0), s2, 8, by(2), f64),
        Fit("sine", odd(mpmath.sin), tiny, octant, 3, by(1), f32),
        Fit("sine", odd(mpmath.sin), tiny, octant, 5, by(1), f64),
        Fit("cosine", cos_tail, tiny, octant, 2, by(2), f32),
        Fit("cosine", cos_tail, tiny, octant, 5, by(2), f64),
        Fit("tanh", odd(mpmath.tanh), tiny, mpf("0.63") ** 2, 4, by(1), f32),
        Fit("tanh", odd(mpmath.tanh), tiny, mpf("0.63") ** 2, 10, by(1), f64),
        Fit("arctan", odd(mpmath.atan), tiny, one, 8, by(1), f32),
        Fit("arctan", odd(mpmath.atan), tiny, one, 19, by(1), f64),
        Fit("erf", erf_ratio, zero, mpf("0.93") ** 2, 5, erf_weight, f32),
        Fit("erf", erf_ratio, zero, one, 11, erf_weight, f64),
        Fit("erfc", log_erfc, mpf("0.92"), mpf(4), 7, erfc_weight, f32),
        Fit("erfc", log_erfc, one, six, 18, erfc_weight, f64),
    ]


def text(value: mpf, dtype: type[np.float32] | type[np.float64]) -> str:
    """Write a coefficient as the support functions do."""
    short = re.sub(r"\.?0*p", "p", float(dtype(float(value))).hex())
    return short + ("f" if dtype is np.float32 else "")


def main(names: list[str]) -> None:
    mpmath.mp.dps = 60
    source = "".join(path.read_text(encoding="utf-8") for path in SUPPORT.glob("float*.c.txt"))
    for fit in fits():
        if names and fit.name not in names:
            continue
        error, coefficients = minimax(fit)
        written = [text(c, fit.dtype) for c in coefficients]
        found = sum(w.lstrip("-") in source for w in written)
        print(
            f"{fit.name} {fit.dtype.__name__}: 2^{mpmath.nstr(mpmath.log(error, 2), 4)},", end=" "
        )
        print(f"{found} of {len(written)} coefficients stand in the C text")
        print("   ", ", ".join(written))


if __name__ == "__main__":
    main(sys.argv[1:])
