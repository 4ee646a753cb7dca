"""What is said at the end of a batch. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parallel_runner.errors import EXIT_MAX_FAILED, EXIT_MORE_FAILED, EXIT_OK
from parallel_runner.ids import batch_name, job_name, job_of
from parallel_runner.model.lifecycle import State
from parallel_runner.model.outcome import Outcome

NOT_FAILURES = frozenset({State.SUCCEEDED, State.INTERRUPTED, State.CANCELLED})
_SHOWN = 3


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


def failure_lines(failed: Sequence[Outcome]) -> list[str]:
    """Failures grouped by what happened, a few jobs of each named."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in failed:
        groups.setdefault(_label(outcome), []).append(outcome)
    lines = []
    for label, outcomes in sorted(groups.items(), key=lambda item: -len(item[1])):
        names = ", ".join(job_name(job_of(outcome.attempt)) for outcome in outcomes[:_SHOWN])
        more = f" and {len(outcomes) - _SHOWN} more" if len(outcomes) > _SHOWN else ""
        lines.append(f"  {label}: {names}{more}")
    return lines


def _label(outcome: Outcome) -> str:
    failure = outcome.failure.value if outcome.failure else outcome.state.value
    if failure == "exit":
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
