"""What must be on the disk before anything follows from it: leases before they go, ends before they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from parallel_runner.clock import Clock
from parallel_runner.errors import DiskFullError, JournalBusyError
from parallel_runner.ids import job_of
from parallel_runner.journal import disk
from parallel_runner.journal.store import AttemptRow, Journal
from parallel_runner.model.job import Job
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.ports import Executor, Lease

COMMIT_INTERVAL = 0.02
"""Seconds that ends wait for company."""
COMMIT_ROWS = 512


class Told(NamedTuple):
    """An end that is in the journal, or on its way there."""

    outcome: Outcome
    final: bool
    """No attempt follows by itself."""
    job: Job
    slot: int = 0
    """Where it ran, from 1; 0: that is not known."""


def told_of(row: AttemptRow) -> Told:
    """An end as the journal has it."""
    job = Job(job_of(row.outcome.attempt), row.terms, row.payload, 0, row.name)
    return Told(row.outcome, row.final, job)


class Recorder:
    """Gathers leases and ends, commits them as one, and only then acts on them."""

    def __init__(self, journal: Journal, executor: Executor, owner: str, clock: Clock) -> None:
        self._journal = journal
        self._executor = executor
        self._owner = owner
        self._clock = clock
        self._holds: dict[str, set[int]] = {}
        self._staged: list[tuple[str, Sequence[Lease]]] = []
        self._decided: list[Told] = []
        self._uncommitted: list[Told] = []
        """Handed to the journal, which could not write them yet."""
        self._oldest = float("inf")
        self._beside: list[Callable[[], None]] = []

    # -- gathered

    def note(self, told: Told, beside: Callable[[], None] | None = None) -> None:
        """An attempt has ended. `beside` gathers rows that go to the disk with it, or not at all."""
        if not self._decided:
            self._oldest = self._clock.monotonic()
        self._decided.append(told)
        if beside is not None:
            self._beside.append(beside)

    def stage(self, worker: str, leases: Sequence[Lease]) -> None:
        """A worker is to have these."""
        holds = self._holds.setdefault(worker, set())
        holds.update(lease.attempt for lease in leases)
        self._journal.set_lease(worker, self._owner, holds)
        self._staged.append((worker, leases))

    def unstage(self) -> list[tuple[str, Sequence[Lease]]]:
        """Take back what was staged and is not sent."""
        staged, self._staged = self._staged, []
        return staged

    def released(self, worker: str, attempts: Iterable[int]) -> None:
        """A worker does not hold these any more."""
        self._holds.get(worker, set()).difference_update(attempts)

    def gone(self, worker: str) -> None:
        """A worker holds nothing any more, and never will."""
        self._holds.pop(worker, None)
        self._journal.drop_lease(worker)

    # -- when

    @property
    def staged(self) -> set[str]:
        """Workers that something is staged for."""
        return {worker for worker, _ in self._staged}

    @property
    def empty(self) -> bool:
        """Nothing is gathered that is not on the disk."""
        return not (self._staged or self._decided or self._uncommitted)

    @property
    def unwritten(self) -> int:
        """Ends that the journal could not write yet."""
        return len(self._uncommitted)

    def due_at(self) -> float | None:
        """When a commit is due (monotonic seconds)."""
        return self._oldest + COMMIT_INTERVAL if self._decided else None

    def is_due(self, *, idle: bool) -> bool:
        """Whether to commit now; `idle`: nothing is in hand that company could come from."""
        if self._staged or self._uncommitted:
            return True
        if self._decided and (idle or self._clock.monotonic() >= self._oldest + COMMIT_INTERVAL):
            return True
        return len(self._decided) + self._journal.pending_rows >= COMMIT_ROWS

    # -- done

    def commit(self) -> list[Told]:
        """Write what is gathered, acknowledge the ends and send the leases; returns the ends, to be told.

        Empty while the journal is locked: all of it stays gathered.

        Raises:
            DiskFullError: there is no room for it, and none could be made.
        """
        for gather in self._beside:
            gather()
        self._beside.clear()
        self._journal.add_outcomes([(told.outcome, told.final) for told in self._decided])
        self._uncommitted += self._decided
        self._decided = []
        try:
            self.flush()
        except JournalBusyError:
            return []
        told, self._uncommitted = self._uncommitted, []
        self._executor.acknowledge([one.outcome for one in told])
        for worker, leases in self.unstage():
            self._executor.submit(worker, leases)
        return told

    def flush(self) -> None:
        """Write what the journal has gathered, if need be into the room that the reserve leaves.

        Raises:
            JournalBusyError, DiskFullError, StateError: nothing was written, nothing is forgotten.
        """
        try:
            self._journal.flush()
        except DiskFullError:
            if not disk.drop_ballast(self._journal.layout):
                raise
            # That is what the reserve is for.
            self._journal.flush()
