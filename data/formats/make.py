#!/usr/bin/env python3
"""Writes small files with the libraries that own their formats. Needs numpy, safetensors and faiss:

    pip install numpy safetensors faiss-cpu
    python data/formats/make.py

Elements count from 0 in C order, modulo 97, so tests know them without another file.
"""
import pathlib

import numpy as np
from faiss.contrib.vecs_io import fvecs_write, ivecs_write
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent


def counting(shape, dtype):
    return (np.arange(np.prod(shape, dtype=int)) % 97).reshape(shape).astype(dtype)


arrays = {name: counting(shape, dtype) for name, shape, dtype in [
    ("rows", (7, 5), "f4"), ("halves", (3, 4), "f2"), ("bytes", (11,), "u1"), ("one", (), "f8"), ("none", (0, 3), "i8"), ("flags", (6,), "?"),
]}
save_file(arrays, here / "several.safetensors", metadata={"made": "by data/formats/make.py"})
save_file({"rows": arrays["rows"]}, here / "one.safetensors")
np.savez(here / "several.npz", **arrays, turned=np.asfortranarray(arrays["rows"]))
np.savez(here / "one.npz", rows=arrays["rows"])
np.savez_compressed(here / "packed.npz", rows=arrays["rows"])
fvecs_write(here / "rows.fvecs", arrays["rows"])
ivecs_write(here / "rows.ivecs", counting((7, 5), "<i4"))
# faiss reads bvecs and writes none: the same layout, with bytes.
with open(here / "rows.bvecs", "wb") as file:
    for row in counting((7, 5), "u1"):
        file.write(np.int32(len(row)).tobytes() + row.tobytes())
for name, dtype in [("fbin", "<f4"), ("u8bin", "u1"), ("i8bin", "i1"), ("ibin", "<i4")]:
    with open(here / f"rows.{name}", "wb") as file:
        file.write(np.array([7, 5], "<u4").tobytes() + counting((7, 5), dtype).tobytes())
