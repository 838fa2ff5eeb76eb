#!/usr/bin/env python3
"""Writes reductions.txt: reductions with NumPy's dtypes, shapes and values.

The format is that of elementwise.txt, and `EXPRESSION => error AXIS - -` where NumPy refuses too: AXIS is the axis without
elements that the message must name, or `-`. Sums, means and deviations of floats are the exact ones, computed with fractions and
rounded once; the script holds NumPy's own result against them, within a tolerance. Run with NumPy 2.4:

    python data/numpy/reductions.py
"""
import itertools
import math
import pathlib
import random
import warnings
from fractions import Fraction

import numpy as np

warnings.simplefilter("ignore")

DTYPES = {
    "bool": "bool", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8", "u16": "uint16",
    "u32": "uint32", "u64": "uint64", "f16": "float16", "f32": "float32", "f64": "float64",
}
SHORT = {np.dtype(long): short for short, long in DTYPES.items()}
FLOATS = ["f16", "f32", "f64"]
draw = random.Random(41)

SUMS = ["sum", "mean", "var", "std", "nansum", "nanmean", "nanvar", "nanstd"]
EXACT = ["any", "all", "count_nonzero", "argmin", "argmax", "nanargmin", "nanargmax"]
EXTREMES = ["min", "max", "ptp", "nanmin", "nanmax"]
PRODUCTS = ["prod", "nanprod"]
INPUTS, lines, seen = {}, [], set()


def numbers(dtype, shape, specials):
    kind, count = np.dtype(DTYPES[dtype]), math.prod(shape)
    if dtype == "bool":
        return np.array([draw.random() < 0.7 for _ in range(count)]).reshape(shape)
    if dtype not in FLOATS:
        low = 0 if kind.kind == "u" else -3
        return np.array([draw.randint(low, 4) for _ in range(count)], kind).reshape(shape)
    plain = lambda: draw.choice([draw.uniform(-2, 2), draw.randint(-2, 2)])
    values = [draw.choice(specials) if specials and draw.random() < 0.25 else plain() for _ in range(count)]
    return np.array(values, kind).reshape(shape)


for name in DTYPES:
    INPUTS[f"v_{name}"] = numbers(name, (7,), [])
    INPUTS[f"c_{name}"] = numbers(name, (3, 4, 5), [])
for name in [*FLOATS, "i32", "u8"]:
    INPUTS[f"w_{name}"], INPUTS[f"d_{name}"] = numbers(name, (7,), []), numbers(name, (3, 4, 5), [])
for name in FLOATS:
    INPUTS[f"n_{name}"] = numbers(name, (4, 6), [math.nan, -0.0])
    INPUTS[f"s_{name}"] = numbers(name, (5, 3), [math.nan, math.inf, -math.inf, 0.0, -0.0])
    INPUTS[f"h_{name}"] = np.array([[math.nan] * 3, [1, math.nan, -2], [0, -0.0, math.nan]], DTYPES[name])
    INPUTS[f"z_{name}"] = np.array([[-0.0, 0.0], [0.0, -0.0], [-0.0, -0.0]], DTYPES[name])
    INPUTS[f"e_{name}"] = np.zeros((0, 3), DTYPES[name])
INPUTS["e_i32"], INPUTS["e_bool"] = np.zeros((2, 0), np.int32), np.zeros((2, 0), bool)
INPUTS["l_f64"] = np.array([[1e16, 1.0, -1e16, 1e-300], [1e300, 1e300, -1e300, 3.0]])


def text_of(shape):
    return "x".join(map(str, shape)) or "-"


def hex_of(value):
    return np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<")).tobytes().hex() or "-"


def write(expression, value, bound):
    value = np.asarray(value)
    if expression not in seen:
        seen.add(expression)
        lines.append(f"{expression} => {SHORT[value.dtype]} {text_of(value.shape)} {bound} {hex_of(value)}")


def rounded(exact, kind):
    """A fraction as the nearest float of a dtype, ties to even."""
    if kind == np.float64:
        try:
            return exact.numerator / exact.denominator
        except OverflowError:
            return math.copysign(math.inf, exact)
    # The two neighbours of the f64, in the narrow dtype.
    near = kind.type(exact.numerator / exact.denominator)
    candidates = [near, np.nextafter(near, kind.type(np.inf)), np.nextafter(near, kind.type(-np.inf))]
    finite = [one for one in candidates if np.isfinite(one)]
    return min(finite, key=lambda one: (abs(Fraction(float(one)) - exact), one.view(f"u{kind.itemsize}") & 1))


