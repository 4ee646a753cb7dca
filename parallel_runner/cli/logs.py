"""`logs`: what a job, or all jobs of a batch, wrote."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

import click

from parallel_runner.cli.following_logs import follow_job
from parallel_runner.cli.names import BATCH_OR_JOB
from parallel_runner.cli.options import home_option
from parallel_runner.cli.reading import put, reading, wait_a_little
from parallel_runner.errors import StateError, UsageError
from parallel_runner.ids import attempt_name, job_name, job_of, number_of
from parallel_runner.journal.segments import read_output
from parallel_runner.journal.store import AttemptRow, Journal
from parallel_runner.model.outcome import Output
from parallel_runner.reports import lines
from parallel_runner.reports.finding import find_attempt, find_batch
from parallel_runner.reports.following import follow as follow_batch

_ATTEMPT = r"Only this attempt, from 1. Default: each job's last one."


class Wanted(NamedTuple):
    """What is shown of each stream."""

    only: str | None
    """`out` or `err`: that stream, to stdout. None: both, each to its own."""
    pattern: re.Pattern[bytes] | None
    context: int
    head: int | None
    tail: int | None
    attempt: int | None

    @property
    def whole(self) -> bool:
        """Every byte."""
        return self.pattern is None and self.head is None and self.tail is None

    def chosen(self, found: Iterable[bytes]) -> Iterator[bytes]:
        """Those of the lines that are wanted."""
        if self.pattern is not None:
            found = lines.matching(found, self.pattern, self.context)
        if self.head is not None:
            found = lines.first(found, self.head)
        if self.tail is not None:
            found = lines.last(found, self.tail)
        return iter(found)


@click.command()
@click.argument("name", metavar="JOB|BATCH", type=BATCH_OR_JOB)
@click.option("--stdout", "only", flag_value="out", help="Only stdout.")
@click.option("--stderr", "only", flag_value="err", help="Only stderr, to stdout.")
@click.option("--head", type=click.IntRange(0), metavar="N", help="Only the first N lines of each stream.")
@click.option("--tail", type=click.IntRange(0), metavar="N", help="Only the last N lines of each stream.")
@click.option("--grep", metavar="REGEX", help="Only lines in which this is found: a regular expression of Python.")
@click.option("-i", "--ignore-case", is_flag=True, help="With --grep: whatever the case of the letters.")
@click.option(
    "-C", "--context", type=click.IntRange(0), default=0, metavar="N", help="With --grep: N lines around."
)
@click.option("--attempt", type=click.IntRange(1, 255), metavar="N", help=_ATTEMPT)
@click.option("--follow", is_flag=True, help="Go on, with what is written as it comes, until it has ended.")
@home_option
def command(
    name: str,
    only: str | None,
    head: int | None,
    tail: int | None,
    grep: str | None,
    ignore_case: bool,
    context: int,
    attempt: int | None,
    follow: bool,
    home: str | None,
) -> None:
    """Print what JOB (b17.3, or b17.3.1 for one attempt) wrote: its stdout to stdout, its stderr to stderr.

    Of a BATCH, what each of its jobs wrote, each line after the job's name and a tabulator.
    """
    if follow and (tail is not None or head is not None or attempt is not None or context):
        raise UsageError("--follow shows what comes as it comes: --head, --tail, --attempt and -C do not fit")
    if grep is None and (ignore_case or context):
        raise UsageError("-i and -C say how --grep searches: give it as well")
    wanted = Wanted(only, _pattern(grep, ignore_case), context, head, tail, attempt)
    with reading(home) as journal:
        if "." not in name:
            _show_batch(journal, find_batch(journal, name).id, wanted, follow)
            return
        batch, job, number = find_attempt(journal, name)
        if number is not None:
            name, wanted = name.rsplit(".", 1)[0], wanted._replace(attempt=number)
        if follow:
            if number is not None:
                raise UsageError(f"--follow shows a job from the attempt in hand on: give {name}")
            follow_job(journal, batch, job, only, wanted.chosen if wanted.pattern else None)
            return
        rows = _chosen_attempts(journal.attempts(batch.id, job), wanted.attempt)
        last = next(rows, None)
        if last is None:
            raise UsageError(_no_such(journal, batch.id, job, name, wanted.attempt))
        _show(journal, last, wanted, b"")


def _no_such(journal: Journal, batch: int, job: int, name: str, number: int | None) -> str:
    """What to say where there is nothing to show of a job."""
    if journal.is_pending(job):
        which = f"attempt {number} of {name}" if number else name
        return (
            f"{which} has not ended yet; see `parallel-runner logs {name} --follow` or `parallel-runner why {name}`"
        )
    if not number:
        return f"{name} has no attempt; see `parallel-runner why {name}`"
    last = max((number_of(row.outcome.attempt) for row in journal.attempts(batch, job)), default=0)
    return f"{name} has no attempt {number}: it ended after {last}"


def _pattern(grep: str | None, ignore_case: bool) -> re.Pattern[bytes] | None:
    if grep is None:
        return None
    try:
        # Bytes, so that what is no UTF-8 is searched as well; the case of what is no ASCII counts.
        return re.compile(grep.encode("utf-8", "surrogateescape"), re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise UsageError(f"--grep {grep}: {error}") from error


def _chosen_attempts(rows: Iterable[AttemptRow], number: int | None) -> Iterator[AttemptRow]:
    """The attempt of that number of each job, or its last one."""
    before: AttemptRow | None = None
    for row in rows:
        if number is not None:
            if number_of(row.outcome.attempt) == number:
                yield row
            continue
        if before is not None and job_of(before.outcome.attempt) != job_of(row.outcome.attempt):
            yield before
        before = row
    if before is not None:
        yield before


def _show_batch(journal: Journal, batch: int, wanted: Wanted, follow: bool) -> None:
    if follow:
        rows: Iterator[AttemptRow] = follow_batch(journal, batch, wait_a_little)
    else:
        rows = _chosen_attempts(journal.attempts(batch), wanted.attempt)
    for row in rows:
        mark = f"b{batch}.{row.name}" if row.name else job_name(job_of(row.outcome.attempt))
        _show(journal, row, wanted, mark.encode())


def _show(journal: Journal, row: AttemptRow, wanted: Wanted, mark: bytes) -> None:
    outcome = row.outcome
    try:
        if wanted.only != "err":
            _print(journal, outcome.out, wanted, mark, sys.stdout.buffer)
        if wanted.only != "out":
            _print(journal, outcome.err, wanted, mark, (sys.stdout if wanted.only else sys.stderr).buffer)
    except FileNotFoundError as error:
        raise StateError(f"the output of {attempt_name(outcome.attempt)} was pruned ({error.filename})") from error


def _print(journal: Journal, output: Output, wanted: Wanted, mark: bytes, stream: BinaryIO) -> None:
    chunks = read_output(journal.layout.outputs, output)
    if wanted.whole and not mark:
        put(stream, chunks)
        return
    found = wanted.chosen(lines.lines_of(chunks))
    put(stream, lines.marked(found, mark) if mark else found)
