#!/usr/bin/env python3
"""Writes promotion.csv: the dtype that NumPy gives every elementwise function, or `error`.

A row is a function and its first operand, a column its second operand (`alone`: there is none). Operands are arrays of a
dtype, or the Python literals True, 1 and 1.5, which are weak. NumPy has no bf16. Run with NumPy 2.4:

    python data/numpy/promotion.py
"""
import csv
import pathlib
import warnings

import numpy as np

warnings.simplefilter("ignore")

DTYPES = {
    "bool": "bool", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8", "u16": "uint16",
    "u32": "uint32", "u64": "uint64", "f16": "float16", "f32": "float32", "f64": "float64",
}
SHORT = {np.dtype(long): short for short, long in DTYPES.items()}
LITERALS = {"True": True, "1": 1, "1.5": 1.5}

UNARY = """negative positive abs fabs sign rint floor ceil trunc round square reciprocal sqrt cbrt exp exp2 expm1 log log2
log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh deg2rad rad2deg radians degrees spacing
logical_not invert bitwise_count isnan isinf isfinite signbit nan_to_num""".split()
BINARY = """add subtract multiply divide floor_divide remainder mod fmod divmod power float_power minimum maximum fmin fmax
equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor
left_shift right_shift gcd lcm hypot arctan2 logaddexp logaddexp2 copysign nextafter heaviside ldexp where clip""".split()


def call(name, *operands):
    if name == "where":
        return np.where(np.array([True]), *operands)
    if name == "divmod":
        return np.divmod(*operands)[0]
    if name == "clip":
        return np.clip(operands[0], operands[1], None)
    return getattr(np, name)(*operands)


def dtype_of(name, *operands):
    try:
        return SHORT[call(name, *operands).dtype]
    except (TypeError, ValueError, OverflowError):
        return "error"


def main():
    arrays = {short: np.ones(1, long) for short, long in DTYPES.items()}
    operands = {**arrays, **LITERALS}
    with open(pathlib.Path(__file__).with_name("promotion.csv"), "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["function", "operand", "alone", *operands])
        for name in UNARY:
            for key, operand in arrays.items():
                out.writerow([name, key, dtype_of(name, operand), *[""] * len(operands)])
        for name in BINARY:
            for left, a in operands.items():
                # Two literals are no operation on arrays, and only arrays are clipped.
                skipped = lambda right: left in LITERALS and (right in LITERALS or name == "clip")
                cells = ["" if skipped(right) else dtype_of(name, a, b) for right, b in operands.items()]
                out.writerow([name, left, "", *cells])


if __name__ == "__main__":
    main()