def root(square, kind):
    """The nearest float to the root of a fraction, ties cannot be."""
    near = kind.type(math.sqrt(square))
    candidates = [near, np.nextafter(near, kind.type(np.inf)), np.nextafter(near, kind.type(0))]
    def distance(one):
        # One of two neighbours is nearer where the square of their middle is on the other side.
        return abs(Fraction(float(one)) ** 2 - square)
    best = near
    for other in candidates[1:]:
        low, high = sorted([best, other], key=float)
        middle = (Fraction(float(low)) + Fraction(float(high))) / 2
        best = high if square > middle * middle else low
    return best


def exact_statistic(function, values, kind, ddof):
    """The statistic of a slice, or None where NumPy's own is taken: NaN, infinities, nothing."""
    if function.startswith("nan"):
        function, values = function[3:], [one for one in values if one == one]
    if not all(map(math.isfinite, values)) or len(values) <= (ddof if function in ("var", "std") else 0):
        return None
    parts = [Fraction(float(one)) if isinstance(one, (float, np.floating)) else Fraction(int(one)) for one in values]
    total = sum(parts)
    if total == 0 and function in ("sum", "mean"):
        return None
    if function == "sum":
        return rounded(total, kind)
    if function == "mean":
        return rounded(total / len(parts), kind)
    mean = total / len(parts)
    square = sum((part - mean) ** 2 for part in parts) / (len(parts) - ddof)
    return rounded(square, kind) if function == "var" else root(square, kind)


def slices(array, axis):
    """The slices of a reduction, in C order of the result."""
    axes = range(array.ndim) if axis is None else [one % array.ndim for one in (axis if isinstance(axis, tuple) else (axis,))]
    kept = [one for one in range(array.ndim) if one not in axes]
    for place in itertools.product(*(range(array.shape[one]) for one in kept)):
        index = [slice(None)] * array.ndim
        for one, at in zip(kept, place):
            index[one] = at
        yield array[tuple(index)].ravel()


def statistic(function, text, axis, options, ddof=0):
    array = INPUTS[text]
    arguments = dict(options) | ({"ddof": ddof} if ddof else {})
    value = np.asarray(getattr(np, function)(array, axis=axis, **arguments))
    if value.dtype.kind == "f":
        found = value.copy().reshape(-1)
        for at, part in enumerate(slices(array, axis)):
            exact = exact_statistic(function, list(part), value.dtype, ddof)
            if exact is not None:
                scale = max([abs(float(one)) for one in part if one == one])
                tolerance = len(part) * np.finfo(value.dtype).eps * scale * max(scale, 1) * 4
                assert "l_" in text or abs(float(found[at]) - float(exact)) <= tolerance, (function, text, axis, found[at], exact)
                found[at] = exact
            elif found[at] == 0 and "sum" not in function and "mean" not in function:
                found[at] = abs(found[at])
        value = found.reshape(value.shape)
    # The sum of nothing but -0.0 is -0.0; NumPy has it along some axes only.
    write(call(function, text, axis, arguments), value, "zero" if text[0] == "z" else "exact")


def call(function, text, axis, options):
    parts = [text] + ([f"axis={axis}"] if axis is not None else [])
    parts += [f"{key}={SHORT[np.dtype(value)] if key == 'dtype' else value}" for key, value in options.items()]
    return f"{function}({', '.join(parts)})"


def plain(function, text, axis, options, bound="exact"):
    expression = call(function, text, axis, options)
    try:
        value = getattr(np, function)(INPUTS[text], axis=axis, **options)
    except (ValueError, TypeError) as error:
        array = INPUTS[text]
        axes = range(array.ndim) if axis is None else [axis % array.ndim] if isinstance(axis, int) else axis
        empty = next((one for one in axes if array.shape[one] == 0 and not (function == "ptp" and array.dtype == bool)), "-")
        if expression not in seen:
            seen.add(expression)
            lines.append(f"{expression} => error {empty} - -")
        return
    write(expression, value, bound)


def axes_of(array, tuples=True):
    singles = [None] + list(range(array.ndim)) + ([-1] if array.ndim > 1 else [])
    pairs = list(itertools.combinations(range(array.ndim), 2)) + ([tuple(range(array.ndim))] if array.ndim > 1 else [])
    return singles + (pairs if tuples else [])


