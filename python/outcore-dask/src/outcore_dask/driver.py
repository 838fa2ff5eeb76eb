"""The loop of the task contract: plan, run every task that has no marker on the cluster, plan again; at last finish.

All state of a job is in its folder. The driver holds what is in flight and no more, however many tasks a stage has, and
may be killed at any time: the next one asks `outcore plan` where things stand.
"""

import json
import os
import queue
import re
import shlex
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, NamedTuple

from distributed import Client, Future, KilledWorker
from distributed import TimeoutError as DaskTimeoutError
from distributed.comm.core import CommClosedError

from . import preflight
from .events import Event, JobFailed
from .task import EXIT_RETRY, Final, Retryable, execute, guarded, run_task, words

STEP_SCHEMA = "outcore.step/1"
WINDOW_PER_SLOT = 4
"""Tasks in flight per slot: one running, the others to hide the way to the driver and back."""
BATCH_MAX = 1000
TICK_SECONDS = 0.5
"""How often stragglers, due retries and the number of slots are looked at."""
PROGRESS_SECONDS = 0.5
RETRY_SECONDS = 0.5
"""The wait before the first retry; it doubles with each."""
STRAGGLER_TASKS_MIN = 10
STRAGGLER_FACTOR = 3.0
STRAGGLER_SECONDS_MIN = 10.0
DURATIONS_MAX = 1001
"""The median is that of the last tasks, so that a stage of any length needs the same memory."""
STALLED_MAX = 3
ENDED_WELL = frozenset({"finished", "lost", "pending"})
"""What a future that has ended can be: the latter two if its worker died since, and with it the result that nobody needs."""
EXIT_INTERNAL = 70
SCHEDULER_GONE = "the scheduler was stopped, or someone cancelled the job: run it again, it goes on with what is not done"


def run_job(
    client: Client,
    job_folder: str | os.PathLike[str],
    outcore: str = "outcore",
    retries: int = 3,
    on_event: Callable[[Event], None] | None = None,
) -> str:
    """Runs the job in `job_folder` to its end and returns what `outcore finish` printed.

    `client` is connected to any Dask cluster, `outcore` is the program's name or path on this machine and all workers,
    `retries` how often a task may fail in a way that may pass before the job fails. `on_event` gets what `events` lists.
    Raises `JobFailed`. After that, or after any interruption, the same call goes on with what is not done.
    """
    if client.asynchronous:
        raise TypeError("run_job blocks: it needs a Client made without asynchronous=True")
    report = on_event or (lambda event: None)
    folder = preflight.place(job_folder)
    started = time.monotonic()
    try:
        for step in _steps(outcore, folder):
            slots = preflight.check(client, folder, outcore, step)
            _Stage(client, folder, outcore, retries, report, step, slots).run()
        output = _call([outcore, "finish", "--job", folder])
    except JobFailed as error:
        report({"event": "failed", "code": error.code, "message": str(error)})
        raise
    report({"event": "done", "seconds": round(time.monotonic() - started, 3)})
    return output


def _steps(outcore: str, folder: str) -> Iterator[dict[str, Any]]:
    """What `outcore plan` asks for, step by step, until nothing is left but to finish."""
    place, stalled = None, 0
    while True:
        step = json.loads(_call([outcore, "plan", "--job", folder, "--json"]).splitlines()[-1])
        if step.get("schema") != STEP_SCHEMA:
            raise JobFailed(f"{outcore} speaks {step.get('schema')}, this driver {STEP_SCHEMA}; update the older", 78)
        if step["state"] == "finish":
            return
        here = step["phase"], step["stage"], step["tasks_done"]
        # A shared file system may show the last markers late; a plan that never sees them would loop for ever.
        stalled = stalled + 1 if here == place else 0
        if stalled == STALLED_MAX:
            raise JobFailed(
                f"stage {step['name']!r} (phase {here[0]}, stage {here[1]}) still has {step['tasks_done']} of "
                f"{step['tasks']} tasks done after {stalled} runs that all ended well; is {folder} the same everywhere?",
                EXIT_INTERNAL,
            )
        place = here
        yield step


def _call(command: list[str]) -> str:
    """Runs `command` here and returns its stdout; its stderr is passed on, or is the error if it fails."""
    try:
        ended = execute(guarded(command))
    except OSError as error:
        raise JobFailed(f"{shlex.join(command)} cannot be started: {error}", preflight.EXIT_REFUSED) from None
    if ended.code != 0:
        code = ended.code if ended.code > 0 else EXIT_RETRY
        raise JobFailed(f"{words(ended.stderr)}\ncommand: {shlex.join(command)} (exit code {ended.code})", code)
    sys.stderr.write(ended.stderr)
    return ended.stdout


class _Start(NamedTuple):
    """Where and when a copy of a task was started."""

    worker: str
    at: float


