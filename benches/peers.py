"""Passes, products, searches, clusters and rearrangements beside NumPy, numexpr, numba, Blosc2, faiss, Dask and TensorStore, in turn in one
run; ours with the start of the process.

    python benches/peers.py target/release/outcore FOLDER [--rows 4000000] [--repeat 3] [--only W11,W12]

Needs numpy, numexpr, numba, blosc2, faiss-cpu, dask, distributed, zarr and tensorstore. FOLDER gets emb_ROWS.npy (ROWS x 128, f32) and what else is
missing; Zarr stores that it lacks, which `stores` makes, have no row. Peers compute in
memory, unless a limit is said, on what is in the page cache; as many threads as there are processors. What peers write is not made
durable; what outcore writes is, and within the budgets of W8 (256 MiB) and W10 (512 MiB).
"""
import argparse, os, shutil, subprocess, sys, time
import numpy as np
import passes

parser = argparse.ArgumentParser()
parser.add_argument("outcore")
parser.add_argument("folder")
parser.add_argument("--rows", type=int, default=4_000_000)
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--only", default="")
asked = parser.parse_args()
random = np.random.default_rng(1)


def kept(name, make):
    path = os.path.join(asked.folder, name)
    if not os.path.exists(path):
        np.save(path, make())
    return path


def normal(*shape):
    return lambda: random.standard_normal(shape, dtype="f4")


x = kept(f"emb_{asked.rows}.npy", normal(asked.rows, 128))
queries = kept("queries.npy", normal(100, 128))
one = kept("query.npy", lambda: np.load(queries)[:1])
sides = {"x": kept("samples.npy", normal(128, 1_000_000)), "w1": kept("w1.npy", lambda: normal(64, 128)() / 11)}
sides |= {"w2": kept("w2.npy", lambda: normal(16, 64)() / 8), "b1": kept("b1.npy", normal(64, 1)), "b2": kept("b2.npy", normal(16, 1))}
held = np.asarray(np.load(x, mmap_mode="r"))
layers = {name: np.asarray(np.load(path, mmap_mode="r")) for name, path in sides.items()}
out = os.path.join(asked.folder, "out.npy")
rows_zarr = os.path.join(asked.folder, f"raw_{asked.rows}.zarr")
columns = os.path.join(asked.folder, "columns.zarr")
if not os.path.exists(rows_zarr):
    subprocess.run([asked.outcore, "convert", x, rows_zarr, "--chunks", "16384,128", "--codec", "none"], check=True)


def faiss():
    import faiss
    faiss.omp_set_num_threads(os.cpu_count())
    return faiss


def search(path):
    return lambda: faiss().knn(np.load(path), held, 10, metric=faiss().METRIC_INNER_PRODUCT)


def network():
    hidden = np.tanh(layers["w1"] @ layers["x"] + layers["b1"])
    return 1 / (1 + np.exp(-(layers["w2"] @ hidden + layers["b2"])))


def clusters():
    faiss().Kmeans(128, 64, niter=5, seed=1, max_points_per_centroid=10**9).train(held)


