"""Running one batch in this process, from its first lease to its last committed outcome.

feed ─▶ schedule ─▶ leasing ─▶ recorder ─▶ executor ─▶ outcomes ─▶ decide ─▶ recorder ─▶ printer
                      ▲                                              │
                      └─────────────── another attempt ──────────────┘
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from parallel_runner.errors import DiskFullError, JournalBusyError, StateError
from parallel_runner.ids import (
    GROUP_BASE,
    batch_name,
    batch_of,
    is_group,
    job_id,
    job_name,
    job_of,
    number_of,
    seq_of,
)
from parallel_runner.journal.recovery import Report
from parallel_runner.model.events import Finished, Released, Started, WorkerLost, WorkerRetired, Wrote
from parallel_runner.model.job import Job
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome, shell_status
from parallel_runner.model.ports import Executor
from parallel_runner.model.retry import decide
from parallel_runner.model.terms import Terms
from parallel_runner.reports.summary import Failures
from parallel_runner.runner.expanding import Made
from parallel_runner.runner.feeds import Feed, JournalFeed
from parallel_runner.runner.leasing import Leasing
from parallel_runner.runner.locking import LockDesk
from parallel_runner.runner.pacing import Conduct, Pacing
from parallel_runner.runner.printing import HIGH_WATER, Printer
from parallel_runner.runner.progress import Counts, Progress
from parallel_runner.runner.recording import Recorder, Told
from parallel_runner.runner.requests import take_requests
from parallel_runner.runner.room import Room
from parallel_runner.runner.session import Session, instance_budget, is_read_only
from parallel_runner.runner.signals import Signals
from parallel_runner.runner.slots import Slots
from parallel_runner.runner.steering import Steering
from parallel_runner.runner.writing import Sink
from parallel_runner.scheduler.halting import Halt, Tally, exit_code, reached
from parallel_runner.scheduler.needs import Needs
from parallel_runner.scheduler.schedule import Schedule

LEAD = 20_000
"""Jobs that are read ahead of the workers."""
ORPHAN_LOOK = 0.2


class Ended(NamedTuple):
    """How the run of a batch ended."""

    batch: int
    signal: int | None
    """What stopped it; None: it ran to its end."""
    broken_pipe: bool
    trouble: str
    """Why it could not go on, if it could not."""
    failures: Failures
    """What went wrong, for the summary."""
    halted: int | None = None
    """The exit code that `--halt` asked for, when its limit was reached."""
    overdue: bool = False
    """The batch's deadline came first."""


class Audience(NamedTuple):
    """Who is told while it runs."""

    printer: Printer
    sinks: Sequence[Sink]
    progress: Progress
    attempt: Callable[[Told], None]
    """Hears of each committed end of an attempt."""
    say: Callable[[str], None]
    """A line for people."""
    command: Callable[[Job, int], bytes] | None = None
    """What is printed on stderr when a job starts in a slot."""


