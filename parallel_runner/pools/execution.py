"""One attempt from spawn to outcome, with everything that it started.

    start -> wait (exit? deadline? memory? cancelled?) -> [TERM, grace, KILL] -> reap the tree -> drain -> outcome

The worker is a child subreaper and runs one attempt at a time, so every descendant of the worker belongs to it:
"is anything left" is one waitid call, and ending all of it is a loop until there is no child.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import NOT_KEPT, Extent, Outcome, Usage
from parallel_runner.model.ports import Call, Lease, Refusal, Spawn
from parallel_runner.model.terms import Terms
from parallel_runner.pools import kernel, launch
from parallel_runner.pools.capture import Stream
from parallel_runner.pools.cgroup import Delegation, Group
from parallel_runner.pools.classify import OUT_OF_MEMORY, TIMED_OUT, Ending, classify
from parallel_runner.pools.tree import Tree, has_children

DRAIN = 0.3
"""Seconds that a stream is read after the command's own exit."""
QUIET = 0.003
"""Seconds in which a new command's output waits in the pipe: most that print a little have ended by then, and to be
woken for it while they run costs them more than reading it afterwards."""
KILL_PATIENCE = 5.0
"""Seconds until a process that does not die is given up as escaped."""
SAMPLE_INTERVAL = 0.2
PARTIAL_EXIT = 3
"""By which tools that may answer in part say that they did."""
_READ_ROUNDS = 64
_NOTHING: AbstractContextManager[None] = nullcontext()


class Surroundings(Protocol):
    """What goes on in the worker while an attempt runs."""

    def attend(self, fd: int) -> None:
        """A descriptor is ready that is none of the attempt's."""
        ...

    def tick(self, now: float) -> float:
        """Do what is due; returns when (monotonic seconds) to be called again."""
        ...

    def wrote(self, which: int, extent: Extent) -> None:
        """The attempt in hand wrote something to stdout (0) or stderr (1)."""
        ...


