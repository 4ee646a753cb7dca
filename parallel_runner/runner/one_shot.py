"""What `run`, `resume` and `retry` share: one batch, run in this process, from open to exit code."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from parallel_runner.errors import (
    EXIT_INPUT_UNREADABLE,
    StateError,
)
from parallel_runner.ids import attempt_name, batch_name, batch_of, job_id, job_of
from parallel_runner.journal import owners
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.rows import BatchRow
from parallel_runner.journal.store import Journal
from parallel_runner.model.batch import BatchHeader
from parallel_runner.model.job import JobSpec
from parallel_runner.model.lifecycle import ENDS, State
from parallel_runner.model.terms import Limits, RetryPolicy, Terms
from parallel_runner.pools.plans import write_environment
from parallel_runner.reports.summary import in_a_line
from parallel_runner.runner.audience import Audience
from parallel_runner.runner.batch_run import BatchRun
from parallel_runner.runner.blocks import BlockStore
from parallel_runner.runner.concluding import View, conclude
from parallel_runner.runner.feeds import Feed, InputFeed, JournalFeed, ListFeed, Make
from parallel_runner.runner.printing import Manner, Printer
from parallel_runner.runner.progress import choose
from parallel_runner.runner.recording import Told, told_of
from parallel_runner.runner.records import Records
from parallel_runner.runner.regiven import add_missing, find_batch_of, not_taken_up, read_specs
from parallel_runner.runner.session import Session, instance_budget, patiently
from parallel_runner.runner.writing import Sink
from parallel_runner.settings.home import Home
from parallel_runner.settings.load import load_cached
from parallel_runner.workflows.stream_blocks import BlockMaker

SIGPIPE = 13
_CLAIMS = 5


@dataclass(frozen=True)
class NewBatch:
    """A batch that is about to be made."""

    header: BatchHeader
    command: str
    jobs: Iterable[JobSpec] | None = None
    """Jobs that are there already; None: they are read from `source`."""
    source: tuple[int, bytes | None] = (0, b"\n")
    """Descriptor, and what separates its records; None: it is a stream of bytes."""
    make: Make | None = None
    begun: bytes = b""
    """What was read of the source already, and makes jobs like the rest."""


def most_instances(home: Home) -> int:
    """Instances that all runners of a home together may have.

    Raises:
        ConfigError: the configuration is wrong.
    """
    return instance_budget(load_cached(home.config, os.environ, f"{home.state}/settings.cache").settings)


def base_terms(home: Home) -> Terms:
    """The terms that hold where neither a flag nor a batch file says otherwise.

    Raises:
        ConfigError: the configuration is wrong.
    """
    settings = load_cached(home.config, os.environ, f"{home.state}/settings.cache").settings
    execution = settings.resource_limits.execution
    return Terms(
        limits=Limits(grace=execution.grace, max_output=execution.max_output),
        retry=RetryPolicy(lost_retries=execution.lost_retries),
        leftovers=execution.leftovers,
        stop_on_loss=settings.coordination_rules.recovery.on_supervisor_loss == "kill",
    )


def cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def run_new(home: Home, new: NewBatch, view: View) -> int:
    """Make a batch and run it; returns the exit code."""
    with Session(home) as session:
        _recover(session, view)
        environment = f"{session.owner.token}.env"
        path = f"{session.layout.environments}/{environment}"
        write_environment(path, dict(os.environb))
        terms = tuple(_with_environment(one, environment) for one in new.header.terms)
        header = msgspec.structs.replace(new.header, terms=terms)
        batch = patiently(lambda: session.journal.create_batch(header, session.owner.token, new.command))
        _keep_blocks(new, session, environment)
        feed = _feed(session, batch, new)
        return _run(session, batch, header, feed, view)


def _keep_blocks(new: NewBatch, session: Session, environment: str) -> None:
    """Where a stream is cut into jobs: have its pieces kept until the batch has ended."""
    if isinstance(new.make, BlockMaker):
        new.make.store = BlockStore(session.layout.inputs, environment.replace(".env", ".stream")).keep


def run_resumed(home: Home, new: NewBatch, wanted: int | None, view: View, states: Iterable[State] = ()) -> int:
    """Go on with a batch whose input is given again, or make a new one; returns the exit code.

    Args:
        home: where it is.
        new: what is to be run.
        wanted: the batch to go on with; None: the one that has the same log or results, or the same template.
        view: what is shown.
        states: jobs that ended so are run again as well.

    Raises:
        UsageError: it is not clear which batch is meant.
        StateError: somebody runs it.
    """
    again = list(states)
    if not os.path.exists(StateLayout(home.state).journal):
        return run_new(home, new, view)
    # For writing, so that one of an older version, or one that was just being made, is brought up to date.
    journal = patiently(lambda: Journal(StateLayout(home.state)))
    try:
        row = find_batch_of(journal, new.header, wanted, ended=bool(again))
    finally:
        journal.close()
    if row is None:
        return run_new(home, new, view)

    def complete(session: Session) -> None:
        environment = next((one.environment for one in row.header.terms if one.environment), session.owner.token)
        _keep_blocks(new, session, environment)
        specs: Iterable[JobSpec] = (
            (new.jobs or ()) if new.make is None else read_specs(new.source, new.make, new.begun)
        )
        given = add_missing(session.journal, row.id, specs, lambda: patiently(session.journal.flush))
        view.stderr(f"{batch_name(row.id)}: {given.known} jobs were known, {given.new} new")
        if other := not_taken_up(row.header, new.header):
            view.stderr(f"{batch_name(row.id)} keeps what it was started with; not taken up: {', '.join(other)}")
        if given.missing:
            view.stderr(f"{batch_name(row.id)}: {given.missing} open jobs are not in this input; they run as well")

    prepare = (lambda journal: journal.requeue(row.id, again)) if again else None
    return run_again(home, row.id, view, prepare, complete, own_failures=True)


def run_again(
    home: Home,
    batch: int,
    view: View,
    prepare: Callable[[Journal], object] | None = None,
    complete: Callable[[Session], None] | None = None,
    *,
    own_failures: bool = False,
) -> int:
    """Go on with a batch; returns the exit code.

    Args:
        home: where it is.
        batch: which.
        view: what is shown.
        prepare: may open ended jobs again, before the batch is taken over.
        complete: adds what is missing of the input, once it is taken over.
        own_failures: the exit code counts only what fails in this run, as GNU parallel's `--resume` does.

    Raises:
        StateError: somebody runs it.
    """
    with Session(home) as session:
        _recover(session, view)
        row = _claim(session, batch, view, prepare)
        if complete is not None:
            complete(session)
            row = session.journal.batch(batch)
        patiently(lambda: _reopen_finale(session.journal, row))
        feed = JournalFeed(session.journal, batch, whole=row.input_complete)
        feed.exclude(session.recovered.orphans)
        terms = tuple(_environment_or_own(session, one) for one in row.header.terms)
        header = msgspec.structs.replace(row.header, terms=terms)
        code = _run(session, batch, header, feed, view, again=True, own_failures=own_failures)
        if row.input_complete:
            return code
        view.stderr(
            f"{batch_name(batch)}: its input was not read to the end; only the "
            f"{session.journal.count_jobs(batch)} jobs that were read are known; "
            f"give the whole input again to `run --resume {batch_name(batch)}` with the same template"
        )
        return code or EXIT_INPUT_UNREADABLE


def _claim(session: Session, batch: int, view: View, prepare: Callable[[Journal], object] | None) -> BatchRow:
    """Become the batch's owner."""
    for _ in range(_CLAIMS):
        row = session.journal.batch(batch)
        if row.owner is not None and owners.is_alive(session.layout, row.owner):
            raise StateError(f"{batch_name(batch)} is being run by another process; see `parallel-runner ps`")
        if prepare is not None:
            patiently(lambda: prepare(session.journal))
        if patiently(lambda owner=row.owner: session.journal.claim_batch(batch, session.owner.token, owner)):  # type: ignore[misc]
            return row
        # Its runner died after we had looked, and left leases behind.
        _recover(session, view)
    raise StateError(f"{batch_name(batch)} was just taken by another process; see `parallel-runner ps`")


