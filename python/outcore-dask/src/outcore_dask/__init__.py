"""Runs outcore jobs on a Dask cluster.

A job is a folder that `outcore plan ... --job DIR` made and that every machine sees under the same path. Its tasks are
`outcore task` processes; Dask decides where and when they run and never touches an array. What is done is recorded in
the folder, by the tasks: a job that broke off goes on when it is run again.
"""

from .driver import run_job
from .events import Event, JobFailed
from .version import __version__

__all__ = ["Event", "JobFailed", "__version__", "run_job"]
