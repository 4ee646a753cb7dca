"""The attempts of a batch as they are committed, by looking: a reader has no part in what runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from parallel_runner.ids import MAX_SEQ, job_id, job_of
from parallel_runner.journal.owners import is_alive
from parallel_runner.journal.store import AttemptRow, Journal

LOOK = 0.2
"""Seconds between two looks, at least; five times as long as a look takes, at most."""


class BatchFollowing:
    """Hands out each attempt of a batch once.

    Attempts do not end in the order of their jobs, so there is no place in the table that all new ones come after.
    Up to the last job of which anything is known, those that are open are asked for one by one; what comes after it
    is read in one go. What is remembered is as much as is open.
    """

    def __init__(self, journal: Journal, batch: int) -> None:
        self._journal = journal
        self._batch = batch
        self._end = job_id(batch, MAX_SEQ) << 8
        self._last = job_id(batch, 0) << 8
        self._open: dict[int, int] = {}
        """Jobs up to the last one that is known, by id, with the last attempt that was handed out."""
        rows = journal.read("requeued_jobs", (job_id(batch, 0), job_id(batch, MAX_SEQ)))
        self._requeued: dict[int, int] = dict(rows)
        self._version = -1

    def fresh(self) -> Iterator[AttemptRow]:
        """The attempts that were committed since the last call; all of them at the first."""
        version = self._journal.read("data_version")[0][0]
        if version == self._version:
            return
        self._version = version
        for job, last in sorted(self._open.items()):
            for row in self._journal.attempts_between(last, (job + 1) << 8):
                yield self._noted(row)
        for row in self._journal.attempts_between(self._last, self._end):
            for job in range(max(job_of(self._last), job_id(self._batch, 0)) + 1, job_of(row.outcome.attempt)):
                self._open.setdefault(job, (job << 8) - 1)
            self._last = row.outcome.attempt
            yield self._noted(row)

    def _noted(self, row: AttemptRow) -> AttemptRow:
        attempt = row.outcome.attempt
        job = job_of(attempt)
        if row.final and attempt > self._requeued.get(job, -1):
            self._open.pop(job, None)
        else:
            self._open[job] = attempt
        return row


def is_run(journal: Journal, batch: int) -> bool:
    """Whether somebody runs a batch."""
    row = journal.batch(batch)
    return row.state == "open" and row.owner is not None and is_alive(journal.layout, row.owner)


def follow(journal: Journal, batch: int, wait: Callable[[float], None]) -> Iterator[AttemptRow]:
    """Each attempt of a batch as it is committed, until nobody runs it.

    Args:
        journal: where it is.
        batch: which.
        wait: waits that many seconds; raises when nobody is interested any more.
    """
    following = BatchFollowing(journal, batch)
    while True:
        # Asked before the look: what is committed between the two is seen by it.
        going_on = is_run(journal, batch)
        began = time.monotonic()
        yield from following.fresh()
        if not going_on:
            return
        wait(max(LOOK, 5 * (time.monotonic() - began)))
