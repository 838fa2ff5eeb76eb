#!/usr/bin/env python3
"""Writes scans.txt: running sums, products and extremes, differences and sliding windows with NumPy's results.

The format is that of elementwise.txt; every bound is `exact`: the inputs are such that no sum or product is rounded. Run with
NumPy 2.4:

    python data/numpy/scans.py
"""
import pathlib
import random

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

SHORT = {"bool": "bool", "float16": "f16", "float32": "f32", "float64": "f64"}
for bits in (8, 16, 32, 64):
    SHORT |= {f"int{bits}": f"i{bits}", f"uint{bits}": f"u{bits}"}
draw = random.Random(11)
rng = np.random.default_rng(11)


def powers(shape, dtype):
    """Numbers whose products stay numbers of the dtype."""
    choices = [1, 1, -1, 2] if np.issubdtype(dtype, np.signedinteger) else [1, 1, 2, 0] if np.issubdtype(dtype, np.unsignedinteger) else [1, -1, 2, 0.5]
    return rng.choice(np.array(choices, dtype), shape)


special = rng.integers(-9, 9, (6, 4)).astype(np.float64)
special[1, 1], special[2, 0], special[4, 0], special[3, 3] = np.nan, np.inf, -np.inf, np.inf
INPUTS = {
    "x": rng.integers(-99, 99, (7, 5)).astype(np.float32) / np.float32(4),
    "y": rng.integers(-99, 99, (4, 3, 6)).astype(np.int16),
    "u": rng.integers(0, 99, (2, 1, 3, 2)).astype(np.uint8),
    "h": rng.integers(-9, 9, (3, 8)).astype(np.float16),
    "v": rng.integers(-99, 99, 11).astype(np.float64),
    "b": rng.integers(0, 2, (5, 6)).astype(bool),
    "s": special,
    "p": powers((4, 6), np.float32),
    "q": powers((3, 5), np.int32),
    "r": powers((9,), np.uint16),
}


def accumulate(function):
    return lambda x, axis=None: function.accumulate(np.ravel(x) if axis is None else x, 0 if axis is None else axis)


NAMES = "cumsum cumprod diff ediff1d sum mean max min transpose abs sqrt concatenate where".split()
SCOPE = {name: getattr(np, name) for name in NAMES} | INPUTS | {"__builtins__": {}}
SCOPE |= {"sliding_window_view": sliding_window_view, "cummax": accumulate(np.maximum), "cummin": accumulate(np.minimum)}


def value_of(text):
    return eval(text, SCOPE)


def some_slice(length):
    step = draw.choice([1, 1, 2, -1])
    start = draw.choice(["", "", str(draw.randint(0, length))])
    stop = draw.choice(["", "", str(draw.randint(-length, length))])
    return f"{start}:{stop}:{step}" if step != 1 else f"{start}:{stop}"


def first(name, value):
    """A scan, a difference or a window of an input."""
    axis = draw.choice(["", *(f", axis={place}" for place in range(-value.ndim, value.ndim))])
    choice = draw.randrange(8)
    if name in "pqr" and choice < 4:
        return f"cumprod({name}{axis})"
    if choice < 3:
        return f"{draw.choice(['cumsum', 'cumsum', 'cummax', 'cummin'])}({name}{axis})"
    if choice == 3:
        dtype = draw.choice(["'float64'", "'int64'", "'float32'"]) if name not in "sx" else "'float64'"
        return f"cumsum({name}{axis}, dtype={dtype})"
    if choice == 4:
        count = draw.randint(0, 3)
        return f"diff({name}, {count}{axis})"
    if choice == 5:
        extra = draw.choice(["", ", prepend=1", ", append=2", ", prepend=0, append=1"]) if name != "b" else ""
        return f"diff({name}{axis}{extra})"
    if choice == 6:
        return f"ediff1d({name})" if draw.random() < 0.5 or name == "b" else f"ediff1d({name}, to_begin=3, to_end=[4, 5])"
    place = draw.randrange(value.ndim)
    window = draw.randint(1, min(3, value.shape[place]))
    reducer = draw.choice(["", "max", "min", "sum"])
    view = f"sliding_window_view({name}, {window}, axis={place})"
    return f"{reducer}({view}, axis=-1)" if reducer else view


def then(text, value):
    choice = draw.randrange(6)
    if value.ndim == 0 or choice == 0:
        return text
    if choice == 1:
        return f"{text}[{', '.join(some_slice(size) for size in value.shape)}]"
    if choice == 2:
        return f"transpose({text})"
    if choice == 3 and value.dtype != bool:
        return f"({text} + 1)"
    if choice == 4:
        return f"cummax({text}, axis={draw.randrange(value.ndim)})"
    return f"max({text}, axis={draw.randrange(value.ndim)})" if 0 not in value.shape else text


lines = []
for name, value in INPUTS.items():
    shape = "x".join(map(str, value.shape))
    lines.append(f"input {name} {SHORT[value.dtype.name]} {shape} {value.tobytes().hex()}")
seen = set()
with np.errstate(invalid="ignore"):
    while len(lines) < 1010:
        name = draw.choice(list(INPUTS))
        try:
            text = first(name, INPUTS[name])
            value = value_of(text)
            for _ in range(draw.randint(0, 2)):
                text = then(text, value)
                value = value_of(text)
        except (ValueError, IndexError, TypeError, np.exceptions.AxisError):
            continue
        if text in seen or value.size > 300:
            continue
        seen.add(text)
        value = np.asarray(value)
        shape = "x".join(map(str, value.shape)) or "-"
        lines.append(f"{text} => {SHORT[value.dtype.name]} {shape} exact {value.tobytes().hex() or '-'}")
pathlib.Path(__file__).with_name("scans.txt").write_text("\n".join(lines) + "\n")
