"""A plan as it is told: the jobs in the order in which they would start, and what that comes to."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from parallel_runner.reports.estimates import Basis
from parallel_runner.reports.records import Base64, Bytes, Record, Seconds

Units = Annotated[float, Meta(description="In the `unit` of the plan.", ge=0)]


class SpanRecord(Record, kw_only=True, frozen=True):
    """How long the whole takes."""

    p50: Annotated[Units, Meta(description="When each job takes what half of its kind take at the most.")]
    least: Annotated[Units, Meta(description="When each is as fast as one in twenty of its kind.")]
    most: Annotated[Units, Meta(description="When each is as slow as one in twenty of its kind.")]


class ChainRecord(Record, kw_only=True, frozen=True):
    """The longest chain of jobs that wait for each other: more slots do not make it shorter."""

    length: Units
    jobs: Annotated[tuple[int, ...], Meta(description="Their places, the first to start first.")]


class PlannedRecord(Record, kw_only=True, frozen=True):
    """A job of the plan."""

    seq: Annotated[int, Meta(description="Place of the job in its batch, from 1.", ge=1)]
    will: Annotated[
        Literal["run", "become", "skip", "wait"],
        Meta(description="become: other jobs. skip: what it needs ends otherwise. wait: it would never start."),
    ]
    start: Annotated[Units | None, Meta(description="From the start of the batch. Null: it does not start.")]
    slot: Annotated[int | None, Meta(description="Among those of its tool, from 1. Null: it takes none.")]
    tool: str
    signature: Annotated[str, Meta(description="What kind of work it is; its history is that of its kind.")]
    basis: Annotated[Basis, Meta(description="What the estimate is by.")]
    samples: Annotated[int, Meta(description="Attempts that the estimate is by.", ge=0)]
    thin: Annotated[bool, Meta(description="It is by fewer than 20.")]
    wall_p50: Annotated[Seconds | None, Meta(description="Seconds. Null: nothing is known.")]
    wall_p95: Annotated[Seconds | None, Meta(description="Seconds. Null: nothing is known.")]
    max_rss_p50: Annotated[Bytes | None, Meta(description="Bytes. Null: nothing is known.")]
    max_rss_p95: Annotated[Bytes | None, Meta(description="Bytes. Null: nothing is known.")]
    id: Annotated[str | UnsetType, Meta(description="The job's id in its batch file.")] = UNSET
    because: Annotated[str | UnsetType, Meta(description="Why it is skipped: what it needs.")] = UNSET
    command: str
    command_b64: Base64 | UnsetType = UNSET


class PlanRecord(Record, kw_only=True, frozen=True, tag_field="type", tag="plan"):
    """What `run --plan` says: how a batch would go if all of its jobs succeed."""

    name: Annotated[str | None, Meta(description="The batch's, in its file.")]
    slots: Annotated[int, Meta(description="Jobs at once, of whatever tools.", ge=1)]
    unit: Annotated[
        Literal["seconds", "jobs"],
        Meta(description="jobs: nothing is known of how long they take; each counts as one."),
    ]
    makespan: SpanRecord
    peak_memory_p95: Annotated[
        Bytes | None, Meta(description="Bytes of jobs that run together. Null: nothing is known.")
    ]
    critical_path: ChainRecord
    unknown_time: Annotated[int, Meta(description="Jobs that are taken to last as long as the median.", ge=0)]
    unknown_memory: Annotated[int, Meta(description="Jobs that are not counted in the memory.", ge=0)]
    thin: Annotated[int, Meta(description="Jobs with an estimate by fewer than 20 attempts.", ge=0)]
    jobs: Annotated[tuple[PlannedRecord, ...], Meta(description="In the order of their starts.")]
    notes: Annotated[tuple[str, ...], Meta(description="What the plan leaves out, for people.")]
