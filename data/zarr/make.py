#!/usr/bin/env python3
"""Writes v2.zarr and v3.zarr, small arrays of every dtype, codec and layout, and arrays.txt, which lists them.

Element number i (in C order) of an array is the whole number (7 * i + 3) % 241, less 120 for dtypes with a sign, divided by 4 for
floats; of bools whether it is odd. Elements outside of the box that a line of arrays.txt names were never written.
Run with zarr 3.1 and numcodecs 0.16:

    python data/zarr/make.py
"""
import json
import pathlib
import shutil
import warnings

import numcodecs
import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec
from zarr.codecs import numcodecs as nc

warnings.simplefilter("ignore")
HERE = pathlib.Path(__file__).parent
SHORT = {"bool": "bool", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint8": "u8", "uint16": "u16",
         "uint32": "u32", "uint64": "u64", "float16": "f16", "float32": "f32", "float64": "f64"}
LINES = []


def values(shape, dtype):
    dtype = np.dtype(dtype)
    number = (np.arange(int(np.prod(shape)), dtype=np.int64) * 7 + 3) % 241
    if dtype.kind == "b":
        number = number % 2
    elif dtype.kind in "if":
        number = number - 120
    if dtype.kind == "f":
        return (number / 4).astype(dtype).reshape(shape)
    return number.astype(dtype).reshape(shape)


def note(path, dtype, shape, fill, box=None):
    box = "all" if box is None else ",".join(f"{start}:{stop}" for start, stop in box) or "none"
    LINES.append(" ".join([path, SHORT.get(str(np.dtype(dtype).newbyteorder("=")), str(dtype)), "x".join(map(str, shape)) or "-", str(fill), box]))


def v3(name, shape=(7, 10), dtype="int32", chunks=(4, 6), box=None, fill=0, **options):
    options.setdefault("compressors", None)
    array = zarr.create_array(HERE / "v3.zarr", name=name, shape=shape, dtype=dtype, chunks=chunks, fill_value=fill, **options)
    write(array, shape, dtype, box)
    note(f"v3.zarr/{name}", dtype, shape, fill, box)
    return array


def v2(name, shape=(7, 10), dtype="<i4", chunks=(4, 6), box=None, fill=0, **options):
    options.setdefault("compressor", None)
    array = zarr.create(store=HERE / "v2.zarr", path=name, zarr_format=2, shape=shape, dtype=dtype, chunks=chunks, fill_value=fill, **options)
    write(array, shape, dtype, box)
    note(f"v2.zarr/{name}", dtype, shape, 0 if fill is None else fill, box)
    return array


def write(array, shape, dtype, box):
    if shape == ():
        array[...] = values(shape, dtype)
    elif box is None:
        array[...] = values(shape, dtype)
    elif box != []:
        slices = tuple(slice(*ends) for ends in box)
        array[slices] = values(shape, dtype)[slices]


def edit(path, change):
    file = HERE / path
    metadata = json.loads(file.read_text())
    change(metadata)
    file.write_text(json.dumps(metadata))


