"""Outcomes and batches as rows, and back."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

import msgspec

from parallel_runner.model.batch import BatchHeader, BatchRules
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import NO_OUTPUT, Outcome, Output, Usage
from parallel_runner.model.terms import Terms

_encode = msgspec.msgpack.Encoder().encode
decode_streams = msgspec.msgpack.Decoder(tuple[Output, Output]).decode
decode_terms = msgspec.msgpack.Decoder(tuple[Terms, ...]).decode
_decode_rules = msgspec.msgpack.Decoder(BatchRules).decode


class BatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as the journal holds it."""

    id: int
    header: BatchHeader
    command: str
    input_complete: bool
    state: str
    """open | done | interrupted."""
    owner: str | None
    created_at: datetime
    ended_at: datetime | None


def outcome_row(outcome: Outcome, final: bool) -> tuple[Any, ...]:
    """The values of statement `add_outcome`. Defaults become NULL: most rows are short."""
    out, err, usage = outcome.out, outcome.err, outcome.usage
    plain = _is_plain(out) and _is_plain(err)
    return (
        outcome.attempt,
        int(final),
        outcome.state.value,
        outcome.failure.value if outcome.failure else None,
        outcome.exit_code,
        outcome.signal,
        outcome.started_at or None,
        usage.wall or None,
        usage.user or None,
        usage.system or None,
        usage.max_rss,
        (out.inline or None) if plain else None,
        (err.inline or None) if plain else None,
        None if plain else _encode((out, err)),
        outcome.worker or None,
        outcome.containment or None,
        outcome.detail or None,
        1 if outcome.partial else None,
    )


def outcome_from(row: Sequence[Any]) -> Outcome:
    """An outcome from the columns of table `outcomes`, in their order."""
    out, err = (_inline(row[11]), _inline(row[12])) if row[13] is None else decode_streams(row[13])
    return Outcome(
        attempt=row[0],
        state=State(row[2]),
        failure=FailureClass(row[3]) if row[3] else None,
        exit_code=row[4],
        signal=row[5],
        started_at=row[6] or 0.0,
        usage=Usage(row[7] or 0.0, row[8] or 0.0, row[9] or 0.0, row[10]),
        out=out,
        err=err,
        worker=row[14] or "",
        containment=row[15] or "",
        detail=row[16] or "",
        partial=bool(row[17]),
    )


def _is_plain(output: Output) -> bool:
    return not output.extents and not output.truncated and output.size == len(output.inline)


def _inline(data: bytes | None) -> Output:
    return Output(len(data), data) if data else NO_OUTPUT


def batch_from(row: Sequence[Any]) -> BatchRow:
    """A batch from the columns of table `batches`, in their order."""
    ident, name, cwd, identity, results, terms, command, complete, state, owner, created, ended, rules = row
    header = BatchHeader(
        name=name,
        cwd=cwd,
        identity=identity,
        results=results,
        terms=decode_terms(terms),
        rules=_decode_rules(rules) if rules else BatchRules(),
    )
    return BatchRow(
        id=ident,
        header=header,
        command=command,
        input_complete=bool(complete),
        state=state,
        owner=owner,
        created_at=datetime.fromtimestamp(created, timezone.utc),
        ended_at=datetime.fromtimestamp(ended, timezone.utc) if ended is not None else None,
    )


def pack_attempts(attempts: Iterable[int]) -> bytes:
    """Attempts as 8 bytes each, little endian."""
    values = list(attempts)
    return struct.pack(f"<{len(values)}q", *values)


def unpack_attempts(data: bytes) -> tuple[int, ...]:
    """The attempts of a lease row."""
    return struct.unpack(f"<{len(data) // 8}q", data)