def _reopen_finale(journal: Journal, row: BatchRow) -> None:
    """Jobs that come last come last again when there is something before them to do."""
    finale = row.header.rules.finale
    if finale is not None and journal.count_pending(row.id) > journal.count_pending(row.id, finale):
        journal.requeue(row.id, ENDS, [job_id(row.id, place) for place in range(finale[0], finale[1] + 1)])


def _with_environment(terms: Terms, name: str) -> Terms:
    return msgspec.structs.replace(terms, environment=name)


def _environment_or_own(session: Session, terms: Terms) -> Terms:
    """The batch's own environment, or, where that file is gone, ours."""
    if terms.environment and not os.path.exists(f"{session.layout.environments}/{terms.environment}"):
        return _with_environment(terms, "")
    return terms


def _feed(session: Session, batch: int, new: NewBatch) -> Feed:
    if isinstance(new.jobs, Sequence):
        # Dependencies are a graph of the whole: all of it is recorded before anything starts.
        session.journal.add_jobs(batch, 1, new.jobs)
        session.journal.finish_input(batch)
        patiently(session.journal.flush)
        return JournalFeed(session.journal, batch)
    if new.jobs is not None:
        return ListFeed(session.journal, batch, new.jobs)
    assert new.make is not None
    return InputFeed(session.journal, batch, session.reactor, new.source, new.make, new.begun)


