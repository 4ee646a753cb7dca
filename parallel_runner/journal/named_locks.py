"""Locks by name, which no two running jobs of a home share: rows, taken in an IMMEDIATE transaction.

A row whose owner has died still holds while a worker that outlived it has the job in hand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from parallel_runner.ids import job_of
from parallel_runner.journal import statements
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.locks import is_held
from parallel_runner.journal.rows import unpack_attempts
from parallel_runner.journal.store import Journal


def take(journal: Journal, owner: str, wanted: Sequence[tuple[int, Sequence[str]]]) -> set[int]:
    """Take locks for jobs, for each of them all or none; returns the jobs that have theirs.

    Args:
        journal: open for writing.
        owner: whose the locks will be. What it holds is taken to be free: it knows itself what it gives away.
        wanted: (job, names).

    Raises:
        JournalBusyError: try again soon.
    """
    got = set()
    with journal.transaction() as connection:
        strangers = _held_by_others(connection, journal.layout, owner)
        for job, names in wanted:
            if strangers.isdisjoint(names):
                got.add(job)
                connection.executemany(statements.get("set_lock"), [(name, owner, job) for name in names])
    return got


def release(journal: Journal, owner: str, job: int) -> None:
    """Gather: a job needs its locks no longer."""
    journal.gather("drop_locks_of_job", [(owner, job)])


def clear(connection: sqlite3.Connection, layout: StateLayout) -> None:
    """Remove the rows of which nobody who lives has the job in hand."""
    rows = connection.execute(statements.get("all_locks")).fetchall()
    if rows:
        alive = _alive(connection, layout)
        gone = [(name,) for name, owner, job in rows if not alive(owner, job)]
        connection.executemany(statements.get("drop_lock"), gone)


def _held_by_others(connection: sqlite3.Connection, layout: StateLayout, me: str) -> set[str]:
    rows = [row for row in connection.execute(statements.get("all_locks")) if row[1] != me]
    if not rows:
        return set()
    alive = _alive(connection, layout)
    return {name for name, owner, job in rows if alive(owner, job)}


class _alive:  # noqa: N801 - a function that remembers
    """Whether a lock's owner lives, or a worker that has its job."""

    def __init__(self, connection: sqlite3.Connection, layout: StateLayout) -> None:
        self._layout = layout
        self._owners: dict[str, bool] = {}
        leases = connection.execute(statements.get("all_leases")).fetchall()
        self._holders = {job_of(attempt): row[0] for row in leases for attempt in unpack_attempts(row[2])}

    def __call__(self, owner: str, job: int) -> bool:
        if owner not in self._owners:
            self._owners[owner] = is_held(self._layout.owner_lock(owner))
        worker = self._holders.get(job)
        return self._owners[owner] or (worker is not None and is_held(self._layout.worker_lock(worker)))
