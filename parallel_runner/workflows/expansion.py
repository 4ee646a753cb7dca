"""Jobs with `foreach`: the many that one entry of a batch file stands for, now or once another job has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from parallel_runner.model.fan_out import FAN_OUT, FanOut, View
from parallel_runner.model.terms import Terms
from parallel_runner.workflows.checking import Checker
from parallel_runner.workflows.entries import (
    JOB_KEYS,
    Draft,
    Entry,
    Lookup,
    as_id,
    fill_job,
    read_id,
    read_job,
    read_needs,
)
from parallel_runner.workflows.filling import fill, has_placeholder, names_in
from parallel_runner.workflows.foreach import Item, Later, Wanted, numbered, read_foreach


def drafts_of(entry: Entry, checker: Checker, lookup: Lookup, base: Terms, here: str) -> tuple[str, list[Draft]]:
    """The jobs of an entry, and the id of the group they are; it is empty for a single job, or without an id."""
    at = checker.at(entry.document, entry.path)
    if "foreach" not in entry.value:
        draft = Draft(entry, read_id(at, entry.value.get("id")), read_needs(at, entry.value.get("needs")))
        if (read := read_job(at, entry.value, lookup, base, here)) is not None:
            draft.terms, draft.payload = read
        return "", [draft]
    items = read_foreach(at, entry.value["foreach"], here)
    if isinstance(items, Later):
        return _later(entry, items, checker, lookup, base, here)
    return _now(entry, items, checker, lookup, base, here)


def _now(
    entry: Entry, items: list[Item], checker: Checker, lookup: Lookup, base: Terms, here: str
) -> tuple[str, list[Draft]]:
    at = checker.at(entry.document, entry.path)
    tool = lookup.tool_of(at, entry.value)
    if not items or not tool:
        return "", []
    if "item" not in items[0] and "item" in names_in(dict(entry.value)):
        names = ", ".join(f"{{{name}}}" for name in items[0])
        at(("foreach",), f"there is no {{item}} here; there are: {names}")
    before, drafts = checker.count, []
    wanted = Wanted({key: one for key, one in entry.value.items() if key != "foreach"}, items)
    for item in map(wanted.whole, items):
        for key, message in wanted.lacking(item):
            at((key,), message)
        if checker.count > before:
            break
        name = name_of(entry.value.get("id"), item)
        draft = Draft(entry, read_id(at, name or None), read_needs(at, fill(entry.value.get("needs"), item)))
        read = read_job(at, fill_job(at, entry.value, tool, item), lookup, base, here, lax=True)
        if read is not None:
            draft.terms, draft.payload = read
        drafts.append(draft)
        if checker.count > before:
            break  # What is wrong with one is wrong with all.
    return str(entry.value.get("id") or ""), drafts


def name_of(ident: Any, item: Mapping[str, str]) -> str:
    """What a job is called: its id with placeholders filled in, or else with a number; empty without an id."""
    if ident is None:
        return ""
    text = str(ident)
    return as_id(fill(text, item)) if has_placeholder(text, tuple(item)) else f"{text}.{item['index']}"


def _later(
    entry: Entry, later: Later, checker: Checker, lookup: Lookup, base: Terms, here: str
) -> tuple[str, list[Draft]]:
    at = checker.at(entry.document, entry.path)
    tool = lookup.tool_of(at, entry.value)
    ident = entry.value.get("id")
    if not tool:
        return "", []
    # Tried with something, so that what is wrong with all of them is told before anything starts. The fields of
    # records are not known yet.
    if later.view != "json":
        read_job(at, fill_job(at, entry.value, tool, numbered(["1"])[0]), lookup, base, here, lax=True)
    template = {key: value for key, value in entry.value.items() if key not in JOB_KEYS}
    view: View = "files" if later.view == "files" else "lines" if later.view == "lines" else "json"
    fan_out = FanOut(0, view, tool, template, str(ident or ""), base, here)
    own = msgspec.structs.replace(base, tool=FAN_OUT, limits=type(base.limits)(), env=None, stdin=None)
    group = str(ident or "")
    draft = Draft(
        entry,
        as_id(group) if group else "",
        [*read_needs(at, entry.value.get("needs")), (later.source, "succeeded")],
        own,
        fan_out=fan_out,
        source=later.source,
    )
    if entry.finale:
        at(("foreach",), "a job under `finally` cannot wait for another's result")
    return group, [draft]
