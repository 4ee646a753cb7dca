"""`logs`: what a job wrote."""

from __future__ import annotations

import sys

import click

from parallel_runner.cli.options import home_option
from parallel_runner.cli.reading import reading, write
from parallel_runner.errors import StateError, UsageError
from parallel_runner.ids import number_of
from parallel_runner.journal.segments import read_output
from parallel_runner.reports.finding import find_attempt


@click.command()
@click.argument("job")
@click.option("--stdout", "only", flag_value="out", help="Only its stdout.")
@click.option("--stderr", "only", flag_value="err", help="Only its stderr.")
@home_option
def command(job: str, only: str | None, home: str | None) -> None:
    """Print what JOB (b17.3, or b17.3.1 for one attempt) wrote: its stdout to stdout, its stderr to stderr."""
    with reading(home) as journal:
        batch, ident, wanted = find_attempt(journal, job)
        outcomes = [row.outcome for row in journal.attempts(batch.id, ident)]
        if wanted is not None:
            outcomes = [outcome for outcome in outcomes if number_of(outcome.attempt) == wanted]
        if not outcomes:
            raise UsageError(f"{job} has not ended yet; see `parallel-runner why {job}`")
        last = outcomes[-1]
        try:
            if only != "err":
                for data in read_output(journal.layout.outputs, last.out):
                    write(data)
            if only != "out":
                for data in read_output(journal.layout.outputs, last.err):
                    (sys.stdout if only else sys.stderr).buffer.write(data)
        except FileNotFoundError as error:
            raise StateError(f"the output of {job} was pruned ({error.filename})") from error
