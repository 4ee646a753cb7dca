"""Taking over what dead owners left: one rule for each thing found.

    spool, worker dead     its outcomes are adopted; one that began and did not end is in doubt; the rest is free
    spool, worker alive    (an orphan that finishes its job) its outcomes are adopted; what it freed is free
    lease, no spool        the worker died before it opened one: free; after another boot: in doubt
    owner's row            removed; its open batches are interrupted, or done when nothing is left to do

All of it is one IMMEDIATE transaction; files go after the commit. Killed anywhere, it can be done again: what
is adopted twice counts once, and names of owners and workers are never used again, so that the dead stay dead.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from parallel_runner.ids import attempt_id, batch_of, job_of, number_of
from parallel_runner.journal import spool, statements
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.locks import is_held
from parallel_runner.journal.owners import boot_id, is_alive, owner_of, spooled_workers
from parallel_runner.journal.rows import decode_terms, outcome_row, pack_attempts, unpack_attempts
from parallel_runner.journal.store import Journal
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.retry import Past, decide
from parallel_runner.model.terms import Terms


@dataclass
class Orphan:
    """A worker that lives on without its supervisor."""

    worker: str
    pid: int
    attempts: tuple[int, ...]
    """What it may hold."""
    freed: bool
    """It has said what it holds: one attempt at most."""


@dataclass
class Report:
    """What a recovery found."""

    adopted: int = 0
    """Outcomes that the journal did not have."""
    outcomes: list[tuple[Outcome, bool]] = field(default_factory=list)
    """These outcomes, those in doubt too, each with whether it is final."""
    doubtful: list[int] = field(default_factory=list)
    """Attempts of which nobody knows the end."""
    orphans: list[Orphan] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    """Workers that are gone; processes of their last jobs may be left."""
    owners: int = 0
    """Dead owners that were cleared away."""


@dataclass(frozen=True)
class _Found:
    worker: str
    alive: bool
    leased: tuple[int, ...]
    records: tuple[spool.Record, ...]
    torn: bool
    """The spool is not there, or its end is damaged."""
    rebooted: bool
    """Its owner ran before the machine was started the last time."""

    def ended(self) -> list[Outcome]:
        return [record.outcome for record in self.records if isinstance(record, spool.Ended)]

    def in_hand(self) -> int:
        began = 0
        for record in self.records:
            if isinstance(record, spool.Began):
                began = record.attempt
            elif isinstance(record, spool.Ended) and record.outcome.attempt == began:
                began = 0
        return began

    def freed(self) -> spool.Freed | None:
        return next((record for record in self.records if isinstance(record, spool.Freed)), None)

    def opened(self) -> spool.Opened | None:
        return next((record for record in self.records if isinstance(record, spool.Opened)), None)


def recover(journal: Journal, me: str, read_only: Callable[[str], bool]) -> Report:
    """Take over from all dead owners.

    Args:
        journal: open for writing, with nothing gathered.
        me: the caller's own token, whose workers are left alone.
        read_only: whether a tool of that name does no harm when run twice.
    """
    report = Report()
    layout = journal.layout
    with journal.transaction() as connection:
        leases = {row[0]: unpack_attempts(row[2]) for row in connection.execute(statements.get("all_leases"))}
        workers = sorted(spooled_workers(layout) | leases.keys())
        boots = {row[0]: row[2] for row in connection.execute(statements.get("all_owners"))}
        batches = connection.execute(statements.get("owned_batches")).fetchall()
        known = {owner_of(worker) for worker in workers} | boots.keys() | {row[1] for row in batches}
        # Asked once for each: an owner that dies meanwhile must not lose its batches before its workers are seen.
        dead = {owner for owner in known if owner != me and not is_alive(layout, owner)}
        for worker in workers:
            if owner_of(worker) in dead:
                found = _look(layout, worker, leases.get(worker, ()), boots.get(owner_of(worker), ""))
                _take_over(connection, found, report, read_only)
        _clear_owners(connection, dead, batches, report)
    for worker in report.dead:
        _unlink(layout.spool(worker), layout.spool(worker) + ".new", layout.worker_lock(worker))
    for owner in dead:
        _unlink(layout.owner_lock(owner))
    return report


def _look(layout: StateLayout, worker: str, leased: tuple[int, ...], owner_boot: str) -> _Found:
    # The lock first, the spool after: of a worker that dies in between, the whole spool is read.
    alive = is_held(layout.worker_lock(worker))
    records, torn = _read_spool(layout.spool(worker))
    opened = next((record for record in records if isinstance(record, spool.Opened)), None)
    boot = opened.boot_id if opened else owner_boot
    return _Found(worker, alive, leased, records, torn, rebooted=boot not in ("", boot_id()))


def _read_spool(path: str) -> tuple[tuple[spool.Record, ...], bool]:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return (), True
    records = tuple(spool.unpack(data))
    return records, not records or sum(len(spool.pack(record)) for record in records) != len(data)


def _take_over(
    connection: sqlite3.Connection, found: _Found, report: Report, read_only: Callable[[str], bool]
) -> None:
    for outcome in found.ended():
        report.adopted += _add(connection, outcome, report, read_only)
    ended = {outcome.attempt for outcome in found.ended()}
    if found.alive:
        freed, opened = found.freed(), found.opened()
        keeps = found.leased if freed is None else (freed.keeps,) if freed.keeps else ()
        keeps = tuple(attempt for attempt in keeps if attempt not in ended)
        connection.execute(
            statements.get("set_lease"), (found.worker, owner_of(found.worker), pack_attempts(keeps))
        )
        report.orphans.append(Orphan(found.worker, opened.pid if opened else 0, keeps, freed is not None))
        return
    for attempt in _doubtful(found, ended):
        detail = "its runner and its worker both died while it ran"
        outcome = Outcome(attempt, State.UNKNOWN, FailureClass.UNKNOWN, worker=found.worker, detail=detail)
        if _add(connection, outcome, report, read_only):
            report.doubtful.append(attempt)
    connection.execute(statements.get("drop_lease"), (found.worker,))
    report.dead.append(found.worker)


def _doubtful(found: _Found, ended: Iterable[int]) -> list[int]:
    in_hand = [found.in_hand()] if found.in_hand() else []
    if not (found.rebooted and found.torn) or found.freed() is not None:
        # What a worker begins is in its spool before, and its spool goes only after all of it is committed: what
        # is not there has not begun.
        return in_hand
    # The machine went down under it, and the end of the spool with it: any lease may have begun.
    done = set(ended)
    return sorted(attempt for attempt in {*found.leased, *in_hand} if attempt not in done)


def _add(connection: sqlite3.Connection, outcome: Outcome, report: Report, read_only: Callable[[str], bool]) -> int:
    job = job_of(outcome.attempt)
    terms = _terms_of(connection, job)
    if terms is None:
        return 0  # Its batch was pruned.
    lost = outcome.failure in (FailureClass.WORKER_LOST, FailureClass.UNKNOWN)
    row = connection.execute(statements.get("past"), (attempt_id(job, 0), outcome.attempt)).fetchone()
    past = Past(*row).lost() if lost else Past(*row)
    # Only then is the tool asked: a plug-in that is gone must not stand in the way of what is certain.
    harmless = outcome.state is State.UNKNOWN and read_only(terms.tool)
    decision = decide(outcome, terms, number_of(outcome.attempt), past, read_only=harmless)
    values = outcome_row(decision.outcome, decision.final)
    if not connection.execute(statements.get("add_outcome"), values).rowcount:
        return 0
    report.outcomes.append((decision.outcome, decision.final))
    return 1


def _terms_of(connection: sqlite3.Connection, job: int) -> Terms | None:
    batch = connection.execute(statements.get("terms_of_batch"), (batch_of(job),)).fetchone()
    index = connection.execute(statements.get("terms_of_job"), (job,)).fetchone()
    if batch is None or index is None:
        return None
    terms: Terms = _all_terms(batch[0])[index[0]]
    return terms


@lru_cache(maxsize=2)
def _all_terms(packed: bytes) -> tuple[Terms, ...]:
    terms: tuple[Terms, ...] = decode_terms(packed)
    return terms


def _clear_owners(
    connection: sqlite3.Connection,
    dead: Iterable[str],
    batches: Iterable[tuple[int, str]],
    report: Report,
) -> None:
    for owner in dead:
        report.owners += connection.execute(statements.get("drop_owner"), (owner,)).rowcount
    ended = {batch: owner for batch, owner in batches if owner in dead}
    # Interrupted ones may have had their last jobs adopted just now.
    adopted = {batch_of(job_of(outcome.attempt)) for outcome, _ in report.outcomes}
    for batch in adopted | ended.keys():
        values = {"now": time.time(), "batch": batch, "owner": ended.get(batch)}
        connection.execute(statements.get("settle_batch"), values)


def _unlink(*paths: str) -> None:
    for path in paths:
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
