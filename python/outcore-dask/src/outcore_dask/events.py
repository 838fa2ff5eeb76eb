"""What a caller sees of a run: events while it goes on, and the error that it ends with.

The events, as dictionaries for `run_job` and as one JSON line each for the command:

- `stage`: a stage starts: `name`, `phase`, `stage`, `stages` (of its plan), `tasks`, `tasks_done`, `bytes` (that all tasks
  read and write), `peak_bytes` (memory of one), `slots`, and `dashboard`, the address of Dask's
  pages, or null.
- `task`: `name`, `task`, `state`, `attempt`, and `worker` or `message` where there is one. The states: `running`; `done`
  (with `seconds`); `retry`, it failed and will be run again; `lost`, its worker went away and Dask has started it
  elsewhere; `backup`, it takes too long and a second copy is on its way.
- `progress`: `done`, `tasks`, `bytes` (read by the tasks of this run), `seconds` (since the stage started).
- `failed`: `code`, `message`. Nothing comes after it.
- `done`: `seconds`. The outputs are published.
"""

import json
from collections.abc import Callable
from typing import Any, TextIO

Event = dict[str, Any]


class JobFailed(Exception):
    """The job cannot go on; the message says on which object, why, and what to do. `code` is the command's exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def ndjson(stream: TextIO) -> Callable[[Event], None]:
    """An `on_event` that writes each event as a line of JSON, flushed, so that a reader at a pipe sees it at once."""

    def write(event: Event) -> None:
        stream.write(json.dumps(event, ensure_ascii=False) + "\n")
        stream.flush()

    return write
