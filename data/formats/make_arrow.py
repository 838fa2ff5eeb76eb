#!/usr/bin/env python3
"""Writes small Arrow and Parquet files with pyarrow.

    pip install numpy==2.4.6 pyarrow==26.0.1
    python data/formats/make_arrow.py

Elements count from 0 in C order, modulo 97, as those of make.py do. Row groups and batches have 3 rows unless a name says otherwise.
"""
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

here = pathlib.Path(__file__).parent
NUMBERS = {"i1": pa.int8(), "i2": pa.int16(), "i4": pa.int32(), "i8": pa.int64(), "u1": pa.uint8(), "u2": pa.uint16(), "u4": pa.uint32(),
           "u8": pa.uint64(), "f2": pa.float16(), "f4": pa.float32(), "f8": pa.float64()}


def counting(shape, dtype):
    return (np.arange(np.prod(shape, dtype=int)) % 97).reshape(shape).astype(dtype)


def fixed(values):
    flat = pa.array(values.reshape(-1))
    for length in reversed(values.shape[1:]):
        flat = pa.FixedSizeListArray.from_arrays(flat, length)
    return flat


def lists(values, kind=pa.list_):
    return pa.array(values.tolist(), kind(pa.from_numpy_dtype(values.dtype)))


rows = counting((7, 5), "f4")
# Columns with other layouts before and between those that are read.
table = pa.table({
    "text": ["row %d" % row for row in range(7)],
    "view": pa.array(["a view of a string that is long %d" % row for row in range(7)], pa.string_view()),
    "pair": pa.array([{"a": row, "b": [row] * row} for row in range(7)]),
    "kind": pa.array(["one", "two", "one", "two", "one", "two", "one"]).dictionary_encode(),
    "rows": fixed(rows),
    "lists": lists(rows),
    "large": lists(counting((7, 5), "i2"), pa.large_list),
    "cube": fixed(counting((7, 2, 3), "f8")),
    "nested": pa.array(counting((7, 2, 3), "i4").tolist(), pa.list_(pa.list_(pa.int32()))),
    "flags": pa.array([True, False] * 3 + [True]),
    "holes": pa.array([1.0, None, 3.0, 4.0, None, 6.0, 7.0], pa.float32()),
    "ragged": pa.array([[1, 2]] * 5 + [[3]] + [[4, 5]], pa.list_(pa.float32())),
    **{name: pa.array(counting((7,), name)) for name in NUMBERS},
})
options = pa.ipc.IpcWriteOptions(compression=None)
with pa.OSFile(str(here / "table.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=options) as writer:
    writer.write_table(table, max_chunksize=3)
with pa.OSFile(str(here / "stream.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema, options=options) as writer:
    writer.write_table(table, max_chunksize=3)
one = pa.table({"rows": table["rows"]})
# Slices begin inside of what they were cut from.
pa.feather.write_feather(pa.table({"rows": pa.concat_arrays(table["lists"].chunks).slice(2, 4)}), here / "sliced.feather", compression="uncompressed")
pa.feather.write_feather(one, here / "packed.feather", compression="lz4")

flat = table.drop_columns(["view"])
pq.write_table(flat, here / "table.parquet", row_group_size=3, compression="snappy")
# Small pages, of which some are passed over; several codecs, versions and encodings; row groups of several lengths.
long = pa.table({"rows": fixed(counting((600, 5), "f4")), "lists": lists(counting((600, 5), "f4")), "f8": pa.array(counting((600,), "f8"))})
pq.write_table(long, here / "pages.parquet", row_group_size=500, data_page_size=256, write_batch_size=16, compression="zstd", use_dictionary=False)
pq.write_table(long, here / "pages2.parquet", row_group_size=500, data_page_size=256, write_batch_size=16, compression="gzip",
               data_page_version="2.0", use_dictionary=False, column_encoding="BYTE_STREAM_SPLIT")
with pq.ParquetWriter(here / "groups.parquet", long.schema, compression="lz4") as writer:
    for start, count in [(0, 1), (1, 99), (100, 100), (200, 7), (207, 393)]:
        writer.write_table(long.slice(start, count))
pq.write_table(pa.table({"rows": fixed(counting((0, 5), "f4"))}), here / "none.parquet")
late = pa.table({"holes": pa.array([[1.0, 2.0]] * 90 + [[None, 2.0]] + [[1.0, 2.0]] * 9, pa.list_(pa.float32()))})
pq.write_table(late, here / "holes.parquet", row_group_size=40, write_statistics=False)
