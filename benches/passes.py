"""The workloads that pass over one array, for `peers.py`: sums, moments, formulas, statistics and Zarr stores."""
import os
import numpy as np

THREADS = os.cpu_count()
ROWS_AT_ONCE = 16_384


def dask_array(held):
    import dask
    import dask.array as da
    dask.config.set(scheduler="threads", num_workers=THREADS)
    return da, da.from_array(held, chunks=(100_000, held.shape[1]), name=False)


def dask_stored(array, path):
    import dask.array as da
    to = np.lib.format.open_memmap(path, "w+", "f4", array.shape)
    da.store(array, to, lock=False)
    to.flush()


def by_rows(held, path, formula):
    """A formula of rows by NumPy, some thousands at a time, so that they stay in the cache."""
    to = np.lib.format.open_memmap(path, "w+", "f4", held.shape)
    for first in range(0, len(held), ROWS_AT_ONCE):
        to[first : first + ROWS_AT_ONCE] = formula(held[first : first + ROWS_AT_ONCE])
    to.flush()


def numpy_moments(held):
    """Mean and standard deviation of columns in one read, not exact."""
    sums, squares = np.zeros(held.shape[1]), np.zeros(held.shape[1])
    for first in range(0, len(held), ROWS_AT_ONCE):
        rows = held[first : first + ROWS_AT_ONCE]
        sums += rows.sum(0, dtype="f8")
        squares += np.einsum("ij,ij->j", rows, rows, dtype="f8")
    mean = sums / len(held)
    return mean.astype("f4"), np.sqrt(squares / len(held) - mean * mean).astype("f4")


def numexpr_of(formula, **arrays):
    import numexpr
    numexpr.set_num_threads(THREADS)
    return numexpr.evaluate(formula, local_dict=arrays)


compiled = {}