def exactly(function, left, right):
    """An exact statistic of pairs as a fraction, or for corrcoef the fraction it is the root of, with its sign."""
    a, b = ([Fraction(float(one)) for one in side] for side in (left, right))
    both, count = sum(x * y for x, y in zip(a, b)), len(a)
    if function == "average":
        return both / sum(b)
    if function in ("dot", "vdot", "vecdot"):
        return both
    co = lambda x, y: count * sum(p * q for p, q in zip(x, y)) - sum(x) * sum(y)
    return co(a, b) if function == "cov" else (co(a, b), co(a, a) * co(b, b))


def near(found, exact, scale):
    assert np.allclose(np.asarray(found, float), float(exact), rtol=1e-2 if found.dtype == np.float16 else 1e-5, atol=scale), (found, exact)


def pair(expression, function, found, left, right, kind):
    exact = exactly(function, left.ravel(), right.ravel())
    scale = float(sum(abs(float(x) * float(y)) for x, y in zip(left.ravel(), right.ravel()))) * np.finfo(kind).eps * 8
    near(np.asarray(found), exact, scale)
    write(expression, kind.type(rounded(exact, kind)), "exact" if exact else "zero")


def pairs():
    for name in [*FLOATS, "i32", "u8"]:
        v, w = f"v_{name}", f"w_{name}"
        x, y = INPUTS[v], INPUTS[w]
        c, d = INPUTS[f"c_{name}"], INPUTS[f"d_{name}"]
        kind = np.dtype(DTYPES[name]) if name in FLOATS else np.dtype(np.float64)
        if name not in FLOATS:
            write(f"dot({v}, {w})", np.dot(x, y), "exact")
            write(f"vecdot(c_{name}, d_{name}, axis=1)", np.sum(c * d, axis=1, dtype=c.dtype), "exact")
        else:
            pair(f"dot({v}, {w})", "dot", np.dot(x, y), x, y, kind)
            pair(f"vdot(c_{name}, d_{name})", "vdot", np.vdot(c, d), c, d, kind)
            for axis in (0, 1, -1):
                moved = [np.moveaxis(side, axis, -1) for side in (c, d)]
                exact = [rounded(exactly("vecdot", p, q), kind) for p, q in zip(*(side.reshape(-1, side.shape[-1]) for side in moved))]
                write(f"vecdot(c_{name}, d_{name}, axis={axis})", np.array(exact, kind).reshape(moved[0].shape[:-1]), "zero")
        weights = np.abs(y) + np.array(1, y.dtype)
        INPUTS[f"q_{name}"] = weights
        pair(f"average({v}, weights=q_{name})", "average", np.average(x, weights=weights), x, weights, kind)
        write(f"average(c_{name}, axis=0)", np.array([[rounded(sum(Fraction(float(one)) for one in c[:, i, j]) / 3, kind) for j in range(5)]
                                                       for i in range(4)], kind), "zero")
        short = INPUTS[f"k_{name}"] = np.array([1, 2, 4, 1], x.dtype)
        assert np.average(c, axis=1, weights=short).shape == (3, 5)
        exact = [[rounded(exactly("average", c[i, :, j], short), kind) for j in range(5)] for i in range(3)]
        write(f"average(c_{name}, axis=1, weights=k_{name})", np.array(exact, kind), "zero")
        if name in FLOATS:
            covariances, wide = {}, np.dtype(np.float64)
            for (p, a), (q, b) in itertools.product(enumerate([x, y]), repeat=2):
                top, bottom = exactly("corrcoef", a, b)
                covariances[p, q] = (rounded(top / (7 * 6), wide), math.copysign(float(root(top * top / bottom, wide)), top))
            for place, function in enumerate(["cov", "corrcoef"]):
                made = np.array([[covariances[p, q][place] for q in range(2)] for p in range(2)])
                found = getattr(np, function)(x, y)
                assert found.dtype == wide and np.allclose(made, found, rtol=1e-6)
                write(f"{function}({v}, {w})", made, "exact")
            square = sum(Fraction(float(one)) ** 2 for one in c.ravel())
            near(np.asarray(np.linalg.norm(c.ravel())), math.sqrt(square), 1e-3)
            write(f"norm(c_{name})", kind.type(root(square, kind)), "exact")
            exact = [[root(sum(Fraction(float(one)) ** 2 for one in c[:, i, j]), kind) for j in range(5)] for i in range(4)]
            write(f"norm(c_{name}, axis=0)", np.array(exact, kind), "exact")
            write(f"norm(c_{name}, axis=(0, 1), keepdims=True)", np.array([[[root(sum(Fraction(float(one)) ** 2 for one in c[:, :, j].ravel()), kind)
                                                                             for j in range(5)]]], kind), "exact")


