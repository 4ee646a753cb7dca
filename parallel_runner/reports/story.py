"""Why a job is where it is: what it is, its attempts, what it waits for, and what to type next."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from msgspec import UNSET, Meta, UnsetType, field, structs

from parallel_runner.ids import GROUP_BASE, attempt_name, batch_name, is_group, job_name, job_of, number_of, seq_of
from parallel_runner.journal.owners import is_alive
from parallel_runner.journal.rows import BatchRow, unpack_attempts
from parallel_runner.journal.store import AttemptRow, Journal
from parallel_runner.model.lifecycle import FailureClass, State, satisfies
from parallel_runner.model.outcome import Outcome, shell_status
from parallel_runner.model.retry import decide
from parallel_runner.model.terms import Limits, Terms
from parallel_runner.reports.exit_words import exit_words
from parallel_runner.reports.records import Base64, Bytes, Class, Record, Seconds, Stamp, describe, stamp, text_of
from parallel_runner.reports.workers import LiveWorker, WorkerRecord, look_at, worker_record
from parallel_runner.tools import registry

_LOST = frozenset((FailureClass.WORKER_LOST, FailureClass.UNKNOWN))


Where = Literal["ended", "running", "promised", "waits_for_jobs", "waits_for_retry", "waits_for_turn", "stopped"]


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


class NeedRecord(Record, kw_only=True, frozen=True):
    """A job, or a group of jobs, that is waited for."""

    job: str
    id: str | None
    when: Annotated[str, Meta(description="Which end is waited for: succeeded, failed or finished.")]
    state: Annotated[State | None, Meta(description="How it ended; null: it has not.")]
    met: bool
    members: Annotated[int | UnsetType, Meta(description="Of a group: how many jobs it stands for.")] = UNSET


class StoryRecord(Record, kw_only=True, frozen=True, tag_field="type", tag="job"):
    """All that is known of a job."""

    batch: str
    job: str
    id: str | None
    tool: str
    command: str
    command_b64: Base64 | UnsetType = UNSET
    cwd: str
    where: Annotated[
        str,
        Meta(description="ended, running, promised, waits_for_jobs, waits_for_retry, waits_for_turn, or stopped."),
    ]
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
    holder: LiveWorker | None
    """The worker that its lease names."""
    runner_alive: bool
    batch_state: str
    now: float


def story(journal: Journal, batch: BatchRow, job: int) -> StoryRecord:
    """All that is known of a job of a batch."""
    terms_index, payload, name = journal.read("one_job", (job,))[0][1:4]
    terms = batch.header.terms[terms_index]
    rows = list(journal.attempts(batch.id, job))
    needs = tuple(
        _of_group(journal, batch, needed, when)
        if is_group(needed)
        else NeedRecord(
            job=job_name(needed),
            id=need_name,
            when=when,
            state=State(ended) if ended else None,
            met=satisfies(when, State(ended) if ended else None),
        )
        for needed, when, need_name, ended in journal.read("needs_of_job", (job,))
    )
    known = Known(
        job=job,
        terms=terms,
        rows=rows,
        pending=journal.is_pending(job),
        needs=needs,
        holder=_holder(journal, job),
        runner_alive=batch.owner is not None and is_alive(journal.layout, batch.owner),
        batch_state=batch.state,
        now=time.time(),
    )
    place = place_of(known)
    command, command_b64 = text_of(describe(terms.tool, payload))
    ended = None if known.pending or not rows else rows[-1].outcome.state
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
        state=ended,
        batch_state=batch.state if batch.state != "open" or known.runner_alive else "interrupted",
        needs=needs,
        attempts=tuple(_tried(row, terms.tool) for row in rows),
        worker=worker_record(journal, place.live) if place.live else None,
        limits=_limits(terms.limits),
        retries=terms.retry.max,
        retry_due_at=stamp(place.due),
        next=_next(known, place),
    )


def _of_group(journal: Journal, batch: BatchRow, group: int, when: str) -> NeedRecord:
    """A group as something that is waited for; the job that is named is the first of it that has not succeeded."""
    rows = journal.read("needs_of_job", (group,))
    ends = [State(ended) if ended else None for _, _, _, ended in rows]
    good = all(end is State.SUCCEEDED for end in ends)
    state = None if None in ends else State.SUCCEEDED if good else State.FAILED
    first = next((row[0] for row, end in zip(rows, ends, strict=True) if end is not State.SUCCEEDED), rows[0][0])
    return NeedRecord(
        job=job_name(first),
        id=batch.header.rules.groups[seq_of(group) - GROUP_BASE].name,
        when=when,
        state=state,
        met=satisfies(when, state),
        members=len(rows),
    )


def place_of(known: Known) -> Place:
    """Where a job is. Pure."""
    if not known.pending and known.rows:
        return Place("ended", _ended(known))
    held = known.holder
    if held is not None and job_of(held.attempt) == known.job:
        return Place("running", _running(known, held), held)
    if held is not None:
        return Place("promised", f"promised to worker {held.worker}, which runs another job before it", held)
    if not known.runner_alive:
        state = "interrupted" if known.batch_state == "open" else known.batch_state
        return Place("stopped", f"nobody runs its batch now: it is {state}")
    if waits := [need for need in known.needs if not need.met]:
        names = ", ".join(map(_awaited, waits[:10]))
        return Place("waits_for_jobs", f"waits until {names}{f' and {len(waits) - 10} more' if waits[10:] else ''}")
    due = _due(known)
    if due > known.now:
        return Place("waits_for_retry", f"attempt {len(known.rows) + 1} is due in {due - known.now:.0f} s", due=due)
    return Place("waits_for_turn", "waits for its turn: its runner lives, and starts it when a slot is free")


def _awaited(need: NeedRecord) -> str:
    if need.members is not UNSET:
        return f"all {need.members} jobs of {need.id} {need.when} ({need.job} first)"
    return f"{need.job}{f' ({need.id})' if need.id else ''} {need.when}"


def _holder(journal: Journal, job: int) -> LiveWorker | None:
    for worker, _owner, attempts in journal.read("all_leases"):
        if any(job_of(attempt) == job for attempt in unpack_attempts(attempts)):
            return look_at(journal, worker)
    return None


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
    read_only = known.terms.tool in registry.BUILT_IN and registry.get(known.terms.tool).read_only
    delay = decide(outcome, known.terms, number_of(outcome.attempt), losses, read_only=read_only).delay
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
        return tuple(f"parallel-runner why {need.job}" for need in known.needs if not need.met)[:3]
    if place.where != "ended":
        return (f"parallel-runner cancel {job}",)
    return _next_of_end(known.rows[-1].outcome, known.needs, job, batch)


def _next_of_end(outcome: Outcome, needs: Sequence[NeedRecord], job: str, batch: str) -> tuple[str, ...]:
    logs = (f"parallel-runner logs {job}",) if outcome.out.size or outcome.err.size else ()
    if outcome.succeeded:
        return logs
    if outcome.state is State.SKIPPED:
        culprits = tuple(f"parallel-runner why {need.job}" for need in needs if not need.met)[:3]
        return (*culprits, f"parallel-runner retry {batch}")
    if outcome.state is State.UNKNOWN:
        return (*logs, f"parallel-runner retry --unknown {batch}")
    return (*logs, f"parallel-runner retry {batch}")
