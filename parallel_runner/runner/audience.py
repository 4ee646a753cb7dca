"""Who is told while a batch runs, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from parallel_runner.errors import ParallelRunnerError
from parallel_runner.model.job import Job
from parallel_runner.reports.summary import Failures
from parallel_runner.runner.printing import Printer
from parallel_runner.runner.progress import Progress
from parallel_runner.runner.recording import Told
from parallel_runner.runner.writing import Sink


class Ended(NamedTuple):
    """How the run of a batch ended."""

    batch: int
    signal: int | None
    """What stopped it; None: it ran to its end."""
    broken_pipe: bool
    trouble: str
    """Why it could not go on, if it could not."""
    failures: Failures
    """What went wrong, for the summary."""
    halted: int | None = None
    """The exit code that `--halt` asked for, when its limit was reached."""
    overdue: bool = False
    """The batch's deadline came first."""
    input_error: ParallelRunnerError | None = None
    """Why no more of the input could be read."""


class Audience(NamedTuple):
    """Who is told while it runs."""

    printer: Printer
    sinks: Sequence[Sink]
    progress: Progress
    attempt: Callable[[Told], None]
    """Hears of each committed end of an attempt."""
    say: Callable[[str], None]
    """A line for people; never waits for who reads it."""
    slots: bool = False
    """Ends are told with the slots that they come from."""
    command: Callable[[Job, int], bytes] | None = None
    """What is printed on stderr when a job starts in a slot."""