def make_v3():
    for dtype in SHORT:
        v3(f"dtypes/{dtype}", dtype=dtype, fill=bool(0) if dtype == "bool" else 1)
    # bfloat16 is not known to zarr-python: the upper halves of float32, under that name.
    halves = (values((7, 10), "float32").view(np.uint32) >> 16).astype(np.uint16)
    array = zarr.create_array(HERE / "v3.zarr", name="dtypes/bfloat16", shape=(7, 10), dtype="uint16", chunks=(4, 6), compressors=None)
    array[...] = halves
    edit("v3.zarr/dtypes/bfloat16/zarr.json", lambda m: m.update(data_type="bfloat16", fill_value="NaN"))
    LINES.append("v3.zarr/dtypes/bfloat16 bf16 7x10 nan all")

    big = dict(shape=(40, 50), chunks=(32, 50))
    for dtype in ["int16", "float64"]:
        v3(f"endian/{dtype}", dtype=dtype, serializer=BytesCodec(endian="big"))
    v3("endian/zstd", dtype="float32", serializer=BytesCodec(endian="big"), compressors=ZstdCodec())
    v3("codecs/gzip", **big, compressors=GzipCodec(level=6))
    v3("codecs/zstd", **big, compressors=ZstdCodec(level=3))
    v3("codecs/zstd_checksum", **big, compressors=ZstdCodec(level=3, checksum=True))
    v3("codecs/crc32c", compressors=Crc32cCodec())
    v3("codecs/crc32c_zstd", compressors=[Crc32cCodec(), ZstdCodec()])
    v3("codecs/zstd_crc32c", compressors=[ZstdCodec(), Crc32cCodec()])
    v3("codecs/gzip_zstd", compressors=[GzipCodec(), ZstdCodec()])
    for cname in ["blosclz", "lz4", "lz4hc", "zlib", "zstd"]:
        for shuffle in ["noshuffle", "shuffle", "bitshuffle"]:
            v3(f"codecs/blosc_{cname}_{shuffle}", **big, compressors=BloscCodec(cname=cname, clevel=5, shuffle=shuffle, typesize=4))
    v3("codecs/blosc_blocks", **big, dtype="float64", compressors=BloscCodec(cname="lz4", clevel=5, shuffle="shuffle", typesize=8, blocksize=2048))
    v3("codecs/blosc_copied", compressors=BloscCodec(cname="lz4", clevel=0, shuffle="shuffle", typesize=4))
    v3("codecs/lz4", **big, compressors=nc.LZ4())
    v3("codecs/zlib", **big, compressors=nc.Zlib())
    v3("codecs/bz2", **big, compressors=nc.BZ2())
    v3("codecs/numcodecs_zstd", **big, compressors=nc.Zstd())
    v3("codecs/numcodecs_blosc", **big, compressors=nc.Blosc())
    v3("codecs/shuffle_zlib", **big, compressors=[nc.Shuffle(elementsize=4), nc.Zlib()])
    for name in ["CRC32", "CRC32C", "Adler32", "Fletcher32"]:
        v3(f"codecs/numcodecs_{name.lower()}", compressors=getattr(nc, name)())

    v3("layout/transpose", shape=(5, 6, 7), chunks=(2, 4, 5), filters=TransposeCodec(order=(2, 0, 1)))
    v3("layout/transpose_zstd", shape=(5, 6, 7), chunks=(2, 4, 5), filters=TransposeCodec(order=(2, 0, 1)), compressors=ZstdCodec())
    v3("layout/transpose_twice", shape=(5, 6, 7), chunks=(2, 4, 5), filters=[TransposeCodec(order=(2, 0, 1)), TransposeCodec(order=(0, 2, 1))])
    v3("layout/scalar", shape=(), chunks=(), dtype="float64")
    v3("layout/empty", shape=(0, 3), chunks=(2, 2))
    v3("layout/large_chunk", chunks=(20, 30))
    v3("layout/dots", chunk_key_encoding={"name": "default", "separator": "."})
    v3("layout/v2_keys", chunk_key_encoding={"name": "v2", "separator": "/"})
    v3("layout/v2_dots", chunk_key_encoding={"name": "v2"})
    v3("layout/named", dimension_names=["y", None])
    v3("layout/twice", dimension_names=["y", "y"])
    v3("layout/long", shape=(3, 4, 2, 3, 2), chunks=(2, 2, 2, 2, 2))
    v3("missing/some", fill=-7, box=[(2, 4), (7, 9)])
    v3("missing/all", fill=-7, box=[])
    v3("missing/nan", dtype="float32", fill="NaN", box=[(0, 4), (0, 6)])
    v3("missing/infinity", dtype="float64", fill="-Infinity", box=[(0, 4), (0, 6)])

    def sharded(name, shape=(13, 17), shards=(8, 12), chunks=(4, 3), **options):
        v3(f"shards/{name}", shape=shape, chunks=chunks, shards=shards, **options)

    sharded("plain")
    sharded("zstd", compressors=ZstdCodec())
    sharded("blosc", compressors=BloscCodec(cname="lz4", typesize=4, shuffle="shuffle"))
    sharded("holes", fill=5, box=[(3, 6), (2, 13)])
    sharded("transpose", filters=TransposeCodec(order=(1, 0)), compressors=ZstdCodec())

    def serialized(name, shards, codec, **options):
        v3(f"shards/{name}", shape=(13, 17), chunks=shards, serializer=codec, **options)

    serialized("start", (8, 12), ShardingCodec(chunk_shape=(4, 3), codecs=[BytesCodec(), ZstdCodec()], index_location="start"))
    serialized("start_plain", (8, 12), ShardingCodec(chunk_shape=(4, 3), codecs=[BytesCodec()], index_location="start"))
    serialized("big_index", (8, 12), ShardingCodec(chunk_shape=(4, 3), codecs=[BytesCodec(endian="big")], index_codecs=[BytesCodec(endian="big"), Crc32cCodec()]))
    serialized("no_checksum", (8, 12), ShardingCodec(chunk_shape=(4, 3), codecs=[BytesCodec()], index_codecs=[BytesCodec()]))
    nested = ShardingCodec(chunk_shape=(2, 3), codecs=[BytesCodec(), ZstdCodec()], index_location="start")
    serialized("nested", (8, 12), ShardingCodec(chunk_shape=(4, 6), codecs=[nested]))
    serialized("around", (12, 12), ShardingCodec(chunk_shape=(3, 4), codecs=[BytesCodec()]), filters=TransposeCodec(order=(1, 0)))
    serialized("compressed", (8, 12), ShardingCodec(chunk_shape=(4, 3), codecs=[BytesCodec()]), compressors=ZstdCodec())
    zarr.consolidate_metadata(HERE / "v3.zarr", path="missing")


