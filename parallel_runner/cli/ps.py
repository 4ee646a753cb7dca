"""`ps`: what runs on this home now."""

from __future__ import annotations

import time

import click

from parallel_runner.cli.options import home_option
from parallel_runner.cli.reading import line, reading, write
from parallel_runner.reports.plain import one_line
from parallel_runner.reports.records import json_line
from parallel_runner.reports.workers import live_workers, worker_record

WIDTH = 80
"""Columns of a command that are shown."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per worker.")
@home_option
def command(as_json: bool, home: str | None) -> None:
    """Show the workers of this home, those of dead runners included, and what they have in hand."""
    with reading(home) as journal:
        now = time.time()
        for live in live_workers(journal):
            record = worker_record(journal, live)
            if as_json:
                write(json_line(record))
                continue
            begun = f"{record.attempt}  {max(0.0, now - live.since):.0f} s  " if record.attempt else "idle"
            told = one_line(record.command, WIDTH) if record.command else ""
            line(f"{live.pid:>8}  {live.condition:<7}  {live.worker}  {begun}{told}".rstrip())
