"""Writes Zarr arrays with outcore and reads them back with zarr-python, bit by bit, and with xarray.

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
import xarray
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
    # With zeros that are values, not missing ones.
    assert (opened["z"].values == values - values.mean(0)).all() and (opened["m"] > 0).all()
    provenance = opened["z"].attrs["outcore"]
    assert provenance["expression"] == "m = mean(x, 0); z = x - m" and provenance["version"], provenance


def dataset():
    """Packed values, with a coordinate of every kind of axis, among them times."""
    values = np.round(np.random.default_rng(0).normal(280, 10, (6, 4, 5)), 1)
    times = np.datetime64("2020-01-01") + np.arange(6)
    return xarray.Dataset(
        {
            "temp": (("time", "lat", "lon"), values, {"units": "K", "long_name": "air temperature", "actual_range": [250.0, 310.0]}),
            "count": (("time",), np.arange(6, dtype="i4")),
        },
        coords={
            "time": times.astype("datetime64[ns]"),
            "lat": ("lat", np.linspace(-60, 60, 4), {"units": "degrees_north"}),
            "lon": np.arange(5) * 10.0,
        },
        attrs={"title": "a test"},
    )


def opened(store):
    """A store as xarray sees it, without the notes of who wrote it."""
    found = xarray.open_zarr(store, consolidated=False).load()
    for name in found.variables:
        found[name].attrs.pop("outcore", None)
    return found


def check_dataset(outcore, folder, source_version, version):
    """Coordinates and attributes go along."""
    place = folder / f"{source_version}to{version}"
    source = place / "in.zarr"
    packed = {"dtype": "i2", "scale_factor": 0.1, "add_offset": 273.0, "_FillValue": -9999}
    dataset().to_zarr(source, zarr_format=source_version, encoding={"temp": packed})
    want = xarray.open_zarr(source).load()
    run = lambda *words: subprocess.run([outcore, *map(str, words)], check=True, stderr=subprocess.PIPE, text=True).stderr
    run("convert", source, place / "all.zarr", "--zarr-version", version)
    xarray.testing.assert_identical(opened(place / "all.zarr"), want)
    run("convert", source / "temp", place / "one.zarr/temp", "--zarr-version", version)
    xarray.testing.assert_identical(opened(place / "one.zarr"), want[["temp"]].drop_attrs(deep=False))
    statements = "m = mean(x, axis='time'); z = x - m; t = x.T; s = x[:, ::2]"
    outputs = {name: f"{place}/{'part' if name == 's' else 'made'}.zarr/{name}?version={version}" for name in "mzts"}
    said = run("eval", statements, source / "temp", *(word for name, path in outputs.items() for word in ("-o", f"{name}={path}")))
    assert said == "", said
    made, part = opened(place / "made.zarr"), opened(place / "part.zarr")
    kept = {"units": "K", "long_name": "air temperature"}
    temp = want["temp"]
    xarray.testing.assert_identical(made["t"], temp.T.rename("t"))
    xarray.testing.assert_allclose(made["z"], (temp - temp.mean("time")).rename("z"))
    assert made["m"].dims == ("lat", "lon") and made["m"].attrs == kept and made["z"].attrs == {}, made
    # Coordinates are sliced as their axes are.
    assert part["s"].attrs == kept and set(part.coords) == {"time", "lat", "lon"}, part
    xarray.testing.assert_equal(part["s"], temp[:, ::2].rename("s"))
    # Copies of metadata follow what is written.
    consolidated = place / "in.zarr"
    run("eval", "x * 2", source / "temp", "-o", f"{consolidated}/twice")
    run("eval", "x * 2", source / "temp", "-o", f"{consolidated}/deep/twice")
    run("convert", source / "temp?cf=off", consolidated / "temp2")
    run("eval", "x[:3]", source / "temp2?cf=off", "-o", consolidated / "deep/three")
    listed = zarr.open_group(consolidated, mode="r", use_consolidated=True)
    assert {"twice", "temp2", "temp", "time"} <= set(listed.array_keys()), sorted(listed.array_keys())
    assert {"twice", "three"} <= set(listed["deep"].array_keys()) and listed["deep/three"].shape == (3, 4, 5)
    assert bits(listed["temp2"][...]) == bits(listed["temp"][...])
    xarray.testing.assert_identical(xarray.open_zarr(consolidated).load()["temp"], want["temp"])
    # Axes with other places than the coordinate that is there.
    assert "has other values" in run("eval", "x[::-1]", source / "temp", "-o", place / "made.zarr/r")
    assert "other places" in run("eval", "x[[2, 0]]", source / "temp", "-o", place / "made.zarr/p")


def check_texts(outcore, folder, source_version, version):
    """Coordinates that are texts go along: of one length, and of any."""
    place = folder / f"texts{source_version}to{version}"
    source = place / "in.zarr"
    ids = np.array(["Åre", "", "c" * 300, "d", "e", "日本", "g"], dtype=object)
    features = np.array(["mean", "standard"])
    values = np.random.default_rng(1).normal(size=(7, 2))
    made = xarray.Dataset({"x": (("id", "feature"), values)}, {"id": ("id", ids, {"long_name": "name"}), "feature": features})
    made.assign_coords(region=("id", ids[::-1])).to_zarr(source, zarr_format=source_version, encoding={"id": {"chunks": (3,)}})
    run = lambda *words: subprocess.run([outcore, *map(str, words)], check=True, stderr=subprocess.PIPE, text=True).stderr
    said = run("convert", source, place / "all.zarr", "--zarr-version", version)
    assert said == "", said
    got = opened(place / "all.zarr")
    xarray.testing.assert_equal(got["x"].drop_vars("region", errors="ignore"), made["x"])
    assert got["id"].attrs == {"long_name": "name"} and list(got["region"].values) == list(ids[::-1]), got
    said = run("eval", "x[::-2] * 2", source / "x", "-o", place / f"some.zarr/y?version={version}")
    assert said == "", said
    xarray.testing.assert_equal(opened(place / "some.zarr")["y"], (made["x"][::-2] * 2).rename("y"))
    run("eval", "x[::-2]", source / "x", "-o", place / "some.zarr/z")
    assert "has other values" in run("eval", "x[:4]", source / "x", "-o", place / "some.zarr/w")


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
        for version in (2, 3):
            check_xarray(outcore, folder, version)
            for source_version in (2, 3):
                check_dataset(outcore, folder, source_version, version)
                check_texts(outcore, folder, source_version, version)
    print(json.dumps({"arrays": checked, "zarr": zarr.__version__, "xarray": xarray.__version__}))


if __name__ == "__main__":
    main()
