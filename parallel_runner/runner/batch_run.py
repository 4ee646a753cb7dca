"""Running one batch in this process, from its first lease to its last committed outcome.

feed ─▶ schedule ─▶ leasing ─▶ recorder ─▶ executor ─▶ outcomes ─▶ decide ─▶ recorder ─▶ printer
                      ▲                                              │
                      └─────────────── another attempt ──────────────┘
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

import msgspec

from parallel_runner.errors import DataError, DiskFullError, InputUnreadableError, ParallelRunnerError, StateError
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
from parallel_runner.model.events import Finished, Released, Started, WorkerLost, WorkerRetired, Wrote
from parallel_runner.model.job import Job
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.ports import Executor
from parallel_runner.model.retry import NO_PAST, Past, decide
from parallel_runner.model.terms import Terms
from parallel_runner.runner.audience import Audience, Ended
from parallel_runner.runner.expanding import Made
from parallel_runner.runner.feeds import Feed
from parallel_runner.runner.intake import Intake
from parallel_runner.runner.leasing import Leasing
from parallel_runner.runner.ledger import Ledger
from parallel_runner.runner.lifeline import Lifeline
from parallel_runner.runner.locking import LockDesk
from parallel_runner.runner.pacing import Conduct, Pacing
from parallel_runner.runner.printing import HIGH_WATER
from parallel_runner.runner.progress import Counts
from parallel_runner.runner.recording import Recorder, Told, told_of
from parallel_runner.runner.requests import take_requests
from parallel_runner.runner.room import Room
from parallel_runner.runner.session import Session, instance_budget, is_read_only
from parallel_runner.runner.signals import Signals
from parallel_runner.runner.slots import Slots
from parallel_runner.runner.steering import Steering
from parallel_runner.runner.telling import Telling
from parallel_runner.scheduler.needs import Needs
from parallel_runner.scheduler.schedule import Schedule


class BatchRun:
    """One batch in hand."""

    def __init__(
        self, session: Session, batch: int, terms: list[Terms], feed: Feed, audience: Audience, conduct: Conduct
    ) -> None:
        """Run `batch`; `terms`: those of its jobs, to which jobs that become many add theirs."""
        journal = session.journal
        self._session = session
        self._journal = journal
        self._reactor = session.reactor
        self._clock = session.clock
        self._executor: Executor = session.start_executor(terms)
        self._batch = batch
        self._telling = Telling(audience, self._executor, self._clock)
        self._printer = audience.printer
        self._terms = terms
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
        locks = LockDesk(self._schedule, terms, journal, owner, self._clock, conduct.want, session.recover)
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
        self._intake = Intake(self, feed, self._schedule, self._printer, session, batch, self._clock)
        self._ledger = Ledger(conduct.halt)
        self._stop_signal: int | None = None
        self._interrupts = 0
        """How often the user has asked for an end."""
        self._draining = False
        self._trouble = ""
        self._input_error: ParallelRunnerError | None = None

    def run(self) -> Ended:
        """Run to the end, or to where it was stopped; everything that ended is committed then."""
        signals = Signals()
        self._reactor.watch(signals.fd, 1, lambda _: None)
        fd = self._conduct.lifeline
        lifeline = Lifeline(fd, self._reactor, signals.note) if fd is not None else None
        try:
            self._take_requests()  # Of before the signals were watched.
            self._tell_adopted()
            self._loop(signals)
            if self._draining and not self._trouble and self._steering.begin_finale(self):
                self._draining = False
                self._loop(signals)
            self._end()
        finally:
            self._telling.hide_progress()
            self._intake.feed.stop()
            if lifeline is not None:
                lifeline.close()
            self._reactor.unwatch(signals.fd)
            signals.close()
        ledger, overdue = self._ledger, self._steering.course.overdue
        return Ended(
            self._batch,
            self._stop_signal,
            self._telling.nobody_reads(),
            self._trouble,
            ledger.failures,
            ledger.halted,
            overdue,
            self._input_error,
        )

    def _tell_adopted(self) -> None:
        """What a dead runner's workers had ended was taken over just now: it is told like any other end."""
        for outcome, final in self._session.recovered.outcomes:
            job = job_of(outcome.attempt)
            if final and batch_of(job) == self._batch:
                rows = self._journal.attempts(self._batch, job)
                row = next(row for row in rows if row.outcome.attempt == outcome.attempt)
                self._printer.expect([seq_of(job)])
                self.adopted(told_of(row))

    def _loop(self, signals: Signals) -> None:
        pause = 0.0  # What can be begun at once waits for no event.
        while not self._finished():
            self._reactor.run_once(pause)
            self._take_signals(signals)
            self._take_events()
            self._schedule.release_delayed(self._clock.monotonic())
            self._take_input()
            self._look_at_room()
            self._look_at_pace()
            if not self._incomplete():
                self._steering.step(self, draining=self._draining, busy=self._busy())
            self._lease()
            self._commit()
            self._telling.progress(self._counts)
            self._printer.pump()
            self._look_at_readers()
            pause = self._timeout()

    def _take_input(self) -> None:
        try:
            self._intake.take(wanted=self._wants_input())
        except (DataError, InputUnreadableError) as error:
            # What was read before it, and what runs, is not to suffer from it.
            self._input_error = error
            self._telling.say(f"{error}; nothing new starts, running jobs go on to their ends")
            self._drain(None)
        except DiskFullError as error:
            self._give_up(str(error))

    def _busy(self) -> bool:
        waits = self._schedule.next_delay() is not None or self._intake.waits_for_orphans
        return bool(self._schedule.held) or waits

    def _wants_input(self) -> bool:
        return self._intake.wants(draining=self._draining, all_in_memory=self._needs_whole)

    def _incomplete(self) -> bool:
        """Whether jobs are still to be read that an end would free or doom."""
        return self._needs_whole and not self._intake.whole

    # -- when

    def _finished(self) -> bool:
        if self._schedule.held or not (self._recorder.empty or self._trouble):
            return False
        if self._draining:
            return True
        return self._intake.feed.done and self._schedule.idle

    def _timeout(self) -> float:
        now = self._clock.monotonic()
        moments = [
            now + 1.0,
            self._recorder.due_at(),
            self._schedule.next_delay(),
            self._leasing.next_ask(),
            self._steering.next_moment(),
            self._pacing.next_moment(),
            self._telling.progress_due(),
            self._intake.next_moment(wanted=self._wants_input()),
        ]
        return max(0.0, min(moment for moment in moments if moment is not None) - now)

    # -- signals and requests

    def _take_signals(self, signals: Signals) -> None:
        for number in signals.take():
            if number == signal.SIGUSR1:
                names = ", ".join(job_name(job.id) for job in list(self._schedule.held.values())[:20])
                self._telling.say(f"{batch_name(self._batch)}: in hand: {names or 'nothing'}")
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
                self._intake.forget_if_returned(job)
            else:
                self._intake.cancel(job)

    # -- what the rules of the batch, and the intake, may ask for

    def finish_unstarted(self, job: Job, state: State, failure: FailureClass, detail: str) -> None:
        """End a job that no worker has."""
        self._end_unstarted(job, state, failure, detail)
        self.end_job(job.id, state)

    def adopted(self, told: Told) -> None:
        """An end that the journal has already."""
        self._count(told.outcome)
        self._tell([told])

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
        self._intake.feed.grow(len(made.jobs))
        self._printer.expect_more(seq_of(one.id) for one in made.jobs)
        self._schedule.grow(made.jobs, made.groups)
        self.end_job(job.id, State.SUCCEEDED)

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
        self._telling.say(line)

    # -- stopping

    def _drain(self, number: int | None) -> None:
        """Start nothing new; what runs goes on to its end."""
        if not self._draining:
            self._draining = True
            self._stop_signal = number
            self._intake.feed.stop()
            self._schedule.drop_unstarted()
            self.unstage()

    def _interrupt(self, number: int | None) -> None:
        """Start nothing new and end what runs: by the ladder the first time, at once the second."""
        self._interrupts += number is not None
        force = self._interrupts > 1
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
        self._telling.began(event.attempt, job, event.worker)
        if self._pacing.median is not None:
            self._pacing.median.began(event.attempt, self._clock.monotonic())

    def _on_released(self, worker: str, attempts: Sequence[int]) -> None:
        self._recorder.released(worker, attempts)
        self._schedule.give_back(attempts)
        if self._draining:
            self._schedule.drop_unstarted()
        self._intake.drop_unwanted(map(job_of, attempts))

    def _on_lost(self, event: WorkerLost) -> None:
        self._leasing.answered(event.worker)
        self._recorder.gone(event.worker)
        self._on_released(event.worker, event.leased)
        told = ", ".join(job_name(job_of(attempt)) for attempt in event.started)
        self._telling.say(
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
        slot = self._telling.ended(outcome.attempt, job, outcome.worker)
        terms = self._terms[job.terms]
        past = NO_PAST
        if job.uncounted or self._schedule.losses:
            past = Past(job.losses, job.uncounted).lost(self._schedule.losses.get(job.id, 0))
        decision = decide(outcome, terms, number_of(outcome.attempt), past, read_only=self._read_only[terms.tool])
        if not decision.final or terms.locks:
            decision = self._steering.judge(decision, job)
        if self._pacing.listens:
            self._pacing.ended(outcome)
        queue = self._schedule.pools[terms.tool]
        queue.durations = queue.durations.after(outcome.usage.wall)
        self._note(Told(decision.outcome, decision.final, job, slot))
        if decision.final:
            self.end_job(job.id, decision.outcome.state)
        elif not decision.resumable and not self._draining:
            again = msgspec.structs.replace(job, number=number_of(outcome.attempt))
            self._schedule.again(again, self._clock.monotonic() + decision.delay)

    def end_job(self, job: int, state: State) -> None:
        """A job has ended for good: what waited for it may go, or never will."""
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
            self._count(told.outcome)

    def _count(self, outcome: Outcome) -> None:
        stop = self._ledger.note(outcome, self._intake.feed)
        if stop is None:
            return
        self._telling.say(stop.why)
        if stop.now:
            self._interrupt(None)
        else:
            self._drain(None)

    # -- output of decisions

    def _look_at_room(self) -> None:
        if self._room.look():
            self._telling.say(f"{self._room.shortage}; nothing new starts until there is room")
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
            self._telling.say(scarcity)

    def _commit(self) -> None:
        if not self._recorder.is_due(idle=not self._schedule.held):
            return
        try:
            told = self._recorder.commit()
        except DiskFullError as error:
            self._give_up(str(error))
            return
        self._tell(told)

    def _tell(self, ends: Sequence[Told]) -> None:
        try:
            self._telling.committed(ends)
        except StateError as error:
            self._give_up(str(error))  # A job log or results that cannot be written; the journal has it all.

    def _give_up(self, trouble: str) -> None:
        """The state cannot be written: start nothing new, keep what is told, and end as soon as nothing runs."""
        if not self._trouble:
            self._trouble = trouble
            self._telling.say(trouble)
        self._drain(None)

    def _counts(self) -> Counts:
        ledger, feed, total = self._ledger, self._intake.feed, self._conduct.total
        return Counts(
            ledger.done,
            ledger.failures.count,
            len(self._schedule.held),
            max(feed.known(ledger.done), total or 0),
            feed.all_known or total is not None,
            ledger.walls.relative,
            self._executor.snapshot().pools,
            {name: len(queue.ready) for name, queue in self._schedule.pools.items()},
        )

    def _look_at_readers(self) -> None:
        sink = self._telling.broken()
        if sink is not None and not self._draining and not self._steering.cut:
            if sink.trouble:
                self._trouble = f"the output cannot be written: {sink.trouble}"
            self._interrupt(None)

    # -- the end

    def _end(self) -> None:
        cut = self._draining or self._steering.cut
        complete = not cut and self._intake.feed.done and self._intake.feed.whole
        self._journal.end_batch(self._batch, "done" if complete else "interrupted")
        try:
            self._recorder.flush()
        except StateError as error:
            self._trouble = self._trouble or str(error)
            return
        self._telling.finish(self._reactor)
