"""Writes Zarr arrays with outcore and reads them back with zarr-python, bit by bit; with xarray, where it is installed.

    pip install 'zarr>=3.1' numpy xarray
    cargo build && python tests/zarr_readback.py target/debug/outcore
"""

import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import zarr

DTYPES = ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]
CODECS = ["none", "crc32c", "zstd", "zstd:-3", "zstd:12", "lz4", "blosc-lz4", "blosc-zstd:9", "gzip:0", "gzip:5"]
# Shape, chunks, shards.
LAYOUTS = [
    ((), None, None),
    ((0, 3), None, None),
    ((7,), "2", "4"),
    ((4, 1, 5), "2,1,2", "none"),
    ((37, 50), "8,16", "16,32"),
    ((37, 50), "64,64", None),
    ((5, 300, 40), None, None),
]


def content(shape, dtype, rng):
    count = int(np.prod(shape))
    if dtype == "bool":
        values = rng.integers(0, 2, count).astype(bool)
    else:
        # Any bits at all, NaN with payloads too.
        values = np.frombuffer(rng.bytes(count * np.dtype(dtype).itemsize), dtype).copy()
    # A stretch of the fill value.
    values[count // 4 : count // 2] = 0
    return values.reshape(shape)


def bits(array):
    return np.ascontiguousarray(array).tobytes()


def check(outcore, folder, values, words, what):
    source, target = folder / "x.npy", folder / "z.zarr"
    np.save(source, values)
    subprocess.run([outcore, "convert", f"{source}", f"{target}", "--overwrite", *words], check=True)
    found = zarr.open_array(target, mode="r")
    assert found.dtype == values.dtype and found.shape == values.shape, (what, found)
    assert bits(found[...]) == bits(values), what


def check_xarray(outcore, folder, version):
    try:
        import xarray
    except ImportError:
        return "xarray is not installed"
    values = np.arange(24, dtype="f4").reshape(6, 4)
    np.save(folder / "x.npy", values)
    store = folder / f"store{version}.zarr"
    subprocess.run(
        [outcore, "eval", "m = mean(x, 0); z = x - m", f"{folder}/x.npy?dims=row,col"]
        + ["-o", f"z={store}/z?version={version}", "-o", f"m={store}/m?version={version}"],
        check=True,
    )
    opened = xarray.open_zarr(store, consolidated=False)
    assert opened["z"].dims == ("row", "col") and opened["m"].dims == ("col",), opened
    assert (opened["z"].values == values - values.mean(0)).all()
    provenance = opened["z"].attrs["outcore"]
    assert provenance["expression"] == "m = mean(x, 0); z = x - m" and provenance["version"], provenance
    return f"xarray {xarray.__version__}"


def main():
    outcore = str(pathlib.Path(sys.argv[1]).resolve())
    rng = np.random.default_rng(11)
    warnings.simplefilter("ignore")
    checked = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        cases = [(dtype, "zstd", layout) for dtype, layout in itertools.product(DTYPES, LAYOUTS)]
        cases += [(dtype, codec, layout) for dtype, codec, layout in itertools.product(["f4", "u1"], CODECS, LAYOUTS)]
        for dtype, codec, (shape, chunks, shards) in cases:
            for version in (2, 3):
                if version == 2 and (codec == "crc32c" or shards not in (None, "none")):
                    continue
                words = ["--codec", codec, "--zarr-version", str(version)]
                words += ["--chunks", chunks] if chunks else []
                words += ["--shards", shards] if shards else []
                check(outcore, folder, content(shape, dtype, rng), words, (dtype, *words))
                checked += 1
        notes = [check_xarray(outcore, folder, version) for version in (2, 3)]
    print(json.dumps({"arrays": checked, "zarr": zarr.__version__, "xarray": notes}))


if __name__ == "__main__":
    main()
