#!/usr/bin/env python3
"""Writes groups.txt: histograms, places in tables and reductions by labels with NumPy's results.

The format is that of elementwise.txt. Functions that NumPy has are NumPy's; sums, means and deviations of groups are computed
with fractions and rounded once. Run with NumPy 2.4:

    python data/numpy/groups.py
"""
import pathlib
import random
from fractions import Fraction

import numpy as np

SHORT = {"bool": "bool", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint8": "u8", "uint16": "u16",
         "uint32": "u32", "uint64": "u64", "float16": "f16", "float32": "f32", "float64": "f64"}
draw = random.Random(23)
rng = np.random.default_rng(23)

SPECIAL = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, 2.0, -1.5])
INPUTS = {
    "f": rng.normal(0, 2, 160).astype(np.float32),
    "d": rng.normal(0, 2, (20, 15)),
    "h": rng.normal(0, 2, 90).astype(np.float16),
    "e": (rng.integers(-8, 9, 150) / 4).astype(np.float32),
    "g": rng.integers(-8, 9, 150) / 4,
    "s": np.concatenate([SPECIAL, rng.normal(0, 1, 40)]),
    "t": np.concatenate([SPECIAL, rng.normal(0, 1, 40)]).astype(np.float32),
    "i": rng.integers(-50, 50, 120).astype(np.int32),
    "b": rng.integers(0, 256, 200).astype(np.uint8),
    "l": rng.integers(-2**62, 2**62, 90),
    "u": rng.integers(0, 2**64, 90, dtype=np.uint64),
    "q": rng.integers(-100, 100, 80).astype(np.int8),
    "m": rng.normal(0, 1, 90) > 0,
    "c": np.full(20, 3.0, np.float32),
    "z": np.zeros(0, np.float32),
    "n": rng.integers(0, 7, 160),
    "k": rng.integers(0, 4, 20).astype(np.int32),
    "p": rng.integers(0, 5, 15).astype(np.uint8),
    "w": rng.integers(-3, 9, 150).astype(np.float64),
    "v": rng.integers(-3, 9, 150).astype(np.int64),
    "j": rng.integers(-1, 6, (20, 15)),
    "o": np.sort(rng.normal(0, 2, 33)),
    "r": np.sort(rng.normal(0, 2, 9)).astype(np.float32),
    "y": np.sort(rng.integers(-40, 40, 12)),
}


def rounded(value, dtype):
    """A fraction as a float: NumPy's and Python's conversions round once."""
    if dtype == np.float64:
        return np.float64(value.numerator / value.denominator)
    near = np.float32(value.numerator / value.denominator)
    down, up = np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))
    distance = lambda one: (abs(Fraction(float(one)) - value), int(one.view(np.int32)) & 1)
    return min([near, down, up], key=distance)


def root(value):
    """The root of a fraction, rounded once."""
    if value == 0:
        return np.float64(0)
    near = np.float64(float(value) ** 0.5)
    candidates = [np.nextafter(near, -np.inf), near, np.nextafter(near, np.inf)]
    between = [(Fraction(float(a)) + Fraction(float(b))) / 2 for a, b in zip(candidates, candidates[1:])]
    # A tie goes to the even one.
    odd = [int(candidate.view(np.int64)) & 1 for candidate in candidates]
    above = lambda at: between[at] ** 2 < value or (between[at] ** 2 == value and odd[at])
    return candidates[sum(1 for at in range(len(between)) if above(at))]


def reduce_one(kind, values, dtype, ddof):
    if kind == "count":
        return len(values)
    if kind in ("min", "max", "any", "all"):
        if len(values) == 0 and kind in ("min", "max"):
            return np.nan
        return getattr(np, kind)(values)
    exact = [Fraction(value.item()) for value in values]
    if kind == "sum":
        return sum(exact) if np.issubdtype(dtype, np.integer) else rounded(Fraction(sum(exact)), dtype)
    if len(exact) <= (0 if kind == "mean" else ddof):
        return np.nan
    mean = Fraction(sum(exact)) / len(exact)
    if kind == "mean":
        return rounded(mean, dtype)
    var = sum((value - mean) ** 2 for value in exact) / (len(exact) - ddof)
    return rounded(var, dtype) if kind == "var" else dtype.type(root(var))