@dataclass(eq=False)
class _Flight:
    """One task that is on its way: waiting for a slot, running (perhaps twice), or waiting for its next attempt."""

    task: int
    copies: dict[str, Future] = field(default_factory=dict)
    starts: dict[str, _Start] = field(default_factory=dict)
    submissions: int = 0
    attempts: int = 0
    failures: int = 0
    retry_at: float | None = None
    has_backup: bool = False
    bytes_read: int = 0


class _Stage:
    """Runs the tasks of one stage that have no marker."""

    def __init__(
        self,
        client: Client,
        folder: str,
        outcore: str,
        retries: int,
        report: Callable[[Event], None],
        step: Mapping[str, Any],
        slots: int,
    ) -> None:
        self.client, self.retries, self.report, self.step = client, retries, report, step
        phase, stage = str(step["phase"]), str(step["stage"])
        self.command = [outcore, "task", "--job", folder, "--phase", phase, "--stage", stage]
        # Dask groups keys by their first words, up to one that is not made of letters alone.
        name = re.sub(r"[^A-Za-z0-9_.]+", "_", step["name"]).strip("_") or "stage"
        self.key_prefix = f"{name}-{step['job'][:8]}-p{phase}-s{stage}"
        self.topic = f"outcore-{step['job']}"
        self.slots = slots
        self.todo = chain.from_iterable(range(first, end) for first, end in step["todo"])
        self.flights: dict[int, _Flight] = {}
        self.flight_of: dict[str, _Flight] = {}
        self.inbox: queue.SimpleQueue[Event | Future] = queue.SimpleQueue()
        self.durations: deque[float] = deque(maxlen=DURATIONS_MAX)
        self.done, self.ran, self.bytes = int(step["tasks_done"]), 0, 0
        self.started = self.ticked = self.progressed = time.monotonic()

    def run(self) -> None:
        """Returns when every task is done; raises `JobFailed` at the first that cannot be. Either way none is left."""
        fields = ("name", "phase", "stage", "stages", "tasks", "tasks_done", "bytes", "peak_bytes")
        fixed = {name: self.step[name] for name in fields}
        has_dashboard = "dashboard" in self.client.scheduler_info()["services"]
        dashboard = self.client.dashboard_link if has_dashboard else None
        self.report({"event": "stage", **fixed, "slots": self.slots, "dashboard": dashboard})
        self.client.subscribe_topic(self.topic, lambda event: self.inbox.put(event[1]))
        try:
            while self._refill():
                self._receive()
                self._tick()
                self._progress()
            self.done = self.step["tasks"]
            self._progress(is_last=True)
        except CommClosedError as error:
            raise JobFailed(f"stage {self.step['name']!r}: {error}; {SCHEDULER_GONE}", EXIT_RETRY) from None
        finally:
            # A cluster that is gone cannot be told; that must not hide why the stage ended.
            with suppress(OSError, DaskTimeoutError):
                self.client.unsubscribe_topic(self.topic)
                self._cancel([copy for flight in self.flights.values() for copy in flight.copies.values()])

    def _refill(self) -> bool:
        """Keeps the window full, a batch at a time; False once nothing is left to wait for."""
        room = WINDOW_PER_SLOT * max(self.slots, 1) - len(self.flights)
        if not self.flights or room >= self.slots:
            new = [_Flight(task) for task in islice(self.todo, max(room, 0))]
            self.flights.update((flight.task, flight) for flight in new)
            self._submit(new)
        return bool(self.flights)

    def _submit(self, flights: list[_Flight], **options: Any) -> None:
        """Sends one more copy of each of these tasks to the cluster."""
        if not flights:
            return
        keys = []
        for flight in flights:
            again = f"-again{flight.submissions}" if flight.submissions else ""
            keys.append(f"{self.key_prefix}-{flight.task}{again}")
            flight.submissions += 1
            flight.retry_at = None
        # Dask's own `retries` would run a final error again as well, and at once; those are counted here. What it does
        # by itself is to start the tasks of a lost worker elsewhere.
        futures = self.client.map(
            run_task,
            [flight.task for flight in flights],
            key=keys,
            pure=False,
            retries=0,
            batch_size=BATCH_MAX,
            command=self.command,
            topic=self.topic,
            **options,
        )
        for flight, key, future in zip(flights, keys, futures, strict=True):
            flight.copies[key] = future
            self.flight_of[key] = flight
            future.add_done_callback(self.inbox.put)

    def _receive(self) -> None:
        """Handles what has come in; waits for the first a tick at most."""
        with suppress(queue.Empty):
            message = self.inbox.get(timeout=TICK_SECONDS)
            while True:
                if isinstance(message, Future):
                    self._on_end(message)
                elif message["state"] == "running":
                    self._on_start(message)
                elif flight := self.flight_of.get(message["key"]):
                    flight.bytes_read = message["bytes"]
                message = self.inbox.get_nowait()

    def _on_start(self, message: Event) -> None:
        flight = self.flight_of.get(message["key"])
        if flight is None:
            return
        before = flight.starts.get(message["key"])
        if before is not None:
            flight.failures += 1
            self._report_task(flight, "lost", worker=before.worker)
        flight.attempts += 1
        flight.starts[message["key"]] = _Start(message["worker"], time.monotonic())
        self._report_task(flight, "running", worker=message["worker"])

    def _on_end(self, future: Future) -> None:
        """One copy of a task is done, has failed or was cancelled."""
        key = str(future.key)
        flight = self.flight_of.pop(key, None)
        if flight is None:
            return  # the slower of two copies
        del flight.copies[key]
        start = flight.starts.pop(key, None)
        if future.status in ENDED_WELL:
            self._on_done(flight, start)
            return
        if future.status != "error":
            raise JobFailed(f"task {self._name(flight)} was cancelled; {SCHEDULER_GONE}", EXIT_RETRY)
        error = future.exception()
        if isinstance(error, Final):
            self._fail(flight, str(error), error.code if error.code > 0 else EXIT_INTERNAL)
        is_lost = isinstance(error, KilledWorker)
        if not is_lost and not isinstance(error, Retryable):
            self._fail(flight, f"could not be run by Dask: {error!r}", EXIT_INTERNAL)
        # Dask blames a worker's death on all that it held; a task that had not started is not to blame.
        flight.failures += start is not None or not is_lost
        if not flight.copies:
            self._try_again(flight, str(error))

    def _on_done(self, flight: _Flight, start: _Start | None) -> None:
        """The first copy to finish counts; another is stopped, its output would be the same bytes."""
        self._forget(flight)
        self._cancel(list(flight.copies.values()))
        self.done, self.ran, self.bytes = self.done + 1, self.ran + 1, self.bytes + flight.bytes_read
        seconds = time.monotonic() - start.at if start else 0.0
        self.durations.append(seconds)
        self._report_task(flight, "done", seconds=round(seconds, 3))

    def _try_again(self, flight: _Flight, message: str) -> None:
        if flight.failures > self.retries:
            self._fail(flight, f"failed {flight.failures} times, at last: {message}", EXIT_RETRY)
        flight.retry_at = time.monotonic() + RETRY_SECONDS * 2 ** max(flight.failures - 1, 0)
        self._report_task(flight, "retry", message=message)

    def _fail(self, flight: _Flight, message: str, code: int) -> None:
        command = shlex.join([*self.command, "--task", str(flight.task)])
        raise JobFailed(f"task {self._name(flight)} {message}\nreproduce: {command}", code)

    def _tick(self) -> None:
        """Sends what is due: retries, and a second copy of what takes far longer than the others."""
        now = time.monotonic()
        if now - self.ticked < TICK_SECONDS:
            return
        self.ticked = now
        threads = self.client.nthreads()
        self.slots = sum(threads.values())
        flights = self.flights.values()
        self._submit([flight for flight in flights if flight.retry_at and flight.retry_at <= now], priority=1)
        if self.ran < STRAGGLER_TASKS_MIN or self.done * 2 < self.step["tasks"]:
            return
        limit = max(STRAGGLER_FACTOR * statistics.median(self.durations), STRAGGLER_SECONDS_MIN)
        for flight in [flight for flight in flights if not flight.has_backup]:
            late = {start.worker for start in flight.starts.values() if now - start.at > limit}
            if late:
                flight.has_backup = True
                self._report_task(flight, "backup")
                others = list(threads.keys() - late)
                self._submit([flight], priority=1, workers=others or None, allow_other_workers=bool(others))

    def _forget(self, flight: _Flight) -> None:
        del self.flights[flight.task]
        for key in flight.copies:
            self.flight_of.pop(key, None)

    def _cancel(self, futures: list[Future]) -> None:
        if futures:
            self.client.cancel(futures)

    def _name(self, flight: _Flight) -> str:
        return f"{self.key_prefix}-{flight.task}"

    def _report_task(self, flight: _Flight, state: str, **more: Any) -> None:
        fixed = {"event": "task", "name": self._name(flight), "task": flight.task}
        self.report({**fixed, "state": state, "attempt": flight.attempts, **more})

    def _progress(self, is_last: bool = False) -> None:
        now = time.monotonic()
        if is_last or now - self.progressed >= PROGRESS_SECONDS:
            self.progressed = now
            seconds = round(now - self.started, 3)
            total = self.step["tasks"]
            self.report({"event": "progress", "done": self.done, "tasks": total, "bytes": self.bytes, "seconds": seconds})
