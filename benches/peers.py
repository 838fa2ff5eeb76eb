"""Products, searches and clusters beside NumPy and faiss, in turn in one run; ours with the start of the process.

    python benches/peers.py target/release/outcore FOLDER [--rows 4000000] [--repeat 3] [--only W11,W12]

Needs numpy and faiss-cpu. FOLDER gets emb_ROWS.npy (ROWS x 128, f32) and what else is missing. Peers compute in memory, on what is
in the page cache; as many threads as there are processors.
"""
import argparse, os, subprocess, time
import numpy as np

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


topk = ["topk", x, "-k", "10", "--metric", "dot", "-o", out, "--queries"]
cases = {
    "W11": ("x.T @ x", ["eval", "x.T @ x", x, "-o", out], lambda: held.T @ held),
    "W12": ("top 10 of 100 queries", [*topk, queries], search(queries)),
    "W12one": ("top 10 of one query", [*topk, one], search(one)),
    "W13": (
        "sigmoid(w2 @ tanh(w1 @ x + b1) + b2), 1M samples",
        ["eval", "sigmoid(w2 @ tanh(w1 @ x + b1) + b2)", *(f"{name}={path}" for name, path in sides.items()), "-o", out],
        network,
    ),
    "kmeans": ("5 passes, 64 clusters", ["kmeans", x, "-k", "64", "--iterations", "5", "-o", out], clusters),
}


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


for name, (what, words, peer) in cases.items():
    if asked.only and name not in asked.only.split(","):
        continue
    run = lambda: subprocess.run([asked.outcore, *words, "--overwrite"], check=True, capture_output=True)
    pairs = [(seconds(peer), seconds(run)) for _ in range(asked.repeat)]
    shown = "  ".join(f"{theirs:.2f}/{ours:.2f}" for theirs, ours in pairs)
    best = [min(times) for times in zip(*pairs)]
    print(f"{name:7} {what:50} peer/outcore s: {shown}   ratio of the best {best[0] / best[1]:.2f}", flush=True)
