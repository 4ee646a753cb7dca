"""A batch gone through on paper: which job would start when, and where, if all of them succeed. Pure.

What orders the jobs is what orders them when they run: the schedule, its dependencies, the course of the batch, the
locks and the delay between starts. Only the time is made up.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from parallel_runner.ids import GROUP_BASE
from parallel_runner.model.batch import BatchRules
from parallel_runner.model.fan_out import FAN_OUT
from parallel_runner.model.job import Job, JobSpec
from parallel_runner.model.lifecycle import State
from parallel_runner.model.terms import Terms
from parallel_runner.scheduler.course import Course, Move
from parallel_runner.scheduler.gates import Gates, StartGate
from parallel_runner.scheduler.locking import next_for_locks
from parallel_runner.scheduler.needs import MEMBER, Needs
from parallel_runner.scheduler.schedule import Schedule


@dataclass(frozen=True, kw_only=True)
class Score:
    """What is gone through."""

    jobs: Sequence[JobSpec]
    """The job at index i has place i + 1."""
    terms: Sequence[Terms]
    rules: BatchRules = field(default_factory=BatchRules)
    slots: int = 1
    """Jobs at once, of whatever tools."""
    delay: float = 0.0
    """Seconds between two starts."""
    adaptive: bool = False
    """The delay shrinks with each success."""
    barrier_timeout: float = 30.0
    """Seconds, where the rules do not say."""
    barrier_delay: float = 0.0
    """Seconds, where the rules do not say."""


class Start(NamedTuple):
    """A job that would start."""

    place: int
    at: float
    """Seconds from the start of the batch."""
    end: float
    pool: str
    slot: int
    """From 1, among those of its pool; 0: it becomes other jobs, which takes no slot."""


class Rehearsal(NamedTuple):
    """How a batch would go."""

    starts: tuple[Start, ...]
    """In their order."""
    skipped: tuple[tuple[int, int], ...]
    """(place, the needed place or group that ends otherwise than it must)."""
    left: tuple[int, ...]
    """Places of jobs that would never start: the batch would have stopped before."""

    @property
    def makespan(self) -> float:
        """Seconds until the last job ends."""
        return max((start.end for start in self.starts), default=0.0)


def rehearse(score: Score, durations: Sequence[float]) -> Rehearsal:
    """Go through a batch.

    Args:
        score: the batch.
        durations: seconds that each job takes, by index; of jobs that become others they do not count.
    """
    return _Rehearsing(score, durations).run()


class _Rehearsing:
    def __init__(self, score: Score, durations: Sequence[float]) -> None:
        self._score = score
        self._durations = durations
        self._now = 0.0
        groups = score.rules.groups
        barriers = [GROUP_BASE + index for index, group in enumerate(groups) if group.kind == "phase"]
        self._schedule = Schedule(score.terms, Needs(_rows(score.jobs), {}, barriers))
        # Whether it ends in time is for who reads the plan: the plan goes to the end.
        self._course = Course(
            0, _unbounded(score.rules), score.terms, 0.0, timeout=score.barrier_timeout, delay=score.barrier_delay
        )
        self._gate = StartGate(Gates(delay=score.delay, adaptive=score.adaptive))
        self._free: dict[str, list[int]] = {}
        self._ends: list[tuple[float, int, int, Start]] = []
        """(moment, how many had started, attempt, start): what runs."""
        self._locks: dict[int, Sequence[str]] = {}
        self._closing = 0
        """Barriers that are reached and not open yet."""
        self._starts: list[Start] = []
        self._skipped: list[tuple[int, int]] = []

    def run(self) -> Rehearsal:
        jobs = [Job(place, spec.terms, b"") for place, spec in enumerate(self._score.jobs, 1)]
        self._skip(self._schedule.add(jobs))
        while True:
            self._settle()
            self._start()
            moment = self._next()
            if moment is None or not self._look(moment):
                break
            self._end()
        left = sorted(job.id for job in self._schedule.take_unstarted(lambda _: True))
        return Rehearsal(tuple(self._starts), tuple(self._skipped), tuple(left))

    def _skip(self, skipped: Sequence[tuple[Job, int]]) -> None:
        self._skipped += [(job.id, cause) for job, cause in skipped]

    # -- what takes no time

    def _settle(self) -> None:
        """Open barriers, let jobs become others, hand locks out."""
        schedule, course = self._schedule, self._course
        changed = True
        while changed:
            changed = False
            while schedule.reached:
                course.reach(schedule.reached.pop(0), self._now)
                self._closing += 1
            for barrier in course.take_due(self._now):
                self._closing -= 1
                self._skip(schedule.open(barrier))
                changed = True
            for job in list(schedule.fan_outs):
                schedule.fan_outs.remove(job)
                self._starts.append(Start(job.id, self._now, self._now, FAN_OUT, 0))
                self._skip(schedule.ended(job.id, State.SUCCEEDED))
                changed = True
        if schedule.locked:
            self._hand_out_locks()

    def _hand_out_locks(self) -> None:
        taken = {name for names in self._locks.values() for name in names}
        free = self._score.slots - len(self._locks)
        for job in next_for_locks(self._schedule.locked, self._names, taken, free):
            self._locks[job.id] = self._names(job)
            self._schedule.locked.remove(job)
            self._schedule.admit(job)

    def _names(self, job: Job) -> Sequence[str]:
        return self._score.terms[job.terms].locks

    # -- starts and ends

    def _start(self) -> None:
        while len(self._ends) < self._score.slots and self._gate.allowed(self._now):
            ready = [(queue.first, name) for name, queue in self._schedule.pools.items() if queue.ready]
            if not ready:
                return
            pool = min(ready)[1]
            free = self._free.setdefault(pool, list(range(1, self._score.slots + 1)))
            ((attempt, job),) = self._schedule.take(pool, 1)
            end = self._now + self._durations[job.id - 1]
            start = Start(job.id, self._now, end, pool, heapq.heappop(free))
            self._starts.append(start)
            heapq.heappush(self._ends, (end, len(self._starts), attempt, start))
            self._gate.started(self._now)

    def _end(self) -> None:
        """All that ends now does, in the order in which it started."""
        while self._ends and self._ends[0][0] <= self._now:
            _, _, attempt, start = heapq.heappop(self._ends)
            del self._schedule.held[attempt]
            self._locks.pop(start.place, None)
            heapq.heappush(self._free[start.pool], start.slot)
            self._gate.ended(succeeded=True)
            self._skip(self._schedule.ended(start.place, State.SUCCEEDED))

    # -- time

    def _next(self) -> float | None:
        """When something happens next; None: it is over."""
        moments = [self._ends[0][0]] if self._ends else []
        room = len(self._ends) < self._score.slots
        if self._score.delay and room and any(queue.ready for queue in self._schedule.pools.values()):
            moments.append(self._gate.next_look(self._now))
        # While something runs, only a barrier that is reached is due: the others make progress.
        if self._score.rules.groups and not self._schedule.idle and (self._closing or not self._ends):
            due = self._course.next_moment()
            moments += [due] if due is not None else []
        return min(moments, default=None)

    def _look(self, moment: float) -> bool:
        """Let time go on to a moment. False: the batch would stop there."""
        self._now = moment
        move = self._course.look(moment, busy=bool(self._ends))
        if move is Move.OPEN:
            self._skip(self._schedule.open(self._course.force()))
        return move in (None, Move.OPEN)


def _unbounded(rules: BatchRules) -> BatchRules:
    return BatchRules(
        on_failure=rules.on_failure,
        barrier_timeout=rules.barrier_timeout,
        barrier_delay=rules.barrier_delay,
        groups=rules.groups,
        finale=rules.finale,
    )


def _rows(jobs: Sequence[JobSpec]) -> list[tuple[int, int, str]]:
    """Who waits for whom, as the journal has it."""
    rows = [(place, need.job, need.when) for place, spec in enumerate(jobs, 1) for need in spec.needs]
    return rows + [(group, place, MEMBER) for place, spec in enumerate(jobs, 1) for group in spec.groups]