def moments():
    """Skewness and kurtosis by the formulas of scipy.stats, in fractions up to the last root."""
    for name, text, axis in [(name, place, axis) for name in ("f32", "f64", "i32") for place, axis in (("v", None), ("c", 1), ("c", None))]:
        array = INPUTS[f"{text}_{name}"]
        kind = np.dtype(np.float32) if name == "f32" else np.dtype(np.float64)
        for bias in (True, False):
            skews, kurtoses = [], []
            for part in slices(array, axis):
                values = [Fraction(float(one)) for one in part]
                n, mean = len(values), sum(values) / len(values)
                m2, m3, m4 = (sum((value - mean) ** power for value in values) / n for power in (2, 3, 4))
                skew, kurtosis = (float(m3) / float(m2) ** 1.5, float(m4 / m2**2)) if m2 else (math.nan, math.nan)
                if not bias and m2:
                    skew *= math.sqrt(n * (n - 1)) / (n - 2)
                    kurtosis = (kurtosis * (n * n - 1) - 3 * (n - 1) ** 2) / ((n - 2) * (n - 3)) + 3
                skews.append(skew)
                kurtoses.append(kurtosis - 3)
            shape = np.sum(array, axis=axis).shape
            options = (f", axis={axis}" if axis is not None else "") + ("" if bias else ", bias=False")
            bound = "2" if name == "f32" else "200"
            # Near 0 a skewness is a difference of large sums.
            write(f"skew({text}_{name}{options})", np.array(skews, kind).reshape(shape), bound if name == "f32" else "1000000")
            write(f"kurtosis({text}_{name}{options})", np.array(kurtoses, kind).reshape(shape), bound)


def everything():
    for text, array in INPUTS.items():
        name = text[2:]
        if text[0] in "wd":
            continue
        if text == "l_f64":
            for function, axis in itertools.product(["sum", "mean", "nansum", "nanmean"], [0, 1, None]):
                statistic(function, text, axis, {})
            continue
        for axis in axes_of(array):
            for keepdims in [{}] + [{"keepdims": True}] * (draw.random() < 0.2):
                for function in SUMS:
                    statistic(function, text, axis, keepdims)
                for function in ["any", "all", "count_nonzero"]:
                    plain(function, text, axis, keepdims)
                for function in EXTREMES:
                    plain(function, text, axis, keepdims, "zero")
                for function in PRODUCTS:
                    plain(function, text, axis, keepdims, str(array.size) if name in FLOATS else "exact")
        for axis in axes_of(array, tuples=False):
            for function in ["argmin", "argmax", "nanargmin", "nanargmax"]:
                plain(function, text, axis, {"keepdims": True} if draw.random() < 0.2 else {})
        if array.size:
            for function in ["var", "std", "nanvar", "nanstd"]:
                statistic(function, text, 0, {}, ddof=1)
                statistic(function, text, None, {}, ddof=2)
        if name in FLOATS and array.size and text[0] in "vcn":
            for dtype, function in itertools.product([np.float64, np.float32], ["sum", "mean", "nansum", "nanmean"]):
                if np.dtype(dtype).itemsize >= array.dtype.itemsize:
                    statistic(function, text, 0, {"dtype": np.dtype(dtype)})
        if name not in FLOATS:
            plain("sum", text, None, {"dtype": np.dtype(np.int64)})
            plain("prod", text, 0, {"dtype": np.dtype(np.float64)}, "9")


everything()
pairs()
moments()
header = [f"input {name} {SHORT[value.dtype]} {text_of(value.shape)} {hex_of(value)}" for name, value in INPUTS.items()]
path = pathlib.Path(__file__).with_suffix(".txt")
path.write_text("\n".join(header + lines) + "\n")
print(f"{len(lines)} expressions, {path.stat().st_size} bytes")
