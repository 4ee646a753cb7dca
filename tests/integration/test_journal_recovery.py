"""What a new owner makes of what dead ones left: owner dead or alive, worker dead or alive, spool as it may be."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from parallel_runner.errors import JournalBusyError
from parallel_runner.ids import job_of, number_of
from parallel_runner.journal import owners, recovery
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.spool import Began, Ended, Freed, Record
from parallel_runner.journal.store import Journal
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.terms import RetryPolicy, Terms
from tests.support.journals import (
    OTHER_BOOT,
    attempt,
    done,
    failed,
    hold_lock,
    leases,
    make_batch,
    open_journal,
    pending,
    record,
    specs,
    states,
    write_spool,
)

DEAD = "deadbeef0000"
WORKER = f"{DEAD}-1"
BATCH = 1
"""The first batch of a journal."""
PLAIN = Terms()


def never(tool: str) -> bool:
    return False


def began(seq: int, number: int = 1) -> Began:
    return Began(attempt(BATCH, seq, number), 1.5e9)


def ended(seq: int) -> Ended:
    return Ended(done(attempt(BATCH, seq)))


def prepare(journal: Journal, lease: tuple[int, ...], terms: Terms, boot: str) -> None:
    """A batch of three jobs, run by an owner that is no more."""
    assert make_batch(journal, specs(3), owner=DEAD, terms=(terms,)) == BATCH
    journal.gather("add_owner", [(DEAD, 1, boot, "run", 1.5e9)])
    journal.set_lease(WORKER, DEAD, [attempt(BATCH, seq) for seq in lease])
    journal.flush()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = open_journal(tmp_path)
    yield journal
    journal.close()


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is there, and what is to come of it."""

    told: str
    records: tuple[Record, ...] | None
    """What the worker's spool says; None: there is no spool."""
    states: dict[int, list[str]]
    """Outcomes by place; those with `+` are not final."""
    pending: list[int]
    alive: bool = False
    kept: tuple[int, ...] = ()
    """Places that stay leased."""
    doubtful: tuple[int, ...] = ()
    terms: Terms = PLAIN
    rebooted: bool = False
    tail: bytes = b""
    batch: str = "interrupted"


CASES = [
    Case(told="nothing began", records=(), states={}, pending=[1, 2, 3]),
    Case(told="no spool", records=None, states={}, pending=[1, 2, 3]),
    Case(told="one ended", records=(began(1), ended(1)), states={1: ["succeeded"]}, pending=[2, 3]),
    Case(
        told="one ended, one in hand",
        records=(began(1), ended(1), began(2)),
        states={1: ["succeeded"], 2: ["unknown"]},
        pending=[3],
        doubtful=(2,),
    ),
    Case(
        told="in hand, harmless",
        records=(began(1),),
        terms=Terms(idempotent=True),
        states={1: ["unknown+"]},
        pending=[1, 2, 3],
        doubtful=(1,),
    ),
    Case(
        told="in hand, to be run again whatever comes",
        records=(began(1),),
        terms=Terms(on_unknown="rerun"),
        states={1: ["unknown+"]},
        pending=[1, 2, 3],
        doubtful=(1,),
    ),
    Case(
        told="all ended",
        records=(began(1), ended(1), began(2), ended(2), began(3), ended(3)),
        states={1: ["succeeded"], 2: ["succeeded"], 3: ["succeeded"]},
        pending=[],
        batch="done",
    ),
    Case(
        told="failed, with a retry left",
        records=(began(1), Ended(failed(attempt(BATCH, 1)))),
        terms=Terms(retry=RetryPolicy(max=1)),
        states={1: ["failed+"]},
        pending=[1, 2, 3],
    ),
    Case(
        told="the outcome is torn",
        records=(began(1),),
        tail=b"\x40\0\0\0half",
        states={1: ["unknown"]},
        pending=[2, 3],
        doubtful=(1,),
    ),
    Case(
        told="orphan with all its leases",
        alive=True,
        records=(began(1), ended(1), began(2)),
        states={1: ["succeeded"]},
        pending=[2, 3],
        kept=(2, 3),
    ),
    Case(
        told="orphan that has freed what it did not begin",
        alive=True,
        records=(began(1), ended(1), began(2), Freed(attempt(BATCH, 2))),
        states={1: ["succeeded"]},
        pending=[2, 3],
        kept=(2,),
    ),
    Case(
        told="orphan that has told its last outcome",
        alive=True,
        records=(began(1), Freed(attempt(BATCH, 1)), ended(1)),
        states={1: ["succeeded"]},
        pending=[2, 3],
    ),
    Case(told="idle orphan", alive=True, records=(Freed(0),), states={}, pending=[1, 2, 3]),
    Case(
        told="orphan that ended",
        records=(began(1), Freed(attempt(BATCH, 1)), ended(1)),
        states={1: ["succeeded"]},
        pending=[2, 3],
    ),
    Case(
        told="orphan that was killed",
        records=(began(1), Freed(attempt(BATCH, 1))),
        states={1: ["unknown"]},
        pending=[2, 3],
        doubtful=(1,),
    ),
    Case(
        told="power loss, spool gone",
        rebooted=True,
        records=None,
        states={1: ["unknown"], 2: ["unknown"], 3: ["unknown"]},
        pending=[],
        doubtful=(1, 2, 3),
        batch="done",
    ),
    Case(
        told="power loss, spool torn",
        rebooted=True,
        records=(began(1), ended(1)),
        tail=b"\0" * 100,
        states={1: ["succeeded"], 2: ["unknown"], 3: ["unknown"]},
        pending=[],
        doubtful=(2, 3),
        batch="done",
    ),
    Case(
        told="restart of the machine, spool whole",
        rebooted=True,
        records=(began(1), ended(1), began(2)),
        states={1: ["succeeded"], 2: ["unknown"]},
        pending=[3],
        doubtful=(2,),
    ),
]


