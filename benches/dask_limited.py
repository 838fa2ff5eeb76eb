"""W8 and W10 on Dask within a limit of memory, on one worker of two threads that spills what does not fit.

    python benches/dask_limited.py transpose X.npy OUT.npy ROWS 512MiB FOLDER
    python benches/dask_limited.py columns ROWS.zarr COLUMNS.zarr ROWS 512MiB FOLDER

prints the seconds it took, without the start of the cluster. Needs dask, distributed, numpy and zarr. FOLDER takes what is spilled. (Its newer
way of rechunking, `p2p`, lost all its workers in 512 MiB and in 1 GiB.)
"""
import sys, time
import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster


def columns(source, target, rows):
    da.from_zarr(source).rechunk((rows, 2)).to_zarr(target, compressors=None)


def block(source, rows, place):
    """Some rows of the file as one of 40,000 rows, without a word of the rest of it."""
    return np.array(np.load(source, mmap_mode="r").reshape(40000, -1)[place : place + rows])


def transpose(source, target, rows):
    width = rows * 128 // 40000
    parts = [da.from_delayed(dask.delayed(block)(source, 1000, place), (1000, width), "f4") for place in range(0, 40000, 1000)]
    to = np.lib.format.open_memmap(target, "w+", "f4", (width, 40000))
    del to
    blocks = da.concatenate(parts).T.rechunk((640, 40000)).to_delayed()[:, 0]
    dask.compute([dask.delayed(write)(part, target, place * 640) for place, part in enumerate(blocks)])


def write(part, target, place):
    to = np.load(target, mmap_mode="r+")
    to[place : place + len(part)] = part
    to.flush()


def main(job, source, target, rows, limit, folder):
    spill = {"n_workers": 1, "threads_per_worker": 2, "memory_limit": limit, "local_directory": folder, "dashboard_address": None}
    with LocalCluster(**spill) as cluster, Client(cluster), dask.config.set({"array.rechunk.method": "tasks"}):
        start = time.perf_counter()
        {"columns": columns, "transpose": transpose}[job](source, target, int(rows))
        print(time.perf_counter() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
