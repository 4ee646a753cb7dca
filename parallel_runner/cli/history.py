"""`history`: the latest batches."""

from __future__ import annotations

import click

from parallel_runner.cli.options import home_option
from parallel_runner.cli.reading import line, reading, write
from parallel_runner.ids import batch_name
from parallel_runner.journal.owners import is_alive
from parallel_runner.reports.records import json_line

WIDTH = 100
"""Characters of a command line that are shown."""


@click.command()
@click.option("-n", "--limit", type=click.IntRange(1, 1_000_000), default=20, help="How many. Default: 20.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per batch.")
@home_option
def command(limit: int, as_json: bool, home: str | None) -> None:
    """List the latest batches, the last first."""
    with reading(home) as journal:
        for row in journal.batches(limit):
            state = row.state
            if state == "open" and not (row.owner and is_alive(journal.layout, row.owner)):
                state = "interrupted"
            tally = {key.value: count for key, count in journal.tally(row.id).items()}
            record = {
                "batch": batch_name(row.id),
                "name": row.header.name or None,
                "state": state,
                "created_at": row.created_at.isoformat(),
                "ended_at": row.ended_at.isoformat() if row.ended_at else None,
                "jobs": journal.count_jobs(row.id),
                "tally": tally,
                "cwd": row.header.cwd.decode("utf-8", "backslashreplace"),
                "command": row.command,
            }
            if as_json:
                write(json_line(record))
            else:
                counts = ", ".join(f"{count} {name}" for name, count in sorted(tally.items()))
                begun = f"{record['batch']:>6}  {row.created_at:%Y-%m-%d %H:%M:%S}  {state:<11}"
                line(f"{begun}  {counts:<30}  {row.command[:WIDTH]}")
