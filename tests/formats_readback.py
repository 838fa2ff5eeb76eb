"""Writes files of vectors, safetensors and npy with outcore and reads them with their own libraries, and the other way round, bit by bit.

    pip install numpy safetensors            # and, if they are to be looked at too: faiss-cpu pyarrow
    cargo build && python tests/formats_readback.py target/debug/outcore

fvecs and ivecs are read and written by faiss (contrib/vecs_io.py) where it is installed, else as it does it, and bvecs always, which it
does not write: every record is a 32-bit length and as many elements.
Arrow and Parquet are looked at if the program was built with `--features arrow` and pyarrow is installed; the last line says so.
fbin and its kin as big-ann-benchmarks does: two 32-bit numbers, rows and dimensions, then the elements.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file, save_file

try:
    from faiss.contrib import vecs_io
except ImportError:
    vecs_io = None
try:
    import pyarrow
    import pyarrow.feather
    import pyarrow.parquet
except ImportError:
    pyarrow = None

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
    if vecs_io and dtype != "u1":
        return vecs_io.ivecs_read(path).view(dtype)
    raw = np.fromfile(path, "u1")
    width = int(raw[:4].view("<i4")[0])
    records = raw.reshape(-1, 4 + width * np.dtype(dtype).itemsize)
    assert (records[:, :4].copy().view("<i4") == width).all()
    return records[:, 4:].copy().view(dtype)


def write_vecs(path, values):
    if vecs_io and values.dtype == np.int32:
        return vecs_io.ivecs_write(path, values)
    if vecs_io and values.dtype == np.float32:
        return vecs_io.fvecs_write(path, values)
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


def column(values):
    """A column of a table: fixed lists of lists of numbers."""
    flat = pyarrow.array(values.reshape(-1))
    for length in reversed(values.shape[1:]):
        flat = pyarrow.FixedSizeListArray.from_arrays(flat, length)
    return flat


def read_arrow(path, shape):
    table = pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all()
    table.validate(full=True)
    flat = table.column(0).combine_chunks()
    assert table.num_rows == shape[0] and table.column(0).null_count == 0
    for length in shape[1:]:
        assert flat.type.list_size == length
        flat = flat.flatten()
    return flat.to_numpy(zero_copy_only=False).reshape(shape)


def arrow_round_trips(outcore, run, folder, rng):
    """Number of files of tables that were read, or why none were."""
    x, ours, back = folder / "x.npy", folder / "ours.arrow", folder / "back.npy"
    np.save(x, np.zeros((1, 1), "f4"))
    tried = subprocess.run([outcore, "convert", str(x), str(ours), "--overwrite"], capture_output=True, text=True)
    if "feature `arrow`" in tried.stderr:
        return "not looked at: the program was built without the feature `arrow`"
    if pyarrow is None:
        return "not looked at: pyarrow is not installed"
    checked = 0
    for dtype in TENSORS[1:]:
        for shape in [(7,), (300, 33), (5, 2, 3)]:
            # A NaN stays the NaN that it is.
            values = content(shape, dtype, rng)
            np.save(x, values)
            run("convert", x, ours, "--overwrite")
            assert same(read_arrow(ours, shape), values), (dtype, shape, "written")
            table = pyarrow.table({"rows": column(values)})
            pyarrow.feather.write_feather(table, folder / "t.feather", compression="uncompressed", chunksize=4)
            files = ["t.feather"]
            if len(shape) < 3:
                files.append("t.parquet")
                codec = ["none", "snappy", "gzip", "lz4", "zstd"][checked % 5]
                pyarrow.parquet.write_table(table, folder / "t.parquet", row_group_size=100, data_page_size=512, compression=codec,
                                            data_page_version=["1.0", "2.0"][checked % 2], use_dictionary=checked % 3 == 0)
            for name in files:
                run("convert", folder / name, back, "--overwrite")
                assert same(np.load(back), values), (dtype, shape, name)
            checked += 1 + len(files)
    # More than one batch.
    values = rng.standard_normal((70_000, 300)).astype("f4")
    np.save(x, values)
    run("convert", x, ours, "--overwrite")
    assert same(read_arrow(ours, values.shape), values)
    return checked + 1


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
        tables = arrow_round_trips(outcore, run, folder, rng)
    by = "faiss" if vecs_io else "numpy"
    print(json.dumps({"files": checked, "numpy": np.__version__, "vecs by": by, "arrow": tables}))


if __name__ == "__main__":
    main()
