"""One contract for all executors: each lease comes back exactly once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from parallel_runner.clock import SystemClock
from parallel_runner.executors.local import LocalExecutor, Place
from parallel_runner.executors.memory import MemoryExecutor
from parallel_runner.ids import attempt_id, job_id
from parallel_runner.journal.layout import StateLayout
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
from parallel_runner.model.ports import Executor, Lease
from parallel_runner.model.terms import Limits, Terms
from parallel_runner.pools.process import Hold
from parallel_runner.reactor import Reactor
from parallel_runner.tools.bash import BashPayload
from tests.support.waiting import wait_for


@dataclass
class Rig:
    """An executor, how to make time pass for it, and how to lose a worker."""

    executor: Executor
    step: Callable[[], object]
    lose: Callable[[str], None]
    seen: list[Event]

    def pump(self) -> None:
        """Let something happen and note it."""
        self.step()
        self.seen += self.executor.collect()

    def until(self, condition: Callable[[], object]) -> None:
        """Pump until something holds."""

        def pumped() -> object:
            self.pump()
            return condition()

        wait_for(pumped, 20.0)

    def of(self, kind: type) -> list[Event]:
        """Events of a kind."""
        return [event for event in self.seen if isinstance(event, kind)]

    def back(self) -> list[int]:
        """Attempts that came back, in whatever way."""
        found: list[int] = []
        for event in self.seen:
            if isinstance(event, Finished):
                found.append(event.outcome.attempt)
            elif isinstance(event, Released):
                found += event.attempts
            elif isinstance(event, WorkerLost):
                found += [*event.started, *event.leased]
        return sorted(found)


class OneBatch:
    """Terms for a test."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    def terms(self, batch: int, index: int) -> Terms:
        """The same for all."""
        return self._terms


