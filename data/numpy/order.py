#!/usr/bin/env python3
"""Writes order.txt: quantiles by all of NumPy's methods, sorting, the largest elements and what is unique, with NumPy's results.

The format is that of elementwise.txt. Quantiles of floats are NumPy's of the array in float64, rounded once to the array's dtype: NumPy
itself computes places of float32 arrays in float32. The mix of two elements is exact, in fractions, and rounded once; between a number and
an infinity it is that infinity, where NumPy gives NaN for some. Functions that NumPy has not are written here with those it has. Run with
NumPy 2.4:

    python data/numpy/order.py
"""
import pathlib
import warnings
from fractions import Fraction

import numpy as np
from numpy.lib import _function_base_impl as implementation

warnings.simplefilter("ignore")
SHORT = {"bool": "bool", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint8": "u8", "uint16": "u16", "uint32": "u32",
         "uint64": "u64", "float16": "f16", "float32": "f32", "float64": "f64"}
METHODS = """linear lower higher midpoint nearest inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen
weibull median_unbiased normal_unbiased""".split()
DISCRETE = {"lower", "higher", "nearest", "inverted_cdf", "closest_observation"}
rng = np.random.default_rng(11)


@np.vectorize
def exact_mix(a, b, t):
    a, b = [int(x) if isinstance(x, (np.integer, np.bool_)) else float(x) for x in (a, b)]
    if a == b or t == 0 or a != a:
        return float(a)
    if t == 1 or b != b:
        return float(b)
    if np.isinf(float(a)) or np.isinf(float(b)):
        return (1 - t) * a + t * b
    return float(Fraction(a) + Fraction(float(t)) * (Fraction(b) - Fraction(a)))


def mix(a, b, t, out=None):
    if np.size(a) == 0:
        return np.zeros(np.broadcast_shapes(np.shape(a), np.shape(t)))
    made = np.asarray(exact_mix(a, b, t), np.float64)
    if out is not None:
        out[...] = made
        return out
    return made


implementation._lerp = mix


def make(dtype, shape):
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind in "iu":
        bounds = np.iinfo(dtype)
        return rng.choice(np.array([bounds.min, bounds.max, 0, 1, 5, 7, 100], dtype), shape)
    values = rng.normal(0, 3, shape).astype(dtype)
    return np.where(rng.random(shape) < 0.2, np.round(values), values).astype(dtype)


INPUTS = {}
for dtype, short in SHORT.items():
    INPUTS[f"v_{short}"] = make(dtype, 23)
    INPUTS[f"m_{short}"] = make(dtype, (6, 11))
    INPUTS[f"c_{short}"] = make(dtype, (3, 8, 5))
for short in ["f16", "f32", "f64"]:
    special = INPUTS[f"m_{short}"].copy()
    special[rng.random(special.shape) < 0.15] = np.nan
    special[:, 3] = np.nan
    special[2, 5] = -np.nan
    INPUTS[f"n_{short}"] = special
    zeros = np.array([0.0, -0.0, 0.0, -0.0, 1.0, -1.0, 0.0], special.dtype)
    INPUTS[f"z_{short}"] = zeros
    infinite = np.array([np.inf, 1.0, -np.inf, 2.0, np.inf, 3.0, -np.inf, 4.0, np.inf], special.dtype)
    INPUTS[f"i_{short}"] = infinite
INPUTS["e_f64"] = np.zeros((0, 4))


def quantile(x, q, axis=None, method="linear", keepdims=False, skip=False):
    """NumPy's in float64, rounded once."""
    function = np.nanquantile if skip else np.quantile
    if x.size == 0 and not skip:
        return np.median(x, axis=axis, keepdims=keepdims)
    wide = x
    if x.dtype.kind == "f" and x.dtype != np.float64:
        wide = x.astype(np.float64)
    elif x.dtype.kind == "b":
        wide = x.astype(np.uint8)
    made = np.asarray(function(wide, q, axis=axis, method=method, keepdims=keepdims))
    if method in DISCRETE or x.dtype.kind == "f":
        made = made.astype(x.dtype)
    return made


def median(x, axis=None, keepdims=False):
    return quantile(x, 0.5, axis, "linear", keepdims)


def nanmedian(x, axis=None, keepdims=False):
    return quantile(x, 0.5, axis, "linear", keepdims, True)


def nanquantile(x, q, axis=None, method="linear", keepdims=False):
    return quantile(x, q, axis, method, keepdims, True)


def percentile(x, q, axis=None, method="linear", keepdims=False):
    return quantile(x, np.true_divide(q, 100), axis, method, keepdims)


def nanpercentile(x, q, axis=None, method="linear", keepdims=False):
    return quantile(x, np.true_divide(q, 100), axis, method, keepdims, True)