def build(case: Case, journal: Journal) -> None:
    boot = OTHER_BOOT if case.rebooted else owners.boot_id()
    prepare(journal, (1, 2, 3), case.terms, boot)
    if case.records is not None:
        write_spool(journal.layout, WORKER, case.records, boot=boot, tail=case.tail)


def check(case: Case, journal: Journal) -> None:
    assert states(journal, BATCH) == case.states
    assert pending(journal, BATCH) == case.pending
    kept = tuple(attempt(BATCH, seq) for seq in case.kept)
    assert leases(journal) == ({WORKER: kept} if case.alive else {})
    assert (journal.batch(BATCH).state, journal.batch(BATCH).owner) == (case.batch, None)
    assert journal.read("all_owners") == []
    assert os.path.exists(journal.layout.spool(WORKER)) == case.alive
    assert os.listdir(f"{journal.layout.root}/owners") == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.told.replace(" ", "-"))
def test_a_dead_owner(case: Case, journal: Journal) -> None:
    build(case, journal)
    lock = hold_lock(journal.layout.worker_lock(WORKER)) if case.alive else None
    report = recovery.recover(journal, "me", never)
    check(case, journal)
    assert report.doubtful == [attempt(BATCH, seq) for seq in case.doubtful]
    assert report.owners == 1
    assert [(outcome.attempt, final) for outcome, final in report.outcomes] == [
        (row.outcome.attempt, row.final) for row in journal.attempts(BATCH)
    ]
    assert report.adopted == len(report.outcomes) - len(report.doubtful)
    assert [orphan.attempts for orphan in report.orphans] == (
        [tuple(attempt(BATCH, seq) for seq in case.kept)] if case.alive else []
    )
    again = recovery.recover(journal, "me", never)
    check(case, journal)
    assert (again.adopted, again.doubtful, again.owners) == (0, [], 0)
    if lock is not None:
        lock.close()


def test_an_owner_that_lives_is_left_alone(journal: Journal) -> None:
    prepare(journal, (1, 2), Terms(), owners.boot_id())
    write_spool(journal.layout, WORKER, (began(1), ended(1), began(2)))
    lock = hold_lock(journal.layout.owner_lock(DEAD))
    report = recovery.recover(journal, "me", never)
    assert report == recovery.Report()
    assert states(journal, BATCH) == {}
    assert journal.batch(BATCH).owner == DEAD
    lock.close()


def test_my_own_workers_are_left_alone(journal: Journal) -> None:
    me = owners.register(journal, "run")
    make_batch(journal, specs(1), owner=me.token)
    write_spool(journal.layout, f"{me.token}-1", (began(1), ended(1)))
    assert recovery.recover(journal, me.token, never) == recovery.Report()
    os.unlink(journal.layout.spool(f"{me.token}-1"))
    owners.unregister(journal, me)
    assert journal.read("all_owners") == []


def test_an_orphan_is_watched_to_its_end(journal: Journal) -> None:
    prepare(journal, (1, 2, 3), Terms(), owners.boot_id())
    write_spool(journal.layout, WORKER, (began(1),))
    worker = hold_lock(journal.layout.worker_lock(WORKER))
    report = recovery.recover(journal, "me", never)
    assert [(orphan.worker, orphan.pid, orphan.freed) for orphan in report.orphans] == [(WORKER, 1, False)]
    assert len(report.orphans[0].attempts) == 3
    os.unlink(journal.layout.spool(WORKER))
    write_spool(journal.layout, WORKER, (began(1), Freed(attempt(BATCH, 1))))
    assert recovery.recover(journal, "me", never).orphans[0].attempts == (attempt(BATCH, 1),)
    os.unlink(journal.layout.spool(WORKER))
    write_spool(journal.layout, WORKER, (began(1), Freed(attempt(BATCH, 1)), ended(1)))
    record(journal, done(attempt(BATCH, 2)), done(attempt(BATCH, 3)))
    worker.close()
    report = recovery.recover(journal, "me", never)
    assert (report.adopted, report.orphans, report.dead) == (1, [], [WORKER])
    assert journal.batch(BATCH).state == "done"