def _recover(session: Session, view: View) -> None:
    session.recover()
    report = session.recovered
    if report.adopted:
        view.stderr(f"took over {report.adopted} outcomes of a runner that had died")
    if session.killed:
        view.stderr(f"ended {len(session.killed)} processes that a dead runner's jobs had left")
    if report.doubtful:
        names = ", ".join(attempt_name(attempt) for attempt in report.doubtful[:10])
        batches = {batch_name(batch_of(job_of(attempt))) for attempt in report.doubtful}
        view.stderr(f"nobody knows the end of {names}: runner and worker both died while it ran")
        for name in sorted(batches):
            view.stderr(f"to run such jobs again: parallel-runner retry --unknown {name}")
    for orphan in report.orphans:
        if orphan.attempts:
            held = ", ".join(attempt_name(attempt) for attempt in orphan.attempts[:3])
            view.stderr(f"worker {orphan.pid} of a dead runner is finishing {held}; its result will be taken over")


class _Reader:
    """Reads ends back that waited too long for their turn."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def told(self, attempt: int) -> Told:
        job = job_of(attempt)
        row = next(row for row in self._journal.attempts(batch_of(job), job) if row.outcome.attempt == attempt)
        return told_of(row)


def _run(
    session: Session,
    batch: int,
    header: BatchHeader,
    feed: Feed,
    view: View,
    *,
    again: bool = False,
    own_failures: bool = False,
) -> int:
    began = time.monotonic()
    sinks = (Sink(1, session.reactor), Sink(2, session.reactor))
    outputs = session.layout.outputs
    terms = [msgspec.structs.replace(one, live=bool(view.live)) for one in header.terms]
    records = Records(header, terms, outputs, go_on=again)
    if again:
        adopted = {outcome.attempt for outcome, _ in session.recovered.outcomes}
        records.catch_up(session.journal, batch, adopted)
    labels = records.labels
    manner = Manner(
        keep_order=view.keep_order or (again and records.keeps_order),
        live="" if records.instead else view.live,
        silent=records.instead,
        tag=labels.tag if labels.tagged else None,
        render=records.line if view.json else None,
        every_attempt=view.json,
    )
    printer = Printer(sinks, outputs, _Reader(session.journal), manner, records.shown)

    def say(line: str) -> None:
        # Not `view.stderr`, which waits for who reads: neither jobs nor signals may wait with it.
        sinks[1].write(f"parallel-runner: {line}\n".encode("utf-8", "backslashreplace"))
        sinks[1].flush()

    progress = choose(batch_name(batch), view.quiet, say, session.clock, view.meter, pools=view.verbose > 0)
    if os.isatty(1):
        sinks[0].before = progress.hide
    sinks[1].before = progress.hide
    command = (lambda job, slot: labels.command(job, slot) + b"\n") if view.conduct.show_commands else None

    def attempt(told: Told) -> None:
        records.attempt(told)
        if view.verbose > 1:
            say(in_a_line(told.outcome))

    slots = labels.tagged or records.any
    audience = Audience(printer, sinks, progress, attempt, say, slots, command)
    try:
        ended = BatchRun(session, batch, terms, feed, audience, view.conduct).run()
    finally:
        records.close()
    return conclude(session, ended, view, time.monotonic() - began, own_failures=own_failures)
