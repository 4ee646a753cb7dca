"""Jobs on their way into the schedule: from the feed, from orphans, or never, since they were cancelled."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from typing import Protocol

from parallel_runner.clock import Clock
from parallel_runner.errors import JournalBusyError
from parallel_runner.ids import batch_of, job_of, seq_of
from parallel_runner.journal.locks import is_held
from parallel_runner.model.job import Job
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.runner.feeds import Feed, JournalFeed
from parallel_runner.runner.printing import Printer
from parallel_runner.runner.recording import Told, told_of
from parallel_runner.runner.session import Session
from parallel_runner.scheduler.schedule import Schedule

LEAD = 20_000
"""Jobs that are read ahead of the workers."""
LEAD_BYTES = 256 * 1024 * 1024
"""Bytes of streams that are kept for jobs ahead of the workers."""
ORPHAN_LOOK = 0.2


class Run(Protocol):
    """What an intake asks of its run."""

    def skip(self, job: Job, cause: int) -> None:
        """End a job that waited in vain."""
        ...

    def end_job(self, job: int, state: State) -> None:
        """A job has ended for good."""
        ...

    def finish_unstarted(self, job: Job, state: State, failure: FailureClass, detail: str) -> None:
        """End a job that no worker has."""
        ...

    def adopted(self, told: Told) -> None:
        """A dead runner's worker has ended a job; the journal has it."""
        ...


class Intake:
    """Takes the jobs of one batch in."""

    def __init__(
        self, run: Run, feed: Feed, schedule: Schedule, printer: Printer, session: Session, batch: int, clock: Clock
    ) -> None:
        self._run = run
        self.feed = feed
        self._schedule = schedule
        self._printer = printer
        self._session = session
        self._batch = batch
        self._clock = clock
        self._unwanted: set[int] = set()
        """Jobs to be cancelled that are not in memory, or may come back to it."""
        self._waits = False
        self._orphans_at = 0.0

    @property
    def waits_for_orphans(self) -> bool:
        """Whether some job is in the hands of a dead runner's worker."""
        return isinstance(self.feed, JournalFeed) and self.feed.waits_for_orphans

    @property
    def whole(self) -> bool:
        """Whether all jobs that were there at the start are in memory."""
        return not isinstance(self.feed, JournalFeed) or self.feed.read_all

    def wants(self, *, draining: bool, all_in_memory: bool) -> bool:
        """Whether more jobs are to be read."""
        if draining or self.feed.done:
            return False
        return all_in_memory or self._schedule.lead < min(LEAD, self.feed.most_ahead)

    def next_moment(self, *, wanted: bool) -> float | None:
        """When to look again (monotonic seconds); 0: at once; None: the loop is woken up."""
        if self.waits_for_orphans:
            return self._orphans_at
        return 0.0 if wanted and not self._waits else None

    def take(self, *, wanted: bool) -> None:
        """Take in what there is."""
        if self.waits_for_orphans:
            self._look_at_orphans()
        if not wanted:
            self.feed.pause()
            return
        jobs = self.feed.pull()
        # A feed that nothing wakes the loop for is asked again at once.
        self._waits = not jobs and self.feed.wakes
        if isinstance(self.feed, JournalFeed):
            self._printer.expect(seq_of(job.id) for job in jobs)
            self._take_ended(self.feed.take_ended())
        for hopeless, cause in self._schedule.add(jobs):
            self._run.skip(hopeless, cause)
            self._run.end_job(hopeless.id, State.SKIPPED)
        self.drop_unwanted(job.id for job in jobs)

    def _look_at_orphans(self) -> None:
        now = self._clock.monotonic()
        if now < self._orphans_at or not isinstance(self.feed, JournalFeed):
            return
        self._orphans_at = now + ORPHAN_LOOK
        try:
            self.feed.exclude(self._session.recover().orphans)
        except JournalBusyError:
            return

    def _take_ended(self, jobs: Iterable[int]) -> None:
        """Jobs that an orphan had in hand and has ended, or whoever took over from it."""
        for job in jobs:
            for row in self._session.journal.attempts(self._batch, job):
                if row.final:
                    self._printer.expect([seq_of(job)])
                    self._run.adopted(told_of(row))
                    self._run.end_job(job, row.outcome.state)

    # -- what is not wanted any more

    def cancel(self, job: int) -> None:
        """A job that is not in a worker's hands is not to run."""
        if waiting := self._schedule.remove(job):
            self._cancel_unstarted(waiting)
        elif batch_of(job) == self._batch:
            self._unwanted.add(job)
            self._end_orphan(job)

    def forget_if_returned(self, job: int) -> None:
        """A job in a worker's hands is to be cancelled: given back unstarted, it must not start after all."""
        self._unwanted.add(job)

    def drop_unwanted(self, jobs: Iterable[int]) -> None:
        """Cancel those of these jobs that nobody wants."""
        for job in self._unwanted.intersection(jobs) if self._unwanted else ():
            if waiting := self._schedule.remove(job):
                self._cancel_unstarted(waiting)

    def _cancel_unstarted(self, job: Job) -> None:
        self._run.finish_unstarted(job, State.CANCELLED, FailureClass.CANCELLED, "cancelled before it started")

    def _end_orphan(self, job: int) -> None:
        for orphan in self._session.recovered.orphans:
            holds = any(job_of(attempt) == job for attempt in orphan.attempts)
            if holds and orphan.pid and is_held(self._session.layout.worker_lock(orphan.worker)):
                os.kill(orphan.pid, signal.SIGTERM)
