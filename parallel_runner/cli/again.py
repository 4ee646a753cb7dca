"""What `resume` and `retry` share: options, and finding the batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

import click

from parallel_runner.cli.names import BATCH
from parallel_runner.cli.options import current_directory, home_option, job_count, the_home
from parallel_runner.cli.reading import reading
from parallel_runner.errors import UsageError
from parallel_runner.ids import batch_name
from parallel_runner.journal.store import Journal
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.reports.finding import find_batch
from parallel_runner.runner.concluding import View
from parallel_runner.runner.one_shot import cpus, most_instances, run_again
from parallel_runner.runner.pacing import Conduct

F = TypeVar("F", bound=Callable[..., Any])


def again_options(command: F) -> F:
    """The options of `run` that make sense for a batch that is there already."""
    for option in (
        home_option,
        click.option("-q", "--quiet", is_flag=True, help="Say nothing when all is well."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object per attempt."),
        click.option("-j", "--jobs", metavar="N", help="Jobs at once, as for `run`."),
        click.argument("batch", type=BATCH, required=False),
    ):
        command = option(command)
    return command


def latest_unfinished(home: str | None, name: str | None) -> int:
    """The batch that is meant: by name, else the latest unfinished one of this directory.

    Raises:
        UsageError: there is none, or several with different contents.
    """
    with reading(home, update=True) as journal:
        if name is not None:
            return find_batch(journal, name).id
        here = current_directory()
        rows = [row for row in journal.batches(200) if row.state != "done" and row.header.cwd == here]
    if not rows:
        raise UsageError(
            "no unfinished batch was started in this directory; name one: see `parallel-runner history`"
        )
    if len({row.header.identity for row in rows}) > 1:
        names = ", ".join(batch_name(row.id) for row in rows)
        raise UsageError(f"several unfinished batches were started in this directory: {names}; name one")
    return rows[0].id


def go_on(
    batch: int,
    view_of: tuple[str | None, bool, bool],
    home: str | None,
    states: Iterable[State],
    classes: Collection[FailureClass] = (),
) -> int:
    """Open what ended in one of `states`, and by one of `classes` if there are any, again, and run what is open."""
    jobs, as_json, quiet = view_of
    count = job_count(jobs, cpus(), most_instances(the_home(home)))
    view = View(conduct=Conduct(count), json=as_json, quiet=quiet)

    def prepare(journal: Journal) -> None:
        if wanted := list(states):
            journal.requeue(batch, wanted, classes=classes or None)

    return run_again(the_home(home), batch, view, prepare)
