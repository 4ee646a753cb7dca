"""Time as an argument: stamps are aware UTC, spans come from a monotonic clock."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Protocol


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """The wall-clock time, aware, UTC. May jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """The wall-clock time, aware, UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Seconds from CLOCK_MONOTONIC."""
        return time.monotonic()


class FakeClock:
    """A clock that moves only when told to; for tests and simulation."""

    def __init__(self, now: datetime | None = None, monotonic: float = 0.0) -> None:
        self._now = now or datetime(2026, 1, 1, tzinfo=timezone.utc)
        self._monotonic = monotonic

    def now(self) -> datetime:
        """The set wall-clock time."""
        return self._now

    def monotonic(self) -> float:
        """The set monotonic time, seconds."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move both clocks forward by `seconds`."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
