#!/usr/bin/env python3
"""Writes elementwise.txt: expressions of the language with the dtype, shape and values that NumPy gives them.

First lines `input NAME DTYPE SHAPE HEX`: arrays (little-endian bytes, C order). Then `EXPRESSION => DTYPE SHAPE BOUND HEX`.
BOUND is `exact`; `zero` where the sign of a zero is open (minimum and maximum of 0.0 and -0.0); or a number of units in
the last place. References of functions with a bound are computed in long double and rounded once, so the bound is of the
function that is tested and not of NumPy's own. NumPy has no erf: math.erf is taken. Run with NumPy 2.4 on x86-64:

    python data/numpy/elementwise.py
"""
import math
import pathlib
import random
import warnings

import numpy as np

warnings.simplefilter("ignore")

DTYPES = {
    "bool": "bool", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8", "u16": "uint16",
    "u32": "uint32", "u64": "uint64", "f16": "float16", "f32": "float32", "f64": "float64",
}
SHORT = {np.dtype(long): short for short, long in DTYPES.items()}
FLOATS = ["f16", "f32", "f64"]
INTEGERS = [name for name in DTYPES if name not in ("bool", *FLOATS)]
LONG = np.longdouble
draw = random.Random(20)

EXACT_UNARY = """negative abs fabs sign rint floor ceil trunc round square reciprocal sqrt deg2rad rad2deg spacing
logical_not invert bitwise_count isnan isinf isfinite signbit nan_to_num positive""".split()
MATH_UNARY = """cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh
arctanh""".split()
NETWORKS = "sigmoid softplus silu erf erfc gelu".split()
EXACT_BINARY = """add subtract multiply divide floor_divide remainder fmod equal not_equal less less_equal greater
greater_equal logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor left_shift right_shift gcd lcm copysign
heaviside""".split()
ZERO_BINARY = "minimum maximum fmin fmax nextafter".split()
MATH_BINARY = "hypot arctan2 logaddexp logaddexp2 float_power".split()
OPERATORS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "floor_divide": "//", "remainder": "%", "less": "<",
             "greater_equal": ">=", "equal": "==", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^", "left_shift": "<<",
             "right_shift": ">>"}


