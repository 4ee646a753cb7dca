"""Taking over what dead owners left: one rule for each thing found.

    spool, worker dead     its outcomes are adopted; one that began and did not end is in doubt; the rest is free
    spool, worker alive    (an orphan that finishes its job) its outcomes are adopted; what it freed is free
    lease, no spool        the worker died before it opened one: free; after another boot: in doubt
    owner's row            removed; its open batches are interrupted

All of it is one IMMEDIATE transaction; files go after the commit. Killed anywhere, it can simply be done again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from parallel_runner.ids import batch_of, job_of, number_of
from parallel_runner.journal import spool, statements
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.locks import is_held
from parallel_runner.journal.owners import boot_id, is_alive, owner_of
from parallel_runner.journal.rows import outcome_row, pack_attempts, unpack_attempts
from parallel_runner.journal.store import Journal
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.retry import decide
from parallel_runner.model.terms import Terms

_decode_terms = msgspec.msgpack.Decoder(tuple[Terms, ...]).decode


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
        for found in _find(connection, layout, me):
            _take_over(connection, found, report, read_only)
        _clear_owners(connection, layout, me, report)
    for worker in report.dead:
        _unlink(layout.spool(worker), layout.spool(worker) + ".new", layout.worker_lock(worker))
    return report


def _find(connection: sqlite3.Connection, layout: StateLayout, me: str) -> list[_Found]:
    leases = {row[0]: unpack_attempts(row[2]) for row in connection.execute(statements.get("all_leases"))}
    names = {name[: -len(".spool")] for name in os.listdir(f"{layout.root}/spool") if name.endswith(".spool")}
    found = []
    for worker in sorted(names | leases.keys()):
        owner = owner_of(worker)
        if owner == me or is_alive(layout, owner):
            continue
        # The lock first, the spool after: of a worker that dies in between, the whole spool is read.
        alive = is_held(layout.worker_lock(worker))
        records = tuple(spool.read(layout.spool(worker)))
        found.append(_Found(worker, alive, leases.get(worker, ()), records))
    return found


def _take_over(
    connection: sqlite3.Connection, found: _Found, report: Report, read_only: Callable[[str], bool]
) -> None:
    for outcome in found.ended():
        report.adopted += _add(connection, outcome, read_only)
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
        if _add(connection, outcome, read_only):
            report.doubtful.append(attempt)
    connection.execute(statements.get("drop_lease"), (found.worker,))
    report.dead.append(found.worker)


def _doubtful(found: _Found, ended: Iterable[int]) -> list[int]:
    opened = found.opened()
    in_hand = [found.in_hand()] if found.in_hand() else []
    if opened is None or opened.boot_id == boot_id() or found.freed() is not None:
        # Leases are sent only to a worker whose spool is open: without one, nothing can have begun.
        return in_hand
    # After another boot the end of the spool may be missing: any lease may have begun.
    done = set(ended)
    return [attempt for attempt in {*found.leased, *in_hand} if attempt not in done]


def _add(connection: sqlite3.Connection, outcome: Outcome, read_only: Callable[[str], bool]) -> int:
    job = job_of(outcome.attempt)
    terms = _terms_of(connection, job)
    if terms is None:
        return 0  # Its batch was pruned.
    losses = 0
    decision = decide(outcome, terms, number_of(outcome.attempt), losses, read_only=read_only(terms.tool))
    return connection.execute(statements.get("add_outcome"), outcome_row(decision.outcome, decision.final)).rowcount


def _terms_of(connection: sqlite3.Connection, job: int) -> Terms | None:
    batch = connection.execute(statements.get("terms_of_batch"), (batch_of(job),)).fetchone()
    index = connection.execute(statements.get("terms_of_job"), (job,)).fetchone()
    if batch is None or index is None:
        return None
    terms: Terms = _decode_terms(batch[0])[index[0]]
    return terms


def _clear_owners(connection: sqlite3.Connection, layout: StateLayout, me: str, report: Report) -> None:
    owners = {row[0] for row in connection.execute(statements.get("all_owners"))}
    owners |= {row[1] for row in connection.execute(statements.get("owned_batches"))}
    for owner in owners - {me}:
        if is_alive(layout, owner):
            continue
        connection.execute(statements.get("interrupt_batches_of"), (owner,))
        connection.execute(statements.get("drop_owner"), (owner,))
        _unlink(layout.owner_lock(owner))
        report.owners += 1


def _unlink(*paths: str) -> None:
    for path in paths:
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
