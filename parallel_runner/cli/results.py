"""`results`: the attempts of a batch as JSON lines."""

from __future__ import annotations

import click

from parallel_runner.cli.options import home_option
from parallel_runner.cli.reading import reading, write
from parallel_runner.reports.finding import find_batch
from parallel_runner.reports.records import describe, json_line, outcome_record


@click.command()
@click.argument("batch", required=False)
@click.option("--failed", is_flag=True, help="Only attempts that did not succeed.")
@home_option
def command(batch: str | None, failed: bool, home: str | None) -> None:
    """Print the attempts of BATCH (default: the latest), one JSON object each."""
    with reading(home) as journal:
        row = find_batch(journal, batch)
        for attempt in journal.attempts(row.id):
            if failed and attempt.outcome.succeeded:
                continue
            told = describe(row.header.terms[attempt.terms].tool, attempt.payload)
            write(
                json_line(
                    outcome_record(
                        attempt.outcome,
                        journal.layout.outputs,
                        final=attempt.final,
                        name=attempt.name,
                        command=told,
                    )
                )
            )