def numbers(dtype, count):
    """Values that meet every branch: zeros of both signs, ties, extremes, NaN."""
    if dtype == "bool":
        return np.array([draw.random() < 0.5 for _ in range(count)])
    kind = np.dtype(DTYPES[dtype])
    if dtype in FLOATS:
        special = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.nan, np.inf, -np.inf, np.finfo(kind).max, np.finfo(kind).tiny / 4]
        values = [draw.choice(special) if draw.random() < 0.3 else draw.uniform(-9, 9) for _ in range(count)]
        return np.array(values, kind)
    bounds = np.iinfo(kind)
    special = [0, 1, 2, 3, 7, bounds.min, bounds.max, bounds.max // 2]
    small = lambda: draw.randint(max(bounds.min, -9), 9)
    return np.array([draw.choice(special) if draw.random() < 0.3 else small() for _ in range(count)], kind)


def finite(dtype, count):
    kind = np.dtype(DTYPES[dtype])
    return np.array([draw.uniform(-4, 4) if dtype in FLOATS else draw.randint(0, 5) for _ in range(count)], kind)


INPUTS = {}
for name in DTYPES:
    INPUTS[f"a_{name}"], INPUTS[f"b_{name}"] = numbers(name, 12), numbers(name, 12)
    INPUTS[f"m_{name}"], INPUTS[f"r_{name}"] = numbers(name, 6).reshape(2, 3), numbers(name, 3)
    INPUTS[f"p_{name}"] = finite(name, 8)
    INPUTS[f"g_{name}"] = finite(name, 24).reshape(2, 3, 4)
INPUTS["t"] = np.array([True, False, True])

lines, seen = [], set()


def text_of(value):
    return "x".join(map(str, value.shape)) or "-"


def hex_of(value):
    return np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<")).tobytes().hex() or "-"


def write(expression, value, bound):
    value = np.asarray(value)
    if expression in seen or value.dtype not in SHORT:
        return
    seen.add(expression)
    lines.append(f"{expression} => {SHORT[value.dtype]} {text_of(value)} {bound} {hex_of(value)}")


def attempt(expression, function, *operands, bound="exact"):
    try:
        value = function(*operands)
    except (TypeError, ValueError, OverflowError):
        return
    write(expression, value, bound)


def to_float(array):
    return np.sqrt(np.zeros(1, array.dtype)).dtype


def bound_of(dtype):
    return "1" if dtype == np.float64 else "2" if dtype == np.float32 else "1"


def unary():
    for name in DTYPES:
        for place in "ap":
            array = INPUTS[f"{place}_{name}"]
            text = f"{place}_{name}"
            for function in EXACT_UNARY:
                # 1 / 0 of integers is 0 here; NumPy gives what the processor does.
                if function == "reciprocal" and name in INTEGERS and not array.all():
                    continue
                # NumPy's spacing of a negative half is that of the other side at powers of two.
                if function == "spacing" and name in ("f16", "bool", "i8"):
                    continue
                attempt(f"{function}({text})", getattr(np, function), array)
            dtype = to_float(array)
            wide = array.astype(dtype).astype(LONG)
            for function in MATH_UNARY:
                write(f"{function}({text})", getattr(np, function)(wide).astype(dtype), bound_of(dtype))
            for function in NETWORKS:
                bound = bound_of(dtype)
                if function == "gelu" or function in ("erf", "erfc"):
                    bound = "40" if dtype == np.float64 and function == "gelu" else "2" if dtype == np.float64 else bound
                write(f"{function}({text})", network(function, wide).astype(dtype), bound)
            if name != "bool":
                attempt(f"relu({text})", np.maximum, array, 0, bound="zero")


def network(name, x):
    if name == "sigmoid":
        return 1 / (1 + np.exp(-x))
    if name == "softplus":
        return np.logaddexp(LONG(0), x)
    if name == "silu":
        return np.where(np.isneginf(x), LONG(-0.0), x / (1 + np.exp(-x)))
    if name in ("erf", "erfc"):
        return np.array([getattr(math, name)(float(v)) for v in x.flat], LONG).reshape(x.shape)
    half = [math.erfc(float(-v / np.sqrt(LONG(2)))) for v in x.flat]
    return np.where(np.isneginf(x), LONG(-0.0), x * np.array(half, LONG).reshape(x.shape) / 2)


def binary():
    names = list(DTYPES)
    pairs = [(name, name) for name in names] + [(a, b) for a in names for b in names if a != b and draw.random() < 0.16]
    for a, b in pairs:
        left, right = INPUTS[f"a_{a}"], INPUTS[f"b_{b}"]
        pair = f"a_{a}, b_{b}"
        for function in EXACT_BINARY:
            attempt(f"{function}({pair})", getattr(np, function), left, right)
        for function in ZERO_BINARY:
            attempt(f"{function}({pair})", getattr(np, function), left, right, bound="zero")
        attempt(f"ldexp({pair})", np.ldexp, left, right)
        # Powers of whole numbers are exact; the reference of the others is as wide as that of the functions.
        left, right, pair = INPUTS[f"p_{a}"], INPUTS[f"p_{b}"], f"p_{a}, p_{b}"
        both = np.result_type(left, right)
        if both.kind in "iub":
            attempt(f"power({pair})", np.power, left, right)
        else:
            write(f"power({pair})", np.power(left.astype(both).astype(LONG), right.astype(both).astype(LONG)).astype(both), bound_of(both))
        for function in MATH_BINARY:
            for left, right, pair in [(left, right, pair), (INPUTS[f"a_{a}"], INPUTS[f"b_{b}"], f"a_{a}, b_{b}")]:
                dtype = np.dtype("f8") if function == "float_power" else np.result_type(to_float(left), to_float(right))
                wide = [operand.astype(dtype).astype(LONG) for operand in (left, right)]
                name = "power" if function == "float_power" else function
                write(f"{function}({pair})", getattr(np, name)(*wide).astype(dtype), bound_of(dtype))


def rounded(array, decimals):
    return np.rint(array / 10.0**-decimals) * 10.0**-decimals


def to_decimals(array, decimals):
    """NumPy's round, but for elements whose neighbours lie farther apart than such decimals: NumPy multiplies and divides them too."""
    made = np.round(array, decimals)
    if array.dtype.kind != "f" or decimals < 0:
        return made
    short = np.abs(array * array.dtype.type(10.0**decimals)) < 2.0 ** (np.finfo(array.dtype).nmant + 1)
    return np.where(short, made, array)


def literals():
    for name in DTYPES:
        array, text = INPUTS[f"a_{name}"], f"a_{name}"
        for function in EXACT_BINARY + ZERO_BINARY:
            bound = "zero" if function in ZERO_BINARY else "exact"
            for literal in [True, 2, 3, 0, -1, 300, 0.5, -2.5]:
                if draw.random() < 0.35:
                    attempt(f"{function}({text}, {literal})", getattr(np, function), array, literal, bound=bound)
                if draw.random() < 0.2:
                    attempt(f"{function}({literal}, {text})", getattr(np, function), literal, array, bound=bound)
        for decimals in [-2, -1, 1, 3]:
            # What leaves the integers wraps or is an error here, and anything in NumPy.
            if name in FLOATS or name != "bool" and (decimals > 0 or np.array_equal(rounded(array, decimals), np.round(array, decimals))):
                attempt(f"round({text}, {decimals})", to_decimals, array, decimals)
        for low, high in [(0, 1), (-1000, 1000), (-1.5, 2.5), (None, 3), (2, None)]:
            attempt(f"clip({text}, {low}, {high})", np.clip, array, low, high, bound="zero")
        for values in [{}, {"nan": 1.5}, {"posinf": 9.0, "neginf": -9.0}, {"nan": 1e9, "posinf": 0.1}]:
            given = "".join(f", {key}={value}" for key, value in values.items())
            attempt(f"nan_to_num({text}{given})", lambda: np.nan_to_num(array, **values))
        for literal in [1, 0.5, True]:
            attempt(f"where({text} > 0, {text}, {literal})", lambda: np.where(array > 0, array, literal))
            attempt(f"select([{text} > 3, {text} < 1], [{text}, {literal}], 0)",
                    lambda: np.select([array > 3, array < 1], [array, literal], 0))
        attempt(f"divmod({text}, 3)[0]", lambda: np.divmod(array, 3)[0])
        attempt(f"divmod({text}, 3)[1]", lambda: np.divmod(array, 3)[1])
        for part in [0, 1]:
            attempt(f"modf({text})[{part}]", lambda: np.modf(array)[part])
            attempt(f"frexp({text})[{part}]", lambda: np.frexp(array)[part])
        attempt(f"-{text}", np.negative, array)
        attempt(f"~{text}", np.invert, array)


def rows():
    """Functions of whole rows, as scipy and torch define them; every rounding of the steps is within the bound."""
    for name in DTYPES:
        text = f"g_{name}"
        dtype = to_float(INPUTS[text])
        x = INPUTS[text].astype(LONG)
        bound = "1" if dtype == np.float16 else "12"
        for axis in [None, 0, -1, (0, 2)]:
            total = np.exp(x).sum(axis=axis, keepdims=True)
            deviation = x.std(axis=axis, keepdims=True)
            made = {
                f"softmax({text}, axis={axis})": np.exp(x) / total,
                f"log_softmax({text}, axis={axis})": x - np.log(total),
                f"logsumexp({text}, axis={axis})": np.log(np.exp(x).sum(axis=axis)),
                f"logsumexp({text}, axis={axis}, keepdims=True)": np.log(total),
                f"normalize({text}, axis={axis})": x / np.maximum(np.sqrt((x * x).sum(axis=axis, keepdims=True)), 1e-12),
                f"normalize({text}, ord=1, axis={axis})": x / np.maximum(np.abs(x).sum(axis=axis, keepdims=True), 1e-12),
            }
            for expression, value in made.items():
                # Near 0 the logarithm of a sum just above 1 loses what the sum has rounded away.
                loose = "4000" if expression.startswith("log") and dtype != np.float16 else bound
                write(expression, np.asarray(value).astype(dtype), loose)
            # Elements near the mean lose their last digits in x - mean: only what stays far from it is compared.
            if not np.any(np.abs(x - x.mean(axis=axis, keepdims=True)) < 0.02):
                write(f"standardize({text}, axis={axis})", ((x - x.mean(axis=axis, keepdims=True)) / deviation).astype(dtype), "400")
        centred = x - x.mean(axis=(0, 2), keepdims=True)
        if name in FLOATS[1:] and not np.any(np.abs(centred) < 0.02):
            value = centred / np.sqrt(x.var(axis=(0, 2), keepdims=True) + LONG(1e-5))
            write(f"batch_norm({text})", value.astype(dtype), "400")
            weight = INPUTS[f"r_i8"].astype(LONG)[:, None]
            write(f"batch_norm({text}, weight=r_i8.astype({name}))", (value * weight).astype(dtype), "400")
        centred = x - x.mean(axis=-1, keepdims=True)
        if name in FLOATS[1:] and not np.any(np.abs(centred) < 0.02):
            write(f"layer_norm({text})", (centred / np.sqrt(x.var(axis=-1, keepdims=True) + LONG(1e-5))).astype(dtype), "400")


def tree(depth):
    """A random expression of exact operations: its text and NumPy's value."""
    if depth == 0 or draw.random() < 0.1:
        return leaf()
    choice = draw.random()
    if choice < 0.2:
        function = draw.choice(["negative", "abs", "square", "sqrt", "floor", "rint", "sign", "isnan", "logical_not", "invert", "trunc"])
        text, value = tree(depth - 1)
        return f"{function}({text})", getattr(np, function)(value)
    if choice < 0.3:
        (condition, c), (left, a), (right, b) = tree(0), tree(depth - 1), tree(depth - 1)
        return f"where({condition} > 0, {left}, {right})", np.where(c > 0, a, b)
    (left, a), (right, b) = tree(depth - 1), tree(depth - 1)
    if draw.random() < 0.15:
        literal = draw.choice([1, 2, -3, 0.5, 7.25])
        right, b = str(literal), literal
    function = draw.choice(list(OPERATORS) + ["add", "multiply", "subtract"])
    return f"({left} {OPERATORS[function]} {right})", getattr(np, function)(a, b)


def leaf():
    name = draw.choice(list(DTYPES))
    shape = draw.choice("mmrt")
    if shape == "t":
        return "t", INPUTS["t"]
    text, value = f"{shape}_{name}", INPUTS[f"{shape}_{name}"]
    view = draw.random()
    if view < 0.15:
        return f"{text}[::-1]", value[::-1]
    if view < 0.3 and shape == "m":
        return f"{text}[:, 1:2]", value[:, 1:2]
    if view < 0.4:
        return f"{text}[..., :1]", value[..., :1]
    return text, value


def trees():
    count = 0
    while count < 1500:
        try:
            text, value = tree(draw.choice([2, 3, 3, 4]))
        except (TypeError, ValueError, OverflowError):
            continue
        if isinstance(value, np.ndarray) and text not in seen:
            write(text, value, "exact")
            count += 1


def main():
    for step in (unary, binary, literals, rows, trees):
        step()
    with open(pathlib.Path(__file__).with_name("elementwise.txt"), "w") as file:
        for name, value in INPUTS.items():
            file.write(f"input {name} {SHORT[value.dtype]} {text_of(value)} {hex_of(value)}\n")
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
