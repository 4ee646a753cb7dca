"""`prune`: remove old history."""

from __future__ import annotations

import click

from parallel_runner.cli.options import home_option, the_home
from parallel_runner.cli.reading import line
from parallel_runner.clock import SystemClock
from parallel_runner.journal import disk
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.prune import prune
from parallel_runner.journal.store import Journal

HISTORY_DAYS = 30
MOST_DAYS = 36_500


@click.command()
@click.option(
    "--days", type=click.IntRange(0, MOST_DAYS), default=HISTORY_DAYS, help="Keep what ended later. Default: 30."
)
@home_option
def command(days: int, home: str | None) -> None:
    """Remove batches that ended more than DAYS days ago, with their outputs. Never one that is being run.

    Environments and pieces of streams that killed runners left, and that no batch needs, go as well. On a full disk
    the reserve that is kept for such a case is given up first.
    """
    layout = StateLayout(the_home(home).state)
    disk.make_room(layout)
    journal = Journal(layout)
    try:
        pruned = prune(journal, days, SystemClock().now())
        line(f"removed {pruned.batches} batches; {pruned}")
    finally:
        journal.close()
