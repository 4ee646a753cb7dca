"""Carrying out what the rules of a batch ask for: phases, stops, deadlines, fan-outs, and the jobs that come last.

`scheduler.course` decides; here it is done, step by step in the loop of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from parallel_runner.clock import Clock
from parallel_runner.ids import attempt_id, batch_name, job_id, job_name
from parallel_runner.journal.store import Journal
from parallel_runner.model.batch import BatchRules
from parallel_runner.model.fan_out import FAN_OUT
from parallel_runner.model.job import Job
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.ports import Executor
from parallel_runner.model.retry import Decision
from parallel_runner.model.terms import Terms
from parallel_runner.runner.expanding import Expander, Made
from parallel_runner.runner.locking import LockDesk
from parallel_runner.scheduler.course import Course, Move, without_rest
from parallel_runner.scheduler.needs import Needs
from parallel_runner.scheduler.schedule import Schedule
from parallel_runner.settings.schema import Synchronization
from parallel_runner.workflows.fan_out import FanOutError


class Run(Protocol):
    """What a run lets be done to it."""

    def finish_unstarted(self, job: Job, state: State, failure: FailureClass, detail: str) -> None:
        """End a job that no worker has."""
        ...

    def skip(self, job: Job, cause: int) -> None:
        """End a job that waited in vain."""
        ...

    def expanded(self, job: Job, outcome: Outcome, made: Made) -> None:
        """A job has become others."""
        ...

    def unstage(self) -> None:
        """Take back what was about to be sent to workers."""
        ...

    def take_back(self) -> None:
        """Have workers give back what they have not begun."""
        ...

    def drain(self) -> None:
        """Start nothing new in this run."""
        ...

    def say(self, line: str) -> None:
        """A line for people."""
        ...


class Steering:
    """The rules of one batch, at work."""

    def __init__(
        self,
        batch: int,
        rules: BatchRules,
        terms: Sequence[Terms],
        schedule: Schedule,
        executor: Executor,
        journal: Journal,
        clock: Clock,
        locks: LockDesk,
        barriers: Synchronization,
    ) -> None:
        self._batch = batch
        self._rules = rules
        self._terms = terms
        self._schedule = schedule
        self._executor = executor
        self._journal = journal
        self._clock = clock
        self._locks = locks
        self._expander = Expander(journal, batch, terms)
        self.course = Course(
            batch,
            rules,
            terms,
            clock.monotonic(),
            timeout=barriers.barrier_timeout,
            delay=barriers.phase_transition_delay,
        )
        self._paused = False
        self._forbidden = False
        self.cut = False
        """The last jobs run although others have not ended."""

    @property
    def whole(self) -> bool:
        """Whether the rules can only be followed with all jobs in memory."""
        rules = self._rules
        return bool(rules.groups) or rules.on_failure != "continue" or rules.deadline is not None

    @property
    def has_deadlines(self) -> bool:
        """Whether some attempt may be bounded by a deadline."""
        # What a job becomes many of may have deadlines that no other has.
        own = any(one.deadline is not None or one.tool == FAN_OUT for one in self._terms)
        return own or self._rules.deadline is not None

    def seconds_left(self, job: Job) -> float | None:
        """How long an attempt of a job may take, by deadlines."""
        return self.course.seconds_left(job, self._clock.monotonic())

    # -- in the loop

    def step(self, run: Run, *, draining: bool, busy: bool) -> None:
        """Do what is due; `busy`: some job runs or waits for another attempt."""
        if draining:
            return
        now = self._clock.monotonic()
        self._move(run, self.course.look(now, busy=busy), "no progress for a while")
        if self.course.over:
            self._skip_unstarted(run)
        while self._schedule.reached:
            self.course.reach(self._schedule.reached.pop(0), now)
        for barrier in self.course.take_due(now):
            self._open(run, barrier)
        self._locks.hand_out()
        self._expand(run)

    def next_moment(self) -> float | None:
        """When something is due (monotonic seconds)."""
        moments = [self.course.next_moment(), self._locks.next_ask()]
        return min((moment for moment in moments if moment is not None), default=None)

    # -- what happened

    def judge(self, decision: Decision, job: Job) -> Decision:
        """What follows an attempt, by the rules of the whole batch too."""
        if self._terms[job.terms].locks:
            self._locks.ended(job.id)
        return self.course.judge(decision, job, self._clock.monotonic())

    def ended(self, run: Run, job: int, state: State) -> None:
        """A job has ended for good."""
        move = self.course.failure(job, state)
        if move is not None and not self._paused:
            self._move(run, move, f"{job_name(job)} {state.value.replace('_', ' ')}")

    def unstarted(self, job: Job) -> None:
        """A job that no worker has will not run."""
        self._locks.ended(job.id)

    # -- moves

    def _move(self, run: Run, move: Move | None, why: str) -> None:
        name = batch_name(self._batch)
        if move is Move.PAUSE:
            self._paused = True
            run.say(f"{why}: nothing new starts; to go on: parallel-runner resume {name}")
            run.take_back()
            run.drain()
        elif move is Move.STOP:
            self._stop(run, f"{name} stopped ({why})", overdue=False)
        elif move is Move.EXPIRE:
            self._stop(run, f"the deadline of {name}, {self._rules.deadline:g} s, is over", overdue=True)
            held = [attempt for attempt, job in self._schedule.held.items() if not self.course.is_last(job.id)]
            self._executor.cancel(held, state=State.TIMED_OUT)
        elif move is Move.OPEN:
            barrier = self.course.force()
            run.say(f"{self.course.name_of(barrier)}: {why}; the next phase begins")
            self._open(run, barrier)

    def _stop(self, run: Run, why: str, *, overdue: bool) -> None:
        self.course.end(why, overdue=overdue)
        run.unstage()
        run.take_back()
        run.say(f"{why}: what has not started is skipped")

    def _skip_unstarted(self, run: Run) -> None:
        failure = FailureClass.TIMEOUT if self.course.overdue else FailureClass.DEPENDENCY
        while taken := self._schedule.take_unstarted(lambda job: not self.course.is_last(job)):
            for job in taken:
                run.finish_unstarted(job, State.SKIPPED, failure, self.course.why_over)

    def _open(self, run: Run, barrier: int) -> None:
        for job, cause in self._schedule.open(barrier):
            run.skip(job, cause)

    # -- fan-out

    def _expand(self, run: Run) -> None:
        for job in list(self._schedule.fan_outs):
            try:
                made = self._expander.make(job)
            except FanOutError as error:
                self._schedule.fan_outs.remove(job)
                run.finish_unstarted(job, State.FAILED, FailureClass.SPAWN, f"no jobs were made of it: {error}")
                continue
            if made is None:
                continue
            self._schedule.fan_outs.remove(job)
            detail = (
                f"became {len(made.jobs)} jobs" if made.jobs else "became no job: there is nothing to go through"
            )
            outcome = Outcome(attempt_id(job.id, job.number + 1), State.SUCCEEDED, detail=detail)
            run.expanded(job, outcome, made)

    def record(self, made: Made, terms: Sequence[Terms]) -> Callable[[], None]:
        """What gathers the rows of what a fan-out became; `terms`: all of the batch now."""

        def gather() -> None:
            if made.terms:
                self._journal.set_terms(self._batch, terms)
            self._journal.add_jobs(self._batch, made.first, made.specs)

        return gather

    # -- the jobs that come last

    def forbid_finale(self) -> None:
        """The user does not want to wait for them."""
        self._forbidden = True

    def begin_finale(self, run: Run) -> bool:
        """Let the last jobs run although others were interrupted. False: there are none, or it is not wanted."""
        finale = self._rules.finale
        if finale is None or self._paused or self._forbidden:
            return False
        pending = self._journal.pending_jobs(self._batch, finale[0] - 1, finale[1] - finale[0] + 1)
        jobs = [job for job in pending if self.course.is_last(job.id)]
        if not jobs:
            return False
        self.cut = True
        self.course.cut_short()
        ids = [job_id(self._batch, place) for place in range(finale[0], finale[1] + 1)]
        needs = self._journal.needs(self._batch)
        rows, states = without_rest(needs, self._journal.final_states(self._batch), ids)
        ended = {job: state for job, state in self._journal.final_states(self._batch).items() if job in ids}
        self._schedule.restart(Needs(rows, {**states, **ended}))
        for job, cause in self._schedule.add(jobs):
            run.skip(job, cause)
        return True
