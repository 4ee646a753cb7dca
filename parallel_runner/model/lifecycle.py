"""The states of a job, the classes of failure, and the closed table of which state follows which."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from parallel_runner.errors import IllegalTransitionError


class State(str, Enum):
    """Where a job stands. The last nine are ends."""

    QUEUED = "queued"
    """Waits for something: a dependency, a retry's delay."""
    READY = "ready"
    LEASED = "leased"
    """Promised to a worker, committed, not started."""
    RUNNING = "running"
    WAITING_CHILDREN = "waiting_children"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"
    QUARANTINED = "quarantined"

    def __str__(self) -> str:
        return self.value


class FailureClass(str, Enum):
    """Why an attempt did not succeed."""

    EXIT = "exit"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    OOM = "oom"
    SPAWN = "spawn"
    POLICY = "policy"
    DEPENDENCY = "dependency"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    WORKER_LOST = "worker_lost"
    UNKNOWN = "unknown"
    OUTPUT_LIMIT = "output_limit"
    BUDGET = "budget"
    DEPTH_LIMIT = "depth_limit"
    ESCAPED = "escaped"

    def __str__(self) -> str:
        return self.value


def satisfies(condition: str, state: State | None) -> bool:
    """Whether a needed job's end is what a job waits for: `finished`, `succeeded` or `failed`; None: not ended."""
    if state is None:
        return False
    return condition == "finished" or (state is State.SUCCEEDED) == (condition == "succeeded")


S = State
ENDS = frozenset(
    {
        S.SUCCEEDED,
        S.FAILED,
        S.TIMED_OUT,
        S.CANCELLED,
        S.REJECTED,
        S.SKIPPED,
        S.INTERRUPTED,
        S.UNKNOWN,
        S.QUARANTINED,
    }
)
RESUMABLE = frozenset({S.INTERRUPTED})
"""Ends that `resume` runs again without being asked twice."""

TRANSITIONS: dict[State, frozenset[State]] = {
    S.QUEUED: frozenset({S.READY, S.SKIPPED, S.CANCELLED, S.INTERRUPTED, S.REJECTED}),
    S.READY: frozenset({S.LEASED, S.QUEUED, S.SKIPPED, S.CANCELLED, S.INTERRUPTED, S.REJECTED}),
    # Back to ready: the worker gave the lease up, or died before it started the job.
    S.LEASED: frozenset({S.RUNNING, S.READY, S.CANCELLED, S.INTERRUPTED, S.REJECTED, S.UNKNOWN}),
    # Back to queued: another attempt is due after a delay.
    S.RUNNING: frozenset(ENDS - {S.SKIPPED}) | {S.WAITING_CHILDREN, S.QUEUED},
    S.WAITING_CHILDREN: frozenset(
        {S.RUNNING, S.SUCCEEDED, S.FAILED, S.TIMED_OUT, S.CANCELLED, S.INTERRUPTED, S.UNKNOWN}
    ),
    # `retry` and `resume` open an end again; a success only of jobs that come last, which do so in each run.
    S.SUCCEEDED: frozenset({S.QUEUED}),
    S.FAILED: frozenset({S.QUEUED}),
    S.TIMED_OUT: frozenset({S.QUEUED}),
    S.CANCELLED: frozenset({S.QUEUED}),
    S.REJECTED: frozenset({S.QUEUED}),
    S.SKIPPED: frozenset({S.QUEUED}),
    S.INTERRUPTED: frozenset({S.QUEUED}),
    S.UNKNOWN: frozenset({S.QUEUED}),
    S.QUARANTINED: frozenset({S.QUEUED}),
}


def check_transition(old: State, new: State, *, job: str, story: Iterable[str] = ()) -> None:
    """Raise IllegalTransitionError, with the job's story, unless `new` may follow `old`."""
    if new not in TRANSITIONS[old]:
        told = "; ".join(story)
        raise IllegalTransitionError(f"job {job}: {new} may not follow {old}{': ' + told if told else ''}")
