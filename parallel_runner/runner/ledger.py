"""What has ended in a run, and whether that ends the run."""

from __future__ import annotations

from typing import NamedTuple

from parallel_runner.model.outcome import Outcome, shell_status
from parallel_runner.reports.summary import Failures
from parallel_runner.scheduler.halting import Halt, Tally, exit_code, reached


class Stop(NamedTuple):
    """That nothing new is to start."""

    now: bool
    """What runs is to end as well."""
    why: str


class Ledger:
    """Counts the ends of a run's jobs."""

    def __init__(self, halt: Halt | None) -> None:
        self._halt = halt
        self.failures = Failures()
        self.done = 0
        """Jobs that have ended for good."""
        self.halted: int | None = None
        """The exit code, once the limit of `--halt` is reached."""

    def note(self, outcome: Outcome, known: int) -> Stop | None:
        """A job has ended for good; `known`: jobs there are. Returns whether that is enough."""
        self.done += 1
        self.failures.note(outcome)
        if self._halt is None or self.halted is not None:
            return None
        tally = Tally(self.failures.count, self.done, known)
        if not reached(self._halt, tally):
            return None
        self.halted = exit_code(self._halt, tally, shell_status(outcome))
        rest = "running jobs are ended" if self._halt.now else "running jobs go on to their ends"
        return Stop(
            self._halt.now, f"--halt: {tally.failed} of {tally.done} jobs failed; nothing new starts, {rest}"
        )