class Execution:
    """Runs attempts, one at a time."""

    def __init__(
        self,
        poller: select.poll,
        out: Stream,
        err: Stream,
        surroundings: Surroundings,
        delegation: Delegation | None,
    ) -> None:
        self._poller = poller
        self._stream_poller = select.poll()
        self._out = out
        self._err = err
        self._surroundings = surroundings
        self._pidfd = -1
        self._tree = Tree()
        self._delegation = delegation
        self._group: Group | None = None
        self._ending: Ending | None = None
        self._force = False
        self._kill_at: float | None = None
        """When TERM has had its grace."""
        self.escaped = False
        self.kept = False
        self._terms: Terms | None = None
        self._limited = False
        self._watching = False
        for stream in (out, err):
            self._stream_poller.register(stream.read_fd, select.POLLIN)

    # -- what the worker may ask while an attempt runs

    def end(self, ending: Ending, *, force: bool = False) -> None:
        """End the attempt in hand. A second call may only hasten it."""
        self._ending = self._ending or ending
        self._force = self._force or force

    # -- one attempt

    def run(
        self, terms: Terms, what: Spawn | Call, env: Mapping[bytes, bytes], lease: Lease, worker: str
    ) -> Outcome:
        """Run one attempt to its end and past the last of its processes.

        Args:
            terms: limits and wishes.
            what: what to start.
            env: the whole environment.
            lease: which attempt it is, and the seconds until its batch's deadline.
            worker: who runs it.
        """
        self._begin(terms)
        started_at, began = time.time(), time.monotonic()
        try:
            self._start(terms, what, env, lease)
        except (OSError, ValueError, OverflowError) as error:
            # What failed may be something after the spawn: a descriptor too many, say.
            self.escaped = not self._kill_tree()
            self._unwatch_streams()
            self._leave_group(terms)
            return refused(State.FAILED, FailureClass.SPAWN, launch.trouble(error))
        self._wait_for_exit(terms, began, lease.deadline)
        details = self._clear_tree(terms)
        self._drain(DRAIN if self.kept else 5 * DRAIN)
        self._unwatch_streams()
        wall = time.monotonic() - began
        tree = self._tree
        self._leave_group(terms)
        verdict = classify(
            tree.status,
            self._ending,
            escaped=self.escaped,
            partial_exit=PARTIAL_EXIT if isinstance(what, Call) and what.partial else None,
        )
        out, err = self._out.finish(), self._err.finish()
        if self._out.lost or self._err.lost:
            details.append(NOT_KEPT)
        if self._ending and self._ending.detail:
            details.insert(0, self._ending.detail)
        if self.kept or self.escaped:
            self._renew_streams()
        return Outcome(
            attempt=lease.attempt,
            state=verdict.state,
            failure=verdict.failure,
            exit_code=verdict.exit_code,
            signal=verdict.signal,
            started_at=started_at,
            usage=Usage(wall, tree.user, tree.system, tree.rss or None),
            out=out,
            err=err,
            worker=worker,
            containment=self._containment,
            detail="; ".join(details),
            partial=verdict.state is State.SUCCEEDED and verdict.exit_code != 0,
        )

    def _begin(self, terms: Terms) -> None:
        if terms.live:
            self._out.begin(terms.limits.max_output, lambda extent: self._surroundings.wrote(0, extent))
            self._err.begin(terms.limits.max_output, lambda extent: self._surroundings.wrote(1, extent))
        else:
            self._out.begin(terms.limits.max_output)
            self._err.begin(terms.limits.max_output)
        self._tree.begin()
        self._containment = "subreaper"
        self._ending = self._kill_at = None
        self._force = self.escaped = self.kept = False

    def _start(self, terms: Terms, what: Spawn | Call, env: Mapping[bytes, bytes], lease: Lease) -> None:
        stdin = launch.memory_file(terms.stdin) if terms.stdin is not None else None
        if isinstance(what, Spawn) and what.stdin is not None:
            stdin = launch.piece_of_file(*what.stdin)
        try:
            if terms is not self._terms:
                self._terms, self._limited = terms, launch.needs_limits(terms)
            with self._surrounded(terms, lease):
                if isinstance(what, Spawn):
                    what = launch.with_nice(what, terms.nice)
                    self._tree.pid = launch.spawn(what, env, self._out.write_fd, self._err.write_fd, stdin)
                else:
                    self._tree.pid = launch.fork_call(
                        what.function, env, self._out.write_fd, self._err.write_fd, stdin, terms.nice
                    )
        finally:
            if stdin is not None:
                os.close(stdin)
        self._pidfd = os.pidfd_open(self._tree.pid)

    # -- the job's control group

    def _surrounded(self, terms: Terms, lease: Lease) -> AbstractContextManager[None]:
        """What holds around the spawn: limits on the worker itself, and the job's group where it gets one."""
        if not self._limited:
            return _NOTHING
        limits = terms.limits
        if self._delegation is None or (limits.memory is None and limits.processes is None):
            return launch.limits_around(terms)
        group = Group(self._delegation, f"{os.getpid()}-{lease.attempt}")
        try:
            group.make(limits.memory, limits.processes)
        except OSError:
            return launch.limits_around(terms)  # What was delegated at the start is not any more.
        self._group = group
        self._containment = "cgroup"
        return _both(launch.limits_around(terms), group.entered())

    def _leave_group(self, terms: Terms) -> None:
        """Read off the group what only it knows, and remove it."""
        group, self._group = self._group, None
        if group is None:
            return
        self._tree.rss = group.peak() or self._tree.rss
        if terms.limits.memory is not None and group.killed_for_memory() and not self._ending:
            self.end(Ending(*OUT_OF_MEMORY, f"reached its limit of {terms.limits.memory} bytes of memory"))
        if not self.kept:
            group.remove()

    # -- while the command itself runs

    def _wait_for_exit(self, terms: Terms, began: float, left: float | None) -> None:
        limits = terms.limits
        timeout = limits.timeout if left is None else min(left, limits.timeout or left)
        deadline = began + timeout if timeout is not None else None
        by_kernel = self._group is not None and self._group.limits_memory
        sample_at = began + SAMPLE_INTERVAL if limits.memory is not None and not by_kernel else None
        self._poller.register(self._pidfd, select.POLLIN)
        quiet_until: float | None = began + QUIET
        try:
            while not self._exited(
                _next(deadline if not self._ending else None, sample_at, self._kill_at, quiet_until)
            ):
                now = time.monotonic()
                if quiet_until is not None and now >= quiet_until:
                    quiet_until = None
                    self._watch_streams()
                # Its exit was looked at first: a worker that was stopped past the deadline must not kill, or
                # call timed out, what ended in time.
                if deadline is not None and now >= deadline and not self._ending:
                    self.end(Ending(*TIMED_OUT, f"timed out after {timeout:g} s"))
                if sample_at is not None and now >= sample_at:
                    sample_at = now + SAMPLE_INTERVAL
                    self._sample(limits.memory or 0)
                if self._ending and self._kill_at is None:
                    self._tree.signal(signal.SIGTERM)
                    self._kill_at = now + limits.grace
                if self._kill_at is not None and (now >= self._kill_at or self._force):
                    self.escaped = not self._kill_tree()
                    return
        finally:
            self._poller.unregister(self._pidfd)
            os.close(self._pidfd)

    def _exited(self, until: float | None) -> bool:
        """Wait once, at most until that moment. True when the command itself has ended and is reaped."""
        exited = False
        pidfd = self._pidfd
        for fd, _ in self._poll(until):
            if fd == pidfd:
                exited = True
            else:
                self._serve(fd)
        if exited:
            self._tree.reap(self._tree.pid)
        return self._tree.status is not None

    def _poll(self, until: float | None) -> list[tuple[int, int]]:
        now = time.monotonic()
        wake = self._surroundings.tick(now)
        if until is not None and until < wake:
            wake = until
        return self._poller.poll(max(0.0, (wake - now) * 1000 + 0.5))

    def _serve(self, fd: int) -> None:
        if fd == self._out.read_fd:
            self._out.read()
        elif fd == self._err.read_fd:
            self._err.read()
        else:
            self._surroundings.attend(fd)

    def _sample(self, limit: int) -> None:
        used = self._tree.sample()
        if used > limit and not self._ending:
            self.end(Ending(*OUT_OF_MEMORY, f"used {used} bytes of memory, of {limit} allowed"), force=True)

    # -- what the command leaves behind

    def _clear_tree(self, terms: Terms) -> list[str]:
        """Deal with what outlives the command; returns what to tell of it."""
        if not has_children() or self.escaped:
            return ["processes that could not be killed are left"] if self.escaped else []
        self._tree.reap_all()
        left = kernel.descendants(os.getpid())
        if not left:
            return []
        names = ", ".join(f"{kernel.name_of(pid)}({pid})" for pid in left[:8]) + (" …" if len(left) > 8 else "")
        if terms.leftovers == "keep" and not self._ending:
            self.kept = True
            return [f"left running, as asked: {names}"]
        if terms.leftovers == "term" and not self._force:
            self._tree.signal(signal.SIGTERM)
            self._wait_gone(self._kill_at or time.monotonic() + terms.limits.grace, lambda: self._force)
        self.escaped = not self._kill_tree()
        if self.escaped:
            return ["processes that could not be killed are left"]
        return [f"left over and ended: {names}"]

    def _kill_tree(self) -> bool:
        """Kill and reap until there is no child. False when some do not die in KILL_PATIENCE seconds."""
        give_up = time.monotonic() + KILL_PATIENCE
        while has_children():
            if self._group is not None:
                self._group.kill()
            self._tree.signal(signal.SIGKILL)
            # Short rounds: what forked between the look and the kill is met by the next one.
            self._wait_gone(min(give_up, time.monotonic() + 0.05), lambda: False)
            if time.monotonic() >= give_up:
                return not has_children()
        return True

    def _wait_gone(self, until: float, hurry: Callable[[], bool]) -> None:
        """Wait, on pidfds, until no child is left, or `until`."""
        self._watch_streams()
        while time.monotonic() < until and not hurry():
            self._tree.reap_all()
            watched = [fd for fd in map(kernel.open_pidfd, kernel.descendants(os.getpid())) if fd >= 0]
            if not watched:
                if not has_children():
                    return
                continue
            for fd in watched:
                self._poller.register(fd, select.POLLIN)
            try:
                for fd, _ in self._poll(until):
                    if fd not in watched:
                        self._serve(fd)
            finally:
                for fd in watched:
                    self._poller.unregister(fd)
                    os.close(fd)

    # -- streams

    def _drain(self, patience: float) -> None:
        """Read what is still in the pipes. Bounded: something that was kept may write for ever."""
        # Most attempts leave nothing in the pipes: asking costs half of what two vain reads do.
        waiting = self._stream_poller.poll(0)
        if not waiting:
            return
        until = time.monotonic() + patience
        for stream in (self._out, self._err):
            rounds = 0
            while stream.read():
                rounds += 1
                if rounds >= _READ_ROUNDS and time.monotonic() > until:
                    break

    def _watch_streams(self) -> None:
        """Read what comes while waiting, from now on."""
        if not self._watching:
            self._watching = True
            for stream in (self._out, self._err):
                self._poller.register(stream.read_fd, select.POLLIN)

    def _unwatch_streams(self) -> None:
        if self._watching:
            self._watching = False
            for stream in (self._out, self._err):
                self._poller.unregister(stream.read_fd)

    def _renew_streams(self) -> None:
        for stream in (self._out, self._err):
            self._stream_poller.unregister(stream.read_fd)
            stream.renew()
            self._stream_poller.register(stream.read_fd, select.POLLIN)


@contextmanager
def _both(first: AbstractContextManager[None], second: AbstractContextManager[None]) -> Iterator[None]:
    with first, second:
        yield


def refused(state: State, failure: FailureClass, detail: str, exit_code: int | None = None) -> Outcome:
    """The outcome of an attempt whose command never ran; attempt and worker are filled in by who knows them."""
    return Outcome(
        attempt=0, state=state, failure=failure, exit_code=exit_code, started_at=time.time(), detail=detail
    )


def refusal_outcome(refusal: Refusal) -> Outcome:
    """The outcome of what a tool or a policy would not start."""
    if refusal.rejected:
        return refused(State.REJECTED, FailureClass.POLICY, refusal.message, refusal.exit_code)
    return refused(State.FAILED, FailureClass.SPAWN, refusal.message, refusal.exit_code)


def _next(*moments: float | None) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)
