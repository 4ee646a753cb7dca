"""The end of a run: what is told of it, what is removed, and the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from parallel_runner.errors import EXIT_BATCH_DEADLINE, EXIT_PENDING, EXIT_SIGNAL_BASE, EXIT_STATE
from parallel_runner.ids import batch_name
from parallel_runner.journal.store import Journal
from parallel_runner.model.lifecycle import State
from parallel_runner.reports import summary
from parallel_runner.reports.failures import failure_lines
from parallel_runner.runner.audience import Ended
from parallel_runner.runner.pacing import Conduct
from parallel_runner.runner.session import Session
from parallel_runner.scheduler.halting import Tally, exit_code_unreached

SIGPIPE = 13


@dataclass(frozen=True)
class View:
    """What the user wants to see, and how wide it may run."""

    conduct: Conduct
    keep_order: bool = False
    live: str = ""
    """`lines` or `bytes`: what jobs write is printed while they run."""
    json: bool = False
    quiet: bool = False
    verbose: int = 0
    meter: str = ""
    """Which progress is shown: `bar`, `lines`; empty: by what stderr is."""
    stderr: Callable[[str], None] = field(default=lambda line: _say(line))


def _say(line: str) -> None:
    try:
        sys.stderr.write(f"parallel-runner: {line}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def conclude(session: Session, ended: Ended, view: View, wall: float, *, own_failures: bool) -> int:
    """Tell how a run ended, clear away what is not needed any more; returns the exit code.

    Args:
        session: the run's.
        ended: how it ended.
        view: what is shown.
        wall: seconds that it took.
        own_failures: what failed in earlier runs of the batch does not count in the exit code.
    """
    if ended.trouble:
        view.stderr(f"{ended.trouble}; what had ended is kept and is taken over by the next command")
        return EXIT_STATE
    batch = ended.batch
    tally = session.journal.tally(batch)
    pending = session.journal.count_pending(batch)
    if not pending:
        _remove_inputs(session, batch)
    if ended.broken_pipe:
        return EXIT_SIGNAL_BASE + SIGPIPE
    _tell(session.journal, tally, pending, ended, view, wall)
    if ended.signal is not None:
        return EXIT_SIGNAL_BASE + ended.signal
    if ended.input_error is not None:
        return ended.input_error.exit_code
    if ended.overdue:
        return EXIT_BATCH_DEADLINE
    if ended.halted is not None:
        return ended.halted
    failed = ended.failures.count if own_failures else summary.failed_count(tally)
    halt = view.conduct.halt
    unreached = exit_code_unreached(halt, Tally(failed, sum(tally.values()), 0)) if halt is not None else None
    code = summary.exit_code(failed) if unreached is None else unreached
    if not code and pending:
        return EXIT_PENDING
    # Whoever reads the output has not got it whole, though every job succeeded.
    return EXIT_STATE if not code and ended.failures.unkept else code


def _tell(
    journal: Journal, tally: Mapping[State, int], pending: int, ended: Ended, view: View, wall: float
) -> None:
    batch, failed = ended.batch, summary.failed_count(tally)
    unread = ended.signal is not None and not journal.batch(batch).input_complete
    if view.quiet and not (failed or pending or ended.failures.unkept or unread):
        return
    view.stderr(summary.headline(batch, tally, pending, wall))
    lines, classes = failure_lines(journal, batch, ended.failures)
    for line in [*lines, *summary.next_commands(batch, tally, pending, classes)]:
        view.stderr(line)
    if unread:
        view.stderr(f"its input was not read to the end; give it again to go on: run --resume {batch_name(batch)}")


def _remove_inputs(session: Session, batch: int) -> None:
    """The environment, and the pieces of a stream, of a batch that has ended."""
    for terms in session.journal.batch(batch).header.terms:
        if terms.environment:
            stream = terms.environment.replace(".env", ".stream")
            for path in (f"{session.layout.environments}/{terms.environment}", f"{session.layout.inputs}/{stream}"):
                try:
                    os.unlink(path)
                except FileNotFoundError:
                    continue
