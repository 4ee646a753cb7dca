"""`why`: the story of a job."""

from __future__ import annotations

import click

from parallel_runner.cli.options import home_option
from parallel_runner.cli.reading import line, reading
from parallel_runner.reports.finding import find_job
from parallel_runner.reports.story import tell


@click.command()
@click.argument("job")
@home_option
def command(job: str, home: str | None) -> None:
    """Tell what JOB is, what became of each of its attempts, and what it waits for."""
    with reading(home) as journal:
        for text in tell(journal, *find_job(journal, job)):
            line(text)
