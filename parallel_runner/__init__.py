"""Runs big batches of mixed tool work on one machine, journalled and contained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from parallel_runner.version import __version__

if TYPE_CHECKING:
    from parallel_runner.api import Attempt, Batch, Run, RunError

__all__ = ["Attempt", "Batch", "Run", "RunError", "__version__"]


def __getattr__(name: str) -> Any:
    # The command line must not pay for the interface to Python.
    if name in ("Attempt", "Batch", "Run", "RunError"):
        from parallel_runner import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
