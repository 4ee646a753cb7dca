"""What is told as JSON: one struct for each kind of record, from which `schemas` derives what is published.

Bytes that are not UTF-8 stand beside their text as `…_b64`. A key that is UNSET is left out.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from parallel_runner.errors import ParallelRunnerError
from parallel_runner.ids import attempt_name, batch_name, batch_of, job_name, job_of, number_of, seq_of
from parallel_runner.journal.segments import read_output
from parallel_runner.model import fan_out
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome, Output
from parallel_runner.tools import registry

Stamp = Annotated[
    str, Meta(description="ISO 8601 with its offset from UTC.", extra_json_schema={"format": "date-time"})
]
Class = Annotated[FailureClass | None, Meta(description="Why it did not succeed.")]
Base64 = Annotated[str, Meta(extra_json_schema={"contentEncoding": "base64"})]
Seconds = Annotated[float, Meta(description="Seconds.", ge=0)]
Bytes = Annotated[int, Meta(description="Bytes.", ge=0)]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of JSON."""


class AttemptRecord(Record, kw_only=True, frozen=True, tag_field="type", tag="attempt"):
    """One attempt: how it ended, what it used, what it wrote."""

    batch: Annotated[str, Meta(examples=["b17"])]
    job: Annotated[str, Meta(examples=["b17.3"])]
    seq: Annotated[int, Meta(description="Place of the job in its batch, from 1.", ge=1)]
    attempt: Annotated[str, Meta(examples=["b17.3.1"])]
    number: Annotated[int, Meta(description="Which attempt of its job this is, from 1.", ge=0, le=255)]
    state: State
    failure: Class = msgspec.field(name="class")
    exit_code: int | None
    signal: Annotated[int | None, Meta(description="The signal that ended the command.")]
    final: Annotated[bool, Meta(description="No attempt follows by itself.")]
    started_at: Annotated[Stamp | None, Meta(description="Null when it was never executed.")]
    wall: Seconds
    user: Seconds
    system: Seconds
    max_rss: Annotated[Bytes | None, Meta(description="Peak memory, where it could be told from the worker's own.")]
    containment: Annotated[str | None, Meta(description="What held its processes: cgroup, subreaper or group.")]
    worker: str | None
    id: Annotated[str | UnsetType, Meta(description="The job's id in its batch file.")] = UNSET
    tags: Annotated[tuple[str, ...] | UnsetType, Meta(description="The job's tags in its batch file.")] = UNSET
    command: str | UnsetType = UNSET
    command_b64: Base64 | UnsetType = UNSET
    detail: Annotated[str | UnsetType, Meta(description="One line for people.")] = UNSET
    partial: Annotated[bool | UnsetType, Meta(description="Not everything could be looked at.")] = UNSET
    stdout: str
    stdout_b64: Base64 | UnsetType = UNSET
    stdout_bytes: Annotated[Bytes, Meta(description="What it wrote, kept or not.")]
    stdout_truncated: bool | UnsetType = UNSET
    stdout_unreadable: Annotated[str | UnsetType, Meta(description="Why the output cannot be read.")] = UNSET
    stderr: str
    stderr_b64: Base64 | UnsetType = UNSET
    stderr_bytes: Annotated[Bytes, Meta(description="What it wrote, kept or not.")]
    stderr_truncated: bool | UnsetType = UNSET
    stderr_unreadable: Annotated[str | UnsetType, Meta(description="Why the output cannot be read.")] = UNSET


class ParallelRecord(Record, kw_only=True, frozen=True, rename="pascal"):
    """A job as GNU parallel's `--results FILE.json` has it."""

    seq: int
    host: str
    starttime: float
    job_runtime: Seconds
    send: int
    receive: Bytes
    exitval: int
    signal: int
    command: str
    v: Annotated[tuple[str, ...], Meta(description="The job's values.")]
    stdout: str
    stderr: str


def text_of(data: bytes) -> tuple[str, str | UnsetType]:
    """Bytes as text, and as base64 when the text does not say them all."""
    try:
        return data.decode("utf-8"), UNSET
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace"), base64.b64encode(data).decode("ascii")


def stamp(seconds: float) -> str | None:
    """An aware UTC stamp in ISO 8601; None for a job that never started."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat() if seconds else None


def describe(tool: str, payload: bytes) -> bytes:
    """A job in one line; any bytes. A payload that its tool does not understand any more is shown as it is."""
    try:
        if tool == fan_out.FAN_OUT:
            return fan_out.describe(payload)
        known = registry.get(tool)
        return known.describe(msgspec.msgpack.decode(payload, type=known.payload_type))
    except (ParallelRunnerError, msgspec.MsgspecError, ImportError):
        return payload


def outcome_record(
    outcome: Outcome,
    outputs: str,
    *,
    final: bool,
    name: str = "",
    command: bytes | None = None,
    tags: Sequence[str] = (),
) -> AttemptRecord:
    """One attempt as a record.

    Args:
        outcome: what happened.
        outputs: directory of the segment files.
        final: whether no attempt follows by itself.
        name: the job's id in its batch file.
        command: what the job was, when it is to be told.
        tags: those of the job.
    """
    job = job_of(outcome.attempt)
    usage = outcome.usage
    told, told_b64 = (UNSET, UNSET) if command is None else text_of(command)
    out, out_b64, out_trouble = _read(outcome.out, outputs)
    err, err_b64, err_trouble = _read(outcome.err, outputs)
    return AttemptRecord(
        batch=batch_name(batch_of(job)),
        job=job_name(job),
        seq=seq_of(job),
        attempt=attempt_name(outcome.attempt),
        number=number_of(outcome.attempt),
        state=outcome.state,
        failure=outcome.failure,
        exit_code=outcome.exit_code,
        tags=tuple(tags) or UNSET,
        signal=outcome.signal,
        final=final,
        started_at=stamp(outcome.started_at),
        wall=round(usage.wall, 6),
        user=round(usage.user, 6),
        system=round(usage.system, 6),
        max_rss=usage.max_rss,
        containment=outcome.containment or None,
        worker=outcome.worker or None,
        id=name or UNSET,
        command=told,
        command_b64=told_b64,
        detail=outcome.detail or UNSET,
        partial=outcome.partial or UNSET,
        stdout=out,
        stdout_b64=out_b64,
        stdout_bytes=outcome.out.size,
        stdout_truncated=outcome.out.truncated or UNSET,
        stdout_unreadable=out_trouble,
        stderr=err,
        stderr_b64=err_b64,
        stderr_bytes=outcome.err.size,
        stderr_truncated=outcome.err.truncated or UNSET,
        stderr_unreadable=err_trouble,
    )


def _read(output: Output, outputs: str) -> tuple[str, str | UnsetType, str | UnsetType]:
    """(text, base64, why it cannot be read) of a stream."""
    if not output.extents:
        return *text_of(output.inline), UNSET
    try:
        return *text_of(b"".join(read_output(outputs, output))), UNSET
    except OSError as error:
        return "", UNSET, error.strerror or str(error)


_json = msgspec.json.Encoder().encode


def json_line(record: Record) -> bytes:
    """One line of JSON."""
    return _json(record) + b"\n"
