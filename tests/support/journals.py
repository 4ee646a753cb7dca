"""Journals, batches and spools for tests, made as the program makes them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import msgspec

from parallel_runner.ids import attempt_id, job_id
from parallel_runner.journal import spool
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.locks import LivenessLock
from parallel_runner.journal.owners import boot_id
from parallel_runner.journal.rows import unpack_attempts
from parallel_runner.journal.store import Journal
from parallel_runner.model.batch import BatchHeader
from parallel_runner.model.job import JobSpec, Need
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.terms import Terms

OTHER_BOOT = "00000000-0000-0000-0000-000000000000"


def open_journal(directory: Path) -> Journal:
    """A journal under `directory`."""
    return Journal(StateLayout(str(directory / "state")))


def specs(count: int, *, terms: int = 0) -> list[JobSpec]:
    """Jobs with keys and payloads of their own."""
    return [JobSpec(terms=terms, payload=b"job %d" % i, key=struct.pack(">QQ", 7, i)) for i in range(count)]


def chain(count: int) -> list[JobSpec]:
    """Jobs each of which needs the one before."""
    plain = specs(count)
    return [plain[0]] + [
        msgspec.structs.replace(spec, needs=(Need(place),)) for place, spec in enumerate(plain[1:], start=1)
    ]


def make_batch(
    journal: Journal, jobs: list[JobSpec], *, owner: str = "owner", terms: tuple[Terms, ...] = (Terms(),)
) -> int:
    """A committed batch, its input complete."""
    batch = journal.create_batch(BatchHeader(name="test", cwd=b"/tmp", identity=b"x", terms=terms), owner, "x")
    journal.add_jobs(batch, 1, jobs)
    journal.finish_input(batch)
    journal.flush()
    return batch


def attempt(batch: int, seq: int, number: int = 1) -> int:
    """An attempt by its parts."""
    return attempt_id(job_id(batch, seq), number)


def done(ident: int) -> Outcome:
    """A success."""
    return Outcome(ident, State.SUCCEEDED, exit_code=0, started_at=1.5e9)


def failed(ident: int, exit_code: int = 1) -> Outcome:
    """A failure."""
    return Outcome(ident, State.FAILED, FailureClass.EXIT, exit_code=exit_code, started_at=1.5e9)


def record(journal: Journal, *outcomes: Outcome) -> None:
    """Commit final outcomes."""
    journal.add_outcomes((outcome, True) for outcome in outcomes)
    journal.flush()


def write_spool(
    layout: StateLayout, worker: str, records: Iterable[spool.Record], *, boot: str = "", tail: bytes = b""
) -> None:
    """A spool as a worker leaves it, with `tail` as what was torn."""
    opened = spool.Opened(worker, worker.partition("-")[0], "bash", 1, 1, boot or boot_id())
    writer = spool.SpoolWriter(layout.spool(worker), opened)
    try:
        writer.append(b"".join(spool.pack(one) for one in records) + tail)
    finally:
        writer.close()


def hold_lock(path: str) -> LivenessLock:
    """Be alive: hold a lock that nobody else has."""
    lock = LivenessLock.acquire(path)
    assert lock is not None, path
    return lock


def leases(journal: Journal) -> dict[str, tuple[int, ...]]:
    """Who holds what, as committed."""
    return {row[0]: unpack_attempts(row[2]) for row in journal.read("all_leases")}


def states(journal: Journal, batch: int) -> dict[int, list[str]]:
    """Each job's outcomes in order, those that are not final with a `+`, by its place in the batch."""
    told: dict[int, list[str]] = {}
    for row in journal.attempts(batch):
        place = (row.outcome.attempt >> 8) & 0xFFFFFFFF
        told.setdefault(place, []).append(row.outcome.state.value + ("" if row.final else "+"))
    return told


def pending(journal: Journal, batch: int) -> list[int]:
    """The places of the jobs that are still to do."""
    return [job.id & 0xFFFFFFFF for job in journal.pending_jobs(batch, 0, 1_000_000)]
