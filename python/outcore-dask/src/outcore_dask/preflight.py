"""What is checked on every worker before a stage starts, so that a job fails in a second and not after an hour.

Each check that fails names the worker and says what to do. It is done again for each stage, since workers come and go
and each stage has its own peak; the tasks of a worker that joins in between are refused by outcore itself.
"""

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from distributed import Client, Worker
from distributed import TimeoutError as DaskTimeoutError  # before Python 3.11 not the built-in one

from .events import JobFailed
from .task import EXIT_RETRY
from .version import __version__

EXIT_REFUSED = 78
PROCESS_BYTES = 32 * 1024 * 1024
"""What an outcore process takes beside the peak that its plan proves: code, stacks, allocator."""
WORKER_SECONDS_MAX = 60
"""How long to wait for the first worker, of a cluster that starts or whose workers were all lost."""
ERROR = "cannot: "


class Facts(NamedTuple):
    """What one worker says of itself; a text that begins with `ERROR` says why it could not."""

    package: str
    version: str
    nonce: str
    answered: str
    memory_bytes: int | None
    slots: int


def place(job_folder: str | os.PathLike[str]) -> str:
    """The job folder for processes in other folders: its absolute path, or its address."""
    folder = os.fspath(job_folder)
    return folder if is_address(folder) else os.path.abspath(folder)


def is_address(folder: str) -> bool:
    """Whether it is in an object store, as `s3://bucket/jobs/1`: then outcore alone reads and writes it."""
    return "://" in folder and not os.path.exists(folder)


def check(client: Client, folder: str, outcore: str, step: Mapping[str, Any]) -> int:
    """Checks package, version, job folder and memory on every worker; returns their slots or raises `JobFailed`."""
    version = _attempt(lambda: _version(outcore, folder))
    if version.startswith(ERROR):
        raise JobFailed(f"the driver {version}; install outcore here or give its path with --outcore", EXIT_REFUSED)
    room = None if is_address(folder) else Path(folder) / f".preflight-{uuid.uuid4().hex}"
    nonce = uuid.uuid4().hex
    if room is None:
        return _judge_all(_ask_all(client, folder, outcore, None, nonce), version, None, nonce, step)
    try:
        room.mkdir()
        (room / "driver").write_text(nonce)
    except OSError as error:
        raise JobFailed(f"the driver cannot write to the job folder: {error}", EXIT_REFUSED) from None
    try:
        return _judge_all(_ask_all(client, folder, outcore, str(room), nonce), version, room, nonce, step)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _judge_all(
    workers: Mapping[str, Facts], version: str, room: Path | None, nonce: str, step: Mapping[str, Any]
) -> int:
    """The slots of all workers, each of which is fit."""
    for name, facts in workers.items():
        _judge(name, facts, version, step)
        if room is not None:
            _judge_folder(name, facts, room, nonce)
    return sum(facts.slots for facts in workers.values())


def examine(folder: str, outcore: str, room: str | None, nonce: str, dask_worker: Worker) -> Facts:
    """Runs on a worker; without a `room` what it is to find and to write there is nothing."""
    seen = answered = ""
    if room is not None:
        answer = Path(room) / f"worker-{uuid.uuid4().hex}"
        seen = _attempt((Path(room) / "driver").read_text)
        answered = _attempt(lambda: answer.write_text(nonce) and answer.name)
    return Facts(
        package=__version__,
        version=_attempt(lambda: _version(outcore, folder)),
        nonce=seen,
        answered=answered,
        memory_bytes=dask_worker.memory_manager.memory_limit,
        slots=dask_worker.state.nthreads,
    )


def package_version() -> str:
    """Runs on the scheduler, which unpickles what it hands out."""
    return __version__


def _ask_all(client: Client, folder: str, outcore: str, room: str | None, nonce: str) -> dict[str, Facts]:
    """The facts of all workers, once this package is the same everywhere."""
    advice = f"install it with `pip install outcore-dask=={__version__}` on the scheduler and all workers"
    try:
        client.wait_for_workers(1, timeout=WORKER_SECONDS_MAX)
        versions = {"the scheduler": client.run_on_scheduler(package_version)}
        answers: dict[str, Facts | Exception] = client.run(examine, folder, outcore, room, nonce, on_error="return")
    except DaskTimeoutError:
        raise JobFailed(
            f"the cluster had no workers for {WORKER_SECONDS_MAX} s; start some and run again", EXIT_RETRY
        ) from None
    except ModuleNotFoundError as error:
        raise JobFailed(f"the scheduler lacks this package ({error}); {advice}", EXIT_REFUSED) from None
    workers = {}
    for name, answer in answers.items():
        if isinstance(answer, OSError):
            continue  # It died since it was listed, and gets no tasks either.
        if isinstance(answer, Exception):
            raise JobFailed(f"worker {name} cannot use this package ({answer}); {advice}", EXIT_REFUSED)
        workers[name] = answer
    versions.update((f"worker {name}", facts.package) for name, facts in workers.items())
    for name, version in versions.items():
        if version != __version__:
            raise JobFailed(f"{name} has outcore-dask {version}, the driver {__version__}; {advice}", EXIT_REFUSED)
    return workers


def _judge(name: str, facts: Facts, version: str, step: Mapping[str, Any]) -> None:
    """Raises `JobFailed` for the first thing that makes this worker unfit, whatever it sees of the folder."""
    if facts.version.startswith(ERROR):
        _refuse(name, f"{facts.version}; install {version} there or give its path with --outcore")
    if facts.version != version:
        _refuse(
            name,
            f"has {facts.version!r}, the driver has {version!r}; install the same version everywhere: "
            "the same bits are promised for one version only",
        )
    needed = int(step["peak_bytes"]) + PROCESS_BYTES
    if facts.memory_bytes and facts.memory_bytes // facts.slots < needed:
        _refuse(
            name,
            f"has {_mebibytes(facts.memory_bytes // facts.slots)} per task slot ({_mebibytes(facts.memory_bytes)} over "
            f"{facts.slots} threads), a task of stage {step['name']!r} needs {_mebibytes(needed)}; "
            "start workers with fewer threads or a higher --memory-limit, or plan with a smaller --memory",
        )


def _judge_folder(name: str, facts: Facts, room: Path, nonce: str) -> None:
    """Raises `JobFailed` unless the worker and the driver see what the other writes into the folder."""
    folder = room.parent
    if facts.nonce != nonce:
        _refuse(
            name,
            f"does not see the driver's job folder {folder} ({facts.nonce}); "
            "put it, the inputs and the outputs on a file system that all machines mount under the same path",
        )
    if facts.answered.startswith(ERROR):
        _refuse(
            name,
            f"cannot write to the job folder {folder} ({facts.answered}); give its user the right to, or free some space",
        )
    if _attempt((room / facts.answered).read_text) != nonce:
        _refuse(name, f"wrote to {folder}, but the driver does not see it; the folder must be the same one on all machines")


def _refuse(name: str, what: str) -> NoReturn:
    raise JobFailed(f"worker {name} {what}", EXIT_REFUSED)


def _version(outcore: str, folder: str) -> str:
    # A program that builds its own job is told which.
    return _output([outcore, "--version", "--job", folder]).strip()


def _output(command: list[str]) -> str:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60).stdout


def _attempt(action: Callable[[], Any]) -> str:
    """What `action` returns, or why it could not."""
    try:
        return str(action())
    except (OSError, UnicodeError, subprocess.SubprocessError) as error:
        return f"{ERROR}{error}"


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"
