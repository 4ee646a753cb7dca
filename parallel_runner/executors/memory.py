"""An executor without processes: attempts end when `advance` is called, as a function says. For tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from parallel_runner.model.events import (
    Event,
    Finished,
    Released,
    Started,
    WorkerLost,
    WorkerRetired,
    WorkerStarted,
)
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.ports import Lease
from parallel_runner.model.snapshot import ExecutorSnapshot, Offer, PoolSnapshot


def succeed(lease: Lease) -> Outcome:
    """Every attempt succeeds."""
    return Outcome(lease.attempt, State.SUCCEEDED, exit_code=0, started_at=1.0)


class _Worker:
    def __init__(self, name: str, pool: str) -> None:
        self.name = name
        self.pool = pool
        self.queue: deque[Lease] = deque()
        self.current: Lease | None = None
        self.draining = False

    @property
    def held(self) -> int:
        return len(self.queue) + (self.current is not None)


class MemoryExecutor:
    """Implements the Executor port."""

    def __init__(self, run: Callable[[Lease], Outcome] = succeed) -> None:
        self._run = run
        self._workers: dict[str, _Worker] = {}
        self._sizes: dict[str, int] = {}
        self._events: list[Event] = []
        self._count = 0
        self.unacknowledged: set[int] = set()
        """Attempts whose outcomes nobody has committed."""

    # -- the port

    def offers(self) -> Sequence[Offer]:
        """Workers, the least loaded first."""
        free = [one for one in self._workers.values() if not one.draining]
        return sorted((Offer(one.pool, one.name, one.held) for one in free), key=lambda offer: offer.held)

    def submit(self, worker: str, leases: Sequence[Lease]) -> None:
        """Queue leases at a worker."""
        one = self._workers.get(worker)
        if one is None or one.draining:
            self._events.append(Released(worker, tuple(lease.attempt for lease in leases)))
            return
        one.queue.extend(leases)
        self._begin(one)

    def take_back(self, worker: str, count: int) -> None:
        """Give up what came last and has not started."""
        one = self._workers.get(worker)
        if one is not None:
            given = [one.queue.pop().attempt for _ in range(min(count, len(one.queue)))]
            self._events.append(Released(worker, tuple(given)))

    def cancel(self, attempts: Sequence[int], *, state: State = State.CANCELLED, force: bool = False) -> None:
        """End attempts as `state`, at once."""
        wanted = set(attempts)
        failure = FailureClass.INTERRUPTED if state is State.INTERRUPTED else FailureClass.CANCELLED
        for one in self._workers.values():
            given = [lease for lease in one.queue if lease.attempt in wanted]
            one.queue = deque(lease for lease in one.queue if lease.attempt not in wanted)
            if given:
                self._events.append(Released(one.name, tuple(lease.attempt for lease in given)))
            if one.current is not None and one.current.attempt in wanted:
                self._end(one, Outcome(one.current.attempt, state, failure, started_at=1.0))

    def resize(self, pool: str, size: int) -> None:
        """Make or retire workers."""
        self._sizes[pool] = size
        mine = [one for one in self._workers.values() if one.pool == pool and not one.draining]
        for _ in range(size - len(mine)):
            self._count += 1
            one = _Worker(f"memory-{self._count}", pool)
            self._workers[one.name] = one
            self._events.append(WorkerStarted(one.name, pool, 0))
        idle = [one for one in reversed(mine) if not one.held]
        for one in idle[: max(0, len(mine) - size)]:
            self._retire(one)

    def collect(self) -> Sequence[Event]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def acknowledge(self, outcomes: Sequence[Outcome]) -> None:
        """Forget committed outcomes."""
        self.unacknowledged.difference_update(outcome.attempt for outcome in outcomes)

    def slot_of(self, worker: str) -> int:
        """The number of a worker among those of its pool."""
        one = self._workers.get(worker)
        mine = [other for other in self._workers.values() if one is not None and other.pool == one.pool]
        return mine.index(one) + 1 if one is not None else 0

    def snapshot(self) -> ExecutorSnapshot:
        """Sizes and loads."""
        pools = []
        for pool, size in self._sizes.items():
            mine = [one for one in self._workers.values() if one.pool == pool]
            busy = sum(bool(one.held) for one in mine)
            pools.append(PoolSnapshot(pool=pool, size=size, idle=len(mine) - busy, running=busy))
        return ExecutorSnapshot(pools=tuple(pools))

    def shutdown(self, *, grace: float) -> None:
        """Give up what has not started, end what has, retire all."""
        for one in list(self._workers.values()):
            self.take_back(one.name, len(one.queue))
            if one.current is not None:
                self.cancel([one.current.attempt])
            self._retire(one)

    # -- what makes time pass

    def advance(self, count: int = 1) -> int:
        """Let up to `count` attempts end on each worker; returns how many did."""
        ended = 0
        for one in list(self._workers.values()):
            for _ in range(count):
                if one.current is None:
                    break
                self._end(one, self._run(one.current))
                ended += 1
        return ended

    def lose(self, worker: str) -> None:
        """A worker dies with what it has in hand; another takes its place."""
        one = self._workers.pop(worker)
        started = (one.current.attempt,) if one.current is not None else ()
        leased = tuple(lease.attempt for lease in one.queue)
        self._events.append(WorkerLost(worker, one.pool, "lost on purpose", started, leased))
        self.resize(one.pool, self._sizes[one.pool])

    def _begin(self, one: _Worker) -> None:
        if one.current is None and one.queue:
            one.current = one.queue.popleft()
            self._events.append(Started(one.current.attempt, one.name, 1.0))

    def _end(self, one: _Worker, outcome: Outcome) -> None:
        one.current = None
        self.unacknowledged.add(outcome.attempt)
        self._events.append(Finished(outcome))
        self._begin(one)

    def _retire(self, one: _Worker) -> None:
        one.draining = True
        del self._workers[one.name]
        self._events.append(WorkerRetired(one.name, one.pool, "asked to"))
