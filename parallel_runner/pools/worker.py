"""The worker: takes leases from its channel, runs them one at a time, tells what came of them.

      supervisor ──Assign──▶ queue ──▶ spool Began ──▶ Execution ──▶ spool Ended ──▶ records ──▶ supervisor
                 ◀─GaveUp──                                             │
                 ──Acknowledge─────────────────────────────────────────▶ forget, empty the spool

When the supervisor dies, what it sent is read to the end, `Freed` is spooled, the attempt in hand is finished under
its own limits, its outcome is spooled and forced to the disk, and the worker exits.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections import deque

import msgspec

from parallel_runner.errors import ParallelRunnerError
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.segments import read_output
from parallel_runner.journal.spool import Began, Ended, Freed, SpoolWriter, pack
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Extent, Outcome
from parallel_runner.model.ports import Call, Lease, Refusal
from parallel_runner.pools import frames, verdicts
from parallel_runner.pools.capture import Stream
from parallel_runner.pools.cgroup import Delegation
from parallel_runner.pools.channel import Channel
from parallel_runner.pools.classify import ending_as
from parallel_runner.pools.execution import Execution, refusal_outcome, refused
from parallel_runner.pools.following import Followers
from parallel_runner.pools.plans import Plan, make_plan

FLUSH_INTERVAL = 0.02
"""Seconds within which the supervisor is told that an attempt has begun."""
OUTCOME_INTERVAL = 0.04
"""Seconds that outcomes of short jobs are gathered while more of them wait: each word wakes the supervisor up."""
HEARTBEAT = 5.0
PLANS_KEPT = 64
FOLLOW = signal.SIGURG
"""Says that somebody wants to follow what the job in hand writes. Ignored by any process that does not know it."""
SPOOL_LIMIT = 256 * 1024
"""Bytes at which what is acknowledged is dropped from the spool."""


class Worker:
    """One worker's life, from its first lease to its exit."""

    def __init__(
        self, token: str, slot: int, channel: Channel, supervisor: int, spool: SpoolWriter, layout: StateLayout
    ) -> None:
        self._token = token
        self._mark = token.encode()
        self._slot = slot
        self._channel = channel
        self._supervisor = supervisor
        self._spool = spool
        self._layout = layout
        self._poller = select.poll()
        self._plans: dict[tuple[int, int], Plan] = {}
        self._terms: dict[tuple[int, int], frames.UseTerms] = {}
        self._queue: deque[Lease] = deque()
        self._current = 0
        self._cwd = b""
        self._unsent = bytearray()
        self._unsent_began = b""
        self._unspooled = bytearray()
        self._began_due = self._ended_due = float("inf")
        self._beat_at = time.monotonic()
        self._unacknowledged: deque[bytes] = deque()
        self._acknowledged = 0
        self._signal_fd = -1
        self._leaving = False
        self._orphaned = False
        self._sigterm = False

    def run(self, out: Stream, err: Stream, signal_fd: int, delegation: Delegation | None) -> None:
        """Work until told to stop, or until the supervisor is gone."""
        self._signal_fd = signal_fd
        self._poller.register(self._channel.fileno(), select.POLLIN)
        self._poller.register(self._supervisor, select.POLLIN)
        self._poller.register(signal_fd, select.POLLIN)
        self._execution = Execution(self._poller, out, err, self, delegation)
        self._followers = Followers(self._layout.following, self._token, self._poller, out, err)
        self._send(frames.Hello(os.getpid()))
        while not self._leaving:
            if self._queue:
                self._run_one(self._queue.popleft())
            else:
                self._flush_spool()
                self._flush_records()
                self._wait()
        self._leave()

    def _wait(self) -> None:
        now = time.monotonic()
        for fd, _ in self._poller.poll(max(0.0, (self.tick(now) - now) * 1000 + 0.5)):
            self.attend(fd)

    # -- one attempt

    def _run_one(self, lease: Lease) -> None:
        began = pack(Began(lease.attempt, time.time()))
        if not self._record(began):
            # No room to note that it starts: then it must not start.
            self._send(frames.GaveUp((lease.attempt,)))
            return
        self._current = lease.attempt
        self._unsent_began = began
        self._began_due = time.monotonic() + FLUSH_INTERVAL
        outcome = self._outcome_of(lease)
        self._followers.end()
        self._current = 0
        self._unsent_began = b""
        self._began_due = float("inf")
        if not outcome.attempt:
            outcome = msgspec.structs.replace(outcome, attempt=lease.attempt, worker=self._token)
        record = pack(Ended(outcome))
        self._unspooled += record
        self._unsent += record
        self._unacknowledged.append(record)
        self._ended_due = min(self._ended_due, time.monotonic() + OUTCOME_INTERVAL)
        if self._orphaned:
            self._finish_orphaned()
        elif self._execution.kept or self._execution.escaped:
            self._retire("its last job left processes behind")
        elif self._spool.size > SPOOL_LIMIT:
            self._compact()

    def _outcome_of(self, lease: Lease) -> Outcome:
        try:
            plan = self._plan(lease)
            if plan.terms.cwd != self._cwd:
                os.chdir(plan.terms.cwd)
                self._cwd = plan.terms.cwd
            launch = plan.prepare(lease, b"%s:%d" % (self._mark, lease.attempt))
        except OSError as error:
            self._cwd = b""
            where = (
                os.fsdecode(error.filename).encode("utf-8", "backslashreplace").decode() if error.filename else ""
            )
            return refused(State.FAILED, FailureClass.SPAWN, f"cannot enter {where}: {error.strerror}")
        except (ParallelRunnerError, msgspec.MsgspecError, ImportError, ValueError, OverflowError) as error:
            # The last two: what Python says of a path with a NUL, or of a number that the system cannot hold.
            return refused(State.FAILED, FailureClass.SPAWN, str(error))
        if isinstance(launch, Refusal):
            return refusal_outcome(launch)
        outcome = self._execution.run(plan.terms, launch, plan.env, lease, self._token)
        return self._judged(outcome, plan, lease) if plan.terms.expect or plan.terms.validate else outcome

    def _judged(self, outcome: Outcome, plan: Plan, lease: Lease) -> Outcome:
        """The outcome by what was expected of it, and by the command that checks it."""
        terms, outputs = plan.terms, self._layout.outputs
        try:
            if terms.expect is not None:
                searching = verdicts.search_terms(terms)
                outcome = verdicts.meets(
                    terms.expect,
                    outcome,
                    outputs,
                    lambda look: self._execution.run(searching, Call(look), plan.env, lease, self._token),
                )
            if terms.validate is None or outcome.state is not State.SUCCEEDED or self._execution.escaped:
                return outcome
            own = verdicts.check_terms(terms, terms.validate)
            with verdicts.check_launch(terms.validate, outcome, outputs, plan.env, terms.cwd) as (launch, env):
                if isinstance(launch, Refusal):
                    check = refusal_outcome(launch)
                else:
                    check = self._execution.run(own, launch, env, lease, self._token)
        except OSError as error:
            detail = f"not validated: {error.strerror}"
            return msgspec.structs.replace(outcome, state=State.FAILED, failure=FailureClass.SPAWN, detail=detail)
        return verdicts.by_check(outcome, check, lambda output: b"".join(read_output(outputs, output)))

    def _plan(self, lease: Lease) -> Plan:
        key = (lease.batch, lease.terms)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= PLANS_KEPT:
                # Each has an environment of its own: jobs that all differ would fill the memory.
                self._plans.clear()
            plan = make_plan(self._terms[key].terms, self._layout, self._slot)
            plan.tool.preload()
            self._plans[key] = plan
        return plan

    # -- what goes on beside it (Execution calls these two)

    def attend(self, fd: int) -> None:
        """Serve the channel, the supervisor's pidfd, a signal, or who follows."""
        if fd == self._signal_fd:
            told = os.read(fd, 64)
            if FOLLOW in told:
                self._followers.look(self._current)
            if signal.SIGTERM in told:
                self._on_sigterm()
        elif fd == self._supervisor:
            self._on_supervisor_death()
        elif fd == self._channel.fileno():
            self._channel.flush()
            self._intake()
            if self._channel.closed:
                # The pidfd is the truth; it follows within microseconds, or the supervisor dropped this worker.
                self._on_supervisor_death()
        elif fd in self._followers:
            self._followers.attend(fd)

    def tick(self, now: float) -> float:
        """Send what is due; returns when to be called again (monotonic seconds)."""
        if now >= self._began_due or now >= self._ended_due:
            self._flush_records()
        if now >= self._beat_at:
            self._beat_at = now + HEARTBEAT
            self._send(frames.Beat())
        if self._channel.backlog:
            self._channel.flush()
            return now + FLUSH_INTERVAL
        return min(self._began_due, self._ended_due, self._beat_at)

    def wrote(self, which: int, extent: Extent) -> None:
        """Tell what the attempt in hand wrote; it stands in the segment already."""
        self._send(frames.Wrote(self._current, which, extent))

    def _intake(self) -> None:
        for _, body in self._channel.receive():
            told = frames.decode_downward(body)
            if isinstance(told, frames.Assign):
                self._queue.extend(told.leases)
            elif isinstance(told, frames.Acknowledge):
                self._forget(told.count)
            elif isinstance(told, frames.UseTerms):
                self._terms[told.batch, told.index] = told
            elif isinstance(told, frames.TakeBack):
                self._give_up([self._queue.pop().attempt for _ in range(min(told.count, len(self._queue)))])
            elif isinstance(told, frames.End):
                self._end(told)
            else:
                self._leaving = True
                self._give_up([lease.attempt for lease in self._queue])

    def _end(self, told: frames.End) -> None:
        wanted = set(told.attempts)
        if self._current in wanted:
            self._execution.end(ending_as(told.state), force=told.force)
        self._give_up([lease.attempt for lease in self._queue if lease.attempt in wanted])

    def _give_up(self, attempts: list[int]) -> None:
        given = set(attempts)
        self._queue = deque(lease for lease in self._queue if lease.attempt not in given)
        self._send(frames.GaveUp(tuple(attempts)))

    # -- spool and channel

    def _record(self, began: bytes) -> bool:
        """Spool what ended before, and that this one begins, in one write. False: no room."""
        try:
            self._spool.append(bytes(self._unspooled) + began)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise
            return False
        self._unspooled.clear()
        return True

    def _flush_spool(self) -> None:
        if not self._unspooled:
            return
        try:
            self._spool.append(bytes(self._unspooled))
            self._unspooled.clear()
        except OSError:
            # Kept in memory: the supervisor has it from the channel, and the next record tries again.
            return

    def _flush_records(self) -> None:
        self._began_due = self._ended_due = float("inf")
        if self._unsent_began:
            self._unsent += self._unsent_began
            self._unsent_began = b""
        if self._unsent:
            if not self._orphaned:
                self._channel.send(frames.records(self._unsent))
            self._unsent.clear()
            self._beat_at = time.monotonic() + HEARTBEAT

    def _send(self, told: frames.Upward) -> None:
        # Records first: what is given up after an outcome must not overtake it.
        self._flush_records()
        if not self._orphaned:
            self._channel.send(frames.message(told))

    def _forget(self, count: int) -> None:
        while self._acknowledged < count and self._unacknowledged:
            self._unacknowledged.popleft()
            self._acknowledged += 1
        if not self._unacknowledged and not self._current and not self._unspooled:
            self._spool.reset()

    def _compact(self) -> None:
        self._flush_spool()
        if not self._unspooled:
            try:
                self._spool.rewrite(self._unacknowledged)
            except OSError:
                return  # The old file stands; it is only longer than need be.

    # -- ends

    def _on_supervisor_death(self) -> None:
        if self._orphaned:
            return
        # All that it sent is in the socket's buffer by now; what it did not send is nobody's.
        self._intake()
        self._orphaned = self._leaving = True
        for fd in (self._channel.fileno(), self._supervisor):
            self._poller.unregister(fd)
        self._queue.clear()
        self._append_last(pack(Freed(self._current)))
        if self._current and self._plans_of_current_stop():
            self._execution.end(ending_as(State.INTERRUPTED, "its supervisor was lost"))

    def _plans_of_current_stop(self) -> bool:
        return any(plan.terms.stop_on_loss for plan in self._plans.values())

    def _finish_orphaned(self) -> None:
        self._append_last(b"")

    def _append_last(self, record: bytes) -> None:
        try:
            self._spool.append(bytes(self._unspooled) + record)
            self._unspooled.clear()
            self._spool.sync()
        except OSError:
            return  # Nobody is left to be told; recovery will find the attempt in doubt and say so.

    def _on_sigterm(self) -> None:
        self._leaving = True
        if not self._orphaned:
            self._give_up([lease.attempt for lease in self._queue])
        if self._current:
            self._execution.end(
                ending_as(State.CANCELLED, "its worker was told to end (SIGTERM)"), force=self._sigterm
            )
        self._sigterm = True

    def _retire(self, reason: str) -> None:
        self._leaving = True
        self._give_up([lease.attempt for lease in self._queue])
        self._send(frames.Retiring(reason, self._execution.kept))

    def _leave(self) -> None:
        """The last words: everything spooled and sent, as far as the supervisor still reads."""
        self._flush_spool()
        self._flush_records()
        until = time.monotonic() + HEARTBEAT
        while not self._orphaned and not self._channel.flush() and time.monotonic() < until:
            select.select([], [self._channel], [], FLUSH_INTERVAL)
        self._followers.leave()