def grouped(kind, x, labels, n, axis=None, *, skip=False, ddof=0):
    if axis is not None and labels.shape != x.shape:
        labels = np.broadcast_to(np.expand_dims(labels, [a for a in range(x.ndim) if a != axis % x.ndim]), x.shape)
    moved, marks = (x.reshape(-1, 1), labels.reshape(-1, 1)) if axis is None else (
        np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1), np.moveaxis(labels, axis, 0).reshape(x.shape[axis], -1))
    float_like = x.dtype if np.issubdtype(x.dtype, np.floating) else np.dtype(np.float64)
    whole = x.dtype if np.issubdtype(x.dtype, np.floating) else np.dtype(np.uint64 if x.dtype.kind == "u" else np.int64)
    dtype = {"sum": whole, "min": x.dtype, "max": x.dtype, "any": np.dtype(bool), "all": np.dtype(bool),
             "count": np.dtype(np.int64)}.get(kind, float_like)
    out = np.empty((n, moved.shape[1]), dtype)
    for group in range(n):
        for column in range(moved.shape[1]):
            out[group, column] = reduce_one(kind, moved[marks[:, column] == group, column], dtype, ddof)
    if axis is None:
        return out.reshape(n)
    rest = [x.shape[a] for a in range(x.ndim) if a != axis % x.ndim]
    return np.moveaxis(out.reshape([n] + rest), 0, axis % x.ndim)


def named(kind):
    return lambda *args, **options: grouped(kind, *args, **options)


KINDS = "sum mean var std min max any all count".split()
SCOPE = {"__builtins__": {}} | INPUTS | {name: getattr(np, name) for name in
         "digitize searchsorted histogram histogram_bin_edges bincount sum".split()}
SCOPE |= {f"group_{kind}": named(kind) for kind in KINDS} | {"True": True, "False": False, "None": None}


def numbers(count, step=8):
    return sorted(draw.randint(-40, 40) / step for _ in range(count))


def expressions():
    for name in "f d h e g s t i b l u q m".split():
        for _ in range(4):
            edges = numbers(draw.choice([1, 2, 5, 9, 40]))
            yield f"digitize({name}, {edges}, right={draw.choice([True, False])})"
            yield f"searchsorted({edges}, {name}, side='{draw.choice(['left', 'right'])}')"
        yield f"digitize({name}, {numbers(6)[::-1]})"
        for table in ["o", "r", "y"]:
            if (table == "y") == (name in "ibqlu") or name in "fde":
                yield f"searchsorted({table}, {name}, side='{draw.choice(['left', 'right'])}')"
                yield f"digitize({name}, {table})"
    for name in "f d h e g i b q c z n m".split():
        if name != "m":
            for bins in [1, 10, 7, draw.randint(2, 300)]:
                yield f"histogram({name}, {bins})[0]"
                yield f"histogram({name}, {bins})[1]"
            yield f"histogram({name}, 12, density=True)[0]"
        for _ in range(4):
            low = draw.randint(-30, 10) / 4
            high = low + draw.randint(1, 60) / 4
            bins = draw.choice([4, 10, 37, 128])
            if name != "m":
                yield f"histogram({name}, {bins}, range=({low}, {high}))[0]"
                yield f"histogram({name}, {bins}, range=({low}, {high}))[1]"
            edges = numbers(draw.choice([2, 3, 8, 30]))
            if name not in "mz":
                yield f"histogram({name}, {edges})[0]"
    for name in "st":
        yield f"histogram({name}, 5, range=(-1, 1))[0]"
        yield f"histogram({name}, [-1, 0, 1, 2])[0]"
    for weights in "wv":
        for name in "eg":
            yield f"histogram({name}, 6, weights={weights})[0]"
            yield f"histogram({name}, {numbers(7, 4)}, weights={weights})[0]"
            yield f"histogram({name}, 6, range=(-1.5, 1), weights={weights}, density=True)[0]"
    for name in "bnkp":
        yield f"bincount({name}, minlength=30)"
        yield f"bincount({name})"
        yield f"bincount({name}, minlength=3)"
    yield "bincount(b[:150], w)"
    yield "bincount(b[:150], weights=v, minlength=400)"
    for kind in KINDS:
        ddof = ", ddof=1" if kind in ("var", "std") else ""
        yield f"group_{kind}(f, n, 7{ddof})"
        yield f"group_{kind}(d, k, 4, axis=0)"
        yield f"group_{kind}(d, p, 5, axis=1)"
        yield f"group_{kind}(d, p, 5, axis=-1{ddof})"
        yield f"group_{kind}(d, j, 6, axis=1, skip=True)"
        yield f"group_{kind}(d, j, 5, skip=True)"
        yield f"group_{kind}(f, n, 9)"
        yield f"group_{kind}(e, b[:150] // 4, 64)"
        if kind not in ("min", "max"):
            yield f"group_{kind}(i, b[:120] // 4, 70)"
            yield f"group_{kind}(b, b // 16, 16)"


def written(array):
    array = np.asarray(array)
    shape = "x".join(map(str, array.shape)) or "-"
    return f"{SHORT[str(array.dtype)]} {shape}", np.ascontiguousarray(array).tobytes().hex() or "-"


def main():
    lines = []
    for name, array in INPUTS.items():
        facts, text = written(array)
        lines.append(f"input {name} {facts} {text}")
    for text in expressions():
        facts, value = written(eval(text, SCOPE))
        lines.append(f"{text} => {facts} exact {value}")
    pathlib.Path(__file__).with_name("groups.txt").write_text("\n".join(lines) + "\n")


main()
