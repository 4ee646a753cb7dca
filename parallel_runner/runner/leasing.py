"""Which job goes to which worker, and how many workers there are for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from parallel_runner.clock import Clock
from parallel_runner.model.job import Job
from parallel_runner.model.ports import Executor, Lease
from parallel_runner.runner.pacing import Pacing
from parallel_runner.runner.recording import Recorder
from parallel_runner.runner.slots import Slots
from parallel_runner.scheduler.framing import frame_size, room, runs_ahead
from parallel_runner.scheduler.schedule import PoolQueue, Schedule

_STARVED = 30.0
"""Seconds without a single slot after which the run is given up."""


class Leasing:
    """Leases ready jobs to workers that have room, as far as slots go."""

    def __init__(
        self,
        schedule: Schedule,
        executor: Executor,
        recorder: Recorder,
        slots: Slots,
        batch: int,
        clock: Clock,
        pacing: Pacing,
        seconds_left: Callable[[Job], float | None] | None = None,
    ) -> None:
        """`seconds_left` says how long an attempt of a job may take by deadlines; None: there are none."""
        self._schedule = schedule
        self._executor = executor
        self._recorder = recorder
        self._slots = slots
        self._batch = batch
        self._clock = clock
        self._pacing = pacing
        self._seconds_left = seconds_left
        self._sizes: dict[str, int] = {}
        self._asked_back: set[str] = set()
        self._starved_at: float | None = None
        self._told_scarce = False

    def lease(self) -> None:
        """Stage leases for the ready jobs.

        Raises:
            StateError: the home had no slot for too long.
        """
        ready = {name: queue for name, queue in self._schedule.pools.items() if queue.ready}
        if not ready:
            return
        slots = self._cover(ready)
        allowed = self._pacing.allowed()
        if not slots or not allowed:
            return
        self._grow(ready, slots)
        one_by_one = self._pacing.one_by_one
        staged = self._recorder.staged
        offers = self._executor.offers()
        # What is wanted is so many jobs at once, of whatever tools, and not so many of each.
        busy = sum(bool(offer.held) or offer.worker in staged for offer in offers)
        several = len(ready) > 1
        if several:
            offers = sorted(offers, key=lambda offer: (offer.held, _first(ready, offer.pool)))
        for offer in offers:
            queue = ready.get(offer.pool)
            if queue is None or not queue.ready or offer.worker in staged or (not offer.held and busy >= slots):
                continue
            # A job that waits at a worker of one pool keeps a slot from those of the others that come before it.
            gated = queue.gated or one_by_one or several
            size = frame_size(queue.durations, len(queue.ready), slots, gated=gated)
            ahead = not gated and runs_ahead(queue.durations, len(queue.ready), slots)
            count = min(room(offer.held, size, ahead=ahead), allowed)
            if count:
                busy += not offer.held
                self._stage(offer.pool, offer.worker, count)
            if one_by_one and count:
                self._pacing.gate.started(self._clock.monotonic())
                allowed -= count
                if not allowed:
                    return

    def _cover(self, ready: dict[str, PoolQueue]) -> int:
        slots = min(self._slots.granted, self._slots.want)
        if slots < self._slots.want:
            slots = self._slots.cover(sum(len(queue.ready) for queue in ready.values()) + len(self._schedule.held))
        now = self._clock.monotonic()
        if slots:
            self._starved_at = None
        elif self._starved_at is None:
            self._starved_at = now
        elif now > self._starved_at + _STARVED:
            raise self._slots.starved()
        return slots

    def _grow(self, ready: dict[str, PoolQueue], slots: int) -> None:
        held: dict[str, int] = {}
        for job in self._schedule.held.values() if len(self._schedule.held) < slots else ():
            tool = self._schedule.tool_of(job)
            held[tool] = held.get(tool, 0) + 1
        for name, queue in ready.items():
            size = min(slots, len(queue.ready) + held.get(name, 0))
            if size > self._sizes.get(name, 0):
                self._sizes[name] = size
                self._executor.resize(name, size)

    def _stage(self, pool: str, worker: str, count: int) -> None:
        taken = self._schedule.take(pool, count)
        left = self._seconds_left
        self._recorder.stage(
            worker,
            [
                Lease(attempt, self._batch, job.terms, job.payload, left(job) if left else None)
                for attempt, job in taken
            ],
        )

    def take_all_back(self) -> None:
        """Have all jobs that have not begun come back."""
        for offer in self._executor.offers():
            if offer.held > 1:
                self._executor.take_back(offer.worker, offer.held)

    def widen(self, want: int) -> None:
        """Run that many jobs at once from now on; what runs goes on to its end."""
        self._slots.want = want
        for pool, size in self._sizes.items():
            if size > want:
                self._sizes[pool] = want
                self._executor.resize(pool, want)

    def take_back(self) -> None:
        """Have jobs that wait behind a long one come back for a worker that has nothing to do."""
        if any(queue.ready for queue in self._schedule.pools.values()):
            return
        offers = self._executor.offers()
        if sum(bool(offer.held) for offer in offers) >= self._slots.want:
            return
        idle = {offer.pool for offer in offers if not offer.held}
        for offer in offers:
            if offer.held > 1 and offer.pool in idle and offer.worker not in self._asked_back:
                self._asked_back.add(offer.worker)
                self._executor.take_back(offer.worker, offer.held // 2)

    def answered(self, worker: str) -> None:
        """A worker said what it gives back, or is gone."""
        self._asked_back.discard(worker)

    def scarcity(self) -> str:
        """What to tell, once, when the home has fewer slots than were asked for; empty otherwise."""
        if self._told_scarce or not self._slots.scarce:
            return ""
        self._told_scarce = True
        return f"{self._slots.granted} of {self._slots.want} instances are free on this home; running with these"

    def retired(self, pool: str) -> None:
        """A worker has left, for having been idle for long, say: one may be wanted again."""
        self._sizes[pool] = max(0, self._sizes.get(pool, 0) - 1)

    def next_ask(self) -> float | None:
        """When slots that were refused are asked for again (monotonic seconds)."""
        return self._slots.next_ask()


def _first(ready: Mapping[str, PoolQueue], pool: str) -> float:
    """The next job of a pool, as a number to sort by."""
    queue = ready.get(pool)
    return queue.first if queue is not None and queue.ready else math.inf
