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
@click.option("--tag", metavar="WORD", help="Only jobs that have this tag.")
@home_option
def command(batch: str | None, failed: bool, tag: str | None, home: str | None) -> None:
    """Print the attempts of BATCH (default: the latest), one JSON object each."""
    with reading(home) as journal:
        row = find_batch(journal, batch)
        for attempt in journal.attempts(row.id):
            if failed and attempt.outcome.succeeded:
                continue
            terms = row.header.terms[attempt.terms]
            if tag is not None and tag not in terms.tags:
                continue
            record = outcome_record(
                attempt.outcome,
                journal.layout.outputs,
                final=attempt.final,
                name=attempt.name,
                command=describe(terms.tool, attempt.payload),
            )
            if terms.tags:
                record["tags"] = terms.tags
            write(json_line(record))
