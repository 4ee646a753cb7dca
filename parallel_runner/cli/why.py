"""`why`: the story of a job."""

from __future__ import annotations

import click

from parallel_runner.cli.names import JOB
from parallel_runner.cli.options import home_option
from parallel_runner.cli.reading import line, reading, write
from parallel_runner.reports.finding import find_job
from parallel_runner.reports.records import json_line
from parallel_runner.reports.story import story
from parallel_runner.reports.telling import story_lines


@click.command()
@click.argument("job", type=JOB)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@home_option
def command(job: str, as_json: bool, home: str | None) -> None:
    """Tell what JOB is, what it waits for, what became of each of its attempts, and what to type next."""
    with reading(home) as journal:
        batch, ident = find_job(journal, job)
        # All of it as of one moment: what ends meanwhile must not be half told.
        with journal.deferred():
            told = story(journal, journal.batch(batch.id), ident)
    if as_json:
        write(json_line(told))
        return
    for text in story_lines(told):
        line(text)
