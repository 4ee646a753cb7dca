"""The published JSON Schemas of what is told as JSON, derived from the very structs that are written."""

from __future__ import annotations

from typing import Any

import msgspec

from parallel_runner.reports.history import BatchRecord
from parallel_runner.reports.planned import PlanRecord
from parallel_runner.reports.records import AttemptRecord, ParallelRecord, Record
from parallel_runner.reports.story import StoryRecord
from parallel_runner.reports.workers import WorkerRecord

RECORDS: dict[str, type[Record]] = {
    "attempt": AttemptRecord,
    "history": BatchRecord,
    "why": StoryRecord,
    "ps": WorkerRecord,
    "plan": PlanRecord,
    "results-json": ParallelRecord,
}
"""By the name that `config schema` knows them by; each describes one line. The last: `--results FILE.json`."""
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(name: str) -> dict[str, Any]:
    """The schema of one line of that kind."""
    return {"$schema": _DIALECT, **msgspec.json.schema(RECORDS[name])}
