"""What a job waits for: other jobs, groups of them, locks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from parallel_runner.ids import GROUP_BASE, is_group, job_name, seq_of
from parallel_runner.journal.rows import BatchRow
from parallel_runner.journal.store import Journal
from parallel_runner.model.lifecycle import State, satisfies
from parallel_runner.reports.records import Record

_NAMED = 3


class NeedRecord(Record, kw_only=True, frozen=True):
    """A job, or a group of jobs, that is waited for."""

    kind: Annotated[
        Literal["job", "foreach", "phase", "main"],
        Meta(description="A single job; or all jobs of a foreach, of a phase, or all before `finally`."),
    ]
    job: Annotated[str | None, Meta(description="Null for a group.")]
    id: Annotated[str | None, Meta(description="As the batch file calls it.")]
    when: Annotated[str, Meta(description="Which end is waited for: succeeded, failed or finished.")]
    state: Annotated[State | None, Meta(description="How it ended; null: it has not.")]
    met: bool
    open: Annotated[int, Meta(description="How many jobs of it have not ended.", ge=0)]
    because_of: Annotated[tuple[str, ...], Meta(description="Some of the jobs that it fails on, as yet.")]

    @property
    def called(self) -> str:
        """For people."""
        return f"{self.job} ({self.id})" if self.job and self.id else self.job or self.id or ""


class Member(NamedTuple):
    """A job that is waited for, alone or in a group."""

    job: int
    name: str | None
    state: State | None


class HeldLock(NamedTuple):
    """A lock that another job has."""

    name: str
    job: int


def need_of(kind: str, name: str | None, when: str, members: Sequence[Member]) -> NeedRecord:
    """What is to be told of one thing that is waited for. Pure."""
    left = [one for one in members if one.state is None]
    bad = [one for one in members if one.state not in (None, State.SUCCEEDED)]
    single = members[0] if kind == "job" else None
    state = None if left else single.state if single else State.FAILED if bad else State.SUCCEEDED
    met = satisfies(when, state)
    reasons = [] if met else left or bad or members
    return NeedRecord(
        kind=kind,  # type: ignore[arg-type]
        job=job_name(single.job) if single else None,
        id=name,
        when=when,
        state=state,
        met=met,
        open=len(left),
        because_of=tuple(job_name(one.job) for one in reasons[:_NAMED]),
    )


def needs_of(journal: Journal, batch: BatchRow, job: int) -> list[NeedRecord]:
    """What a job waits for, or waited for."""
    found = []
    for needed, when, name, state in journal.read("needs_of_job", (job,)):
        if not is_group(needed):
            found.append(need_of("job", name, when, [Member(needed, name, State(state) if state else None)]))
            continue
        group = batch.header.rules.groups[seq_of(needed) - GROUP_BASE]
        members = [
            Member(member, called, State(ended) if ended else None)
            for member, _, called, ended in journal.read("needs_of_job", (needed,))
        ]
        found.append(need_of(group.kind, group.name, when, members))
    return found


def locks_held(journal: Journal, job: int, names: Sequence[str]) -> list[HeldLock]:
    """Those of some locks that other jobs have."""
    if not names:
        return []
    return [
        HeldLock(name, holder)
        for name, _owner, holder in journal.read("all_locks")
        if name in names and holder != job
    ]
