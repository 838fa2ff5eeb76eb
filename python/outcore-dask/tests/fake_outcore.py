#!/usr/bin/env python3
"""A stand-in for `outcore` that keeps the task contract and does as the environment of its first `plan` says.

    FAKE_STAGES=z:20,sum:5    stages, in order, and their tasks (a must); those of the last print a number each
    FAKE_SECONDS=0.1          what each task takes
    FAKE_FAIL=3:2:75,5:-1:65  task 3 of the first stage fails twice with 75, task 5 always with 65
    FAKE_FAIL=3:1:-9          and once by SIGKILL
    FAKE_HANG=7:1             task 7 of the first stage hangs the first time
    FAKE_SLAY=3:-1            task 3 of the first stage always kills its parent, the worker
    FAKE_NOISE=100000         a task that fails leaves so many bytes on stderr and no JSON
    FAKE_PEAK=1000            peak_bytes
    FAKE_BLIND=1              the plan never sees a marker
    FAKE_VERSION=0.1.0        what --version says (read when it is asked)

Every start of a task leaves DIR/starts/P-S-I.N with the process id, so that a test can count and kill.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

VERSION = os.environ.get("FAKE_VERSION", "0.1.0")


def main() -> int:
    if sys.argv[1:2] == ["--version"]:
        print(f"outcore {VERSION}")
        return 0
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["plan", "task", "finish"])
    parser.add_argument("--job", type=Path, required=True)
    parser.add_argument("--phase", type=int)
    parser.add_argument("--stage", type=int)
    parser.add_argument("--task", type=int)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    return {"plan": plan, "task": task, "finish": finish}[arguments.verb](arguments)


def plan(arguments: argparse.Namespace) -> int:
    folder = arguments.job
    if not (folder / "job.json").exists():
        if "FAKE_STAGES" not in os.environ:
            print(json.dumps({"error": "no job here"}), file=sys.stderr)
            return 66
        folder.mkdir(parents=True, exist_ok=True)
        chosen = {name: value for name, value in os.environ.items() if name.startswith("FAKE_")}
        (folder / "job.json").write_text(json.dumps(chosen))
        (folder / "starts").mkdir()
    job = json.loads((folder / "job.json").read_text())
    fixed = {"schema": "outcore.step/1", "job": "3f2a00000000beef", "version": VERSION, "numerics": 1}
    for stage, (name, tasks) in enumerate(stages(job)):
        markers = [] if "FAKE_BLIND" in job else stage_folder(folder, stage).glob("*.done")
        done = {int(marker.stem) for marker in markers}
        if len(done) < tasks:
            peak = int(job.get("FAKE_PEAK", "1000"))
            todo = [[task, task + 1] for task in range(tasks) if task not in done]
            numbers = {"tasks": tasks, "tasks_done": len(done), "todo": todo, "peak_bytes": peak, "bytes": 100 * tasks, "threads": 1}
            print(json.dumps({**fixed, "state": "run", "phase": 0, "stage": stage, "stages": len(stages(job)), "name": name, **numbers}))
            return 0
    print(json.dumps({**fixed, "state": "finish"}))
    return 0


def task(arguments: argparse.Namespace) -> int:
    folder, number = arguments.job, arguments.task
    job = json.loads((folder / "job.json").read_text())
    marker = stage_folder(folder, arguments.stage) / f"{number:07}.done"
    if marker.exists():
        print(json.dumps({**json.loads(marker.read_text()), "state": "was done"}))
        return 0
    start = record_start(folder / "starts", f"{arguments.phase}-{arguments.stage}-{number}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
    if arguments.stage == 0:
        misbehave(job, number, start)
    time.sleep(float(job.get("FAKE_SECONDS", "0")))
    done = {"schema": "outcore.task/1", "task": number, "bytes_read": 100, "value": (number * 2654435761) % 1000003}
    marker.parent.mkdir(parents=True, exist_ok=True)
    hidden = marker.with_suffix(f".{os.getpid()}")
    hidden.write_text(json.dumps(done))
    hidden.rename(marker)
    print(json.dumps({**done, "state": "done"}))
    return 0


def finish(arguments: argparse.Namespace) -> int:
    job = json.loads((arguments.job / "job.json").read_text())
    last = len(stages(job)) - 1
    for marker in sorted(stage_folder(arguments.job, last).glob("*.done")):
        print(json.loads(marker.read_text())["value"])
    return 0


def stages(job: dict) -> list[tuple[str, int]]:
    pairs = [entry.rsplit(":", 1) for entry in job["FAKE_STAGES"].split(",")]
    return [(name, int(tasks)) for name, tasks in pairs]


def stage_folder(folder: Path, stage: int) -> Path:
    return folder / "phase-0" / f"stage-{stage}"


def record_start(folder: Path, name: str) -> int:
    """The how-manieth start of this task it is, from 1."""
    start = 1
    while True:
        try:
            with open(folder / f"{name}.{start}", "x") as file:
                file.write(str(os.getpid()))
            return start
        except FileExistsError:
            start += 1


def misbehave(job: dict, number: int, start: int) -> None:
    for entry in filter(None, job.get("FAKE_HANG", "").split(",")):
        which, times = map(int, entry.split(":"))
        if which == number and start <= times:
            time.sleep(600)
    for entry in filter(None, job.get("FAKE_SLAY", "").split(",")):
        which, times = map(int, entry.split(":"))
        if which == number and (times < 0 or start <= times):
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(600)
    for entry in filter(None, job.get("FAKE_FAIL", "").split(",")):
        which, times, code = map(int, entry.split(":"))
        if which == number and (times < 0 or start <= times):
            error = {"message": f"block {number} of x.npy is bad", "hint": "look at it with outcore verify"}
            noise = "#" * int(job.get("FAKE_NOISE", "0"))
            print(noise or json.dumps({"error": error}), file=sys.stderr, flush=True)
            if code < 0:
                os.kill(os.getpid(), -code)
            sys.exit(code)


if __name__ == "__main__":
    sys.exit(main())
