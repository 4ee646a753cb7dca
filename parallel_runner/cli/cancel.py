"""`cancel`: end a batch or one job of it, or a dead runner's jobs that still run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import click

from parallel_runner.cli.names import BATCH_OR_JOB
from parallel_runner.cli.options import home_option
from parallel_runner.cli.reading import line, reading
from parallel_runner.errors import UsageError
from parallel_runner.ids import batch_name, batch_of, job_name, job_of
from parallel_runner.journal.locks import is_held
from parallel_runner.journal.owners import is_alive
from parallel_runner.journal.rows import BatchRow
from parallel_runner.journal.store import Journal
from parallel_runner.reports.finding import find_batch, find_job
from parallel_runner.reports.workers import live_workers
from parallel_runner.runner.requests import ask_to_cancel


@click.command()
@click.argument("name", metavar="BATCH|JOB", type=BATCH_OR_JOB)
@home_option
def command(name: str, home: str | None) -> None:
    """End a batch (b17: its runner starts nothing new; `resume` can go on with it), or one job of it (b17.3)."""
    with reading(home) as journal:
        if "." in name:
            _cancel_job(journal, *find_job(journal, name))
        else:
            _cancel_batch(journal, find_batch(journal, name))


def _cancel_batch(journal: Journal, row: BatchRow) -> None:
    if row.owner is not None and is_alive(journal.layout, row.owner):
        # The lock was held a moment ago by that very file: its pid is not another process's.
        with open(journal.layout.owner_lock(row.owner), encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGTERM)
        line(f"{batch_name(row.id)}: its runner was told to end")
        return
    ended = _end_orphans(journal, lambda job: batch_of(job) == row.id)
    line(f"{batch_name(row.id)}: nobody runs it; {ended} jobs of its dead runner were told to end")


def _cancel_job(journal: Journal, row: BatchRow, job: int) -> None:
    ends = [attempt for attempt in journal.attempts(row.id, job) if attempt.final]
    if ends and not journal.is_pending(job):
        raise UsageError(f"{job_name(job)} has ended: {ends[-1].outcome.state.value}")
    if row.owner is not None and is_alive(journal.layout, row.owner):
        ask_to_cancel(journal.layout, row.owner, job)
        line(f"{job_name(job)}: its runner was told to end it")
    elif _end_orphans(journal, lambda held: held == job):
        line(f"{job_name(job)}: its runner is dead; its worker was told to end it")
    else:
        raise UsageError(f"{job_name(job)} does not run, and nobody runs its batch; `resume` would run it")


def _end_orphans(journal: Journal, wanted: Callable[[int], bool]) -> int:
    """Have workers of dead runners end the jobs in their hands; each has only that one any more."""
    ended = 0
    for live in live_workers(journal):
        mine = live.attempt and wanted(job_of(live.attempt))
        if live.condition == "orphan" and mine and live.pid and is_held(journal.layout.worker_lock(live.worker)):
            os.kill(live.pid, signal.SIGTERM)
            ended += 1
    return ended
