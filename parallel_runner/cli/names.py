"""Arguments that name a batch or a job: text for the verbs, completed from the journal for the shell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import click
from click.shell_completion import CompletionItem

from parallel_runner.cli.options import the_home
from parallel_runner.errors import ParallelRunnerError
from parallel_runner.ids import MAX_SEQ, batch_name, job_id, parse_name, seq_of
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.rows import BatchRow
from parallel_runner.journal.store import Journal

_MOST = 50
"""Words that are offered; nobody reads more, and a million jobs must not be listed."""
_BATCHES = 200
"""Latest batches that are looked at."""
_WIDTH = 60

Words = Callable[[Journal, str], Iterator[CompletionItem]]


class Named(click.types.StringParamType):
    """Text, with words to complete it by."""

    def __init__(self, name: str, words: Words) -> None:
        self.name = name
        self._words = words

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """At most _MOST words that begin so; none where there is no journal that can be read."""
        try:
            journal = Journal(StateLayout(the_home(ctx.params.get("home")).state), read_only=True)
        except (ParallelRunnerError, OSError):
            return []
        try:
            return list(islice(self._words(journal, incomplete), _MOST))
        except ParallelRunnerError:
            return []
        finally:
            journal.close()


def _batches(journal: Journal, incomplete: str) -> Iterator[CompletionItem]:
    for row in journal.batches(_BATCHES):
        if batch_name(row.id).startswith(incomplete):
            yield CompletionItem(batch_name(row.id), help=_told(row))


def _told(row: BatchRow) -> str:
    from parallel_runner.reports.plain import one_line

    return one_line(f"{row.state}: {row.header.name or row.command}", _WIDTH)


def _jobs(journal: Journal, incomplete: str) -> Iterator[CompletionItem]:
    batch_part, dot, rest = incomplete.partition(".")
    if not dot:
        # A batch is still being chosen: those of the latest ones stand for it.
        for row in journal.batches(_BATCHES):
            if batch_name(row.id).startswith(incomplete):
                yield from islice(_jobs_of(journal, row.id, ""), 10)
        return
    parsed = parse_name(batch_part)
    if parsed is not None:
        yield from _jobs_of(journal, parsed[0], rest)


def _jobs_of(journal: Journal, batch: int, rest: str) -> Iterator[CompletionItem]:
    """Jobs whose id in the batch file, or number, begins so."""
    bounds = job_id(batch, 0), job_id(batch, MAX_SEQ)
    wanted = {"after": bounds[0], "end": bounds[1], "beginning": rest, "most": _MOST}
    for (name,) in journal.read("job_names", wanted):
        yield CompletionItem(f"{batch_name(batch)}.{name}")
    last = journal.read("last_job", bounds)[0][0]
    for number in numbers_from(rest, seq_of(last) if last else 0):
        yield CompletionItem(f"{batch_name(batch)}.{number}")


def numbers_from(beginning: str, last: int) -> Iterator[int]:
    """The numbers from 1 to `last` whose digits begin so, the shorter ones first. Pure."""
    if not beginning:
        yield from range(1, last + 1)
        return
    if not (beginning.isascii() and beginning.isdigit()) or beginning.startswith("0"):
        return
    low, width = int(beginning), 1
    while low <= last:
        yield from range(low, min(low + width, last + 1))
        low, width = low * 10, width * 10


def _batches_and_jobs(journal: Journal, incomplete: str) -> Iterator[CompletionItem]:
    yield from _jobs(journal, incomplete) if "." in incomplete else _batches(journal, incomplete)


BATCH = Named("batch", _batches)
JOB = Named("job", _jobs)
BATCH_OR_JOB = Named("batch or job", _batches_and_jobs)
