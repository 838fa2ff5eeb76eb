"""What the driver costs per task and worker slot: a job of tasks that do nothing (`trivial.sh`) on two local workers.

PYTHONPATH=src python tests/measure.py [TASKS]
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from distributed import Client, LocalCluster

from outcore_dask import run_job

PROGRAM = str(Path(__file__).resolve().parent / "trivial.sh")
SLOTS = 2
ALONE = 200


def main(tasks: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        job = str(Path(folder) / "job")
        run("plan", "--job", job, TRIVIAL_TASKS=str(tasks))
        started = time.perf_counter()
        for number in range(ALONE):
            run("task", "--job", job, "--task", str(tasks + number))
        alone = (time.perf_counter() - started) / ALONE
        for marker in Path(job).glob("phase-0/stage-0/*.done"):
            marker.unlink()

        process, resident, seconds = psutil.Process(), [], 0.0

        def on_event(event: dict) -> None:
            nonlocal seconds
            if event["event"] == "progress":
                resident.append(process.memory_info().rss // 2**20)
                seconds = event["seconds"]

        with LocalCluster(n_workers=SLOTS, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
            run_job(client, job, PROGRAM, on_event=on_event)
    each = seconds * SLOTS / tasks
    print(f"{tasks} tasks, {SLOTS} slots, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores: {seconds:.1f} s")
    print(
        f"per task and slot {each * 1e3:.1f} ms, the program alone {alone * 1e3:.1f} ms: {(each - alone) * 1e3:.1f} ms above it"
    )
    first, middle, last = resident[0], resident[len(resident) // 2], resident[-1]
    print(f"driver and scheduler resident: {first} MiB at first, {middle} half way, {last} at last")


def run(*words: str, **settings: str) -> None:
    subprocess.run([PROGRAM, *words], env={**os.environ, **settings}, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
