"""Batches from Python: put together, run, and iterated over as their jobs end."""

from parallel_runner.api.attempt import Attempt
from parallel_runner.api.batch import Batch
from parallel_runner.api.running import Run, RunError

__all__ = ["Attempt", "Batch", "Run", "RunError"]
