"""Locks by name, which no two running jobs of a home share: rows, taken in an IMMEDIATE transaction.

The row of an owner that has died holds until a recovery has ended what it left running, and as long as a worker
that outlived it has the job in hand.
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
        rows = connection.execute(statements.get("all_locks")).fetchall()
        strangers = {name for name, other, _ in rows if other != owner}
        for job, names in wanted:
            if strangers.isdisjoint(names):
                got.add(job)
                connection.executemany(statements.get("set_lock"), [(name, owner, job) for name in names])
    return got


def release(journal: Journal, owner: str, job: int) -> None:
    """Gather: a job needs its locks no longer."""
    journal.gather("drop_locks_of_job", [(owner, job)])


def are_stale(journal: Journal) -> bool:
    """Whether some lock is held by nobody who lives: a recovery would free it."""
    rows = journal.read("all_locks")
    if not rows:
        return False
    with journal.deferred() as connection:
        return bool(_stale(connection, journal.layout))


def clear(journal: Journal) -> None:
    """Free what nobody holds who lives. Comes after what the dead left running has been ended."""
    if not journal.read("all_locks"):
        return
    with journal.transaction() as connection:
        gone = [(name,) for name in _stale(connection, journal.layout)]
        connection.executemany(statements.get("drop_lock"), gone)


def _stale(connection: sqlite3.Connection, layout: StateLayout) -> list[str]:
    leases = connection.execute(statements.get("all_leases")).fetchall()
    workers = {job_of(attempt): row[0] for row in leases for attempt in unpack_attempts(row[2])}
    stale = []
    for name, owner, job in connection.execute(statements.get("all_locks")).fetchall():
        worker = workers.get(job)
        if not is_held(layout.owner_lock(owner)) and (worker is None or not is_held(layout.worker_lock(worker))):
            stale.append(name)
    return stale
