"""One loop over descriptors and timers, for a process without threads.

A thin cover over `selectors`: callbacks by descriptor, timers on a heap. Whoever owns the loop calls `run_once`;
rooms below it register what they wait for and need not know each other.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
from collections.abc import Callable

from parallel_runner.clock import Clock, SystemClock

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE


class Timer:
    """A call to be made at a moment; `cancel` makes it void."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None] | None) -> None:
        self.when = when
        self.callback = callback

    def cancel(self) -> None:
        """Never make the call. Harmless when it was made."""
        self.callback = None


class Reactor:
    """Waits for descriptors and moments, and calls back."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    @property
    def keepalive(self) -> object:
        """What a forked child must hold for life, so that no finaliser closes a descriptor by its old number."""
        return self._selector

    def watch(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Call `callback(ready_events)` whenever `fd` is ready for `events` (READ, WRITE or both); replaces."""
        try:
            self._selector.modify(fd, events, callback)
        except KeyError:
            self._selector.register(fd, events, callback)

    def unwatch(self, fd: int) -> None:
        """Stop watching; harmless when not watched."""
        try:
            self._selector.unregister(fd)
        except (KeyError, ValueError):
            return

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call once at monotonic time `when` (seconds)."""
        timer = Timer(when, callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call once `delay` seconds from now."""
        return self.call_at(self._clock.monotonic() + delay, callback)

    def run_once(self, timeout: float) -> int:
        """Wait at most `timeout` seconds for something to happen, make the calls, return how many were made."""
        timers = self._timers
        while timers and timers[0][2].callback is None:
            heapq.heappop(timers)
        if timers:
            timeout = min(timeout, max(0.0, timers[0][0] - self._clock.monotonic()))
        calls = 0
        for key, events in self._selector.select(timeout):
            # A callback made before this one may have unwatched the descriptor in the same round.
            if self._selector.get_map().get(key.fd) is key:
                key.data(events)
                calls += 1
        return calls + self._run_timers()

    def _run_timers(self) -> int:
        calls = 0
        now = self._clock.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()
                calls += 1
        return calls

    def close(self) -> None:
        """Close the selector; the descriptors stay their owners'."""
        self._selector.close()
