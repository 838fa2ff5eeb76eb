"""What runs on a worker: one `outcore` command as a child that dies with the worker, and what its end means.

Why a child and not a call: when it crashes or runs out of memory the task is lost, not the worker, and Dask's heartbeats
never wait for it. Dask's memory monitor does not see it; it keeps its own budget (see `preflight`).
"""

import json
import logging
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from distributed import get_worker
from distributed.core import Status

# A child of the logger that `Client.get_worker_logs` shows.
LOG = logging.getLogger("distributed.worker.outcore")

STDERR_BYTES_MAX = 64 * 1024
WORDS_MAX = 8000
"""Characters of stderr in an error's text: Dask replaces an exception whose text is over 10,000 by one without a class."""
POLL_SECONDS = 0.25
"""How often a waiting thread asks whether its task was cancelled. A child that ends is noticed at once."""
TERM_SECONDS = 5.0
"""From SIGTERM, on which outcore removes its temporary files, to SIGKILL."""

CLOSING = frozenset({Status.closing, Status.closed, Status.failed})

EXIT_RETRY = 75
RETRYABLE = frozenset({EXIT_RETRY, -signal.SIGTERM, -signal.SIGKILL})
"""SIGKILL is how the kernel takes memory back and SIGTERM how a machine is shut down: neither says a thing of the task."""

SETPRIV = ("setpriv", "--pdeathsig", "KILL", "--")
TRAMPOLINE = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(75)
os.execvp(sys.argv[2], sys.argv[2:])
"""
"""PR_SET_PDEATHSIG (1) to SIGKILL (9), unless the parent is gone already; the process then becomes the command."""


class TaskError(Exception):
    """An `outcore task` that did not end with 0: its exit code (negative: a signal), its stderr, and the worker."""

    def __init__(self, code: int, stderr: str, worker: str) -> None:
        super().__init__(code, stderr, worker)
        self.code, self.stderr, self.worker = code, stderr, worker

    def __str__(self) -> str:
        ended = f"exit code {self.code}" if self.code >= 0 else f"killed by {signal.Signals(-self.code).name}"
        return f"{ended} on worker {self.worker}: {words(self.stderr)[-WORDS_MAX:] or 'nothing on stderr'}"


class Retryable(TaskError):
    """May pass when it is run again: I/O, no room, a lock, a kill."""


class Final(TaskError):
    """Fails the same way every time: bad data, a changed input, another version, a bug."""


class Ended(NamedTuple):
    """What is left of a command: its exit code, its whole stdout, and the end of its stderr."""

    code: int
    stdout: str
    stderr: str


def run_task(index: int, *, command: list[str], topic: str) -> None:
    """Runs task `index` of the stage that `command` names; raises `Retryable` or `Final`.

    Start and end go to the driver as events under `topic`: Dask itself tells a client neither when nor how often a task
    was started, and an event spares the driver a round trip to fetch a result.
    """
    worker = get_worker()
    key = worker.get_current_task()

    def is_cancelled() -> bool:
        # Dask never interrupts a thread: a copy that lost its race, a failed job and a driver that died show here alone,
        # and a worker that closes, or has lost its scheduler, would wait half a minute for what nobody needs.
        state = worker.state.tasks.get(key)
        return state is None or state.state == "cancelled" or worker.status in CLOSING

    worker.log_event(topic, {"key": key, "state": "running", "worker": worker.address})
    try:
        ended = execute(guarded([*command, "--task", str(index), "--json"]), is_cancelled)
    except OSError as error:
        raise Retryable(EXIT_RETRY, f"could not be started: {error}", worker.address) from None
    for line in ended.stderr.splitlines():
        LOG.warning("%s: %s", key, line)
    if ended.code != 0:
        raise (Retryable if ended.code in RETRYABLE else Final)(ended.code, ended.stderr, worker.address)
    marker = json.loads(ended.stdout.splitlines()[-1])
    worker.log_event(topic, {"key": key, "state": "done", "bytes": marker.get("bytes_read", 0)})


def guarded(command: list[str]) -> list[str]:
    """`command`, such that the kernel kills it when the thread that starts it ends (Linux only).

    `execute` starts and waits in one thread, so the signal comes when the worker dies and not before. A `preexec_fn` would
    run Python between fork and exec in a process with many threads, any of which may hold a lock at that moment, and make
    every start copy the worker's page tables. A program in between does the same from outside: `setpriv` of util-linux
    2.33 costs a few milliseconds, Python where that is missing a few tens. With `setpriv`, a worker killed within those
    milliseconds leaves a task that ends by itself: harmless, since tasks may run any number of times.
    """
    if sys.platform != "linux":
        return command
    if _has_setpriv():
        return [*SETPRIV, *command]
    return [sys.executable, "-I", "-S", "-c", TRAMPOLINE, str(os.getpid()), *command]


def execute(command: list[str], is_cancelled: Callable[[], bool] = lambda: False) -> Ended:
    """Runs `command` to its end, or to SIGTERM and at last SIGKILL once `is_cancelled` or an exception comes."""
    # A session of its own: Ctrl-C at a terminal is for the driver, which then cancels in order.
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    with child:
        try:
            stdout, stderr = _drain(child, is_cancelled)
        finally:
            _stop(child)
    return Ended(child.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace"))


def words(stderr: str) -> str:
    """The error that `outcore --json` left as the last line of its stderr, in words; other text as it is."""
    text = stderr.strip()
    try:
        error = json.loads(text.splitlines()[-1])["error"]
    except (IndexError, KeyError, TypeError, ValueError):
        return text
    if isinstance(error, dict):
        return "; ".join(str(error[field]) for field in ("message", "hint") if error.get(field)) or text
    return str(error)


@cache
def _has_setpriv() -> bool:
    """Whether this machine has a setpriv that knows --pdeathsig; that of busybox does not."""
    try:
        return subprocess.run([*SETPRIV, "true"], stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def _drain(child: subprocess.Popen[bytes], is_cancelled: Callable[[], bool]) -> tuple[bytes, bytes]:
    """Reads both pipes until the child closes them or is cancelled."""
    kept = {child.stdout: b"", child.stderr: b""}
    with selectors.DefaultSelector() as selector:
        for pipe in kept:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map() and not is_cancelled():
            for ready, _ in selector.select(POLL_SECONDS):
                piece = os.read(ready.fd, STDERR_BYTES_MAX)
                kept[ready.fileobj] += piece
                if not piece:
                    selector.unregister(ready.fileobj)
            kept[child.stderr] = kept[child.stderr][-STDERR_BYTES_MAX:]
        ended = not selector.get_map()
    if ended:
        child.wait()
    return kept[child.stdout], kept[child.stderr]


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ends a child that still runs."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(TERM_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