class BatchRun:
    """One batch in hand."""

    def __init__(
        self, session: Session, batch: int, terms: Sequence[Terms], feed: Feed, audience: Audience, conduct: Conduct
    ) -> None:
        journal = session.journal
        self._session = session
        self._journal = journal
        self._reactor = session.reactor
        self._clock = session.clock
        self._executor: Executor = session.start_executor(terms)
        self._batch = batch
        self._feed = feed
        self._audience = audience
        self._printer = audience.printer
        self._terms = terms = list(terms)  # One list for all: jobs that become many may bring new ones.
        session.terms.put(batch, terms)
        rules = journal.batch(batch).header.rules
        needs = journal.needs(batch)
        barriers = [job_id(batch, GROUP_BASE + i) for i, group in enumerate(rules.groups) if group.kind == "phase"]
        self._schedule = Schedule(terms, Needs(needs, journal.final_states(batch) if needs else {}, barriers))
        self._read_only = {one.tool: is_read_only(one.tool) for one in terms}
        owner = session.owner.token
        self._recorder = Recorder(journal, self._executor, owner, self._clock)
        slots = Slots(journal, owner, instance_budget(session.settings), conduct.want, self._clock)
        self._conduct = conduct
        self._pacing = Pacing(conduct, self._clock)
        locks = LockDesk(self._schedule, terms, journal, owner, self._clock, conduct.want, self._recover)
        self._steering = Steering(
            batch,
            rules,
            terms,
            self._schedule,
            self._executor,
            journal,
            self._clock,
            locks,
            session.settings.coordination.synchronization,
        )
        self._needs_whole = bool(needs) or self._steering.whole
        left = self._steering.seconds_left if self._steering.has_deadlines else None
        self._leasing = Leasing(
            self._schedule, self._executor, self._recorder, slots, batch, self._clock, self._pacing, left
        )
        self._room = Room(session.layout, session.disk_floor, self._clock)
        self._unwanted: set[int] = set()
        """Jobs to be cancelled that have not been read yet."""
        self._feed_waits = False
        self._stop_signal: int | None = None
        self._draining = False
        self._trouble = ""
        self._failures = Failures()
        self._done = 0
        self._orphans_at = 0.0
        self._halted: int | None = None
        self._announced: set[int] = set()
        """Attempts in hand whose commands were shown."""

    def run(self) -> Ended:
        """Run to the end, or to where it was stopped; everything that ended is committed then."""
        signals = Signals()
        self._reactor.watch(signals.fd, 1, lambda _: None)
        try:
            self._take_requests()  # Of before the signals were watched.
            self._loop(signals)
            if self._draining and not self._trouble and self._steering.begin_finale(self):
                self._draining = False
                self._loop(signals)
            self._end()
        finally:
            self._audience.progress.hide()
            self._feed.stop()
            self._reactor.unwatch(signals.fd)
            signals.close()
        broken = any(sink.broken and not sink.trouble for sink in self._audience.sinks)
        overdue = self._steering.course.overdue
        return Ended(self._batch, self._stop_signal, broken, self._trouble, self._failures, self._halted, overdue)

    def _loop(self, signals: Signals) -> None:
        while not self._finished():
            self._reactor.run_once(self._timeout())
            self._take_signals(signals)
            self._take_events()
            self._take_input()
            self._look_at_room()
            self._look_at_pace()
            if not self._incomplete():
                self._steering.step(self, draining=self._draining, busy=self._busy())
            self._lease()
            self._commit()
            self._show_progress()
            self._printer.pump()
            self._look_at_readers()

    def _busy(self) -> bool:
        orphans = isinstance(self._feed, JournalFeed) and self._feed.waits_for_orphans
        return bool(self._schedule.held) or self._schedule.next_delay() is not None or orphans

    def _incomplete(self) -> bool:
        """Whether jobs are still to be read that an end would free or doom."""
        return self._needs_whole and isinstance(self._feed, JournalFeed) and not self._feed.read_all

    # -- when

    def _finished(self) -> bool:
        if self._schedule.held or not (self._recorder.empty or self._trouble):
            return False
        if self._draining:
            return True
        return self._feed.done and self._schedule.idle

    def _timeout(self) -> float:
        now = self._clock.monotonic()
        moments = [
            now + 1.0,
            self._recorder.due_at(),
            self._schedule.next_delay(),
            self._leasing.next_ask(),
            self._steering.next_moment(),
            self._pacing.next_moment(),
            self._audience.progress.due_at(),
        ]
        if isinstance(self._feed, JournalFeed) and self._feed.waits_for_orphans:
            moments.append(self._orphans_at)
        elif not self._feed.done and self._wants_input() and not self._feed_waits:
            return 0.0
        return max(0.0, min(moment for moment in moments if moment is not None) - now)

    # -- signals and requests

    def _take_signals(self, signals: Signals) -> None:
        for number in signals.take():
            if number == signal.SIGUSR1:
                names = ", ".join(job_name(job.id) for job in list(self._schedule.held.values())[:20])
                self._say(f"{batch_name(self._batch)}: in hand: {names or 'nothing'}")
            elif number == signal.SIGUSR2:
                self._take_requests()
            elif number == signal.SIGHUP:
                self._drain(number)
            else:
                self._interrupt(number)

    def _take_requests(self) -> None:
        for job in take_requests(self._session.layout, self._session.owner.token):
            held = [attempt for attempt in self._schedule.held if job_of(attempt) == job]
            if held:
                self._executor.cancel(held)
                # Given back unstarted, it must not start after all.
                self._unwanted.add(job)
            elif waiting := self._schedule.remove(job):
                self._cancel_unstarted(waiting)
            elif batch_of(job) == self._batch:
                self._unwanted.add(job)

    def _cancel_unstarted(self, job: Job) -> None:
        self.finish_unstarted(job, State.CANCELLED, FailureClass.CANCELLED, "cancelled before it started")

    # -- what the rules of the batch may ask for

    def finish_unstarted(self, job: Job, state: State, failure: FailureClass, detail: str) -> None:
        """End a job that no worker has."""
        self._end_unstarted(job, state, failure, detail)
        self._end_job(job.id, state)

    def skip(self, job: Job, cause: int) -> None:
        """End a job that waited in vain for another; those that waited for it have been told."""
        named = self._steering.course.name_of(cause) if is_group(cause) else job_name(cause)
        detail = f"needs {named}, which did not end as it must"
        self._end_unstarted(job, State.SKIPPED, FailureClass.DEPENDENCY, detail)

    def expanded(self, job: Job, outcome: Outcome, made: Made) -> None:
        """A job has become others."""
        self._terms += made.terms
        self._read_only.update((one.tool, is_read_only(one.tool)) for one in made.terms)
        self._note(Told(outcome, True, job), self._steering.record(made, tuple(self._terms)))
        if isinstance(self._feed, JournalFeed):
            self._feed.grow(len(made.jobs))
            self._printer.expect(seq_of(one.id) for one in made.jobs)
        self._schedule.grow(made.jobs, made.groups)
        self._end_job(job.id, State.SUCCEEDED)

    def unstage(self) -> None:
        """Take back what was about to be sent to workers."""
        for worker, leases in self._recorder.unstage():
            self._on_released(worker, [lease.attempt for lease in leases])

    def take_back(self) -> None:
        """Have workers give back what they have not begun."""
        self._leasing.take_all_back()

    def drain(self) -> None:
        """Start nothing new."""
        self._drain(None)

    def say(self, line: str) -> None:
        """A line for people."""
        self._say(line)

    # -- stopping

    def _drain(self, number: int | None) -> None:
        """Start nothing new; what runs goes on to its end."""
        if not self._draining:
            self._draining = True
            self._stop_signal = number
            self._feed.stop()
            self._schedule.drop_unstarted()
            self.unstage()

    def _interrupt(self, number: int | None) -> None:
        """Start nothing new and end what runs: by the ladder the first time, at once the second."""
        force = self._draining and self._stop_signal == number and number is not None
        if force or self._steering.cut:
            self._steering.forbid_finale()
        self._drain(number)
        self._stop_signal = self._stop_signal or number
        self._executor.cancel(list(self._schedule.held), state=State.INTERRUPTED, force=force)

    # -- what happened

    def _take_events(self) -> None:
        for event in self._executor.collect():
            if isinstance(event, Started):
                self._on_started(event)
            elif isinstance(event, Wrote):
                self._printer.wrote(event.attempt, event.which, event.extent)
            elif isinstance(event, Finished):
                self._recorder.released(event.outcome.worker, (event.outcome.attempt,))
                self._on_outcome(event.outcome)
            elif isinstance(event, Released):
                self._leasing.answered(event.worker)
                self._on_released(event.worker, event.attempts)
            elif isinstance(event, WorkerLost):
                self._on_lost(event)
            elif isinstance(event, WorkerRetired):
                self._leasing.retired(event.pool)
                self._recorder.gone(event.worker)

    def _on_started(self, event: Started) -> None:
        job = self._schedule.held.get(event.attempt)
        if job is None:
            return
        self._announce(event.attempt, job, event.worker)
        self._printer.began(event.attempt, job)
        if self._pacing.median is not None:
            self._pacing.median.began(event.attempt, self._clock.monotonic())

    def _announce(self, attempt: int, job: Job, worker: str) -> None:
        """Show a command that has started; of a short one only its end is told."""
        if self._audience.command is not None and attempt not in self._announced:
            self._announced.add(attempt)
            self._audience.sinks[1].write(self._audience.command(job, self._executor.slot_of(worker)))

    def _on_released(self, worker: str, attempts: Sequence[int]) -> None:
        self._recorder.released(worker, attempts)
        self._schedule.give_back(attempts)
        if self._draining:
            self._schedule.drop_unstarted()
        for job in self._unwanted.intersection(map(job_of, attempts)) if self._unwanted else ():
            if waiting := self._schedule.remove(job):
                self._cancel_unstarted(waiting)

    def _on_lost(self, event: WorkerLost) -> None:
        self._leasing.answered(event.worker)
        self._recorder.gone(event.worker)
        self._on_released(event.worker, event.leased)
        told = ", ".join(job_name(job_of(attempt)) for attempt in event.started)
        self._say(
            f"a worker of pool {event.pool} was lost ({event.reason}){', and with it ' + told if told else ''}"
        )
        for attempt in event.started:
            self._schedule.count_loss(job_of(attempt))
            detail = f"its worker was lost: {event.reason}"
            self._on_outcome(
                Outcome(attempt, State.FAILED, FailureClass.WORKER_LOST, worker=event.worker, detail=detail)
            )

    def _on_outcome(self, outcome: Outcome) -> None:
        job = self._schedule.held.pop(outcome.attempt, None)
        if job is None:
            return
        self._announce(outcome.attempt, job, outcome.worker)
        self._announced.discard(outcome.attempt)
        terms = self._terms[job.terms]
        losses = self._schedule.losses.get(job.id, 0) if self._schedule.losses else 0
        decision = decide(outcome, terms, number_of(outcome.attempt), losses, read_only=self._read_only[terms.tool])
        if not decision.final or terms.locks:
            decision = self._steering.judge(decision, job)
        self._pacing.gate.ended(succeeded=outcome.succeeded)
        if self._pacing.median is not None:
            self._pacing.median.ended(outcome)
        queue = self._schedule.pools[terms.tool]
        queue.durations = queue.durations.after(outcome.usage.wall)
        self._note(Told(decision.outcome, decision.final, job))
        if decision.final:
            self._end_job(job.id, decision.outcome.state)
        elif not decision.resumable and not self._draining:
            again = msgspec.structs.replace(job, number=number_of(outcome.attempt))
            self._schedule.again(again, self._clock.monotonic() + decision.delay)

    def _end_job(self, job: int, state: State) -> None:
        if self._needs_whole:
            for skipped, cause in self._schedule.ended(job, state):
                self.skip(skipped, cause)
            self._steering.ended(self, job, state)

    def _end_unstarted(self, job: Job, state: State, failure: FailureClass, detail: str) -> None:
        self._steering.unstarted(job)
        attempt = (job.id << 8) + job.number + 1
        self._note(Told(Outcome(attempt, state, failure, detail=detail), True, job))

    def _note(self, told: Told, beside: Callable[[], None] | None = None) -> None:
        self._recorder.note(told, beside)
        if told.final:
            self._done += 1
            self._failures.note(told.outcome)
            if self._conduct.halt is not None:
                self._look_at_halt(self._conduct.halt, told.outcome)

    def _look_at_halt(self, halt: Halt, outcome: Outcome) -> None:
        tally = Tally(self._failures.count, self._done, self._feed.known(self._done))
        if self._halted is not None or not reached(halt, tally):
            return
        self._halted = exit_code(halt, tally, shell_status(outcome))
        left = "running jobs are ended" if halt.now else "running jobs go on to their ends"
        self._say(f"--halt: {tally.failed} of {tally.done} jobs failed; nothing new starts, {left}")
        if halt.now:
            self._interrupt(None)
        else:
            self._drain(None)

    # -- input

    def _wants_input(self) -> bool:
        if self._draining or self._feed.done:
            return False
        return self._needs_whole or self._schedule.lead < LEAD

    def _take_input(self) -> None:
        self._schedule.release_delayed(self._clock.monotonic())
        if isinstance(self._feed, JournalFeed) and self._feed.waits_for_orphans:
            self._look_at_orphans(self._feed)
        if not self._wants_input():
            self._feed.pause()
            return
        jobs = self._feed.pull()
        self._feed_waits = not jobs
        if isinstance(self._feed, JournalFeed):
            self._printer.expect(seq_of(job.id) for job in jobs)
        for hopeless, cause in self._schedule.add(jobs):
            self.skip(hopeless, cause)
            self._end_job(hopeless.id, State.SKIPPED)
        for job in self._unwanted.intersection(job.id for job in jobs) if self._unwanted else ():
            if waiting := self._schedule.remove(job):
                self._cancel_unstarted(waiting)

    def _look_at_orphans(self, feed: JournalFeed) -> None:
        now = self._clock.monotonic()
        if now < self._orphans_at:
            return
        self._orphans_at = now + ORPHAN_LOOK
        try:
            feed.exclude(self._recover().orphans)
        except JournalBusyError:
            return

    def _recover(self) -> Report:
        """Take over from dead owners; what waits for their jobs is told of the ends."""
        report = self._session.recover()
        for outcome, final in report.outcomes:
            job = job_of(outcome.attempt)
            if final and batch_of(job) == self._batch:
                self._done += 1
                self._failures.note(outcome)
                self._end_job(job, outcome.state)
        return report

    # -- output of decisions

    def _look_at_room(self) -> None:
        if self._room.look():
            self._say(f"{self._room.shortage}; nothing new starts until there is room")
        if self._room.hopeless and not self._schedule.held and not self._draining:
            self._give_up(self._room.shortage)

    def _look_at_pace(self) -> None:
        if (want := self._pacing.new_width()) is not None:
            self._leasing.widen(want)
        if self._pacing.median is not None and (late := self._pacing.median.overdue(self._clock.monotonic())):
            self._executor.cancel(late, state=State.TIMED_OUT)

    def _lease(self) -> None:
        if self._draining or self._room.shortage or self._printer.backlog > HIGH_WATER:
            return
        if self._incomplete():
            return
        self._leasing.lease()
        self._leasing.take_back()
        if scarcity := self._leasing.scarcity():
            self._say(scarcity)

    def _commit(self) -> None:
        if not self._recorder.is_due(idle=not self._schedule.held):
            return
        try:
            told = self._recorder.commit()
        except DiskFullError as error:
            self._give_up(str(error))
            return
        for one in told:
            self._printer.add(one)
            self._audience.attempt(one)

    def _give_up(self, trouble: str) -> None:
        """The state cannot be written: start nothing new, keep what is told, and end as soon as nothing runs."""
        if not self._trouble:
            self._trouble = trouble
            self._say(trouble)
        self._drain(None)

    def _say(self, line: str) -> None:
        self._audience.progress.hide()
        self._audience.say(line)

    def _show_progress(self) -> None:
        due = self._audience.progress.due_at()
        if due is None or self._clock.monotonic() < due:
            return
        known = self._feed.known(self._done)
        running = len(self._schedule.held)
        self._audience.progress.show(Counts(self._done, self._failures.count, running, known, self._feed.all_known))

    def _look_at_readers(self) -> None:
        for sink in self._audience.sinks:
            if sink.broken and not self._draining and not self._steering.cut:
                if sink.trouble:
                    self._trouble = f"the output cannot be written: {sink.trouble}"
                self._interrupt(None)

    # -- the end

    def _end(self) -> None:
        cut = self._draining or self._steering.cut
        complete = not cut and self._feed.done and self._feed.whole
        self._journal.end_batch(self._batch, "done" if complete else "interrupted")
        try:
            self._recorder.flush()
        except StateError as error:
            self._trouble = self._trouble or str(error)
            return
        self._printer.release_all()
        while self._printer.busy and not any(sink.broken for sink in self._audience.sinks):
            self._printer.pump()
            if self._printer.busy:
                self._reactor.run_once(1.0)
