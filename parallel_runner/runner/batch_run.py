"""Running one batch in this process, from its first lease to its last committed outcome.

feed ─▶ schedule ─▶ leases ─▶ journal ─▶ executor ─▶ outcomes ─▶ decide ─▶ journal ─▶ printer
                      ▲                                             │
                      └────────────── another attempt ──────────────┘
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from parallel_runner.errors import DiskFullError, JournalBusyError, StateError
from parallel_runner.ids import batch_name, job_name, job_of, number_of
from parallel_runner.model.events import Finished, Released, WorkerLost, WorkerRetired
from parallel_runner.model.job import Job
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.ports import Executor, Lease
from parallel_runner.model.retry import decide
from parallel_runner.model.terms import Terms
from parallel_runner.runner.feeds import Feed, JournalFeed
from parallel_runner.runner.printing import HIGH_WATER, Printer
from parallel_runner.runner.session import Session, is_read_only
from parallel_runner.runner.signals import Signals
from parallel_runner.runner.writing import Sink
from parallel_runner.scheduler.framing import frame_size, room, runs_ahead
from parallel_runner.scheduler.needs import Needs
from parallel_runner.scheduler.schedule import PoolQueue, Schedule

LEAD = 20_000
"""Jobs that are read ahead of the workers."""
COMMIT_INTERVAL = 0.02
COMMIT_ROWS = 512
ORPHAN_LOOK = 0.2


class Ended(NamedTuple):
    """How the run of a batch ended."""

    batch: int
    signal: int | None
    """What stopped it; None: it ran to its end."""
    broken_pipe: bool
    trouble: str
    """Why it could not go on, if it could not."""
    failed: list[Outcome]
    """Some final outcomes that were no success, for the summary."""


class Report(NamedTuple):
    """Who is told while it runs."""

    outcome: Callable[[Outcome, bool], None]
    """A committed outcome, and whether it is final."""
    say: Callable[[str], None]
    """A line for people."""


class BatchRun:
    """One batch in hand."""

    def __init__(
        self,
        session: Session,
        batch: int,
        terms: Sequence[Terms],
        feed: Feed,
        printer: Printer,
        sinks: Sequence[Sink],
        report: Report,
        slots: int,
    ) -> None:
        journal = session.journal
        self._session = session
        self._journal = journal
        self._reactor = session.reactor
        self._clock = session.clock
        self._executor: Executor = session.start_executor()
        self._batch = batch
        self._terms = terms
        self._feed = feed
        self._printer = printer
        self._sinks = sinks
        self._report = report
        self._slots = slots
        session.terms.put(batch, terms)
        self._needs_whole = bool(journal.needs(batch))
        needs = journal.needs(batch)
        self._schedule = Schedule(terms, Needs(needs, journal.final_states(batch) if needs else {}))
        self._read_only = {one.tool: is_read_only(one.tool) for one in terms}
        self._holds: dict[str, set[int]] = {}
        self._sizes: dict[str, int] = {}
        self._staged: list[tuple[str, list[Lease]]] = []
        self._decided: list[tuple[Outcome, bool]] = []
        self._uncommitted: list[tuple[Outcome, bool]] = []
        self._oldest = float("inf")
        self._feed_waits = False
        self._asked_back: set[str] = set()
        self._stop_signal: int | None = None
        self._draining = False
        self._trouble = ""
        self._failed: list[Outcome] = []
        self._orphans_at = 0.0

    def run(self) -> Ended:
        """Run to the end, or to where it was stopped; everything that ended is committed then."""
        signals = Signals()
        self._reactor.watch(signals.fd, 1, lambda _: None)
        try:
            while not self._finished():
                self._reactor.run_once(self._timeout())
                self._take_signals(signals)
                self._take_events()
                self._take_input()
                self._lease()
                self._take_back()
                self._commit()
                self._printer.pump()
                self._look_at_readers()
            self._end()
        finally:
            self._feed.stop()
            self._reactor.unwatch(signals.fd)
            signals.close()
        broken = any(sink.broken and not sink.trouble for sink in self._sinks)
        return Ended(self._batch, self._stop_signal, broken, self._trouble, self._failed)

    # -- when

    def _finished(self) -> bool:
        if self._schedule.held or self._decided or self._staged or (self._uncommitted and not self._trouble):
            return False
        if self._draining:
            return True
        return self._feed.done and self._schedule.idle

    def _timeout(self) -> float:
        now = self._clock.monotonic()
        until = now + 1.0
        if self._decided:
            until = min(until, self._oldest + COMMIT_INTERVAL)
        delay = self._schedule.next_delay()
        if delay is not None:
            until = min(until, delay)
        if isinstance(self._feed, JournalFeed) and self._feed.waits_for_orphans:
            until = min(until, self._orphans_at)
        elif not self._feed.done and self._wants_input() and not self._feed_waits:
            return 0.0
        return max(0.0, until - now)

    # -- signals

    def _take_signals(self, signals: Signals) -> None:
        for number in signals.take():
            if number == signal.SIGUSR1:
                names = ", ".join(job_name(job.id) for job in list(self._schedule.held.values())[:20])
                self._report.say(f"{batch_name(self._batch)}: in hand: {names or 'nothing'}")
            elif number == signal.SIGHUP:
                self._drain(number)
            else:
                self._interrupt(number)

    def _drain(self, number: int | None) -> None:
        """Start nothing new; what runs goes on to its end."""
        if not self._draining:
            self._draining = True
            self._stop_signal = number
            self._feed.stop()
            self._schedule.drop_unstarted()
            self._give_back_staged()

    def _interrupt(self, number: int | None) -> None:
        """Start nothing new and end what runs: by the ladder the first time, at once the second."""
        force = self._draining and self._stop_signal == number and number is not None
        self._drain(number)
        self._stop_signal = self._stop_signal or number
        self._executor.cancel(list(self._schedule.held), state=State.INTERRUPTED, force=force)

    def _give_back_staged(self) -> None:
        for worker, leases in self._staged:
            self._on_released(worker, [lease.attempt for lease in leases])
        self._staged.clear()

    # -- what happened

    def _take_events(self) -> None:
        for event in self._executor.collect():
            if isinstance(event, Finished):
                holds = self._holds.get(event.outcome.worker)
                if holds is not None:
                    holds.discard(event.outcome.attempt)
                self._on_outcome(event.outcome)
            elif isinstance(event, Released):
                self._asked_back.discard(event.worker)
                self._on_released(event.worker, event.attempts)
            elif isinstance(event, WorkerLost):
                self._on_lost(event)
            elif isinstance(event, WorkerRetired):
                self._holds.pop(event.worker, None)
                self._journal.drop_lease(event.worker)

    def _on_released(self, worker: str, attempts: Sequence[int]) -> None:
        self._holds.get(worker, set()).difference_update(attempts)
        self._schedule.give_back(attempts)
        if self._draining:
            self._schedule.drop_unstarted()

    def _on_lost(self, event: WorkerLost) -> None:
        self._holds.pop(event.worker, None)
        self._asked_back.discard(event.worker)
        self._journal.drop_lease(event.worker)
        self._on_released(event.worker, event.leased)
        told = ", ".join(job_name(job_of(attempt)) for attempt in event.started)
        self._report.say(
            f"a worker of pool {event.pool} was lost ({event.reason}){', and with it ' + told if told else ''}"
        )
        for attempt in event.started:
            job = job_of(attempt)
            self._schedule.losses[job] = self._schedule.losses.get(job, 0) + 1
            self._on_outcome(
                Outcome(
                    attempt,
                    State.FAILED,
                    FailureClass.WORKER_LOST,
                    worker=event.worker,
                    detail=f"its worker was lost: {event.reason}",
                )
            )

    def _on_outcome(self, outcome: Outcome) -> None:
        job = self._schedule.held.pop(outcome.attempt, None)
        if job is None:
            return
        terms = self._terms[job.terms]
        losses = self._schedule.losses.get(job.id, 0) if self._schedule.losses else 0
        decision = decide(outcome, terms, number_of(outcome.attempt), losses, read_only=self._read_only[terms.tool])
        queue = self._schedule.pools[terms.tool]
        queue.durations = queue.durations.after(outcome.usage.wall)
        self._note(decision.outcome, decision.final)
        if decision.final:
            self._end_job(job.id, decision.outcome.state)
        elif not decision.resumable and not self._draining:
            again = msgspec.structs.replace(job, number=number_of(outcome.attempt))
            self._schedule.again(again, self._clock.monotonic() + decision.delay)

    def _end_job(self, job: int, state: State) -> None:
        if self._needs_whole:
            for skipped, cause in self._schedule.ended(job, state):
                self._skip(skipped, cause)

    def _skip(self, job: Job, cause: int) -> None:
        outcome = Outcome(
            (job.id << 8) + job.number + 1,
            State.SKIPPED,
            FailureClass.DEPENDENCY,
            detail=f"needs {job_name(cause)}, which did not end as it must",
        )
        self._note(outcome, final=True)

    def _note(self, outcome: Outcome, final: bool) -> None:
        if not self._decided:
            self._oldest = self._clock.monotonic()
        self._decided.append((outcome, final))
        if final and not outcome.succeeded and len(self._failed) < 1000:
            self._failed.append(outcome)

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
        for hopeless, cause in self._schedule.add(jobs):
            self._skip(hopeless, cause)
            self._end_job(hopeless.id, State.SKIPPED)

    def _look_at_orphans(self, feed: JournalFeed) -> None:
        now = self._clock.monotonic()
        if now < self._orphans_at:
            return
        self._orphans_at = now + ORPHAN_LOOK
        try:
            feed.exclude(self._session.recover().orphans)
        except JournalBusyError:
            return

    # -- output of decisions

    def _lease(self) -> None:
        if self._draining or self._printer.backlog > HIGH_WATER:
            return
        if self._needs_whole and isinstance(self._feed, JournalFeed) and not self._feed.read_all:
            return  # An end would free, or doom, jobs that are not there yet.
        ready = {name: queue for name, queue in self._schedule.pools.items() if queue.ready}
        if not ready:
            return
        self._grow(ready)
        staged = {worker for worker, _ in self._staged}
        for offer in self._executor.offers():
            queue = ready.get(offer.pool)
            if queue is None or not queue.ready or offer.worker in staged:
                continue
            size = frame_size(queue.durations, len(queue.ready), self._slots, gated=queue.gated)
            ahead = not queue.gated and runs_ahead(queue.durations, len(queue.ready), self._slots)
            count = room(offer.held, size, ahead=ahead)
            if count:
                self._stage(offer.pool, offer.worker, count)

    def _grow(self, ready: dict[str, PoolQueue]) -> None:
        held: dict[str, int] = {}
        for job in self._schedule.held.values() if len(self._schedule.held) < self._slots else ():
            tool = self._schedule.tool_of(job)
            held[tool] = held.get(tool, 0) + 1
        for name, queue in ready.items():
            size = min(self._slots, len(queue.ready) + held.get(name, 0))
            if size > self._sizes.get(name, 0):
                self._sizes[name] = size
                self._executor.resize(name, size)

    def _stage(self, pool: str, worker: str, count: int) -> None:
        leases = [
            Lease(attempt, self._batch, job.terms, job.payload) for attempt, job in self._schedule.take(pool, count)
        ]
        holds = self._holds.setdefault(worker, set())
        holds.update(lease.attempt for lease in leases)
        self._journal.set_lease(worker, self._session.owner.token, holds)
        self._staged.append((worker, leases))

    def _take_back(self) -> None:
        """Jobs that wait behind a long one go to a worker that has nothing to do."""
        if self._draining or any(queue.ready for queue in self._schedule.pools.values()):
            return
        offers = self._executor.offers()
        idle = {offer.pool for offer in offers if not offer.held}
        for offer in offers:
            if offer.held > 1 and offer.pool in idle and offer.worker not in self._asked_back:
                self._asked_back.add(offer.worker)
                self._executor.take_back(offer.worker, offer.held // 2)

    def _commit(self) -> None:
        now = self._clock.monotonic()
        due = (
            self._staged
            or self._uncommitted
            or (self._decided and (now >= self._oldest + COMMIT_INTERVAL or not self._schedule.held))
            or len(self._decided) + self._journal.pending_rows >= COMMIT_ROWS
        )
        if not due:
            return
        self._journal.add_outcomes(self._decided)
        decided, self._decided = self._decided, []
        if not self._flush():
            # They are gathered in the journal's memory; told and acknowledged once they are on the disk.
            self._uncommitted += decided
            return
        decided, self._uncommitted = self._uncommitted + decided, []
        self._executor.acknowledge([outcome for outcome, _ in decided])
        staged, self._staged = self._staged, []
        for worker, leases in staged:
            self._executor.submit(worker, leases)
        for outcome, final in decided:
            self._printer.add(outcome, final=final)
            self._report.outcome(outcome, final)

    def _flush(self) -> bool:
        try:
            self._journal.flush()
        except JournalBusyError:
            return False
        except DiskFullError as error:
            self._give_up(str(error))
            return False
        return True

    def _give_up(self, trouble: str) -> None:
        """The state cannot be written: start nothing new, keep what is told, and end as soon as nothing runs."""
        if not self._trouble:
            self._trouble = trouble
            self._report.say(trouble)
        self._drain(None)

    def _look_at_readers(self) -> None:
        for sink in self._sinks:
            if sink.broken and not self._draining:
                if sink.trouble:
                    self._trouble = f"the output cannot be written: {sink.trouble}"
                self._interrupt(None)

    # -- the end

    def _end(self) -> None:
        complete = not self._draining and self._feed.done
        self._journal.end_batch(self._batch, "done" if complete else "interrupted")
        try:
            self._journal.flush()
        except StateError as error:
            self._trouble = self._trouble or str(error)
            return
        self._printer.release_all()
        while self._printer.busy and not any(sink.broken for sink in self._sinks):
            self._printer.pump()
            if self._printer.busy:
                self._reactor.run_once(1.0)
