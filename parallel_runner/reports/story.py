"""Why a job is where it is: what it is, its attempts, what it waits for, and what to type next."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from msgspec import UNSET, Meta, UnsetType, field, structs

from parallel_runner.ids import attempt_name, batch_name, job_name, job_of, number_of
from parallel_runner.journal.owners import is_alive
from parallel_runner.journal.rows import BatchRow
from parallel_runner.journal.store import AttemptRow, Journal
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome, shell_status
from parallel_runner.model.retry import Past, decide
from parallel_runner.model.terms import Limits, Terms
from parallel_runner.reports.exit_words import exit_words
from parallel_runner.reports.records import Base64, Bytes, Class, Record, Seconds, Stamp, describe, stamp, text_of
from parallel_runner.reports.summary import failed_count
from parallel_runner.reports.waiting import HeldLock, NeedRecord, locks_held, needs_of
from parallel_runner.reports.workers import LiveWorker, WorkerRecord, holder_of, worker_record
from parallel_runner.tools import registry

_ENDS = {"finished": "ended", "failed": "ended and one failed"}
_LOST = frozenset((FailureClass.WORKER_LOST, FailureClass.UNKNOWN))


Where = Literal[
    "ended",
    "running",
    "promised",
    "waits_for_jobs",
    "waits_for_lock",
    "waits_for_retry",
    "waits_for_turn",
    "stopped",
]


class TriedRecord(Record, kw_only=True, frozen=True):
    """An attempt that has ended, without its output."""

    attempt: str
    state: State
    failure: Class = field(name="class")
    exit_code: int | None
    signal: int | None
    meaning: Annotated[str, Meta(description="Exit code, signal or class in words; may be empty.")]
    detail: str
    started_at: Annotated[Stamp | None, Meta(description="Null when it was never executed.")]
    wall: Seconds
    stdout_bytes: Bytes
    stderr_bytes: Bytes
    final: bool


class StoryRecord(Record, kw_only=True, frozen=True, tag_field="type", tag="job"):
    """All that is known of a job."""

    batch: str
    job: str
    id: str | None
    tool: str
    command: str
    command_b64: Base64 | UnsetType = UNSET
    cwd: str
    where: Where
    reason: Annotated[str, Meta(description="The same in a sentence.")]
    state: Annotated[State | None, Meta(description="How it ended; null: it has not.")]
    batch_state: str
    needs: tuple[NeedRecord, ...]
    attempts: tuple[TriedRecord, ...]
    worker: Annotated[WorkerRecord | None, Meta(description="Who runs it, or is to run it.")]
    limits: Annotated[dict[str, float], Meta(description="Those of one attempt: seconds, bytes or counts.")]
    retries: Annotated[int, Meta(description="Attempts that may follow a failed first one.")]
    retry_due_at: Annotated[Stamp | None, Meta(description="When the next attempt may start at the earliest.")]
    next: Annotated[tuple[str, ...], Meta(description="What can be typed now.")]


class Place(NamedTuple):
    """Where a job is."""

    where: Where
    reason: str
    live: LiveWorker | None = None
    due: float = 0.0
    """Seconds since the epoch; 0: no retry is due."""


class Known(NamedTuple):
    """What the place of a job follows from."""

    job: int
    terms: Terms
    rows: Sequence[AttemptRow]
    pending: bool
    needs: Sequence[NeedRecord]
    locks: Sequence[HeldLock]
    """Locks that it must have and that others have."""
    pauses: bool
    """Its batch starts nothing new after a failure, and there was one."""
    holder: LiveWorker | None
    """The worker that its lease names."""
    runner_alive: bool
    batch_state: str
    now: float


def story(journal: Journal, batch: BatchRow, job: int) -> StoryRecord:
    """All that is known of a job of a batch."""
    terms_index, payload, name = journal.read("one_job", (job,))[0][1:4]
    known = _known(journal, batch, job, batch.header.terms[terms_index])
    terms, rows = known.terms, known.rows
    place = place_of(known)
    command, command_b64 = text_of(describe(terms.tool, payload))
    return StoryRecord(
        batch=batch_name(batch.id),
        job=job_name(job),
        id=name or None,
        tool=terms.tool,
        command=command,
        command_b64=command_b64,
        cwd=text_of(terms.cwd)[0],
        where=place.where,
        reason=place.reason,
        state=None if known.pending or not rows else rows[-1].outcome.state,
        batch_state=batch.state if batch.state != "open" or known.runner_alive else "interrupted",
        needs=tuple(known.needs),
        attempts=tuple(_tried(row, terms.tool) for row in rows),
        worker=worker_record(journal, place.live) if place.live else None,
        limits=_limits(terms.limits),
        retries=terms.retry.max,
        retry_due_at=stamp(place.due),
        next=_next(known, place),
    )


def _known(journal: Journal, batch: BatchRow, job: int, terms: Terms) -> Known:
    pauses = batch.header.rules.on_failure == "pause"
    return Known(
        job=job,
        terms=terms,
        rows=list(journal.attempts(batch.id, job)),
        pending=journal.is_pending(job),
        needs=needs_of(journal, batch, job),
        locks=locks_held(journal, job, terms.locks),
        pauses=pauses and failed_count(journal.tally(batch.id)) > 0,
        holder=holder_of(journal, job),
        runner_alive=batch.owner is not None and is_alive(journal.layout, batch.owner),
        batch_state=batch.state,
        now=time.time(),
    )


def place_of(known: Known) -> Place:
    """Where a job is. Pure."""
    if not known.pending and known.rows:
        return Place("ended", _ended(known))
    if known.holder is not None and (place := _held(known, known.holder)) is not None:
        return place
    if not known.runner_alive:
        state = "interrupted" if known.batch_state == "open" else known.batch_state
        return Place("stopped", f"nobody runs its batch now: it is {state}")
    if waits := [need for need in known.needs if not need.met]:
        names = ", ".join(_awaited(need) for need in waits[:10])
        return Place("waits_for_jobs", f"waits until {names}{f' and {len(waits) - 10} more' if waits[10:] else ''}")
    due = _due(known)
    if due > known.now:
        return Place("waits_for_retry", f"attempt {len(known.rows) + 1} is due in {due - known.now:.0f} s", due=due)
    if known.locks:
        names = ", ".join(f"{lock.name}, which {job_name(lock.job)} has" for lock in known.locks)
        return Place("waits_for_lock", f"waits for lock {names}")
    told = "waits for its turn: its runner lives, and starts it when a slot is free"
    pause = "; but after a failure its batch starts nothing new (on_failure: pause)"
    return Place("waits_for_turn", told + (pause if known.pauses else ""))


def _held(known: Known, held: LiveWorker) -> Place | None:
    """Where a job is that a worker's lease names; None: that worker does not hold it any more."""
    orphan = held.condition == "orphan"
    recorded = {row.outcome.attempt for row in known.rows}
    if ended := [attempt for attempt in held.ended - recorded if job_of(attempt) == known.job]:
        told = f"has ended as {attempt_name(max(ended))}"
        if orphan:
            return Place("stopped", f"{told}; its runner is dead, its result is taken over by the next command")
        return Place("running", f"{told}; its runner is about to record that", held)
    if job_of(held.attempt) == known.job:
        if held.lives or not orphan:
            return Place("running", _running(known, held), held)
        told = f"its runner and its worker both died while it ran as {attempt_name(held.attempt)}"
        return Place("stopped", f"{told}; the next command records that")
    if not held.lives or held.freed:
        return None
    return Place("promised", f"promised to worker {held.worker}, which runs another job before it", held)


