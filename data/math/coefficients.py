#!/usr/bin/env python3
"""Writes the constants of src/kernel/math/coefficients.rs: near-minimax polynomials (interpolation at Chebyshev
nodes in 80 digits), constants as sums of doubles, and the bits of 2/pi for the reduction of huge arguments.

    python3 -m pip install mpmath numpy
    python3 data/math/coefficients.py > src/kernel/math/coefficients.rs
    python3 data/math/coefficients.py logarithms > src/kernel/math/logarithm_tables.rs
    python3 data/math/coefficients.py tables > src/kernel/math/tables.rs
"""
import struct
import sys
import mpmath as mp
import numpy as np

mp.mp.dps = 80


def nodes(a, b, count):
    return [(a + b) / 2 + (b - a) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * count)) for i in range(count)]


def fit(f, a, b, degree):
    """Monomial coefficients of the polynomial that interpolates f at the Chebyshev nodes of [a, b]."""
    a, b = mp.mpf(a), mp.mpf(b)
    xs = nodes(a, b, degree + 1)
    table = [f(x) for x in xs]
    for level in range(1, degree + 1):
        for i in range(degree, level - 1, -1):
            table[i] = (table[i] - table[i - 1]) / (xs[i] - xs[i - level])
    poly = [mp.mpf(0)]
    for i in range(degree, -1, -1):
        shifted = [mp.mpf(0)] + poly
        poly = [s - xs[i] * p for s, p in zip(shifted, poly + [mp.mpf(0)])]
        poly[0] += table[i]
    return poly[: degree + 1]


def double(x):
    """The nearest double (mpmath rounds correctly)."""
    return float(mp.mpf(x))


def single(x):
    return np.float32(double(x))


def text(x):
    value = repr(float(x)) if not isinstance(x, np.float32) else str(x)
    return value.replace("e-0", "e-").replace("e+", "e")


def array(name, doc, values, kind="f64"):
    print(f"/// {doc}")
    print(f"pub(super) const {name}: [{kind}; {len(values)}] = [")
    for value in values:
        print(f"    {text(value)},")
    print("];\n")


def polynomial(name, doc, f, a, b, degree, kind="f64", pairs=0):
    exact = fit(f, a, b, degree)
    convert = double if kind == "f64" else single
    rounded = [convert(c) for c in exact]
    worst = max(abs(mp.polyval([mp.mpf(float(c)) for c in rounded][::-1], x) - f(x)) for x in nodes(mp.mpf(a), mp.mpf(b), 97))
    array(name, f"{doc}; error {mp.nstr(worst, 2)}.", rounded, kind)
    if pairs:
        array(name + "_LOW", f"What the first coefficients of [`{name}`] miss.", [convert(c - mp.mpf(float(r))) for c, r in zip(exact[:pairs], rounded)], kind)


def constant(name, doc, value, parts=2):
    rest = mp.mpf(value)
    out = []
    for _ in range(parts):
        out.append(double(rest))
        rest -= mp.mpf(out[-1])
    array(name, doc, out)


def constant_single(name, doc, value, parts=2):
    rest = mp.mpf(value)
    out = []
    for _ in range(parts):
        out.append(single(rest))
        rest -= mp.mpf(float(out[-1]))
    array(name, doc, out, "f32")


def near_zero(f, limit):
    """f with its limit at zero."""
    return lambda z: f(z) if abs(z) > mp.mpf(10) ** -60 else mp.mpf(limit)


def two_over_pi(name, doc, start, buckets, parts):
    mp.mp.prec = 1500
    value = 2 / mp.pi
    print(f"/// {doc}")
    print(f"pub(super) const {name}: [[f64; {buckets}]; {parts}] = [")
    rows = [[] for _ in range(parts)]
    for bucket in range(buckets):
        rest = mp.fmod(mp.ldexp(value, 16 * bucket + start), 4)
        for row in rows:
            row.append(double(rest))
            rest -= mp.mpf(row[-1])
    for row in rows:
        print("    [")
        for x in row:
            print(f"        {text(x)},")
        print("    ],")
    print("];\n")
    mp.mp.dps = 80


def table(name, doc, values, kind="f64"):
    print(f"/// {doc}")
    print(f"pub(super) static {name}: [{kind}; {len(values)}] = [")
    for value in values:
        print(f"    {text(value)},")
    print("];\n")


