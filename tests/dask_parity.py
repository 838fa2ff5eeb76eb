"""Jobs on a Dask cluster have the bits of jobs of one process, also when workers are killed in the middle.

    python tests/dask_parity.py PROGRAM

needs `distributed` and the package in python/outcore-dask on PYTHONPATH; exits 1 at the first difference.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from distributed import Client, LocalCluster
from outcore_dask import run_job

PROGRAM = Path(sys.argv[1]).resolve()
LIMITS = ["--memory", "96MiB", "--threads", "1"]
# Name, statement, output and its flags; without an output the value is printed.
JOBS = [
    ("sum", "sum(x)", None, []),
    ("mean", "mean(x, axis=0)", None, []),
    ("std", "std(x, axis=0)", None, []),
    ("histogram", "histogram(x, 64)[0]", None, []),
    ("quantile", "quantile(x, 0.3, axis=0)", None, []),
    ("Gram", "x.T @ x", None, []),
    ("top-k", "topk(x[:, 0], 7)[1]", None, []),
    ("z-score", "(x - mean(x, axis=0)) / std(x, axis=0)", "z.npy", []),
    ("z-score as Zarr", "(x - mean(x, axis=0)) / std(x, axis=0)", "z.zarr", ["--chunks", "10000,16", "--shards", "none"]),
    ("z-score in shards", "(x - mean(x, axis=0)) / std(x, axis=0)", "s.zarr", ["--chunks", "5000,8", "--shards", "20000,16"]),
    ("rechunk", "c", "r.zarr", ["--chunks", "40000,4", "--shards", "none"]),
]


def outcore(folder, *words):
    done = subprocess.run([PROGRAM, *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.returncode}\n{done.stderr}")
    return done.stdout


def content(path):
    """Every byte of a file, or of all files below a folder."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(path)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def in_tasks(client, folder, statement, output, flags, task_bytes, on_event=None):
    """What the job gives on the cluster: what it prints, or the content of its output."""
    job = folder / "job"
    target = ["-o", f"many-{output}"] if output else []
    outcore(folder, "plan", statement, "x.npy", "c=rows.zarr", *target, *flags, "--job", "job", "--task-bytes", task_bytes, *LIMITS)
    printed = run_job(client, str(job), outcore=str(PROGRAM), on_event=on_event)
    shutil.rmtree(job)
    if not output:
        return printed
    path = folder / f"many-{output}"
    found = content(path)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return found


def in_one(folder, statement, output, flags):
    if not output:
        return outcore(folder, "eval", statement, "x.npy", "c=rows.zarr", *LIMITS)
    outcore(folder, "eval", statement, "x.npy", "c=rows.zarr", "-o", output, *flags, *LIMITS)
    path = folder / output
    # Attributes of a Zarr array tell its own path and statement only.
    found = content(path)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return found


class Killer:
    """Kills the worker, with all it has started, that runs the third task."""

    def __init__(self, cluster):
        self.cluster, self.running, self.lost = cluster, 0, 0

    def __call__(self, event):
        if event.get("event") != "task":
            return
        self.lost += event["state"] in ("lost", "retry")
        self.running += event["state"] == "running"
        if self.running == 3:
            self.running += 1
            pids = [nanny.pid for nanny in self.cluster.workers.values() if nanny.worker_address == event["worker"]]
            for pid in pids:
                os.kill(pid, signal.SIGKILL)


def with_kills(cluster, client, folder, want):
    """A worker is killed until that has cost a task, which some are too fast for."""
    title, *job = JOBS[7]
    for attempt in range(1, 11):
        killer = Killer(cluster)
        if in_tasks(client, folder, *job, "16MB", killer) != want[title]:
            sys.exit(f"the {title} differs after a worker was killed")
        if killer.lost:
            print(f"{title} with a killed worker (attempt {attempt}): the same bits, {killer.lost} tasks were run again", flush=True)
            return
    sys.exit("ten workers were killed, and none of them was running a task")


def from_rust(folder):
    """A program of Rust that is started for every task of its job: the words of the first one build it everywhere."""
    example = PROGRAM.parent / "examples" / "cluster"
    paths = [str(folder / name) for name in ("x.npy", "z-many.npy", "job")]
    called = [example, *paths, "dask:local?workers=2"]
    done = subprocess.run(called, cwd="/", capture_output=True, text=True, check=False, env={**os.environ, "OUTCORE_PYTHON": sys.executable})
    if done.returncode or "all tasks together" not in done.stdout or '"event": "stage"' not in done.stderr:
        sys.exit(f"{example}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    subprocess.run([example, paths[0], str(folder / "z-one.npy")], check=True)
    if content(folder / "z-one.npy") != content(folder / "z-many.npy"):
        sys.exit("a job of a Rust program differs on two workers")
    print("a job of a Rust program on 2 workers: the same bits", flush=True)


def main():
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outcore(folder, "eval", "normal((400000, 16), 0.5, 1, seed=5, dtype=f32)", "-o", "x.npy")
        outcore(folder, "convert", "x.npy", "rows.zarr", "--chunks", "5000,16", "--shards", "none")
        want = {job[0]: in_one(folder, *job[1:]) for job in JOBS}
        for workers, task_bytes in ((2, "8MB"), (3, "3MB")):
            with (
                LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
                Client(cluster) as client,
            ):
                for title, *job in JOBS:
                    got = in_tasks(client, folder, *job, task_bytes)
                    if got != want[title]:
                        sys.exit(f"{title} on {workers} workers differs: {got!r} is not {want[title]!r}")
                    print(f"{title} on {workers} workers in tasks of {task_bytes}: the same bits", flush=True)
                if workers == 3:
                    with_kills(cluster, client, folder, want)
        from_rust(folder)
    print(f"all in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
