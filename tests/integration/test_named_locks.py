"""Locks by name, among owners of one home."""

from __future__ import annotations

from pathlib import Path

from parallel_runner.ids import job_id
from parallel_runner.journal import named_locks, owners
from tests.support.journals import attempt, hold_lock, make_batch, open_journal, specs


def rows(directory: Path) -> list[tuple[str, str]]:
    journal = open_journal(directory)
    found = [(name, owner) for name, owner, _ in journal.read("all_locks")]
    journal.close()
    return found


def test_all_or_none_and_never_two(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    one, two = owners.register(journal, "run"), owners.register(journal, "run")
    assert named_locks.take(journal, one.token, [(job_id(1, 1), ["a", "b"]), (job_id(1, 2), ["c"])]) == {
        job_id(1, 1),
        job_id(1, 2),
    }
    assert named_locks.take(journal, two.token, [(job_id(2, 1), ["b", "d"]), (job_id(2, 2), ["e"])]) == {
        job_id(2, 2)
    }
    assert [name for name, _ in rows(tmp_path)] == ["a", "b", "c", "e"]
    named_locks.release(journal, one.token, job_id(1, 1))
    journal.flush()
    assert named_locks.take(journal, two.token, [(job_id(2, 1), ["b", "d"])]) == {job_id(2, 1)}
    owners.unregister(journal, two)
    assert rows(tmp_path) == [("c", one.token)]
    owners.unregister(journal, one)
    journal.close()


def test_a_dead_owners_lock_holds_as_long_as_a_worker_has_the_job(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    batch = make_batch(journal, specs(1), owner="dead")
    worker = hold_lock(journal.layout.worker_lock("dead-1"))
    journal.set_lease("dead-1", "dead", [attempt(batch, 1)])
    journal.gather("set_lock", [("a", "dead", job_id(batch, 1)), ("b", "dead", job_id(batch, 9))])
    journal.flush()
    me = owners.register(journal, "run")
    wanted = [(job_id(2, 1), ["a"]), (job_id(2, 2), ["b"])]
    assert named_locks.take(journal, me.token, wanted) == set()
    assert named_locks.are_stale(journal)
    named_locks.clear(journal)
    assert named_locks.take(journal, me.token, wanted) == {job_id(2, 2)}
    assert not named_locks.are_stale(journal)
    worker.close()
    named_locks.clear(journal)
    assert named_locks.take(journal, me.token, wanted) == {job_id(2, 1), job_id(2, 2)}
    owners.unregister(journal, me)
    journal.close()