def normals(dtype):
    """Sums of 10^8 normals, drawn into memory that stays in the cache."""
    def drawn():
        generator, some = np.random.default_rng(1), np.empty(16384, dtype)
        sum(float(generator.standard_normal(out=some, dtype=dtype).sum()) for _ in range(10**8 // 16384))
    return drawn


def dask_transpose():
    import dask
    import dask.array as da
    to = np.lib.format.open_memmap(out, "w+", "f4", (asked.rows * 128 // 40000, 40000))
    from_ = da.from_array(held.reshape(40000, -1), chunks=(2000, -1), name=False)
    with dask.config.set(scheduler="threads", num_workers=os.cpu_count()):
        da.store(from_.T.rechunk((640, 40000)), to, lock=False)
    to.flush()


def fresh_columns():
    shutil.rmtree(columns, ignore_errors=True)
    return columns


def dask_columns():
    import dask
    import dask.array as da
    with dask.config.set(scheduler="threads", num_workers=os.cpu_count()):
        da.from_zarr(rows_zarr).rechunk((asked.rows, 2)).to_zarr(fresh_columns(), compressors=None)


def limited_dask(job, source, target, limit):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dask_limited.py")
    words = [script, job, source, target, str(asked.rows), limit, os.path.join(asked.folder, "dask")]
    return float(subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True).stdout)


def limited_dask_columns():
    return limited_dask("columns", rows_zarr, fresh_columns(), "512MiB")


def limited_dask_transpose():
    # In 512 MiB its workers die of this.
    return limited_dask("transpose", x, out, "1GiB")


def tensorstore_columns():
    import tensorstore as ts
    context = ts.Context({"data_copy_concurrency": {"limit": os.cpu_count()}})
    kvstore = lambda path: {"driver": "file", "path": path}
    from_ = ts.open({"driver": "zarr3", "kvstore": kvstore(rows_zarr)}, context=context).result()
    chunk = {"name": "regular", "configuration": {"chunk_shape": [asked.rows, 2]}}
    metadata = {"shape": [asked.rows, 128], "data_type": "float32", "chunk_grid": chunk, "codecs": [{"name": "bytes"}]}
    made = {"driver": "zarr3", "kvstore": kvstore(fresh_columns()), "metadata": metadata}
    to = ts.open(made, create=True, context=context).result()
    # Chunks of the output one after the other: written as they are read they would be read and written once for every chunk of rows.
    for first in range(0, 128, 16):
        to[:, first : first + 16].write(from_[:, first : first + 16].read().result()).result()


stores = {codec: os.path.join(asked.folder, f"{codec}_{asked.rows}.zarr") for codec in ["raw", "zstd", "blosc", "shard"]}
topk = ["topk", x, "-k", "10", "--metric", "dot", "-o", out, "--queries"]
cases = passes.cases(x, held, out, kept, stores) | {
    "W8": (
        "transpose of 2 GB in 256 MiB",
        ["eval", "reshape(x, (40000, -1)).T", x, "-o", out, "--memory", "256MiB"],
        {"dask in 1 GiB": limited_dask_transpose, "dask": dask_transpose},
    ),
    "W10": (
        "Zarr rows -> columns of 2 GB in 512 MiB",
        ["convert", rows_zarr, columns, "--chunks", f"{asked.rows},2", "--codec", "none", "--memory", "512MiB"],
        {"dask in 512 MiB": limited_dask_columns, "dask": dask_columns, "tensorstore": tensorstore_columns},
    ),
    "W11": ("x.T @ x", ["eval", "x.T @ x", x, "-o", out], {"numpy": lambda: held.T @ held}),
    "W12": ("top 10 of 100 queries", [*topk, queries], {"faiss": search(queries)}),
    "W12one": ("top 10 of one query", [*topk, one], {"faiss": search(one)}),
    "W13": (
        "sigmoid(w2 @ tanh(w1 @ x + b1) + b2), 1M samples",
        ["eval", "sigmoid(w2 @ tanh(w1 @ x + b1) + b2)", *(f"{name}={path}" for name, path in sides.items()), "-o", out],
        {"numpy": network},
    ),
    "normals": (
        "sum of 10^8 normals, f64, one thread",
        ["eval", "sum(normal((10**8,), seed=1))", "--threads", "1", "-o", out],
        {"numpy": normals("f8")},
    ),
    "normals32": (
        "sum of 10^8 normals, f32, one thread",
        ["eval", "sum(normal((10**8,), seed=1, dtype=f32))", "--threads", "1", "-o", out],
        {"numpy": normals("f4")},
    ),
    "kmeans": ("k-means, 5 passes, 64 clusters", ["kmeans", x, "-k", "64", "--iterations", "5", "-o", out], {"faiss": clusters}),
}


def seconds(call):
    """What a call says that it took, or what it did take."""
    start = time.perf_counter()
    said = call()
    return said if isinstance(said, float) else time.perf_counter() - start


for name, (what, words, peers) in cases.items():
    if asked.only and name not in asked.only.split(","):
        continue
    run = lambda: subprocess.run([asked.outcore, *words, "--overwrite"], check=True, capture_output=True)
    for peer, call in peers.items():
        try:
            pairs = [(seconds(call), seconds(run)) for _ in range(asked.repeat)]
        except Exception as error:
            print(f"{name:7} {what:50} {peer} failed: {type(error).__name__}: {str(error)[:200]}", flush=True)
            continue
        shown = "  ".join(f"{theirs:.2f}/{ours:.2f}" for theirs, ours in pairs)
        best = [min(times) for times in zip(*pairs)]
        print(f"{name:7} {what:50} {peer}/outcore s: {shown}   ratio of the best {best[0] / best[1]:.2f}", flush=True)
