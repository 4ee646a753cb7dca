"""`retry`: run failed jobs again."""

from __future__ import annotations

import click

from parallel_runner.cli.again import again_options, go_on
from parallel_runner.cli.reading import reading
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.reports.finding import find_batch

FAILED = (State.FAILED, State.TIMED_OUT, State.REJECTED, State.QUARANTINED, State.CANCELLED, State.SKIPPED)


@click.command()
@click.option("--unknown", is_flag=True, help="Also those of which nobody knows whether they ran to their end.")
@click.option(
    "--class",
    "classes",
    type=click.Choice([one.value for one in FailureClass]),
    multiple=True,
    metavar="CLASS",
    help="Only jobs that failed so: exit, signal, timeout, oom, … Can be given several times.",
)
@again_options
def command(
    batch: str | None,
    unknown: bool,
    classes: tuple[str, ...],
    jobs: str | None,
    as_json: bool,
    quiet: bool,
    home: str | None,
) -> int:
    """Run the failed jobs of BATCH (default: the latest) again, and what was skipped because of them."""
    with reading(home, update=True) as journal:
        ident = find_batch(journal, batch).id
    states = (*FAILED, State.UNKNOWN) if unknown else FAILED
    return go_on(ident, (jobs, as_json, quiet), home, states, [FailureClass(one) for one in classes])
