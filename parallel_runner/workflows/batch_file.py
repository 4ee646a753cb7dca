"""Batch files: read, checked as a whole, every mistake told with its line before anything starts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from parallel_runner.errors import ParallelRunnerError, Problem
from parallel_runner.model.batch import BatchHeader, BatchSpec
from parallel_runner.model.job import JobSpec, Need, job_key, terms_digest
from parallel_runner.model.ports import Tool
from parallel_runner.model.terms import Terms
from parallel_runner.settings.documents import Document, parse_json, parse_yaml, read_file
from parallel_runner.tools import registry
from parallel_runner.workflows.checking import Checker, nearest
from parallel_runner.workflows.cycles import find_cycle
from parallel_runner.workflows.job_terms import TERMS_KEYS, read_terms

TOP_KEYS = ("name", "defaults", "jobs")
JOB_KEYS = ("id", "needs")
CONDITIONS = ("succeeded", "failed", "finished")
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_encode = msgspec.msgpack.Encoder().encode


@dataclass
class _Entry:
    """One job as it stands in the file."""

    path: tuple[str | int, ...]
    document: Document
    value: Mapping[str, Any]
    name: str = ""
    needs: list[tuple[str, str]] = field(default_factory=list)
    terms: Terms = field(default_factory=Terms)
    payload: bytes = b""


def load_batch_file(
    path: str,
    *,
    cwd: bytes,
    base: Terms,
    tool_names: Callable[[], Sequence[str]] = registry.names,
    get_tool: Callable[[str], Tool] = registry.get,
) -> BatchSpec:
    """Read and check a batch file: YAML, or by its name JSON, or JSON lines with one job on each.

    Args:
        path: the file.
        cwd: what its relative path is relative to. Directories in it are relative to its own directory.
        base: terms that hold where the file says nothing.
        tool_names, get_tool: where tools are looked up.

    Raises:
        InputUnreadableError: it cannot be read.
        DataError: with all that is wrong in it.
    """
    full = os.path.join(os.fsdecode(cwd), path)
    top, entries, checker = _open(path, read_file(full))
    here = os.path.dirname(os.path.abspath(full))
    lookup = _Lookup(tuple(tool_names()), get_tool)
    defaults = top.value.get("defaults", {}) if top is not None else {}
    base = msgspec.structs.replace(base, cwd=os.fsencode(here))
    if top is not None and checker.mapping(top, ("defaults",), defaults):
        checker.known(top, ("defaults",), defaults, TERMS_KEYS)
        base = read_terms(checker.at(top, ("defaults",)), defaults, base, here)
    for entry in entries:
        _read_job(entry, checker, lookup, base, here)
    _check_ids(entries, checker)
    checker.raise_all()
    name = str(top.value.get("name") or "") if top is not None else ""
    return _assemble(entries, name, os.path.realpath(full), here)


def _open(path: str, text: str) -> tuple[Document | None, list[_Entry], Checker]:
    checker = Checker()
    if path.endswith(".jsonl"):
        documents = [
            parse_json(line, path, number) for number, line in enumerate(text.splitlines(), 1) if line.strip()
        ]
        entries = [_Entry((), one, one.value) for one in documents if checker.mapping(one, (), one.value)]
        if not documents:
            checker.add(Problem(message="has no jobs", file=path, line=1))
        checker.raise_all()
        return None, entries, checker
    document = parse_json(text, path) if path.endswith(".json") else parse_yaml(text, path)
    if not checker.mapping(document, (), document.value):
        checker.raise_all()
    checker.known(document, (), document.value, TOP_KEYS)
    jobs = document.value.get("jobs")
    if not isinstance(jobs, list) or not jobs:
        checker.add(document.problem(("jobs",), "expected a list of at least one job"))
        checker.raise_all()
    entries = [
        _Entry(("jobs", index), document, value)
        for index, value in enumerate(jobs)
        if checker.mapping(document, ("jobs", index), value)
    ]
    return document, entries, checker


class _Lookup:
    """Finds tools, each once."""

    def __init__(self, names: Sequence[str], get: Callable[[str], Tool]) -> None:
        self.names = names
        self._get = get
        self._found: dict[str, Tool] = {}

    def __call__(self, name: str) -> Tool:
        if name not in self._found:
            self._found[name] = self._get(name)
        return self._found[name]


def _read_job(entry: _Entry, checker: Checker, lookup: _Lookup, base: Terms, here: str) -> None:
    at = checker.at(entry.document, entry.path)
    checker.known(entry.document, entry.path, entry.value, (*JOB_KEYS, *TERMS_KEYS, *lookup.names))
    named = [key for key in entry.value if key in lookup.names]
    ident = entry.value.get("id")
    if ident is not None:
        if isinstance(ident, (str, int)) and not isinstance(ident, bool) and _ID.match(str(ident)):
            entry.name = str(ident)
        else:
            at(("id",), f"expected letters, digits, dots, dashes or underscores, got {ident!r}")
    if len(named) != 1:
        told = f"has {' and '.join(named)}" if named else "has none"
        at((), f"a job has exactly one tool ({', '.join(lookup.names)}); this one {told}")
        return
    entry.terms = read_terms(at, entry.value, msgspec.structs.replace(base, tool=named[0]), here)
    try:
        tool = lookup(named[0])
    except ParallelRunnerError as error:
        at((named[0],), str(error))
        return
    entry.payload = _read_payload(at, tool, entry.value[named[0]])
    entry.needs = _read_needs(at, entry.value.get("needs"))


def _read_payload(at: Callable[[Sequence[str | int], str], None], tool: Tool, value: Any) -> bytes:
    fields = value if isinstance(value, dict) else {tool.main_field: value}
    kind = tool.payload_type
    known = [one.name for one in msgspec.structs.fields(kind)]
    wrong = [key for key in fields if key not in known]
    for key in wrong:
        at((tool.name, key), f"{tool.name} has no {key!r}{nearest(key, known)}")
    if wrong:
        return b""
    try:
        payload = msgspec.convert(_as_declared(fields, kind), kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        at((tool.name,), _in_words(str(error)))
        return b""
    for complaint in tool.check(payload):
        key, _, message = complaint.partition(": ")
        at((tool.name, key) if isinstance(value, dict) else (tool.name,), message or complaint)
    return _encode(payload)


def _in_words(message: str) -> str:
    if "`bool`" in message:
        message += "; put it in quotes"
    return message.replace("`bytes`", "text").replace("`str`", "text").replace("`int`", "a number")


def _to_bytes(value: Any) -> Any:
    """Every text as bytes: paths, patterns and commands are bytes in the model."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, list):
        return [_to_bytes(item) for item in value]
    if isinstance(value, dict):
        return {key: _to_bytes(item) for key, item in value.items()}
    return value


