"""Outcomes as JSON records. Bytes that are not UTF-8 stand beside their text as `…_b64`."""

from __future__ import annotations

import base64
from datetime import datetime, timezone
from typing import Any

import msgspec

from parallel_runner.errors import ParallelRunnerError
from parallel_runner.ids import attempt_name, batch_name, batch_of, job_name, job_of, number_of, seq_of
from parallel_runner.journal.segments import read_output
from parallel_runner.model import fan_out
from parallel_runner.model.outcome import Outcome, Output
from parallel_runner.tools import registry


def put_bytes(record: dict[str, Any], key: str, data: bytes) -> None:
    """Set `key` to text, and `key_b64` to the bytes when the text does not say them all."""
    try:
        record[key] = data.decode("utf-8")
    except UnicodeDecodeError:
        record[key] = data.decode("utf-8", "replace")
        record[key + "_b64"] = base64.b64encode(data).decode("ascii")


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
    outcome: Outcome, outputs: str, *, final: bool, name: str = "", command: bytes | None = None
) -> dict[str, Any]:
    """One attempt as a JSON object.

    Args:
        outcome: what happened.
        outputs: directory of the segment files.
        final: whether no attempt follows by itself.
        name: the job's id in its batch file.
        command: what the job was, when it is to be told.
    """
    job = job_of(outcome.attempt)
    record: dict[str, Any] = {
        "type": "attempt",
        "batch": batch_name(batch_of(job)),
        "job": job_name(job),
        "seq": seq_of(job),
        "attempt": attempt_name(outcome.attempt),
        "number": number_of(outcome.attempt),
        "state": outcome.state.value,
        "class": outcome.failure.value if outcome.failure else None,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "final": final,
        "started_at": stamp(outcome.started_at),
        "wall": round(outcome.usage.wall, 6),
        "user": round(outcome.usage.user, 6),
        "system": round(outcome.usage.system, 6),
        "max_rss": outcome.usage.max_rss,
        "containment": outcome.containment or None,
        "worker": outcome.worker or None,
    }
    if name:
        record["id"] = name
    if command is not None:
        put_bytes(record, "command", command)
    if outcome.detail:
        record["detail"] = outcome.detail
    if outcome.partial:
        record["partial"] = True
    for key, output in (("stdout", outcome.out), ("stderr", outcome.err)):
        _put_output(record, key, output, outputs)
    return record


def _put_output(record: dict[str, Any], key: str, output: Output, outputs: str) -> None:
    try:
        data = b"".join(read_output(outputs, output))
    except OSError as error:
        record[key + "_unreadable"] = error.strerror
        data = b""
    put_bytes(record, key, data)
    record[key + "_bytes"] = output.size
    if output.truncated:
        record[key + "_truncated"] = True


_json = msgspec.json.Encoder().encode


def json_line(record: dict[str, Any]) -> bytes:
    """One line of JSON."""
    return _json(record) + b"\n"
