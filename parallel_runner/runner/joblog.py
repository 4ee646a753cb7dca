"""GNU parallel's job log, column by column as its tools expect it."""

from __future__ import annotations

import os
from typing import NamedTuple

from parallel_runner.errors import UsageError
from parallel_runner.ids import seq_of
from parallel_runner.model.lifecycle import State
from parallel_runner.model.outcome import Outcome
from parallel_runner.runner.labels import Labels
from parallel_runner.runner.recording import Told

HEADER = b"Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"
_TERM = 15
_NEVER_RAN = (State.SKIPPED, State.CANCELLED)


class Ended(NamedTuple):
    """How GNU parallel tells that a job has ended."""

    exit_value: int
    signal: int


def ended_as(outcome: Outcome) -> Ended:
    """Exitval and Signal: a time-out is -1 and 15, a signal is 0 and its number."""
    if outcome.state in (State.TIMED_OUT, State.CANCELLED):
        return Ended(-1, _TERM)
    if outcome.exit_code is not None:
        return Ended(outcome.exit_code, 0)
    if outcome.signal is not None:
        return Ended(0, outcome.signal)
    return Ended(0, 0) if outcome.succeeded else Ended(-1, _TERM)


def ran(outcome: Outcome) -> bool:
    """Whether there is anything to tell: what never started has no line."""
    return outcome.started_at > 0 or outcome.state not in _NEVER_RAN


class JobLog:
    """A job log that is written as jobs end."""

    def __init__(self, path: str, labels: Labels, *, go_on: bool) -> None:
        """Open `path`; `go_on`: what it has stays. A `+` in front says so as well, and that no header is wanted.

        Raises:
            UsageError: it cannot be written.
        """
        appended = path.startswith("+")
        self._labels = labels
        name = path[1:] if appended else path
        try:
            mode = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(name, mode if go_on or appended else mode | os.O_TRUNC, 0o666)
            if not appended and not os.fstat(self._fd).st_size:
                os.write(self._fd, HEADER)
        except OSError as error:
            raise UsageError(f"--joblog {name}: {error.strerror}") from error

    def write(self, told: Told) -> None:
        """A line for a job that has ended for good."""
        outcome = told.outcome
        if not ran(outcome):
            return
        end = ended_as(outcome)
        # A newline in the command would be a line of its own to whatever reads the log.
        command = self._labels.command(told.job, told.slot).replace(b"\n", b"\0")
        line = b"%d\t:\t%.3f\t%10.3f\t%d\t%d\t%d\t%d\t%b\n" % (
            seq_of(told.job.id),
            outcome.started_at,
            outcome.usage.wall,
            self._labels.sent(told.job),
            outcome.out.size,
            *end,
            command,
        )
        # One write: a kill leaves whole lines.
        os.write(self._fd, line)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def logged(path: str) -> set[int]:
    """The places of the jobs that a log has a line for; none when it is not there."""
    try:
        with open(path.removeprefix("+"), "rb") as file:
            firsts = (line.split(b"\t", 1)[0] for line in file)
            return {int(first) for first in firsts if first.isdigit()}
    except OSError:
        return set()