def test_an_outcome_that_was_committed_is_not_in_doubt(journal: Journal) -> None:
    prepare(journal, (1, 2), Terms(), owners.boot_id())
    write_spool(journal.layout, WORKER, (began(1),))
    record(journal, done(attempt(BATCH, 1)))
    report = recovery.recover(journal, "me", never)
    assert report.doubtful == []
    assert states(journal, BATCH) == {1: ["succeeded"]}


def test_a_spool_of_a_batch_that_is_gone_is_cleared_away(journal: Journal) -> None:
    write_spool(journal.layout, WORKER, (began(1), ended(1), began(2)))
    report = recovery.recover(journal, "me", never)
    assert (report.adopted, report.doubtful, report.dead) == (0, [], [WORKER])
    assert os.listdir(f"{journal.layout.root}/spool") == []


def test_what_was_lost_before_counts(journal: Journal) -> None:
    prepare(journal, (1,), Terms(on_unknown="rerun", retry=RetryPolicy(lost_retries=1)), owners.boot_id())
    lost = Outcome(attempt(BATCH, 1), State.FAILED, FailureClass.WORKER_LOST)
    journal.add_outcomes([(lost, False)])
    journal.flush()
    write_spool(journal.layout, WORKER, (began(1, number=2),))
    recovery.recover(journal, "me", never)
    assert states(journal, BATCH)[1] == ["failed+", "unknown"]


def test_the_tool_is_asked_only_when_it_matters(journal: Journal) -> None:
    prepare(journal, (1, 2), Terms(tool="gone"), owners.boot_id())
    write_spool(journal.layout, WORKER, (began(1), ended(1), began(2)))
    asked: list[str] = []

    def read_only(tool: str) -> bool:
        asked.append(tool)
        return True

    recovery.recover(journal, "me", read_only)
    assert asked == ["gone"]
    assert states(journal, BATCH) == {1: ["succeeded"], 2: ["unknown+"]}


# -- killed in the middle of it


def recover_in(directory: str, kill_at: int) -> None:
    """Recover, but kill -9 oneself at the n-th line of it (0: never); in a fresh process."""
    left = kill_at

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.endswith(("journal/recovery.py", "journal/store.py")):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    journal = Journal(StateLayout(directory))
    sys.settrace(trace if kill_at else None)
    while True:
        try:
            recovery.recover(journal, "me", never)
            break
        except JournalBusyError:
            continue
    sys.settrace(None)
    journal.close()


def in_child(directory: str, kill_at: int) -> bool:
    """Whether the recovery came to its end."""
    context = multiprocessing.get_context("fork")
    process = context.Process(target=recover_in, args=(directory, kill_at))
    process.start()
    process.join(30)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == 0


@pytest.mark.parametrize("told", ["one ended, one in hand", "orphan that has freed what it did not begin"])
def test_killed_at_any_line_it_can_be_done_again(told: str, tmp_path: Path) -> None:
    case = next(case for case in CASES if case.told == told)
    journal = open_journal(tmp_path)
    build(case, journal)
    journal.close()
    line = 1
    finished = False
    while not finished:
        home = tmp_path / f"killed-at-{line}"
        shutil.copytree(tmp_path / "state", home / "state")
        lock = hold_lock(f"{home}/state/workers/{WORKER}.lock") if case.alive else None
        finished = in_child(f"{home}/state", line)
        journal = open_journal(home)
        recovery.recover(journal, "me", never)
        check(case, journal)
        journal.close()
        if lock is not None:
            lock.close()
        shutil.rmtree(home)
        line += 3
    assert line > 90


def test_two_that_recover_at_once_find_everything_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    case = CASES[3]
    for round_ in range(10):
        home = tmp_path / str(round_)
        journal = open_journal(home)
        build(case, journal)
        journal.close()
        processes = [context.Process(target=recover_in, args=(f"{home}/state", 0)) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(30)
        assert [process.exitcode for process in processes] == [0, 0, 0]
        journal = open_journal(home)
        check(case, journal)
        journal.close()


def test_numbers_go_on_after_a_recovery(journal: Journal) -> None:
    prepare(journal, (1,), Terms(idempotent=True), owners.boot_id())
    write_spool(journal.layout, WORKER, (began(1),))
    recovery.recover(journal, "me", never)
    first = journal.pending_jobs(BATCH, 0, 1)[0]
    assert (first.id, first.number) == (job_of(attempt(BATCH, 1)), 1)
    assert number_of(attempt(BATCH, 1, first.number + 1)) == 2
