"""Batch files: read, checked as a whole, every mistake told with its line before anything starts."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from parallel_runner.errors import Problem
from parallel_runner.model.batch import BatchHeader, BatchRules, BatchSpec
from parallel_runner.model.fan_out import encode
from parallel_runner.model.job import JobSpec, job_key, terms_digest
from parallel_runner.model.ports import Tool
from parallel_runner.model.terms import Terms
from parallel_runner.settings.documents import Document, parse_json, parse_yaml, read_file
from parallel_runner.tools import registry
from parallel_runner.workflows.batch_rules import TOP_KEYS, read_phases, read_rules
from parallel_runner.workflows.checking import Checker
from parallel_runner.workflows.entries import Draft, Entry, Lookup, check_keys
from parallel_runner.workflows.expansion import drafts_of
from parallel_runner.workflows.graph import Graph, add_finale, add_phases
from parallel_runner.workflows.job_terms import TERMS_KEYS, read_terms


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
    here = os.path.dirname(os.path.abspath(full))
    identity = b"file:" + os.fsencode(os.path.realpath(full))
    with _uncollected():
        return _load(path, read_file(full), (here, identity), base, Lookup(tool_names(), get_tool))


def load_batch_text(name: str, text: str, *, here: str, base: Terms) -> BatchSpec:
    """Check a batch that stands in no file.

    Args:
        name: what mistakes are told under; its ending says what the text is.
        text: YAML, JSON or JSON lines.
        here: the directory that relative directories are relative to.
        base: terms that hold where nothing is said.

    Raises:
        DataError: with all that is wrong in it.
    """
    with _uncollected():
        return _load(name, text, (here, b"text"), base, Lookup(registry.names(), registry.get))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Many new objects, none of them garbage, which the collector would look through again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _load(path: str, text: str, place: tuple[str, bytes], base: Terms, lookup: Lookup) -> BatchSpec:
    here, identity = place
    top, entries, checker = _open(path, text)
    base = msgspec.structs.replace(base, cwd=os.fsencode(here))
    rules = BatchRules()
    phases: list[list[str]] = []
    if top is not None:
        at = checker.at(top, ())
        rules = read_rules(at, top.value)
        phases = read_phases(at, top.value.get("phases"))
        base = _defaults(top, checker, base, here)
    graph = _graph(entries, checker, lookup, base, here)
    if top is not None and phases:
        add_phases(graph, phases, checker.at(top, ()))
    finale = add_finale(graph)
    graph.check_cycles()
    checker.raise_all()
    rules = msgspec.structs.replace(rules, groups=tuple(graph.groups), finale=finale)
    name = str(top.value.get("name") or "") if top is not None else ""
    terms, jobs = _jobs(graph)
    header = BatchHeader(name=name, cwd=os.fsencode(here), identity=identity, terms=terms, rules=rules)
    return BatchSpec(header=header, jobs=jobs)


def _open(path: str, text: str) -> tuple[Document | None, list[Entry], Checker]:
    checker = Checker()
    if path.endswith(".jsonl"):
        documents = [
            parse_json(line, path, number) for number, line in enumerate(text.split("\n"), 1) if line.strip()
        ]
        entries = [Entry((), one, one.value) for one in documents if checker.mapping(one, (), one.value)]
        if not documents:
            checker.add(Problem(message="has no jobs", file=path, line=1))
        checker.raise_all()
        return None, entries, checker
    document = parse_json(text, path) if path.endswith(".json") else parse_yaml(text, path)
    if not checker.mapping(document, (), document.value):
        checker.raise_all()
    checker.known(document, (), document.value, TOP_KEYS)
    entries = _entries(document, checker, "jobs")
    if not isinstance(document.value.get("jobs"), list) or not entries:
        checker.add(document.problem(("jobs",), "expected a list of at least one job"))
        checker.raise_all()
    if "finally" in document.value:
        if not isinstance(document.value["finally"], list):
            checker.add(document.problem(("finally",), "expected a list of jobs"))
        entries += _entries(document, checker, "finally")
    return document, entries, checker


def _entries(document: Document, checker: Checker, key: str) -> list[Entry]:
    values = document.value.get(key)
    return [
        Entry((key, index), document, value, key == "finally")
        for index, value in enumerate(values if isinstance(values, list) else ())
        if checker.mapping(document, (key, index), value)
    ]


def _defaults(top: Document, checker: Checker, base: Terms, here: str) -> Terms:
    defaults = top.value.get("defaults", {})
    if not checker.mapping(top, ("defaults",), defaults):
        return base
    checker.known(top, ("defaults",), defaults, TERMS_KEYS)
    return read_terms(checker.at(top, ("defaults",)), defaults, base, here)


def _graph(entries: Sequence[Entry], checker: Checker, lookup: Lookup, base: Terms, here: str) -> Graph:
    drafts: list[Draft] = []
    groups: list[tuple[str, range]] = []
    suspects: set[str] = set()
    for entry in entries:
        before = checker.count
        check_keys(entry, checker, lookup)
        group, found = drafts_of(entry, checker, lookup, base, here)
        if group and found:
            groups.append((group, range(len(drafts) + 1, len(drafts) + len(found) + 1)))
        drafts += found
        if checker.count > before and entry.value.get("id") is not None:
            suspects.add(str(entry.value["id"]))
    graph = Graph(drafts, checker, frozenset(suspects))
    for group, members in groups:
        graph.named_group(group, members)
    graph.check_ids()
    graph.resolve()
    for draft in drafts:
        if draft.fan_out is not None:
            _find_source(graph, draft)
    return graph


def _find_source(graph: Graph, draft: Draft) -> None:
    source = graph.source_of(draft.source)
    at = graph.checker.at(draft.entry.document, draft.entry.path)
    if source is not None and draft.fan_out is not None:
        tool = graph.drafts[source - 1].terms.tool
        if draft.fan_out.view == "files" and tool not in ("glob", "grep"):
            at(
                ("foreach",),
                f"{draft.source} is a {tool} job; only glob and grep find files: say {draft.source}.lines",
            )
        draft.fan_out = msgspec.structs.replace(draft.fan_out, source=source)
    elif graph.place_of(draft.source) is not None:
        at(("foreach",), f"{draft.source!r} stands for several jobs; only one job's result can be gone through")


def _jobs(graph: Graph) -> tuple[tuple[Terms, ...], list[JobSpec]]:
    known: dict[Terms, int] = {}
    digests: list[bytes] = []
    jobs = []
    last: Terms | None = None
    index = 0
    for draft, needs in zip(graph.drafts, graph.needs, strict=True):
        if draft.terms is not last:  # Most are the very same: hashing them is dear.
            last = draft.terms
            index = known.setdefault(last, len(known))
            if index == len(digests):
                digests.append(terms_digest(last))
        payload = draft.payload if draft.fan_out is None else encode(draft.fan_out)
        key = job_key(digests[index], payload + b"\0" + draft.name.encode())
        jobs.append(
            JobSpec(
                terms=index,
                payload=payload,
                name=draft.name,
                key=key,
                needs=tuple(needs.values()),
                groups=tuple(draft.groups),
            )
        )
    return tuple(known), jobs
