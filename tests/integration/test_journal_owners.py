"""Owners on one home: their lives, and the slots they share."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from parallel_runner.journal import owners
from parallel_runner.journal.locks import LivenessLock, is_held
from parallel_runner.journal.store import Journal
from tests.support.journals import hold_lock, leases, open_journal, write_spool


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = open_journal(tmp_path)
    yield journal
    journal.close()


def test_an_owner_lives_as_long_as_its_lock(journal: Journal) -> None:
    me = owners.register(journal, "run")
    assert owners.is_alive(journal.layout, me.token)
    (row,) = journal.read("all_owners")
    assert (row[0], row[1], row[2], row[3], row[4]) == (me.token, os.getpid(), owners.boot_id(), "run", 0)
    me.lock.close()
    assert not owners.is_alive(journal.layout, me.token)


def test_leaving_takes_row_and_lock_away(journal: Journal) -> None:
    me = owners.register(journal, "daemon")
    owners.unregister(journal, me)
    assert journal.read("all_owners") == []
    assert os.listdir(f"{journal.layout.root}/owners") == []
    assert not owners.is_alive(journal.layout, me.token)


def test_leaving_keeps_only_leases_that_a_spool_stands_beside(journal: Journal) -> None:
    me, other = owners.register(journal, "run"), owners.register(journal, "run")
    write_spool(journal.layout, f"{me.token}-2", ())
    for worker in (f"{me.token}-1", f"{me.token}-2", f"{other.token}-1"):
        journal.set_lease(worker, owners.owner_of(worker), [257])
    journal.flush()
    journal.set_lease(f"{me.token}-3", me.token, [513])  # Not flushed.
    owners.unregister(journal, me)
    assert set(leases(journal)) == {f"{me.token}-2", f"{other.token}-1"}
    owners.unregister(journal, other)


def test_slots_of_all_together_stay_within_the_budget(journal: Journal) -> None:
    first, second, third = (owners.register(journal, "run") for _ in range(3))
    assert owners.reserve_slots(journal, first.token, 4, 10) == 4
    assert owners.reserve_slots(journal, second.token, 8, 10) == 6
    assert owners.reserve_slots(journal, third.token, 1, 10) == 0
    # One's own slots are asked for anew, not on top.
    assert owners.reserve_slots(journal, first.token, 2, 10) == 2
    assert owners.reserve_slots(journal, third.token, 9, 10) == 2
    second.lock.close()
    assert owners.reserve_slots(journal, third.token, 9, 10) == 8
    for owner in (first, third):
        owners.unregister(journal, owner)


def test_a_dead_owners_living_workers_keep_their_slots(journal: Journal) -> None:
    me = owners.register(journal, "run")
    other = owners.register(journal, "run")
    dead = ["dead00000000-1", "dead00000000-2", "dead00000000-3"]
    for worker in (*dead, f"{me.token}-1", f"{other.token}-1"):
        write_spool(journal.layout, worker, ())
    # Of the living owners' workers only the owners' own numbers count.
    names = [*dead[:2], f"{me.token}-1", f"{other.token}-1"]
    locks = [hold_lock(journal.layout.worker_lock(name)) for name in names]
    assert owners.reserve_slots(journal, other.token, 3, 10) == 3
    assert owners.reserve_slots(journal, me.token, 100, 10) == 10 - 3 - 2
    locks[0].close()
    assert owners.reserve_slots(journal, me.token, 100, 10) == 10 - 3 - 1
    for lock in locks:
        lock.close()
    for owner in (me, other):
        owners.unregister(journal, owner)


def test_asking_who_lives_does_not_make_others_think_so(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    lock = hold_lock(path)
    assert is_held(path)
    assert LivenessLock.acquire(path) is None
    lock.close()
    asker = os.open(path, os.O_RDONLY)
    fcntl.flock(asker, fcntl.LOCK_SH)  # Somebody else who is just asking.
    assert not is_held(path)
    os.close(asker)
    assert not is_held(str(tmp_path / "none"))
