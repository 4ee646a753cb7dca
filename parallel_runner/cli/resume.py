"""`resume`: go on with a batch."""

from __future__ import annotations

import click

from parallel_runner.cli.again import again_options, go_on, latest_unfinished


@click.command()
@again_options
def command(batch: str | None, jobs: str | None, as_json: bool, quiet: bool, home: str | None) -> int:
    """Run what has not ended of BATCH (default: the latest unfinished one that was started in this directory)."""
    return go_on(latest_unfinished(home, batch), (jobs, as_json, quiet), home, ())
