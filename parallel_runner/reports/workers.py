"""The workers that live on a home, and what they have in hand."""

from __future__ import annotations

import os
from typing import Annotated, NamedTuple

from msgspec import Meta

from parallel_runner.ids import attempt_name, batch_of, job_name, job_of
from parallel_runner.journal import spool
from parallel_runner.journal.locks import is_held
from parallel_runner.journal.owners import is_alive, owner_of
from parallel_runner.journal.rows import unpack_attempts
from parallel_runner.journal.store import Journal
from parallel_runner.reports.records import Record, Stamp, describe, stamp, text_of


class LiveWorker(NamedTuple):
    """A worker by its spool; its process lives, unless `lives` says otherwise."""

    worker: str
    condition: str
    """`run`: its runner lives as well; `orphan`: that is dead, and it only finishes what it has in hand."""
    pool: str
    pid: int
    """0: it has not said so yet."""
    attempt: int
    """What it has in hand; 0: nothing."""
    since: float
    """When that began, in seconds since the epoch; 0: nothing."""
    ended: frozenset[int] = frozenset()
    """Attempts whose outcomes are in its spool; the journal may not have them yet."""
    freed: bool = False
    """It has said that it holds nothing but what it has in hand."""
    lives: bool = True


class WorkerRecord(Record, kw_only=True, frozen=True, tag_field="type", tag="worker"):
    """A living worker."""

    worker: str
    condition: Annotated[str, Meta(description="run, or orphan when its runner is dead.")]
    pool: Annotated[str, Meta(description="The tool whose jobs it runs; empty until it has said so.")]
    pid: int
    attempt: Annotated[str | None, Meta(description="What it has in hand.", examples=["b17.3.1"])]
    job: str | None
    since: Annotated[Stamp | None, Meta(description="When that began.")]
    command: str | None


def live_workers(journal: Journal) -> list[LiveWorker]:
    """All workers that live on this home, those of dead runners included."""
    found = []
    names = sorted(os.listdir(f"{journal.layout.root}/spool"))
    for worker in (name[: -len(".spool")] for name in names if name.endswith(".spool")):
        if is_held(journal.layout.worker_lock(worker)):
            found.append(look_at(journal, worker))
    return found


def holder_of(journal: Journal, job: int) -> LiveWorker | None:
    """The worker that a job is leased to."""
    for worker, _owner, attempts in journal.read("all_leases"):
        if any(job_of(attempt) == job for attempt in unpack_attempts(attempts)):
            return look_at(journal, worker)
    return None


def look_at(journal: Journal, worker: str) -> LiveWorker:
    """What a worker's spool says of it."""
    # The lock first, the spool after: of a worker that dies in between, the whole spool is read.
    lives = is_held(journal.layout.worker_lock(worker))
    pool, pid, attempt, since, freed = "", 0, 0, 0.0, False
    ended: set[int] = set()
    for record in spool.read(journal.layout.spool(worker)):
        if isinstance(record, spool.Opened):
            pool, pid = record.pool, record.pid
        elif isinstance(record, spool.Began):
            attempt, since = record.attempt, record.at
        elif isinstance(record, spool.Ended):
            attempt, since = 0, 0.0
            ended.add(record.outcome.attempt)
        else:
            freed = True
    condition = "run" if is_alive(journal.layout, owner_of(worker)) else "orphan"
    return LiveWorker(worker, condition, pool, pid, attempt, since, frozenset(ended), freed, lives)


def worker_record(journal: Journal, live: LiveWorker) -> WorkerRecord:
    """A worker with what its job is."""
    job = job_of(live.attempt)
    return WorkerRecord(
        worker=live.worker,
        condition=live.condition,
        pool=live.pool,
        pid=live.pid,
        attempt=attempt_name(live.attempt) if live.attempt else None,
        job=job_name(job) if live.attempt else None,
        since=stamp(live.since),
        command=_command(journal, job) if live.attempt else None,
    )


def _command(journal: Journal, job: int) -> str | None:
    rows = journal.read("one_job", (job,))
    if not rows:
        return None
    terms = journal.batch(batch_of(job)).header.terms[rows[0][1]]
    return text_of(describe(terms.tool, rows[0][2]))[0]
