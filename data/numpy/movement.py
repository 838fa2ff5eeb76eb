#!/usr/bin/env python3
"""Writes movement.txt: random chains of slices, rolls, borders, selections and concatenations with NumPy's results.

The format is that of elementwise.txt; every bound is `exact`. Each expression is evaluated as it stands, by Python with NumPy's
functions of the same names. Run with NumPy 2.4:

    python data/numpy/movement.py
"""
import pathlib
import random

import numpy as np

SHORT = {"bool": "bool", "int16": "i16", "int64": "i64", "float32": "f32", "float64": "f64", "uint8": "u8"}
NAMES = """roll flip moveaxis diagonal take repeat tile pad concatenate stack hstack vstack compress transpose swapaxes squeeze
expand_dims ravel reshape broadcast_to where sum max minimum abs""".split()
draw = random.Random(7)
rng = np.random.default_rng(7)
INPUTS = {
    "x": rng.integers(-99, 99, (7, 5)).astype(np.float32),
    "y": rng.integers(-99, 99, (4, 3, 6)).astype(np.int16),
    "v": rng.integers(0, 99, 9).astype(np.float64),
    "u": rng.integers(0, 99, (2, 1, 3, 2)).astype(np.uint8),
    "m": np.array([True, False, True, True, False, True, True]),
}


def compress(condition, x, axis=None):
    return np.compress(condition, x, axis)


SCOPE = {name: getattr(np, name) for name in NAMES} | {"compress": compress, "__builtins__": {}} | INPUTS


def value_of(text):
    return eval(text, SCOPE)


def some_slice(length):
    step = draw.choice([1, 1, 2, -1, -2, 3])
    start = draw.choice(["", str(draw.randint(-length - 1, length + 1))])
    stop = draw.choice(["", str(draw.randint(-length - 1, length + 1))])
    return f"{start}:{stop}:{step}" if step != 1 else f"{start}:{stop}"


def step(text, value):
    """One more movement of `text`, which is worth `value`."""
    rank = value.ndim
    axis = draw.randrange(-rank, rank) if rank else 0
    length = value.shape[axis] if rank else 0
    choice = draw.randrange(17)
    if rank == 0 or choice == 0:
        return f"expand_dims({text}, {draw.randint(0, rank)})"
    if choice == 1:
        return f"roll({text}, {draw.randint(-9, 9)}, axis={axis})"
    if choice == 2:
        return f"flip({text}, axis={axis})"
    if choice == 3:
        return f"moveaxis({text}, {axis}, {draw.randrange(-rank, rank)})"
    if choice == 4 and length:
        places = [draw.randrange(-length, length) for _ in range(draw.randint(0, 6))]
        return f"take({text}, {places if places else '[0]'}, axis={axis})"
    if choice == 5:
        return f"repeat({text}, {draw.randint(0, 3)}, axis={axis})"
    if choice == 6:
        return f"tile({text}, {tuple(draw.randint(0, 2) for _ in range(draw.randint(1, rank + 1)))})"
    if choice == 7:
        widths = tuple((draw.randint(0, 3), draw.randint(0, 3)) for _ in range(rank))
        mode = draw.choice(["edge", "reflect", "symmetric", "wrap"])
        if 0 in value.shape or draw.random() < 0.4:
            return f"pad({text}, {widths}, constant_values={draw.randint(0, 9)})"
        return f"pad({text}, {widths}, mode='{mode}')"
    if choice == 8 and rank > 1:
        first, second = draw.sample(range(rank), 2)
        return f"diagonal({text}, {draw.randint(-2, 2)}, {first}, {second})"
    if choice == 9:
        return f"concatenate(({text}, {text}[{', '.join([':'] * (axis % rank) + [some_slice(length)])}]), axis={axis})"
    if choice == 10:
        return f"stack(({text}, {text} + 1), axis={draw.randint(0, rank)})"
    if choice == 11:
        return f"{text}[{', '.join(some_slice(size) for size in value.shape)}]"
    if choice == 12 and length:
        places = [draw.randrange(-length, length) for _ in range(draw.randint(1, 4))]
        return f"{text}[{', '.join([':'] * (axis % rank) + [str(places)])}]"
    if choice == 13:
        return f"{draw.choice(['hstack', 'vstack'])}(({text}, {text}))"
    if choice == 14:
        return f"transpose({text})"
    if choice == 15 and 7 in value.shape:
        return f"compress(m, {text}, axis={value.shape.index(7)})"
    if choice == 16:
        return f"ravel({text})"
    return f"({text} + {text})"


lines = []
for name, value in INPUTS.items():
    shape = "x".join(map(str, value.shape))
    lines.append(f"input {name} {SHORT[value.dtype.name]} {shape} {value.tobytes().hex()}")
while len(lines) < 1500:
    text = draw.choice(list("xyvu"))
    try:
        value = value_of(text)
        for _ in range(draw.randint(1, 4)):
            text = step(text, value)
            value = value_of(text)
            # What follows a selection may need a length that only its data decide.
            if text.startswith("compress"):
                break
    except (ValueError, IndexError, np.exceptions.AxisError):
        continue
    if value.size > 400 or value.size == 0 and draw.random() < 0.8:
        continue
    value = np.asarray(value)
    shape = "x".join(map(str, value.shape)) or "-"
    lines.append(f"{text} => {SHORT[value.dtype.name]} {shape} exact {value.tobytes().hex() or '-'}")
# A list or a mask beside integers, slices, new axes and dots.
indexed = len(lines) + 200
while len(lines) < indexed:
    text = draw.choice(list("xyu"))
    value = INPUTS[text]
    parts = [draw.choice([str(draw.randrange(-size, size)), some_slice(size), ":"]) for size in value.shape]
    place = draw.randrange(len(parts))
    parts[place] = str([draw.randrange(-value.shape[place], value.shape[place]) for _ in range(draw.randint(1, 4))])
    if text == "x" and draw.random() < 0.5:
        parts = ["m"] + parts[1:] if place == 0 else ["m", draw.choice(["1", "::-2", "-3"])]
    if draw.random() < 0.3:
        parts = parts[: draw.randint(place + 1, len(parts))]
    if draw.random() < 0.3:
        parts.insert(draw.randint(0 if parts[0] != "m" else 1, len(parts)), draw.choice(["None", "..."]))
    text = f"{text}[{', '.join(parts)}]"
    try:
        value = value_of(text)
    except IndexError:
        continue
    shape = "x".join(map(str, value.shape)) or "-"
    lines.append(f"{text} => {SHORT[value.dtype.name]} {shape} exact {value.tobytes().hex() or '-'}")
pathlib.Path(__file__).with_name("movement.txt").write_text("\n".join(lines) + "\n")
