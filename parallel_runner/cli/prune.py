"""`prune`: remove old history."""

from __future__ import annotations

import os

import click

from parallel_runner.cli.options import home_option, the_home
from parallel_runner.cli.reading import line
from parallel_runner.clock import SystemClock
from parallel_runner.journal import disk
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.prune import Pruned, prune
from parallel_runner.journal.store import Journal
from parallel_runner.settings.load import load_cached

MOST_DAYS = 36_500


@click.command()
@click.option(
    "--days",
    type=click.IntRange(0, MOST_DAYS),
    help="Keep what ended later. Default: history_days.",
)
@click.option("--unfinished", is_flag=True, help="Also what was interrupted and `resume` could go on with.")
@home_option
def command(days: int | None, unfinished: bool, home: str | None) -> None:
    """Remove batches that ended more than DAYS days ago, with their outputs. Never one that is being run.

    Environments and pieces of streams that killed runners left, and that no batch needs, go as well. On a full disk
    the reserve that is kept for such a case is given up first.
    """
    the = the_home(home)
    settings = load_cached(the.config, os.environ, f"{the.state}/settings.cache").settings
    most = days if days is not None else settings.resource_limits.journal.history_days
    layout = StateLayout(the.state)
    disk.make_room(layout)
    journal = Journal(layout)
    try:
        pruned = prune(journal, most, SystemClock().now(), unfinished=unfinished)
        line(told(pruned))
    finally:
        journal.close()


def told(pruned: Pruned) -> str:
    """What was removed, in a line."""
    parts = [f"removed {pruned.batches} batches"]
    for count, what in ((pruned.segments, "files of outputs"), (pruned.environments, "environments and streams")):
        if count:
            parts.append(f"{count} {what}")
    return f"{', '.join(parts)}; {pruned.freed / 1e6:.1f} MB are free again"
