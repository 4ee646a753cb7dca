"""`ps`: what runs on this home now."""

from __future__ import annotations

import click

from parallel_runner.cli.options import home_option
from parallel_runner.cli.reading import line, reading, write
from parallel_runner.ids import attempt_name
from parallel_runner.reports.records import json_line
from parallel_runner.reports.story import running


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per worker.")
@home_option
def command(as_json: bool, home: str | None) -> None:
    """Show the workers of this home, those of dead runners included, and what they have in hand."""
    with reading(home) as journal:
        for worker, condition, pid, attempt in running(journal):
            name = attempt_name(attempt) if attempt else None
            if as_json:
                write(json_line({"worker": worker, "condition": condition, "pid": pid, "attempt": name}))
            else:
                line(f"{pid:>8}  {condition:<7}  {worker}  {name or 'idle'}")
