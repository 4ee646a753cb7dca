"""Journals of every released schema open, and say what they said."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from parallel_runner.ids import GROUP_BASE, job_id
from parallel_runner.journal import recovery, statements
from parallel_runner.journal.store import Journal
from parallel_runner.model.batch import BatchRules
from parallel_runner.model.lifecycle import State
from tests.compat.make_journal import LONG, RULED, RULES, TERMS
from tests.support.journals import attempt, done, leases, open_journal, pending, record, states

OLD = sorted(Path(__file__).parent.glob("journal-schema-*.db"))


def opened(path: Path, directory: Path) -> Journal:
    (directory / "state").mkdir()
    shutil.copyfile(path, directory / "state" / "journal.db")
    return open_journal(directory)


def test_each_schema_has_its_journal() -> None:
    assert [path.name for path in OLD] == [f"journal-schema-{n}.db" for n in range(1, len(OLD) + 1)]
    assert OLD
    assert all(path.stat().st_size < 100_000 for path in OLD)


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_an_old_journal_says_what_it_said(path: Path, tmp_path: Path) -> None:
    journal = opened(path, tmp_path)
    row = journal.batch(1)
    assert (row.header.name, row.header.cwd, row.header.identity) == ("old", b"/home/\xff", b"echo {}\0")
    assert (row.header.results, row.header.terms) == ("out", TERMS)
    assert (row.owner, row.state, row.input_complete) == ("cafe", "open", True)
    assert row.command == "parallel-runner run 'echo {}'"
    assert states(journal, 1) == {1: ["failed"], 2: ["succeeded"], 3: ["timed_out+"]}
    rows = list(journal.attempts(1))
    assert rows[2].outcome == LONG
    assert (rows[2].terms, rows[2].name, rows[2].payload) == (1, "third", b"\x91\xc4\x01\xff")
    assert journal.needs(1) == [(job_id(1, n + 1), job_id(1, n), "succeeded") for n in (1, 2, 3)]
    assert [(job.id & 0xFF, job.number) for job in journal.pending_jobs(1, 0, 9)] == [(1, 1), (3, 1), (4, 0)]
    assert leases(journal) == {"cafe-1": (attempt(1, 4),)}
    assert journal.tally(2) == {State.SUCCEEDED: 1}
    journal.close()


@pytest.mark.parametrize("path", OLD[1:], ids=lambda path: path.stem)
def test_rules_are_kept(path: Path, tmp_path: Path) -> None:
    journal = opened(path, tmp_path)
    header = journal.batch(3).header
    assert (header.rules, header.terms) == (RULES, RULED)
    group = job_id(3, GROUP_BASE)
    assert journal.needs(3) == [
        (job_id(3, 3), group, "finished"),
        (group, job_id(3, 1), "member"),
        (group, job_id(3, 2), "member"),
    ]
    assert journal.read("all_locks") == [("db", "cafe", job_id(3, 1))]
    journal.close()


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_a_batch_of_before_there_were_rules_has_none(path: Path, tmp_path: Path) -> None:
    journal = opened(path, tmp_path)
    assert journal.batch(1).header.rules == BatchRules()
    journal.close()


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_an_old_journal_gets_the_schema_of_a_new_one(path: Path, tmp_path: Path) -> None:
    """It does not when a migration that is out already was changed, instead of a new one made."""
    journal = opened(path, tmp_path)
    new = sqlite3.connect(":memory:")
    new.executescript(statements.schema())
    query = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
    with journal.deferred() as connection:
        assert connection.execute(query).fetchall() == new.execute(query).fetchall()
    new.close()
    journal.close()


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_an_old_journal_goes_on(path: Path, tmp_path: Path) -> None:
    journal = opened(path, tmp_path)
    report = recovery.recover(journal, "me", lambda _: False)
    # The machine was started since, and that worker's spool is gone with it.
    assert report.doubtful == [attempt(1, 4)]
    assert journal.claim_batch(1, "me", None)
    record(journal, done(attempt(1, 1, 2)), done(attempt(1, 3, 2)))
    assert pending(journal, 1) == []
    assert journal.tally(1) == {State.SUCCEEDED: 3, State.UNKNOWN: 1}
    journal.close()