def _as_declared(fields: Mapping[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Text as bytes just where the tool's payload says bytes."""
    declared = {one.name: one.type for one in msgspec.structs.fields(kind)}
    return {key: _to_bytes(item) if "bytes" in str(declared[key]) else item for key, item in fields.items()}


def _read_needs(at: Callable[[Sequence[str | int], str], None], value: Any) -> list[tuple[str, str]]:
    when = "succeeded"
    if isinstance(value, dict):
        for key in value:
            if key not in ("after", "when"):
                at(("needs", key), f"needs has no {key!r}{nearest(key, ('after', 'when'))}")
        when = value.get("when", when)
        if when not in CONDITIONS:
            at(("needs", "when"), f"expected one of {', '.join(CONDITIONS)}, got {when!r}")
        value = value.get("after")
    if value is None:
        return []
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, (str, int)) and not isinstance(name, bool) for name in names):
        at(("needs",), "expected ids of jobs")
        return []
    return [(str(name), when) for name in names]


def _check_ids(entries: Sequence[_Entry], checker: Checker) -> None:
    places: dict[str, _Entry] = {}
    for entry in entries:
        if entry.name in places:
            first = places[entry.name].document.line_of((*places[entry.name].path, "id"))
            checker.at(entry.document, entry.path)(
                ("id",), f"the id {entry.name!r} is taken by the job on line {first}"
            )
        elif entry.name:
            places[entry.name] = entry
    for entry in entries:
        for name, _ in entry.needs:
            if name not in places:
                message = f"there is no job {name!r}{nearest(name, tuple(places))}"
                checker.at(entry.document, entry.path)(("needs",), message)
    cycle = find_cycle({entry.name: [name for name, _ in entry.needs] for entry in entries if entry.name})
    if cycle:
        entry = places[cycle[0]]
        checker.at(entry.document, entry.path)(("needs",), f"jobs wait for each other: {' → '.join(cycle)}")


def _assemble(entries: Sequence[_Entry], name: str, path: str, here: str) -> BatchSpec:
    order = {entry.name: place for place, entry in enumerate(entries, 1) if entry.name}
    known: dict[Terms, int] = {}
    jobs = []
    for entry in entries:
        index = known.setdefault(entry.terms, len(known))
        needs = {order[needed]: Need(order[needed], when) for needed, when in entry.needs}
        key = job_key(terms_digest(entry.terms), entry.payload + b"\0" + entry.name.encode())
        jobs.append(
            JobSpec(terms=index, payload=entry.payload, name=entry.name, key=key, needs=tuple(needs.values()))
        )
    header = BatchHeader(
        name=name, cwd=os.fsencode(here), identity=b"file:" + os.fsencode(path), terms=tuple(known)
    )
    return BatchSpec(header=header, jobs=jobs)