def sort(x, axis=-1):
    return np.sort(x, axis=axis, kind="stable")


def argsort(x, axis=-1):
    return np.argsort(x, axis=axis, kind="stable").astype(np.int64)


def descending(x, axis):
    """Places of the largest elements first, equal ones by index, NaN first of all."""
    if x.dtype.kind == "f":
        numbers = np.where(np.isnan(x), np.inf, x)
        return np.lexsort((-numbers, ~np.isnan(x)), axis=axis)
    if x.dtype.kind == "b":
        x = x.astype(np.uint8)
    ranks = np.unique(x, return_inverse=True)[1].reshape(x.shape)
    return np.argsort(-ranks, axis=axis, kind="stable")


def topk(x, k, axis=-1, largest=True):
    order = descending(x, axis) if largest else np.argsort(x, axis=axis, kind="stable")
    order = np.take(order, range(k), axis=axis)
    return np.take_along_axis(x, order, axis), order.astype(np.int64)


def unique(x, return_counts=False):
    values, counts = np.unique(x, return_counts=True)
    return (values, counts.astype(np.int64)) if return_counts else values


NAMES = "quantile median nanmedian nanquantile percentile nanpercentile sort argsort topk unique".split()
SCOPE = {name: globals()[name] for name in NAMES} | {"__builtins__": {}, "abs": np.abs} | INPUTS


def expressions():
    for short in SHORT.values():
        for method in METHODS:
            for name, q, axis in [("v", 0.3, None), ("m", [0.0, 0.5, 0.77, 1.0], 0), ("m", 0.1, 1), ("c", 0.9, 1), ("c", [0.25, 0.6], (0, 2))]:
                yield f"quantile({name}_{short}, {q}, axis={axis}, method='{method}')"
        for name in ["v", "m", "c"]:
            yield f"median({name}_{short})"
            yield f"median({name}_{short}, axis=0)"
            yield f"median({name}_{short}, axis=-1, keepdims=True)"
            yield f"percentile({name}_{short}, [5, 50, 99.5], axis=0)"
            yield f"percentile({name}_{short}, 10)"
    for short in ["f16", "f32", "f64"]:
        for axis in [None, 0, 1]:
            for method in METHODS:
                yield f"nanquantile(n_{short}, [0.2, 0.5], axis={axis}, method='{method}')"
                yield f"quantile(n_{short}, 0.4, axis={axis}, method='{method}')"
            yield f"nanmedian(n_{short}, axis={axis})"
            yield f"median(n_{short}, axis={axis}, keepdims=True)"
            yield f"nanpercentile(n_{short}, 80, axis={axis}, keepdims=True)"
        for q in [0.0, 0.25, 0.5, 1.0]:
            yield f"quantile(z_{short}, {q})"
            yield f"quantile(i_{short}, {q})"
            yield f"quantile(i_{short}, {q}, method='higher')"
        yield f"m_{short} / median(abs(m_{short}), axis=0)"
        yield f"quantile(m_{short} * 2, 0.5, axis=1, keepdims=True) - median(m_{short})"
    yield "median(e_f64)"
    yield "median(e_f64, axis=0)"
    yield "quantile(e_f64, 0.5, axis=1)"
    for short in SHORT.values():
        for text in extra(short):
            yield text


def extra(short):
    names = ["v", "m", "c"] + (["n", "z", "i"] if short in ("f16", "f32", "f64") else [])
    for name in names:
        rank = INPUTS[f"{name}_{short}"].ndim
        for axis in range(-1, rank):
            yield f"sort({name}_{short}, axis={axis})"
            yield f"argsort({name}_{short}, axis={axis})"
            for largest in [True, False]:
                for part in [0, 1]:
                    yield f"topk({name}_{short}, 3, axis={axis}, largest={largest})[{part}]"
        yield f"unique({name}_{short})"
        yield f"unique({name}_{short}, return_counts=True)[0]"
        yield f"unique({name}_{short}, return_counts=True)[1]"


def written(value):
    value = np.asarray(value)
    shape = "x".join(str(length) for length in value.shape) or "-"
    return SHORT[str(value.dtype)], shape, np.ascontiguousarray(value).tobytes().hex() or "-"


def main():
    lines = []
    for name, array in INPUTS.items():
        lines.append("input " + name + " " + " ".join(written(array)))
    for text in expressions():
        dtype, shape, data = written(eval(text, SCOPE))
        bound = "zero" if dtype in ("f16", "f32", "f64") else "exact"
        lines.append(f"{text} => {dtype} {shape} {bound} {data}")
    pathlib.Path(__file__).with_suffix(".txt").write_text("\n".join(lines) + "\n")
    print(len(lines))


main()
