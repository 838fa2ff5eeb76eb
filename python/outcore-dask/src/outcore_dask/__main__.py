"""`python -m outcore_dask --job DIR --scheduler WHERE`: events as NDJSON on stdout, then what `outcore finish` prints.

Exit codes: 0; those of `outcore` for a job that failed (75 after too many retries, 78 if preflight refused); 69 if the
scheduler is not reached; 2 for usage; 130 and 143 for SIGINT and SIGTERM.
"""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import NoReturn
from urllib.parse import parse_qsl

import dask.config
from distributed import Client, LocalCluster

from .driver import run_job
from .events import JobFailed, ndjson

EXIT_USAGE = 2
EXIT_UNREACHABLE = 69
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

LOCAL_OPTIONS = {"workers": ("n_workers", int), "threads": ("threads_per_worker", int), "memory": ("memory_limit", str)}
"""What `dask:local?...` understands, as `LocalCluster` calls it."""


def main() -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m outcore_dask", description="Runs an outcore job on a Dask cluster.")
    parser.add_argument("--job", required=True, metavar="DIR", help="folder of the job, from `outcore plan ... --job DIR`")
    parser.add_argument(
        "--scheduler",
        required=True,
        metavar="WHERE",
        help="dask://HOST:PORT, dask:scheduler-file=PATH, or dask:local?workers=N[&threads=N][&memory=SIZE]",
    )
    parser.add_argument("--outcore", default="outcore", metavar="PATH", help="the program, here and on every worker")
    parser.add_argument("--retries", default=3, type=int, metavar="N", help="failures of a task that may pass (default 3)")
    parser.add_argument(
        "--worker-ttl", metavar="TIME", help="dask:local only: a worker silent for so long is lost; default Dask's 5 min"
    )
    arguments = parser.parse_args()
    try:
        cluster = _cluster(arguments.scheduler, arguments.worker_ttl)
    except ValueError as error:
        parser.error(str(error))
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with cluster() as address, _client(address, arguments.scheduler) as client:
            output = run_job(client, arguments.job, arguments.outcore, arguments.retries, ndjson(sys.stdout))
    except JobFailed as error:
        return _failed(str(error), error.code)
    except KeyboardInterrupt:
        return _failed("interrupted; the same command goes on with what is not done", EXIT_INTERRUPTED)
    sys.stdout.write(output)
    return 0


def _cluster(scheduler: str, worker_ttl: str | None) -> Callable[[], AbstractContextManager[str]]:
    """What gives the address of the scheduler that is named, once it is entered; raises `ValueError` for another name."""
    kind, _, query = scheduler.partition("?")
    if kind == "dask:local":
        options = _local_options(query)
        settings = {"distributed.scheduler.worker-ttl": worker_ttl} if worker_ttl else {}
        return partial(_local_cluster, options, settings)
    if worker_ttl:
        raise ValueError(
            "--worker-ttl is for dask:local; a running scheduler has its own: "
            "start it with DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL=60s"
        )
    if scheduler.startswith("dask://"):
        return lambda: nullcontext("tcp://" + scheduler.removeprefix("dask://"))
    if scheduler.startswith("dask:scheduler-file="):
        return partial(_scheduler_file, Path(scheduler.removeprefix("dask:scheduler-file=")))
    raise ValueError(f"--scheduler {scheduler!r}: expected dask://HOST:PORT, dask:scheduler-file=PATH or dask:local")


def _local_options(query: str) -> dict[str, int | str]:
    """The options of `dask:local?...`, as `LocalCluster` calls them."""
    options: dict[str, int | str] = {"threads_per_worker": 1}
    for name, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
        if name not in LOCAL_OPTIONS:
            raise ValueError(f"dask:local has no option {name!r}; it has {', '.join(LOCAL_OPTIONS)}")
        option, convert = LOCAL_OPTIONS[name]
        options[option] = convert(value)
    return options


@contextmanager
def _local_cluster(options: dict[str, int | str], settings: dict[str, str]) -> Iterator[str]:
    with dask.config.set(settings), LocalCluster(dashboard_address=None, **options) as cluster:
        yield cluster.scheduler_address


@contextmanager
def _scheduler_file(path: Path) -> Iterator[str]:
    # Dask's client would wait for the file for ever.
    try:
        address = json.loads(path.read_text())["address"]
    except (OSError, ValueError, KeyError) as error:
        raise JobFailed(f"cannot read {path}: {error!r}; is the scheduler running?", EXIT_UNREACHABLE) from None
    yield address


def _client(address: str, scheduler: str) -> Client:
    try:
        return Client(address)
    except OSError as error:
        raise JobFailed(f"cannot reach {scheduler}: {error}; is it running, and is its port open?", EXIT_UNREACHABLE) from None


def _terminate(*_: object) -> NoReturn:
    """SIGTERM: unwinds as SIGINT does, so that futures are cancelled and children ended."""
    sys.exit(EXIT_TERMINATED)


def _failed(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
