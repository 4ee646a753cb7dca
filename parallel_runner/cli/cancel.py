"""`cancel`: end a batch that runs, or a dead runner's jobs that still do."""

from __future__ import annotations

import os
import signal

import click

from parallel_runner.cli.options import home_option
from parallel_runner.cli.reading import line, reading
from parallel_runner.errors import UsageError
from parallel_runner.ids import batch_name, batch_of, job_of, parse_name
from parallel_runner.journal.locks import is_held
from parallel_runner.journal.owners import is_alive
from parallel_runner.reports.story import running


@click.command()
@click.argument("batch")
@home_option
def command(batch: str, home: str | None) -> None:
    """End BATCH: its runner ends what runs and starts nothing new; `resume` can go on with it."""
    parsed = parse_name(batch)
    if parsed is None or parsed[1] is not None:
        raise UsageError(f"{batch!r} is no batch; batches are called b1, b2, …: see `parallel-runner history`")
    with reading(home) as journal:
        row = journal.batch(parsed[0])
        if row.owner is not None and is_alive(journal.layout, row.owner):
            # The lock was held a moment ago by that very file: its pid is not another process's.
            with open(journal.layout.owner_lock(row.owner), encoding="ascii") as file:
                os.kill(int(file.read()), signal.SIGTERM)
            line(f"{batch_name(row.id)}: its runner was told to end")
            return
        ended = 0
        for worker, condition, pid, attempt in running(journal):
            mine = attempt and batch_of(job_of(attempt)) == row.id
            if condition == "orphan" and mine and pid and is_held(journal.layout.worker_lock(worker)):
                os.kill(pid, signal.SIGTERM)
                ended += 1
        line(f"{batch_name(row.id)}: nobody runs it; {ended} jobs of its dead runner were told to end")
