"""The keys of a batch file that hold for the batch as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parallel_runner.model.batch import BatchRules
from parallel_runner.workflows.checking import Complain
from parallel_runner.workflows.kinds import (
    DURATION,
    SPAN,
    TEXT,
    WRONG,
    Key,
    choice,
    properties_of,
    read_key,
    read_section,
    schema_of,
    whole,
)

PLAIN = {
    "on_failure": Key(choice("continue", "stop", "pause"), "what a job's failure means for the others"),
    "deadline": Key(SPAN, "after which what runs is ended and what has not started is skipped"),
    "retry_budget": Key(whole(0, 1_000_000), "attempts after failed ones, of all jobs together"),
}
BARRIER = {
    "timeout": Key(SPAN, "without progress of a phase, after which the failure policy is followed"),
    "delay": Key(DURATION, "between the end of a phase and the start of the next"),
}
NAME = Key(TEXT, "shown in history")
TOP_KEYS = ("name", "defaults", "jobs", "phases", "finally", "barrier", *PLAIN)


def read_rules(at: Complain, top: Mapping[str, Any]) -> BatchRules:
    """The rules of a batch; groups and the last jobs are not among them yet."""
    changes = {key: read_key(at, (key,), top[key], PLAIN[key].kind) for key in PLAIN if key in top}
    changes = {key: one for key, one in changes.items() if one is not WRONG}
    barrier = top.get("barrier", {})
    if isinstance(barrier, dict):
        read = read_section(at, ("barrier",), barrier, BARRIER)
        changes |= {f"barrier_{key}": one for key, one in read.items()}
    else:
        at(("barrier",), f"expected timeout and delay, got {barrier!r}")
    return BatchRules(**changes)


def read_phases(at: Complain, value: Any) -> list[list[str]]:
    """Ids of jobs and groups, phase by phase; a phase of one may be that one's id."""
    if value is None:
        return []
    if not isinstance(value, list):
        at(("phases",), f"expected a list of phases, each a list of ids; got {value!r}")
        return []
    phases = []
    for index, one in enumerate(value):
        names = one if isinstance(one, list) else [one]
        if not names or any(isinstance(name, (list, dict, bool)) or name is None for name in names):
            at(("phases", index), f"expected ids of jobs, got {one!r}")
            names = []
        phases.append([str(name) for name in names])
    return phases


def rules_schema() -> dict[str, Any]:
    """The JSON Schemas of the keys, by name."""
    ids = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    phases = {
        "type": "array",
        "items": {"oneOf": [{"type": "string"}, ids]},
        "description": "each begins when the one before has ended",
    }
    return {
        **properties_of({"name": NAME, **PLAIN}),
        "barrier": {**schema_of(BARRIER), "description": "between two phases"},
        "phases": phases,
    }
