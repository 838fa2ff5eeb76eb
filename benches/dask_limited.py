"""W10 on Dask within a limit of memory: rows to columns of a Zarr array, on one worker of two threads that spills what does not fit.

    python benches/dask_limited.py ROWS.zarr COLUMNS.zarr ROWS 512MiB FOLDER

prints the seconds it took, without the start of the cluster. Needs dask, distributed and zarr. FOLDER takes what is spilled. (Its newer way of
rechunking, `p2p`, lost all its workers in 512 MiB and in 1 GiB.)
"""
import sys, time
import dask
import dask.array as da
from distributed import Client, LocalCluster


def main(source, target, rows, limit, folder):
    spill = {"n_workers": 1, "threads_per_worker": 2, "memory_limit": limit, "local_directory": folder, "dashboard_address": None}
    with LocalCluster(**spill) as cluster, Client(cluster), dask.config.set({"array.rechunk.method": "tasks"}):
        start = time.perf_counter()
        da.from_zarr(source).rechunk((int(rows), 2)).to_zarr(target, compressors=None)
        print(time.perf_counter() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
