"""Fan-out: the jobs that a job's result asks for. Pure functions of what the job printed."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from parallel_runner.errors import DataError, Problem
from parallel_runner.model.fan_out import MAX_ITEMS, FanOut
from parallel_runner.model.job import JobSpec, job_key, terms_digest
from parallel_runner.model.terms import Terms
from parallel_runner.workflows.entries import Lookup, fill_job, read_job
from parallel_runner.workflows.expansion import name_of
from parallel_runner.workflows.foreach import ForeachError, Item, Wanted, as_text, numbered


class FanOutError(DataError):
    """A result cannot be gone through."""


class Expansion(NamedTuple):
    """What a fan-out became."""

    jobs: list[JobSpec]
    terms: list[Terms]
    """The terms that the batch did not have; they follow those that it has."""


def items_of(view: str, printed: bytes, root: str) -> list[Item]:
    """What a result is gone through by.

    Args:
        view: files | lines | json.
        printed: the whole of the job's stdout.
        root: what paths in it are put behind; empty: nothing.

    Raises:
        FanOutError: it is no such result, it leaves something out, or it is too long.
    """
    lines = [line for line in printed.decode("utf-8", "surrogateescape").split("\n") if line.strip()]
    if view == "lines":
        items = numbered(lines)
    elif view == "json":
        items = [_record(one, index) for index, one in enumerate(_values(printed, lines), 1)]
    else:
        items = numbered(_files(_values(printed, lines), root))
    if len(items) > MAX_ITEMS:
        raise FanOutError(f"its result has {len(items)} items; a foreach goes through {MAX_ITEMS} at most")
    return items


def _values(printed: bytes, lines: Sequence[str]) -> list[Any]:
    try:
        if printed.lstrip()[:1] == b"[":
            return list(json.loads(printed))
        return [json.loads(line) for line in lines]
    except (ValueError, RecursionError) as error:
        raise FanOutError(f"its result is neither JSON lines nor a JSON array: {error}") from error


def _files(records: Sequence[Any], root: str) -> list[str]:
    paths: dict[str, None] = {}
    for record in records:
        if not isinstance(record, dict):
            raise FanOutError("its result has no records with paths")
        if record.get("type") == "summary" and record.get("truncated"):
            notes = "; ".join(map(str, record.get("notes", ())))
            raise FanOutError(f"its result leaves something out ({notes})")
        if "path_b64" in record:
            paths[os.path.join(root, os.fsdecode(base64.b64decode(record["path_b64"])))] = None
        elif isinstance(record.get("path"), str):
            paths[os.path.join(root, record["path"])] = None
    return list(paths)


def _record(value: Any, index: int) -> Item:
    fields = value if isinstance(value, dict) else {}
    simple = {key: one for key, one in fields.items() if not isinstance(one, (dict, list))}
    try:
        whole = json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else as_text(value)
        return {**{key: as_text(one) for key, one in simple.items() if key}, "item": whole, "index": str(index)}
    except ForeachError as error:
        raise FanOutError(str(error)) from error


def expand(
    fan_out: FanOut, items: Sequence[Item], terms: Sequence[Terms], environment: str, lookup: Lookup
) -> Expansion:
    """The jobs for the items.

    Args:
        fan_out: what they are made from.
        items: from `items_of`.
        terms: what the batch has of terms already.
        environment: name of its environment file.
        lookup: finds tools.

    Raises:
        FanOutError: some job would be none; all that is wrong with the first such is told.
    """
    known = {one: index for index, one in enumerate(terms)}
    count = len(known)
    base = msgspec.structs.replace(fan_out.base, environment=environment)
    names: set[str] = set()
    jobs = []
    later = fan_out.view == "json"
    wanted = Wanted({"id": fan_out.name, **fan_out.template}, items, later=later)
    if later and items:
        _refuse_unknown(wanted)
    for item in map(wanted.whole, items):
        one, payload = _job(fan_out, item, base, lookup, wanted)
        index = known.setdefault(one, len(known))
        name = name_of(fan_out.name or None, item)
        name = f"{name}.{item['index']}" if name and name in names else name
        names.add(name)
        key = job_key(terms_digest(one), payload + b"\0" + name.encode())
        jobs.append(JobSpec(terms=index, payload=payload, name=name, key=key))
    return Expansion(jobs, list(known)[count:])


def _refuse_unknown(wanted: Wanted) -> None:
    """What a record has is known only now, so a name that none has cannot be told from text any sooner."""
    for key, name in wanted.unknown():
        raise FanOutError(
            f"{key}: no record has a single value {name!r}, which {{{name}}} stands for; "
            f"write {{{{{name}}}}} where the text {{{name}}} is meant"
        )


def _job(fan_out: FanOut, item: Item, base: Terms, lookup: Lookup, wanted: Wanted) -> tuple[Terms, bytes]:
    problems = [Problem(message=message, key=key) for key, message in wanted.lacking(item)]
    if problems:
        raise _faulty(item, problems)

    def complain(below: Sequence[str | int], message: str) -> None:
        problems.append(Problem(message=message, key=".".join(map(str, below))))

    read = read_job(
        complain, fill_job(complain, fan_out.template, fan_out.tool, item), lookup, base, fan_out.here, lax=True
    )
    if problems or read is None:
        raise _faulty(item, problems)
    return read


def _faulty(item: Item, problems: Sequence[Problem]) -> FanOutError:
    told = "; ".join(str(problem) for problem in problems[:5])
    return FanOutError(f"item {item['index']} ({item.get('item', '')[:80]!r}): {told}")
