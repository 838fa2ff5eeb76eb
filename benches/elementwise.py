"""NumPy's side of `cargo bench --bench elementwise`: one JSON request a line, one number (or null) back.

{"text": ..., "arrays": [[name, dtype, shape, low, high], ...]} makes arrays and compiles the text, in which `o` is a C-order
result that is reused. {"repeats": n} runs it n times and answers the seconds of one.
"""

import json
import sys
import time

import numpy

NAMES = {name: getattr(numpy, name) for name in dir(numpy) if not name.startswith("_")}
made = {}


def copy(x, out=None):
    """A C-order copy."""
    if out is None:
        return numpy.array(x, order="C")
    numpy.copyto(out, x)
    return out


def convert(x, dtype, out=None):
    """A cast."""
    if out is None:
        return x.astype(dtype)
    numpy.copyto(out, x, casting="unsafe")
    return out


def array(name, dtype, shape, low, high):
    key = (name, dtype, tuple(shape), low, high)
    if key not in made:
        if len(made) > 8:
            made.clear()
        random = numpy.random.default_rng(ord(name))
        kind = numpy.dtype(dtype).kind
        # Some thousands of different elements, repeated.
        if kind == "b":
            few = random.integers(0, 2, 8191).astype(bool)
        elif kind in "iu":
            few = random.integers(int(low), int(high) + 1, 8191).astype(dtype)
        else:
            few = random.uniform(low, high, 8191).astype(dtype)
        made[key] = numpy.resize(few, shape).astype(dtype, copy=False)
    return made[key]


def misaligned(x):
    """The same elements, one byte further on."""
    raw = numpy.empty(x.nbytes + 1, "u1")
    result = raw[1:].view(x.dtype).reshape(x.shape) if x.dtype.itemsize == 1 else numpy.ndarray(x.shape, x.dtype, raw, 1)
    result[...] = x
    return result


numpy.seterr(all="ignore")
space, code = {}, None
for line in sys.stdin:
    request = json.loads(line)
    answer = None
    try:
        if "text" in request:
            code = None
            space = dict(NAMES, copy=copy, convert=convert, o=None)
            for name, dtype, shape, low, high in request["arrays"]:
                away, dtype = dtype.endswith("!"), dtype.rstrip("!")
                value = array(name, dtype, shape, low, high)
                space[name] = misaligned(value) if away else value
            compiled = compile(request["text"], "row", "eval")
            result = eval(compiled, space)
            if not numpy.isscalar(result):
                # Written once, so that no page of it is new when the clock runs.
                space["o"] = numpy.zeros(result.shape, result.dtype)
                space["o"].fill(1)
            code, answer = compiled, 0.0
        elif code is not None:
            start = time.perf_counter()
            for _ in range(request["repeats"]):
                eval(code, space)
            answer = (time.perf_counter() - start) / request["repeats"]
    except Exception as error:  # a row that NumPy does not have
        print(request, error, file=sys.stderr)
    print(json.dumps(answer), flush=True)
