"""Exact sums beside plain ones of data whose magnitudes lie close together, far apart, and anywhere: the same program, in turn.

    python benches/skewed.py target/release/outcore FOLDER [--repeat 5]

Needs numpy. FOLDER gets ten files of 400 MB. The time of a sum of one element, mostly the start of the process, is taken off.
"""
import argparse, os, subprocess, time
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("outcore")
parser.add_argument("folder")
parser.add_argument("--repeat", type=int, default=5)
asked = parser.parse_args()
BYTES = 400_000_000


def bits(dtype):
    made = np.random.default_rng(3).integers(0, 256, BYTES, dtype=np.uint8).view(dtype).copy()
    made[~np.isfinite(made)] = 1
    return made


def normal(dtype):
    return np.random.default_rng(1).standard_normal(BYTES // np.dtype(dtype).itemsize, dtype=dtype)


kinds = {
    "normal": normal,
    "lognormal, sigma 2": lambda dtype: np.exp(2 * normal(dtype)),
    "half zeros": lambda dtype: np.maximum(normal(dtype), 0),
    "subnormal": lambda dtype: normal(dtype) * np.array(np.finfo(dtype).tiny / 10, dtype),
    "random bits": bits,
}


def seconds(path, statement, mode, threads):
    def once():
        start = time.perf_counter()
        words = ["eval", statement, f"x={path}", "--sum", mode, "--threads", str(threads)]
        subprocess.run([asked.outcore, *words], check=True, capture_output=True)
        return time.perf_counter() - start

    return once


print("| data | dtype | threads | exact GB/s | plain GB/s | ratio |\n|---|---|---|---|---|---|")
for what, make in kinds.items():
    for dtype in ("f4", "f8"):
        path = os.path.join(asked.folder, f"{what.split(',')[0].replace(' ', '_')}_{dtype}.npy")
        if not os.path.exists(path):
            np.save(path, make(dtype))
        open(path, "rb").read()
        for threads in (1, 2):
            runs = [seconds(path, "sum(x[:1])", "naive", threads)] + [seconds(path, "sum(x)", mode, threads) for mode in ("exact", "naive")]
            begun, exact, plain = (min(times) for times in zip(*[[run() for run in runs] for _ in range(asked.repeat)]))
            shown = [f"{BYTES / (time - begun) / 1e9:.1f}" for time in (exact, plain)]
            print(f"| {what} | f{8 * int(dtype[1])} | {threads} | {' | '.join(shown)} | {(plain - begun) / (exact - begun):.2f} |", flush=True)
