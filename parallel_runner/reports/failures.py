"""Failures grouped by class and by what was run, for the end of a batch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from parallel_runner.ids import batch_of, job_name, job_of
from parallel_runner.journal.rows import outcome_from
from parallel_runner.journal.segments import read_output
from parallel_runner.journal.store import Journal
from parallel_runner.model.lifecycle import FailureClass
from parallel_runner.model.outcome import NOT_KEPT, Outcome
from parallel_runner.reports.plain import first_line, one_line
from parallel_runner.reports.summary import OTHER, Failures, label_of
from parallel_runner.tools.signatures import signature_of

MOST_GROUPS = 20
_NAMED = 3
"""Jobs that are named of each group."""
_HINTED = 8
"""Groups that a hint is given for; the largest come first."""
_WIDTH = 100
_PAGE = 500
_HEAD = 4096


class Failed(NamedTuple):
    """A failed attempt, as far as it is grouped by it."""

    attempt: int
    label: str
    failure: str
    full: str
    program: str


class Group(NamedTuple):
    """Failures of one class and one kind of work."""

    label: str
    work: str
    """A signature; empty for what was only counted."""
    size: int
    attempts: tuple[int, ...]
    """The first of them."""


def group(found: Iterable[Failed], labels: Mapping[str, int]) -> list[Group]:
    """At most MOST_GROUPS groups, the largest first, and after them what was only counted.

    By signature where that makes few enough groups, else by program, else the smallest together.

    Args:
        found: those that were looked at.
        labels: how many of each label there are, looked at or not.
    """
    rows = list(found)
    groups = _grouped(rows, full=True)
    if len(groups) > MOST_GROUPS:
        groups = _grouped(rows, full=False)
    left = dict(labels)
    for row in rows:
        label = row.label if row.label in left else OTHER
        left[label] = left.get(label, 0) - 1
    unseen = [Group(label, "", count, ()) for label, count in left.items() if count > 0]
    # What was only skipped stands after what it was skipped for.
    groups.sort(key=lambda one: (one.label == FailureClass.DEPENDENCY.value, *_order(one)))
    groups += sorted(unseen, key=_order)
    if len(groups) <= MOST_GROUPS:
        return groups
    rest = groups[MOST_GROUPS - 1 :]
    attempts = tuple(sorted(attempt for one in rest for attempt in one.attempts)[:_NAMED])
    return [*groups[: MOST_GROUPS - 1], Group(OTHER, "", sum(one.size for one in rest), attempts)]


def _order(one: Group) -> tuple[int, tuple[int, ...]]:
    return -one.size, one.attempts


def _grouped(rows: Sequence[Failed], *, full: bool) -> list[Group]:
    counts: dict[tuple[str, str], int] = {}
    first: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        key = (row.label, row.full if full else row.program)
        counts[key] = counts.get(key, 0) + 1
        named = first.setdefault(key, [])
        if len(named) < _NAMED:
            named.append(row.attempt)
    return [Group(*key, count, tuple(first[key])) for key, count in counts.items()]


def told(groups: Iterable[Group], hints: Mapping[int, str]) -> Iterator[str]:
    """The lines to print; `hints`: what is known of single attempts."""
    for place, one in enumerate(groups):
        names = ", ".join(job_name(job_of(attempt)) for attempt in one.attempts)
        more = one.size - len(one.attempts)
        rest = (f"{names} and {more} more" if more else names) if names else f"{more} more, not looked at"
        yield f"  {one.label}{f' ({one.work})' if one.work else ''}: {rest}"
        said = set()
        for attempt in one.attempts if place < _HINTED else ():
            hint = hints.get(attempt, "")
            if hint and hint not in said:
                said.add(hint)
                yield f"      {job_name(job_of(attempt))}: {hint}"


def failure_lines(journal: Journal, batch: int, failures: Failures) -> tuple[list[str], list[str]]:
    """The lines that tell what went wrong, and the failure classes, the most frequent first."""
    found = list(_look(journal, batch, failures.attempts)) if failures.attempts else []
    groups = group(found, failures.labels)
    hints = {attempt: _hint(journal, attempt) for one in groups[:_HINTED] for attempt in one.attempts}
    classes = [row.failure for row in found if row.failure not in ("", "unknown", "dependency")]
    lines = list(told(groups, hints))
    if failures.unkept:
        lines.append(f"  {NOT_KEPT}: {failures.unkept} jobs")
    return lines, sorted(dict.fromkeys(classes), key=lambda one: -classes.count(one))


def _look(journal: Journal, batch: int, attempts: Sequence[int]) -> Iterator[Failed]:
    terms = journal.batch(batch).header.terms
    for start in range(0, len(attempts), _PAGE):
        page = json.dumps(list(attempts[start : start + _PAGE]))
        for row in journal.read("failed_jobs", (page,)):
            outcome = outcome_from((*row[:6], *[None] * 12))
            full, program = signature_of(terms[row[6]].tool, row[7])
            failure = outcome.failure.value if outcome.failure else ""
            yield Failed(outcome.attempt, label_of(outcome), failure, full, program)


def _hint(journal: Journal, attempt: int) -> str:
    """The first line that it wrote to stderr, or else what we know."""
    job = job_of(attempt)
    outcome = next(
        (row.outcome for row in journal.attempts(batch_of(job), job) if row.outcome.attempt == attempt), None
    )
    if outcome is None:
        return ""
    return first_line(_head(journal, outcome), _WIDTH) or one_line(outcome.detail, _WIDTH)


def _head(journal: Journal, outcome: Outcome) -> bytes:
    try:
        return next(read_output(journal.layout.outputs, outcome.err, _HEAD), b"")[:_HEAD]
    except OSError:
        return b""  # Pruned meanwhile: then there is no hint.