def logarithm_tables(name, scale, bits, single_bits):
    """For mantissas from 1 + i/16: a reciprocal of few bits, and minus its logarithm as a head of `bits` behind the point and a rest."""
    of_2 = mp.log(2) * scale
    high_of_2 = mp.floor(of_2 * 2**bits) / 2**bits
    reciprocals, heads, rests, singles, single_rests = [], [], [], [], []
    single_of_2 = mp.floor(of_2 * 2**single_bits) / 2**single_bits
    for i in range(16):
        c = mp.floor(1 / (1 + (i + mp.mpf(0.5)) / 16) * 128 + 0.5) / 128
        c = mp.mpf(1) if i == 0 else mp.mpf(0.5) if i == 15 else c
        value = -mp.log(c) * scale
        head = mp.mpf(0) if i == 0 else high_of_2 if i == 15 else mp.floor(value * 2**bits) / 2**bits
        reciprocals.append(double(c))
        heads.append(double(head))
        rests.append(double(value - head))
        head = mp.mpf(0) if i == 0 else single_of_2 if i == 15 else mp.floor(value * 2**single_bits) / 2**single_bits
        singles.append(single(head))
        single_rests.append(single(value - head))
    if name == "LOG":
        table("RECIPROCALS", "`1 / m` of few bits for m from `1 + i/16`; without error at both ends.", reciprocals)
    table(f"{name}_HEADS", f"Minus the logarithms of [`RECIPROCALS`], {bits} bits behind the point.", heads)
    table(f"{name}_RESTS", f"What [`{name}_HEADS`] miss.", rests)
    if name == "LOG":
        table("RECIPROCALS_F32", "[`RECIPROCALS`].", [single(c) for c in reciprocals], "f32")
    table(f"{name}_HEADS_F32", f"Minus the logarithms of [`RECIPROCALS`], {single_bits} bits behind the point.", singles, "f32")
    table(f"{name}_RESTS_F32", f"What [`{name}_HEADS_F32`] miss.", single_rests, "f32")
    array(f"{name}_OF_2_F32", "The logarithm of 2: the product of the first part with an exponent is exact.", [single(single_of_2), single(of_2 - single_of_2)], "f32")
    array(f"{name}_OF_2", "The logarithm of 2: the product of the first part with an exponent is exact.", [double(high_of_2), double(of_2 - high_of_2)])


def cube_root_tables():
    """For mantissas from 1 + i/16: reciprocals as of the logarithms, their inverse cube roots as heads and relative rests."""
    cube = lambda x: mp.mpf(x) ** (mp.mpf(1) / 3)
    reciprocals = [mp.mpf(1) if i == 0 else mp.floor(128 / (1 + (i + mp.mpf("0.5")) / 16) + 0.5) / 128 for i in range(16)]
    roots = [cube(1 / c) for c in reciprocals]
    table("CBRT_RECIPROCALS", "`1 / m` of few bits for m from `1 + i/16`.", [double(c) for c in reciprocals])
    table("CBRT_HEADS", "Inverse cube roots of [`CBRT_RECIPROCALS`].", [double(x) for x in roots])
    table("CBRT_RESTS", "What [`CBRT_HEADS`] miss, by their value.", [double(x / mp.mpf(double(x)) - 1) for x in roots])
    thirds = [cube(mp.mpf(2) ** {0: 0, 1: 1, 7: -1}.get(i, 0)) for i in range(8)]
    table("CBRT_THIRDS", "Cube roots of `2^k` for k of 0, 1 and, at 7, -1.", [double(x) for x in thirds])
    table("CBRT_THIRD_RESTS", "What [`CBRT_THIRDS`] miss, by their value.", [double(x / mp.mpf(double(x)) - 1) for x in thirds])
    polynomial("CBRT_SERIES", "`((1 + r)^(1/3) - 1) / r` for r from -1/32 to 1/16", near_zero(lambda r: (cube(1 + r) - 1) / r, mp.mpf(1) / 3), -mp.mpf(1) / 31, mp.mpf(1) / 16, 9)
    # f32: place = 24 + 8 rest + the highest three bits of the mantissa, modulo 32.
    reciprocals, roots = [mp.mpf(1)] * 32, [mp.mpf(1)] * 32
    for rest in (-1, 0, 1):
        for i in range(8):
            c = mp.floor(64 / (1 + (i + mp.mpf("0.5")) / 8) + 0.5) / 64
            place = (24 + 8 * rest + i) % 32
            reciprocals[place], roots[place] = c, cube(mp.mpf(2) ** rest / c)
    table("CBRT_RECIPROCALS_F32", "`1 / m` of few bits for m from `1 + i/8`, at `24 + 8 k + i` modulo 32 for exponents 3 n + k.", [single(c) for c in reciprocals], "f32")
    table("CBRT_HEADS_F32", "The cube roots that belong to [`CBRT_RECIPROCALS_F32`].", [single(x) for x in roots], "f32")
    table("CBRT_RESTS_F32", "What [`CBRT_HEADS_F32`] miss, by their value.", [single(x / mp.mpf(float(single(x))) - 1) for x in roots], "f32")
    polynomial("CBRT_SERIES_F32", "`((1 + r)^(1/3) - 1) / r` for `|r| <= 1/15`", near_zero(lambda r: (cube(1 + r) - 1) / r, mp.mpf(1) / 3), -mp.mpf(1) / 15, mp.mpf(1) / 15, 4, "f32")