def numba_moments(held):
    """The loop that somebody writes who needs no exact variance; compiled before it is timed."""
    import numba
    numba.set_num_threads(THREADS)
    if "moments" not in compiled:
        @numba.njit(parallel=True, fastmath=True)
        def moments(x, parts):
            sums, squares = np.zeros((parts, x.shape[1])), np.zeros((parts, x.shape[1]))
            for part in numba.prange(parts):
                for row in range(part * len(x) // parts, (part + 1) * len(x) // parts):
                    for column in range(x.shape[1]):
                        value = np.float64(x[row, column])
                        sums[part, column] += value
                        squares[part, column] += value * value
            return sums.sum(0), squares.sum(0)
        moments(held[:64], THREADS)
        compiled["moments"] = moments
    return compiled["moments"](held, THREADS)


def numba_pairs(a, b):
    import numba
    numba.set_num_threads(THREADS)
    if "pairs" not in compiled:
        @numba.njit(parallel=True, fastmath=True)
        def pairs(a, b):
            total = 0.0
            for row in numba.prange(len(a)):
                part = 0.0
                for column in range(len(b)):
                    part += abs(a[row] - b[column])
                total += part
            return total
        pairs(a[:64], b[:64])
        compiled["pairs"] = pairs
    return compiled["pairs"](a, b)


def blosc2_sum(held):
    import blosc2
    blosc2.set_nthreads(THREADS)
    if "blosc2" not in compiled:
        compiled["blosc2"] = blosc2.asarray(held, cparams={"clevel": 0})
    x = compiled["blosc2"]
    return blosc2.sum(blosc2.sqrt(x * x + 1))


def tensorstore_mean(path):
    import tensorstore as ts
    context = {"data_copy_concurrency": {"limit": THREADS}}
    store = ts.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": path}, "context": context}).result()
    rows, part = store.shape[0], 131_072
    return sum(store[first : min(first + part, rows)].read().result().sum(0, dtype="f8") for first in range(0, rows, part)) / rows


def cases(x, held, out, kept, stores):
    """For every workload what it is, our words and the peers. `x` is the file of `held`, `kept` makes side files, `stores` gives the paths of
    Zarr stores by their codec."""
    def over(formula):
        da, array = dask_array(held)
        return formula(da, array)

    def standardised():
        mean, std = numpy_moments(held)
        by_rows(held, out, lambda rows: (rows - mean) / std)

    a, b = (kept(name, lambda: np.linspace(0, stop, 60_000, dtype="f4")) for name, stop in [("a.npy", 1), ("b.npy", 2)])
    left, right = np.load(a), np.load(b)
    unit = lambda rows: rows / np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    bell = lambda rows: numexpr_of("exp(-x*x)", x=rows)
    both = ["m = mean(x, axis=0); s = std(x, axis=0)", x, "-o", f"m={out}.m.npy", "-o", f"s={out}.s.npy"]
    table = {
        "W1": ("sum(x)", ["sum(x)", x], {"numpy": held.sum, "dask": lambda: over(lambda da, d: d.sum().compute())}),
        "W2": (
            "mean(x, 0), std(x, 0)",
            both,
            {
                "numba, inexact": lambda: numba_moments(held),
                "dask": lambda: over(lambda da, d: da.compute(d.mean(0), d.std(0))),
            },
        ),
        "W3": (
            "(x - mean(x, 0)) / std(x, 0) -> npy",
            ["(x - mean(x, axis=0)) / std(x, axis=0)", x, "-o", out],
            {"dask": lambda: over(lambda da, d: dask_stored((d - d.mean(0)) / d.std(0), out)), "numpy by blocks": standardised},
        ),
        "W4": (
            "x / sqrt(sum(x*x, 1, keepdims)) -> npy",
            ["x / sqrt(sum(x*x, axis=1, keepdims=True))", x, "-o", out],
            {
                "dask": lambda: over(lambda da, d: dask_stored(d / da.sqrt((d * d).sum(1, keepdims=True)), out)),
                "numpy by blocks": lambda: by_rows(held, out, unit),
            },
        ),
        "W5": (
            "sum(sqrt(x*x + 1))",
            ["sum(sqrt(x*x + 1))", x],
            {
                "blosc2": lambda: blosc2_sum(held),
                "numexpr": lambda: numexpr_of("sum(sqrt(x*x + 1))", x=held),
                "dask": lambda: over(lambda da, d: da.sqrt(d * d + 1).sum().compute()),
            },
        ),
        "W6": (
            "exp(-x*x) -> npy",
            ["exp(-x*x)", x, "-o", out],
            {"dask": lambda: over(lambda da, d: dask_stored(da.exp(-d * d), out)), "numexpr by blocks": lambda: by_rows(held, out, bell)},
        ),
        "W7": (
            "sum(abs(a[:,None] - b[None,:])), 60,000 x 60,000",
            ["sum(abs(a[:, None] - b[None, :]))", f"a={a}", f"b={b}"],
            {
                "numba": lambda: numba_pairs(left, right),
                "dask": lambda: over(
                    lambda da, d: abs(da.from_array(left, 6000)[:, None] - da.from_array(right, 6000)[None, :]).sum().compute()
                ),
            },
        ),
        "W14": ("median(x)", ["median(x)", x], {"numpy": lambda: np.median(held)}),
        "W17": (
            "histogram of 256 bins",
            ["histogram(x, bins=256, range=(-6, 7))", x],
            {
                "numpy": lambda: np.histogram(held, 256, (-6, 7)),
                "dask": lambda: over(lambda da, d: da.histogram(d, 256, (-6, 7))[0].compute()),
            },
        ),
        "W18": (
            "cumsum(x, 0) -> npy",
            ["cumsum(x, axis=0)", x, "-o", out],
            {"dask": lambda: over(lambda da, d: dask_stored(da.cumsum(d, axis=0), out))},
        ),
    }
    for codec, path in stores.items():
        if os.path.exists(path):
            peers = {
                "tensorstore": lambda path=path: tensorstore_mean(path),
                "dask": lambda path=path: over(lambda da, d: da.from_zarr(path, chunks=(131_072, 128)).mean(0).compute()),
            }
            table[f"W9{codec}"] = (f"mean(x, 0) of Zarr, {codec}", ["mean(x, axis=0)", f"x={path}"], peers)
    # A number that a peer gives is no time.
    timed = lambda call: lambda: [call()]
    return {
        name: (what, ["eval", *words], {peer: timed(call) for peer, call in peers.items()}) for name, (what, words, peers) in table.items()
    }
