"""The locks of this run's jobs: taken when a job is about to go, given back when its attempt has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from parallel_runner.clock import Clock
from parallel_runner.errors import JournalBusyError
from parallel_runner.journal import named_locks
from parallel_runner.journal.store import Journal
from parallel_runner.model.job import Job
from parallel_runner.model.terms import Terms
from parallel_runner.scheduler.locking import next_for_locks
from parallel_runner.scheduler.schedule import Schedule

_AGAIN = 0.25
"""Seconds until a lock that another owner has is asked for again."""


class LockDesk:
    """Hands locks out to the jobs of a schedule."""

    def __init__(
        self,
        schedule: Schedule,
        terms: Sequence[Terms],
        journal: Journal,
        owner: str,
        clock: Clock,
        most: int,
        recover: Callable[[], object],
    ) -> None:
        """At most `most` jobs have locks at once: more could not run. `recover` takes over from dead owners."""
        self._schedule = schedule
        self._terms = terms
        self._journal = journal
        self._owner = owner
        self._clock = clock
        self._most = most
        self._recover = recover
        self._held: dict[int, Sequence[str]] = {}
        self._ask_at = 0.0

    def hand_out(self) -> None:
        """Let go whom nobody stands in the way of."""
        if not self._schedule.locked or self._clock.monotonic() < self._ask_at:
            return
        taken = {name for names in self._held.values() for name in names}
        wanted = next_for_locks(self._schedule.locked, self._names, taken, self._most - len(self._held))
        if not wanted:
            return
        got = self._take(wanted)
        for job in wanted:
            if job.id in got:
                self._held[job.id] = self._names(job)
                self._schedule.locked.remove(job)
                self._schedule.admit(job)
        if len(got) < len(wanted):
            self._ask_at = self._clock.monotonic() + _AGAIN

    def _take(self, wanted: Sequence[Job]) -> set[int]:
        asked = [(job.id, self._names(job)) for job in wanted]
        try:
            got = named_locks.take(self._journal, self._owner, asked)
            if len(got) < len(asked) and named_locks.are_stale(self._journal):
                self._recover()
        except JournalBusyError:
            return set()
        return got

    def ended(self, job: int) -> None:
        """An attempt has ended, or will not begin."""
        if self._held.pop(job, None) is not None:
            named_locks.release(self._journal, self._owner, job)
            self._ask_at = 0.0

    def next_ask(self) -> float | None:
        """When a lock that another owner has is asked for again (monotonic seconds)."""
        return self._ask_at if self._schedule.locked and self._ask_at else None

    def _names(self, job: Job) -> Sequence[str]:
        return self._terms[job.terms].locks
