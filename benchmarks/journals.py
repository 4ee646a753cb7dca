"""What a run left in its home, read without disturbing it."""

from __future__ import annotations

import os
import sqlite3
import time

from benchmarks.clocked import RunError
from parallel_runner.ids import batch_of, job_id, job_of, seq_of
from parallel_runner.journal import statements
from parallel_runner.journal.connection import connect
from parallel_runner.journal.layout import StateLayout


def layout_of(home: str) -> StateLayout:
    """The state of a home."""
    return StateLayout(os.path.join(home, "state"))


def check(home: str, jobs: int) -> None:
    """Raise RunError unless exactly `jobs` jobs are recorded there, and all succeeded."""
    connection = connect(layout_of(home).journal, read_only=True)
    try:
        query = "SELECT count(*), count(DISTINCT attempt >> 8), sum(state = 'succeeded') FROM outcomes"
        attempts, distinct, succeeded = connection.execute(query).fetchone()
    finally:
        connection.close()
    if not attempts == distinct == succeeded == jobs:
        raise RunError(
            f"{jobs} jobs were given, but {home} records {distinct} in {attempts} attempts, {succeeded} succeeded"
        )


def done_so_far(connection: sqlite3.Connection) -> int:
    """How many jobs of the only batch are done, about: the place of the furthest one.

    Jobs run in their order, so this is off by the few in flight; counting a million rows each second would be
    felt by what is measured.
    """
    (attempt,) = connection.execute("SELECT max(attempt) FROM outcomes").fetchone()
    return seq_of(job_of(attempt)) if attempt else 0


def journal_size(home: str) -> int:
    """Bytes of the journal and of its log; 0 when there is none yet."""
    path = layout_of(home).journal
    total = 0
    for name in (path, f"{path}-wal", f"{path}-shm"):
        try:
            total += os.stat(name).st_size
        except FileNotFoundError:
            continue
    return total


def resume_scan(home: str) -> float:
    """Seconds that the search for jobs without an end takes in the last batch.

    Raises:
        RunError: the journal has no outcome.
    """
    connection = connect(layout_of(home).journal, read_only=True)
    try:
        (attempt,) = connection.execute("SELECT max(attempt) FROM outcomes").fetchone()
        if attempt is None:
            raise RunError(f"{home} records no outcome")
        batch = batch_of(job_of(attempt))
        before = time.perf_counter()
        connection.execute(statements.get("count_pending"), (job_id(batch, 0), job_id(batch + 1, 0))).fetchone()
        return time.perf_counter() - before
    finally:
        connection.close()
