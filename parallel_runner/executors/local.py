"""Pools of worker processes on this machine.

    submit ─▶ Handle.assign ─▶ worker ─▶ records ─▶ _on_channel ─▶ events ─▶ collect
                                 └─ dies ─▶ pidfd ─▶ _on_death ─▶ spool read, orphans ended ─▶ WorkerLost

All of it happens on the owner's reactor; nothing here waits but `shutdown`, and that within its grace.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parallel_runner.clock import Clock
from parallel_runner.errors import StateError
from parallel_runner.ids import new_token
from parallel_runner.journal import spool
from parallel_runner.journal.layout import StateLayout
from parallel_runner.model.events import (
    Event,
    Finished,
    Released,
    Started,
    WorkerLost,
    WorkerRetired,
    WorkerStarted,
    Wrote,
)
from parallel_runner.model.lifecycle import State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.ports import Lease, TermsSource
from parallel_runner.model.snapshot import ExecutorSnapshot, Offer, PoolSnapshot
from parallel_runner.pools import frames, kernel
from parallel_runner.pools.cgroup import Delegation
from parallel_runner.pools.channel import ChannelError
from parallel_runner.pools.handle import Handle, spooled_end
from parallel_runner.pools.orphans import Orphans
from parallel_runner.pools.process import Hold, Post, refuse_threads, start_worker
from parallel_runner.reactor import READ, WRITE, Reactor

HEARTBEAT_TIMEOUT = 15.0
IDLE_TIMEOUT = 60.0
_TICK = 1.0
_SWEEP_INTERVAL = 0.01
_SWEEP_PATIENCE = 5.0
_START_FAILURES = 5


@dataclass(frozen=True)
class Place:
    """Where an executor works: whose it is, and where its files stand."""

    layout: StateLayout
    owner: str
    log: str
    """File for workers' own complaints."""
    disk_floor: int = 0
    """Bytes that must stay free where the state is kept for outputs to be kept."""
    delegation: Delegation | None = None
    """Where jobs with limits can have control groups."""