def power_tables(kind, bits, terms, exp_terms):
    """Tables of the power: reciprocals for mantissas from 0.75 to 1.5, minus their logarithms; 2^(i/16)."""
    convert, suffix = (double, "") if kind == "f64" else (single, "_F32")
    of_2 = mp.log(2)
    high_of_2 = mp.floor(of_2 * 2**bits) / 2**bits
    reciprocals, heads, rests = [], [], []
    for i in range(16):
        if kind == "f64":
            middle = mp.mpf("0.75") + mp.mpf(i) / 32 if i < 8 else 1 + mp.mpf(i - 8) / 16
        else:
            middle = mp.mpf(1) if i in (0, 15) else (33 + 2 * mp.mpf(i)) / 32 if i < 8 else (49 + 2 * mp.mpf(i - 8)) / 64
        c = mp.floor(32 / middle + 0.5) / 32
        value = -mp.log(c)
        head = mp.floor(value * 2**bits + 0.5) / 2**bits
        reciprocals.append(convert(c))
        heads.append(convert(head))
        rests.append(convert(value - head))
    table("POWER_RECIPROCALS" + suffix, "`1 / m` of five bits: " + ("for m around 0.75 + i/32, from 1 on `1 + (i - 8)/16`." if kind == "f64" else "for m from `1 + i/16`, then from `0.75 + (i - 8)/32`."), reciprocals, kind)
    table("POWER_HEADS" + suffix, f"Minus the logarithms of [`POWER_RECIPROCALS{suffix}`], {bits} bits behind the point.", heads, kind)
    table("POWER_RESTS" + suffix, f"What [`POWER_HEADS{suffix}`] miss.", rests, kind)
    fraction_bits = 52 if kind == "f64" else 23
    def with_place(x, i):
        form, bits = ("<d", "<q") if kind == "f64" else ("<f", "<i")
        raw = struct.unpack(bits, struct.pack(form, float(convert(x))))[0] + (i << (fraction_bits - 4))
        return convert(struct.unpack(form, struct.pack(bits, raw))[0])
    array("POWER_LN2" + suffix, "ln 2: the product of the first part with an exponent is exact.", [convert(high_of_2), convert(of_2 - high_of_2)], kind)
    polynomial("POWER_SERIES" + suffix, "`(2 atanh s - 2 s) / s^3` in `z = s^2`, `z <= 0.00095`", near_zero(lambda z: 2 * (mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, mp.mpf(2) / 3), 0, mp.mpf("0.00095" if kind == "f32" else "0.00066"), terms - 1, kind)
    powers = [mp.mpf(2) ** (mp.mpf(i) / 16) for i in range(16)]
    table("EXP_HEADS" + suffix, "`2^(i/16)`.", [convert(p) for p in powers], kind)
    table("EXP_RESTS" + suffix, f"What [`EXP_HEADS{suffix}`] miss, by their value.", [convert(p / mp.mpf(float(convert(p))) - 1) for p in powers], kind)
    table("EXP_UP" + suffix, "`2^(i/16)` less `i` in the highest four bits of the fraction: a shifted sum of sixteenths makes up for them.", [with_place(p, -i) for i, p in enumerate(powers)], kind)
    table("EXP_DOWN" + suffix, "`2^(-i/16-6)` and `i` in the highest four bits of the fraction.", [with_place(1 / p / 64, i) for i, p in enumerate(powers)], kind)
    table("EXP_DOWN_RESTS" + suffix, f"What the values of [`EXP_DOWN{suffix}`] miss, by them.", [convert(1 / p / mp.mpf(float(convert(1 / p))) - 1) for p in powers], kind)
    limit = mp.log(2) / 32 * mp.mpf("1.001")
    polynomial("SINH_SHORT" + suffix, "`(sinh r - r) / r^3` in `z = r^2`, `|r| <= ln 2 / 32`", near_zero(lambda z: (mp.sinh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, mp.mpf(1) / 6), 0, limit**2, 2 if kind == "f64" else 0, kind)
    polynomial("COSH_SHORT" + suffix, "`(cosh r - 1) / r^2` in `z = r^2`, `|r| <= ln 2 / 32`", near_zero(lambda z: (mp.cosh(mp.sqrt(z)) - 1) / z, mp.mpf(1) / 2), 0, limit**2, 2 if kind == "f64" else 0, kind)
    polynomial("EXP_SHORT" + suffix, "`(e^r - 1 - r) / r^2` for `|r| <= ln 2 / 32`", near_zero(lambda r: (mp.expm1(r) - r) / r**2, 0.5), -limit, limit, exp_terms - 1, kind)
    polynomial("EXP2_SHORT" + suffix, "`(2^r - 1) / r` for `|r| <= 1/32`", near_zero(lambda r: mp.expm1(r * of_2) / r, of_2), -mp.mpf(1) / 32, mp.mpf(1) / 32, exp_terms, kind)


def erfcx(x):
    return mp.exp(x * x) * mp.erfc(x) if x < 40 else 1 / (x * mp.sqrt(mp.pi)) * sum(
        (-1) ** n * mp.fac2(2 * n - 1) / (2 * x * x) ** n for n in range(0, 40))


def scaled_tail(scale, b):
    """(u + b) * erfcx(u * scale) as a function of t = (u - b) / (u + b)."""
    def f(t):
        if t > 1 - mp.mpf(10) ** -60:
            return 1 / (scale * mp.sqrt(mp.pi))
        u = b * (1 + t) / (1 - t)
        return (u + b) * erfcx(u * scale)
    return f


def main():
    print("//! Constants and polynomial coefficients, written by `data/math/coefficients.py`. Do not edit.\n")
    print("#![allow(clippy::approx_constant, clippy::excessive_precision, reason = \"written by a program\")]\n")
    print("pub(super) use super::{logarithm_tables::*, tables::*};\n")
    half_ln2 = mp.log(2) / 2 * (1 + mp.mpf(2) ** -20)
    polynomial("EXP", "`(e^r - 1 - r) / r^2` for `|r| <= ln 2 / 2`", near_zero(lambda r: (mp.expm1(r) - r) / r**2, 0.5), -half_ln2, half_ln2, 10)
    root = lambda f: near_zero(lambda z: f(mp.sqrt(z)), 0)
    polynomial("LOG", "`(2 atanh s - 2 s) / s^3` in `z = s^2`, `z <= 0.0405`", near_zero(lambda z: 2 * (mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, mp.mpf(2) / 3), 0, mp.mpf("0.0405"), 8)
    polynomial("LOG_NARROW", "`2 atanh s / s` in `z = s^2`, `z <= 0.02944`", near_zero(lambda z: 2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z), 2), 0, mp.mpf("0.02945"), 7)
    polynomial("EXP_NARROW", "`e^r` for `|r| <= ln 2 / 2`", mp.exp, -half_ln2, half_ln2, 10)
    polynomial("ERFC_NARROW", "`(x + 2) e^(x^2) erfc x` in `t = (x - 2) / (x + 2)`", scaled_tail(mp.mpf(1), 2), -1, 1, 14)
    polynomial("GELU_NARROW", "`(u + 4) e^(u^2/2) erfc(u / sqrt 2)` in `t = (u - 4) / (u + 4)`", scaled_tail(1 / mp.sqrt(2), 4), -1, 1, 14)
    quarter = (mp.pi / 4) ** 2 * mp.mpf("1.001")
    polynomial("SIN", "`(sin r - r) / r^3` in `z = r^2`, `|r| <= pi/4`", near_zero(lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, -mp.mpf(1) / 6), 0, quarter, 6)
    polynomial("COS", "`(cos r - 1 + r^2/2) / r^4` in `z = r^2`, `|r| <= pi/4`", near_zero(lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, mp.mpf(1) / 24), 0, quarter, 5)
    polynomial("ASIN", "`(asin s - s) / s^3` in `z = s^2`, `|s| <= 1/2`", near_zero(lambda z: (mp.asin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, mp.mpf(1) / 6), 0, mp.mpf("0.25"), 12)
    two_by_root = 2 / mp.sqrt(mp.pi)
    polynomial("ERF", "`(erf x / x - 2/sqrt(pi)) / x^2` in `z = x^2`, `|x| <= 1/2`", near_zero(lambda z: (mp.erf(mp.sqrt(z)) / mp.sqrt(z) - two_by_root) / z, -two_by_root / 3), 0, mp.mpf("0.25"), 8)
    polynomial("ERFC", "`(x + 2) e^(x^2) erfc x` in `t = (x - 2) / (x + 2)`", scaled_tail(mp.mpf(1), 2), -1, 1, 26, pairs=4)
    polynomial("GELU", "`(u + 4) e^(u^2/2) erfc(u / sqrt 2)` in `t = (u - 4) / (u + 4)`", scaled_tail(1 / mp.sqrt(2), 4), -1, 1, 26, pairs=4)
    constant("LN2", "ln 2.", mp.log(2))
    constant("INV_LN2", "1 / ln 2.", 1 / mp.log(2))
    constant("INV_LN10", "1 / ln 10.", 1 / mp.log(10))
    constant("PI", "pi.", mp.pi, 3)
    constant("HALF_PI", "pi / 2.", mp.pi / 2, 3)
    constant("QUARTER_PI", "pi / 4.", mp.pi / 4)
    constant("THREE_QUARTERS_PI", "3 pi / 4.", 3 * mp.pi / 4)
    constant("TWO_BY_ROOT_PI", "2 / sqrt(pi).", two_by_root)
    # The functions of f32 that compute in f32.
    polynomial("EXP_F32", "`(e^r - 1 - r) / r^2` for `|r| <= ln 2 / 2`", near_zero(lambda r: (mp.expm1(r) - r) / r**2, 0.5), -half_ln2, half_ln2, 4, "f32")
    polynomial("SIN_F32", "`(sin r - r) / r^3` in `z = r^2`, `|r| <= pi/4`", near_zero(lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, -mp.mpf(1) / 6), 0, quarter, 2, "f32")
    polynomial("COS_F32", "`(cos r - 1 + r^2/2) / r^4` in `z = r^2`, `|r| <= pi/4`", near_zero(lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, mp.mpf(1) / 24), 0, quarter, 2, "f32")
    polynomial("TAN_F32", "`(tan r - r) / r^3` in `z = r^2`, `|r| <= pi/4`", near_zero(lambda z: (mp.tan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, mp.mpf(1) / 3), 0, quarter, 6, "f32")
    polynomial("TANH_F32", "`(tanh x - x) / x^3` in `z = x^2`, `|x| <= 0.8`", near_zero(lambda z: (mp.tanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, -mp.mpf(1) / 3), 0, mp.mpf("0.64"), 5, "f32")
    polynomial("ASIN_F32", "`(asin s - s) / s^3` in `z = s^2`, `|s| <= 1/2`", near_zero(lambda z: (mp.asin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, mp.mpf(1) / 6), 0, mp.mpf("0.25"), 4, "f32")
    polynomial("ATAN_F32", "`(atan s - s) / s^3` in `z = s^2`, `|s| <= 1`", near_zero(lambda z: (mp.atan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, -mp.mpf(1) / 3), 0, 1, 8, "f32")
    polynomial("ERF_F32", "`(erf x / x - 2/sqrt(pi)) / x^2` in `z = x^2`, `|x| <= 1`", near_zero(lambda z: (mp.erf(mp.sqrt(z)) / mp.sqrt(z) - two_by_root) / z, -two_by_root / 3), 0, 1, 5, "f32")
    polynomial("ERF_FAR_F32", "`log erfc x` for x from 0.9 to 4", lambda x: mp.log(mp.erfc(x)), mp.mpf("0.9"), 4, 8, "f32")
    constant_single("LN2_F32", "ln 2.", mp.log(2))
    head = mp.floor(mp.log(2) * 2**12) / 2**12
    array("EXP_LN2_F32", "ln 2: the product of the first part with a number of twelve bits is exact.", [single(head), single(mp.log(2) - head)], "f32")
    constant_single("HALF_PI_F32", "pi / 2.", mp.pi / 2, 3)
    constant_single("TWO_BY_ROOT_PI_F32", "2 / sqrt(pi).", two_by_root)


def begin(what):
    print(f"//! {what} and the polynomials that go with them, written by `data/math/coefficients.py`. Do not edit.\n")
    print("#![allow(clippy::approx_constant, clippy::excessive_precision, reason = \"written by a program\")]\n")


def logarithms():
    begin("Tables of logarithms")
    low, high = -mp.mpf(1) / 31, mp.mpf(1) / 16
    for base, name in ((mp.e, "LOG"), (mp.mpf(2), "LOG2"), (mp.mpf(10), "LOG10")):
        scale = 1 / mp.log(base)
        logarithm_tables(name, scale, 40, 15)
        constant_single(f"{name}_SCALE_F32", "1 / ln of the base.", scale)
        polynomial(f"{name}_F32", f"`(log(1 + r) / r - c) / r` with `c` the first of [`{name}_SCALE_F32`], r from -1/32 to 1/16", near_zero(lambda r: (scale * mp.log1p(r) / r - scale) / r, -scale / 2), low, high, 3, "f32")
        polynomial(f"{name}_SERIES", "`(log(1 + r) - r / ln b) / r^2` for r from -1/32 to 1/16", near_zero(lambda r: scale * (mp.log1p(r) - r) / r**2, -scale / 2), low, high, 9)


def tables():
    begin("Tables of functions")
    quarter = (mp.pi / 4) ** 2 * mp.mpf("1.001")
    cube_root_tables()
    limit = mp.log(2) / 64 * mp.mpf("1.001")
    polynomial("SINH_NEAR_F32", "`(sinh r - r) / r^3` in `z = r^2`, `|r| <= 0.7`", near_zero(lambda z: (mp.sinh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, mp.mpf(1) / 6), 0, mp.mpf("0.49"), 2, "f32")
    limit = mp.log(2) / 32 * mp.mpf("1.001")
    polynomial("TANH_EXP", "`(e^r - 1 - r) / r^2` for `|r| <= ln 2 / 32`", near_zero(lambda r: (mp.expm1(r) - r) / r**2, 0.5), -limit, limit, 5)
    polynomial("TANH_EXP_F32", "`(e^(2r) - 1) / r` for `|r| <= ln 2 / 64`", near_zero(lambda r: mp.expm1(2 * r) / r, 2), -limit, limit, 2, "f32")
    polynomial("ATAN_HALF", "`(atan s - s) / s^3` in `z = s^2`, `|s| <= 1/2`", near_zero(lambda z: (mp.atan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, -mp.mpf(1) / 3), 0, mp.mpf("0.2501"), 12)
    # A third is no double: the other terms make up for that where they are large.
    third = mp.mpf(double(mp.mpf(1) / 3))
    polynomial("TAN_REST", "`((tan r - r) / r^3 - 1/3) / z` in `z = r^2`, `|r| <= pi/4`, and what the double of 1/3 misses", lambda z: ((mp.tan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z - third) / z, mp.mpf("0.04"), quarter, 13)
    power_tables("f64", 40, 5, 5)
    power_tables("f32", 15, 2, 2)
    two_over_pi("TWO_OVER_PI_F32", "`2^(16 b - 8) * 2/pi` modulo 4 in two doubles, for b from 0 to 7: for huge arguments in f32.", -8, 8, 2)
    two_over_pi("TWO_OVER_PI", "`2^(16 b - 24) * 2/pi` modulo 4 in four doubles, for b from 0 to 63: what reduces huge arguments.", -24, 64, 4)


{"": main, "logarithms": logarithms, "tables": tables}["".join(sys.argv[1:])]()