def _awaited(need: NeedRecord) -> str:
    """A need that is not met, in words."""
    what = {"job": need.called, "phase": f"{need.called} has", "main": "every other job has"}
    subject = what.get(need.kind, f"all jobs of {need.called} have")
    told = f"{subject} {need.when}" if need.kind == "job" else f"{subject} {_ENDS.get(need.when, need.when)}"
    return told + (f" ({need.open} not ended)" if need.kind != "job" and need.open else "")


def _ended(known: Known) -> str:
    outcome = known.rows[-1].outcome
    told = f"ended: {outcome.state.value}"
    if outcome.state is State.QUARANTINED:
        losses = sum(row.outcome.failure in _LOST for row in known.rows)
        return f"{told}: its worker died {losses} times while it ran, so it is not started again by itself"
    words = exit_words(outcome, known.terms.tool)
    return f"{told}: {words}" if words else told


def _running(known: Known, held: LiveWorker) -> str:
    ran = max(0.0, known.now - held.since)
    timeout = known.terms.limits.timeout
    told = f"running as {attempt_name(held.attempt)} on worker {held.worker} (pid {held.pid}) for {ran:.0f} s"
    if timeout is not None:
        told += f", of at most {timeout:g} s"
    return told + ("; its runner is dead, its result will be taken over" if held.condition == "orphan" else "")


