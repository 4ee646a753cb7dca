"""Pruning: what is old goes with all that belongs to it, and nobody is kept waiting."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from parallel_runner.errors import JournalBusyError
from parallel_runner.journal import owners
from parallel_runner.journal.prune import prune
from parallel_runner.journal.store import Journal
from parallel_runner.model.lifecycle import State
from parallel_runner.model.outcome import Extent, Outcome, Output
from parallel_runner.model.terms import Terms
from tests.support.journals import (
    attempt,
    chain,
    done,
    failed,
    hold_lock,
    make_batch,
    open_journal,
    record,
    write_spool,
)

NOW = datetime.now(timezone.utc)
LATER = NOW + timedelta(days=40)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = open_journal(tmp_path)
    yield journal
    journal.close()


def ended(journal: Journal, count: int = 3, state: str = "done") -> int:
    batch = make_batch(journal, chain(count))
    record(journal, *(done(attempt(batch, seq)) for seq in range(1, count + 1)))
    journal.end_batch(batch, state)
    journal.flush()
    return batch


def rows(journal: Journal, batch: int) -> tuple[int, int, int]:
    return journal.count_jobs(batch), len(list(journal.attempts(batch))), len(journal.needs(batch))


def segment(journal: Journal, worker: str) -> Path:
    path = Path(journal.layout.segment(f"{worker}.seg"))
    path.write_bytes(b"x" * 1000)
    return path


def test_old_batches_go_with_all_that_belongs_to_them(journal: Journal) -> None:
    old, kept = ended(journal), ended(journal, 4)
    record(journal, failed(attempt(kept, 4, 2)))
    again = ended(journal)
    record(journal, failed(attempt(again, 1, 2)))
    journal.requeue(again, [State.FAILED, State.SUCCEEDED])
    journal.claim_batch(kept, "me", None)
    pruned = prune(journal, 30, LATER, unfinished=True)
    # 3 jobs, 3 outcomes, 2 needs; the same again, with a further outcome and 3 marks of `retry`.
    assert (pruned.batches, pruned.rows) == (2, 8 + 8 + 1 + 3)
    assert [row.id for row in journal.batches(9)] == [kept]
    assert rows(journal, old) == rows(journal, again) == (0, 0, 0)
    assert rows(journal, kept) == (4, 5, 3)
    assert prune(journal, 30, LATER).rows == 0


def test_what_is_young_open_or_in_hand_stays(journal: Journal) -> None:
    young = ended(journal)
    running = make_batch(journal, chain(2))
    held = ended(journal, state="interrupted")
    journal.set_lease("o-1", "o", [attempt(held, 1, 2)])
    journal.flush()
    assert prune(journal, 30, NOW).batches == 0
    assert prune(journal, 30, LATER).batches == 1
    assert [row.id for row in journal.batches(9)] == [held, running]
    assert rows(journal, young) == (0, 0, 0)


def test_what_a_killed_prune_left_is_found(journal: Journal) -> None:
    old, kept = ended(journal), ended(journal)
    with journal.transaction() as connection:
        connection.execute("DELETE FROM batches WHERE id = ?", (old,))
    pruned = prune(journal, 30, NOW)
    assert (pruned.batches, pruned.rows) == (0, 8)
    assert rows(journal, kept) == (3, 3, 2)


def test_space_goes_back_to_the_file_system(journal: Journal) -> None:
    batch = make_batch(journal, chain(3000))
    output = Output(3000, b"o" * 3000)
    record(journal, *(Outcome(attempt(batch, seq), State.SUCCEEDED, out=output) for seq in range(1, 3001)))
    journal.end_batch(batch, "done")
    journal.flush()
    journal.read("checkpoint")
    before = os.stat(journal.layout.journal).st_size
    pruned = prune(journal, 30, LATER)
    after = os.stat(journal.layout.journal).st_size
    assert before > 9_000_000
    assert after < 300_000
    assert pruned.freed == before - after


def test_segments_go_when_nothing_refers_to_them(journal: Journal) -> None:
    old, kept = make_batch(journal, chain(1)), make_batch(journal, chain(1))
    for batch, name in ((old, "a-1"), (kept, "a-2")):
        out = Output(5000, b"", (Extent(f"{name}.seg", 0, 1000),))
        record(journal, Outcome(attempt(batch, 1), State.SUCCEEDED, err=out))
    journal.end_batch(old, "done")
    journal.flush()
    gone, referred, alive, unread = (segment(journal, name) for name in ("a-1", "a-2", "a-3", "a-4"))
    worker = hold_lock(journal.layout.worker_lock("a-3"))
    write_spool(journal.layout, "a-4", ())
    assert prune(journal, 30, NOW).segments == 0
    assert gone.exists()
    pruned = prune(journal, 30, LATER)
    assert pruned.segments == 1
    assert pruned.freed >= 1000
    assert [path.exists() for path in (gone, referred, alive, unread)] == [False, True, True, True]
    worker.close()


def test_lock_files_of_the_dead_go_when_they_are_old(journal: Journal) -> None:
    me = owners.register(journal, "run")
    layout = journal.layout
    alive = hold_lock(layout.worker_lock("b-1"))
    for path in (layout.worker_lock("b-2"), layout.owner_lock("c")):
        hold_lock(path).close()
    assert prune(journal, 30, datetime.now(timezone.utc)).locks == 0
    assert prune(journal, 30, LATER).locks == 2
    assert os.listdir(f"{layout.root}/workers") == ["b-1.lock"]
    assert os.listdir(f"{layout.root}/owners") == [f"{me.token}.lock"]
    alive.close()
    owners.unregister(journal, me)


def environment(journal: Journal, owner: str) -> tuple[Path, Path]:
    """An environment and a stream, as a runner of that name leaves them."""
    paths = Path(journal.layout.environments, f"{owner}.env"), Path(journal.layout.inputs, f"{owner}.stream")
    for path in paths:
        path.write_bytes(b"SECRET=1\0")
    return paths


def test_environments_go_with_the_last_batch_that_has_them(journal: Journal) -> None:
    me = owners.register(journal, "run")
    old, kept = (Terms(environment=f"{name}.env") for name in ("0ld", "kept"))
    batch = make_batch(journal, chain(1), terms=(Terms(), old))
    journal.end_batch(batch, "interrupted")
    make_batch(journal, chain(1), terms=(kept,))
    journal.flush()
    gone, there, mine, nobodys = (environment(journal, name) for name in ("0ld", "kept", me.token, "nobody"))
    assert prune(journal, 30, NOW).environments == 2
    assert not any(path.exists() for path in nobodys), "a runner died before it had made its batch"
    assert all(path.exists() for path in gone)
    pruned = prune(journal, 30, LATER, unfinished=True)
    assert (pruned.batches, pruned.environments) == (1, 2)
    assert pruned.freed >= 2 * len(b"SECRET=1\0")
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in (*there, *mine))
    owners.unregister(journal, me)
    assert prune(journal, 30, LATER).environments == 2
    assert not any(path.exists() for path in mine)


def test_writers_are_not_kept_waiting(journal: Journal) -> None:
    batch = make_batch(journal, chain(5000))
    record(journal, *(done(attempt(batch, seq)) for seq in range(1, 5001)))
    journal.end_batch(batch, "done")
    journal.flush()
    pid = os.fork()
    if pid == 0:
        # Whatever happens here must not run the test's own teardown.
        code = 1
        try:
            prune(Journal(journal.layout), 30, LATER)
            code = 0
        finally:
            os._exit(code)
    refused = written = 0
    writer = Journal(journal.layout)
    status = 0
    until = time.monotonic() + 60
    while not status and time.monotonic() < until:
        try:
            make_batch(writer, [])
            written += 1
        except JournalBusyError:
            refused += 1
        status, code = os.waitpid(pid, os.WNOHANG)
    assert status == pid
    assert code == 0
    assert rows(writer, batch) == (0, 0, 0)
    assert written > 0
    # It waits 50 ms before it gives up; a step is to take 20.
    assert refused <= written
    writer.close()


def test_what_can_be_gone_on_with_stays_unless_it_is_told_to_go(journal: Journal) -> None:
    ended(journal, state="interrupted")
    assert prune(journal, 30, LATER).batches == 0
    assert prune(journal, 30, LATER, unfinished=True).batches == 1
