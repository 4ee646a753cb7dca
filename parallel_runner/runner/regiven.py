"""The input of a batch, given again: what the journal has of it already stays, what is new becomes a job.

Lines are matched by content, the n-th of several equal ones with the n-th job of that content. So a line that was
put in front of the input is one new job, and everything else is what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from parallel_runner.errors import UsageError
from parallel_runner.ids import batch_name
from parallel_runner.journal.matching import Matcher
from parallel_runner.journal.rows import BatchRow
from parallel_runner.journal.store import Journal
from parallel_runner.model.batch import BatchHeader, Presentation
from parallel_runner.model.job import JobSpec
from parallel_runner.model.terms import Terms
from parallel_runner.runner.feeds import Make, StreamSource
from parallel_runner.workflows.sources import chunks_of, records_of

_PAGE = 1000


class Given(NamedTuple):
    """What became of an input that was given again."""

    known: int
    """Jobs that were there already."""
    new: int
    missing: int
    """Jobs that have not ended and are not in the input any more."""


def find_batch_of(
    journal: Journal, header: BatchHeader, wanted: int | None, *, ended: bool = False
) -> BatchRow | None:
    """The batch that is gone on with.

    That is `wanted`; else the latest of this template with the same job log or results; else the only unfinished
    one of this template in this directory, or, where `ended` ones are asked for as well, the latest. None: there is
    none, so that a new one is to be made.

    Raises:
        UsageError: several could be meant, or `wanted` is of another template.
        StateError: there is no batch `wanted`.
    """
    if wanted is not None:
        row = journal.batch(wanted)
        if row.header.identity != header.identity:
            raise UsageError(f"{batch_name(wanted)} was run with another template: {row.command}")
        return row
    shown = Presentation.unpacked(header.results)
    if places := _places(shown):
        same = journal.with_results(header.cwd, header.identity)
        rows = [row for row in same if _places(Presentation.unpacked(row.header.results)) & places]
        return rows[0] if rows else None
    rows = journal.unfinished(header.cwd, header.identity)
    if len(rows) > 1:
        names = [batch_name(row.id) for row in rows]
        raise UsageError(
            f"--resume: {', '.join(names)} have this template and are unfinished here; "
            f"say which, as in --resume {names[0]}"
        )
    if not rows and ended:
        rows = journal.of_template(header.cwd, header.identity)
    return rows[0] if rows else None


_SHOWN = {"tag": "--tag", "keep_order": "-k", "joblog": "--joblog", "results": "--results"}
_TERMS = {"limits": "limits", "retry": "--retries", "nice": "--nice", "tool": "--tool", "env": "--env"}
_USUAL = Terms()


def not_taken_up(batch: BatchHeader, given: BatchHeader) -> list[str]:
    """What is said otherwise now than when the batch was made: it keeps what it was made with."""
    was, now = Presentation.unpacked(batch.results), Presentation.unpacked(given.results)
    shown = [
        option
        for field, option in _SHOWN.items()
        if _bare(getattr(was, field)) != _bare(getattr(now, field)) and getattr(now, field)
    ]
    if len(batch.terms) != 1 or len(given.terms) != 1:
        return shown
    (before,), (after,) = batch.terms, given.terms
    return shown + [
        option
        for field, option in _TERMS.items()
        if getattr(after, field) not in (getattr(before, field), getattr(_USUAL, field))
    ]


def _bare(value: object) -> object:
    """A log is the same one with a `+` in front."""
    return value.removeprefix("+") if isinstance(value, str) else value


def _places(shown: Presentation) -> set[str]:
    return {place.removeprefix("+") for place in (shown.joblog, shown.results) if place}


def add_missing(journal: Journal, batch: int, specs: Iterable[JobSpec], flush: Callable[[], object]) -> Given:
    """Make jobs of what the batch has not; its input is complete then.

    Args:
        journal: with the batch, which must be this process's.
        batch: whose input it is.
        specs: the whole input.
        flush: writes what is gathered, and is patient about it.
    """
    matcher = Matcher(journal, batch)
    place = journal.count_jobs(batch) + 1
    known = new = 0
    rest = iter(specs)
    while page := list(islice(rest, _PAGE)):
        matches = matcher.match([spec.key for spec in page])
        fresh = [spec for spec, match in zip(page, matches, strict=True) if match is None]
        journal.add_jobs(batch, place, fresh)
        flush()
        place += len(fresh)
        new += len(fresh)
        known += len(page) - len(fresh)
    missing = sum(1 for _ in matcher.unmatched())
    matcher.close()
    journal.finish_input(batch)
    flush()
    return Given(known, new, missing)


def read_specs(source: tuple[int, bytes | None], make: Make, begun: bytes = b"") -> Iterator[JobSpec]:
    """The jobs of all that a descriptor has, as it is read; `begun`: what was read of it before.

    Raises:
        InputUnreadableError: it cannot be read.
    """
    fd, separator = source
    if isinstance(make, StreamSource):
        for chunk in chunks_of(fd):
            yield from make.feed(chunk)
    else:
        for records in records_of(fd, separator or b"\n", begun):
            yield from make.records(records)
    yield from make.end()