def _due(known: Known) -> float:
    """When the attempt that follows the last one may start; 0: at once."""
    if not known.rows:
        return 0.0
    outcome = known.rows[-1].outcome
    losses = sum(row.outcome.failure in _LOST for row in known.rows)
    interrupted = sum(row.outcome.state is State.INTERRUPTED for row in known.rows)
    past = Past(losses, losses + interrupted)
    read_only = known.terms.tool in registry.BUILT_IN and registry.get(known.terms.tool).read_only
    delay = decide(outcome, known.terms, number_of(outcome.attempt), past, read_only=read_only).delay
    return outcome.started_at + outcome.usage.wall + delay if delay else 0.0


def _limits(limits: Limits) -> dict[str, float]:
    return {key: value for key, value in structs.asdict(limits).items() if value is not None}


def _tried(row: AttemptRow, tool: str) -> TriedRecord:
    outcome = row.outcome
    return TriedRecord(
        attempt=attempt_name(outcome.attempt),
        state=outcome.state,
        failure=outcome.failure,
        exit_code=shell_status(outcome) if outcome.started_at else None,
        signal=outcome.signal,
        meaning=exit_words(outcome, tool),
        detail=outcome.detail,
        started_at=stamp(outcome.started_at),
        wall=round(outcome.usage.wall, 6),
        stdout_bytes=outcome.out.size,
        stderr_bytes=outcome.err.size,
        final=row.final,
    )


def _next(known: Known, place: Place) -> tuple[str, ...]:
    """The command lines that make sense now."""
    job = job_name(known.job)
    batch = job.partition(".")[0]
    if place.where == "running":
        return (f"parallel-runner logs {job} --follow", f"parallel-runner cancel {job}")
    if place.where == "stopped":
        return (f"parallel-runner resume {batch}",)
    if place.where == "waits_for_jobs":
        return _culprits(known.needs)
    if place.where == "waits_for_lock":
        return tuple(f"parallel-runner why {job_name(lock.job)}" for lock in known.locks)
    if place.where != "ended":
        return (f"parallel-runner cancel {job}",)
    return _next_of_end(known.rows[-1].outcome, known.needs, job, batch)


def _culprits(needs: Sequence[NeedRecord]) -> tuple[str, ...]:
    return tuple(f"parallel-runner why {job}" for need in needs for job in need.because_of)[:3]


def _next_of_end(outcome: Outcome, needs: Sequence[NeedRecord], job: str, batch: str) -> tuple[str, ...]:
    logs = (f"parallel-runner logs {job}",) if outcome.out.size or outcome.err.size else ()
    if outcome.succeeded:
        return logs
    if outcome.state is State.SKIPPED:
        return (*_culprits(needs), f"parallel-runner retry {batch}")
    if outcome.state is State.UNKNOWN:
        return (*logs, f"parallel-runner retry --unknown {batch}")
    return (*logs, f"parallel-runner retry {batch}")
