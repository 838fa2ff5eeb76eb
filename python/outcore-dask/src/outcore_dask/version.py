"""The version of this package; driver, scheduler and workers must have the same."""

__version__ = "0.1.0"
