"""The journal: what was submitted, promised and done.

Writes are gathered in memory and flushed as one transaction. A flush that fails (locked, disk full) changes
nothing: the rows stay, and the next flush brings them.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from parallel_runner.errors import StateError
from parallel_runner.ids import GROUP_BASE, batch_name, job_id, seq_of
from parallel_runner.journal import statements
from parallel_runner.journal.connection import connect, translated
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.rows import BatchRow, batch_from, outcome_from, outcome_row, pack_attempts
from parallel_runner.model.batch import BatchHeader
from parallel_runner.model.job import Job, JobSpec
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.terms import Terms

_encode = msgspec.msgpack.Encoder().encode
_PAGE = 256
"""Outcomes that are read at once; each may carry 8 KiB of output."""


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome with what its job was."""

    outcome: Outcome
    final: bool
    terms: int
    name: str
    payload: bytes


class Journal:
    """One open journal."""

    def __init__(self, layout: StateLayout, *, durability: str = "process", read_only: bool = False) -> None:
        self.layout = layout
        if not read_only:
            with translated(layout.root):
                layout.create()
        self._connection = connect(layout.journal, durability=durability, read_only=read_only)
        self._pending: list[tuple[str, list[tuple[Any, ...]]]] = []
        self.pending_rows = 0
        """Rows that are gathered and not committed."""

    @property
    def keepalive(self) -> object:
        """What a forked child must hold for life."""
        return self._connection

    def close(self) -> None:
        """Close the database. Rows that were not flushed are not written."""
        self._connection.close()

    # -- gathered writes

    def gather(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """Have rows written by the next flush, in this order."""
        if self._pending and self._pending[-1][0] == statement:
            self._pending[-1][1].extend(rows)
        else:
            self._pending.append((statement, rows))
        self.pending_rows += len(rows)

    def flush(self) -> None:
        """Commit what is gathered.

        Raises:
            JournalBusyError, DiskFullError, StateError: nothing was written, nothing is forgotten; call again.
        """
        if not self._pending:
            return
        with self.transaction() as connection:
            for statement, rows in self._pending:
                connection.executemany(statements.get(statement), rows)
        self._pending.clear()
        self.pending_rows = 0

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """An IMMEDIATE transaction: committed at the end, undone on any error."""
        with self._between("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def deferred(self) -> Iterator[sqlite3.Connection]:
        """A transaction that keeps nobody else waiting, for reading and for temporary tables."""
        with self._between("BEGIN") as connection:
            yield connection

    @contextmanager
    def _between(self, begin: str) -> Iterator[sqlite3.Connection]:
        with translated(self.layout.journal):
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    # -- batches

    def create_batch(self, header: BatchHeader, owner: str, command: str) -> int:
        """Write a batch's row; returns its id."""
        values = (
            header.name,
            header.cwd,
            header.identity,
            header.results,
            _encode(header.terms),
            _encode(header.rules),
            command,
            owner,
        )
        with self.transaction() as connection:
            cursor = connection.execute(statements.get("add_batch"), (*values, time.time()))
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def add_jobs(self, batch: int, first_seq: int, specs: Sequence[JobSpec]) -> None:
        """Gather jobs; the first has place `first_seq`."""
        first = job_id(batch, first_seq)
        self.gather(
            "add_job",
            [(first + i, spec.key, spec.terms, spec.name or None, spec.payload) for i, spec in enumerate(specs)],
        )
        needs = [
            (first + i, job_id(batch, need.job), need.when) for i, spec in enumerate(specs) for need in spec.needs
        ]
        needs += [
            (job_id(batch, group), first + i, "member") for i, spec in enumerate(specs) for group in spec.groups
        ]
        if needs:
            self.gather("add_need", needs)

    def set_terms(self, batch: int, terms: Sequence[Terms]) -> None:
        """Gather: the batch has more terms than before; none of the old ones changes."""
        self.gather("set_terms", [(_encode(tuple(terms)), batch)])

    def finish_input(self, batch: int) -> None:
        """Gather: all jobs of the batch are there."""
        self.gather("finish_input", [(batch,)])

    def end_batch(self, batch: int, state: str) -> None:
        """Gather: the batch is `done` or `interrupted`."""
        self.gather("end_batch", [(state, time.time(), batch)])

    def claim_batch(self, batch: int, owner: str, former: str | None) -> bool:
        """Run a batch again. False when somebody else was faster."""
        with self.transaction() as connection:
            return bool(connection.execute(statements.get("claim_batch"), (owner, batch, former)).rowcount)

    # -- attempts

    def set_lease(self, worker: str, owner: str, attempts: Iterable[int]) -> None:
        """Gather: everything that a worker may hold from now on."""
        self.gather("set_lease", [(worker, owner, pack_attempts(attempts))])

    def drop_lease(self, worker: str) -> None:
        """Gather: a worker holds nothing any more."""
        self.gather("drop_lease", [(worker,)])

    def add_outcomes(self, outcomes: Iterable[tuple[Outcome, bool]]) -> None:
        """Gather outcomes, each with whether it is final."""
        self.gather("add_outcome", [outcome_row(outcome, final) for outcome, final in outcomes])

    # -- reading

    def read(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with translated(self.layout.journal):
            return self._connection.execute(statements.get(statement), values).fetchall()

    def batch(self, batch: int) -> BatchRow:
        """One batch.

        Raises:
            StateError: there is none of that number.
        """
        rows = self.read("read_batch", (batch,))
        if not rows:
            raise StateError(f"there is no batch {batch_name(batch)} in {self.layout.journal}; see `history`")
        return batch_from(rows[0])

    def batches(self, limit: int) -> list[BatchRow]:
        """The latest batches, the last first."""
        return [batch_from(row) for row in self.read("list_batches", (limit,))]

    def unfinished(self, cwd: bytes, identity: bytes) -> list[BatchRow]:
        """Unfinished batches of the same template in the same directory, the last first."""
        return [batch_from(row) for row in self.read("find_batches", (cwd, identity))]

    def of_template(self, cwd: bytes, identity: bytes) -> list[BatchRow]:
        """The latest batch of a template in a directory, if there is one."""
        return [batch_from(row) for row in self.read("latest_of_template", (cwd, identity))]

    def with_results(self, cwd: bytes, identity: bytes) -> list[BatchRow]:
        """Batches of a template in a directory whose results are also written elsewhere, the last first."""
        return [batch_from(row) for row in self.read("batches_with_results", (cwd, identity))]

    def pending_jobs(self, batch: int, after_seq: int, limit: int) -> list[Job]:
        """Jobs that have no final outcome, in order, from the one after `after_seq`."""
        rows = self.read("pending_jobs", (job_id(batch, after_seq), job_id(batch + 1, 0), limit))
        return [
            Job(ident, terms, payload, number or 0, name or "", losses, uncounted)
            for ident, terms, payload, number, name, losses, uncounted in rows
        ]

    def count_pending(self, batch: int, places: tuple[int, int] | None = None) -> int:
        """How many jobs have no final outcome: all of a batch, or those from one place to another."""
        bounds = _jobs_of(batch)
        if places is not None:
            bounds = (job_id(batch, places[0] - 1), job_id(batch, places[1] + 1))
        return int(self.read("count_pending", bounds)[0][0])

    def is_pending(self, job: int) -> bool:
        """Whether a job has no final outcome since it was last queued."""
        return bool(self.read("pending_jobs", (job - 1, job + 1, 1)))

    def count_jobs(self, batch: int) -> int:
        """How many jobs a batch has."""
        return int(self.read("count_jobs", _jobs_of(batch))[0][0])

    def tally(self, batch: int) -> dict[State, int]:
        """How many jobs ended in which state."""
        return {State(state): count for state, count in self.read("tally", _attempts_of(batch))}

    def final_states(self, batch: int) -> dict[int, State]:
        """The state of each job that has ended."""
        return {job: State(state) for job, state in self.read("final_states", _attempts_of(batch))}

    def needs(self, batch: int) -> list[tuple[int, int, str]]:
        """(job, needed job, condition) for all of a batch; for a group (group, job, `member`)."""
        return [
            (job, needed, when)
            for job, needed, when in self.read("needs_of_batch", (job_id(batch, 0), job_id(batch + 1, 0)))
        ]

    def groups_of(self, job: int) -> list[int]:
        """The ids of the groups that a job belongs to."""
        return [group for (group,) in self.read("groups_of_job", (job,))]

    def last_place(self, batch: int) -> int:
        """The place of the last job of a batch; 0 when it has none."""
        last = self.read("last_job", _jobs_of(batch))[0][0]
        return seq_of(last) if last is not None else 0

    def requeue(
        self,
        batch: int,
        states: Iterable[State],
        jobs: Iterable[int] | None = None,
        classes: Iterable[FailureClass] | None = None,
    ) -> int:
        """Open jobs that ended in one of these states again, and those that were skipped because of them.

        Args:
            batch: which batch; it becomes `interrupted` if it was done.
            states: ends to open again.
            jobs: only these jobs, by id; None: all.
            classes: only what failed so; None: all.

        Returns how many jobs were opened. One that has used up its attempt numbers stays as it is.
        """
        low, high = _attempts_of(batch)
        chosen = {
            "low": low,
            "high": high,
            "states": json.dumps([state.value for state in states]),
            "jobs": None if jobs is None else json.dumps(list(jobs)),
            "classes": None if classes is None else json.dumps([one.value for one in classes]),
        }
        with self.transaction() as connection:
            connection.execute(statements.get("begin_requeue"))
            connection.execute(statements.get("choose_again"), chosen)
            connection.execute(statements.get("keep_exhausted"))
            count = connection.execute(statements.get("requeue")).rowcount
            connection.execute(statements.get("forget_unstarted"))
            connection.execute(statements.get("end_requeue"))
            if count:
                connection.execute(statements.get("reopen_batch"), (batch,))
        return count

    def attempts(self, batch: int, job: int | None = None) -> Iterator[AttemptRow]:
        """The outcomes of a batch, or of one job, in order; read as they are asked for."""
        return self.attempts_between(*(_attempts_of(batch) if job is None else ((job << 8) - 1, (job + 1) << 8)))

    def attempts_between(self, after: int, end: int) -> Iterator[AttemptRow]:
        """The outcomes after an attempt and before another, in order."""
        # In pages: an open cursor would keep the write-ahead log from being reset for as long as the reader takes.
        while rows := self.read("attempts", (after, end, _PAGE)):
            for row in rows:
                yield AttemptRow(
                    outcome=outcome_from(row),
                    final=bool(row[1]),
                    terms=row[18],
                    name=row[19] or "",
                    payload=row[20],
                )
            after = rows[-1][0]


def _jobs_of(batch: int) -> tuple[int, int]:
    return job_id(batch, 0), job_id(batch, GROUP_BASE)


def _attempts_of(batch: int) -> tuple[int, int]:
    return job_id(batch, 0) << 8, job_id(batch, GROUP_BASE) << 8