@pytest.fixture(params=["memory", "local"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """Both executors, one after the other."""
    if request.param == "memory":
        seen: list[Event] = []
        memory = MemoryExecutor(_as_command_says)
        yield Rig(memory, memory.advance, memory.lose, seen)
        return
    with local_rig(tmp_path, Terms(cwd=b"/")) as local:
        yield local


@contextmanager
def local_rig(tmp_path: Path, terms: Terms) -> Iterator[Rig]:
    """An executor with true workers."""
    seen: list[Event] = []
    layout = StateLayout(str(tmp_path))
    layout.create()
    reactor = Reactor()
    hold = Hold([reactor.keepalive])
    place = Place(layout, "owner", str(tmp_path / "log"))
    local = LocalExecutor(reactor, place, OneBatch(terms), hold, SystemClock())
    yield Rig(
        local,
        lambda: reactor.run_once(0.02),
        lambda name: os.kill(local.worker_pids()[name], signal.SIGKILL),
        seen,
    )
    local.shutdown(grace=5.0)
    local.acknowledge([event.outcome for event in [*seen, *local.collect()] if isinstance(event, Finished)])
    reactor.close()
    for held in hold.objects:
        if hasattr(held, "close") and not isinstance(held, Reactor):
            try:
                held.close()
            except ValueError:
                continue


def _as_command_says(lease: Lease) -> Outcome:
    command = msgspec.msgpack.decode(lease.payload, type=BashPayload).command
    if command == b"false":
        return Outcome(lease.attempt, State.FAILED, FailureClass.EXIT, exit_code=1, started_at=1.0)
    return Outcome(lease.attempt, State.SUCCEEDED, exit_code=0, started_at=1.0)


def leases(first: int, count: int, command: bytes = b"true") -> list[Lease]:
    payload = msgspec.msgpack.encode(BashPayload(command=command))
    return [Lease(attempt_id(job_id(1, seq), 1), 1, 0, payload) for seq in range(first, first + count)]


def ready(rig: Rig, count: int) -> list[str]:
    """Make a pool and wait for its workers."""
    rig.executor.resize("bash", count)
    rig.until(lambda: len(rig.executor.offers()) == count)
    assert len(rig.of(WorkerStarted)) >= count
    return [offer.worker for offer in rig.executor.offers()]


def test_each_lease_ends_once(rig: Rig) -> None:
    workers = ready(rig, 2)
    for number, worker in enumerate(workers):
        rig.executor.submit(worker, leases(1 + 100 * number, 40))
    rig.until(lambda: len(rig.of(Finished)) == 80)
    outcomes = [event.outcome for event in rig.of(Finished) if isinstance(event, Finished)]
    assert len({outcome.attempt for outcome in outcomes}) == 80
    assert {outcome.state for outcome in outcomes} == {State.SUCCEEDED}
    assert [offer.held for offer in rig.executor.offers()] == [0, 0]
    rig.executor.acknowledge(outcomes)


def test_failures_are_told(rig: Rig) -> None:
    (worker,) = ready(rig, 1)
    rig.executor.submit(worker, leases(1, 1, b"false"))
    rig.until(lambda: rig.of(Finished))
    event = rig.of(Finished)[0]
    assert isinstance(event, Finished)
    assert (event.outcome.state, event.outcome.failure, event.outcome.exit_code) == (
        State.FAILED,
        FailureClass.EXIT,
        1,
    )


def test_what_has_not_started_can_be_taken_back(rig: Rig) -> None:
    (worker,) = ready(rig, 1)
    rig.executor.submit(worker, leases(1, 1, b"sleep 30") + leases(2, 4))
    rig.executor.take_back(worker, 3)
    if isinstance(rig.executor, LocalExecutor):
        rig.until(lambda: rig.of(Released))
    else:
        rig.seen += rig.executor.collect()
    (event,) = rig.of(Released)
    assert isinstance(event, Released)
    assert sorted(event.attempts) == [lease.attempt for lease in leases(3, 3)]
    rig.executor.cancel([lease.attempt for lease in leases(1, 2)])
    rig.until(lambda: len(rig.back()) == 5)


def test_cancel_ends_what_runs_and_releases_the_rest(rig: Rig) -> None:
    (worker,) = ready(rig, 1)
    all_of_them = leases(1, 3, b"sleep 30")
    rig.executor.submit(worker, all_of_them)
    if isinstance(rig.executor, LocalExecutor):
        rig.until(lambda: rig.of(Started))
    rig.executor.cancel([lease.attempt for lease in all_of_them], state=State.INTERRUPTED)
    rig.until(lambda: len(rig.back()) == 3)
    (event,) = rig.of(Finished)
    assert isinstance(event, Finished)
    assert event.outcome.state is State.INTERRUPTED


def test_a_lost_worker_gives_everything_back_and_is_replaced(rig: Rig) -> None:
    (worker,) = ready(rig, 1)
    rig.executor.submit(worker, leases(1, 3, b"sleep 30"))
    if isinstance(rig.executor, LocalExecutor):
        rig.until(lambda: rig.of(Started))
    rig.lose(worker)
    rig.until(lambda: rig.of(WorkerLost))
    (event,) = rig.of(WorkerLost)
    assert isinstance(event, WorkerLost)
    assert event.started == (leases(1, 1)[0].attempt,)
    assert event.leased == tuple(lease.attempt for lease in leases(2, 2))
    rig.until(lambda: any(offer.worker != worker for offer in rig.executor.offers()))


def test_leases_for_nobody_come_back(rig: Rig) -> None:
    rig.executor.submit("nobody", leases(1, 2))
    rig.until(lambda: rig.of(Released))
    assert rig.back() == [lease.attempt for lease in leases(1, 2)]


def test_resize_while_busy_ends_no_job(rig: Rig) -> None:
    workers = ready(rig, 3)
    rig.executor.submit(workers[0], leases(1, 20))
    rig.executor.resize("bash", 1)
    rig.until(lambda: len(rig.of(Finished)) == 20 and len(rig.of(WorkerRetired)) == 2)
    rig.executor.resize("bash", 2)
    rig.until(lambda: len(rig.executor.offers()) == 2)
    (pool,) = rig.executor.snapshot().pools
    assert (pool.size, pool.live) == (2, 2)


@pytest.mark.parametrize(
    "terms",
    [
        Terms(cwd=b"/a\0b"),
        Terms(cwd=b"/", limits=Limits(open_files=50, file_size=2**63)),
        Terms(cwd=b"/", limits=Limits(open_files=50, cpu_time=float("inf"))),
    ],
)
def test_terms_that_the_system_cannot_hold_cost_no_worker(tmp_path: Path, terms: Terms) -> None:
    with local_rig(tmp_path, terms) as rig:
        (worker,) = ready(rig, 1)
        rig.executor.submit(worker, leases(1, 2))
        rig.until(lambda: len(rig.of(Finished)) == 2)
        for event in rig.of(Finished):
            assert isinstance(event, Finished)
            assert (event.outcome.state, event.outcome.failure) == (State.FAILED, FailureClass.SPAWN)
            assert event.outcome.detail
        assert not rig.of(WorkerLost)
