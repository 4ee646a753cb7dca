"""What has ended in a run, and whether that ends the run."""

from __future__ import annotations

import math
from typing import NamedTuple

from parallel_runner.model.outcome import Outcome, shell_status
from parallel_runner.reports.summary import Failures
from parallel_runner.runner.feeds import Feed
from parallel_runner.scheduler.halting import Halt, Tally, exit_code, reached


class Stop(NamedTuple):
    """That nothing new is to start."""

    now: bool
    """What runs is to end as well."""
    why: str


class Spread:
    """Mean and standard deviation of numbers as they come (Welford 1962)."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0

    def note(self, value: float) -> None:
        """One more."""
        self._count += 1
        off = value - self._mean
        self._mean += off / self._count
        self._squares += off * (value - self._mean)

    @property
    def relative(self) -> float:
        """The standard deviation by the mean; 0 when nothing is known."""
        if self._count < 2 or self._mean <= 0:
            return 0.0
        return math.sqrt(self._squares / (self._count - 1)) / self._mean


class Ledger:
    """Counts the ends of a run's jobs."""

    def __init__(self, halt: Halt | None) -> None:
        self._halt = halt
        self.failures = Failures()
        self.done = 0
        """Jobs that have ended for good."""
        self.walls = Spread()
        """How long jobs took."""
        self.halted: int | None = None
        """The exit code, once the limit of `--halt` is reached."""

    def note(self, outcome: Outcome, feed: Feed) -> Stop | None:
        """A job of `feed` has ended for good. Returns whether that is enough."""
        self.done += 1
        self.walls.note(outcome.usage.wall)
        self.failures.note(outcome)
        if self._halt is None or self.halted is not None:
            return None
        tally = Tally(self.failures.count, self.done, feed.known(self.done))
        if not reached(self._halt, tally):
            return None
        self.halted = exit_code(self._halt, tally, shell_status(outcome))
        rest = "running jobs are ended" if self._halt.now else "running jobs go on to their ends"
        return Stop(self._halt.now, f"--halt: {_counted(self._halt, tally)}; nothing new starts, {rest}")


def _counted(halt: Halt, tally: Tally) -> str:
    if halt.on == "success":
        return f"{tally.done - tally.failed} of {tally.done} jobs succeeded"
    return f"{tally.failed} of {tally.done} jobs failed" if halt.on == "fail" else f"{tally.done} jobs have ended"
