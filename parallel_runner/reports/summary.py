"""What is said at the end of a batch. Pure."""

from __future__ import annotations

import signal
from array import array
from collections.abc import Collection, Mapping

from parallel_runner.errors import EXIT_MAX_FAILED, EXIT_MORE_FAILED, EXIT_OK
from parallel_runner.ids import attempt_name, batch_name
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import NOT_KEPT, Outcome

NOT_FAILURES = frozenset({State.SUCCEEDED, State.INTERRUPTED})
KEPT = 20_000
"""Failures that are looked at when they are grouped by what was run."""
OTHER = "other"
_MOST_LABELS = 20


def failed_count(tally: Mapping[State, int]) -> int:
    """Jobs that ended, and not as asked."""
    return sum(count for state, count in tally.items() if state not in NOT_FAILURES)


def exit_code(failed: int) -> int:
    """0, or the number of failed jobs up to 100, or 101 for more."""
    return EXIT_OK if not failed else failed if failed <= EXIT_MAX_FAILED else EXIT_MORE_FAILED


def headline(batch: int, tally: Mapping[State, int], pending: int, wall: float) -> str:
    """The batch in one line."""
    parts = [f"{count} {state.value.replace('_', ' ')}" for state, count in sorted(tally.items())]
    if pending:
        parts.append(f"{pending} not ended")
    return f"{batch_name(batch)}: {', '.join(parts) or 'no jobs'} in {wall:.1f} s"


class Failures:
    """What went wrong while a batch ran: all counted by class, the first KEPT remembered for `failures.group`.

    Called for each failure in the loop: a count and eight bytes is all that it costs.
    """

    def __init__(self) -> None:
        self.count = 0
        self.labels: dict[str, int] = {}
        """How many of each class."""
        self.attempts = array("q")
        """The attempts to be looked at."""
        self.unkept = 0
        """Jobs that ended without all of their output being kept, for want of space."""

    def note(self, outcome: Outcome) -> None:
        """A job ended."""
        self.unkept += NOT_KEPT in outcome.detail
        if not outcome.succeeded:
            self.add(outcome)

    def add(self, outcome: Outcome) -> None:
        """One more failure."""
        self.count += 1
        label = label_of(outcome)
        if label not in self.labels and len(self.labels) >= _MOST_LABELS:
            label = OTHER
        self.labels[label] = self.labels.get(label, 0) + 1
        if len(self.attempts) < KEPT:
            self.attempts.append(outcome.attempt)


def label_of(outcome: Outcome) -> str:
    """The class of a failure, with the exit code or the signal where that is what tells them apart."""
    failure = outcome.failure
    if failure is FailureClass.EXIT and not outcome.exit_code:
        return "exit 0, not as expected"
    if failure is FailureClass.EXIT:
        return f"exit {outcome.exit_code}"
    if failure is FailureClass.SIGNAL and outcome.signal is not None:
        return f"signal {signal_name(outcome.signal)}"
    return failure.value if failure else outcome.state.value


def signal_name(number: int) -> str:
    """`KILL` for 9; the number itself when it has no name."""
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return str(number)


def in_a_line(outcome: Outcome) -> str:
    """An attempt's end, for who wants to hear of each."""
    label = label_of(outcome) if outcome.failure is not None else outcome.state.value
    detail = f" ({outcome.detail})" if outcome.detail else ""
    return f"{attempt_name(outcome.attempt)}: {label} after {outcome.usage.wall:.3f} s{detail}"


def next_commands(batch: int, tally: Mapping[State, int], pending: int, classes: Collection[str] = ()) -> list[str]:
    """What to type next; `classes`: the failure classes of jobs that `retry` would run, the most frequent first."""
    name = batch_name(batch)
    lines = []
    if pending:
        lines.append(f"to go on: parallel-runner resume {name}")
    if tally.get(State.UNKNOWN):
        lines.append(
            f"nobody knows whether they ran to their end; to run them again: parallel-runner retry --unknown {name}"
        )
    if failed_count(tally) > tally.get(State.UNKNOWN, 0):
        lines.append(f"to run the failed ones again: parallel-runner retry {name}")
        if len(classes) > 1:
            lines.append(f"only those of one class: parallel-runner retry {name} --class {next(iter(classes))}")
    return lines
