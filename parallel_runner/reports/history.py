"""Batches as they are listed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from parallel_runner.ids import MAX_SEQ, batch_name, job_id, seq_of
from parallel_runner.journal.owners import is_alive
from parallel_runner.journal.rows import BatchRow, batch_from
from parallel_runner.journal.store import Journal
from parallel_runner.model.lifecycle import State
from parallel_runner.reports.records import Record, Stamp, text_of

_PAGE = 100
RUNNING = "running"
INTERRUPTED = "interrupted"
STATES = (RUNNING, INTERRUPTED, "done", "failed")
"""What `--state` knows: `failed` is any batch with a job that did not end as asked."""


class BatchRecord(Record, kw_only=True, frozen=True, tag_field="type", tag="batch"):
    """A batch."""

    batch: Annotated[str, Meta(examples=["b17"])]
    name: str | None
    state: Annotated[str, Meta(description="running, interrupted, done; or another one that its file asks for.")]
    created_at: Stamp
    ended_at: Stamp | None
    jobs: Annotated[int, Meta(description="How many are known.", ge=0)]
    tally: Annotated[dict[State, int], Meta(description="How many jobs ended in which state.")]
    cwd: str
    command: str


class Filter(NamedTuple):
    """Which batches are wanted. None: whatever it is."""

    state: str | None = None
    failed: bool = False
    since: float | None = None
    """Seconds since the epoch; batches made then or later."""
    until: float | None = None
    name: str | None = None
    """A pattern for GLOB."""
    command: str | None = None
    """Text that is in the command line, whatever its case."""
    cwd: bytes | None = None


def batches(journal: Journal, wanted: Filter, limit: int) -> Iterator[BatchRecord]:
    """The latest batches that are wanted, the last first."""
    values: dict[str, Any] = {
        "since": wanted.since,
        "until": wanted.until,
        "name": wanted.name,
        "command": wanted.command,
        "cwd": wanted.cwd,
        "failed": int(wanted.failed or wanted.state == "failed"),
        "before": 1 << 62,
        "limit": _PAGE,
    }
    left = limit
    while left and (rows := journal.read("select_batches", values)):
        for row in map(batch_from, rows):
            state = state_of(journal, row)
            # Who is alive is not in the database.
            if wanted.state in (None, "failed", state):
                yield _record(journal, row, state)
                left -= 1
                if not left:
                    return
        values["before"] = rows[-1][0]


def state_of(journal: Journal, row: BatchRow) -> str:
    """What a batch is, its runner's death taken into account."""
    if row.state != "open":
        return row.state
    return RUNNING if row.owner and is_alive(journal.layout, row.owner) else INTERRUPTED


def _record(journal: Journal, row: BatchRow, state: str) -> BatchRecord:
    return BatchRecord(
        batch=batch_name(row.id),
        name=row.header.name or None,
        state=state,
        created_at=row.created_at.isoformat(),
        ended_at=row.ended_at.isoformat() if row.ended_at else None,
        jobs=_jobs(journal, row.id),
        tally=journal.tally(row.id),
        cwd=text_of(row.header.cwd)[0],
        command=row.command,
    )


def _jobs(journal: Journal, batch: int) -> int:
    """How many jobs it has: their places leave no gap, so that the last one tells."""
    last = journal.read("last_job", (job_id(batch, 0), job_id(batch, MAX_SEQ)))[0][0]
    return seq_of(last) if last else 0