class LocalExecutor:
    """One pool of processes per tool. Implements the Executor port."""

    def __init__(self, reactor: Reactor, place: Place, source: TermsSource, hold: Hold, clock: Clock) -> None:
        self._was_subreaper = kernel.set_subreaper(on=True)
        self._reactor = reactor
        self._place = place
        self._source = source
        self._hold = hold
        self._clock = clock
        self._orphans = Orphans()
        self._sizes: dict[str, int] = {}
        self._live: dict[str, Handle] = {}
        self._dead: dict[str, Handle] = {}
        """Gone, but with outcomes that are not committed yet."""
        self._sweeping: list[tuple[Handle, WorkerLost]] = []
        self._events: list[Event] = []
        self._looked_at = clock.monotonic()
        self._ticked_at = self._looked_at
        self._start_failures = 0

    # -- the port

    def offers(self) -> Sequence[Offer]:
        """Ready workers, the least loaded first."""
        offers = [
            Offer(handle.post.pool, handle.token, len(handle.held))
            for handle in self._live.values()
            if handle.ready and not handle.draining
        ]
        offers.sort(key=_load)
        return offers

    def submit(self, worker: str, leases: Sequence[Lease]) -> None:
        """Send leases to a worker; they come back at once when it cannot take them."""
        handle = self._live.get(worker)
        if handle is None or handle.draining or handle.channel.closed:
            self._events.append(Released(worker, tuple(lease.attempt for lease in leases)))
            return
        handle.assign(leases, self._source)
        self._watch_backlog(handle)

    def take_back(self, worker: str, count: int) -> None:
        """Ask for leases that have not started."""
        handle = self._live.get(worker)
        if handle is not None:
            handle.tell(frames.TakeBack(count))

    def cancel(self, attempts: Sequence[int], *, state: State = State.CANCELLED, force: bool = False) -> None:
        """End attempts wherever they are held."""
        wanted = set(attempts)
        for handle in self._live.values():
            mine = tuple(attempt for attempt in handle.held if attempt in wanted)
            if mine:
                handle.tell(frames.End(mine, state, force))

    def resize(self, pool: str, size: int) -> None:
        """Want `size` workers: start at once what is missing; above it idle ones go first, then the youngest."""
        self._sizes[pool] = size
        self._fill(pool)
        surplus = max(0, len(self._of(pool)) - size)
        # The idle ones first; the others end what they have in hand and give the rest back.
        youngest_first = self._of(pool)[::-1]
        for handle in sorted(youngest_first, key=lambda handle: not handle.is_idle)[:surplus]:
            self._drain(handle)

    def collect(self) -> Sequence[Event]:
        """What happened since the last call; also looks after hung and idle workers."""
        self._look_after()
        events, self._events = self._events, []
        return events

    def acknowledge(self, outcomes: Sequence[Outcome]) -> None:
        """These are committed: their workers may forget them."""
        counts: dict[str, int] = {}
        for outcome in outcomes:
            counts[outcome.worker] = counts.get(outcome.worker, 0) + 1
        for token, count in counts.items():
            handle = self._live.get(token) or self._dead.get(token)
            if handle is None:
                continue
            handle.acknowledge(count)
            self._forget_if_done(handle)

    def snapshot(self) -> ExecutorSnapshot:
        """Sizes and loads."""
        return ExecutorSnapshot(pools=tuple(self._pool_snapshot(pool) for pool in self._sizes))

    def shutdown(self, *, grace: float) -> None:
        """Let workers end what they have in hand, within `grace` seconds; then kill, reap and sweep."""
        for pool in self._sizes:
            self._sizes[pool] = 0
        for handle in list(self._live.values()):
            self._drain(handle)
        self._run_until(lambda: not self._live, grace)
        for handle in self._live.values():
            handle.kill()
        self._run_until(lambda: not self._live and not self._sweeping, _SWEEP_PATIENCE)
        self._orphans.sweep(self._worker_pids())
        kernel.set_subreaper(on=self._was_subreaper)

    def slot_of(self, worker: str) -> int:
        """The number of a worker in its pool, from 1; 0 when nothing is known of it any more."""
        handle = self._live.get(worker) or self._dead.get(worker)
        return handle.post.slot if handle is not None else 0

    # -- what the owner may also ask

    def worker_pids(self) -> Mapping[str, int]:
        """Pids of the live workers, by name."""
        return {handle.token: handle.pid for handle in self._live.values()}

    # -- workers come

    def _of(self, pool: str) -> list[Handle]:
        return [handle for handle in self._live.values() if handle.post.pool == pool and not handle.draining]

    def _fill(self, pool: str) -> None:
        for _ in range(self._sizes.get(pool, 0) - len(self._of(pool))):
            self._start(pool)

    def _start(self, pool: str) -> None:
        refuse_threads()
        taken = {handle.post.slot for handle in self._live.values() if handle.post.pool == pool}
        slot = next(number for number in range(1, len(taken) + 2) if number not in taken)
        place = self._place
        token = f"{place.owner}-{new_token()}"
        post = Post(token, place.owner, pool, slot, place.layout, place.log, place.disk_floor, place.delegation)
        process, pidfd, channel = start_worker(post, self._hold)
        handle = Handle(post, process, pidfd, channel)
        handle.idle_since = self._clock.monotonic()
        # Objects of the parent's that a later child must never finalise.
        self._hold.objects += (process, channel)
        self._live[handle.token] = handle
        self._reactor.watch(pidfd, READ, lambda _: self._on_death(handle))
        self._reactor.watch(channel.fileno(), READ, lambda events: self._on_channel(handle, events))

    # -- workers speak

    def _watch_backlog(self, handle: Handle) -> None:
        if handle.channel.backlog and not handle.channel.closed:
            fd = handle.channel.fileno()
            self._reactor.watch(fd, READ | WRITE, lambda events: self._on_channel(handle, events))

    def _on_channel(self, handle: Handle, events: int) -> None:
        if events & WRITE and handle.channel.flush() and not handle.channel.closed:
            self._reactor.watch(handle.channel.fileno(), READ, lambda ready: self._on_channel(handle, ready))
        if events & READ:
            self._read(handle)
            if handle.channel.closed:
                # Its pidfd tells the rest.
                self._reactor.unwatch(handle.channel.fileno())

    def _read(self, handle: Handle) -> None:
        handle.silence = 0.0
        try:
            for kind, body in handle.channel.receive():
                if kind == frames.RECORDS:
                    for record in spool.unpack(body):
                        self._on_record(handle, record)
                else:
                    self._on_message(handle, frames.decode_upward(body))
        except (ChannelError, ValueError) as error:
            handle.reason = f"spoke nonsense ({error})"
            handle.kill()

    def _on_record(self, handle: Handle, record: spool.Record) -> None:
        if isinstance(record, spool.Ended):
            attempt = record.outcome.attempt
            handle.ended += 1
            if handle.began == attempt:
                handle.began = 0
            handle.held.pop(attempt, None)
            if not handle.held:
                handle.idle_since = self._clock.monotonic()
            self._events.append(Finished(record.outcome))
        elif isinstance(record, spool.Began):
            handle.began = record.attempt
            self._events.append(Started(record.attempt, handle.token, record.at))

    def _on_message(self, handle: Handle, told: frames.Upward) -> None:
        if isinstance(told, frames.GaveUp):
            for attempt in told.attempts:
                handle.held.pop(attempt, None)
            self._events.append(Released(handle.token, told.attempts))
        elif isinstance(told, frames.Wrote):
            self._events.append(Wrote(told.attempt, told.which, told.extent))
        elif isinstance(told, frames.Hello):
            handle.ready = True
            self._start_failures = 0
            self._events.append(WorkerStarted(handle.token, handle.post.pool, told.pid))
        elif isinstance(told, frames.Retiring):
            handle.draining = True
            handle.reason = told.reason
            handle.kept = told.kept
            if told.kept:
                self._orphans.spare(handle.token)

    # -- workers go

    def _drain(self, handle: Handle) -> None:
        if handle.draining:
            return
        handle.draining = True
        handle.tell(frames.Stop())
        self._watch_backlog(handle)

    def _on_death(self, handle: Handle) -> None:
        self._reactor.unwatch(handle.pidfd)
        self._read(handle)
        self._reactor.unwatch(handle.channel.fileno())
        how = handle.exit_reason()
        began = self._read_spool(handle)
        handle.close()
        del self._live[handle.token]
        self._dead[handle.token] = handle
        orderly = how == "exit code 0" and not handle.held
        if orderly:
            self._events.append(WorkerRetired(handle.token, handle.post.pool, handle.reason or "asked to"))
        else:
            started = tuple(attempt for attempt in handle.held if attempt == began)
            leased = tuple(attempt for attempt in handle.held if attempt != began)
            # Its files stay until what is told of the started ones is committed as well: without them a recovery
            # would take these for leases that never began.
            handle.ended += len(started)
            lost = WorkerLost(handle.token, handle.post.pool, handle.reason or how, started, leased)
            self._sweeping.append((handle, lost))
            self._sweep(self._clock.monotonic() + _SWEEP_PATIENCE)
        self._replace(handle, orderly)
        self._forget_if_done(handle)

    def _read_spool(self, handle: Handle) -> int:
        """What it wrote and could not send any more; returns the attempt it had begun (0: none)."""
        ended, began = spooled_end(handle.post.layout.spool(handle.token))
        for record in ended:
            if record.outcome.attempt in handle.held:
                self._on_record(handle, record)
        return began

    def _replace(self, handle: Handle, orderly: bool) -> None:
        if not handle.ready and not orderly:
            self._start_failures += 1
            if self._start_failures >= _START_FAILURES:
                raise StateError(
                    f"workers of pool {handle.post.pool} end before they can be used; the last word of "
                    f"{self._place.log} is: {_last_line(self._place.log)}"
                )
        if not orderly or handle.reason:
            self._fill(handle.post.pool)

    def _sweep(self, until: float) -> None:
        """End what the lost workers' jobs left; tell the losses once nothing is left, or it does not die."""
        clean = self._orphans.sweep(self._worker_pids())
        if not clean and self._clock.monotonic() < until:
            self._reactor.call_later(_SWEEP_INTERVAL, lambda: self._sweep(until))
            return
        for _, lost in self._sweeping:
            self._events.append(lost)
        self._sweeping.clear()

    def _worker_pids(self) -> set[int]:
        return {handle.pid for handle in self._live.values()}

    def _forget_if_done(self, handle: Handle) -> None:
        if handle.token in self._dead and handle.acknowledged >= handle.ended:
            del self._dead[handle.token]
            handle.remove_files()

    # -- looking after them

    def _look_after(self) -> None:
        now = self._clock.monotonic()
        # A supervisor that was stopped, or was slow, has not listened: that time is nobody's silence.
        ran = min(now - self._looked_at, _TICK)
        self._looked_at = now
        for handle in self._live.values():
            handle.silence += ran
        if now - self._ticked_at < _TICK:
            return
        self._ticked_at = now
        for handle in list(self._live.values()):
            if handle.silence > HEARTBEAT_TIMEOUT:
                self._on_silence(handle)
            elif (
                handle.ready and not handle.held and not handle.draining and now - handle.idle_since > IDLE_TIMEOUT
            ):
                self._sizes[handle.post.pool] = max(0, self._sizes[handle.post.pool] - 1)
                self._drain(handle)

    def _on_silence(self, handle: Handle) -> None:
        handle.silence = 0.0
        if kernel.state_of(handle.pid) in ("T", "t", "D"):
            return  # Stopped by somebody: it will speak again. Waiting in the kernel: it cannot be killed anyway.
        handle.reason = f"no heartbeat for {HEARTBEAT_TIMEOUT:g} s"
        handle.kill()

    def _pool_snapshot(self, pool: str) -> PoolSnapshot:
        handles = [handle for handle in self._live.values() if handle.post.pool == pool]
        active = [handle for handle in handles if not handle.draining]
        return PoolSnapshot(
            pool=pool,
            size=self._sizes[pool],
            starting=sum(not handle.ready for handle in active),
            idle=sum(handle.ready and not handle.held for handle in active),
            running=sum(bool(handle.held) for handle in active),
            draining=len(handles) - len(active),
        )

    def _run_until(self, done: object, patience: float) -> None:
        assert callable(done)
        until = self._clock.monotonic() + patience
        while not done():
            left = until - self._clock.monotonic()
            if left <= 0:
                return
            self._reactor.run_once(left)


def _load(offer: Offer) -> int:
    return offer.held


def _last_line(path: str) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
            lines = file.read().decode(errors="backslashreplace").strip().splitlines()
    except OSError as error:
        return f"(unreadable: {error.strerror})"
    return lines[-1] if lines else "(nothing)"
