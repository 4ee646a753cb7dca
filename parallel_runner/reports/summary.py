"""What is said at the end of a batch. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from parallel_runner.errors import EXIT_MAX_FAILED, EXIT_MORE_FAILED, EXIT_OK
from parallel_runner.ids import batch_name, job_name, job_of
from parallel_runner.model.lifecycle import State
from parallel_runner.model.outcome import NOT_KEPT, Outcome

NOT_FAILURES = frozenset({State.SUCCEEDED, State.INTERRUPTED})
_SHOWN = 3
_MOST_GROUPS = 20


def failed_count(tally: Mapping[State, int]) -> int:
    """Jobs that ended, and not as asked."""
    return sum(count for state, count in tally.items() if state not in NOT_FAILURES)


def exit_code(tally: Mapping[State, int]) -> int:
    """0, or the number of failed jobs up to 100, or 101 for more."""
    failed = failed_count(tally)
    return EXIT_OK if not failed else failed if failed <= EXIT_MAX_FAILED else EXIT_MORE_FAILED


def headline(batch: int, tally: Mapping[State, int], pending: int, wall: float) -> str:
    """The batch in one line."""
    parts = [f"{count} {state.value.replace('_', ' ')}" for state, count in sorted(tally.items())]
    if pending:
        parts.append(f"{pending} not ended")
    return f"{batch_name(batch)}: {', '.join(parts) or 'no jobs'} in {wall:.1f} s"


class Failures:
    """Failures grouped by what happened: counted all, a few jobs of each named. And outputs that were lost."""

    def __init__(self) -> None:
        self.count = 0
        self.unkept = 0
        """Jobs that ended without all of their output being kept, for want of space."""
        self._groups: dict[str, tuple[int, list[int]]] = {}

    def note(self, outcome: Outcome) -> None:
        """A job ended."""
        self.unkept += NOT_KEPT in outcome.detail
        if not outcome.succeeded:
            self.add(outcome)

    def add(self, outcome: Outcome) -> None:
        """One more failure."""
        self.count += 1
        label = _label(outcome)
        if label not in self._groups and len(self._groups) >= _MOST_GROUPS:
            label = "other"
        count, jobs = self._groups.get(label, (0, []))
        if count < _SHOWN:
            jobs.append(job_of(outcome.attempt))
        self._groups[label] = (count + 1, jobs)

    def lines(self) -> list[str]:
        """What to print, the largest group first."""
        lines = []
        for label, (count, jobs) in sorted(self._groups.items(), key=lambda item: -item[1][0]):
            more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
            lines.append(f"  {label}: {', '.join(map(job_name, jobs))}{more}")
        if self.unkept:
            lines.append(f"  {NOT_KEPT}: {self.unkept} jobs")
        return lines


def _label(outcome: Outcome) -> str:
    failure = outcome.failure.value if outcome.failure else outcome.state.value
    if failure == "exit" and outcome.exit_code:
        return f"exit {outcome.exit_code}"
    if failure == "signal":
        return f"signal {outcome.signal}"
    detail = outcome.detail.split(";")[0]
    return f"{failure}{f' ({detail})' if detail else ''}"


def next_commands(batch: int, tally: Mapping[State, int], pending: int) -> list[str]:
    """What to type next."""
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
    return lines
