"""`results`: the attempts of a batch as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator

import click

from parallel_runner.cli.names import BATCH, JOB
from parallel_runner.cli.options import home_option
from parallel_runner.cli.reading import reading, wait_a_little, write
from parallel_runner.ids import batch_of, job_of
from parallel_runner.journal.rows import BatchRow
from parallel_runner.journal.store import AttemptRow, Journal
from parallel_runner.model.lifecycle import ENDS, FailureClass
from parallel_runner.reports.finding import find_batch, find_job
from parallel_runner.reports.following import follow as follow_batch
from parallel_runner.reports.records import describe, json_line, outcome_record


@click.command()
@click.argument("batch", type=BATCH, required=False)
@click.option("--failed", is_flag=True, help="Only attempts that did not succeed.")
@click.option("--job", "jobs", metavar="JOB", type=JOB, multiple=True, help="Only this job. Can be repeated.")
@click.option(
    "--state",
    "states",
    type=click.Choice(sorted(state.value for state in ENDS)),
    metavar="STATE",
    multiple=True,
    help="Only attempts that ended so: succeeded, failed, timed_out, … Can be repeated.",
)
@click.option(
    "--class",
    "classes",
    type=click.Choice([one.value for one in FailureClass]),
    metavar="CLASS",
    multiple=True,
    help="Only attempts that failed so: exit, signal, timeout, … Can be repeated.",
)
@click.option("--tag", metavar="WORD", help="Only jobs that have this tag.")
@click.option("--follow", is_flag=True, help="Go on, with each attempt as it ends, until nobody runs the batch.")
@home_option
def command(
    batch: str | None,
    failed: bool,
    jobs: tuple[str, ...],
    states: tuple[str, ...],
    classes: tuple[str, ...],
    tag: str | None,
    follow: bool,
    home: str | None,
) -> None:
    """Print the attempts of BATCH (default: the latest), one JSON object each."""
    with reading(home) as journal:
        row = find_batch(journal, batch)
        chosen = {_job(journal, row, job) for job in jobs}
        for attempt in _attempts(journal, row.id, chosen, follow):
            outcome = attempt.outcome
            if (
                (failed and outcome.succeeded)
                or (chosen and job_of(outcome.attempt) not in chosen)
                or (states and outcome.state.value not in states)
                or (classes and (outcome.failure is None or outcome.failure.value not in classes))
            ):
                continue
            if attempt.terms >= len(row.header.terms):
                row = journal.batch(row.id)  # A job has become others, on terms that were not there before.
            terms = row.header.terms[attempt.terms]
            if tag is not None and tag not in terms.tags:
                continue
            told = describe(terms.tool, attempt.payload)
            record = outcome_record(
                outcome,
                journal.layout.outputs,
                final=attempt.final,
                name=attempt.name,
                command=told,
                tags=terms.tags,
            )
            write(json_line(record))


def _job(journal: Journal, row: BatchRow, name: str) -> int:
    """A job of that very batch, by its number, its id or its whole name."""
    whole = name if name.startswith(f"b{row.id}.") else f"b{row.id}.{name}"
    return find_job(journal, whole)[1]


def _attempts(journal: Journal, batch: int, jobs: set[int], follow: bool) -> Iterator[AttemptRow]:
    if follow:
        yield from follow_batch(journal, batch, wait_a_little)
    elif jobs:
        for job in sorted(jobs):
            yield from journal.attempts(batch_of(job), job)
    else:
        yield from journal.attempts(batch)
