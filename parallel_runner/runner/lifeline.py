"""What ties a run to a process that asked for it: a pipe, of which that process holds the other end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from parallel_runner.reactor import READ, Reactor, Timer

PATIENCE = 30.0
"""Seconds after the loss of whoever asked for the run in which its last jobs may still run."""


class Lifeline:
    """Hears the other end: each byte is a request to end, and so is its closing, which death does as well.

    Once that is closed nobody is left who could ask again: what has not ended in PATIENCE seconds is ended at once.
    """

    def __init__(self, fd: int, reactor: Reactor, ask: Callable[[int], None]) -> None:
        """Watch the reading end `fd`; `ask` is told SIGTERM, as often as an end is asked for."""
        self._fd = fd
        self._reactor = reactor
        self._ask = ask
        self._insist: Timer | None = None
        reactor.watch(fd, READ, self._heard)

    def _heard(self, events: int) -> None:
        asked = len(os.read(self._fd, 64))
        for _ in range(asked or 1):
            self._ask(signal.SIGTERM)
        if not asked:
            self._reactor.unwatch(self._fd)
            self._insist = self._reactor.call_later(PATIENCE, lambda: self._ask(signal.SIGTERM))

    def close(self) -> None:
        """Hear no more; the descriptor stays its owner's."""
        self._reactor.unwatch(self._fd)
        if self._insist is not None:
            self._insist.cancel()
