"""`history`: the latest batches."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime

import click

from parallel_runner.cli.moments import moment
from parallel_runner.cli.options import current_directory, home_option
from parallel_runner.cli.reading import line, reading, write
from parallel_runner.cli.tables import print_table
from parallel_runner.model.lifecycle import State
from parallel_runner.reports.history import STATES, BatchRecord, Filter, batches
from parallel_runner.reports.plain import one_line
from parallel_runner.reports.records import json_line

WIDTH = 100
"""Columns of a command that are shown where nothing says how wide the reader's page is."""


@click.command()
@click.option("-n", "--limit", type=click.IntRange(1, 1_000_000), default=20, help="How many. Default: 20.")
@click.option("--state", type=click.Choice(STATES), help="Only batches that are in this state.")
@click.option("--failed", is_flag=True, help="Only batches with a job that did not end as asked.")
@click.option("--since", metavar="WHEN", help="Only batches from then on: a date, or how long ago (2h, 3d).")
@click.option("--until", metavar="WHEN", help="Only batches from before: a date, or how long ago.")
@click.option("--name", metavar="GLOB", help="Only batches whose file gives them such a name.")
@click.option("--command", "text", metavar="TEXT", help="Only batches with this in their command line.")
@click.option("--cwd", metavar="DIR", help="Only batches that were started in this directory, `.` for this one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per batch.")
@home_option
def command(
    limit: int,
    state: str | None,
    failed: bool,
    since: str | None,
    until: str | None,
    name: str | None,
    text: str | None,
    cwd: str | None,
    as_json: bool,
    home: str | None,
) -> None:
    """List the latest batches, the last first."""
    now = datetime.now().astimezone()
    wanted = Filter(
        state=state,
        failed=failed,
        since=moment(since, now, "--since") if since else None,
        until=moment(until, now, "--until") if until else None,
        name=name,
        command=text,
        cwd=os.path.normpath(os.path.join(current_directory(), os.fsencode(cwd))) if cwd is not None else None,
    )
    with reading(home) as journal:
        found = batches(journal, wanted, limit)
        if as_json:
            for record in found:
                write(json_line(record))
        elif sys.stdout.isatty():
            _table(list(found))
        else:
            for record in found:
                begun = f"{record.batch:>6}  {_begun(record)}  {record.state:<11}"
                line(f"{begun}  {_tally(record):<30}  {_what(record)}")


def _begun(record: BatchRecord) -> str:
    return f"{datetime.fromisoformat(record.created_at).astimezone():%Y-%m-%d %H:%M:%S}"


def _tally(record: BatchRecord) -> str:
    counts = [f"{count} {state.value}" for state, count in sorted(record.tally.items())]
    open_jobs = record.jobs - sum(record.tally.values())
    return ", ".join([*counts, f"{open_jobs} open"] if open_jobs > 0 else counts)


def _what(record: BatchRecord) -> str:
    return one_line(f"{record.name}: {record.command}" if record.name else record.command, WIDTH)


def _table(found: Sequence[BatchRecord]) -> None:
    rows = [(one.batch, _begun(one), one.state, _tally(one), _what(one)) for one in found]
    print_table(
        ("batch", "begun", "state", "jobs", "command"), rows, [("", "", _style(one), "", "") for one in found]
    )


def _style(record: BatchRecord) -> str:
    bad = any(state not in (State.SUCCEEDED, State.INTERRUPTED) for state in record.tally)
    return "red" if bad else "green" if record.state == "done" else "yellow"