def make_v2():
    for dtype in ["|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8"]:
        v2(f"dtypes/{dtype[1:]}", dtype=dtype)
    for dtype in [">i2", ">u8", ">f4"]:
        v2(f"dtypes/big_{dtype[1:]}", dtype=dtype, order="F")
    big = dict(shape=(40, 50), chunks=(32, 50))
    for name, codec in {
        "blosc": numcodecs.Blosc(), "blosc_bits": numcodecs.Blosc(cname="zstd", shuffle=2), "zlib": numcodecs.Zlib(), "gzip": numcodecs.GZip(),
        "zstd": numcodecs.Zstd(), "lz4": numcodecs.LZ4(), "bz2": numcodecs.BZ2(),
    }.items():
        v2(f"codecs/{name}", **big, compressor=codec)
    v2("codecs/filters", **big, filters=[numcodecs.Shuffle(4)], compressor=numcodecs.Zlib())
    v2("layout/fortran", shape=(5, 6, 7), chunks=(2, 4, 5), order="F")
    v2("layout/fortran_zlib", shape=(5, 6, 7), chunks=(2, 4, 5), order="F", compressor=numcodecs.Zlib())
    v2("layout/slashes", dimension_separator="/")
    v2("layout/scalar", shape=(), chunks=(), dtype="<f8")
    v2("layout/empty", shape=(0, 3), chunks=(2, 2))
    v2("layout/large_chunk", chunks=(20, 30))
    v2("missing/null", fill=None, box=[(0, 4), (0, 6)])
    v2("missing/nan", dtype="<f4", fill=float("nan"), box=[(0, 4), (0, 6)])
    named = v2("layout/named")
    named.attrs["_ARRAY_DIMENSIONS"] = ["time", "place"]
    zarr.consolidate_metadata(HERE / "v2.zarr", zarr_format=2)


for name in ["v2.zarr", "v3.zarr"]:
    shutil.rmtree(HERE / name, ignore_errors=True)
zarr.create_group(HERE / "v2.zarr", zarr_format=2)
zarr.create_group(HERE / "v3.zarr")
make_v3()
make_v2()
(HERE / "arrays.txt").write_text("\n".join(LINES) + "\n")
