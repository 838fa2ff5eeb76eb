"""Writes files of vectors, safetensors and npy with outcore and reads them with their own libraries, and the other way round, bit by bit.

    pip install numpy safetensors
    cargo build && python tests/formats_readback.py target/debug/outcore

fvecs, bvecs and ivecs are read as faiss reads them (contrib/vecs_io.py): every record is a 32-bit length and as many elements.
fbin and its kin as big-ann-benchmarks does: two 32-bit numbers, rows and dimensions, then the elements.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file, save_file

VECS = {"fvecs": "f4", "bvecs": "u1", "ivecs": "i4"}
BINS = {"fbin": "f4", "u8bin": "u1", "i8bin": "i1", "ibin": "i4"}
TENSORS = ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]
SHAPES = [(1, 1), (7, 5), (300, 33)]


def content(shape, dtype, rng):
    count = int(np.prod(shape))
    if dtype == "bool":
        return rng.integers(0, 2, count).astype(bool).reshape(shape)
    # Any bits at all, NaN with payloads too.
    return np.frombuffer(rng.bytes(count * np.dtype(dtype).itemsize), dtype).copy().reshape(shape)


def read_vecs(path, dtype):
    raw = np.fromfile(path, "u1")
    width = int(raw[:4].view("<i4")[0])
    records = raw.reshape(-1, 4 + width * np.dtype(dtype).itemsize)
    assert (records[:, :4].copy().view("<i4") == width).all()
    return records[:, 4:].copy().view(dtype)


def write_vecs(path, values):
    lengths = np.full((len(values), 1), values.shape[1], "<i4").view("u1")
    np.hstack([lengths, np.ascontiguousarray(values).view("u1").reshape(len(values), -1)]).tofile(path)


def read_bin(path, dtype):
    rows, width = np.fromfile(path, "<u4", count=2)
    return np.fromfile(path, dtype, offset=8).reshape(rows, width)


def write_bin(path, values):
    with open(path, "wb") as file:
        np.array(values.shape, "<u4").tofile(file)
        values.tofile(file)


def read_safetensors(path, dtype):
    (values,) = load_file(path).values()
    assert values.dtype == np.dtype(dtype), values.dtype
    return values


def same(one, two):
    return one.shape == two.shape and np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(two).tobytes()


def main():
    outcore = str(pathlib.Path(sys.argv[1]).resolve())
    rng = np.random.default_rng(5)
    checked = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run = lambda *words: subprocess.run([outcore, *map(str, words)], check=True)
        cases = [(end, dtype, shape, read_vecs, write_vecs) for end, dtype in VECS.items() for shape in SHAPES]
        cases += [(end, dtype, shape, read_bin, write_bin) for end, dtype in BINS.items() for shape in SHAPES]
        write_tensor = lambda path, values: save_file({"rows": values}, path)
        cases += [("safetensors", dtype, (7, 5), read_safetensors, write_tensor) for dtype in TENSORS]
        for end, dtype, shape, read, write in cases:
            values = content(shape, dtype, rng)
            ours, theirs, back = folder / f"ours.{end}", folder / f"theirs.{end}", folder / "back.npy"
            np.save(folder / "x.npy", values)
            run("convert", folder / "x.npy", ours, "--overwrite")
            assert same(read(ours, dtype), values), (end, dtype, shape, "written")
            write(theirs, values)
            run("convert", theirs, back, "--overwrite")
            assert same(np.load(back), values), (end, dtype, shape, "read")
            checked += 2

        # Rows appended to what NumPy wrote, and to what is too old to have room.
        values = content((1000, 3), "f4", rng)
        np.save(folder / "new.npy", values)
        np.save(folder / "all.npy", values[:7])
        text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (7, 3), }\n"
        old = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + values[:7].tobytes()
        (folder / "old.npy").write_bytes(old)
        for path in [folder / "all.npy", folder / "old.npy"]:
            for _ in range(3):
                run("convert", folder / "new.npy", f"{path}?append=0")
            assert same(np.load(path), np.concatenate([values[:7], *[values] * 3])), path
            assert same(np.load(path, mmap_mode="r"), np.load(path)), path
            checked += 1

        # Codes are those of NumPy.
        x = rng.standard_normal((500, 77)).astype("f4")
        np.save(folder / "x.npy", x)
        run("quantize", folder / "x.npy", folder / "bits.npy", "--to", "binary")
        assert same(np.load(folder / "bits.npy"), np.packbits(x > 0, axis=-1))
        for scale, axis in [("row", 1), ("column", 0), ("whole", None)]:
            run("quantize", folder / "x.npy", folder / "q.npy", "--to", "int8", "--scale", scale, "--overwrite")
            scales = np.abs(x).max(axis=axis, keepdims=True) / np.float32(127)
            assert same(np.load(folder / "q.scales.npy"), scales), scale
            codes = np.clip(np.rint(x / scales), -127, 127).astype("i1")
            assert same(np.load(folder / "q.npy"), codes), scale
        checked += 4
    print(json.dumps({"files": checked, "numpy": np.__version__}))


if __name__ == "__main__":
    main()
