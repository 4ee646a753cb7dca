"""The journal on a real file: what is gathered, what is committed, what is read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from parallel_runner.errors import JournalBusyError, StateError
from parallel_runner.ids import MAX_ATTEMPTS, job_id
from parallel_runner.journal.store import Journal
from parallel_runner.model.batch import BatchHeader
from parallel_runner.model.job import JobSpec
from parallel_runner.model.lifecycle import State
from parallel_runner.model.outcome import Extent, Outcome, Output
from parallel_runner.model.terms import Limits, Terms
from tests.support.journals import (
    attempt,
    chain,
    done,
    failed,
    leases,
    make_batch,
    open_journal,
    pending,
    record,
    specs,
    states,
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = open_journal(tmp_path)
    yield journal
    journal.close()


def skipped(ident: int) -> Outcome:
    return Outcome(ident, State.SKIPPED)


def test_a_batch_comes_back_as_it_was(journal: Journal) -> None:
    terms = (Terms(), Terms(tool="grep", cwd=b"/\xff", limits=Limits(timeout=1.5), env=((b"A", b"\xfe"),)))
    header = BatchHeader(name="n", cwd=b"/\xff", identity=b"\x00x", results="out", terms=terms)
    batch = journal.create_batch(header, "me", "run x")
    row = journal.batch(batch)
    assert (row.header, row.owner, row.command, row.state) == (header, "me", "run x", "open")
    assert not row.input_complete
    assert row.created_at.tzinfo is not None
    assert row.ended_at is None
    journal.finish_input(batch)
    journal.end_batch(batch, "done")
    journal.flush()
    row = journal.batch(batch)
    assert (row.input_complete, row.state, row.owner) == (True, "done", None)
    assert row.ended_at is not None
    assert row.ended_at >= row.created_at
    with pytest.raises(StateError, match=f"no batch b{batch + 1}"):
        journal.batch(batch + 1)


def test_nothing_gathered_is_seen_before_the_flush(journal: Journal) -> None:
    batch = make_batch(journal, [])
    journal.add_jobs(batch, 1, specs(3))
    assert journal.pending_rows == 3
    assert pending(journal, batch) == []
    journal.flush()
    assert journal.pending_rows == 0
    assert pending(journal, batch) == [1, 2, 3]


def test_a_locked_journal_loses_nothing(journal: Journal) -> None:
    batch = make_batch(journal, specs(2))
    other = sqlite3.connect(journal.layout.journal, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal.add_outcomes([(done(attempt(batch, 1)), True)])
    with pytest.raises(JournalBusyError, match="locked by another process"):
        journal.flush()
    assert journal.pending_rows == 1
    journal.add_outcomes([(done(attempt(batch, 2)), True)])
    other.execute("ROLLBACK")
    other.close()
    journal.flush()
    assert journal.tally(batch) == {State.SUCCEEDED: 2}


def test_the_first_word_about_an_attempt_stands(journal: Journal) -> None:
    batch = make_batch(journal, specs(1))
    record(journal, done(attempt(batch, 1)))
    record(journal, failed(attempt(batch, 1)))
    assert states(journal, batch) == {1: ["succeeded"]}


def test_pending_jobs_are_told_in_pages_with_their_attempts(journal: Journal) -> None:
    other = make_batch(journal, specs(3))
    batch = make_batch(journal, [JobSpec(payload=b"p", key=b"k" * 16, name=f"n{i}", terms=i) for i in range(5)])
    record(journal, done(attempt(batch, 2)), done(attempt(other, 1)))
    journal.add_outcomes([(failed(attempt(batch, 4, 1)), False), (failed(attempt(batch, 4, 2)), False)])
    journal.flush()
    first = journal.pending_jobs(batch, 0, 2)
    assert [(job.id, job.terms, job.name, job.payload, job.number) for job in first] == [
        (job_id(batch, 1), 0, "n0", b"p", 0),
        (job_id(batch, 3), 2, "n2", b"p", 0),
    ]
    assert [(job.id, job.number) for job in journal.pending_jobs(batch, 3, 9)] == [
        (job_id(batch, 4), 2),
        (job_id(batch, 5), 0),
    ]
    assert journal.count_pending(batch) == 4
    assert journal.count_jobs(batch) == 5
    assert pending(journal, other) == [2, 3]


def test_a_lease_row_says_all_that_a_worker_holds(journal: Journal) -> None:
    journal.set_lease("o-1", "o", [5, 6])
    journal.set_lease("o-2", "o", [7])
    journal.set_lease("o-1", "o", [6, 8])
    journal.drop_lease("o-2")
    journal.flush()
    assert leases(journal) == {"o-1": (6, 8)}


def test_retry_opens_ends_again_without_changing_them(journal: Journal) -> None:
    batch = make_batch(journal, specs(4))
    timed_out = Outcome(attempt(batch, 3), State.TIMED_OUT)
    record(journal, failed(attempt(batch, 1)), done(attempt(batch, 2)), timed_out, failed(attempt(batch, 4)))
    journal.end_batch(batch, "done")
    journal.flush()
    assert journal.requeue(batch, [State.FAILED], [job_id(batch, 1)]) == 1
    assert journal.batch(batch).state == "interrupted"
    assert pending(journal, batch) == [1]
    assert journal.requeue(batch, [State.FAILED, State.TIMED_OUT]) == 2
    assert pending(journal, batch) == [1, 3, 4]
    assert journal.requeue(batch, [State.FAILED, State.TIMED_OUT]) == 0
    assert journal.tally(batch) == {State.SUCCEEDED: 1}
    record(journal, done(attempt(batch, 1, 2)))
    assert states(journal, batch)[1] == ["failed", "succeeded"]
    assert journal.tally(batch) == {State.SUCCEEDED: 2}
    assert journal.final_states(batch) == {job_id(batch, 1): State.SUCCEEDED, job_id(batch, 2): State.SUCCEEDED}


def test_retry_opens_what_was_skipped_because_of_it_and_nothing_else(journal: Journal) -> None:
    batch = make_batch(journal, [*chain(3), *specs(1)])
    record(journal, failed(attempt(batch, 1)), skipped(attempt(batch, 2)), skipped(attempt(batch, 3)))
    record(journal, skipped(attempt(batch, 4)))
    assert journal.requeue(batch, [State.FAILED]) == 3
    assert pending(journal, batch) == [1, 2, 3]


@pytest.mark.parametrize("number", [0, 1])
def test_a_job_can_be_skipped_opened_and_skipped_again(journal: Journal, number: int) -> None:
    batch = make_batch(journal, chain(2))
    for again in (0, 1, 2):
        record(journal, failed(attempt(batch, 1, again + 1)))
        record(journal, skipped(attempt(batch, 2, number and number + again)))
        assert pending(journal, batch) == []
        assert journal.requeue(batch, [State.FAILED]) == 2
        assert pending(journal, batch) == [1, 2]


def test_a_job_without_a_number_for_another_attempt_stays_ended(journal: Journal) -> None:
    batch = make_batch(journal, specs(1))
    record(journal, failed(attempt(batch, 1, MAX_ATTEMPTS)))
    assert journal.requeue(batch, [State.FAILED]) == 0
    assert pending(journal, batch) == []


def test_attempts_are_told_in_order_over_many_pages(journal: Journal) -> None:
    batch = make_batch(journal, specs(700))
    later = make_batch(journal, specs(1))
    out = Output(9_000_000, b"", (Extent("o-1.seg", 5, 100),), truncated=True)
    record(journal, *(done(attempt(batch, seq)) for seq in range(1, 700)), done(attempt(later, 1)))
    record(journal, Outcome(attempt(batch, 700), State.FAILED, out=out, err=Output(2, b"\xff\n")))
    rows = list(journal.attempts(batch))
    assert [row.outcome.attempt for row in rows] == [attempt(batch, seq) for seq in range(1, 701)]
    assert (rows[6].payload, rows[6].final) == (b"job 6", True)
    assert (rows[-1].outcome.out, rows[-1].outcome.err.inline) == (out, b"\xff\n")
    assert [row.outcome.attempt for row in journal.attempts(batch, job_id(batch, 3))] == [attempt(batch, 3)]


def test_a_batch_is_claimed_once(journal: Journal) -> None:
    batch = make_batch(journal, specs(1), owner="dead")
    assert not journal.claim_batch(batch, "me", None)
    journal.set_lease("dead-1", "dead", [attempt(batch, 1)])
    journal.flush()
    # Its leases must be looked at first.
    assert not journal.claim_batch(batch, "me", "dead")
    journal.drop_lease("dead-1")
    journal.flush()
    assert journal.claim_batch(batch, "me", "dead")
    assert not journal.claim_batch(batch, "you", "dead")
    assert journal.batch(batch).owner == "me"


def test_unfinished_batches_are_found_by_what_they_run_and_where(journal: Journal) -> None:
    first, second, third = (make_batch(journal, []) for _ in range(3))
    journal.end_batch(second, "done")
    journal.end_batch(third, "interrupted")
    journal.flush()
    assert [row.id for row in journal.unfinished(b"/tmp", b"x")] == [third, first]
    assert journal.unfinished(b"/", b"x") == journal.unfinished(b"/tmp", b"y") == []
    assert [row.id for row in journal.batches(2)] == [third, second]


def test_nobody_else_may_read_the_files(journal: Journal) -> None:
    make_batch(journal, specs(1))
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        assert os.stat(f"{journal.layout.root}/{name}").st_mode & 0o077 == 0, name
