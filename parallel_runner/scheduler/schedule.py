"""What runs next: ready jobs by pool, those that wait for a moment or for each other, those in hand."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from parallel_runner.ids import attempt_id
from parallel_runner.model.fan_out import FAN_OUT
from parallel_runner.model.job import Job
from parallel_runner.model.lifecycle import State
from parallel_runner.model.terms import NORMAL, Terms
from parallel_runner.scheduler.framing import Durations
from parallel_runner.scheduler.needs import Freed, Needs
from parallel_runner.scheduler.ranking import Ranked


@dataclass
class PoolQueue:
    """What waits for one pool."""

    ready: deque[Job] | Ranked = field(default_factory=deque)
    durations: Durations = field(default_factory=Durations)
    gated: bool = False

    @property
    def first(self) -> int:
        """The job that is next; some job must be ready."""
        return next(iter(self.ready)).id


class Schedule:
    """The jobs of one batch that are in memory. Decides; does nothing."""

    def __init__(self, terms: Sequence[Terms], needs: Needs) -> None:
        self._terms = terms
        self._needs = needs
        self._waiting: dict[int, Job] = {}
        self._delayed: list[tuple[float, int, Job]] = []
        # What a job becomes many of may have a priority that no other has.
        self._ranked = any(one.priority != NORMAL or one.tool == FAN_OUT for one in terms)
        self._special = any(one.locks or one.tool == FAN_OUT for one in terms)
        self.pools: dict[str, PoolQueue] = {}
        self.held: dict[int, Job] = {}
        """Attempts that are leased or running."""
        self.losses: dict[int, int] = {}
        """Workers that each job has lost."""
        self.locked: deque[Job] = deque()
        """Ready jobs that need locks."""
        self.fan_outs: list[Job] = []
        """Ready jobs that become many."""
        self.reached: list[int] = list(needs.reached)
        """Barriers whose members have all ended."""

    @property
    def lead(self) -> int:
        """Jobs in memory that no worker has."""
        ready = sum(len(pool.ready) for pool in self.pools.values()) + len(self.locked) + len(self.fan_outs)
        return ready + len(self._delayed) + len(self._waiting)

    @property
    def idle(self) -> bool:
        """Nothing is in hand, and nothing in memory waits."""
        return not self.held and not self.lead

    def tool_of(self, job: Job) -> str:
        """The pool that runs a job."""
        return self._terms[job.terms].tool

    def _pool(self, name: str) -> PoolQueue:
        pool = self.pools.get(name)
        if pool is None:
            pool = self.pools[name] = PoolQueue(Ranked(self._terms)) if self._ranked else PoolQueue()
        return pool

    def add(self, jobs: Iterable[Job]) -> list[tuple[Job, int]]:
        """Take jobs in, each with the number of attempts it has had; returns those that can never run."""
        hopeless = []
        for job in jobs:
            if job.id in self._needs.hopeless():
                hopeless.append((job, self._needs.hopeless()[job.id]))
            elif self._needs.waits(job.id):
                self._waiting[job.id] = job
            else:
                if not (self._special and self._set_aside(job)):
                    self.admit(job)
        return hopeless

    def _set_aside(self, job: Job) -> bool:
        """Keep a job that no worker is given as it is. False: it is no such job."""
        terms = self._terms[job.terms]
        if terms.tool == FAN_OUT:
            self.fan_outs.append(job)
        elif terms.locks:
            self.locked.append(job)
        else:
            return False
        return True

    def admit(self, job: Job) -> None:
        """Put a job where workers are given it from."""
        terms = self._terms[job.terms]
        pool = self._pool(terms.tool)
        # Declared memory, and a lock that is held, are gates: such jobs are admitted one at a time.
        pool.gated = pool.gated or terms.limits.memory is not None or bool(terms.locks)
        pool.ready.append(job)

    def take(self, pool: str, count: int) -> list[tuple[int, Job]]:
        """Lease up to `count` jobs: (attempt, job)."""
        ready = self.pools[pool].ready
        taken = []
        for _ in range(min(count, len(ready))):
            job = ready.popleft()
            attempt = attempt_id(job.id, job.number + 1)
            self.held[attempt] = job
            taken.append((attempt, job))
        return taken

    def give_back(self, attempts: Sequence[int]) -> None:
        """Leases that came back unused: first in line again, in their order."""
        for attempt in reversed(attempts):
            job = self.held.pop(attempt, None)
            if job is not None:
                self._pool(self.tool_of(job)).ready.appendleft(job)

    def again(self, job: Job, at: float) -> None:
        """Another attempt of a job is due at monotonic time `at`."""
        heapq.heappush(self._delayed, (at, job.id, job))

    def release_delayed(self, now: float) -> None:
        """Make those ready whose time has come, before what has not been tried yet."""
        due = []
        while self._delayed and self._delayed[0][0] <= now:
            due.append(heapq.heappop(self._delayed)[2])
        for job in reversed(due):
            self._pool(self.tool_of(job)).ready.appendleft(job)

    def next_delay(self) -> float | None:
        """When the next retry is due (monotonic seconds)."""
        return self._delayed[0][0] if self._delayed else None

    def ended(self, job: int, state: State) -> list[tuple[Job, int]]:
        """A job has ended for good. Frees what waited; returns (job, because of which) for all that is skipped."""
        return self._follow(self._needs.ended(job, state))

    def open(self, barrier: int) -> list[tuple[Job, int]]:
        """Let past a barrier what waits for it; returns as `ended` does."""
        return self._follow(self._needs.open(barrier))

    def _follow(self, first: Freed) -> list[tuple[Job, int]]:
        skipped = []
        ends = [first]
        while ends:
            freed = ends.pop()
            self.reached += freed.reached
            self.add(self._waiting.pop(ready) for ready in freed.ready if ready in self._waiting)
            for dependent, cause in freed.skipped:
                waiting = self._waiting.pop(dependent, None)
                if waiting is not None:
                    skipped.append((waiting, cause))
                    ends.append(self._needs.ended(dependent, State.SKIPPED))
        return skipped

    def grow(self, jobs: Iterable[Job], groups: Iterable[int]) -> None:
        """Take in jobs that another has become, and let them belong to its groups."""
        jobs = list(jobs)
        self._needs.enter([job.id for job in jobs], groups)
        self.add(jobs)

    def restart(self, needs: Needs) -> None:
        """Go on with other dependencies, once nothing is left in memory."""
        self._needs = needs
        self.reached = list(needs.reached)

    def take_unstarted(self, wanted: Callable[[int], bool]) -> list[Job]:
        """Take out the jobs that no worker has and that are wanted."""
        queues = [self.locked, *(pool.ready for pool in self.pools.values())]
        lists = [list(queue) for queue in queues]
        lists += [[entry[2] for entry in self._delayed], list(self._waiting.values()), self.fan_outs]
        taken = [job for jobs in lists for job in jobs if wanted(job.id)]
        gone = {job.id for job in taken}
        for queue in queues:
            kept = [job for job in queue if job.id not in gone]
            queue.clear()
            for job in kept:
                queue.append(job)
        self._delayed = [entry for entry in self._delayed if entry[1] not in gone]
        heapq.heapify(self._delayed)
        self._waiting = {job: one for job, one in self._waiting.items() if job not in gone}
        self.fan_outs = [job for job in self.fan_outs if job.id not in gone]
        return taken

    def remove(self, job: int) -> Job | None:
        """Take a job out that no worker has; None: it is not here, or in a worker's hands."""
        if job in self._waiting:
            return self._waiting.pop(job)
        for queue in (self.locked, self.fan_outs, *(pool.ready for pool in self.pools.values())):
            for candidate in queue:
                if candidate.id == job:
                    queue.remove(candidate)
                    return candidate
        for entry in self._delayed:
            if entry[1] == job:
                self._delayed.remove(entry)
                heapq.heapify(self._delayed)
                return entry[2]
        return None

    def count_loss(self, job: int) -> None:
        """One more worker was lost with this job in hand."""
        self.losses[job] = self.losses.get(job, 0) + 1

    def drop_unstarted(self) -> int:
        """Forget all that no worker has (the journal has it); returns how many there were."""
        count = self.lead
        for pool in self.pools.values():
            pool.ready.clear()
        self._delayed.clear()
        self._waiting.clear()
        self.locked.clear()
        self.fan_outs.clear()
        return count
